"""시세, 지수, 호가: what the market says now."""

from __future__ import annotations

from bot.access import Permission
from bot.commands.arguments import StockArgument
from bot.commands.registry import Group, command
from bot.context import Context
from bot.format import change, index_change, short_won, won
from bot.reply import Reply
from bot.ticket_view import read_scene
from engine.broker import BrokerError
from engine.market import Index, IndexQuote, Quote, Stock
from engine.results import BookChart, IndexPanel


def quote_line(quote: Quote) -> str:
    """``71,900원 ▲1,300 (+1.84%)``."""
    return f"{won(quote.price)} {change(quote.change, quote.change_percent)}"


@command(
    "시세",
    "price",
    description_ko="현재가, 등락, 고가·저가, 거래량과 상·하한가",
    description_en="Last price, change, range, volume and price limits",
    permission=Permission.VIEWER,
    group=Group.QUOTES,
    arguments=(StockArgument(),),
    examples=("시세 삼성전자", "시세 ㅅㅅㅈㅈ"),
)
async def price(context: Context, stock: Stock) -> Reply:
    quote = await context.services.quotes.quote(stock.code)
    say = context.say
    lines = [
        say("price_title", name=stock.name, code=stock.code, market=stock.market.value),
        quote_line(quote) if quote.price else say("never_traded"),
        say("price_range", open=won(quote.open), high=won(quote.high), low=won(quote.low)),
        say("price_volume", volume=f"{quote.volume:,}", value=short_won(quote.value)),
        say("price_limits", upper=won(quote.upper_limit), lower=won(quote.lower_limit)),
    ]
    marks = [flag.value for flag in sorted(quote.flags)]
    if quote.halted:
        marks.append(say("halted"))
    if quote.vi_active:
        marks.append(say("vi_active"))
    if marks:
        lines.append(say("price_marks", marks=", ".join(marks)))
    rows = (
        (
            context.again("button_chart", "chart", stock.code, "day"),
            context.again("button_book", "book", stock.code),
            context.again("button_score", "score", stock.code),
            context.again("button_ticket", "ticket", stock.code),
            context.again("button_refresh", "price", stock.code),
        ),
    )
    return await context.answer("\n".join(lines), stamp=context.stamp(quote.at), rows=rows)


@command(
    "호가",
    "book",
    description_ko="매도·매수 10단계 호가와 잔량",
    description_en="Ten levels of asks and bids",
    permission=Permission.VIEWER,
    group=Group.QUOTES,
    arguments=(StockArgument(),),
    examples=("호가 삼성전자",),
)
async def book(context: Context, stock: Stock) -> Reply:
    # Own orders are drawn for traders only: a picture must not leak what a viewer may not ask for.
    own = context.user.may(Permission.TRADER)
    scene = await read_scene(context, stock.code, account=own)
    stamp = context.stamp(scene.book.at, account=own)
    text = context.say(
        "book_caption",
        name=stock.name,
        price=quote_line(scene.quote),
        ask=won(scene.book.best_ask),
        bid=won(scene.book.best_bid),
        asks=f"{scene.book.total_ask:,}",
        bids=f"{scene.book.total_bid:,}",
    )
    if scene.book.expected_price:
        text += "\n" + context.say("book_expected", price=won(scene.book.expected_price))
    rows = (
        (
            context.again("button_refresh", "book", stock.code),
            context.again("button_ticket", "ticket", stock.code),
            context.again("button_chart", "chart", stock.code, "day"),
        ),
    )
    view = BookChart(stock, scene.book, scene.quote, stamp, scene.own_orders)
    return await context.answer(text, stamp=stamp, view=view, rows=rows)


@command(
    "지수",
    "indices",
    description_ko="코스피, 코스닥, 코스피200",
    description_en="KOSPI, KOSDAQ and KOSPI 200",
    permission=Permission.VIEWER,
    group=Group.QUOTES,
)
async def indices(context: Context) -> Reply:
    found: list[IndexQuote] = []
    problem: BrokerError | None = None
    for index in Index:
        try:
            found.append(await context.services.quotes.index_quote(index))
        except BrokerError as error:
            problem = error
    if not found:
        assert problem is not None
        raise problem
    lines = [
        context.say(
            "index_line",
            name=quote.index.label,
            value=f"{quote.value:,.2f}",
            change=index_change(quote.change, quote.change_percent),
            rising=f"{quote.rising:,}",
            falling=f"{quote.falling:,}",
        )
        for quote in found
    ]
    if problem is not None:
        lines.append(context.say("index_missing"))
    stamp = context.stamp(min(quote.at for quote in found))
    intraday = context.services.index_points() if context.services.index_points else {}
    rows = ((context.again("button_refresh", "indices"),),)
    return await context.answer(
        "\n".join(lines), stamp=stamp, view=IndexPanel(tuple(found), dict(intraday), stamp), rows=rows
    )
