"""The luck test: the same stocks, the same number of entries and the same exits, entered at random."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from engine.backtest.engine import Conditions, Outcome, simulate
from engine.backtest.scorer import DecisionSource
from engine.backtest.statistics import luck
from engine.backtest.timeline import Timeline
from engine.clock import seeded
from engine.market import Bars
from engine.results import Factor, FactorScore, Score

Floats = NDArray[np.float64]
ENTER = 100.0
WORK = 6_000
"""Trades that all draws may make together."""


class BlindSource:
    """Enters at given rows; sells by the scores of the strategy it is compared with."""

    def __init__(self, original: DecisionSource, rows: NDArray[np.int64]) -> None:
        self.timeline: Timeline = original.timeline
        self._original = original
        self.totals: Floats = np.full(len(self.timeline), -1.0)
        self.totals[rows] = ENTER

    def score(self, row: int) -> Score:
        return flat_score(self.timeline, row, float(self.totals[row]), "무작위")

    def evidence(self, row: int) -> tuple[Bars, Bars]:
        return self._original.evidence(row)

    def sell_total(self, row: int, entry: int) -> float:
        return self._original.sell_total(row, entry)

    def sells(self, threshold: float, entry: int, begin: int, end: int) -> NDArray[np.bool_]:
        return self._original.sells(threshold, entry, begin, end)


def flat_score(line: Timeline, row: int, points: float, reason: str) -> Score:
    """A score of one made-up factor, for rules that are no nine-factor score."""
    at = line.decided_at[row].item()
    from engine.market import KST

    return Score(line.history.code, at.replace(tzinfo=KST), (FactorScore(Factor.RSI, points, reason, reason),), "")


def luck_of(
    sources: Sequence[DecisionSource], conditions: Conditions, outcome: Outcome, draws: int
) -> tuple[float, float, float] | None:
    """(p, mean and deviation of the blind total return); None where there is no trade or too little to draw from."""
    trades = len(outcome.trades)
    draws = min(draws, WORK // max(trades, 1))
    if not trades or draws < 20:
        return None
    code = {source.timeline.history.code: number for number, source in enumerate(sources)}
    counts = np.bincount([code[trade.code] for trade in outcome.trades], minlength=len(sources))
    latest = conditions.settings.last_entry
    places = []
    for source in sources:
        line = source.timeline
        clock = (line.decided_at - line.decided_at.astype("datetime64[D]")).astype("timedelta64[m]").astype(int)
        timely = clock <= 60 * latest.hour + latest.minute
        places.append(np.flatnonzero(line.enterable & (timely | conditions.settings.overnight)))

    def blind(number: int) -> float:
        rng = seeded("backtest", "blind", number)
        drawn = [
            BlindSource(source, np.sort(rng.choice(place, min(int(count), len(place)), replace=False)))
            for source, place, count in zip(sources, places, counts, strict=True)
            if count and len(place)
        ]
        result = simulate(drawn, conditions)
        return float(result.equity[-1]) / conditions.cash - 1.0

    own = float(outcome.equity[-1]) / conditions.cash - 1.0
    return luck(own, blind, draws)
