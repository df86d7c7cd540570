"""The engine as a whole: fast scores are the live scores, skipping changes nothing, nothing looks ahead."""

from __future__ import annotations

import asyncio
import pickle
from dataclasses import replace
from datetime import date

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.backtest.engine import Conditions, simulate
from engine.backtest.lookahead import check_lookahead
from engine.backtest.metrics import maximum_drawdown
from engine.backtest.process import BacktestFailed, run_in_process
from engine.backtest.report import Job, run_backtest
from engine.backtest.scorer import BacktestScorer
from engine.backtest.statistics import deflated_sharpe, sharpe
from engine.backtest.timeline import StockHistory, make_timeline
from engine.clock import seeded
from engine.market import Bars
from engine.results import BacktestReport
from engine.scorer import DirectionInput, Scorer
from engine.strategy import StrategySettings
from tests.backtest.made import stock
from tests.benchmarks.backtest import minute_history


def made(number: int = 1, sessions: int = 12) -> StockHistory:
    return minute_history(number, sessions)


def test_totals_are_those_of_the_live_scorer_to_the_last_bit() -> None:
    history = made()
    directions = {day: DirectionInput(0.9, 1.0, "m") for day in np.unique(history.fifteen.dates()).tolist()[::2]}
    source = BacktestScorer(make_timeline(history), directions=directions)
    rng = seeded("test", "rows")
    rows = sorted({0, 1, 26, 27, *rng.integers(0, len(source.totals), 40).tolist()})
    for row in rows:
        assert source.score(row).total == source.totals[row], row
    assert np.ptp(source.totals) > 20


def test_totals_agree_across_a_split_and_a_hole_in_the_days() -> None:
    history = made(2, 14)
    bars, day = history.fifteen, history.fifteen.dates()
    days = np.unique(day)
    late = day >= days[7]
    scale = np.where(late, 0.2, 1.0)
    split = Bars(bars.start, *(np.round(c * scale) for c in (bars.open, bars.high, bars.low, bars.close)), bars.volume)
    keep = (day != days[4]) & (day != days[5])
    rows = np.flatnonzero(keep)
    holed = Bars(*(getattr(split, n)[rows] for n in ("start", "open", "high", "low", "close", "volume")))
    adjusted = history.daily
    fifth = Bars(
        adjusted.start,
        *(c * 0.2 for c in (adjusted.open, adjusted.high, adjusted.low, adjusted.close)),
        adjusted.volume,
    )
    line = make_timeline(replace(history, daily=fifth, fifteen=holed))
    assert len(set(line.factor.tolist())) == 2
    source = BacktestScorer(line)
    for row in range(0, len(line), 7):
        assert source.score(row).total == source.totals[row], row


@settings(max_examples=6, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    entry=st.sampled_from([5.0, 20.0, 30.0]),
    hold=st.sampled_from([3, 26, 52]),
    overnight=st.booleans(),
    exit_score=st.sampled_from([-40.0, -10.0]),
)
def test_skipped_bars_are_bars_in_which_decide_does_nothing(
    seed: int, entry: float, hold: int, overnight: bool, exit_score: float
) -> None:
    chosen = StrategySettings(entry_score=entry, holding_bars=hold, overnight=overnight, exit_score=exit_score)
    conditions = Conditions(chosen)
    sources = [BacktestScorer(make_timeline(made(seed + n, 6))) for n in range(2)]
    quick, every = simulate(sources, conditions), simulate(sources, conditions, skip=False)
    assert quick.trades == every.trades
    np.testing.assert_array_equal(quick.equity, every.equity)


@settings(max_examples=5, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_every_won_is_accounted_for(seed: int) -> None:
    sources = [BacktestScorer(make_timeline(made(seed + n, 6))) for n in range(3)]
    found = simulate(sources, Conditions(StrategySettings(entry_score=15.0)))
    assert not found.open_positions
    assert found.equity[-1] == 10_000_000 + sum(trade.profit for trade in found.trades)
    assert found.fees + found.taxes == sum(trade.fees + trade.taxes for trade in found.trades)
    for trade in found.trades:
        assert trade.entry_at < trade.exit_at
        assert trade.entry_at.date() == trade.exit_at.date()


def test_nothing_looks_ahead_and_a_leak_is_caught() -> None:
    history = made(3, 10)
    assert check_lookahead(history, checks=6).findings == ()

    class Leaking(BacktestScorer):
        """Scores the close of the very bar that is about to open."""

        @property
        def totals(self) -> np.ndarray:
            return super().totals + np.sign(self.timeline.bars.close - self.timeline.bars.open)

    found = check_lookahead(history, make=Leaking, checks=6)
    assert found.findings
    assert "점수" in found.findings[0]


def test_daily_mode_says_what_it_cannot_know() -> None:
    history = replace(made(4, 10), fifteen=Bars.empty(), survivor_only=True)
    report = run_backtest(Job((history,), days=120, luck_draws=20))
    text = " ".join(report.warnings)
    assert "55점에는 거의 닿지 않습니다" in text
    assert "상장폐지" in text
    assert report.metrics.trades == 0
    assert "거래가 없어" in text


def test_a_report_holds_the_figures_of_its_trades() -> None:
    job = Job(tuple(made(n, 15) for n in range(4)), Conditions(StrategySettings(entry_score=25.0)), luck_draws=25)
    report = run_backtest(job)
    assert report.metrics.trades == len(report.trades) > 5
    assert report.metrics.costs == sum(trade.fees + trade.taxes for trade in report.trades)
    assert 0 < report.metrics.exposure < 1
    assert report.metrics.maximum_drawdown >= 0
    low, high = report.metrics.intervals["mean_trade"]
    assert low <= np.mean([trade.profit_percent for trade in report.trades]) / 100 <= high
    assert run_backtest(job) == report  # the same bars, the same report


def test_drawdown_is_marked_to_market_and_not_only_at_exits() -> None:
    assert maximum_drawdown(np.array([100.0, 80.0, 110.0]), 100.0) == pytest.approx(0.2)
    assert maximum_drawdown(np.array([90.0]), 100.0) == pytest.approx(0.1)


def test_the_deflated_sharpe_falls_with_the_number_of_trials() -> None:
    returns = seeded("test", "sharpe").normal(0.001, 0.01, 400)
    assert sharpe(returns) > 0
    one, many = deflated_sharpe(returns, 1, 0.05), deflated_sharpe(returns, 200, 0.05)
    assert 0 <= many < one <= 1


async def test_a_backtest_runs_in_its_own_process_and_tells_its_progress() -> None:
    shares: list[float] = []

    async def progress(share: float, word: str) -> None:
        shares.append(share)

    job = Job((made(5, 8),), Conditions(StrategySettings(entry_score=20.0)), luck_draws=0)
    report = await run_in_process(job, progress)
    assert isinstance(report, BacktestReport)
    assert pickle.dumps(report.trades) == pickle.dumps(run_backtest(job).trades)
    assert shares == sorted(shares)
    assert shares[-1] > 0.9


async def test_a_refusal_comes_back_as_one_line_and_a_cancelled_backtest_is_killed() -> None:
    async def progress(share: float, word: str) -> None:
        pass

    empty = Job((StockHistory(stock(), made().daily),), first=date(2035, 1, 1))
    with pytest.raises(BacktestFailed, match="거래된 봉이 없습니다"):
        await run_in_process(empty, progress)
    sleeping = ("/bin/sleep", "60")
    task = asyncio.create_task(run_in_process(empty, progress, command=sleeping))
    await asyncio.sleep(0.3)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


def test_a_higher_need_of_daily_bars_leaves_the_daily_factors_out() -> None:
    source = BacktestScorer(make_timeline(made(6, 5)), scorer=Scorer(least_daily=10_000))
    assert np.isnan(source.points[:, :6]).all()
