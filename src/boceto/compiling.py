"""A training's nets as compiled code (``torch.compile``), where that pays; if it fails, they go on as they are.

Compiled is each net's pass forward and back, as it is called in a turn. All around it stays as it is: losses, jitter,
optimisers. A penalty on D's slope differentiates twice, which compiled code cannot; D's pass for it is the plain one
(``GAN.judge``). Nets that grow are let go of before they change, and compiled anew in their new form.

Code once compiled is kept in the user's cache, so that a run that goes on does not pay for it again.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from types import TracebackType
from typing import Any, cast

import torch
from torch import Tensor, nn

from boceto.files import user_cache
from boceto.gan import Batch
from boceto.state import State
from boceto.watching import Progress

_BACKEND = "inductor"
# When "auto" compiles: what is left must be worth it. On two CPU cores compiling a DCGAN took 55 to 153 s; on a GPU
# neither the cost nor the gain has been measured, so that these two are guesses, chosen to be wrong on the safe side.
_COST_S = 60.0
_GAIN = 0.1  # share of the time that is saved


class Compiler:
    """Has the nets compiled when that pays, for as long as the ``with`` lasts; ``say`` is told what was done."""

    def __init__(self, state: State, say: Callable[[str], None]) -> None:
        self._state, self._say = state, say
        self._mode: str = state.gan.recipe.train.compile
        self._until = 0.0  # images until which the nets that are compiled stay in their form; 0: none is

    def __enter__(self) -> Compiler:
        self.attend()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._let_go()

    def attend(self, progress: Progress | None = None) -> None:
        """Between two steps: compile or let go. ``progress``, if it is known: how fast it goes and how long still."""
        now = self._state.now
        if self._until and now.nimg >= self._until:
            self._let_go()
        if not self._until and self._is_wanted(progress):
            self._state.begin_step()  # it may grow, and it is the next form that is to be compiled
            self._compile()

    def _is_wanted(self, progress: Progress | None) -> bool:
        if self._mode != "auto":
            return self._mode == "on"
        if progress is None or self._state.compute.device.type != "cuda":
            return False
        form = (self._state.gan.lasts(progress.nimg) - progress.nimg) / progress.images_per_second
        return min(progress.seconds_left, form) * _GAIN > _COST_S

    def _compile(self) -> None:
        """Have both nets compiled, and take one batch's gradients with them, so that what fails does so here."""
        state, began = self._state, time.monotonic()
        os.environ.setdefault("TORCHINDUCTOR_CACHE_DIR", str(user_cache() / "compiled"))
        self._until = state.gan.lasts(state.now.nimg)
        try:
            for net in (state.gan.generator, state.gan.discriminator):
                net.forward = Compiled(net)
            _rehearse(state)
        except torch.OutOfMemoryError:
            raise
        except Exception as error:  # no C compiler, no Triton, a fault of the compiler: whatever it is, there is a way
            self._mode = "off"
            self._let_go()
            why = " ".join(str(error).split())[:160] or type(error).__name__
            self._say(f"compiling the nets failed, so they go on as they are ({why})")
        else:
            self._say(f"both nets compiled in {time.monotonic() - began:.0f} s")

    def _let_go(self) -> None:
        if not self._until:
            return
        self._until = 0.0
        for net in (self._state.gan.generator, self._state.gan.discriminator):
            vars(net).pop("forward", None)
        torch.compiler.reset()


class Compiled:
    """A net's pass forward, compiled, to be put in the place of its ``forward``; names and weights stay the net's."""

    def __init__(self, net: nn.Module) -> None:
        self._net = net
        how: dict[str, Any] = {"backend": _BACKEND, "dynamic": False, "fullgraph": True}
        self._learning, self._standing = (torch.compile(way, **how) for way in (_learning, _standing))

    def __call__(self, *inputs: Tensor) -> Tensor:
        way = self._learning if any(weight.requires_grad for weight in self._net.parameters()) else self._standing
        return way(self._net, *inputs)


# Two functions that do the same, since compiled code belongs to a function: whether the compiler looks again if weights
# learn has differed between versions (2.9 is said not to, 2.13 does), and where it does not, a D first met in G's turn
# would never learn.


def _learning(net: nn.Module, *inputs: Tensor) -> Tensor:
    return cast(Tensor, type(net).forward(net, *inputs))


def _standing(net: nn.Module, *inputs: Tensor) -> Tensor:
    return cast(Tensor, type(net).forward(net, *inputs))


def _rehearse(state: State) -> None:
    """The gradients of a grey batch in both turns, forgotten again with what batch norm made of it."""
    gan, compute = state.gan, state.compute
    statistics = [(buffer, buffer.clone()) for buffer in gan.buffers()]
    n = gan.batch_at(state.now.nimg)
    real = torch.zeros(n, *gan.image_shape, device=compute.device).to(memory_format=compute.memory_format)
    z, labels = gan.blank(n)
    whole = Batch(real, z, labels=labels)
    for batch in {len(part.real): part for part in whole.split(gan.recipe.train.parts(n))}.values():
        for terms, learns in ((gan.d_terms, True), (gan.g_terms, False)):
            state.d_learns(learns)
            with compute.autocast():
                loss = terms(batch, state.now).total
            loss.backward()  # type: ignore[no-untyped-call]
    gan.zero_grad(set_to_none=True)
    with torch.no_grad():
        for buffer, before in statistics:
            buffer.copy_(before)
