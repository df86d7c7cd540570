"""Does a decision change when what comes after it changes? Cut, disturbed and delayed data, against the whole.

For chosen decisions the future is (1) cut off, (2) replaced by other prices and (3) for the last completed bars held
back. Cut and disturbed data must change nothing; with bars held back the score may change, and the share that does is
told: a check that can never see a difference would prove nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from engine.backtest.scorer import BacktestScorer, DecisionSource
from engine.backtest.timeline import StockHistory, Timeline, make_timeline
from engine.clock import seeded
from engine.market import Bars

Maker = Callable[[Timeline], DecisionSource]


@dataclass(frozen=True, slots=True)
class LookAheadReport:
    """``findings`` name each value that changed, in Korean; ``moved_by_delay`` shows that the check can see."""

    code: str
    decisions: int
    findings: tuple[str, ...]
    moved_by_delay: int


def check_lookahead(history: StockHistory, *, make: Maker = BacktestScorer, checks: int = 40) -> LookAheadReport:
    """Compare ``checks`` decisions of one stock, spread evenly."""
    line = make_timeline(history)
    whole = make(line)
    rows = np.unique(np.linspace(1, len(line) - 1, checks).astype(int)).tolist()
    findings: list[str] = []
    moved = 0
    for row in rows:
        for name, changed in (("자르기", _cut(history, line, row)), ("흔들기", _disturbed(history, line, row))):
            other = make(make_timeline(changed))
            findings += _differences(name, whole, other, row, line)
        if not line.daily_only and row > 2:
            delayed = make(make_timeline(_without(history, line, row - 1)))
            moved += int(delayed.totals[min(row - 1, len(delayed.totals) - 1)] != whole.totals[row])
    return LookAheadReport(history.code, len(rows), tuple(findings), moved)


def _differences(name: str, whole: DecisionSource, other: DecisionSource, row: int, line: Timeline) -> list[str]:
    at = line.decided_at[row]
    found = []
    if len(other.totals) <= row or other.totals[row] != whole.totals[row]:
        seen = f"{other.totals[row]:+.4f}" if len(other.totals) > row else "없음"
        found.append(f"{at} {name}: 점수 {whole.totals[row]:+.4f} → {seen}")
    if not np.array_equal(other.totals[:row], whole.totals[:row]):
        first = int(np.flatnonzero(other.totals[:row] != whole.totals[:row])[0])
        found.append(f"{at} {name}: 앞선 점수({line.decided_at[first]})가 바뀜")
    for label, mine, theirs in zip(("15분봉", "일봉"), whole.evidence(row), other.evidence(row), strict=True):
        if mine != theirs:
            found.append(f"{at} {name}: 손절을 정하는 {label}이 바뀜")
    return found


def _cut(history: StockHistory, line: Timeline, row: int) -> StockHistory:
    """Nothing after the open of the bar that fills the decision: of that bar only its open is left."""
    return _future(history, line, row, lambda column, opening: np.full_like(column, opening), keep=1)


def _disturbed(history: StockHistory, line: Timeline, row: int) -> StockHistory:
    rng = seeded("lookahead", history.code, row)

    def noise(column: NDArray[np.float64], opening: float) -> NDArray[np.float64]:
        return np.asarray(np.round(opening * (1.0 + rng.uniform(-0.05, 0.05, len(column)))))

    return _future(history, line, row, noise, keep=None)


def _future(
    history: StockHistory,
    line: Timeline,
    row: int,
    change: Callable[[NDArray[np.float64], float], NDArray[np.float64]],
    *,
    keep: int | None,
) -> StockHistory:
    """The history with the bars from ``row`` on changed; the first keeps its open, which is the fill and today's open."""
    day = line.days[int(line.session[row])]
    days = history.daily.dates()
    start = int(np.searchsorted(days, np.datetime64(day)))
    daily = _changed(history.daily, start, change, keep)
    if line.daily_only:
        return replace(history, daily=daily)
    offset = int(np.searchsorted(history.fifteen.start, line.bars.start[row]))
    kept = {d: price for d, price in history.first_prices.items() if d <= day}
    return replace(history, daily=daily, fifteen=_changed(history.fifteen, offset, change, keep), first_prices=kept)


def _changed(
    bars: Bars,
    start: int,
    change: Callable[[NDArray[np.float64], float], NDArray[np.float64]],
    keep: int | None,
) -> Bars:
    end = len(bars) if keep is None else min(len(bars), start + keep)
    if start >= end:
        return bars[:end]
    opening = float(bars.open[start])
    close = change(bars.close[start:end], opening)
    opens = change(bars.open[start:end], opening)
    opens[0] = opening
    high, low = np.maximum(opens, close) + 0.0, np.minimum(opens, close) + 0.0
    return Bars(
        bars.start[:end],
        np.r_[bars.open[:start], opens],
        np.r_[bars.high[:start], high],
        np.r_[bars.low[:start], low],
        np.r_[bars.close[:start], close],
        bars.volume[:end],
    )


def _without(history: StockHistory, line: Timeline, row: int) -> StockHistory:
    """The last completed bar never arrived."""
    place = int(np.searchsorted(history.fifteen.start, line.bars.start[row]))
    bars = history.fifteen
    return replace(history, fifteen=bars[:place].joined(bars[place + 1 :]))
