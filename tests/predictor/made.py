"""Made-up stocks for the predictor's tests: random walks, with a planted signal where asked."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import numpy as np

from engine.clock import seeded
from engine.market import KST, Bars, Code
from engine.ports import HistoryAnswer, HistoryUnavailable

FIRST_DAY = np.datetime64("2024-01-01")


def weekdays(count: int, last: str | None = None) -> np.ndarray:
    """``count`` weekdays as datetime64[s]; up to ``last`` if given, else from FIRST_DAY on."""
    if last is None:
        days = np.busday_offset(FIRST_DAY, np.arange(count), roll="forward")
    else:
        days = np.busday_offset(np.datetime64(last), np.arange(1 - count, 1), roll="backward")
    return days.astype("datetime64[s]")


def walk(code: Code, count: int = 320, *, last: str | None = None, returns: np.ndarray | None = None) -> Bars:
    """A stock whose daily moves are 2 % of noise, or the given ``returns`` (count,)."""
    chance = seeded("stock", code)
    moves = chance.normal(0.0, 0.02, count) if returns is None else returns
    close = 10_000.0 * np.exp(np.cumsum(np.clip(moves, -0.25, 0.25)))
    opening = close * np.exp(chance.normal(0.0, 0.004, count))
    high = np.maximum(opening, close) * (1.0 + np.abs(chance.normal(0.0, 0.006, count)))
    low = np.minimum(opening, close) * (1.0 - np.abs(chance.normal(0.0, 0.006, count)))
    volume = np.exp(chance.normal(12.0, 0.4, count)).astype(np.int64)
    return Bars(weekdays(count, last), opening, high, low, close, volume)


def market(names: int, days: int, *, reversal: float = 0.0) -> dict[Code, Bars]:
    """Stocks of unequal volatility; ``reversal`` plants a signal: what rose over five days gives part of it back."""
    out: dict[Code, Bars] = {}
    chance = seeded("market", names, days)
    common = chance.normal(0.0, 0.008, days)
    for number in range(names):
        code = f"{100_000 + number:06d}"
        own = chance.normal(0.0, 0.01 + 0.02 * chance.random(), days)
        moves = np.empty(days)
        for t in range(days):
            recent = own[max(0, t - 5) : t].sum()
            if t:
                own[t] -= reversal * recent / 5.0
            moves[t] = common[t] + own[t]
        out[code] = walk(code, days, returns=moves)
    return out


class FakeHistory:
    """Daily bars at hand, or an error."""

    def __init__(self, bars: dict[Code, Bars], failing: Sequence[Code] = ()) -> None:
        self.bars = bars
        self.failing = set(failing)
        self.asked: list[tuple[Code, int]] = []

    async def daily(self, code: Code, count: int) -> HistoryAnswer:
        self.asked.append((code, count))
        if code in self.failing or code not in self.bars:
            raise HistoryUnavailable("KIS: 응답 없음; 네이버: 연결 실패")
        return HistoryAnswer(code, self.bars[code][-count:], "시험", datetime(2026, 11, 23, 8, tzinfo=KST))
