"""Orders, bot, portfolio, heat map. Everything here needs a token or a login."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Annotated, Literal

from fastapi import APIRouter, Header, Query

from bot.web import trading_models as models
from bot.web import views
from bot.web.console import Known
from bot.web.market_routes import State
from bot.web.orders import actor
from bot.web.problems import Problem
from bot.web.state import WebState
from engine.market import Side, StockFlag

router = APIRouter()
Key = Annotated[
    str,
    Header(
        alias="Idempotency-Key",
        max_length=100,
        pattern=r"^[A-Za-z0-9_.:-]*$",
        description="주문마다 새로 만드는 값. 같은 값으로 다시 보내면 첫 주문의 답을 돌려줍니다",
    ),
]
MARKET_CELLS = 200
CURVE_DAYS = 30
OTHER_SECTOR = "기타"


@router.post("/api/trading/preview", tags=["주문"], summary="주문 미리보기와 확인 번호")
async def preview(body: models.PreviewRequest, caller: Known, state: State) -> models.PreviewModel:
    """아무것도 보내지 않습니다. 확인 번호로 60초 안에 그 주문 그대로 한 번 보낼 수 있습니다."""
    return await state.orders.preview(caller, Side(body.side), body)


@router.post("/api/trading/buy", tags=["주문"], summary="매수 주문")
async def buy(body: models.OrderRequest, caller: Known, state: State, key: Key = "") -> models.OrderResult:
    """미리보기의 `confirmation`, 또는 `Idempotency-Key` 머리말이 있어야 보냅니다."""
    return await _order(state, caller, Side.BUY, body, key)


@router.post("/api/trading/sell", tags=["주문"], summary="매도 주문")
async def sell(body: models.OrderRequest, caller: Known, state: State, key: Key = "") -> models.OrderResult:
    return await _order(state, caller, Side.SELL, body, key)


async def _order(state: WebState, caller: Known, side: Side, body: models.OrderRequest, key: str) -> models.OrderResult:
    if bool(body.confirmation) == bool(key):
        raise Problem(422, "confirmation 과 Idempotency-Key 가운데 하나가 필요합니다")
    if body.confirmation:
        return await state.orders.confirmed(caller, side, body, body.confirmation)
    return await state.orders.keyed(caller, side, body, key)


@router.get("/api/trading/orders", tags=["주문"], summary="하루의 주문 목록")
async def orders(
    caller: Known,
    state: State,
    day: Annotated[date | None, Query(description="없으면 오늘")] = None,
) -> models.Orders:
    wanted = day or state.services.clock.today()
    lines = await state.services.orders.order_lines(wanted)
    return models.Orders(
        day=wanted,
        items=[
            models.OrderRow(
                order_id=line.order_id,
                code=line.code,
                name=line.name,
                side=line.side.value,
                price=line.price,
                quantity=line.quantity,
                filled=line.filled,
                state=line.state,
                at=line.at,
                cancellable=line.cancellable,
            )
            for line in lines
        ],
    )


@router.post("/api/trading/bot/start", tags=["봇"], summary="자동매매 시작")
async def start(caller: Known, state: State) -> models.BotModel:
    """실전에서는 그날의 일회용 코드로 시동을 건 뒤에만 됩니다 (콘솔이나 채팅의 봇시작)."""
    note = await state.services.trader.start(actor(caller))
    return _bot(state, note)


@router.post("/api/trading/bot/stop", tags=["봇"], summary="자동매매 중지")
async def stop(caller: Known, state: State) -> models.BotModel:
    """새 진입을 멈춥니다. 보유 종목의 손절·익절 감시는 계속됩니다."""
    await state.services.trader.stop(actor(caller))
    return _bot(state, "")


@router.get("/api/trading/bot", tags=["봇"], summary="봇 상태")
async def bot(caller: Known, state: State) -> models.BotModel:
    return _bot(state, "")


def _bot(state: WebState, note: str) -> models.BotModel:
    found = state.services.trader.status()
    return models.BotModel(
        running=found.running,
        entries_allowed=found.entries_allowed,
        entries_reason=found.entries_reason,
        started_by=found.started_by,
        started_at=found.started_at,
        armed_until=found.armed_until,
        positions=found.positions,
        maximum_positions=found.maximum_positions,
        last_screening=found.last_screening,
        stocks_evaluated=found.stocks_evaluated,
        reached_entry=found.reached_entry,
        stream_connected=found.stream_connected,
        last_tick=found.last_tick,
        notes=list(found.notes),
        note=note,
        market_time=state.services.clock.now(),
    )


@router.get("/api/trading/portfolio", tags=["계좌"], summary="보유 종목과 평가금액")
async def portfolio(caller: Known, state: State) -> models.Portfolio:
    services = state.services
    balance = await services.account.balance()
    today = services.clock.today()
    plans = {position.stock.code: position for position in await services.orders.positions()}
    trades = await services.orders.trades(today, today)
    curve = await services.orders.equity_curve(today - timedelta(days=CURVE_DAYS), today)
    holdings = []
    for held in balance.holdings:
        plan, stock = plans.get(held.code), services.listing.get(held.code)
        profit = held.value - held.cost
        holdings.append(
            models.HoldingRow(
                code=held.code,
                name=held.name,
                sector=(stock.sector if stock else "") or OTHER_SECTOR,
                quantity=held.quantity,
                sellable=held.sellable,
                average_price=views.number(held.average_price),
                price=held.price,
                value=held.value,
                profit=profit,
                profit_percent=round(100.0 * profit / held.cost, 4) if held.cost else 0.0,
                weight=held.value / balance.equity if balance.equity else 0.0,
                stop_price=plan.stop_price if plan else 0,
                target_price=plan.target_price if plan else 0,
                day_percent=round(plan.day_percent, 4) if plan else None,
            )
        )
    return models.Portfolio(
        **views.dated(services, balance.at),
        account_tail=services.account_tail,
        cash=balance.settled_cash,
        deposit=balance.deposit,
        equity=balance.equity,
        profit=sum(row.profit for row in holdings),
        realised_today=sum(trade.profit for trade in trades),
        holdings=holdings,
        equity_curve=views.curve(curve, 200),
    )


@router.get("/api/trading/portfolio/heatmap", tags=["계좌"], summary="섹터별 히트맵 자료")
async def heatmap(
    caller: Known, state: State, scope: Annotated[Literal["mine", "market"], Query()] = "mine"
) -> models.HeatmapModel:
    """칸의 크기는 비중(보유: 평가금액, 시장: 시가총액), 색은 오늘의 등락률입니다."""
    cells = await (_own_cells(state) if scope == "mine" else _market_cells(state))
    total = sum(weight for _, _, weight, _, _ in cells) or 1.0
    sectors: dict[str, list[models.HeatCell]] = {}
    for code, name, weight, change, sector in cells:
        cell = models.HeatCell(code=code, name=name, weight=weight / total, change_percent=round(change, 4))
        sectors.setdefault(sector or OTHER_SECTOR, []).append(cell)
    rows = []
    for sector, members in sectors.items():
        weight = sum(cell.weight for cell in members)
        mean = sum(cell.weight * cell.change_percent for cell in members) / weight
        members.sort(key=lambda cell: -cell.weight)
        rows.append(models.HeatSector(sector=sector, weight=weight, change_percent=round(mean, 4), cells=members))
    rows.sort(key=lambda row: -row.weight)
    return models.HeatmapModel(**views.dated(state.services, state.services.clock.now()), scope=scope, sectors=rows)


Cell = tuple[str, str, float, float, str]
"""(code, name, size, change in percent, sector)"""


async def _own_cells(state: WebState) -> list[Cell]:
    return [
        (p.stock.code, p.stock.name, float(p.value), p.day_percent, p.stock.sector)
        for p in await state.services.orders.positions()
        if p.value > 0
    ]


async def _market_cells(state: WebState) -> list[Cell]:
    services = state.services
    listed = [s for s in services.listing.stocks() if s.market_cap > 0 and StockFlag.HALTED not in s.flags]
    largest = sorted(listed, key=lambda stock: (-stock.market_cap, stock.code))[:MARKET_CELLS]
    if state.prices.recent():
        known = {s.code: row.change_percent for s in largest if (row := state.prices.row(s.code))}
    else:
        quotes = await services.quotes.quotes([stock.code for stock in largest])
        known = {code: quote.change_percent for code, quote in quotes.items()}
    return [(s.code, s.name, float(s.market_cap), known[s.code], s.sector) for s in largest if s.code in known]
