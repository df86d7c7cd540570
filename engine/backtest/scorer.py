"""BacktestScorer: builds the ScoreInput of every decision from bars completed before it. It adds no logic.

``totals`` are all scores in one pass, for finding the decisions that matter; ``score`` asks the very Scorer of the live
service. Both agree to the last bit, which is a test.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from engine.backtest.timeline import Timeline, oldest_kept, scaled
from engine.market import KST, Bars
from engine.results import Factor, Score
from engine.scorer import DAILY_BARS, DirectionInput, ScoreInput, Scorer
from engine.scoring.inputs import FIFTEEN_SESSIONS, last_sessions
from engine.scoring.quality import defect, last_traded, traded

Floats = NDArray[np.float64]


class DecisionSource(Protocol):
    """What the event loop asks of a strategy's score."""

    timeline: Timeline

    @property
    def totals(self) -> Floats:
        """The score known before each bar opens; NaN where there is none."""

    def score(self, row: int) -> Score: ...

    def evidence(self, row: int) -> tuple[Bars, Bars]:
        """(fifteen-minute, daily) bars of the decision before ``row``, for its stop."""

    def sell_total(self, row: int, entry: int) -> float:
        """The score of a held stock before ``row``."""

    def sells(self, threshold: float, entry: int, begin: int, end: int) -> NDArray[np.bool_]:
        """Of the rows begin..end, those whose ``sell_total`` is at most ``threshold``."""


class BacktestScorer:
    """Scores of one timeline. ``directions`` holds the forecast made before each session, by its date."""

    def __init__(
        self,
        timeline: Timeline,
        *,
        scorer: Scorer | None = None,
        directions: Mapping[date, DirectionInput] | None = None,
    ) -> None:
        self.timeline = timeline
        self._scorer = scorer or Scorer()
        self._directions = directions or {}
        self._points: Floats | None = None
        self._totals: Floats | None = None
        self._last: tuple[int, ScoreInput] | None = None

    # -- one decision

    def input(self, row: int) -> ScoreInput:
        """Everything the decision before ``row`` may know."""
        if self._last is None or self._last[0] != row:
            self._last = (row, self._input(row))
        return self._last[1]

    def _input(self, row: int) -> ScoreInput:
        line = self.timeline
        number = int(line.session[row])
        day = line.days[number]
        moment: datetime = line.decided_at[row].item()
        return ScoreInput(
            code=line.history.code,
            at=moment.replace(tzinfo=KST),
            daily=last_traded(line.daily_before(number), DAILY_BARS),
            today_open=None if line.daily_only else int(line.opens[number]),
            fifteen=self._fifteen(row),
            fifteen_origin="none" if line.daily_only else "replay",
            direction=self._directions.get(day),
        )

    def score(self, row: int) -> Score:
        return self._scorer.score(self.input(row))

    def evidence(self, row: int) -> tuple[Bars, Bars]:
        given = self.input(row)
        return given.fifteen, given.daily

    def sell_total(self, row: int, entry: int) -> float:
        return float(self.totals[row])

    def sells(self, threshold: float, entry: int, begin: int, end: int) -> NDArray[np.bool_]:
        return np.asarray(self.totals[begin:end] <= threshold)

    def _fifteen(self, row: int) -> Bars:
        line = self.timeline
        if line.daily_only:
            return Bars.empty()
        number = int(line.session[row])
        oldest = np.datetime64(oldest_kept(line.days[number]), "s")
        bars = last_sessions(line.bars[int(np.searchsorted(line.bars.start, oldest)) : row])
        if not len(bars):
            return bars
        begin = row - len(bars)
        factor = line.factor[line.session[begin:row]] / line.factor[number]
        if np.all(factor == 1.0):
            return bars
        parts = [scaled(bars[k : k + 1], 1.0 / float(factor[k])) for k in range(len(bars))]
        joined = parts[0]
        for part in parts[1:]:
            joined = joined.joined(part)
        return joined

    # -- all decisions

    @property
    def points(self) -> Floats:
        """(rows, 9) in the order of Factor; NaN where undefined."""
        if self._points is None:
            self._points = self._all_points()
        return self._points

    @property
    def totals(self) -> Floats:
        if self._totals is None:
            total = np.zeros(len(self.timeline))
            for column in np.nan_to_num(self.points).T:  # one by one, as Score.total adds them
                total = total + column
            self._totals = total
        return self._totals

    def _all_points(self) -> Floats:
        from engine.backtest.kernels import breakout_rows
        from engine.scoring import curves
        from engine.scoring.points import direction_points

        line = self.timeline
        out = np.full((len(line), len(Factor)), np.nan)
        if not len(line):
            return out
        facts, points, counts = self._daily_parts()
        out[:, 0:3] = points[line.session, 0:3]
        out[:, 4:6] = points[line.session, 3:5]
        if not line.daily_only:
            live, plain = self._fifteen_facts()
            out[1:, 6:8] = curves.fifteen_points(live)[:-1]
            later = np.ones(len(line), bool)
            later[line.firsts] = False
            day_range = facts[:, curves.HIGH] - facts[:, curves.LOW]
            usable = (day_range > 0) & (facts[:, curves.COUNT] >= 1) & (counts >= self._scorer.least_daily)
            with np.errstate(divide="ignore", invalid="ignore"):
                close = np.r_[np.nan, line.bars.close[:-1]]
                progress = (close - line.opens[line.session]) / day_range[line.session]
            rows = breakout_rows(progress, facts[line.session, curves.BAND], float(Factor.BREAKOUT.maximum))
            out[:, 3] = np.where(later & usable[line.session] & (line.opens[line.session] > 0), rows, np.nan)
            for session in np.flatnonzero(~plain).tolist():
                for row in range(int(line.firsts[session]), line.session_end(session)):
                    out[row] = self._scorer.points(self.input(row))
        for number, day in enumerate(line.days):
            given = self._directions.get(day)
            if given is not None and not given.absent:
                out[int(line.firsts[number]) : line.session_end(number), 8] = direction_points(given)
        return out

    def _daily_parts(self) -> tuple[Floats, Floats, NDArray[np.int64]]:
        """Daily facts, points and bar counts of each session, from the bars before it."""
        from engine.scoring import curves

        line = self.timeline
        facts = np.full((len(line.days), curves.DAILY_FACTS), np.nan)
        counts = np.zeros(len(line.days), np.int64)
        daily = line.history.daily
        points = np.full((len(line.days), 5), np.nan)
        if defect(daily):
            states = self._scorer.learn_daily([self._daily_tail(number) for number in range(len(line.days))])
            for number, state in enumerate(states):
                facts[number], points[number], counts[number] = state.facts, state.points, state.bars
            return facts, points, counts
        days = np.array(line.days, "datetime64[s]")
        usable = traded(daily)
        ends = np.searchsorted(usable.start, days).astype(np.int64)
        begins = np.maximum(0, ends - DAILY_BARS)
        for factor in np.unique(line.factor):
            rows = np.flatnonzero(line.factor == factor)
            bars = scaled(usable, float(factor))
            facts[rows] = curves.daily_last(bars.high, bars.low, bars.close, begins[rows], ends[rows])
        return facts, curves.daily_points(facts, self._scorer.least_daily), ends - begins

    def _daily_tail(self, number: int) -> Bars:
        return last_traded(self.timeline.daily_before(number), DAILY_BARS)

    def _fifteen_facts(self) -> tuple[Floats, NDArray[np.bool_]]:
        """(facts after each bar, sessions whose rows they hold for). The others are scored one by one."""
        from engine.backtest.kernels import session_facts

        line = self.timeline
        bars, firsts = line.bars, line.firsts
        back = np.maximum(0, np.arange(len(firsts)) - (FIFTEEN_SESSIONS - 1))
        ends = np.r_[firsts[1:], len(bars)].astype(np.int64)
        facts = session_facts(
            bars.high, bars.low, bars.close, bars.dates().astype(np.int64), firsts[back].astype(np.int64), firsts, ends
        )
        clean = not defect(bars, daily=False) and len(traded(bars)) == len(bars)
        plain = np.full(len(firsts), clean)
        for number, day in enumerate(line.days):
            oldest = max(0, number - FIFTEEN_SESSIONS)
            recent = line.days[oldest] >= oldest_kept(day)
            if not recent or np.any(line.factor[oldest:number] != line.factor[number]):
                plain[number] = False
        return facts, plain
