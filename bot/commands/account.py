"""잔고, 포트폴리오, 히트맵, 성과: what we own and how it went."""

from __future__ import annotations

import csv
import io
from datetime import timedelta

from bot.access import Permission
from bot.commands.arguments import Choice, ChoiceArgument
from bot.commands.registry import Group, command
from bot.context import Context, Declined
from bot.format import day_time, percent, signed_won, won
from bot.reply import Button, Document, Reply, grid
from engine.broker import BrokerError, NotOffered
from engine.market import StockFlag
from engine.results import Heatmap, HeatmapCell, PortfolioView, PositionView, Trade

MARKET_CELLS = 200
CURVE_DAYS = 30
LINES = 15
MINE, MARKET = "mine", "market"


@command(
    "잔고",
    "balance",
    description_ko="예수금, 보유 종목, 평가손익 (증권사 기준)",
    description_en="Cash, holdings and profit as the broker reports them",
    permission=Permission.TRADER,
    group=Group.ACCOUNT,
    ephemeral=True,
)
async def balance(context: Context) -> Reply:
    found = await context.services.account.balance()
    say = context.say
    lines = [say("balance_title", equity=won(found.equity), cash=won(found.settled_cash), deposit=won(found.deposit))]
    lines += [
        say(
            "holding_line",
            name=h.name,
            quantity=f"{h.quantity:,}",
            average=won(h.average_price),
            price=won(h.price),
            profit=signed_won(h.value - h.cost),
            percent=percent(100.0 * (h.value - h.cost) / h.cost if h.cost else 0.0),
        )
        for h in found.holdings[:LINES]
    ]
    if not found.holdings:
        lines.append(say("no_holdings"))
    elif len(found.holdings) > LINES:
        lines.append(say("and_more", count=len(found.holdings) - LINES))
    for code, journal, broker in await context.services.orders.differences():
        lines.append(
            say("difference_line", name=context.stock(code).name, journal=f"{journal:,}", broker=f"{broker:,}")
        )
    rows = (
        (
            context.again("button_portfolio", "portfolio"),
            context.again("button_heatmap", "heatmap"),
            context.again("button_orders", "orders"),
            context.again("button_refresh", "balance"),
        ),
    )
    return await context.answer("\n".join(lines), stamp=context.stamp(found.at, account=True), rows=rows)


@command(
    "포트폴리오",
    "portfolio",
    description_ko="보유 비중, 손절가·목표가, 평가금액 흐름",
    description_en="Allocation, stops and targets, equity over time",
    permission=Permission.TRADER,
    group=Group.ACCOUNT,
    ephemeral=True,
)
async def portfolio(context: Context) -> Reply:
    services, say = context.services, context.say
    found = await services.account.balance()
    today = services.clock.today()
    positions = tuple(await services.orders.positions())
    trades = await services.orders.trades(today, today)
    realised = sum(trade.profit for trade in trades)
    curve = tuple(await services.orders.equity_curve(today - timedelta(days=CURVE_DAYS), today))
    stamp = context.stamp(found.at, account=True)
    open_profit = sum(position.profit for position in positions)
    lines = [
        say(
            "portfolio_title",
            equity=won(found.equity),
            cash=won(found.settled_cash),
            open=signed_won(open_profit),
            realised=signed_won(realised),
        )
    ]
    lines += [_position_line(context, position) for position in positions[:LINES]] or [say("no_holdings")]
    buttons = [Button(say("sell_name", name=p.stock.name[:30]), f"c:sell:{p.stock.code}") for p in positions[:8]]
    rows = (
        *grid(buttons, 4),
        (context.again("button_heatmap", "heatmap"), context.again("button_refresh", "portfolio")),
    )
    view = PortfolioView(stamp, found.settled_cash, found.equity, positions, curve, realised)
    return await context.answer("\n".join(lines), stamp=stamp, view=view, rows=rows)


def _position_line(context: Context, position: PositionView) -> str:
    say = context.say
    return say(
        "position_line",
        name=position.stock.name,
        quantity=f"{position.quantity:,}",
        price=won(position.price),
        profit=signed_won(position.profit),
        percent=percent(position.profit_percent),
        stop=won(position.stop_price) if position.stop_price else "–",
        target=won(position.target_price) if position.target_price else "–",
    )


@command(
    "히트맵",
    "heatmap",
    description_ko="섹터별 히트맵: 시장 전체 또는 내 보유 종목",
    description_en="Sector heat map of the market or of your holdings",
    permission=Permission.VIEWER,
    group=Group.ACCOUNT,
    arguments=(
        ChoiceArgument(
            name="scope",
            name_ko="범위",
            description_ko="보유(기본, 거래 권한 필요) 또는 시장",
            description_en="mine (default, traders) or market",
            choices=(Choice(MINE, "보유", "mine"), Choice(MARKET, "시장", "market")),
            required=False,
        ),
    ),
    ephemeral=True,
    slow=True,
)
async def heatmap(context: Context, scope: str | None) -> Reply:
    trader = context.user.may(Permission.TRADER)
    if scope == MINE and not trader:
        raise Declined("refused_role")
    wanted = scope or (MINE if trader else MARKET)
    cells = await (_own_cells(context) if wanted == MINE else _market_cells(context))
    say = context.say
    title = say("heatmap_mine" if wanted == MINE else "heatmap_market")
    rows = ((Button(say("heatmap_to_market"), "c:heatmap:market"), Button(say("heatmap_to_mine"), "c:heatmap:mine")),)
    stamp = context.stamp(account=wanted == MINE)
    if not cells:
        return await context.answer(say("no_holdings"), stamp=stamp, rows=rows)
    total = sum(cell.weight for cell in cells)
    change = sum(cell.weight * cell.change_percent for cell in cells) / total
    best = max(cells, key=lambda cell: cell.change_percent)
    worst = min(cells, key=lambda cell: cell.change_percent)
    text = say(
        "heatmap_caption",
        title=title,
        count=len(cells),
        change=percent(change),
        best=best.name,
        best_change=percent(best.change_percent),
        worst=worst.name,
        worst_change=percent(worst.change_percent),
    )
    return await context.answer(text, stamp=stamp, view=Heatmap(title, tuple(cells), stamp), rows=rows)


async def _own_cells(context: Context) -> list[HeatmapCell]:
    positions = [p for p in await context.services.orders.positions() if p.value > 0]
    total = sum(position.value for position in positions)
    other = context.say("no_sector")
    return [
        HeatmapCell(p.stock.name, p.stock.code, p.stock.sector or other, p.value / total, p.day_percent)
        for p in positions
    ]


async def _market_cells(context: Context) -> list[HeatmapCell]:
    largest = sorted(
        (s for s in context.services.listing.stocks() if s.market_cap > 0 and StockFlag.HALTED not in s.flags),
        key=lambda stock: (-stock.market_cap, stock.code),
    )[:MARKET_CELLS]
    if not largest:
        raise Declined("heatmap_no_values")
    await context.progress(0.2, context.say("work_quotes"))
    try:
        quotes = await context.services.quotes.quotes([stock.code for stock in largest])
    except NotOffered:
        raise Declined("ranking_not_offered") from None
    total = sum(stock.market_cap for stock in largest)
    other = context.say("no_sector")
    return [
        HeatmapCell(s.name, s.code, s.sector or other, s.market_cap / total, quotes[s.code].change_percent)
        for s in largest
        if s.code in quotes
    ]


PERIODS = (
    Choice("today", "오늘", "today", ("당일",)),
    Choice("week", "1주", "week"),
    Choice("month", "1달", "month", ("1개월",)),
    Choice("year", "1년", "year"),
)
_DAYS = {"today": 0, "week": 7, "month": 31, "year": 366}


def trades_table(trades: list[Trade]) -> bytes:
    out = io.StringIO()
    table = csv.writer(out)
    table.writerow(
        (
            "code",
            "name",
            "quantity",
            "entry_at",
            "entry_price",
            "exit_at",
            "exit_price",
            "fees",
            "taxes",
            "profit",
            "reason",
        )
    )
    for t in trades:
        row = (t.code, t.name, t.quantity, t.entry_at.isoformat(), t.entry_price, t.exit_at.isoformat(), t.exit_price)
        table.writerow((*row, t.fees, t.taxes, t.profit, t.reason.label))
    return b"\xef\xbb\xbf" + out.getvalue().encode()


@command(
    "성과",
    "performance",
    description_ko="끝난 거래의 손익, 승률, 손익비 (수수료·세금 뒤)",
    description_en="Closed trades: profit after costs, win rate, payoff",
    permission=Permission.TRADER,
    group=Group.ACCOUNT,
    arguments=(
        ChoiceArgument(
            name="period",
            name_ko="기간",
            description_ko="오늘, 1주, 1달(기본), 1년",
            description_en="today, week, month (default), year",
            choices=PERIODS,
            required=False,
            default="month",
        ),
    ),
    ephemeral=True,
)
async def performance(context: Context, period: str) -> Reply:
    services, say = context.services, context.say
    today = services.clock.today()
    first = today - timedelta(days=_DAYS[period])
    trades = list(await services.orders.trades(first, today))
    label = next(choice.label(context.language) for choice in PERIODS if choice.value == period)
    rows = (tuple(Button(c.label(context.language), f"c:performance:{c.value}") for c in PERIODS),)
    stamp = context.stamp(account=True)
    if not trades:
        return await context.answer(say("performance_none", period=label), stamp=stamp, rows=rows)
    gains = [t.profit for t in trades if t.profit > 0]
    losses = [-t.profit for t in trades if t.profit < 0]
    payoff = (sum(gains) / len(gains)) / (sum(losses) / len(losses)) if gains and losses else None
    lines = [
        say(
            "performance_title",
            period=label,
            profit=signed_won(sum(t.profit for t in trades)),
            trades=f"{len(trades):,}",
            win=f"{100 * len(gains) / len(trades):.0f}",
            payoff=f"{payoff:.2f}" if payoff is not None else "–",
        ),
        say("performance_costs", fees=won(sum(t.fees for t in trades)), taxes=won(sum(t.taxes for t in trades))),
    ]
    lines += [
        say(
            "trade_line",
            at=day_time(trade.exit_at),
            name=trade.name,
            profit=signed_won(trade.profit),
            percent=percent(trade.profit_percent),
            reason=trade.reason.label,
        )
        for trade in sorted(trades, key=lambda t: t.exit_at, reverse=True)[:LINES]
    ]
    document = Document(f"gaemi-trades-{first:%Y%m%d}-{today:%Y%m%d}.csv", trades_table(trades))
    view = await _performance_view(context)
    return await context.answer("\n".join(lines), stamp=stamp, rows=rows, document=document, view=view)


async def _performance_view(context: Context) -> PortfolioView | None:
    """The equity curve beside the figures; none when the broker does not answer (the figures are the journal's)."""
    services = context.services
    try:
        found = await services.account.balance()
    except BrokerError:
        return None
    today = services.clock.today()
    curve = tuple(await services.orders.equity_curve(today - timedelta(days=CURVE_DAYS), today))
    if len(curve) < 2:
        return None
    stamp = context.stamp(found.at, account=True)
    return PortfolioView(stamp, found.settled_cash, found.equity, tuple(await services.orders.positions()), curve)
