"""The clock: when things are due, and how strong the average is."""

from __future__ import annotations

import pytest

from boceto.clock import Clock, ema_beta


def test_due_once_for_every_multiple_whatever_the_batch() -> None:
    for batch in (1, 7, 128, 1000, 2500):
        now, due = Clock(), []
        while now.nimg < 10_000:
            now = now.tick(batch)
            if now.due(1.0):
                due.append(now.nimg // 1000)
        assert due == sorted(set(due))
        assert len(due) == (10 if batch <= 1000 else 4)


def test_nothing_is_due_at_the_start() -> None:
    assert not Clock().due(1.0)


def test_ema_beta_halves_after_its_half_life() -> None:
    now = Clock(nimg=10_000_000, step=1, batch=100)
    assert ema_beta(now, 10.0) ** (10_000 / 100) == pytest.approx(0.5)


def test_ema_follows_closely_at_first_and_not_at_all_without_half_life() -> None:
    assert ema_beta(Clock(nimg=128, step=1, batch=128), 10.0) < 1e-5
    assert ema_beta(Clock(nimg=10_000, step=1, batch=128), 0.0) == 0.0
