"""Uncertainty of means over stock-days: names of one day move together, so days are drawn, not rows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engine.clock import seeded

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Estimate:
    """A mean with its 95 % interval and the rows and days behind it."""

    mean: float
    low: float
    high: float
    rows: int
    days: int

    def words(self, digits: int = 0) -> str:
        if not self.rows:
            return "–"
        mean, low, high = (round(value, digits) + 0.0 for value in (self.mean, self.low, self.high))
        return f"{mean:+.{digits}f} [{low:+.{digits}f}, {high:+.{digits}f}]"

    def json(self) -> dict[str, float | int]:
        return {"mean": self.mean, "low": self.low, "high": self.high, "rows": self.rows, "days": self.days}


def day_clustered(values: Floats, day: Integers, days: int, *, block: int = 5, draws: int = 1_000) -> Estimate:
    """Mean of ``values`` with an interval from a circular block bootstrap over days 0..days-1.

    ``day`` is the day number of each value; NaN values are left out; ``block`` days are drawn together.
    """
    good = np.isfinite(values)
    values, day = values[good], day[good]
    if not len(values):
        return Estimate(float("nan"), float("nan"), float("nan"), 0, 0)
    sums = np.bincount(day, values, days)
    counts = np.bincount(day, minlength=days).astype(float)
    rng = seeded("day-clustered", len(values), days, block)
    blocks = -(-days // block)
    # Sums over any run of ``block`` days, wrapping round, from running totals.
    runs = [np.convolve(np.concatenate((x, x[: block - 1])), np.ones(block), "valid") for x in (sums, counts)]
    starts = rng.integers(0, days, (draws, blocks))
    totals, weights = runs[0][starts].sum(axis=1), runs[1][starts].sum(axis=1)
    means = totals[weights > 0] / weights[weights > 0]
    low, high = np.percentile(means, [2.5, 97.5])
    return Estimate(float(values.mean()), float(low), float(high), len(values), int(np.count_nonzero(counts)))


def demeaned(values: Floats, day: Integers, days: int) -> Floats:
    """``values`` minus the mean of all names of the same day."""
    good = np.isfinite(values)
    sums = np.bincount(day[good], values[good], days)
    counts = np.maximum(np.bincount(day[good], minlength=days), 1)
    return np.asarray(values - (sums / counts)[day], np.float64)


def shuffled(chosen: NDArray[np.bool_], values: Floats, day: Integers, *, draws: int = 50) -> tuple[float, float]:
    """(mean, deviation) of the mean value when as many names are drawn blindly on each day as ``chosen`` has."""
    good = np.isfinite(values)
    chosen, values, day = chosen[good], values[good], day[good]
    order = np.argsort(day, kind="stable")
    chosen, values, day = chosen[order], values[order], day[order]
    if not chosen.any():
        return float("nan"), float("nan")
    rng = seeded("shuffled", len(values), int(chosen.sum()))
    means = []
    for _ in range(draws):
        mixed = np.lexsort((rng.random(len(day)), day))
        means.append(values[mixed][chosen].mean())
    return float(np.mean(means)), float(np.std(means))


def daily_rank_correlation(
    score: Floats, outcome: Floats, day: Integers, days: int, *, block: int = 5, least: int = 20
) -> Estimate:
    """Mean over days of the rank correlation between score and outcome across names; ties share their rank."""
    good = np.isfinite(score) & np.isfinite(outcome)
    score, outcome, day = score[good], outcome[good], day[good]
    left, right = _ranks(score, day), _ranks(outcome, day)
    counts = np.bincount(day, minlength=days)

    def day_sum(x: Floats) -> Floats:
        return np.asarray(np.bincount(day, x, days), np.float64)

    with np.errstate(invalid="ignore", divide="ignore"):
        a, b = left - (day_sum(left) / counts)[day], right - (day_sum(right) / counts)[day]
        values = day_sum(a * b) / np.sqrt(day_sum(a * a) * day_sum(b * b))
    values[counts < least] = np.nan
    return day_clustered(values, np.arange(days), days, block=block)


def _ranks(values: Floats, day: Integers) -> Floats:
    """Average rank of each value among those of its day."""
    order = np.lexsort((values, day))
    ordered, ordered_day = values[order], day[order]
    new = np.ones(len(order), bool)
    new[1:] = (ordered[1:] != ordered[:-1]) | (ordered_day[1:] != ordered_day[:-1])
    group = np.cumsum(new) - 1
    position = np.arange(len(order), dtype=np.float64)
    average = np.bincount(group, position) / np.bincount(group)
    ranks = np.empty(len(order))
    ranks[order] = average[group]
    return ranks
