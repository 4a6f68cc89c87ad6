"""boceto: train a generator on your own drawings, watch how it goes, and draw with it.

    boceto.prepare("drawings", "data")                      # a folder of pictures → a prepared dataset
    boceto.train("dcgan-64", "data", "run")                 # → a run folder; the same call resumes it
    boceto.load("run").sample(25, seed=0)                   # → uint8 array (25, 64, 64, 3)

Names are loaded when they are first used, so that importing boceto does not import PyTorch.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from boceto.errors import BocetoError, Fault, UsageError
from boceto.version import __version__

if TYPE_CHECKING:
    from boceto.data.preparing import prepare
    from boceto.evaluating import evaluate
    from boceto.reporting.page import report
    from boceto.sampling import load
    from boceto.starting import resume, train

__all__ = [
    "BocetoError",
    "Fault",
    "UsageError",
    "__version__",
    "evaluate",
    "load",
    "prepare",
    "report",
    "resume",
    "train",
]

_HOMES = {
    "prepare": "boceto.data.preparing",
    "train": "boceto.starting",
    "resume": "boceto.starting",
    "load": "boceto.sampling",
    "report": "boceto.reporting.page",
    "evaluate": "boceto.evaluating",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'boceto' has no attribute '{name}'")
    return getattr(import_module(_HOMES[name]), name)
