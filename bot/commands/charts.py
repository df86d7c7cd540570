"""차트: candles with zones, structure, own trades, stop and target; or the day as a line."""

from __future__ import annotations

from datetime import datetime, timedelta

from bot.access import Permission
from bot.commands.arguments import Choice, ChoiceArgument, StockArgument
from bot.commands.quotes import quote_line
from bot.commands.registry import Group, command
from bot.context import Context, Declined
from bot.reply import Button, Reply
from engine.market import KST, Bars, Interval, Stock
from engine.results import CandleChart, IntradayChart, Mark, Stamp

DAILY_BARS, INTRADAY_BARS = 120, 130
LINE, DAY = "line", "day"
INTERVALS = (
    Choice(DAY, "일봉", "day", ("1d", "d", "일")),
    Choice("15m", "15분", "15m", ("15", "15분봉")),
    Choice("60m", "60분", "60m", ("60", "60분봉", "1시간", "1h")),
    Choice(LINE, "당일", "today", ("오늘", "분", "1m")),
)
_KEPT = {"15m": Interval.FIFTEEN, "60m": Interval.SIXTY}


async def _bars(context: Context, stock: Stock, kind: str) -> tuple[Bars, str, datetime]:
    """(bars, source, data time). Raises Declined when there are none."""
    if kind == DAY:
        answer = await context.services.history.daily(stock.code, DAILY_BARS)
        if not len(answer.bars):
            raise Declined("no_bars", name=stock.name)
        return answer.bars, answer.source, answer.as_of
    bars = context.services.candles.bars(stock.code, _KEPT[kind])
    if not len(bars):
        await context.services.candles.backfill(stock.code)
        bars = context.services.candles.bars(stock.code, _KEPT[kind])
    if not len(bars):
        raise Declined("no_fifteen_bars", name=stock.name)
    last: datetime = bars.start[-1].item().replace(tzinfo=KST)
    session = context.services.calendar.session(last.date())
    end = last + _KEPT[kind].length
    return bars[-INTRADAY_BARS:], context.services.source, min(end, session.close) if session else end


async def _marks(context: Context, stock: Stock, first: datetime) -> tuple[Mark, ...]:
    """Own entries and exits, for traders only."""
    if not context.user.may(Permission.TRADER):
        return ()
    marks: list[Mark] = []
    trades = await context.services.orders.trades(first.date(), context.services.clock.today())
    for trade in (t for t in trades if t.code == stock.code):
        marks.append((trade.entry_at, trade.entry_price, "buy", f"{trade.quantity:,}"))
        marks.append((trade.exit_at, trade.exit_price, "sell", trade.reason.label))
    marks += [
        (position.entry_at, position.average_price, "buy", f"{position.quantity:,}")
        for position in await context.services.orders.positions()
        if position.stock.code == stock.code and position.entry_at is not None
    ]
    return tuple(mark for mark in marks if mark[0] >= first)


async def _line(context: Context, stock: Stock, rows: tuple[tuple[Button, ...], ...]) -> Reply:
    quote = await context.services.quotes.quote(stock.code)
    minutes = await context.services.quotes.minute_bars(stock.code, context.services.clock.today())
    if not len(minutes):
        raise Declined("no_bars", name=stock.name)
    points = tuple((c.start + timedelta(minutes=1), float(c.close), c.volume) for c in minutes.candles())
    stamp = context.stamp(quote.at)
    text = context.say("chart_caption", name=stock.name, interval=context.say("interval_line"), price=quote_line(quote))
    view = IntradayChart(stock, points, float(quote.previous_close), stamp)
    return await context.answer(text, stamp=stamp, view=view, rows=rows)


@command(
    "차트",
    "chart",
    description_ko="캔들 차트: 일봉, 15분, 60분 또는 당일 선",
    description_en="Candles: daily, 15 or 60 minutes, or today as a line",
    permission=Permission.VIEWER,
    group=Group.QUOTES,
    arguments=(
        StockArgument(),
        ChoiceArgument(
            name="interval",
            name_ko="간격",
            description_ko="일봉(기본), 15분, 60분, 당일",
            description_en="day (default), 15m, 60m, today",
            choices=INTERVALS,
            required=False,
            default=DAY,
        ),
    ),
    examples=("차트 삼성전자", "차트 삼성전자 15분"),
)
async def chart(context: Context, stock: Stock, interval: str) -> Reply:
    rows = (
        tuple(Button(choice.label(context.language), f"c:chart:{stock.code}:{choice.value}") for choice in INTERVALS),
        (
            context.again("button_book", "book", stock.code),
            context.again("button_score", "score", stock.code),
            context.again("button_ticket", "ticket", stock.code),
        ),
    )
    if interval == LINE:
        return await _line(context, stock, rows)
    bars, source, as_of = await _bars(context, stock, interval)
    quote = await context.services.quotes.quote(stock.code)
    structure = context.services.structure
    intraday = interval != DAY
    stamp: Stamp = context.stamp(as_of, source=source)
    first: datetime = bars.start[0].item().replace(tzinfo=KST)
    held = None
    if context.user.may(Permission.TRADER):
        positions = await context.services.orders.positions()
        held = next((p for p in positions if p.stock.code == stock.code), None)
    view = CandleChart(
        stock,
        _KEPT.get(interval, Interval.DAY),
        bars,
        stamp,
        previous_close=float(quote.previous_close) or None,
        zones=tuple(structure.zones(bars, intraday=intraday)) if structure else (),
        events=tuple(structure.events(bars)) if structure else (),
        marks=await _marks(context, stock, first),
        stop_price=float(held.stop_price) if held and held.stop_price else None,
        target_price=float(held.target_price) if held and held.target_price else None,
        upper_limit=float(quote.upper_limit) if intraday and quote.upper_limit else None,
        lower_limit=float(quote.lower_limit) if intraday and quote.lower_limit else None,
    )
    label = next(choice.label(context.language) for choice in INTERVALS if choice.value == interval)
    text = context.say("chart_caption", name=stock.name, interval=label, price=quote_line(quote))
    return await context.answer(text, stamp=stamp, view=view, rows=rows)
