"""Made bars and scripted scores for the backtest's tests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta

import numpy as np

from engine.backtest.blind import flat_score
from engine.backtest.engine import Conditions, Outcome, simulate
from engine.backtest.fills import FillRules
from engine.backtest.timeline import StockHistory, Timeline, make_timeline
from engine.calendar import TradingCalendar
from engine.krx import CostModel
from engine.market import Bars, Market, SecurityKind, Stock
from engine.results import Score
from engine.strategy import StrategySettings

DAY = date(2024, 6, 4)
Row = tuple[float, float, float, float] | tuple[float, float, float, float, int]
FREE = CostModel(0, 0)


def fifteen(rows: Sequence[Row | None], day: date = DAY) -> Bars:
    """Bars of one session from 09:00; None leaves a place on the grid empty."""
    at = datetime.combine(day, datetime.min.time()) + timedelta(hours=9)
    kept = [(at + timedelta(minutes=15 * i), row) for i, row in enumerate(rows) if row is not None]
    columns = np.array([row[:4] for _, row in kept], float)
    volume = np.array([row[4] if len(row) > 4 else 1_000_000 for _, row in kept])
    start = np.array([moment for moment, _ in kept], "datetime64[s]")
    return Bars(start, columns[:, 0], columns[:, 1], columns[:, 2], columns[:, 3], volume)


def daily(closes: Sequence[float], until: date = DAY) -> Bars:
    """Completed days up to the session before ``until``."""
    days = TradingCalendar().last_days(until, len(closes))
    price = np.array(closes, float)
    return Bars(np.array(days, "datetime64[s]"), price, price + 10, price - 10, price, np.full(len(price), 1_000))


def stock(code: str = "005930", market: Market = Market.KOSPI, kind: SecurityKind = SecurityKind.STOCK) -> Stock:
    return Stock(code, "시험", market, kind=kind)


class Scripted:
    """Scores by row: enters where told, sells where told."""

    def __init__(self, timeline: Timeline, totals: Mapping[int, float], gaps: Bars | None = None) -> None:
        self.timeline = timeline
        self.totals = np.zeros(len(timeline))
        for row, total in totals.items():
            self.totals[row] = total
        self._fifteen = gaps if gaps is not None else Bars.empty()

    def score(self, row: int) -> Score:
        return flat_score(self.timeline, row, float(self.totals[row]), "시험")

    def evidence(self, row: int) -> tuple[Bars, Bars]:
        return self._fifteen, Bars.empty()

    def sell_total(self, row: int, entry: int) -> float:
        return float(self.totals[row])

    def sells(self, threshold: float, entry: int, begin: int, end: int) -> np.ndarray:
        return np.asarray(self.totals[begin:end] <= threshold)


def play(
    bars: Bars,
    totals: Mapping[int, float],
    *,
    closes: Sequence[float] = (10_000.0,) * 5,
    settings: StrategySettings | None = None,
    costs: CostModel = FREE,
    slippage: int = 0,
    volume_share: float = 1.0,
    cash: int = 10_000_000,
    name: Stock | None = None,
    until: date = DAY,
    history: StockHistory | None = None,
) -> Outcome:
    """Run scripted scores over fifteen-minute bars; both ways of walking must agree."""
    told = history or StockHistory(name or stock(), daily(closes, until), bars)
    source = Scripted(make_timeline(told), totals)
    conditions = Conditions(settings or StrategySettings(), costs, FillRules(slippage, volume_share), cash)
    quick = simulate([source], conditions)
    every = simulate([source], conditions, skip=False)
    assert quick.trades == every.trades
    np.testing.assert_array_equal(quick.equity, every.equity)
    return quick
