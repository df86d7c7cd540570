"""A broker of a few lines with its own truth, that can be told to misbehave. Time is the market clock's."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from typing import Literal

from engine.broker import (
    Accepted,
    BrokerOrder,
    Buyable,
    ExecutionNotice,
    NewOrder,
    NoticeKind,
    NotSent,
    OrderKey,
    OrderList,
    OrderType,
    Outcome,
    Rejected,
    TemporaryError,
    Unknown,
)
from engine.clock import MarketClock
from engine.krx import CostModel
from engine.market import Balance, Code, Environment, Holding, Market, Side, Won

Fault = Literal["lost_reply", "lost_request", "rejected", "refused_connection", "rate_limit", "exception"]
ListFault = Literal["fails", "cut"]


@dataclass
class Entry:
    row: BrokerOrder
    visible_at: datetime
    notional: Won = 0


@dataclass
class FakeBroker:
    clock: MarketClock
    environment: Environment = Environment.SIMULATOR
    cash: Won = 10_000_000
    costs: CostModel = field(default_factory=CostModel)
    latency: float = 0.05
    timeout: float = 10.0
    visibility: float = 0.0
    """Seconds until an order shows in the lists."""
    entries: dict[OrderKey, Entry] = field(default_factory=dict)
    holdings: dict[Code, tuple[int, float]] = field(default_factory=dict)
    faults: deque[Fault | None] = field(default_factory=deque)
    list_faults: deque[ListFault | None] = field(default_factory=deque)
    balance_faults: deque[bool] = field(default_factory=deque)
    notices: deque[ExecutionNotice] = field(default_factory=deque)
    arrived: list[tuple[datetime, str, NewOrder]] = field(default_factory=list)
    """(time, verb, order) of everything that reached the desk of the broker."""
    calls: dict[str, int] = field(
        default_factory=lambda: {"place": 0, "cancel": 0, "amend": 0, "orders": 0, "balance": 0}
    )
    on_place: Callable[[NewOrder], None] | None = None
    _number: int = 0

    # -- the protocol

    async def place(self, order: NewOrder) -> Outcome:
        self.calls["place"] += 1
        if self.on_place is not None:
            self.on_place(order)
        return await self._perform("place", order, lambda: self._accept(order))

    async def cancel(self, key: OrderKey, order: NewOrder) -> Outcome:
        self.calls["cancel"] += 1
        return await self._perform("cancel", order, lambda: self._do_cancel(key, order))

    async def amend(self, key: OrderKey, order: NewOrder) -> Outcome:
        self.calls["amend"] += 1
        return await self._perform("amend", order, lambda: self._do_amend(key, order))

    async def _perform(self, verb: str, order: NewOrder, act: Callable[[], Outcome]) -> Outcome:
        fault = self.faults.popleft() if self.faults else None
        async with self.clock.hold(f"fake {verb}"):
            if fault == "refused_connection":
                return NotSent("연결이 거부되었습니다")
            if fault == "rate_limit":
                return NotSent("초당 거래건수를 초과하였습니다", retry_after=1.0)
            await self.clock.sleep(self.latency)
            if fault == "lost_request":
                await self.clock.sleep(self.timeout)
                return Unknown("응답 시간이 지났습니다")
            if fault == "rejected":
                return Rejected("APBK0656", "해당종목정보가 없습니다")
            self.arrived.append((self.clock.now(), verb, order))
            outcome = act()
            if fault == "lost_reply":
                await self.clock.sleep(self.timeout)
                return Unknown("응답 시간이 지났습니다")
            if fault == "exception":
                raise RuntimeError("답을 읽을 수 없습니다")
            return outcome

    async def orders(self, day: date, code: Code | None = None) -> OrderList:
        self.calls["orders"] += 1
        fault = self.list_faults.popleft() if self.list_faults else None
        async with self.clock.hold("fake orders"):
            await self.clock.sleep(self.latency)
            if fault == "fails":
                raise TemporaryError("HTTP 500")
            now = self.clock.now()
            rows = [
                e.row
                for e in self.entries.values()
                if e.row.key.day == day and e.visible_at <= now and code in (None, e.row.code)
            ]
            if fault == "cut":
                rows = rows[: len(rows) // 2]
            return OrderList(tuple(rows), fault != "cut", now)

    async def balance(self) -> Balance:
        self.calls["balance"] += 1
        async with self.clock.hold("fake balance"):
            await self.clock.sleep(self.latency)
            if self.balance_faults and self.balance_faults.popleft():
                raise TemporaryError("HTTP 500")
            return self.truth()

    async def buyable(self, code: Code, price: Won | None) -> Buyable:
        return Buyable(self.cash, self.costs.affordable(self.cash, price or 1), price or 1)

    # -- the broker's own truth

    def truth(self) -> Balance:
        holdings = tuple(
            Holding(code, code, quantity, quantity, average, round(average))
            for code, (quantity, average) in sorted(self.holdings.items())
            if quantity
        )
        return Balance(self.clock.now(), self.cash, self.cash, holdings)

    def next_key(self) -> OrderKey:
        self._number += 1
        return OrderKey(self.clock.today(), "00950", str(self._number))

    def _accept(self, order: NewOrder, original: OrderKey | None = None) -> Outcome:
        key = self.next_key()
        now = self.clock.now()
        row = BrokerOrder(
            key=key,
            original=original,
            code=order.code,
            side=order.side,
            type=order.type,
            quantity=order.quantity,
            price=order.price,
            at=now.replace(microsecond=0),
            filled=0,
            average_fill_price=0.0,
            filled_value=0,
            cancelled=0,
            rejected=0,
            remaining=order.quantity,
        )
        self.entries[key] = Entry(row, now + timedelta(seconds=self.visibility))
        self._notice(row, NoticeKind.CONFIRMED, order.quantity, order.price)
        return Accepted(key, now)

    def _do_cancel(self, key: OrderKey, order: NewOrder) -> Outcome:
        row = self.entries[key].row
        if not row.remaining:
            return Rejected("APBK0344", "정정취소 가능수량이 없습니다")
        self.entries[key].row = replace(row, cancelled=row.cancelled + row.remaining, remaining=0)
        mark = self.next_key()
        now = self.clock.now()
        self.entries[mark] = Entry(
            replace(
                row,
                key=mark,
                original=key,
                at=now.replace(microsecond=0),
                quantity=row.remaining,
                filled=0,
                filled_value=0,
                average_fill_price=0.0,
                cancelled=0,
                remaining=0,
                rejected=0,
                is_cancel=True,
            ),
            now + timedelta(seconds=self.visibility),
        )
        self._notice(row, NoticeKind.CANCELLED, row.remaining, row.price)
        return Accepted(mark, now)

    def _do_amend(self, key: OrderKey, order: NewOrder) -> Outcome:
        row = self.entries[key].row
        if not row.remaining:
            return Rejected("APBK0344", "정정취소 가능수량이 없습니다")
        rest = row.remaining
        self.entries[key].row = replace(row, cancelled=row.cancelled + rest, remaining=0)
        return self._accept(NewOrder(order.code, order.side, order.type, rest, order.price), original=key)

    def _notice(self, row: BrokerOrder, kind: NoticeKind, quantity: int, price: Won) -> None:
        self.notices.append(
            ExecutionNotice(
                row.key, row.original, kind, row.code, row.side, quantity, price, row.quantity, self.clock.now(), ""
            )
        )

    # -- what tests make happen

    def newest(self) -> OrderKey:
        return list(self.entries)[-1]

    def fill(self, key: OrderKey, quantity: int | None = None, price: Won | None = None) -> None:
        row = self.entries[key].row
        quantity = min(quantity or row.remaining, row.remaining)
        if not quantity:
            return
        price = price or row.price or 70_000
        value = row.filled_value + quantity * price
        filled = row.filled + quantity
        new = replace(
            row,
            filled=filled,
            filled_value=value,
            average_fill_price=value / filled,
            remaining=row.remaining - quantity,
        )
        entry = self.entries[key]
        entry.row = new
        held, average = self.holdings.get(row.code, (0, 0.0))
        fees = self.costs.commission(value) - self.costs.commission(row.filled_value)
        if row.side is Side.BUY:
            self.holdings[row.code] = (held + quantity, (held * average + quantity * price) / (held + quantity))
            self.cash -= quantity * price + fees
        else:
            self.holdings[row.code] = (held - quantity, average)
            after = self.costs.sell_costs(value, row.key.day, Market.KOSPI)
            before = self.costs.sell_costs(row.filled_value, row.key.day, Market.KOSPI)
            self.cash += quantity * price - (sum(after) - sum(before))
        self._notice(new, NoticeKind.FILL, quantity, price)

    def refuse(self, key: OrderKey) -> None:
        """The exchange rejects it after the broker took it."""
        row = self.entries[key].row
        self.entries[key].row = replace(row, rejected=row.remaining, remaining=0)

    def elsewhere(self, order: NewOrder) -> OrderKey:
        """The owner places an order by phone."""
        self._accept(order)
        return self.newest()

    def live(self, code: Code | None = None) -> list[BrokerOrder]:
        return [e.row for e in self.entries.values() if e.row.remaining and code in (None, e.row.code)]

    def limit(self, code: Code, side: Side, quantity: int, price: Won) -> NewOrder:
        return NewOrder(code, side, OrderType.LIMIT, quantity, price)
