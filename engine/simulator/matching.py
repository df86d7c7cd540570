"""The matching engine: our orders against the tape.

An arriving order walks the drawn book (and other accounts' resting orders); what rests waits in price-time order and
fills from the volume of later prints at or through its price. The tape is consumed, never moved.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta

from engine.krx import floor_to_tick
from engine.market import BookLevel, Code, Phase, Shares, Side, Won
from engine.simulator.accounts import Ledger
from engine.simulator.book import LEVELS, DrawnBook, draw
from engine.simulator.day import StockDay
from engine.simulator.floor import Floor
from engine.simulator.orders import EventKind, Order, OrderEvent, RequestKind

_MIDPOINT_SHARE = 10
"""The hidden midpoint quantity is one tenth of a typical level."""


@dataclass(slots=True)
class _Queue:
    """Live orders of one stock and what they have consumed of the book since the last print."""

    cursor: int
    """Index of the last print that was matched."""
    orders: list[Order] = field(default_factory=list)
    taken: dict[tuple[Side, Won], Shares] = field(default_factory=dict)


class Exchange:
    """Live orders of all stocks. ``on_event`` hears of receipts, fills, cancels and rejections."""

    def __init__(
        self, floor: Floor, ledger: Ledger, on_event: Callable[[OrderEvent], None], *, queue_position: bool = True
    ) -> None:
        self.floor = floor
        self.ledger = ledger
        self._on_event = on_event
        self._queue_position = queue_position
        self._queues: dict[Code, _Queue] = {}
        self._number = 0
        self._numbered: date | None = None

    # -- looking

    def live_codes(self) -> Iterable[Code]:
        return (code for code, queue in self._queues.items() if queue.orders)

    def has_live(self, code: Code) -> bool:
        return bool((queue := self._queues.get(code)) and queue.orders)

    def book(self, day: StockDay, second: int | None = None) -> DrawnBook:
        """The book as shown: drawn quantities less what was taken, with resting orders of the accounts merged in."""
        second = self.floor.second() if second is None else second
        index = day.at(second)
        drawn = draw(day, index, second)
        queue = self._queues.get(day.code)
        if queue is None or (not queue.orders and not queue.taken):
            return drawn
        asks = _less(drawn.asks, queue.taken, Side.SELL) if queue.cursor == index else list(drawn.asks)
        bids = _less(drawn.bids, queue.taken, Side.BUY) if queue.cursor == index else list(drawn.bids)
        ours = [order for order in queue.orders if order.limit is not None and not order.waiting_stop]
        ours = [order for order in ours if order.division.pricing != "midpoint"]
        if day.auction(second) is None:
            best_buy = max((o.limit or 0 for o in ours if o.side is Side.BUY), default=0)
            best_sell = min((o.limit or 0 for o in ours if o.side is Side.SELL), default=0)
            asks = [level for level in asks if level.price > best_buy]
            bids = [level for level in bids if not best_sell or level.price < best_sell]
        else:
            best_ask, best_bid = drawn.best_ask, drawn.best_bid
            ours = [
                o
                for o in ours
                if (not best_ask or (o.limit or 0) < best_ask if o.side is Side.BUY else (o.limit or 0) > best_bid)
            ]
        return DrawnBook(
            _merged(asks, [o for o in ours if o.side is Side.SELL], reverse=False),
            _merged(bids, [o for o in ours if o.side is Side.BUY], reverse=True),
        )

    # -- orders in

    def next_number(self, today: date) -> int:
        """Order numbers restart every day; a day that is played again goes on where it was."""
        if self._numbered != today:
            orders = (order for account in self.ledger.accounts.values() for order in account.orders)
            self._numbered = today
            self._number = max((order.number for order in orders if order.day == today), default=0)
        self._number += 1
        return self._number

    def submit(self, order: Order, phase: Phase) -> None:
        """Take a checked order: reserve, match what can be matched now, rest or cancel the remainder."""
        day = self._day(order)
        queue = self._queue(day)
        self.catch_up(day.code)
        order.account.orders.append(order)
        self.ledger.reserve(order)
        if order.side is Side.SELL:
            self.ledger.hold_shares(order, order.quantity)
        self._emit(EventKind.RECEIVED, order, order.quantity, order.price)
        self._emit(EventKind.CONFIRMED, order, order.quantity, order.price)
        auction = phase is not Phase.CONTINUOUS or day.auction(self.floor.second()) is not None
        self._enter(order, day, queue, auction)

    def _enter(self, order: Order, day: StockDay, queue: _Queue, auction: bool) -> None:
        if not auction and order.division.pricing == "stop" and not self._stop_reached(order, day, queue.cursor):
            order.waiting_stop = True
        if not auction and not order.waiting_stop:
            self._walk(order, day, queue)
        if not order.remaining:
            return
        if order.division.condition:
            self._drop(order, order.remaining)
            return
        if self._queue_position and not order.account.mock and order.limit is not None and not auction:
            shown = self.book(day)
            side = shown.bids if order.side is Side.BUY else shown.asks
            order.queue_ahead = next((level.quantity for level in side if level.price == order.limit), 0)
        queue.orders.append(order)

    def modify(self, order: Order, request: Order, phase: Phase) -> None:
        """Replace ``request.quantity`` shares of the live ``order`` by ``request``, which has a number of its own."""
        self.catch_up(order.code)
        request.quantity = min(request.quantity, order.remaining)
        self._withdraw(order, request.quantity)
        self.submit(request, phase)

    def cancel(self, order: Order, request: Order) -> None:
        """Cancel ``request.quantity`` shares of ``order``; ``request`` is the row of the cancel itself."""
        self.catch_up(order.code)
        request.quantity = min(request.quantity, order.remaining)
        request.account.orders.append(request)
        self._withdraw(order, request.quantity)
        request.cancelled = request.quantity
        self._emit(EventKind.RECEIVED, request, request.quantity, 0)
        self._emit(EventKind.CONFIRMED, request, request.quantity, 0)

    def reject(self, order: Order) -> None:
        """The exchange refuses an order that the gateway had accepted."""
        order.account.orders.append(order)
        order.rejected = order.quantity
        self._emit(EventKind.REJECTED, order, order.quantity, order.price)

    def _withdraw(self, order: Order, quantity: Shares) -> None:
        order.cancelled += quantity
        if order.side is Side.SELL:
            self.ledger.hold_shares(order, -quantity)
        self.ledger.reserve(order)
        if not order.live and (queue := self._queues.get(order.code)) and order in queue.orders:
            queue.orders.remove(order)

    def _drop(self, order: Order, quantity: Shares) -> None:
        """Cancel the rest of an IOC or FOK order."""
        self._withdraw(order, quantity)
        self._emit(EventKind.CANCELLED, order, quantity, order.price)

    # -- the tape goes on

    def next_second(self, code: Code) -> int | None:
        """Second of the next print that live orders of ``code`` wait for."""
        queue, day = self._queues.get(code), self.floor.day(code)
        if queue is None or day is None or not queue.orders or queue.cursor + 1 >= len(day):
            return None
        return int(day.second[queue.cursor + 1])

    def catch_up(self, code: Code) -> bool:
        """Match every print up to now that was not matched yet. True if any was."""
        queue, day = self._queues.get(code), self.floor.day(code)
        if queue is None or day is None:
            return False
        reached = day.at(self.floor.second())
        if reached <= queue.cursor:
            return False
        if queue.orders:
            for index in range(queue.cursor + 1, reached + 1):
                queue.cursor = index
                queue.taken.clear()
                self._print(day, queue, index)
        else:
            queue.taken.clear()
        queue.cursor = reached
        return True

    def _print(self, day: StockDay, queue: _Queue, index: int) -> None:
        price, volume, side = int(day.price[index]), int(day.volume[index]), int(day.side[index])
        previous = day.last_price(index - 1)
        for buying in (Side.BUY, Side.SELL):
            available = volume
            waiting = sorted((o for o in queue.orders if o.side is buying and not o.waiting_stop), key=_priority)
            for order in waiting:
                if available <= 0:
                    break
                if order.division.pricing == "midpoint":
                    quantity, at_price = self._midpoint_share(order, day, index, available, side)
                elif not order.takes(price):
                    continue
                else:
                    quantity = min(order.remaining, available, self._reached(order, price, volume, side))
                    at_price = _resting_price(order, price, previous, auction=side == 0)
                if quantity > 0:
                    self._fill(order, quantity, at_price, self._instant(day, index))
                    available -= quantity
        self._trigger_stops(day, queue, index)
        queue.orders = [order for order in queue.orders if order.live]

    def _reached(self, order: Order, price: Won, volume: Shares, side: int) -> Shares:
        """How much of a print comes to a resting order after those ahead of it in the queue."""
        passive = side < 0 if order.side is Side.BUY else side > 0
        if side == 0 or order.limit is None or price != order.limit or not passive:
            order.queue_ahead = 0
            return volume
        eaten = min(order.queue_ahead, volume)
        order.queue_ahead -= eaten
        return volume - eaten

    def _midpoint_share(
        self, order: Order, day: StockDay, index: int, available: Shares, side: int
    ) -> tuple[Shares, Won]:
        crossing = side < 0 if order.side is Side.BUY else side > 0
        middle = draw(day, index, int(day.second[index])).middle
        if not crossing or not middle or not order.takes(middle):
            return 0, 0
        return min(order.remaining, available, max(1, day.level_volume // _MIDPOINT_SHARE)), middle

    def _trigger_stops(self, day: StockDay, queue: _Queue, index: int) -> None:
        for order in [o for o in queue.orders if o.waiting_stop and self._stop_reached(o, day, index)]:
            order.waiting_stop = False
            queue.orders.remove(order)
            self._enter(order, day, queue, day.auction(int(day.second[index])) is not None)

    def _stop_reached(self, order: Order, day: StockDay, index: int) -> bool:
        last = day.last_price(index)
        return last >= order.stop_price if order.side is Side.BUY else last <= order.stop_price

    # -- walking the book

    def _walk(self, order: Order, day: StockDay, queue: _Queue) -> None:
        if order.division.pricing == "midpoint":
            self._walk_midpoint(order, day, queue)
            return
        shown = self.book(day)
        levels = [level for level in _opposite(shown, order.side) if order.takes(level.price)]
        if order.division.condition == "FOK" and sum(level.quantity for level in levels) < order.quantity:
            return
        now = self.floor.timetable.now()
        opposite = order.side.opposite
        for level in levels:
            resting = [
                o
                for o in queue.orders
                if o.side is opposite
                and o.limit == level.price
                and not o.waiting_stop
                and o.division.pricing != "midpoint"
            ]
            drawn = level.quantity - sum(o.remaining for o in resting)
            if (quantity := min(order.remaining, drawn)) > 0:
                key = (opposite, level.price)
                queue.taken[key] = queue.taken.get(key, 0) + quantity
                self._fill(order, quantity, level.price, now)
            for other in resting:
                if (quantity := min(order.remaining, other.remaining)) > 0:
                    self._fill(other, quantity, level.price, now)
                    self._fill(order, quantity, level.price, now)
            if not order.remaining:
                break
        queue.orders = [o for o in queue.orders if o.live]

    def _walk_midpoint(self, order: Order, day: StockDay, queue: _Queue) -> None:
        middle = draw(day, queue.cursor, self.floor.second()).middle
        key = (order.side.opposite, -1)
        hidden = max(1, day.level_volume // _MIDPOINT_SHARE) - queue.taken.get(key, 0)
        if not middle or not order.takes(middle) or hidden <= 0:
            return
        if order.division.condition == "FOK" and hidden < order.quantity:
            return
        quantity = min(order.remaining, hidden)
        queue.taken[key] = queue.taken.get(key, 0) + quantity
        self._fill(order, quantity, middle, self.floor.timetable.now())

    # -- the session goes on

    def begin_closing_auction(self) -> None:
        """Conditional limits become market orders."""
        for queue in self._queues.values():
            for order in queue.orders:
                if order.division.pricing == "conditional":
                    order.limit = None

    def expire(self) -> None:
        """The session is over: what still lives is cancelled and its reservation returned."""
        for code in list(self._queues):
            self.catch_up(code)
            for order in list(self._queues[code].orders):
                self._withdraw(order, order.remaining)
        self._queues.clear()

    # -- small parts

    def _fill(self, order: Order, quantity: Shares, price: Won, at: datetime) -> None:
        self.ledger.book(order, quantity, price, at)
        self._emit(EventKind.FILLED, order, quantity, price, at)

    def _emit(self, kind: EventKind, order: Order, quantity: Shares, price: Won, at: datetime | None = None) -> None:
        self._on_event(OrderEvent(kind, order, quantity, price, at or self.floor.timetable.now()))

    def _day(self, order: Order) -> StockDay:
        day = self.floor.day(order.code)
        if day is None:
            raise LookupError(order.code)
        return day

    def _queue(self, day: StockDay) -> _Queue:
        if day.code not in self._queues:
            self._queues[day.code] = _Queue(day.at(self.floor.second()))
        return self._queues[day.code]

    def _instant(self, day: StockDay, index: int) -> datetime:
        midnight = day.session.open.replace(hour=0, minute=0, second=0, microsecond=0)
        return midnight + timedelta(seconds=int(day.second[index]))


def _priority(order: Order) -> tuple[int, Won, int]:
    """Market orders first, then the better price, then time."""
    if order.limit is None:
        return 0, 0, order.number
    return 1, -order.limit if order.side is Side.BUY else order.limit, order.number


def _resting_price(order: Order, price: Won, previous: Won, *, auction: bool) -> Won:
    """A resting limit trades at its own price where the tape passed it; in auctions all trade at the one price."""
    if auction or order.limit is None:
        return price
    if order.side is Side.BUY:
        return min(order.limit, max(price, previous))
    return max(order.limit, min(price, previous))


def _opposite(book: DrawnBook, side: Side) -> tuple[BookLevel, ...]:
    return book.asks if side is Side.BUY else book.bids


def _less(levels: Iterable[BookLevel], taken: dict[tuple[Side, Won], Shares], side: Side) -> list[BookLevel]:
    left = (replace(level, quantity=level.quantity - taken.get((side, level.price), 0)) for level in levels)
    return [level for level in left if level.quantity > 0]


def _merged(levels: list[BookLevel], orders: list[Order], *, reverse: bool) -> tuple[BookLevel, ...]:
    """Add resting orders to the drawn levels; the best ten prices remain."""
    quantities = {level.price: level.quantity for level in levels}
    for order in orders:
        if order.limit is not None:
            quantities[order.limit] = quantities.get(order.limit, 0) + order.remaining
    prices = sorted(quantities, reverse=reverse)[:LEVELS]
    return tuple(BookLevel(price, quantities[price]) for price in prices)


def resolve_price(order: Order, book: DrawnBook, day: StockDay, index: int) -> Won | None:
    """The limit at which an order works: None for any price, 0 where its price cannot be told (empty side)."""
    pricing = order.division.pricing
    buying = order.side is Side.BUY
    if pricing == "market":
        return None
    if pricing == "best":
        return book.best_ask if buying else book.best_bid
    if pricing == "priority":
        return book.best_bid if buying else book.best_ask
    if pricing == "midpoint" and not order.price:
        return day.limits.upper if buying else day.limits.lower
    if pricing == "midpoint":
        return floor_to_tick(order.price, day.stock.kind)
    return order.price


def is_request_of(order: Order, number: int) -> bool:
    return order.number == number and order.kind is not RequestKind.CANCEL
