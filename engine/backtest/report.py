"""A whole backtest: histories in, a BacktestReport with its warnings out. Pure and CPU-bound: run it off the loop."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Final

import numpy as np

from engine.backtest.blind import luck_of
from engine.backtest.engine import Conditions, Outcome, simulate
from engine.backtest.metrics import held_returns, measure
from engine.backtest.scorer import BacktestScorer
from engine.backtest.timeline import StockHistory, make_timeline
from engine.market import KST, Bars, Environment
from engine.results import BacktestMetrics, BacktestReport, Stamp
from engine.scorer import DirectionInput, Scorer

Progress = Callable[[float, str], None]
FEW_TRADES: Final = 30
CURVES_CHOSEN_UNTIL: Final = date(2023, 12, 31)
POINTS_SHOWN: Final = 2_000
LAST_BAR: Final = 25
"""Slot of the fifteen-minute bar that holds the closing auction."""


class NothingToTest(ValueError):
    """One Korean line."""


@dataclass(frozen=True, eq=False)
class Job:
    """Everything a worker process needs."""

    histories: tuple[StockHistory, ...]
    conditions: Conditions = field(default_factory=Conditions)
    days: int | None = None
    """Newest sessions tested; None: all."""
    first: date | None = None
    last: date | None = None
    daily_only: bool = False
    least_daily: int = 60
    directions: Mapping[str, Mapping[date, DirectionInput]] = field(default_factory=dict)
    """Code → date → the forecast made before that session."""
    benchmark: Bars | None = None
    source: str = ""
    environment: Environment = Environment.REAL
    title: str = ""
    luck_draws: int = 100
    notes: tuple[str, ...] = ()
    """Warnings of whoever collected the bars."""


def run_backtest(job: Job, progress: Progress = lambda share, word: None) -> BacktestReport:
    """Raises NothingToTest."""
    sources = sources_of(job, progress)
    progress(0.5, "매매 규칙 적용")
    outcome = simulate(sources, job.conditions, tell=lambda share: progress(0.5 + 0.3 * share, "매매 규칙 적용"))
    progress(0.8, "우연과 비교")
    luck = luck_of(sources, job.conditions, outcome, job.luck_draws)
    progress(0.95, "성과 계산")
    return _report(job, sources, outcome, luck)


def sources_of(job: Job, progress: Progress = lambda share, word: None) -> list[BacktestScorer]:
    """Scorers of the stocks that have bars in the period, their scores computed."""
    if not job.histories:
        raise NothingToTest("시험할 종목이 없습니다")
    daily_only = job.daily_only or not any(len(history.fifteen) for history in job.histories)
    chosen = [history for history in job.histories if daily_only or len(history.fifteen)]
    first = job.first
    if job.days is not None:
        first = max(filter(None, (first, _first_day(chosen, job.days, daily_only, job.last))), default=None)
    scorer, sources = Scorer(job.least_daily), []
    for number, history in enumerate(chosen):
        line = make_timeline(history, first, job.last, daily_only=daily_only)
        if len(line):
            source = BacktestScorer(line, scorer=scorer, directions=job.directions.get(history.code))
            assert source.totals is not None  # computed here, where progress is told
            sources.append(source)
        progress(0.5 * (number + 1) / len(chosen), f"점수 계산 {number + 1}/{len(chosen)}종목")
    if not sources:
        raise NothingToTest("그 기간에 거래된 봉이 없습니다")
    return sources


def _first_day(histories: Sequence[StockHistory], days: int, daily_only: bool, last: date | None) -> date:
    dates = [(h.daily if daily_only else h.fifteen).dates() for h in histories]
    every = np.unique(np.concatenate(dates))
    if last is not None:
        every = every[every <= np.datetime64(last)]
    if not len(every):
        raise NothingToTest("그 기간에 거래된 봉이 없습니다")
    found: date = every[-days:][0].item()
    return found


def _report(
    job: Job, sources: Sequence[BacktestScorer], outcome: Outcome, luck: tuple[float, float, float] | None
) -> BacktestReport:
    lines = [source.timeline for source in sources]
    cash = job.conditions.cash
    metrics = measure(outcome, cash, lines, job.benchmark)
    ends = outcome.times[outcome.session_ends]
    held = held_returns(lines, ends.astype("datetime64[D]")) * cash
    single = sources[0].timeline if len(sources) == 1 else None
    last: datetime = outcome.times[-1].item()
    fine = len(outcome.times) <= POINTS_SHOWN
    times = outcome.times if fine else ends
    equity = outcome.equity if fine else outcome.equity[outcome.session_ends]
    names = lines[0].history.stock.name if single else f"{len(lines)}종목"
    return BacktestReport(
        title=job.title or f"{names} 백테스트",
        codes=tuple(line.history.code for line in lines),
        first=min(line.days[0] for line in lines),
        last=max(line.days[-1] for line in lines),
        metrics=metrics,
        trades=outcome.trades,
        equity=_curve(times, equity),
        buy_and_hold_equity=_curve(ends, held),
        bars=single.bars if single else None,
        warnings=tuple(_warnings(job, sources, outcome, metrics, luck)),
        stamp=Stamp(last.replace(tzinfo=KST), job.source, job.environment),
        settings=_settings(job, lines[0].daily_only, outcome, luck),
    )


def _curve(times: np.ndarray, values: np.ndarray) -> tuple[tuple[datetime, float], ...]:
    return tuple(
        (moment.replace(tzinfo=KST), float(value))
        for moment, value in zip(times.tolist(), values.tolist(), strict=True)
    )


def _settings(job: Job, daily_only: bool, outcome: Outcome, luck: tuple[float, float, float] | None) -> dict[str, str]:
    given, fills = job.conditions.settings, job.conditions.fills
    found = {
        "봉": "일봉" if daily_only else "15분봉",
        "진입 점수": f"{given.entry_score:g}",
        "매도 점수": f"{given.exit_score:g}",
        "익절": f"{given.take_profit:.1%}",
        "고정 손절": f"{given.fixed_stop:.1%}",
        "보유 한도": f"{given.holding_bars}봉",
        "마감 청산": "예" if given.close_out and not given.overnight else "아니오",
        "1회 투입": f"주문 가능 금액의 {given.cash_share:.0%}, 최대 {given.maximum_positions}종목",
        "시작 금액": f"{job.conditions.cash:,}원",
        "슬리피지": f"{fills.slippage_ticks}호가",
        "거래량 한도": f"봉 거래량의 {fills.volume_share:.0%}",
        "필요한 일봉": f"{job.least_daily}개",
        "기준 이상 판단": f"{outcome.considered}번",
    }
    if luck is not None:
        found["무작위 진입보다 나을 확률"] = f"p={luck[0]:.3f} (무작위 평균 {luck[1]:+.2%}, 표준편차 {luck[2]:.2%})"
    for why, count in sorted(outcome.refusals.items()):
        found[f"안 산 까닭: {why}"] = f"{count}번"
    return found


def _warnings(
    job: Job,
    sources: Sequence[BacktestScorer],
    outcome: Outcome,
    metrics: BacktestMetrics,
    luck: tuple[float, float, float] | None,
) -> list[str]:
    lines = [source.timeline for source in sources]
    entry = job.conditions.settings.entry_score
    highest = max(float(source.totals.max()) for source in sources)
    found = list(job.notes)
    if lines[0].daily_only:
        found.append(
            "일봉으로만 시험했습니다: 100점 중 진입 점수 35점이 비어 있어 55점에는 거의 닿지 않습니다 "
            f"(이 기간 최고 {highest:.1f}점, 기준 {entry:g}점)"
        )
    if not metrics.trades:
        found.append(f"거래가 없어 성과를 말할 수 없습니다: 최고 점수 {highest:.1f}점, 기준 {entry:g}점")
    elif metrics.trades < FEW_TRADES:
        found.append(f"거래가 {metrics.trades}번뿐이라 어떤 결론도 내릴 수 없습니다 (적어도 {FEW_TRADES}번)")
    if luck is not None and metrics.trades and luck[0] > 0.05:
        found.append(f"같은 횟수를 아무 때나 샀을 때와 구별되지 않습니다 (p={luck[0]:.2f})")
    if "total_return" in metrics.intervals and metrics.intervals["total_return"][0] < 0 < metrics.total_return:
        found.append("수익률의 95% 구간이 0을 포함합니다: 이익이 운일 수 있습니다")
    if any(line.history.survivor_only for line in lines):
        found.append("지금까지 상장된 종목만의 자료입니다: 상장폐지된 종목이 빠져 실제보다 좋게 나옵니다")
    if min(line.days[0] for line in lines) <= CURVES_CHOSEN_UNTIL:
        found.append("점수 곡선은 2023년까지의 자료로 골랐습니다: 그 기간의 성과는 표본 안입니다")
    if not job.directions:
        found.append("그때의 예측을 알 수 없어 예측 방향(10점)은 0점으로 두었습니다")
    if job.least_daily < 60:
        found.append(f"서비스는 일봉 60개를 요구하지만 여기서는 {job.least_daily}개로 낮추었습니다")
    if not lines[0].daily_only:
        short = sum(int(np.sum(line.slot[line.last] < LAST_BAR)) for line in lines)
        if short:
            found.append(f"종가까지의 봉이 없는 날이 {short}일 있어, 그날은 마지막 봉의 종가로 청산했습니다")
    if outcome.open_positions:
        found.append(f"기간 끝에 {len(outcome.open_positions)}종목을 들고 있어 마지막 가격으로 평가했습니다")
    return found


def quiet_threads() -> None:
    """Before numpy is loaded in a worker: leave the cores to the service."""
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ.setdefault(name, "1")


__all__ = ["Job", "NothingToTest", "run_backtest", "sources_of"]
