"""Indicators over one column of bars, oldest first. NaN means undefined; flat or broken input is never a number.

A value at t uses 0..t only. Formulae and how they were checked: docs/factors.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]


def _column(values: ArrayLike) -> Floats:
    return np.ascontiguousarray(values, dtype=np.float64)


def rsi(close: ArrayLike, period: int = 14) -> Floats:
    """Wilder's RSI, seeded with the mean of the first ``period`` changes; undefined while nothing moved."""
    from engine.scoring import kernels

    return kernels.rsi(_column(close), period)


def macd(close: ArrayLike, fast: int = 12, slow: int = 26, signal: int = 9) -> tuple[Floats, Floats, Floats]:
    """(MACD, signal, histogram) with TA-Lib's seeding, from bar slow+signal-2."""
    from engine.scoring import kernels

    line, histogram = kernels.macd(_column(close), fast, slow, signal)
    return line, line - histogram, histogram


def bollinger(close: ArrayLike, period: int = 20, width: float = 2.0) -> tuple[Floats, Floats, Floats]:
    """(upper, middle, lower) with the population deviation."""
    from engine.scoring import kernels

    middle, deviation = kernels.bands(_column(close), period, 0)
    return middle + width * deviation, middle, middle - width * deviation


def average_true_range(high: ArrayLike, low: ArrayLike, close: ArrayLike, period: int = 14) -> Floats:
    """Wilder's ATR, seeded with the mean of the first ``period`` true ranges that have a previous close."""
    from engine.scoring import kernels

    return kernels.average_true_range(_column(high), _column(low), _column(close), period)


def breakout_target(today_open: float, yesterday_high: float, yesterday_low: float, k: float = 0.5) -> float:
    """Larry Williams' target from today's open; NaN for a day without range."""
    day_range = yesterday_high - yesterday_low
    return today_open + k * day_range if day_range > 0 else float("nan")


def many(close: ArrayLike, lengths: ArrayLike) -> Floats:
    """Indicators of many stocks in one pass: ``close`` holds their closes one after the other, ``lengths`` how many each.

    Returns rows (RSI, MACD, MACD histogram, Bollinger middle, Bollinger deviation), one per close.
    """
    from engine.scoring import curves

    ends = np.cumsum(np.asarray(lengths, np.int64))
    begins = ends - np.asarray(lengths, np.int64)
    return curves.indicators_ragged(_column(close), begins, ends)
