#!/usr/bin/env python3
"""Everything on a fresh machine, with nothing but Python 3.11 or newer:

    python do.py demo     set up, then the whole way: drawings → dataset → training → new drawings and a report
    python do.py test     set up, then lint, types and tests (more words go to pytest: -m slow, -k name)
    python do.py setup    set up only

It makes the virtual environment .venv beside this file and touches nothing else. PyTorch is installed first and then
held by a constraint, so that no other package replaces it with another build.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import venv
from pathlib import Path

HERE = Path(__file__).resolve().parent
VENV = HERE / ".venv"
BIN = VENV / ("Scripts" if os.name == "nt" else "bin")
PYTHON = BIN / ("python.exe" if os.name == "nt" else "python")
TORCH = "torch>=2.6"
CPU_INDEX = "https://download.pytorch.org/whl/cpu"


def main(arguments: list[str]) -> int:
    """Run one verb; the exit code of what it ran."""
    if sys.version_info < (3, 11):  # noqa: UP036  whoever runs this may have an older one
        print("boceto needs Python 3.11 or newer; this is " + sys.version.split()[0], file=sys.stderr)
        return 2
    verb, rest = (arguments[0], arguments[1:]) if arguments else ("", [])
    if verb not in ("demo", "test", "setup"):
        print(__doc__.strip() if __doc__ else "", file=sys.stderr)
        return 0 if verb in ("-h", "--help", "help") else 2
    try:
        set_up("[dev]" if verb == "test" else "")
        if verb == "demo":
            return run("-m", "boceto", "demo", *rest)
        if verb == "test":
            return test(rest)
    except subprocess.CalledProcessError as error:
        print(f"\ndo.py: this step failed: {' '.join(map(str, error.cmd))}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 1
    print(f"ready: {BIN / 'boceto'} --help")
    return 0


def test(pytest_arguments: list[str]) -> int:
    """Lint, types, tests, in that order; all of them run, the first failure is the answer."""
    if pytest_arguments:
        return run("-m", "pytest", *pytest_arguments)
    checks = (["ruff", "check", "."], ["ruff", "format", "--check", "."], ["mypy"], ["pytest"])
    codes = []
    for check in checks:
        print(f"── {' '.join(check)}", flush=True)
        codes.append(run("-m", *check))
    return next((code for code in codes if code), 0)


def set_up(extras: str) -> None:
    """Make .venv and install boceto with its extras into it, unless that was done for this pyproject.toml."""
    wanted = hashlib.sha256((HERE / "pyproject.toml").read_bytes() + sys.version.encode()).hexdigest()
    stamp = VENV / f"set-up{extras}.txt"
    if PYTHON.exists() and stamp.exists() and stamp.read_text() == wanted:
        return
    print(f"setting up {VENV}{' with the test tools' if extras else ''} (once; a minute or two)", flush=True)
    if not PYTHON.exists():
        venv.create(VENV, with_pip=True)
    constraint = VENV / "constraint.txt"
    constraint.write_text(f"torch=={install_torch()}\n")
    pip("-c", str(constraint), "-e", f"{HERE}{extras}")
    stamp.write_text(wanted)


def install_torch() -> str:
    """Install PyTorch in the build that fits this machine, and return its version; an installed one is kept.

    In order: BOCETO_TORCH_INDEX if set (say https://download.pytorch.org/whl/cu130 for CUDA on Windows); a wheel that
    pip has been told where to find, asking no index; PyTorch's CPU index on Linux without an NVIDIA card; what pip
    takes by itself.
    """
    if version := torch_version():
        return version
    index = os.environ.get("BOCETO_TORCH_INDEX")
    no_card = sys.platform.startswith("linux") and not shutil.which("nvidia-smi")
    *attempts, last = (
        [["--index-url", index]]
        if index
        else [["--no-index", "--no-deps"], *([["--index-url", CPU_INDEX]] if no_card else []), []]
    )
    if not any(pip(*attempt, TORCH, quietly=True) for attempt in attempts):
        pip(*last, TORCH)
    return torch_version()


def torch_version() -> str:
    """The version installed in .venv, or ''."""
    code = "import importlib.metadata as m; print(m.version('torch'))"
    return subprocess.run([PYTHON, "-c", code], capture_output=True, text=True, check=False).stdout.strip()


def pip(*words: str, quietly: bool = False) -> bool:
    """``pip install``; raises CalledProcessError on failure, or returns False if ``quietly``."""
    command = [str(PYTHON), "-m", "pip", "install", "--disable-pip-version-check", "-q", *words]
    if quietly:
        return subprocess.run(command, capture_output=True, check=False).returncode == 0
    subprocess.run(command, check=True)
    return True


def run(*words: str) -> int:
    """Run Python of .venv in this folder's name; Ctrl-C is left to it."""
    process = subprocess.Popen([PYTHON, *words], cwd=HERE if words[1] != "boceto" else None)
    while True:
        try:
            return process.wait()
        except KeyboardInterrupt:
            continue


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
