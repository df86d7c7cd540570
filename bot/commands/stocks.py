"""종목: the list, rankings, and search."""

from __future__ import annotations

from bot.access import Permission
from bot.commands.arguments import Choice, ChoiceArgument, TextArgument
from bot.commands.quotes import quote_line
from bot.commands.registry import Group, command
from bot.context import Context, Declined
from bot.format import arrow, percent, short_won
from bot.reply import Button, Reply, grid
from engine.broker import NotOffered
from engine.market import Market, Stock

ROWS = 10
RANKED = 300
"""Rankings look at the largest stocks only: two sweeps of the broker's multi-price call a second are the limit."""
LIST, RISE, FALL, VALUE, SEARCH = "list", "rise", "fall", "value", "search"
MODES = (
    Choice(LIST, "목록", "list"),
    Choice(RISE, "상승", "rise", ("순위", "ranking")),
    Choice(FALL, "하락", "fall"),
    Choice(VALUE, "거래대금", "value"),
    Choice(SEARCH, "검색", "search"),
)


def _buttons(stocks: list[Stock]) -> tuple[Button, ...]:
    return tuple(Button(stock.name[:40], f"c:price:{stock.code}") for stock in stocks)


def _line(stock: Stock) -> str:
    return " · ".join(part for part in (stock.code, stock.name, stock.market.value, stock.sector) if part)


async def _listed(context: Context, page: int) -> Reply:
    listing = context.services.listing
    stocks = sorted(listing.stocks(), key=lambda stock: (-stock.market_cap, stock.code))
    pages = max(1, -(-len(stocks) // ROWS))
    page = min(max(page, 1), pages)
    shown = stocks[(page - 1) * ROWS : page * ROWS]
    counts = {market: sum(1 for s in stocks if s.market is market) for market in Market}
    lines = [
        context.say(
            "stocks_title",
            count=f"{len(stocks):,}",
            kospi=f"{counts[Market.KOSPI]:,}",
            kosdaq=f"{counts[Market.KOSDAQ]:,}",
            page=page,
            pages=f"{pages:,}",
        ),
        *(_line(stock) for stock in shown),
    ]
    turning = [
        Button(label, f"c:stocks:{LIST}:{number}")
        for label, number in (("◀", page - 1), ("▶", page + 1))
        if 1 <= number <= pages
    ]
    rows = (*grid(_buttons(shown)), *((tuple(turning),) if turning else ()))
    stamp = context.stamp(listing.as_of, source=listing.source)
    return await context.answer("\n".join(lines), stamp=stamp, rows=rows)


async def _ranked(context: Context, mode: str) -> Reply:
    largest = sorted(context.services.listing.stocks(), key=lambda s: (-s.market_cap, s.code))[:RANKED]
    try:
        quotes = await context.services.quotes.quotes([stock.code for stock in largest])
    except NotOffered:
        raise Declined("ranking_not_offered") from None
    found = [(stock, quotes[stock.code]) for stock in largest if stock.code in quotes and quotes[stock.code].price]
    if not found:
        raise Declined("ranking_empty")
    if mode == VALUE:
        found.sort(key=lambda pair: -pair[1].value)
    else:
        found.sort(key=lambda pair: pair[1].change_percent, reverse=mode == RISE)
    label = next(choice.label(context.language) for choice in MODES if choice.value == mode)
    lines = [context.say("ranking_title", mode=label, count=f"{len(found):,}")]
    for number, (stock, quote) in enumerate(found[:ROWS], 1):
        lines.append(
            f"{number}. {stock.name} {quote.price:,} {arrow(quote.change)}{percent(quote.change_percent)}"
            f" {short_won(quote.value)}"
        )
    modes = tuple(
        Button(choice.label(context.language), f"c:stocks:{choice.value}")
        for choice in MODES
        if choice.value in (RISE, FALL, VALUE, LIST)
    )
    stamp = context.stamp(min(quote.at for _, quote in found[:ROWS]))
    return await context.answer(
        "\n".join(lines), stamp=stamp, rows=(*grid(_buttons([s for s, _ in found[:ROWS]])), modes)
    )


async def _searched(context: Context, text: str) -> Reply:
    found = list(context.plane.stocks.search(text, ROWS))
    if not found:
        raise Declined("no_stock", text=text)
    if len(found) == 1:
        quote = await context.services.quotes.quote(found[0].code)
        lines = [_line(found[0]), quote_line(quote)]
    else:
        lines = [context.say("search_title", text=text), *(_line(stock) for stock in found)]
    listing = context.services.listing
    stamp = context.stamp(listing.as_of, source=listing.source)
    return await context.answer("\n".join(lines), stamp=stamp, rows=grid(_buttons(found)))


@command(
    "종목",
    "stocks",
    description_ko="종목 목록, 순위(상승·하락·거래대금), 검색",
    description_en="List of stocks, rankings (rise, fall, value), search",
    permission=Permission.VIEWER,
    group=Group.QUOTES,
    arguments=(
        ChoiceArgument(
            name="mode",
            name_ko="보기",
            description_ko="목록(기본), 상승, 하락, 거래대금, 검색",
            description_en="list (default), rise, fall, value, search",
            choices=MODES,
            required=False,
        ),
        TextArgument(
            name="text",
            name_ko="검색어",
            description_ko="이름 일부, 코드, 초성 또는 쪽 번호",
            description_en="Part of a name, code, initials, or a page number",
            required=False,
            rest=True,
            maximum=40,
        ),
    ),
    examples=("종목", "종목 상승", "종목 검색 에코", "종목 ㅅㅅ"),
)
async def stocks(context: Context, mode: str | None, text: str | None) -> Reply:
    words = text or ""
    if mode in (RISE, FALL, VALUE):
        return await _ranked(context, mode)
    page = int(words) if words.isascii() and words.isdigit() and len(words) <= 4 else 0
    if mode == SEARCH or (mode is None and words and not page):
        if not words:
            raise Declined("search_what")
        return await _searched(context, words)
    return await _listed(context, page or 1)
