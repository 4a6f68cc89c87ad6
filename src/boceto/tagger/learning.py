"""Training a tagger: which pictures, in what light, for how long, and when it was at its best.

Rare tags: an error on a picture that has the tag counts w = √(negatives / positives) times as much (of classes,
√(mean / own count)), so that what tells them is learned too. That makes a network say a tag too readily, by just
log w in its logit, which is taken back in the last layer's bias: probabilities are those of the data as it is. The
bias begins where that of a network that guesses would end: at −log w.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from boceto.data.screening import Pixels
from boceto.device import Compute
from boceto.errors import Fault
from boceto.nn.classifier import Classifier
from boceto.scaling import to_signed
from boceto.tagger.judging import mean_ap
from boceto.tagger.splitting import Split

BATCH, LEAST_BATCH = 120, 16  # pictures in a step, as the thesis has it; of few drawings fewer
_STEPS = 16  # that an epoch of few drawings is to have
RATE, DECAY = 1e-3, 1e-2  # AdamW's; the rate rises for a tenth of the steps and falls to nothing by a cosine
PATIENCE = 6  # epochs without a better one, after which it ends
_SHIFT = 1 / 16  # of a side, that a picture is moved by at most
_LOOK = 256  # pictures at once where nothing is learned


@dataclass(frozen=True)
class Epoch:
    """What came of one: the mean loss while learning, and the mean AP on the validation pictures."""

    loss: float
    mean_ap: float


@dataclass(frozen=True)
class Learned:
    """The network as it was after its best epoch (counted from 1), in eval mode, and how all of them went."""

    net: Classifier
    best: int
    epochs: tuple[Epoch, ...]


def learn(
    images: Pixels,
    truth: NDArray[np.bool_],
    parts: Split,
    compute: Compute,
    *,
    softmax: bool,
    epochs: int,
    flip: bool,
    seed: int,
    progress: Callable[[int, int, str], None],
) -> Learned:
    """Learn from the training pictures, uint8 (N, H, W, C), and keep the epoch with the best mean AP on validation.

    ``progress`` is told the pictures seen, those to be seen at most, and how it stands. Raises Fault if it diverges.
    """
    torch.manual_seed(seed)
    _, height, width, channels = images.shape
    net = Classifier(channels, height, width, truth.shape[1])
    compute.place(net)
    random = np.random.Generator(np.random.PCG64(seed))
    weights = torch.from_numpy(_weights(truth[parts.train], softmax)).to(compute.device)
    with torch.no_grad():
        net.last.bias.copy_(-weights.log())
    batch = min(BATCH, max(LEAST_BATCH, len(parts.train) // _STEPS), len(parts.train))
    steps = len(parts.train) // batch
    optimiser = torch.optim.AdamW(net.parameters(), RATE, weight_decay=DECAY)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, RATE, total_steps=epochs * steps, pct_start=0.1)
    best, kept, told = 0, copy.deepcopy(net.state_dict()), list[Epoch]()
    for epoch in range(1, epochs + 1):
        net.train()
        order, losses = random.permutation(parts.train), []
        for step in range(steps):
            chosen = order[step * batch : (step + 1) * batch]
            pictures = varied(_tensor(images[chosen], compute), flip)
            with compute.autocast():
                logits = net(pictures)
            loss = _loss(logits.float(), torch.from_numpy(truth[chosen]).to(compute.device), weights, softmax)
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            optimiser.step()
            schedule.step()
            losses.append(loss.detach())
            stands = f"epoch {epoch}" + (f", mean AP {told[-1].mean_ap:.3f}" if told else "")
            progress(((epoch - 1) * steps + step + 1) * batch, epochs * steps * batch, stands)
        mean = float(torch.stack(losses).mean())
        if not np.isfinite(mean):
            raise Fault(f"the tagger diverged in epoch {epoch}: its loss is not finite; try another --seed")
        told.append(Epoch(mean, mean_ap(outputs(net, images[parts.validation], compute), truth[parts.validation])))
        if not best or told[-1].mean_ap > told[best - 1].mean_ap:
            best, kept = epoch, copy.deepcopy(net.state_dict())
        if epoch - best >= PATIENCE:
            break
    net.load_state_dict(kept)
    with torch.no_grad():
        net.last.bias.sub_(weights.log())
    return Learned(net.eval(), best, tuple(told))


@torch.inference_mode()
def outputs(net: Classifier, images: Pixels, compute: Compute) -> NDArray[np.float32]:
    """Logits of pictures, uint8 (N, H, W, C) → (N, K)."""
    net.eval()
    found = []
    for start in range(0, len(images), _LOOK):
        with compute.autocast():
            found.append(net(_tensor(images[start : start + _LOOK], compute)).float().cpu())
    logits: NDArray[np.float32] = torch.cat(found).numpy()
    return logits


def varied(images: Tensor, flip: bool) -> Tensor:
    """Pictures (N, C, H, W), each moved by up to a sixteenth of a side (its border goes on), half of them mirrored."""
    n, _, height, width = images.shape
    if flip:
        mirror = torch.rand(n, device=images.device) < 0.5
        images = torch.where(mirror[:, None, None, None], images.flip(3), images)
    rows, columns = (_moved(n, side, images.device) for side in (height, width))
    picture = torch.arange(n, device=images.device)[:, None, None]
    return images.permute(0, 2, 3, 1)[picture, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2)


def _moved(n: int, side: int, device: torch.device) -> Tensor:
    """(n, side): where each line comes from."""
    most = round(side * _SHIFT)
    by = torch.randint(-most, most + 1, (n, 1), device=device)
    return (torch.arange(side, device=device) + by).clamp(0, side - 1)


def _tensor(images: Pixels, compute: Compute) -> Tensor:
    """uint8 (N, H, W, C) → [-1, 1] (N, C, H, W) on the device."""
    levels = torch.from_numpy(np.ascontiguousarray(images.transpose(0, 3, 1, 2))).to(compute.device)
    return to_signed(levels, compute.memory_format)


def _weights(truth: NDArray[np.bool_], softmax: bool) -> NDArray[np.float32]:
    """What an error on a picture of each tag or class counts (K,)."""
    positives = truth.sum(axis=0).astype(np.float32)
    odds = positives.mean() / positives if softmax else (len(truth) - positives) / positives
    weights: NDArray[np.float32] = np.sqrt(odds)
    return weights


def _loss(logits: Tensor, truth: Tensor, weights: Tensor, softmax: bool) -> Tensor:
    if softmax:
        return F.cross_entropy(logits, truth.float().argmax(dim=1), weight=weights)
    return F.binary_cross_entropy_with_logits(logits, truth.float(), pos_weight=weights)
