"""Tick sizes and price limits for columns of prices: the arithmetic of engine.krx, vectorised (a test compares)."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

_BANDS: Final = np.array([2_000, 5_000, 20_000, 50_000, 200_000, 500_000], dtype=np.int64)
_TICKS: Final = np.array([1, 5, 10, 50, 100, 500, 1_000], dtype=np.int64)

Wons = NDArray[np.int64]


def tick_sizes(price: Wons, fund: NDArray[np.bool_] | bool) -> Wons:
    """The tick at each price; ``fund`` marks ETF and ETN."""
    stock = _TICKS[np.searchsorted(_BANDS, price, side="right")]
    sizes: Wons = np.where(fund, np.where(price < 2_000, 1, 5), stock).astype(np.int64)
    return sizes


def nearest_ticks(price: NDArray[np.float64], fund: NDArray[np.bool_] | bool) -> Wons:
    """Each price moved to the nearest price on the grid, at least 1 won."""
    whole = np.maximum(np.rint(price), 1.0).astype(np.int64)
    tick = tick_sizes(whole, fund)
    rounded: Wons = np.maximum((whole + tick // 2) // tick * tick, 1)
    return rounded


class TickGrid:
    """The grid of a fixed column of securities."""

    def __init__(self, fund: NDArray[np.bool_]) -> None:
        self.fund = fund

    def rounded(self, price: NDArray[np.float64]) -> Wons:
        """``price`` has the securities on its last axis."""
        return nearest_ticks(price, self.fund)

    def limits(self, base: Wons) -> tuple[Wons, Wons]:
        """(lower, upper) around each base price."""
        width = base * 30 // 100
        width = width - width % tick_sizes(base, self.fund)
        upper = base + width
        upper = upper - upper % tick_sizes(upper, self.fund)
        lower = base - width
        lower = lower + -lower % tick_sizes(lower, self.fund)
        return lower, upper
