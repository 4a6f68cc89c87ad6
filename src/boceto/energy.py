"""What a computation costs in electricity: measured where the machine tells it, else estimated, and said which.

    CPU   Intel's and AMD's own counters (RAPL, Linux): package and memory, of all programs together. They are often
          readable by root only; without them: CPU seconds of this process × ``WATTS_PER_CORE``.
    GPU   NVIDIA's power reading of one card, taken every few seconds.

Screen, disk, fans, power supply and cooling are not in it. Nothing here ever raises: a figure on the side shall not
cost a training.
"""

from __future__ import annotations

import subprocess
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

POWERCAP = Path("/sys/class/powercap")
# A busy core with its share of the chip: 350 W for 56 cores (a server) make 6 W, 125 W for 8 cores (a desktop) 16 W,
# 28 W for 4 cores (a laptop) 7 W. So the estimate may be wrong by half or by twice.
WATTS_PER_CORE = 10.0
EVERY_S = 10.0  # seconds from one reading to the next; RAPL's counters wrap around after some 20 minutes at least
JOULES_PER_WH = 3600.0


@dataclass(frozen=True)
class Grid:
    """Where electricity comes from: ``renewable`` share 0 … 1 (None: not known), grams of CO2 a kWh of the mixture."""

    name: str
    renewable: float | None
    grams_per_kwh: float


# Red Eléctrica de España, forecast for 2020 of December 2020: 43.6 % renewable (the share the second thesis states);
# 36.17 Mt of CO2 over 250 TWh: 144 g/kWh (Asociación Empresarial Eólica, 2021).
SPAIN_2020 = Grid("Spain 2020", 0.436, 144.0)


@dataclass(frozen=True)
class Energy:
    """Joules, and where the figure is from: ``sources`` are such as ``"RAPL"`` or ``"estimate: …"``."""

    joules: float = 0.0
    sources: tuple[str, ...] = ()

    def __add__(self, other: Energy) -> Energy:
        return Energy(self.joules + other.joules, tuple(dict.fromkeys((*self.sources, *other.sources))))

    @property
    def source(self) -> str:
        """All sources in one phrase."""
        return ", ".join(self.sources)

    @property
    def wh(self) -> float:
        """Watt-hours."""
        return self.joules / JOULES_PER_WH

    @property
    def kwh(self) -> float:
        """Kilowatt-hours."""
        return self.wh / 1000

    def co2_grams(self, grams_per_kwh: float = SPAIN_2020.grams_per_kwh) -> float:
        """Grams of CO2, from those per kWh of the electricity used."""
        return self.kwh * grams_per_kwh


class Meter:
    """``with Meter() as meter: …``; ``meter.used()`` tells the Energy since it began, during and after."""

    def __init__(
        self, *, gpu: str | None = None, powercap: Path = POWERCAP, smi: str = "nvidia-smi", every_s: float = EVERY_S
    ) -> None:
        """``gpu``: an NVIDIA card's number or UUID, as ``nvidia-smi -i`` takes it; None: none is used."""
        self._rapl = _Rapl(powercap)
        self._gpu = _Gpu(gpu, smi) if gpu is not None else None
        self._every_s = every_s
        self._began = time.process_time()
        self._used = Energy()
        self._lock = threading.Lock()
        self._ended = threading.Event()

    def __enter__(self) -> Meter:
        self._began = time.process_time()
        self._read()
        if self._rapl.there or self._gpu:
            threading.Thread(target=self._follow, daemon=True).start()
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, tb: TracebackType | None) -> None:
        self.used()
        self._ended.set()

    def used(self) -> Energy:
        """Energy since the beginning, or until the end."""
        if not self._ended.is_set():
            self._read()
            cpu = Energy(self._rapl.joules, ("RAPL",)) if self._rapl.there else self._estimate()
            self._used = cpu + (self._gpu.energy() if self._gpu else Energy())
        return self._used

    def _estimate(self) -> Energy:
        return Energy(
            (time.process_time() - self._began) * WATTS_PER_CORE, (f"estimate: CPU time × {WATTS_PER_CORE:g} W a core",)
        )

    def _follow(self) -> None:
        while not self._ended.wait(self._every_s):
            self._read()

    def _read(self) -> None:
        with self._lock:
            self._rapl.read()
            if self._gpu:
                self._gpu.read()


class _Rapl:
    """The counters of packages and of their memory; ``joules`` since the first reading."""

    def __init__(self, powercap: Path) -> None:
        self.joules = 0.0
        self._counters: list[tuple[Path, int]] = []  # file, and after how many µJ it begins anew
        self._last: dict[Path, int] = {}
        for domain in sorted(powercap.glob("intel-rapl:*")):
            # "psys" holds the packages, and "core" and "uncore" are held by them
            if _text(domain / "name").startswith(("package", "dram")):
                counter, wraps = domain / "energy_uj", _number(domain / "max_energy_range_uj")
                if _number(counter) is not None:
                    self._counters.append((counter, wraps or 0))

    @property
    def there(self) -> bool:
        return bool(self._counters)

    def read(self) -> None:
        for counter, wraps in self._counters:
            now = _number(counter)
            if now is None:
                continue
            used = now - self._last.get(counter, now)
            self.joules += (used if used >= 0 else used + wraps) / 1e6
            self._last[counter] = now


class _Gpu:
    """A card's watts, summed up over time: each reading stands for the time half-way to its neighbours."""

    def __init__(self, card: str, smi: str) -> None:
        self._command = [smi, "--query-gpu=power.draw", "--format=csv,noheader,nounits", "-i", card]
        self._joules = 0.0
        self._last: tuple[float, float] | None = None  # seconds, watts

    def read(self) -> None:
        try:
            said = subprocess.run(self._command, capture_output=True, text=True, timeout=5, check=True).stdout
            watts = float(said.split()[0])
        except (OSError, subprocess.SubprocessError, ValueError, IndexError):
            return
        now = time.monotonic()
        if self._last:
            then, before = self._last
            self._joules += (now - then) * (before + watts) / 2
        self._last = now, watts

    def energy(self) -> Energy:
        return Energy(self._joules, ("nvidia-smi",)) if self._last else Energy(0.0, ("GPU not counted",))


def _text(path: Path) -> str:
    try:
        return path.read_text("utf-8").strip()
    except (OSError, ValueError):
        return ""


def _number(path: Path) -> int | None:
    text = _text(path)
    return int(text) if text.isdecimal() else None
