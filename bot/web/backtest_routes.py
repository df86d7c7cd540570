"""Backtests as jobs: start, look, cancel."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query, Response

from bot.services import BacktestRequest
from bot.web import trading_models as models
from bot.web import views
from bot.web.console import Known
from bot.web.jobs import RunningJob
from bot.web.market_routes import State, required
from bot.web.problems import Problem
from bot.web.state import WebState
from engine.clock import wall_timeout
from engine.results import BacktestReport

router = APIRouter()
JobId = Annotated[str, Path(max_length=40, pattern=r"^[A-Za-z0-9_-]+$")]
TRADES = 200
POINTS = 300


@router.post(
    "/api/backtest",
    tags=["백테스트"],
    summary="백테스트 시작",
    status_code=202,
    responses={200: {"model": models.Job, "description": "기다리는 동안 끝남"}},
)
async def start(
    body: models.BacktestBody,
    caller: Known,
    state: State,
    response: Response,
    wait: Annotated[float, Query(ge=0, le=25, description="이 초까지 기다려 끝나면 결과를 바로 돌려줍니다")] = 0.0,
) -> models.Job:
    """작업 번호를 돌려줍니다. `/api/backtest/{id}` 로 진행과 결과를 봅니다."""
    backtests = required(state, state.services.backtests, "backtest")
    if state.services.listing.get(body.code) is None:
        raise Problem(404, f"{body.code} 은(는) 목록에 없는 종목입니다")
    request = BacktestRequest(body.code, body.days, body.take_profit_pct, body.max_hold_bars)
    job = state.jobs.start(backtests, request, caller.id)
    if wait:
        try:
            async with wall_timeout(wait):
                await job.ended.wait()
        except TimeoutError:
            pass  # still running: the answer says so
    response.headers["Location"] = f"/api/backtest/{job.id}"
    response.status_code = 202 if job.state == "running" else 200
    return view(state, job)


@router.get("/api/backtest/{identity}", tags=["백테스트"], summary="백테스트의 진행과 결과")
async def look(identity: JobId, caller: Known, state: State) -> models.Job:
    return view(state, state.jobs.get(identity))


@router.delete("/api/backtest/{identity}", tags=["백테스트"], summary="백테스트 그만두기")
async def cancel(identity: JobId, caller: Known, state: State) -> models.Job:
    job = state.jobs.get(identity)
    await state.jobs.cancel(job)
    return view(state, job)


def view(state: WebState, job: RunningJob, *, with_result: bool = True) -> models.Job:
    return models.Job(
        id=job.id,
        state=job.state,
        progress=job.progress,
        word=job.word,
        problem=job.problem,
        result=_result(state, job.report) if job.report and with_result else None,
    )


def _result(state: WebState, report: BacktestReport) -> models.BacktestResult:
    found = report.metrics
    number = views.number
    return models.BacktestResult(
        **views.dated(state.services, report.stamp.at, report.stamp.source),
        title=report.title,
        codes=list(report.codes),
        first=report.first,
        last=report.last,
        total_return=number(found.total_return),
        annual_return=number(found.annual_return),
        maximum_drawdown=number(found.maximum_drawdown),
        win_rate=number(found.win_rate),
        payoff_ratio=number(found.payoff_ratio),
        profit_factor=number(found.profit_factor),
        sharpe=number(found.sharpe),
        trades_count=found.trades,
        costs=round(found.costs),
        buy_and_hold=number(found.buy_and_hold),
        trades=[
            models.TradeRow(
                code=t.code,
                name=t.name,
                quantity=t.quantity,
                entry_at=t.entry_at,
                entry_price=number(t.entry_price),
                exit_at=t.exit_at,
                exit_price=number(t.exit_price),
                profit=t.profit,
                profit_percent=round(number(t.profit_percent), 4),
                fees=t.fees,
                taxes=t.taxes,
                reason=t.reason.label,
            )
            for t in sorted(report.trades, key=lambda trade: trade.exit_at, reverse=True)[:TRADES]
        ],
        equity=views.curve(report.equity, POINTS),
        warnings=list(report.warnings),
        settings=dict(report.settings),
        disclaimer=views.DISCLAIMER,
    )
