"""How an order ticket looks: its text, its picture, its buttons. Same in every front end."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from bot.context import Context
from bot.format import change, clock_time, percent, signed_won, won
from bot.reply import Button, ButtonKind, ButtonStyle, LiveView, Reply, Row, grid
from bot.tickets import Ticket
from engine.broker import BrokerError, OrderType
from engine.krx import CostModel
from engine.market import Balance, Holding, OrderBook, Quote, Shares, Side, Stock, Won
from engine.results import BookChart, OrderLine

REFRESH_SECONDS = 3.0
REFRESHES = 100
REFRESH_BALANCE_SECONDS = 15.0
PERCENTS = (10, 25, 50, 100)
LISTED_ORDERS = 10
STOP_SHARE = 0.03


@dataclass(frozen=True)
class TicketScene:
    """What a ticket is drawn from, read once for each picture."""

    stock: Stock
    quote: Quote
    book: OrderBook
    balance: Balance | None
    """None when the broker did not answer: the ticket says so and still shows the book."""
    own_orders: tuple[OrderLine, ...]

    @property
    def holding(self) -> Holding | None:
        if self.balance is None:
            return None
        return next((h for h in self.balance.holdings if h.code == self.stock.code), None)


async def read_scene(context: Context, code: str, *, account: bool = True, balance_age: float = 0.0) -> TicketScene:
    """Raises BrokerError when quote or book cannot be read. A refresh takes a balance of up to ``balance_age`` seconds:
    the broker's calls are few, and nothing is decided on it."""
    services = context.services
    quote = await services.quotes.quote(code)
    book = await services.quotes.order_book(code)
    balance: Balance | None = None
    own: Sequence[OrderLine] = ()
    if account:
        try:
            balance = await context.plane.balance(balance_age)
        except BrokerError:
            balance = None
        own = await services.orders.open_orders(code)
    return TicketScene(context.stock(code), quote, book, balance, tuple(own))


def profit_at(
    costs: CostModel, stock: Stock, quantity: Shares, entry: float, target: Won, day: date
) -> tuple[Won, float]:
    """(profit after both commissions and the sell tax of ``day``, percent of the money put in)."""
    cost = round(entry * quantity)
    paid = cost + costs.commission(cost, stock.kind)
    value = target * quantity
    fee, tax = costs.sell_costs(value, day, stock.market, stock.kind)
    profit = value - fee - tax - paid
    return profit, 100.0 * profit / paid if paid else 0.0


def entry_price(ticket: Ticket, scene: TicketScene) -> float:
    """What the shares cost: the holding's average for a sale, else the order's price (or the best ask)."""
    if ticket.side is Side.SELL and scene.holding is not None:
        return scene.holding.average_price
    return float(ticket.price or scene.book.best_ask or scene.quote.price)


def ticket_text(context: Context, ticket: Ticket, scene: TicketScene) -> str:
    say, quote = context.say, scene.quote
    lines = [
        say("ticket_title", name=scene.stock.name, code=scene.stock.code),
        say("ticket_last", price=won(quote.price), change=change(quote.change, quote.change_percent)),
        say(
            "ticket_choice",
            side=say(f"side_{ticket.side.value}"),
            type=say(f"type_{ticket.type.value}"),
            price=_price_word(context, ticket),
            quantity=f"{ticket.quantity:,}" if ticket.quantity else "–",
        ),
    ]
    if scene.balance is None:
        lines.append(say("ticket_no_balance"))
    else:
        holding = scene.holding
        lines.append(
            say(
                "ticket_account",
                cash=won(scene.balance.settled_cash),
                held=f"{holding.quantity if holding else 0:,}",
                sellable=f"{holding.sellable if holding else 0:,}",
            )
        )
    if ticket.target:
        lines.append(_calculation(context, ticket, scene))
    return "\n".join(lines)


def _price_word(context: Context, ticket: Ticket) -> str:
    if ticket.type is OrderType.MARKET:
        return context.say("type_market")
    return won(ticket.price) if ticket.price else "–"


def _calculation(context: Context, ticket: Ticket, scene: TicketScene) -> str:
    quantity = ticket.quantity or 1
    entry = entry_price(ticket, scene)
    day = context.services.clock.today()
    profit, share = profit_at(context.services.costs, scene.stock, quantity, entry, ticket.target, day)
    return context.say(
        "ticket_target",
        target=won(ticket.target),
        quantity=f"{quantity:,}",
        entry=won(entry),
        profit=signed_won(profit),
        percent=percent(share),
    )


def book_rows(context: Context, ticket: Ticket) -> tuple[Row, ...]:
    say = context.say

    def press(key: str, verb: str, style: ButtonStyle = ButtonStyle.SECONDARY) -> Button:
        return Button(say(key), f"t:{ticket.id}:{verb}", style)

    def typed(key: str, verb: str) -> Button:
        return Button(say(key), f"t:{ticket.id}:{verb}", kind=ButtonKind.FORM)

    buying = ticket.side is Side.BUY
    chosen, other = ButtonStyle.PRIMARY, ButtonStyle.SECONDARY
    switch = "ticket_to_market" if ticket.type is OrderType.LIMIT else "ticket_to_limit"
    return (
        (
            press("side_buy", "buy", ButtonStyle.DANGER if buying else other),
            press("side_sell", "sell", chosen if not buying else other),
            press(switch, "market" if ticket.type is OrderType.LIMIT else "limit"),
            press("ticket_pick_price", "prices"),
            typed("ticket_type_price", "price"),
        ),
        (
            *(Button(f"{share}%", f"t:{ticket.id}:q:{share}") for share in PERCENTS),
            typed("ticket_type_quantity", "quantity"),
        ),
        (
            typed("ticket_calculator", "target"),
            press("ticket_fills", "fills"),
            press("ticket_open_orders", "open"),
            press("button_refresh", "refresh"),
            press("button_close", "close"),
        ),
        (press("ticket_preview", "preview", ButtonStyle.SUCCESS),),
    )


def price_rows(context: Context, ticket: Ticket) -> tuple[Row, ...]:
    """The twenty levels as last shown, asks from the top down, then bids."""
    version = ticket.level_version
    levels = ticket.levels.get(str(version), ())
    asks = len(levels) // 2
    buttons = [
        Button(
            f"{price:,}",
            f"t:{ticket.id}:lv:{version}:{position}",
            ButtonStyle.PRIMARY if position < asks else ButtonStyle.DANGER,
        )
        for position, price in enumerate(levels)
        if price > 0
    ]
    back = Button(context.say("button_back"), f"t:{ticket.id}:book")
    return (*grid(buttons[:20]), (back,))


def list_rows(context: Context, ticket: Ticket, orders: Sequence[OrderLine]) -> tuple[Row, ...]:
    buttons = [
        Button(
            context.say("cancel_line", side=context.say(f"side_{line.side.value}"), price=won(line.price)),
            f"t:{ticket.id}:x:{line.order_id}",
            ButtonStyle.DANGER,
        )
        for line in orders
        if line.cancellable
    ][:LISTED_ORDERS]
    tabs = tuple(
        Button(context.say(key), f"t:{ticket.id}:{verb}")
        for key, verb in (
            ("button_back", "book"),
            ("ticket_fills", "fills"),
            ("ticket_open_orders", "open"),
            ("button_close", "close"),
        )
    )
    return (*grid(buttons, 2)[:4], tabs)


def order_line_text(context: Context, line: OrderLine) -> str:
    price = won(line.price) if line.price else context.say("type_market")
    return context.say(
        "order_line",
        at=clock_time(line.at),
        name=line.name,
        side=context.say(f"side_{line.side.value}"),
        price=price,
        quantity=f"{line.quantity:,}",
        filled=f"{line.filled:,}",
        state=line.state,
    )


async def show_ticket(context: Context, ticket: Ticket, *, notice: str = "", refresh: bool = False) -> Reply:
    """The ticket in its present view; reads the market anew."""
    scene = await read_scene(context, ticket.code, balance_age=REFRESH_BALANCE_SECONDS if refresh else 0.0)
    if ticket.view in ("fills", "open"):
        return await _show_list(context, ticket, scene, notice)
    ticket = ticket.with_levels(scene.book)
    await context.plane.tickets.keep_levels(ticket)
    stamp = context.stamp(scene.book.at, account=True)
    return await context.answer(
        ticket_text(context, ticket, scene),
        stamp=stamp,
        view=BookChart(scene.stock, scene.book, scene.quote, stamp, scene.own_orders),
        rows=price_rows(context, ticket) if ticket.view == "prices" else book_rows(context, ticket),
        live=LiveView(f"t:{ticket.id}:live", REFRESH_SECONDS, REFRESHES),
        binding=ticket.id,
        notice=notice,
    )


async def _show_list(context: Context, ticket: Ticket, scene: TicketScene, notice: str) -> Reply:
    lines: Sequence[OrderLine]
    if ticket.view == "fills":
        today = await context.services.orders.order_lines(context.services.clock.today())
        lines = [line for line in today if line.code == ticket.code and line.filled > 0]
        title, empty = "ticket_fills_title", "ticket_no_fills"
    else:
        lines = scene.own_orders
        title, empty = "ticket_open_title", "ticket_no_open"
    texts = [context.say(title, name=scene.stock.name)]
    texts += [order_line_text(context, line) for line in lines[-LISTED_ORDERS:]] or [context.say(empty)]
    return await context.answer(
        "\n".join(texts),
        stamp=context.stamp(account=True),
        rows=list_rows(context, ticket, lines if ticket.view == "open" else ()),
        binding=ticket.id,
        notice=notice,
    )
