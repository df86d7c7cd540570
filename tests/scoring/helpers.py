"""Random bars for the scoring tests."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np

from engine.clock import seeded
from engine.market import KST, Bars
from engine.scorer import DirectionInput, ScoreInput

GRID = 26
"""Fifteen-minute bars of a session."""


def daily_start(count: int, last: date) -> np.ndarray:
    return np.datetime64(last, "s") - np.arange(count)[::-1] * np.timedelta64(1, "D")


def random_walk(count: int, *seed: object, price: float = 50_000.0, tick: float = 50.0, spread: float = 0.01) -> Bars:
    """A random walk on a tick grid, as daily bars up to 2024-06-03. Ties are common, as on the exchange."""
    rng = seeded("walk", *seed)
    moves = rng.normal(0.0, spread, (count, 6)).cumsum(axis=1)
    level = np.concatenate(([0.0], np.cumsum(moves[:, -1])))[:-1]
    path = price * np.exp(level[:, None] + moves)
    path = np.maximum(np.round(path / tick) * tick, tick)
    volume = rng.integers(1, 1_000, count)
    start = daily_start(count, date(2024, 6, 3))
    return Bars(start, path[:, 0], path.max(axis=1), path.min(axis=1), path[:, -1], volume)


def random_fifteen(count: int, *seed: object, price: float = 50_000.0, tick: float = 50.0) -> Bars:
    """The same as fifteen-minute bars of sessions of 26, the last session on 2024-06-04."""
    bars = random_walk(count, "fifteen", *seed, price=price, tick=tick, spread=0.004)
    sessions = -(-count // GRID)
    first = np.datetime64("2024-06-04T09:00:00") - np.timedelta64(sessions - 1, "D")
    start = [first + np.timedelta64(1440 * (i // GRID) + 15 * (i % GRID), "m") for i in range(count)]
    return Bars(np.array(start, "datetime64[s]"), bars.open, bars.high, bars.low, bars.close, bars.volume)


def random_input(*seed: object, daily: int = 320, fifteen: int = 130, price: float = 50_000.0) -> ScoreInput:
    rng = seeded("input", *seed)
    quarter = random_fifteen(fifteen, *seed, price=price)
    last = quarter.start[-1].item() + timedelta(minutes=15)
    today = quarter.open[quarter.dates() == quarter.dates()[-1]][0]
    return ScoreInput(
        code="005930",
        at=last.replace(tzinfo=KST),
        daily=random_walk(daily, *seed, price=price),
        today_open=int(today),
        fifteen=quarter,
        fifteen_origin="replay",
        direction=DirectionInput(float(rng.random()), 1.0, "test"),
    )


def rescaled(bars: Bars, change: object) -> Bars:
    """``change`` applied to the price columns; high and low swap where it turns prices over."""
    assert callable(change)
    high, low = change(bars.high), change(bars.low)
    return Bars(
        bars.start,
        change(bars.open),
        np.maximum(high, low),
        np.minimum(high, low),
        change(bars.close),
        bars.volume,
    )
