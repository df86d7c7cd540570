"""The score of one stock: nine factors with their reasons, from one frozen input. Pure: no clock, no I/O.

Points lie in [−maximum, +maximum]; the curves and what they are worth are in docs/factors. The first use compiles (or
loads) the kernels: call ``warm()`` off the loop before.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from engine.market import Bars
from engine.results import Factor, FactorScore, Score, StructureEvent, Zone
from engine.scoring import reasons
from engine.scoring.inputs import DAILY_BARS, DirectionInput, LookAhead, ScoreInput
from engine.scoring.reasons import Words
from engine.scoring.stops import StopChoice, structural_stop
from engine.smc import fair_value_gaps, order_blocks, structure_events

if TYPE_CHECKING:
    from engine.scoring.points import DailyState, FifteenState

__all__ = [
    "DAILY_BARS",
    "DirectionInput",
    "LookAhead",
    "ScoreInput",
    "Scorer",
    "StopChoice",
    "structural_stop",
    "warm",
]

LEAST_DAILY = 60
_REMEMBERED = 8_192


def warm() -> None:
    """Compile the kernels, or load them from the cache: seconds the first time on a machine, then a blink."""
    start = np.datetime64("2024-01-02T09:00:00")
    rows = np.arange(40)
    prices = 10_000.0 + 100.0 * np.sin(rows)
    bars = Bars(start + rows * np.timedelta64(900, "s"), prices, prices + 50, prices - 50, prices, rows + 1)
    from engine.scoring.points import daily_states, fifteen_states

    daily_states([bars])
    fifteen_states([bars])
    fair_value_gaps(bars, intraday=True)
    order_blocks(bars)


class Scorer:
    """Scores inputs. Daily factors depend on the daily bars alone and are remembered by their digest."""

    def __init__(self, least_daily: int = LEAST_DAILY) -> None:
        self.least_daily = least_daily
        self._daily: OrderedDict[str, DailyState] = OrderedDict()

    def score(self, input: ScoreInput) -> Score:
        daily, fifteen = self.daily_state(input.daily), self._fifteen_state(input.fifteen)
        points = self._points(input, daily, fifteen)
        factors = tuple(
            self._factor(factor, float(value), input, daily, fifteen)
            for factor, value in zip(Factor, points, strict=True)
        )
        return Score(input.code, input.at, factors, input.digest)

    def points(self, input: ScoreInput) -> NDArray[np.float64]:
        """The nine points in the order of Factor, NaN where undefined; no words."""
        return self._points(input, self.daily_state(input.daily), self._fifteen_state(input.fifteen))

    def zones(self, bars: Bars, *, intraday: bool) -> tuple[Zone, ...]:
        """Gaps, and order blocks of daily bars, oldest first; ``ended`` is None for those still alive."""
        found = list(fair_value_gaps(bars, intraday=intraday))
        if not intraday:
            found += order_blocks(bars)
        return tuple(sorted(found, key=lambda zone: (zone.born, zone.kind, zone.bottom)))

    def structure(self, bars: Bars) -> tuple[StructureEvent, ...]:
        """Breaks of structure with the swing they broke, oldest first."""
        return structure_events(bars)

    def daily_state(self, bars: Bars) -> DailyState:
        """Facts and points of the daily factors, from memory where these very bars were seen."""
        known = self._daily.get(bars.digest)
        return known if known is not None else self.learn_daily([bars])[0]

    def learn_daily(self, many: list[Bars]) -> list[DailyState]:
        """The daily parts of many stocks, those not in memory computed in one pass. Safe beside other threads."""
        from engine.scoring.points import daily_states

        unknown = {bars.digest: bars for bars in many if bars.digest not in self._daily}
        fresh = dict(zip(unknown, daily_states(list(unknown.values()), self.least_daily), strict=True))
        kept = [fresh.get(bars.digest) or self._daily.get(bars.digest) for bars in many]
        self._daily.update(fresh)
        while len(self._daily) > max(_REMEMBERED, len(many)):
            self._daily.popitem(last=False)
        # Another thread may have pushed one out between the look and the reading.
        return [state or daily_states([bars], self.least_daily)[0] for bars, state in zip(many, kept, strict=True)]

    def _fifteen_state(self, bars: Bars) -> FifteenState:
        from engine.scoring.points import fifteen_states

        return fifteen_states([bars])[0]

    def _points(self, given: ScoreInput, daily: DailyState, fifteen: FifteenState) -> NDArray[np.float64]:
        from engine.scoring.points import assemble

        return assemble(given, daily, fifteen, self.least_daily)

    # -- words

    def _factor(
        self, factor: Factor, points: float, given: ScoreInput, daily: DailyState, fifteen: FifteenState
    ) -> FactorScore:
        defined = not math.isnan(points)
        if factor is Factor.DIRECTION:
            words = self._direction_words(given.direction, points)
        elif factor is Factor.BREAKOUT:
            words = self._breakout_words(given, daily, fifteen, points)
        elif factor.daily:
            words = self._daily_words(factor, daily, points)
        else:
            words = self._fifteen_words(factor, fifteen, points)
        return FactorScore(factor, points if defined else 0.0, *words, defined)

    def _too_few(self, daily: DailyState) -> Words | None:
        if daily.defect:
            return reasons.missing(f"일봉 이상: {daily.defect}", "bad daily bars")
        if daily.bars < self.least_daily:
            return reasons.missing(
                f"일봉 {daily.bars}개, {self.least_daily}개 필요", f"{daily.bars} daily bars of {self.least_daily}"
            )
        return None

    def _daily_words(self, factor: Factor, daily: DailyState, points: float) -> Words:
        from engine.scoring import curves

        if short := self._too_few(daily):
            return short
        if math.isnan(points):
            return reasons.missing("가격이 움직이지 않아 계산할 수 없음", "flat prices")
        facts = daily.facts
        if factor is Factor.RSI:
            return reasons.rsi(facts[curves.RSI : curves.RSI + 5], points)
        if factor is Factor.MACD:
            line, histogram, atr = (float(facts[k]) for k in (curves.MACD, curves.HISTOGRAM, curves.ATR))
            return reasons.macd(line, histogram, atr, points)
        if factor is Factor.BOLLINGER:
            return reasons.bollinger(facts[curves.BAND : curves.BAND + 5], points)
        if factor is Factor.DAILY_FVG:
            return reasons.zone("fvg", float(facts[curves.GAP]), float(facts[curves.GAP + 4]), points)
        return reasons.zone("order_block", float(facts[curves.BLOCK]), float(facts[curves.BLOCK + 2]), points)

    def _breakout_words(self, given: ScoreInput, daily: DailyState, fifteen: FifteenState, points: float) -> Words:
        from engine.scoring import curves
        from engine.scoring.points import breakout_terms

        if short := self._too_few(daily):
            return short
        if not given.today_open:
            return reasons.missing("오늘 시가 없음", "no open today")
        if not fifteen.bars:
            return reasons.missing("15분봉 없음", "no fifteen-minute bars")
        if fifteen.defect:
            return reasons.missing(f"15분봉 이상: {fifteen.defect}", "bad fifteen-minute bars")
        if fifteen.last_day != np.datetime64(given.wall.date()):
            return reasons.missing("오늘 완성된 15분봉 없음", "no completed fifteen-minute bar today")
        if math.isnan(points):
            return reasons.missing("어제 가격 폭이 0", "yesterday had no range")
        last = float(fifteen.facts[curves.F_CLOSE])
        _, band = breakout_terms(daily, last, float(given.today_open))
        day_range = float(daily.facts[curves.HIGH] - daily.facts[curves.LOW])
        return reasons.breakout(last, given.today_open, day_range, band, points)

    def _fifteen_words(self, factor: Factor, fifteen: FifteenState, points: float) -> Words:
        from engine.scoring import curves

        if not fifteen.bars:
            return reasons.missing("15분봉 없음", "no fifteen-minute bars")
        if fifteen.defect:
            return reasons.missing(f"15분봉 이상: {fifteen.defect}", "bad fifteen-minute bars")
        if math.isnan(points):
            return reasons.missing(f"15분봉 {fifteen.bars}개", f"{fifteen.bars} fifteen-minute bars")
        facts = fifteen.facts
        if factor is Factor.FIFTEEN_FVG:
            return reasons.retest(facts[curves.F_GAP : curves.F_GAP + 8], points)
        up = (float(facts[curves.UP_KIND]), float(facts[curves.UP_AGE]))
        down = (float(facts[curves.DOWN_KIND]), float(facts[curves.DOWN_AGE]))
        return reasons.structure(up, down, points)

    def _direction_words(self, given: DirectionInput | None, points: float) -> Words:
        if given is None:
            return "예측이 없습니다", "no forecast"
        if given.absent:
            return f"예측이 없습니다 ({given.absent})", f"no forecast ({given.absent})"
        return reasons.direction(given, points)
