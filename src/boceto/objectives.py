"""What D and G are asked to reach: pure functions of logits, with the equation above each.

Logits are float32 of shape (N,), positive for "real"; D(x) = sigmoid(logit). No sigmoid is ever taken before a loss:
``binary_cross_entropy_with_logits`` is the stable form. Each function returns a scalar to be minimised.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def d_non_saturating(real: Tensor, fake: Tensor, real_label: float = 1.0) -> Tensor:
    """Goodfellow et al. 2014, eq. 1, with one-sided label smoothing (Salimans et al. 2016, §3.4).

    −E[ t·log D(x) + (1−t)·log(1−D(x)) ] − E[ log(1−D(G(z))) ],   t = ``real_label`` in (0, 1].

    At D = ½ everywhere it is 2·ln 2 = ln 4; with t = 0.9 it cannot fall below 0.325.
    """
    return _bce(real, real_label) + _bce(fake, 0.0)


def g_non_saturating(fake: Tensor, target: float = 1.0) -> Tensor:
    """Goodfellow et al. 2014, §3: −E[ t·log D(G(z)) + (1−t)·log(1−D(G(z))) ]; ln 2 at D = ½."""
    return _bce(fake, target)


def r1(real: Tensor, images: Tensor, gamma: float) -> Tensor:
    """Zero-centred gradient penalty on real pictures (Mescheder et al. 2018, eq. 9).

    γ/2 · E[ ‖∇ₓ D(x)‖² ],   D(x) the logit, x = ``images`` (N, C, H, W) that require grad.
    """
    (gradient,) = torch.autograd.grad(real.sum(), images, create_graph=True)
    return 0.5 * gamma * gradient.float().square().sum(dim=(1, 2, 3)).mean()


def _bce(logits: Tensor, target: float) -> Tensor:
    return F.binary_cross_entropy_with_logits(logits, torch.full_like(logits, target))
