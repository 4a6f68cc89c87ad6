"""What D and G are asked to reach: pure functions of logits, with the equation above each.

Logits are float32 of shape (N,), positive for "real"; D(x) = sigmoid(logit), C(x) the logit itself. No sigmoid is ever
taken before a loss: ``binary_cross_entropy_with_logits`` and ``softplus`` are the stable forms. Each function returns a
scalar to be minimised.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

LABELS = frozenset({"non-saturating", "minimax", "least-squares"})  # losses with labels that can be smoothed
NEEDS_REAL = frozenset({"relativistic", "relativistic-average"})  # losses of G that look at real pictures too


def d_loss(name: str, real: Tensor, fake: Tensor, real_label: float = 1.0) -> Tensor:
    """The named loss of D; ``real_label`` counts where the loss knows labels."""
    return _D[name](real, fake, real_label) if name in LABELS else _D[name](real, fake)


def g_loss(name: str, fake: Tensor, real: Tensor | None = None, target: float = 1.0) -> Tensor:
    """The named loss of G; ``real`` for those of ``NEEDS_REAL``, ``target`` where the loss knows labels."""
    if name in NEEDS_REAL:
        return _G[name](fake, real)
    return _G[name](fake, target) if name in LABELS else _G[name](fake)


# ── cross-entropy ──


def d_non_saturating(real: Tensor, fake: Tensor, real_label: float = 1.0) -> Tensor:
    """Goodfellow et al. 2014, eq. 1, with one-sided label smoothing (Salimans et al. 2016, §3.4).

    −E[ t·log D(x) + (1−t)·log(1−D(x)) ] − E[ log(1−D(G(z))) ],   t = ``real_label`` in (0, 1].

    At D = ½ everywhere it is 2·ln 2 = ln 4. Never below the entropy of t: 0 for t = 1, 0.325 for t = 0.9.
    """
    return _bce(real, real_label) + _bce(fake, 0.0)


def g_non_saturating(fake: Tensor, target: float = 1.0) -> Tensor:
    """Goodfellow et al. 2014, §3: −E[ t·log D(G(z)) + (1−t)·log(1−D(G(z))) ]; ≥ 0, ln 2 at D = ½."""
    return _bce(fake, target)


def g_minimax(fake: Tensor, target: float = 1.0) -> Tensor:
    """Goodfellow et al. 2014, eq. 1, which G descends: E[ t·log(1−D(G(z))) + (1−t)·log D(G(z)) ]; −ln 2 at D = ½.

    ≤ 0. Its gradient vanishes where D is sure, which is why the non-saturating form is the usual one.
    """
    return -_bce(fake, 1.0 - target)


def zero(name: str, real: Tensor, fake: Tensor) -> Tensor:
    """The output of D, 0-d, that says neither real nor generated; ``real`` and ``fake`` are its outputs for a batch.

    Least squares asks for 1 and 0, so ½. The relativistic losses and Wasserstein's compare only: halfway between both.
    """
    if name == "least-squares":
        return torch.full((), 0.5, device=real.device)
    if name in NEEDS_REAL or name == "wasserstein":
        return 0.5 * (real.detach().mean() + fake.detach().mean())
    return torch.zeros((), device=real.device)


def said(name: str, outputs: Tensor, zero: Tensor) -> Tensor:
    """What D says of pictures: its outputs (N,) as logits that are positive for "real", whatever the loss; no gradient.

    Least squares estimates the probability itself, which becomes a logit of ±7 at most.
    """
    outputs = outputs.detach()
    return outputs.clamp(1e-3, 1 - 1e-3).logit() if name == "least-squares" else outputs - zero


# ── least squares ──


def d_least_squares(real: Tensor, fake: Tensor, real_label: float = 1.0) -> Tensor:
    """Mao et al. 2017, eq. 2 with a = 0, b = t: ½·E[ (C(x) − t)² ] + ½·E[ C(G(z))² ].

    ≥ 0; ¼ at C = ½ and t = 1.
    """
    return 0.5 * (real - real_label).square().mean() + 0.5 * fake.square().mean()


def g_least_squares(fake: Tensor, target: float = 1.0) -> Tensor:
    """Mao et al. 2017, eq. 2 with c = t: ½·E[ (C(G(z)) − t)² ]; ≥ 0, ⅛ at C = ½ and t = 1."""
    return 0.5 * (fake - target).square().mean()


# ── hinge and Wasserstein ──


def d_hinge(real: Tensor, fake: Tensor) -> Tensor:
    """Lim & Ye 2017; Miyato et al. 2018, eq. 16: E[ max(0, 1 − C(x)) ] + E[ max(0, 1 + C(G(z))) ].

    ≥ 0, and 0 once C(x) ≥ 1 and C(G(z)) ≤ −1 for every picture; 2 at C = 0.
    """
    return F.relu(1.0 - real).mean() + F.relu(1.0 + fake).mean()


def d_wasserstein(real: Tensor, fake: Tensor) -> Tensor:
    """Arjovsky et al. 2017, §3: E[ C(G(z)) ] − E[ C(x) ], C kept Lipschitz by ``gradient_penalty``.

    Any sign, no bound; 0 where C cannot tell.
    """
    return fake.mean() - real.mean()


def g_score(fake: Tensor) -> Tensor:
    """G's part of the hinge (Miyato et al. 2018, eq. 17) and the Wasserstein loss: −E[ C(G(z)) ]; any sign."""
    return -fake.mean()


# ── relativistic ──


def d_relativistic(real: Tensor, fake: Tensor) -> Tensor:
    """Jolicoeur-Martineau 2019, §4 (RpGAN; Huang et al. 2024, §2): E[ softplus(C(G(z)) − C(x)) ].

    Each generated picture is judged against one real one: no answer of D is right by itself.
    ``real`` and ``fake`` are of one length; ≥ 0, ln 2 where they are equal.
    """
    return F.softplus(fake - real).mean()


def g_relativistic(fake: Tensor, real: Tensor) -> Tensor:
    """The same with the two exchanged: E[ softplus(C(x) − C(G(z))) ]."""
    return F.softplus(real - fake).mean()


def d_relativistic_average(real: Tensor, fake: Tensor) -> Tensor:
    """Jolicoeur-Martineau 2019, §4 (RaGAN): each picture against the mean of the other kind.

    E[ softplus(C̄(G(z)) − C(x)) ] + E[ softplus(C(G(z)) − C̄(x)) ];   ≥ 0, ln 4 where all are equal.
    """
    return F.softplus(fake.mean() - real).mean() + F.softplus(fake - real.mean()).mean()


def g_relativistic_average(fake: Tensor, real: Tensor) -> Tensor:
    """The same with the two exchanged: E[ softplus(C̄(x) − C(G(z))) ] + E[ softplus(C(x) − C̄(G(z))) ]."""
    return d_relativistic_average(fake, real)


# ── penalties ──


def r1(real: Tensor, images: Tensor, gamma: float) -> Tensor:
    """Zero-centred gradient penalty on real pictures (Mescheder et al. 2018, eq. 9).

    γ/2 · E[ ‖∇ₓ C(x)‖² ],   x = ``images`` (N, C, H, W) that require grad, ``real`` = C(x).   γ/2·‖w‖² for C(x) = w·x.
    """
    return 0.5 * gamma * _slopes(real, images).square().sum(dim=1).mean()


def r2(fake: Tensor, images: Tensor, gamma: float) -> Tensor:
    """The same on generated pictures (Mescheder et al. 2018, eq. 10)."""
    return r1(fake, images, gamma)


def gradient_penalty(critic: Callable[[Tensor], Tensor], real: Tensor, fake: Tensor, weight: float = 10.0) -> Tensor:
    """Gulrajani et al. 2017, eq. 3: λ · E[ (‖∇ C(x̂)‖ − 1)² ],   x̂ = ε·x + (1−ε)·G(z), ε from U(0, 1) for each pair.

    ``real`` and ``fake`` are (N, …), no gradient reaches them; λ = ``weight``. Batch norm in C defeats it (§4).
    ≥ 0; λ·(‖w‖ − 1)² for C(x) = w·x, whatever x̂ is.
    """
    real, fake = _fine(real.detach()), _fine(fake.detach())
    share = torch.rand((len(real), *[1] * (real.ndim - 1)), dtype=real.dtype, device=real.device)
    between = torch.lerp(fake, real, share).requires_grad_(True)
    slopes: Tensor = torch.linalg.vector_norm(_slopes(critic(between), between), dim=1)
    return weight * (slopes - 1.0).square().mean()


def drift(real: Tensor, weight: float = 0.001) -> Tensor:
    """Karras et al. 2018, §A.1: ε · E[ C(x)² ] keeps a Wasserstein critic's scores near 0; ε = ``weight``; ≥ 0."""
    return weight * real.square().mean()


def _slopes(logits: Tensor, images: Tensor) -> Tensor:
    """∂C/∂x of every picture, flat: (N, C·H·W), float32 or finer, differentiable again."""
    (gradient,) = torch.autograd.grad(logits.sum(), images, create_graph=True)
    return _fine(gradient).flatten(1)


def _fine(values: Tensor) -> Tensor:
    """In float32, or in float64 if they are."""
    return values if values.dtype == torch.float64 else values.float()


def _bce(logits: Tensor, target: float) -> Tensor:
    return F.binary_cross_entropy_with_logits(logits, torch.full_like(logits, target))


_D: dict[str, Callable[..., Tensor]] = {
    "non-saturating": d_non_saturating,
    "minimax": d_non_saturating,
    "least-squares": d_least_squares,
    "hinge": d_hinge,
    "wasserstein": d_wasserstein,
    "relativistic": d_relativistic,
    "relativistic-average": d_relativistic_average,
}
_G: dict[str, Callable[..., Tensor]] = {
    "non-saturating": g_non_saturating,
    "minimax": g_minimax,
    "least-squares": g_least_squares,
    "hinge": g_score,
    "wasserstein": g_score,
    "relativistic": g_relativistic,
    "relativistic-average": g_relativistic_average,
}
NAMES = tuple(_D)
