"""From bars to points: the numbers of a score without its words, one stock or thousands at a time.

Importing this module imports numba; ``engine.scorer`` does so on first use.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from engine.market import Bars
from engine.results import Factor
from engine.scoring import curves
from engine.scoring.inputs import DAILY_BARS, DirectionInput, ScoreInput, last_sessions
from engine.scoring.quality import defect, last_traded, traded

Floats = NDArray[np.float64]

FACTORS: Final = tuple(Factor)
"""Column order of every points array: nine factors."""
LEAST_DAILY: Final = 60
_DIRECTION: Final = (
    np.array([0.0, 0.05, 0.10, 0.15, 0.30, 0.40, 0.70, 0.80, 1.0]),
    np.array([-10.0, -10.0, -7.0, -4.0, -2.0, 0.0, 0.0, 2.0, 3.0]),
)


@dataclass(frozen=True, slots=True, eq=False)
class DailyState:
    """What a score needs of the completed days: facts and points of the last one, or the defect of the data."""

    facts: Floats
    points: Floats
    bars: int
    defect: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class FifteenState:
    facts: Floats
    points: Floats
    bars: int
    last_day: np.datetime64
    defect: str = ""


_NO_DAILY = np.full(curves.DAILY_FACTS, np.nan)
_NO_FIFTEEN = np.full(curves.FIFTEEN_FACTS, np.nan)


def daily_states(many: Sequence[Bars], least_daily: int = LEAST_DAILY) -> list[DailyState]:
    """One state per stock, of its last DAILY_BARS bars with a trade; ragged histories are fine, broken ones are named."""
    tails = [last_traded(bars, DAILY_BARS) for bars in many]
    defects = [defect(tail) for tail in tails]
    windows = [traded(tail) for tail in tails]
    usable = [window if not bad else Bars.empty() for window, bad in zip(windows, defects, strict=True)]
    ends = np.cumsum([len(window) for window in usable], dtype=np.int64)
    begins = ends - np.array([len(window) for window in usable], np.int64)
    facts = curves.daily_last(
        _joined([window.high for window in usable]),
        _joined([window.low for window in usable]),
        _joined([window.close for window in usable]),
        begins,
        ends,
    )
    points = curves.daily_points(facts, least_daily)
    return [DailyState(facts[i], points[i], len(windows[i]), defects[i]) for i in range(len(many))]


def fifteen_states(many: Sequence[Bars]) -> list[FifteenState]:
    tails = [last_sessions(bars) for bars in many]
    defects = [defect(tail, daily=False) for tail in tails]
    windows = [traded(tail) for tail in tails]
    usable = [window if not bad else Bars.empty() for window, bad in zip(windows, defects, strict=True)]
    ends = np.cumsum([len(window) for window in usable], dtype=np.int64)
    begins = ends - np.array([len(window) for window in usable], np.int64)
    sessions = [window.dates().astype(np.int64) for window in usable]
    facts = curves.fifteen_last(
        _joined([window.high for window in usable]),
        _joined([window.low for window in usable]),
        _joined([window.close for window in usable]),
        np.concatenate(sessions) if sessions else np.empty(0, np.int64),
        begins,
        ends,
    )
    points = curves.fifteen_points(facts)
    never = np.datetime64("NaT", "D")
    return [
        FifteenState(
            facts[i],
            points[i],
            len(windows[i]),
            windows[i].start[-1].astype("datetime64[D]") if len(windows[i]) else never,
            defects[i],
        )
        for i in range(len(many))
    ]


def _joined(columns: list[Floats]) -> Floats:
    return np.concatenate(columns) if columns else np.empty(0)


def breakout_terms(daily: DailyState, last: float, today_open: float) -> tuple[float, float]:
    """(progress b, yesterday's band position); NaN where undefined (no range, too few bars)."""
    facts = daily.facts
    day_range = facts[curves.HIGH] - facts[curves.LOW]
    if not day_range > 0 or not facts[curves.COUNT] >= 1:
        return float("nan"), float("nan")
    return (last - today_open) / float(day_range), float(facts[curves.BAND])


def breakout_points(daily: DailyState, last: float, today_open: float, least_daily: int = LEAST_DAILY) -> float:
    if daily.bars < least_daily:
        return float("nan")
    return Factor.BREAKOUT.maximum * curves.breakout_share(*breakout_terms(daily, last, today_open))


def direction_points(given: DirectionInput) -> float:
    return float(np.interp(given.rank, *_DIRECTION)) * min(max(given.gate, 0.0), 1.0)


def assemble(given: ScoreInput, daily: DailyState, fifteen: FifteenState, least_daily: int = LEAST_DAILY) -> Floats:
    """Nine points in the order of FACTORS; NaN where a factor is undefined."""
    out = np.full(len(FACTORS), np.nan)
    out[0:3] = daily.points[0:3]
    out[4:6] = daily.points[3:5]
    if given.today_open and fifteen.last_day == np.datetime64(given.wall.date()):
        out[3] = breakout_points(daily, float(fifteen.facts[curves.F_CLOSE]), float(given.today_open), least_daily)
    out[6:8] = fifteen.points
    if given.direction is not None and not given.direction.absent:
        out[8] = direction_points(given.direction)
    return out


def points_of(inputs: Sequence[ScoreInput], least_daily: int = LEAST_DAILY) -> Floats:
    """Points (n, 9) of many inputs in one pass: equal to scoring each alone."""
    dailies = daily_states([given.daily for given in inputs], least_daily)
    fifteens = fifteen_states([given.fifteen for given in inputs])
    rows = [assemble(*row, least_daily) for row in zip(inputs, dailies, fifteens, strict=True)]
    return np.array(rows) if rows else np.empty((0, len(FACTORS)))
