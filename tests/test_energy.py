"""What it cost: counters read where there are some, also when they wrap around; else an estimate that says so."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from boceto.energy import SPAIN_2020, WATTS_PER_CORE, Energy, Grid, Meter


@pytest.fixture
def powercap(tmp_path: Path) -> Path:
    """A package of 1 kJ range with its cores and its memory, and the whole platform."""
    folder = tmp_path / "powercap"
    for domain, name in {"0": "package-0", "0:0": "core", "0:1": "dram", "1": "psys"}.items():
        place = folder / f"intel-rapl:{domain}"
        place.mkdir(parents=True)
        (place / "name").write_text(f"{name}\n")
        (place / "max_energy_range_uj").write_text("1000000000\n")
        (place / "energy_uj").write_text("900000000\n")
    (folder / "intel-rapl").mkdir()
    return folder


def count(powercap: Path, domain: str, joules: float) -> None:
    (powercap / f"intel-rapl:{domain}" / "energy_uj").write_text(f"{joules * 1e6:.0f}\n")


def test_counters_are_summed_and_wrap_around(powercap: Path) -> None:
    with Meter(powercap=powercap, every_s=60) as meter:
        assert meter.used() == Energy(0.0, ("RAPL",))
        count(powercap, "0", 950)
        count(powercap, "0:0", 940)  # inside the package
        count(powercap, "0:1", 907)
        count(powercap, "1", 990)  # the package is inside
        assert meter.used().joules == pytest.approx(57)
        count(powercap, "0", 30)  # begun anew at 1,000
        assert meter.used().joules == pytest.approx(137)
        (powercap / "intel-rapl:0" / "energy_uj").unlink()  # gone: what was read stands
        assert meter.used().joules == pytest.approx(137)
    count(powercap, "0:1", 999)
    assert meter.used().joules == pytest.approx(137), "the end is the end"


def test_counters_are_read_in_between(powercap: Path) -> None:
    with Meter(powercap=powercap, every_s=0.01) as meter:
        for joules in (300, 800, 200, 700):  # twice around, of which the last reading alone tells nothing
            count(powercap, "0", joules)
            time.sleep(0.1)
    assert meter.used().joules == pytest.approx(1800), "400, 500, 400, 500"


def test_without_counters_it_is_an_estimate_of_cpu_time(tmp_path: Path, powercap: Path) -> None:
    for domain in ("0", "0:1"):
        (powercap / f"intel-rapl:{domain}" / "energy_uj").write_text("not a number")
    for place in (tmp_path / "nothing", powercap):
        with Meter(powercap=place) as meter:
            began = time.process_time()
            while time.process_time() < began + 0.05:
                pass
            time.sleep(0.05)  # costs nothing
        used = meter.used()
        assert used.source.startswith("estimate: CPU time")
        assert 0.05 * WATTS_PER_CORE <= used.joules < 0.5 * WATTS_PER_CORE


@pytest.mark.skipif(os.name == "nt", reason="a shell script stands for nvidia-smi")
def test_a_card_is_sampled_and_one_that_says_nothing_is_named(tmp_path: Path) -> None:
    smi, asked = tmp_path / "nvidia-smi", tmp_path / "asked"
    smi.write_text(f'#!/bin/sh\necho "$@" >> {asked}\necho 200.00\n')
    smi.chmod(0o755)
    began = time.monotonic()
    with Meter(gpu="GPU-7", powercap=tmp_path, smi=str(smi), every_s=0.05) as meter:
        time.sleep(0.3)
    longest = time.monotonic() - began
    cpu = Meter(powercap=tmp_path)._estimate().joules
    assert meter.used().sources[1] == "nvidia-smi" and cpu >= 0
    assert 200 * 0.2 < meter.used().joules < 200 * longest + 20
    assert "-i GPU-7" in asked.read_text() and asked.read_text().count("\n") >= 3

    for broken in ("#!/bin/sh\necho '[N/A]'\n", "#!/bin/sh\nexit 9\n", "no program"):
        smi.write_text(broken)
        with Meter(gpu="0", powercap=tmp_path, smi=str(smi)) as meter:
            pass
        assert "GPU not counted" in meter.used().source
    assert Meter(gpu="0", powercap=tmp_path, smi=str(tmp_path / "nothing")).used().sources[1] == "GPU not counted"


def test_energy_adds_up_and_becomes_carbon_dioxide() -> None:
    used = Energy(1.8e6, ("RAPL",)) + Energy(1.8e6, ("RAPL", "nvidia-smi"))
    assert used == Energy(3.6e6, ("RAPL", "nvidia-smi")) and used.source == "RAPL, nvidia-smi"
    assert used.wh == pytest.approx(1000) and used.kwh == pytest.approx(1)
    assert used.co2_grams() == pytest.approx(SPAIN_2020.grams_per_kwh) and used.co2_grams(50) == pytest.approx(50)
    assert SPAIN_2020.renewable == 0.436 and Grid("mine", None, 20).renewable is None
