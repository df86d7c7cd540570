"""From an outcome to figures: every return a fraction, drawdown marked to market at every bar."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from engine.backtest.engine import Outcome
from engine.backtest.statistics import SESSIONS_PER_YEAR, return_intervals, sharpe, sortino, trade_intervals
from engine.backtest.timeline import Timeline
from engine.market import Bars, Won
from engine.results import BacktestMetrics

Floats = NDArray[np.float64]


def maximum_drawdown(equity: Floats, start: float) -> float:
    """Largest fall from a high before it, as a positive fraction."""
    if not len(equity):
        return 0.0
    peaks = np.maximum.accumulate(np.maximum(equity, start))
    return float(np.max(1.0 - equity / peaks))


def daily_returns(outcome: Outcome, cash: Won) -> Floats:
    equity = outcome.equity[outcome.session_ends]
    return np.asarray(equity / np.r_[float(cash), equity[:-1]] - 1.0) if len(equity) else np.empty(0)


def held_returns(lines: Sequence[Timeline], days: NDArray[np.datetime64]) -> Floats:
    """Value, start 1, of equal parts of every stock bought at its first open and held, at the end of each day."""
    value, names = np.zeros(len(days)), 0
    for line in lines:
        if not len(line):
            continue
        last = np.r_[line.firsts[1:], len(line)] - 1
        closes = line.bars.close[last] / line.factor
        opened = line.bars.open[0] / line.factor[0]
        place = np.searchsorted(np.array(line.days, "datetime64[D]"), days, side="right") - 1
        value += np.where(place >= 0, closes[np.maximum(place, 0)] / opened, 1.0)
        names += 1
    return value / names if names else np.ones(len(days))


def benchmark_return(benchmark: Bars | None, days: NDArray[np.datetime64]) -> float | None:
    """From the close before the first day to the close of the last; None where the index does not cover them."""
    if benchmark is None or not len(days) or not len(benchmark):
        return None
    dates = benchmark.dates()
    before, last = int(np.searchsorted(dates, days[0])) - 1, int(np.searchsorted(dates, days[-1], side="right")) - 1
    if before < 0 or dates[last] < days[-1]:
        return None
    return float(benchmark.close[last] / benchmark.close[before] - 1.0)


def measure(outcome: Outcome, cash: Won, lines: Sequence[Timeline], benchmark: Bars | None) -> BacktestMetrics:
    returns = daily_returns(outcome, cash)
    total = float(outcome.equity[-1]) / cash - 1.0 if len(outcome.equity) else 0.0
    years = len(returns) / SESSIONS_PER_YEAR
    annual = math.copysign(abs(1.0 + total) ** (1.0 / years), 1.0 + total) - 1.0 if years > 0 and total > -1 else -1.0
    annual = total if years <= 0 else annual
    fall = maximum_drawdown(outcome.equity, float(cash))
    profits = np.array([trade.profit for trade in outcome.trades], float)
    percents = np.array([trade.profit_percent for trade in outcome.trades], float)
    wins, losses = profits[profits > 0], profits[profits < 0]
    mean_equity = float(outcome.equity.mean()) if len(outcome.equity) else float(cash)
    days = outcome.times[outcome.session_ends].astype("datetime64[D]")
    held = held_returns(lines, days)
    return BacktestMetrics(
        total_return=total,
        annual_return=annual,
        maximum_drawdown=fall,
        win_rate=len(wins) / len(profits) if len(profits) else 0.0,
        profit_factor=_ratio(float(wins.sum()), float(-losses.sum())),
        payoff_ratio=_ratio(float(wins.mean()) if len(wins) else 0.0, float(-losses.mean()) if len(losses) else 0.0),
        sharpe=sharpe(returns),
        sortino=sortino(returns),
        calmar=annual / fall if fall > 0 else 0.0,
        exposure=float(np.mean(outcome.invested / outcome.equity)) if len(outcome.equity) else 0.0,
        turnover=outcome.traded_value / 2.0 / mean_equity,
        costs=outcome.fees + outcome.taxes,
        trades=len(outcome.trades),
        buy_and_hold=float(held[-1]) - 1.0 if len(held) else 0.0,
        benchmark=benchmark_return(benchmark, days),
        intervals=return_intervals(returns) | trade_intervals(percents),
    )


def _ratio(upper: float, lower: float) -> float:
    """0 where there was neither gain nor loss, infinity where nothing was lost."""
    if lower > 0:
        return upper / lower
    return math.inf if upper > 0 else 0.0
