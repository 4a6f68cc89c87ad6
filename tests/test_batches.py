"""The orders in which pictures are shown: what each promises, that it resumes exactly, and what a batch's gradient is."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import numpy as np
import pytest
import safetensors.torch
import torch
from numpy.typing import NDArray

from boceto import archs, recipe, starting
from boceto.clock import Clock
from boceto.data.batches import batches, indices
from boceto.data.prepared import Prepared
from boceto.errors import UsageError
from boceto.gan import Batch
from boceto.recipe import Order, Recipe

ORDERS: tuple[Order, ...] = get_args(Order)
SINGLE = ("sequential-single", "random-single")


def shown(order: Order, steps: int, batch: int, count: int, seed: int = 5) -> NDArray[np.int64]:
    """(steps, batch) picture numbers from the beginning."""
    return np.stack([indices(seed, step * batch, batch, count, order) for step in range(steps)])


def test_there_are_six_orders_and_each_is_described() -> None:
    assert len(ORDERS) == 6
    description = recipe.DataPart.model_fields["order"].description or ""
    assert [order for order in ORDERS if f"{order}: " not in description] == []


@pytest.mark.parametrize("order", ORDERS)
def test_an_order_is_a_pure_function_within_range(order: Order) -> None:
    batch = 1 if order in SINGLE else 7
    first = shown(order, 400, batch, 50)
    later = np.stack([indices(5, step * batch, batch, 50, order) for step in reversed(range(400))])[::-1]
    assert first.dtype == np.int64 and np.array_equal(first, later), "it depends on what was asked before"
    assert first.min() == 0 and first.max() == 49
    assert len(indices(5, 10**12, batch, 3, order)) == batch
    if not order.startswith("sequential"):
        assert not np.array_equal(shown(order, 400, batch, 50, seed=6), first)


def test_shuffled_is_what_it_was_before_there_were_others() -> None:
    assert recipe.DataPart().order == "shuffled"
    expected = np.concatenate([np.random.Generator(np.random.PCG64([5, e, 0])).permutation(50) for e in range(3)])
    assert np.array_equal(np.concatenate([indices(5, n, 7, 50) for n in range(0, 140, 7)]), expected[:140])


@pytest.mark.parametrize(("order", "batch"), [("sequential", 7), ("sequential-single", 1)])
def test_sequential_goes_through_the_dataset_in_its_order(order: Order, batch: int) -> None:
    seen = shown(order, 150 // batch + 1, batch, 50).ravel()
    assert np.array_equal(seen[:150], np.tile(np.arange(50), 3))


@pytest.mark.parametrize(("order", "batch"), [("stochastic", 7), ("random-single", 1)])
def test_drawn_at_random_pictures_repeat_and_all_are_equally_likely(order: Order, batch: int) -> None:
    seen = shown(order, 35_000 // batch, batch, 50).ravel()
    assert len(set(seen[:50])) < 45, "an epoch is no permutation"
    counts = np.bincount(seen, minlength=50)
    assert abs(counts - 700).max() < 6 * np.sqrt(700)
    if batch > 1:
        inside = shown(order, 200, 20, 50)
        assert any(len(set(row)) < 20 for row in inside), "repeats inside a batch too"


@pytest.mark.parametrize("count", [50, 49, 7, 8])
def test_fixed_keeps_who_is_with_whom_and_redraws_the_order(count: int) -> None:
    batch = 7
    per_epoch = -(-count // batch)
    epochs = shown("fixed", 6 * per_epoch, batch, count).reshape(6, per_epoch, batch)
    members = [sorted(map(tuple, epoch)) for epoch in epochs]
    assert all(group == members[0] for group in members), "the same batches in every epoch"
    for epoch in epochs:
        assert set(epoch.ravel()) == set(range(count)), "no picture is lost"
    repeats = per_epoch * batch - count
    assert len(epochs[0].ravel()) - len(set(epochs[0].ravel())) == repeats
    if per_epoch > 4:
        assert len({tuple(map(tuple, epoch)) for epoch in epochs}) == 6, "their order is drawn anew"
        assert sorted(map(tuple, shown("fixed", per_epoch, batch, count, seed=6))) != members[0]


def test_fixed_cannot_be_spoilt_by_whoever_holds_a_batch() -> None:
    first = indices(0, 0, 4, 12, "fixed")
    kept = first.copy()
    first[:] = 0
    assert np.array_equal(indices(0, 0, 4, 12, "fixed"), kept)


@pytest.mark.parametrize("order", ORDERS)
def test_batches_come_in_the_order_asked_for(order: Order, data: Prepared) -> None:
    batch = 1 if order in SINGLE else 16
    stream = batches(data, seed=3, nimg=0, batch=batch, order=order)
    for step in range(4):
        expected = data.gather(indices(3, step * batch, batch, len(data), order)).transpose(0, 3, 1, 2)
        assert np.array_equal(next(stream), expected)


# ── in a recipe, and in a run ──


@pytest.mark.parametrize("order", SINGLE)
def test_single_orders_ask_for_a_batch_of_one_in_one_sentence(order: str, tiny: Recipe) -> None:
    with pytest.raises(UsageError) as caught:
        tiny.changed([f"data.order={order}"])
    said = str(caught.value)
    assert f"data.order = '{order}'" in said and "train.batch = 8" in said and "train.batch=1" in said
    assert said.startswith("--set: ") and "\n" not in said
    assert tiny.changed([f"data.order={order}", "train.batch=1"]).data.order == order


def test_an_unknown_order_is_named_with_those_there_are(tiny: Recipe) -> None:
    with pytest.raises(UsageError, match=r"data\.order = 'shufled': .*'shuffled'.*'fixed'"):
        tiny.changed(["data.order=shufled"])


@pytest.mark.parametrize("order", ORDERS)
def test_every_order_resumes_bit_for_bit(order: Order, tiny: Recipe, data: Prepared, tmp_path: Path) -> None:
    """Over the end of an epoch of 40 pictures, stopped in the middle of one."""
    single = order in SINGLE
    batch, half = (1, 24) if single else (16, 32)
    changes = [f"data.order={order}", f"train.batch={batch}", "data.flip=true"]
    changes += [f"watch.{what}_kimg=1" for what in ("log", "sample", "snapshot")]
    file = tmp_path / "tiny.toml"
    file.write_text(tiny.to_toml(), "utf-8")

    def go(name: str, nimg: int) -> dict[str, torch.Tensor]:
        asked = [*changes, f"train.kimg={nimg / 1000}"]
        run = starting.train(file, data.folder, tmp_path / name, changes=asked, device_name="cpu")
        assert run.seen() == nimg
        return safetensors.torch.load_file(run.state)

    whole = go("whole", 2 * half)
    before = go("halves", half)
    resumed = go("halves", 2 * half)
    assert len(whole) > 60 and set(whole) == set(resumed)
    assert [name for name in whole if not torch.equal(whole[name], resumed[name])] == []
    assert any(not torch.equal(whole[name], before[name]) for name in whole)


def test_orders_train_to_different_weights(tiny: Recipe, data: Prepared, tmp_path: Path) -> None:
    """The recipe's order reaches the loop."""
    file = tmp_path / "tiny.toml"
    file.write_text(tiny.to_toml(), "utf-8")
    weights = []
    for order in ("shuffled", "sequential", "stochastic", "fixed"):
        changes = [f"data.order={order}", "train.kimg=0.016"]
        run = starting.train(file, data.folder, tmp_path / order, changes=changes, device_name="cpu")
        weights.append(safetensors.torch.load_file(run.state)["discriminator.layers.0.weight"].numpy().tobytes())
    assert len(set(weights)) == 4


@pytest.mark.parametrize("d_norm", ["batch", "none"])
def test_dcgan_trains_on_one_picture_at_a_time(d_norm: str, tiny: Recipe, data: Prepared, tmp_path: Path) -> None:
    """Batch norm has 4×4 and more values a channel to go by, even from a single picture; all stays finite."""
    file = tmp_path / "tiny.toml"
    file.write_text(tiny.to_toml(), "utf-8")
    changes = ["train.batch=1", "train.kimg=0.02", f"arch.d_norm={d_norm}", "objective.r1_gamma=1.0"]
    run = starting.train(file, data.folder, tmp_path / "run", changes=changes, device_name="cpu")
    state = safetensors.torch.load_file(run.state)
    assert run.seen() == 20 and all(torch.isfinite(tensor).all() for tensor in state.values())


@pytest.mark.parametrize("turn", ["d", "g"])
def test_the_gradient_of_a_batch_is_the_mean_of_its_pictures_gradients(turn: str, tiny: Recipe) -> None:
    """With the real objective, R1 included. Batch norm mixes the pictures of a batch, so D has none and G's stands."""
    setting = tiny.changed(["arch.d_norm=none", "objective.r1_gamma=1.0", "objective.real_label=0.9"])
    torch.manual_seed(0)
    gan = archs.build(setting)
    gan.generator.eval()
    net = gan.discriminator if turn == "d" else gan.generator
    real, z = torch.rand(6, *gan.image_shape) * 2 - 1, torch.randn(6, gan.z_dim)

    def gradient(chosen: slice) -> torch.Tensor:
        gan.zero_grad()
        batch = Batch(real=real[chosen].clone(), z=z[chosen])
        terms = gan.d_terms(batch, Clock()) if turn == "d" else gan.g_terms(batch, Clock())
        assert turn == "g" or set(terms.losses) == {"loss", "r1"}
        terms.total.backward()
        parts = [p.grad.flatten() for p in net.parameters() if p.grad is not None]
        return torch.cat(parts)

    whole = gradient(slice(0, 6))
    singles = torch.stack([gradient(slice(i, i + 1)) for i in range(6)])
    assert whole.abs().max() > 0
    assert torch.allclose(whole, singles.mean(dim=0), rtol=1e-4, atol=1e-6 * float(whole.abs().max()) + 1e-9)
    assert not torch.allclose(whole, singles[0], rtol=1e-2)
