"""취소, 주문내역: our orders of a day, and taking open ones back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from bot.access import Permission
from bot.commands.arguments import StockArgument, TextArgument
from bot.commands.confirm import ask
from bot.commands.registry import Group, action, command, confirmed
from bot.commands.words import parse_day
from bot.context import Context
from bot.format import won
from bot.inputs import printable
from bot.reply import Button, ButtonStyle, Reply, grid
from bot.ticket_view import order_line_text
from engine.market import Stock
from engine.results import OrderLine

LINES = 15
BUTTONS = 8


def cancel_buttons(context: Context, lines: Sequence[OrderLine]) -> list[Button]:
    return [
        Button(
            context.say(
                "cancel_named",
                name=line.name[:20],
                side=context.say(f"side_{line.side.value}"),
                price=won(line.price) if line.price else context.say("type_market"),
            ),
            f"o:{line.order_id}",
            ButtonStyle.DANGER,
        )
        for line in lines
        if line.cancellable
    ][:BUTTONS]


@command(
    "주문내역",
    "orders",
    description_ko="오늘(또는 지정일)의 주문과 체결",
    description_en="Orders and fills of today or of a given day",
    permission=Permission.TRADER,
    group=Group.ORDERS,
    arguments=(
        TextArgument(
            name="day",
            name_ko="날짜",
            description_ko="예: 2026-03-02 (비우면 오늘)",
            description_en="For instance 2026-03-02; empty means today",
            required=False,
            maximum=10,
        ),
    ),
    ephemeral=True,
)
async def orders(context: Context, day: str | None) -> Reply:
    today = context.services.clock.today()
    wanted = parse_day(day, today) if day else today
    lines = list(await context.services.orders.order_lines(wanted))
    return await _listed(context, lines, context.say("orders_title", day=f"{wanted}", count=len(lines)))


async def _listed(context: Context, lines: Sequence[OrderLine], title: str, notice: str = "") -> Reply:
    texts = [title, *(order_line_text(context, line) for line in lines[-LINES:])]
    if not lines:
        texts.append(context.say("orders_none"))
    elif len(lines) > LINES:
        texts.append(context.say("and_more", count=len(lines) - LINES))
    rows = (*grid(cancel_buttons(context, lines), 2), (context.again("button_refresh", "orders"),))
    return await context.answer("\n".join(texts), stamp=context.stamp(account=True), rows=rows, notice=notice)


@command(
    "취소",
    "cancel",
    description_ko="미체결 주문을 골라 취소하거나 한 종목을 모두 취소",
    description_en="Cancel open orders one by one, or all of one stock",
    permission=Permission.TRADER,
    group=Group.ORDERS,
    arguments=(StockArgument(required=False),),
    ephemeral=True,
    examples=("취소", "취소 삼성전자"),
)
async def cancel(context: Context, stock: Stock | None) -> Reply:
    lines = list(await context.services.orders.open_orders(stock.code if stock else None))
    if not any(line.cancellable for line in lines):
        return await context.answer(context.say("cancel_none"), stamp=context.stamp(account=True))
    reply = await _listed(context, lines, context.say("cancel_title", count=len(lines)))
    if len(lines) == 1:
        return reply
    question = await ask(
        context,
        "cancel_all",
        {"code": stock.code if stock else ""},
        reply.text,
        button=context.say("cancel_all_button", count=len(lines)),
    )
    return await context.answer(
        question.text,
        rows=(*grid(cancel_buttons(context, lines)[:6], 2), *question.rows),
        binding=question.binding,
    )


@confirmed("cancel_all", permission=Permission.TRADER)
async def cancel_all(context: Context, payload: Mapping[str, str]) -> Reply:
    lines = await context.services.orders.open_orders(payload["code"] or None)
    texts = [await _cancelled(context, line) for line in lines if line.cancellable]
    return await context.answer("\n".join(texts) or context.say("cancel_none"), stamp=context.stamp(account=True))


async def _cancelled(context: Context, line: OrderLine) -> str:
    answer = await context.services.orders.cancel(line.order_id, context.user.key)
    what = order_line_text(context, line)
    return context.say(f"cancel_{answer.state}", what=what, reason=printable(answer.message, 200) or "–")


@action("o", permission=Permission.TRADER, ephemeral=True)
async def cancel_one(context: Context, parts: Sequence[str], answers: Mapping[str, str]) -> Reply:
    """One press takes one order back: cancelling only lowers risk, so it is not confirmed."""
    order_id = ":".join(parts)
    lines = list(await context.services.orders.open_orders())
    line = next((line for line in lines if line.order_id == order_id and line.cancellable), None)
    if line is None:
        return Reply(notice=context.say("cancel_gone"), error=True)
    text = await _cancelled(context, line)
    today = await context.services.orders.order_lines(context.services.clock.today())
    return await _listed(context, list(today), text)
