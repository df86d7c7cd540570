"""What each factor's points at entry had to do with how the trades ended.

Few trades say nothing: the rank correlation comes with the share of random pairings that are as strong, and with nine
factors one of them looks good by chance more often than not.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from engine.clock import seeded
from engine.results import Factor

FEWEST: Final = 5
"""Below this no correlation is given."""
ENOUGH: Final = 30
"""Below this the table says that it proves nothing."""
SHUFFLES: Final = 2_000


@dataclass(frozen=True, slots=True)
class AttributedTrade:
    """A closed round trip with the points its entry was decided on. ``profit`` is after costs."""

    points: Mapping[str, float]
    profit: int
    profit_percent: float


@dataclass(frozen=True, slots=True)
class FactorRow:
    """Means of points over all, winning and losing trades (nan where there are none)."""

    factor: Factor
    mean_points: float
    winners: float
    losers: float
    profit: float
    """Won of profit, each trade's split over its positive points."""
    correlation: float
    """Spearman of points with the percent after costs; nan below FEWEST trades or without variation."""
    by_chance: float
    """Share of shuffled pairings with a correlation at least as strong (two-sided)."""


@dataclass(frozen=True, slots=True)
class Attribution:
    trades: int
    winners: int
    profit: int
    mean_percent: float
    without_points: int
    """Closed trades whose decision is not in the journal (bought by hand, or adopted): not in the table."""
    rows: tuple[FactorRow, ...]

    @property
    def verdict(self) -> str:
        if not self.trades:
            return "판단 기록이 있는 끝난 거래가 없어 아무것도 말할 수 없습니다."
        if self.trades < ENOUGH:
            return f"끝난 거래 {self.trades}건으로는 아무것도 증명되지 않습니다 ({ENOUGH}건부터 읽어 볼 만합니다)."
        chance = min((row.by_chance for row in self.rows if row.by_chance == row.by_chance), default=1.0)
        tried = sum(row.by_chance == row.by_chance for row in self.rows)
        if chance * tried < 0.05:
            return "우연으로 보기 어려운 인자가 있습니다. 다른 기간에서도 그런지 보기 전에는 믿지 마십시오."
        return f"{tried}개 인자를 한꺼번에 본 것을 셈하면 우연과 구별되는 인자가 없습니다."


def attribute(trades: Sequence[AttributedTrade], without_points: int = 0, seed: int = 7) -> Attribution:
    """The table of factors, in their usual order."""
    percents = np.array([trade.profit_percent for trade in trades])
    profits = np.array([trade.profit for trade in trades], float)
    points = np.array([[trade.points.get(factor.value, 0.0) for factor in Factor] for trade in trades]).reshape(
        len(trades), len(Factor)
    )
    positive = np.maximum(points, 0.0)
    total = positive.sum(axis=1, keepdims=True)
    shares = np.divide(positive, total, out=np.zeros_like(positive), where=total > 0)
    won = percents > 0
    rows = []
    for number, factor in enumerate(Factor):
        column = points[:, number]
        correlation, chance = _ranked(column, percents, seed, factor.value)
        rows.append(
            FactorRow(
                factor,
                _mean(column),
                _mean(column[won]),
                _mean(column[~won]),
                float(profits @ shares[:, number]),
                correlation,
                chance,
            )
        )
    return Attribution(len(trades), int(won.sum()), int(profits.sum()), _mean(percents), without_points, tuple(rows))


def _mean(values: NDArray[np.float64]) -> float:
    return float(values.mean()) if len(values) else float("nan")


def _ranks(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Average ranks, centred."""
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    ranks = (last - (counts - 1) / 2.0)[inverse]
    centred: NDArray[np.float64] = ranks - ranks.mean()
    return centred


def _ranked(one: NDArray[np.float64], other: NDArray[np.float64], seed: int, name: str) -> tuple[float, float]:
    if len(one) < FEWEST:
        return float("nan"), float("nan")
    left, right = _ranks(one), _ranks(other)
    scale = float(np.sqrt((left @ left) * (right @ right)))
    if scale == 0.0:
        return float("nan"), float("nan")
    found = float(left @ right) / scale
    generator = seeded("attribution", seed, name)
    shuffled = np.array([float(left @ generator.permutation(right)) / scale for _ in range(SHUFFLES)])
    return found, float((1 + np.sum(np.abs(shuffled) >= abs(found) - 1e-12)) / (1 + SHUFFLES))
