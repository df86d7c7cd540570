"""Simple rules through the same event loop: a buy signal per bar and a longest holding, for comparison with other engines."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from engine.backtest.blind import ENTER, flat_score
from engine.backtest.engine import Conditions
from engine.backtest.fills import FillRules
from engine.backtest.timeline import Timeline
from engine.krx import CostModel
from engine.market import Bars, Won
from engine.results import Score
from engine.strategy import StrategySettings

Floats = NDArray[np.float64]
SELL = -100.0
_NO_LIMIT = 10**9
_NOTHING = Bars.empty()


class RuleSource:
    """``signal[k]``: buy at the close of bar k, which is filled at the open of bar k + 1. ``hold`` counts bars."""

    def __init__(self, timeline: Timeline, signal: NDArray[np.bool_], hold: int | None = None) -> None:
        if len(signal) != len(timeline):
            raise ValueError(f"signal has {len(signal)} rows, the timeline {len(timeline)}")
        self.timeline = timeline
        self.totals: Floats = np.zeros(len(timeline))
        self.totals[1:][signal[:-1]] = ENTER
        self.hold = hold

    def score(self, row: int) -> Score:
        return flat_score(self.timeline, row, float(self.totals[row]), "규칙")

    def evidence(self, row: int) -> tuple[Bars, Bars]:
        return _NOTHING, _NOTHING

    def sell_total(self, row: int, entry: int) -> float:
        return SELL if self.hold is not None and row - entry >= self.hold else 0.0

    def sells(self, threshold: float, entry: int, begin: int, end: int) -> NDArray[np.bool_]:
        if self.hold is None:
            return np.zeros(end - begin, bool)
        return np.asarray(np.arange(begin, end) - entry >= self.hold)


def rsi_below(timeline: Timeline, level: float = 30.0) -> NDArray[np.bool_]:
    from engine.indicators import rsi

    with np.errstate(invalid="ignore"):
        return np.asarray(rsi(timeline.bars.close) < level)


def rule_conditions(
    *, take_profit: float = 0.05, fixed_stop: float = 0.03, cash: Won = 100_000_000, slippage: int = 0
) -> Conditions:
    """One position at a time with all the cash, −3 % / +5 %, no close-out, no costs: what other engines call a strategy."""
    settings = replace(
        StrategySettings(),
        entry_score=ENTER / 2.0,
        cash_share=1.0,
        maximum_positions=1,
        take_profit=take_profit,
        fixed_stop=fixed_stop,
        holding_bars=_NO_LIMIT,
        overnight=True,
        entry_ticks=0,
    )
    return Conditions(settings, CostModel(0, 0), FillRules(slippage, 1.0), cash)
