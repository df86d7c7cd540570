"""매수, 매도, 주문: the order ticket. Nothing is sent without one fresh confirmation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from bot.access import Permission
from bot.commands.arguments import PriceArgument, QuantityArgument, StockArgument
from bot.commands.registry import Group, action, command
from bot.context import Context, Declined
from bot.inputs import SHARE_UNIT, BadArgument, parse_count, parse_price
from bot.reply import Form, FormField, Reply
from bot.ticket_orders import cancel_in_ticket, check_price, confirm_order, percent_quantity, preview_order
from bot.ticket_view import PERCENTS, show_ticket
from bot.tickets import Ticket
from engine.broker import OrderType
from engine.market import Side, Stock

ARGUMENTS = (StockArgument(), QuantityArgument(required=False), PriceArgument(required=False))


async def open_ticket(context: Context, stock: Stock, side: Side, quantity: int | None, price: int | None) -> Reply:
    """A new ticket; with quantity and price given it starts at the preview."""
    services = context.services
    quote = await services.quotes.quote(stock.code)
    book = await services.quotes.order_book(stock.code)
    best = book.best_ask if side is Side.BUY else book.best_bid
    if price:
        check_price(context, price, quote)
    ticket = await context.plane.tickets.open(
        Ticket(
            "",
            context.user.key,
            stock.code,
            context.incoming.message,
            side,
            OrderType.MARKET if price == 0 else OrderType.LIMIT,
            price if price else (best or quote.price if price is None else 0),
            quantity or 0,
        ),
        context.incoming.sender.place,
    )
    services.trader.want_book(stock.code, True)
    if quantity and price is not None:
        return await preview_order(context, ticket)
    return await show_ticket(context, ticket)


@command(
    "주문",
    "ticket",
    description_ko="주문표를 엽니다: 호가를 보며 가격과 수량을 고르고 확인합니다",
    description_en="Open an order ticket: pick price and quantity on the live book, then confirm",
    permission=Permission.TRADER,
    group=Group.ORDERS,
    arguments=(StockArgument(),),
    ephemeral=True,
    examples=("주문 삼성전자",),
)
async def ticket_command(context: Context, stock: Stock) -> Reply:
    return await open_ticket(context, stock, Side.BUY, None, None)


@command(
    "매수",
    "buy",
    description_ko="매수 주문표: 수량과 가격을 주면 바로 확인 화면을 보여 줍니다",
    description_en="Buy ticket; with quantity and price it goes straight to the preview",
    permission=Permission.TRADER,
    group=Group.ORDERS,
    arguments=ARGUMENTS,
    ephemeral=True,
    examples=("매수 삼성전자", "매수 005930 10 71900", "매수 삼성전자 10 시장가"),
)
async def buy(context: Context, stock: Stock, quantity: int | None, price: int | None) -> Reply:
    return await open_ticket(context, stock, Side.BUY, quantity, price)


@command(
    "매도",
    "sell",
    description_ko="매도 주문표: 수량과 가격을 주면 바로 확인 화면을 보여 줍니다",
    description_en="Sell ticket; with quantity and price it goes straight to the preview",
    permission=Permission.TRADER,
    group=Group.ORDERS,
    arguments=ARGUMENTS,
    ephemeral=True,
    examples=("매도 삼성전자", "매도 005930 10 75000"),
)
async def sell(context: Context, stock: Stock, quantity: int | None, price: int | None) -> Reply:
    return await open_ticket(context, stock, Side.SELL, quantity, price)


def ticket_form(parts: Sequence[str], context: Context) -> Form | None:
    """The one field that a typed price, quantity or target needs."""
    if len(parts) != 2 or parts[1] not in ("price", "quantity", "target"):
        return None
    name = parts[1]
    field = FormField(name, context.say(f"field_{name}"), context.say(f"field_{name}_hint"))
    return Form(context.say(f"form_{name}"), (field,), f"t:{parts[0]}:{name}")


@action("t", permission=Permission.TRADER, ephemeral=True, form=ticket_form)
async def ticket_action(context: Context, parts: Sequence[str], answers: Mapping[str, str]) -> Reply:
    identity, verb, *rest = (*parts, "", "")[: max(2, len(parts))]
    tickets = context.plane.tickets
    ticket = await tickets.get(identity)
    if ticket is None:
        return Reply(text=context.say("ticket_gone"), edit=True)
    if ticket.user != context.user.key:
        raise Declined("confirm_other_person")
    if context.incoming.message and not await tickets.bind(ticket.id, context.incoming.message):
        raise Declined("confirm_other_message")
    ticket = replace(ticket, message=ticket.message or context.incoming.message)
    match verb, rest:
        case "ok", [confirmation]:
            return await confirm_order(context, ticket, confirmation)
        case "live", []:
            # A refresh that was under way must not cover a preview or a list with the book.
            return await show_ticket(context, ticket, refresh=True) if ticket.view in ("book", "prices") else Reply()
        case "close", []:
            await context.plane.confirmations.void(ticket.id)
            await tickets.close(ticket.id)
            context.services.trader.want_book(ticket.code, False)
            return Reply(text=context.say("ticket_closed"), edit=True)
    # Whatever is changed now, what was about to be confirmed is no longer what is shown.
    await context.plane.confirmations.void(ticket.id)
    if verb == "preview":
        return await preview_order(context, ticket)
    if verb == "x" and rest:
        return await cancel_in_ticket(context, ticket, rest[0])
    changed = await _changed(context, ticket, verb, rest, answers)
    await tickets.keep(changed)
    return await show_ticket(context, changed)


async def _changed(
    context: Context, ticket: Ticket, verb: str, rest: Sequence[str], answers: Mapping[str, str]
) -> Ticket:
    """The ticket after one press. Raises Declined and BadArgument; then nothing has changed."""
    match verb, rest:
        case (("buy" | "sell"), []):
            side = Side(verb)
            return ticket if side is ticket.side else replace(ticket, side=side, quantity=0, view="book")
        case "market", []:
            return replace(ticket, type=OrderType.MARKET, price=0, quantity=0, view="book")
        case "limit", []:
            quote = await context.services.quotes.quote(ticket.code)
            return replace(ticket, type=OrderType.LIMIT, price=quote.price, view="book")
        case "book" | "prices" | "fills" | "open", []:
            return replace(ticket, view=verb)
        case "refresh", []:
            return ticket
        case "lv", [version, position]:
            price = ticket.level_price(version, position)
            if price is None:
                raise Declined("ticket_old_level")
            return replace(ticket, type=OrderType.LIMIT, price=price, view="book")
        case "q", [share] if share in {str(percent) for percent in PERCENTS}:
            return replace(ticket, quantity=await percent_quantity(context, ticket, int(share)), view="book")
        case "price", []:
            price = parse_price(answers.get("price", ""))
            check_price(context, price, await context.services.quotes.quote(ticket.code))
            return replace(ticket, type=OrderType.LIMIT, price=price, view="book")
        case "quantity", []:
            return replace(ticket, quantity=parse_count(answers.get("quantity", ""), unit=SHARE_UNIT), view="book")
        case "target", []:
            return replace(ticket, target=parse_price(answers.get("target", "")), view="book")
    raise BadArgument("unknown_button")
