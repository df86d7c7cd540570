"""관심: a person's own list. Its stocks are scored with 15-minute bars like held ones."""

from __future__ import annotations

from bot.access import Permission
from bot.commands.arguments import Choice, ChoiceArgument, StockArgument
from bot.commands.quotes import quote_line
from bot.commands.registry import Group, command
from bot.context import Context, Declined
from bot.reply import Button, Reply, grid
from engine.broker import BrokerError
from engine.market import Stock

MOST = 20
ADD, REMOVE, LIST = "add", "remove", "list"


@command(
    "관심",
    "watch",
    description_ko="관심 종목 보기, 추가, 삭제",
    description_en="Your watch list: show, add, remove",
    permission=Permission.TRADER,
    group=Group.ACCOUNT,
    arguments=(
        ChoiceArgument(
            name="what",
            name_ko="동작",
            description_ko="보기(기본), 추가, 삭제",
            description_en="list (default), add, remove",
            choices=(Choice(LIST, "보기", "list"), Choice(ADD, "추가", "add"), Choice(REMOVE, "삭제", "remove")),
            required=False,
        ),
        StockArgument(required=False),
    ),
    ephemeral=True,
    examples=("관심", "관심 추가 삼성전자", "관심 삭제 삼성전자"),
)
async def watch(context: Context, what: str | None, stock: Stock | None) -> Reply:
    store, user, say = context.plane.store, context.user.key, context.say
    what = what or (ADD if stock is not None else LIST)
    note = ""
    if what == LIST:
        return await _shown(context, note)
    if stock is None:
        raise Declined("watch_what")
    if what == ADD:
        if len(await store.watched(user)) >= MOST:
            raise Declined("watch_full", most=MOST)
        fresh = await store.watch(user, stock.code, context.now().isoformat())
        note = say("watch_added" if fresh else "watch_known", name=stock.name)
    else:
        gone = await store.unwatch(user, stock.code)
        note = say("watch_removed" if gone else "watch_unknown", name=stock.name)
    return await _shown(context, note)


async def _shown(context: Context, note: str) -> Reply:
    say = context.say
    codes = await context.plane.store.watched(context.user.key)
    lines = [note] if note else []
    lines.append(say("watch_title", count=len(codes)))
    buttons = []
    for code in codes:
        stock = context.stock(code)
        try:
            price = quote_line(await context.services.quotes.quote(code))
        except BrokerError:
            price = say("no_quote")
        lines.append(f"· {stock.name} {price}")
        buttons.append(Button(say("watch_remove", name=stock.name[:30]), f"c:watch:{REMOVE}:{code}"))
    if not codes:
        lines.append(say("watch_empty"))
    rows = (*grid(buttons[:16], 4), (context.again("button_refresh", "watch"),))
    return await context.answer("\n".join(lines), stamp=context.stamp(), rows=rows)
