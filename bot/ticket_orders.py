"""From a ticket to an order: preview with limits used, one confirmation, everything checked again, then the desk."""

from __future__ import annotations

import logging
from dataclasses import replace

from bot.confirmations import Refusal
from bot.context import Context, Declined
from bot.format import percent, signed_won, won
from bot.inputs import printable
from bot.reply import Button, ButtonStyle, Reply, Row
from bot.services import Checked, ManualOrder, OrderAnswer
from bot.ticket_view import STOP_SHARE, TicketScene, entry_price, order_line_text, profit_at, read_scene, show_ticket
from bot.tickets import Ticket
from engine.broker import OrderType
from engine.krx import floor_to_tick, on_tick, tick_size
from engine.market import Environment, Quote, Shares, Side, Won
from engine.results import TicketPreview

logger = logging.getLogger(__name__)

KIND = "order"
PRICE_BAND = 0.01
"""How far the last price may move between preview and confirmation before a new preview is asked for."""


async def percent_quantity(context: Context, ticket: Ticket, share: int) -> Shares:
    """Shares for ``share`` percent of the buying power or of the sellable holding. Raises Declined for none."""
    services = context.services
    if ticket.side is Side.SELL:
        balance = await services.account.balance()
        sellable = next((h.sellable for h in balance.holdings if h.code == ticket.code), 0)
        quantity = sellable * share // 100
    else:
        if ticket.type is OrderType.LIMIT and not ticket.price:
            raise Declined("ticket_no_price")
        buyable = await services.account.buyable(ticket.code, None if ticket.type is OrderType.MARKET else ticket.price)
        unit = buyable.unit_price or ticket.price
        quantity = services.costs.affordable(buyable.cash * share // 100, unit, context.stock(ticket.code).kind)
        quantity = min(quantity, buyable.quantity)
    if quantity < 1:
        raise Declined("ticket_nothing", percent=share)
    return quantity


def check_price(context: Context, price: Won, quote: Quote) -> None:
    """Tick and daily band. Raises Declined."""
    kind = context.stock(quote.code).kind
    if not on_tick(price, kind):
        raise Declined("price_off_tick", price=won(price), tick=won(tick_size(price, kind)))
    if quote.upper_limit and not quote.lower_limit <= price <= quote.upper_limit:
        raise Declined("price_outside", lower=won(quote.lower_limit), upper=won(quote.upper_limit))


def _order(ticket: Ticket, identity: str, by: str) -> ManualOrder:
    price = 0 if ticket.type is OrderType.MARKET else ticket.price
    return ManualOrder(identity, ticket.code, ticket.side, ticket.type, ticket.quantity, price, by)


def _complete(context: Context, ticket: Ticket, scene: TicketScene) -> None:
    """Raises Declined for what is missing or impossible."""
    services = context.services
    if services.environment is Environment.REAL and ticket.side is Side.BUY:
        # The engine refuses it as well; here the person learns what to do before choosing to confirm.
        until = services.trader.status().armed_until
        if until is None or until <= context.now():
            raise Declined("not_armed")
    if ticket.quantity < 1:
        raise Declined("ticket_no_quantity")
    if ticket.type is OrderType.LIMIT:
        if not ticket.price:
            raise Declined("ticket_no_price")
        check_price(context, ticket.price, scene.quote)
    if ticket.side is Side.SELL and scene.balance is not None:
        sellable = scene.holding.sellable if scene.holding else 0
        if ticket.quantity > sellable:
            raise Declined("ticket_too_many", sellable=f"{sellable:,}")


def _preview(context: Context, ticket: Ticket, scene: TicketScene, checked: Checked) -> TicketPreview:
    services, stock = context.services, scene.stock
    today = services.clock.today()
    price = ticket.price
    if ticket.type is OrderType.MARKET:
        price = scene.book.best_ask if ticket.side is Side.BUY else scene.book.best_bid
    price = price or scene.quote.price
    value = price * ticket.quantity
    held = scene.holding.quantity if scene.holding else 0
    if ticket.side is Side.BUY:
        fees, taxes, after = services.costs.commission(value, stock.kind), 0, held + ticket.quantity
        cost = value + fees
    else:
        fees, taxes = services.costs.sell_costs(value, today, stock.market, stock.kind)
        cost, after = value - fees - taxes, held - ticket.quantity
    target_profit = stop = stop_loss = 0
    if ticket.target:
        entry = entry_price(ticket, scene)
        target_profit, _ = profit_at(services.costs, stock, ticket.quantity, entry, ticket.target, today)
        stop = floor_to_tick(int(entry * (1.0 - STOP_SHARE)), stock.kind)
        stop_loss, _ = profit_at(services.costs, stock, ticket.quantity, entry, stop, today)
    return TicketPreview(
        stock,
        ticket.side,
        0 if ticket.type is OrderType.MARKET else ticket.price,
        ticket.quantity,
        cost,
        fees,
        taxes,
        scene.balance.settled_cash if scene.balance else 0,
        after,
        tuple((limit.name, limit.share) for limit in checked.limits),
        context.stamp(scene.quote.at, account=True),
        ticket.target,
        target_profit,
        stop,
        stop_loss,
    )


def _preview_text(context: Context, ticket: Ticket, preview: TicketPreview, seconds: float) -> str:
    say = context.say
    price = won(preview.price) if preview.price else say("type_market")
    lines = [
        say(
            "preview_title",
            environment=context.environment,
            name=preview.stock.name,
            code=preview.stock.code,
            side=say(f"side_{ticket.side.value}"),
            price=price,
            quantity=f"{preview.quantity:,}",
        ),
        say(
            "preview_buy" if ticket.side is Side.BUY else "preview_sell",
            amount=won(preview.estimated_cost),
            fees=won(preview.fees),
            taxes=won(preview.taxes),
        ),
        say("preview_after", quantity=f"{preview.position_after:,}"),
    ]
    if preview.limits:
        used = ", ".join(f"{name} {100 * share:.0f}%" for name, share in preview.limits)
        lines.append(say("preview_limits", limits=used))
    if preview.target_price:
        cost = preview.price * preview.quantity or preview.estimated_cost
        share = 100.0 * preview.target_profit / cost if cost else 0.0
        lines.append(
            say(
                "preview_target",
                target=won(preview.target_price),
                profit=signed_won(preview.target_profit),
                percent=percent(share),
                stop=won(preview.stop_price),
                loss=signed_won(preview.stop_loss),
            )
        )
    lines.append(say("confirm_within", seconds=round(seconds)))
    return "\n".join(lines)


def edit_rows(context: Context, ticket: Ticket) -> tuple[Row, ...]:
    return (
        (
            Button(context.say("button_edit"), f"t:{ticket.id}:book"),
            Button(context.say("button_close"), f"t:{ticket.id}:close"),
        ),
    )


async def preview_order(context: Context, ticket: Ticket, *, notice: str = "") -> Reply:
    """Show what would be sent, with one fresh confirmation. Raises Declined, BrokerError."""
    scene = await read_scene(context, ticket.code)
    _complete(context, ticket, scene)
    checked = await context.services.orders.check(_order(ticket, ticket.id, context.user.key))
    if not checked.allowed:
        raise Declined("order_denied", reason=printable(checked.reason, 200))
    confirmation = await context.plane.confirmations.ask(
        KIND,
        context.user.key,
        {
            "code": ticket.code,
            "side": ticket.side.value,
            "type": ticket.type.value,
            "quantity": str(ticket.quantity),
            "price": str(ticket.price),
            "reference": str(scene.quote.price),
        },
        message=context.incoming.message or ticket.message,
        binding=ticket.id,
    )
    await context.plane.tickets.keep(replace(ticket, view="preview"))
    preview = _preview(context, ticket, scene, checked)
    key = "confirm_buy" if ticket.side is Side.BUY else "confirm_sell"
    yes = Button(context.say(key), f"t:{ticket.id}:ok:{confirmation.id}", ButtonStyle.DANGER)
    text = _preview_text(context, ticket, preview, 60.0)
    return await context.answer(
        f"{notice}\n{text}" if notice else text,
        stamp=preview.stamp,
        view=preview,
        rows=((yes,), *edit_rows(context, ticket)),
        binding=ticket.id,
    )


async def confirm_order(context: Context, ticket: Ticket, identity: str) -> Reply:
    """The one press that counts: consume, check again, send. Anything else changes nothing and says so."""
    result = await context.plane.confirmations.consume(identity, context.user.key, context.incoming.message)
    if isinstance(result, Refusal):
        text = context.say(f"confirm_{result.value}")
        if result in (Refusal.EXPIRED, Refusal.GONE):
            return Reply(text=text, edit=True, rows=edit_rows(context, ticket))
        return Reply(notice=text, error=True)
    kept = result.payload
    if result.kind != KIND or result.binding != ticket.id:
        return Reply(notice=context.say("confirm_gone"), error=True)
    ordered = replace(
        ticket,
        code=kept["code"],
        side=Side(kept["side"]),
        type=OrderType(kept["type"]),
        quantity=int(kept["quantity"]),
        price=int(kept["price"]),
    )
    quote = await context.services.quotes.quote(ordered.code)
    reference = int(kept["reference"])
    if abs(quote.price - reference) > PRICE_BAND * reference:
        notice = context.say("price_moved", before=won(reference), now=won(quote.price))
        return await preview_order(context, ordered, notice=notice)
    order = _order(ordered, identity, context.user.key)
    checked = await context.services.orders.check(order)
    if not checked.allowed:
        text = context.say("order_denied", reason=printable(checked.reason, 200))
        return Reply(text=text, edit=True, rows=edit_rows(context, ticket), error=True)
    try:
        answer = await context.services.orders.submit(order)
    except Exception:  # whatever happened, the order may be at the broker: say so, never invite to press again
        logger.exception("submission of a confirmed order failed")
        answer = OrderAnswer("unknown", "", context.say("order_failed_inside"))
    await context.plane.tickets.close(ticket.id)
    context.services.trader.want_book(ticket.code, False)
    return await _sent(context, ordered, answer)


async def _sent(context: Context, ticket: Ticket, answer: OrderAnswer) -> Reply:
    say = context.say
    what = say(
        "order_what",
        name=context.stock(ticket.code).name,
        side=say(f"side_{ticket.side.value}"),
        price=won(ticket.price) if ticket.type is OrderType.LIMIT else say("type_market"),
        quantity=f"{ticket.quantity:,}",
    )
    text = say(f"order_{answer.state}", what=what, reason=printable(answer.message, 300) or "–")
    rows: tuple[Row, ...] = (
        (
            context.again("button_orders", "orders"),
            context.again("button_new_ticket", "ticket", ticket.code),
        ),
    )
    reply = await context.answer(text, stamp=context.stamp(account=True), rows=rows)
    return replace(reply, error=answer.state != "accepted")


async def cancel_in_ticket(context: Context, ticket: Ticket, order_id: str) -> Reply:
    """Cancel one of our open orders of this stock and show the list again."""
    lines = await context.services.orders.open_orders(ticket.code)
    line = next((line for line in lines if line.order_id == order_id), None)
    if line is None:
        return await show_ticket(context, ticket, notice=context.say("cancel_gone"))
    answer = await context.services.orders.cancel(order_id, context.user.key)
    notice = context.say(
        f"cancel_{answer.state}", what=order_line_text(context, line), reason=printable(answer.message, 200) or "–"
    )
    return await show_ticket(context, ticket, notice=notice)
