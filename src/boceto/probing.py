"""A closer look at the steps that are logged: gradients and updates layer by layer, how varied G's pictures are, and
whether D knows the drawings by heart.

Everything stays on the device as 0-d tensors until the line is written, and nothing is looked at in between, so that
watching costs little and the loop never waits for it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from boceto.gan import GAN

_SIDE = 16  # pixels: pictures are compared at this side, where a line or two more do not make another picture
_ALIKE = 0.25  # of the drawings' mean distance: closer than that, two pictures are one


def layers(net: nn.Module, *shown: Tensor) -> dict[str, nn.Parameter]:
    """The weights of a net (two or more dimensions) by layer, from its input side to its output side.

    It sees what is ``shown``, (N, …) each, once, in eval mode and without a gradient, for the order; nothing changes.
    """
    return {name.removesuffix(".weight"): weight for name, weight in _in_order(net, *shown).items() if weight.dim() > 1}


def lower(net: nn.Module, n: int, *shown: Tensor) -> dict[str, nn.Parameter]:
    """Parameters by name of a net's first ``n`` layers, with biases and the norms that follow; ``shown`` as there."""
    if not n:
        return {}
    found: dict[str, nn.Parameter] = {}
    seen = 0
    for name, parameter in _in_order(net, *shown).items():
        seen += parameter.dim() > 1
        if seen > n:
            break
        found[name] = parameter
    return found


def _in_order(net: nn.Module, *shown: Tensor) -> dict[str, nn.Parameter]:
    """All parameters by name, in the order in which the modules that hold them are called."""
    called: dict[nn.Module, int] = {}

    def note(module: nn.Module, _: object) -> None:
        called.setdefault(module, len(called))

    hooks = [module.register_forward_pre_hook(note) for module in net.modules()]
    training = net.training
    try:
        with torch.no_grad():
            net.eval()(*shown)
    finally:
        net.train(training)
        for hook in hooks:
            hook.remove()

    def place(name: str) -> int:
        """When the innermost module that holds this weight was called; last if it was not."""
        path = name.split(".")[:-1]
        holders = (net.get_submodule(".".join(path[:depth])) for depth in range(len(path), -1, -1))
        return next((called[holder] for holder in holders if holder in called), len(called))

    parameters = dict(net.named_parameters())
    return {name: parameters[name] for name in sorted(parameters, key=place)}


@contextmanager
def update(weights: dict[str, nn.Parameter], net: str, into: dict[str, Tensor]) -> Iterator[None]:
    """Watch one update of a net ("d" or "g"): the norms of its gradients, and how far it moves its weights.

    ``into`` gets ``d/gradient`` ‖∇W‖ and ``d/update`` ‖ΔW‖ / ‖W‖ of all weights together, and the same of each layer
    as ``d/gradient/LAYER`` and ``d/update/LAYER``.
    """
    slopes = {name: weight.grad for name, weight in weights.items() if weight.grad is not None}
    if not slopes:
        yield
        return
    names, moving = list(slopes), [weights[name].detach() for name in slopes]
    old = [weight.clone() for weight in moving]
    gradients = torch.stack(torch._foreach_norm(list(slopes.values())))
    yield
    moved = torch.stack(torch._foreach_norm(torch._foreach_sub(moving, old)))
    sizes = torch.stack(torch._foreach_norm(old))
    into[f"{net}/gradient"] = torch.linalg.vector_norm(gradients)
    into[f"{net}/update"] = torch.linalg.vector_norm(moved) / torch.linalg.vector_norm(sizes).clamp(min=1e-12)
    ratios = moved / sizes.clamp(min=1e-12)
    into |= {f"{net}/gradient/{name}": gradients[i] for i, name in enumerate(names)}
    into |= {f"{net}/update/{name}": ratios[i] for i, name in enumerate(names)}


@torch.no_grad()
def variety(fake: Tensor, real: Tensor) -> dict[str, Tensor]:
    """How varied G's pictures (N, C, H, W) are beside as many real ones: nothing for a batch of one.

    ``g/variety``: their mean distance from each other over the real ones'; 0 = all the same, 1 = as different.
    ``g/distinct``: the share of them that are unlike every other before them.
    """
    if len(fake) < 2 or len(real) < 2:
        return {}
    between, common = _distances(fake), _distances(real)
    pairs = len(fake) * (len(fake) - 1), len(real) * (len(real) - 1)
    usual = (common.sum() / pairs[1]).clamp(min=1e-6)
    before = torch.ones_like(between).tril(-1) > 0
    nearest = torch.where(before, between, torch.inf).amin(dim=1)  # of those before it; the first has none
    return {
        "g/variety": between.sum() / pairs[0] / usual,
        "g/distinct": (nearest > _ALIKE * usual).float().mean(),
    }


@torch.no_grad()
def held_out(gan: GAN, pictures: Tensor, zero: Tensor | None, labels: Tensor | None = None) -> dict[str, Tensor]:
    """How D takes drawings (N, C, H, W) that it has never learned from; ``zero``: its output that says neither.

    ``d/held_out_score``, ``d/held_out_right``: as of the real ones it learns from; of an encoder ``d/held_out_elbo``.
    """
    statistics = [(buffer, buffer.clone()) for buffer in gan.discriminator.buffers()]
    seen = gan.unseen(pictures, zero, labels)
    for buffer, before in statistics:  # batch norm shall not learn from them
        buffer.copy_(before)
    return {f"d/held_out_{name}": value for name, value in seen.items()}


def _distances(images: Tensor) -> Tensor:
    """(N, C, H, W) → (N, N): root mean square differences of the pictures, reduced."""
    small = images.float()
    if min(images.shape[2:]) > _SIDE:
        small = F.adaptive_avg_pool2d(small, _SIDE)
    flat = small.flatten(1)
    distances: Tensor = torch.cdist(flat, flat, compute_mode="donot_use_mm_for_euclid_dist")
    return distances.div(flat.shape[1] ** 0.5)
