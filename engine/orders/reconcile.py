"""The broker's truth against the journal: fills, unknown outcomes, orders of others, holdings and cash."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta

from engine.broker import BrokerError, BrokerOrder, ExecutionNotice, OrderKey, OrderList
from engine.clock import monotonic
from engine.events import ErrorRaised, OrderResolved, PositionDiffers
from engine.market import Balance, Code, Side
from engine.orders import resolution, sql
from engine.orders.core import Core
from engine.orders.ledger import Change
from engine.orders.values import (
    CommandKind,
    CommandState,
    Difference,
    OrderRecord,
    OrderState,
    ReconcileReport,
)
from engine.store import Statement

logger = logging.getLogger(__name__)

DIFFERENCE_STANDS = timedelta(seconds=35)
"""The broker's lists and balance may lag each other by half a minute: only a difference that stands is announced."""


@dataclass(frozen=True, slots=True)
class Reading:
    """A list with the keys that were known when it was asked for: those it must show."""

    listing: OrderList
    known: frozenset[OrderKey]

    @property
    def complete(self) -> bool:
        return self.listing.complete


@dataclass(slots=True)
class Doubt:
    """An unknown outcome being looked into."""

    since: datetime
    due: datetime
    attempt: int = 0
    looks: list[resolution.Look] = field(default_factory=list)


@dataclass(slots=True)
class Taken:
    fills: int = 0
    bound: list[str] = field(default_factory=list)
    external: list[OrderKey] = field(default_factory=list)


class Reconciler:
    def __init__(self, core: Core, touched: Callable[[Code, float], None]) -> None:
        self._core = core
        self._touched = touched
        self._turn = asyncio.Lock()
        self._doubts: dict[str, Doubt] = {}
        self._first_seen: dict[Code, tuple[Difference, datetime]] = {}
        self._stray_notices: dict[OrderKey, ExecutionNotice] = {}
        self.last_report: ReconcileReport | None = None

    # -- reading the lists

    async def read(self, day: date, code: Code | None = None) -> tuple[Reading | None, str]:
        known = frozenset(key for key in self._core.ledger.by_key if key.day == day)
        try:
            return Reading(await self._core.broker.orders(day, code), known), ""
        except BrokerError as error:
            return None, str(error)

    async def read_code(self, code: Code) -> bool:
        """Read today's list of one code and take what it says; False when it could not be read in full."""
        reading, _ = await self.read(self._core.ledger.day, code)
        if reading is None:
            return False
        await self._take(reading)
        return reading.complete

    async def _take(self, reading: Reading) -> Taken:
        """Rows are facts even where the list is cut short; only absence needs the whole list."""
        core, ledger, taken = self._core, self._core.ledger, Taken()
        total = Change()
        resolved: list[OrderRecord] = []
        for row in sorted(reading.listing.orders, key=lambda row: (row.at, len(row.key.number), row.key.number)):
            if row.key.day != ledger.day and row.key not in ledger.by_key:
                continue
            ledger.note_row(row)
            now = core.now()
            if row.original is not None and row.original in ledger.by_key and row.key not in ledger.by_key:
                total.statements += self._take_command_row(row, now)
            elif row.key not in ledger.by_key and not row.is_cancel:
                total.statements += self._take_stranger(row, now, taken, resolved)
            if row.key in ledger.by_key:
                change = ledger.apply(row, now, core.stock(row.code))
                total.statements += change.statements
                total.fills += change.fills
                total.ended += change.ended
                total.trades += change.trades
        total.statements += self._settle_obsolete()
        if total.statements:
            await core.record(total.statements)
        for order in resolved:
            self._tell_resolved(order, exists=True)
        core.tell(total)
        taken.fills = len(total.fills)
        return taken

    def _take_command_row(self, row: BrokerOrder, now: datetime) -> list[Statement]:
        """A row that refers to one of our orders: our cancel or amend, or one that the owner made elsewhere."""
        ledger = self._core.ledger
        assert row.original is not None
        order_id = ledger.by_key[row.original].order_id
        kind = CommandKind.CANCEL if row.is_cancel else CommandKind.AMEND
        statements: list[Statement] = []
        refused = row.rejected >= row.quantity > 0
        for command in ledger.open_commands():
            if command.order_id == order_id and command.kind is kind and resolution.mark(row.key) not in command.fence:
                state = CommandState.REJECTED if refused else CommandState.ACCEPTED
                statements += ledger.settle_command(command.command_id, state, "목록에서 확인")[1]
                self._doubts.pop(command.command_id, None)
                break
        order = ledger.orders.get(order_id)
        if not row.is_cancel and not refused and order is not None and order.state.resting:
            statements += ledger.rebind(order_id, row.key, row.price, now)[1]
        return statements

    def _take_stranger(
        self, row: BrokerOrder, now: datetime, taken: Taken, resolved: list[OrderRecord]
    ) -> list[Statement]:
        ledger = self._core.ledger
        waiting = (OrderState.SENDING, OrderState.UNKNOWN)
        if any(order.state in waiting and resolution.fits(order, row) for order in ledger.orders.values()):
            return []  # one of these may be it: the answer, or the resolution, decides
        late = [
            order
            for order in ledger.orders.values()
            if order.state is OrderState.NOT_SENT and order.unknown_at is not None and resolution.fits(order, row)
        ]
        if len(late) == 1 and row.key not in ledger.external:
            found, bound = ledger.bind(late[0].order_id, row.key, now, "뒤늦게 목록에 나타났습니다")
            taken.bound.append(found.order_id)
            resolved.append(found)
            return bound
        statements: list[Statement] = []
        if row.key not in ledger.external:
            taken.external.append(row.key)
            for order in list(ledger.orders.values()):
                # Bound by its shape alone, and now a second of that shape shows: either may be ours.
                if order.unknown_at is not None and order.key is not None and resolution.fits(order, row):
                    statements += self._mark(order, 2)
        return statements + ledger.adopt_external(row)

    def _settle_obsolete(self) -> list[Statement]:
        """A cancel or amend of an order that has ended needs no answer any more."""
        ledger = self._core.ledger
        statements: list[Statement] = []
        for command in ledger.open_commands():
            order = ledger.orders.get(command.order_id)
            if command.state is CommandState.UNKNOWN and (order is None or not order.state.open):
                statements += ledger.settle_command(command.command_id, CommandState.ACCEPTED, "주문이 끝났습니다")[1]
                self._doubts.pop(command.command_id, None)
        return statements

    # -- unknown outcomes

    def hint(self, notice: ExecutionNotice) -> None:
        """A notice about an order that we do not know (yet)."""
        if len(self._stray_notices) >= 1_000:
            self._stray_notices.pop(next(iter(self._stray_notices)))
        self._stray_notices[notice.key] = notice

    def _doubt(self, key: str, since: datetime) -> Doubt:
        if key not in self._doubts:
            self._doubts[key] = Doubt(since, since + timedelta(seconds=resolution.delay(0)))
        return self._doubts[key]

    def doubts(self) -> dict[str, Doubt]:
        ledger = self._core.ledger
        now = self._core.now()
        current = {order.order_id: order.unknown_at or now for order in ledger.unknown_orders()}
        current |= {
            command.command_id: command.unknown_at or now
            for command in ledger.open_commands()
            if command.state is CommandState.UNKNOWN
        }
        for key in [key for key in self._doubts if key not in current]:
            del self._doubts[key]
        return {key: self._doubt(key, since) for key, since in current.items()}

    def next_due(self) -> datetime | None:
        return min((doubt.due for doubt in self.doubts().values()), default=None)

    async def resolve(self, *, only_due: bool = True) -> tuple[str, ...]:
        """Look once into the unknown outcomes that are due. Returns the orders that were cleared up."""
        async with self._turn:
            now = self._core.now()
            due = {key for key, doubt in self.doubts().items() if not only_due or doubt.due <= now}
            if not due:
                return ()
            days = {order.day for order in self._core.ledger.unknown_orders()} | {self._core.ledger.day}
            cleared: list[str] = []
            for day in sorted(days):
                reading, reason = await self.read(day)
                if reading is None:
                    logger.warning("주문 목록을 읽지 못했습니다: %s", reason)
                    continue
                taken = await self._take(reading)
                cleared += taken.bound + await self._decide(reading, day)
            now = self._core.now()
            for key in due:
                if (doubt := self._doubts.get(key)) is not None:
                    doubt.attempt += 1
                    doubt.due = now + timedelta(seconds=resolution.delay(doubt.attempt))
            return tuple(cleared)

    async def _decide(self, reading: Reading, day: date) -> list[str]:
        listing = reading.listing
        ledger, now = self._core.ledger, self._core.now()
        cleared = []
        bound = frozenset(ledger.by_key) | frozenset(ledger.external)
        for order in ledger.unknown_orders():
            if order.day != day:
                continue
            doubt = self._doubt(order.order_id, order.unknown_at or now)
            found = resolution.candidates(order, listing.orders, bound)
            rivals = (
                sum(
                    other.state in (OrderState.UNKNOWN, OrderState.SENDING) and resolution.fits(other, found[0])
                    for other in ledger.orders.values()
                )
                if found
                else 0
            )
            if len(found) == 1 and rivals == 1 and not order.needs_person:
                await self._bind(order, found[0], "목록에서 확인")
                bound |= {found[0].key}
                cleared.append(order.order_id)
            elif found:
                await self._ask_person(order, len(found))
            elif listing.complete and not order.needs_person:
                doubt.looks.append(resolution.Look.of(listing, now, reading.known))
                del doubt.looks[:-20]
                if self._absent(order, doubt):
                    await self._drop(order)
                    cleared.append(order.order_id)
        for command in ledger.open_commands():
            if command.state is not CommandState.UNKNOWN or not listing.complete:
                continue
            doubt = self._doubt(command.command_id, command.unknown_at or now)
            doubt.looks.append(resolution.Look.of(listing, now, reading.known))
            if resolution.proves_absence(doubt.looks, command.unknown_at or now):
                _, statements = ledger.settle_command(command.command_id, CommandState.NOT_SENT, "목록에 없음")
                await self._core.record(statements)
                self._doubts.pop(command.command_id, None)
        return cleared

    def _absent(self, order: OrderRecord, doubt: Doubt) -> bool:
        ledger = self._core.ledger
        hinted = any(
            key not in ledger.by_key
            and key not in ledger.external
            and notice.code == order.intent.code
            and notice.side is order.intent.side
            and notice.order_quantity in (0, order.intent.quantity)
            and order.sent_at is not None
            and notice.at >= order.sent_at - resolution.SKEW
            for key, notice in self._stray_notices.items()
        )
        return not hinted and resolution.proves_absence(doubt.looks, order.unknown_at or self._core.now())

    async def _bind(self, order: OrderRecord, row: BrokerOrder, reason: str) -> None:
        core = self._core
        bound, statements = core.ledger.bind(order.order_id, row.key, core.now(), reason)
        change = core.ledger.apply(row, core.now(), core.stock(row.code))
        await core.record([*statements, *change.statements])
        self._doubts.pop(order.order_id, None)
        self._tell_resolved(bound, exists=True)
        core.tell(change)

    async def _drop(self, order: OrderRecord) -> None:
        """Proven: nothing arrived. A missed buy costs little, so nothing is sent again here."""
        core = self._core
        dropped, statements = core.ledger.move(
            order.order_id, OrderState.NOT_SENT, core.now(), "증권사 목록에 없음을 두 번 확인했습니다"
        )
        await core.record(statements)
        self._doubts.pop(order.order_id, None)
        self._tell_resolved(dropped, exists=False)

    def _mark(self, order: OrderRecord, count: int) -> list[Statement]:
        if order.needs_person:
            return []
        core = self._core
        marked = replace(order, needs_person=True, updated_at=core.now())
        core.ledger.orders[order.order_id] = marked
        reason = f"같은 모양의 주문이 {count}건 있어 사람이 골라야 합니다"
        core.publish(ErrorRaised(at=core.now(), where=core.name(order.intent.code), message=reason))
        return [sql.save_order(marked), sql.add_step(marked, reason)]

    async def _ask_person(self, order: OrderRecord, count: int) -> None:
        await self._core.record(self._mark(order, count))

    async def decide_by_person(self, order_id: str, key: OrderKey | None) -> OrderRecord:
        """Bind an unknown order to the broker's order that a person named, or (None) to none. Raises LookupError."""
        async with self._turn:
            core, order = self._core, self._core.ledger.orders[order_id]
            if order.needs_person and order.key is not None:
                return await self._correct(order, key)
            if order.state is not OrderState.UNKNOWN:
                raise LookupError(f"확인 중인 주문이 아닙니다: {order_id}")
            if key is None:
                dropped, statements = core.ledger.move(
                    order_id, OrderState.NOT_SENT, core.now(), "사람이 확인: 주문 없음", needs_person=False
                )
                await core.record(statements)
                self._tell_resolved(dropped, exists=False)
                return dropped
            reading, reason = await self.read(order.day)
            row = next((row for row in reading.listing.orders if row.key == key), None) if reading else None
            if row is None or row.key in core.ledger.by_key:
                raise LookupError(reason or f"그 주문 번호는 고를 수 없습니다: {key.number}")
            core.ledger.external.pop(key, None)
            await self._bind(order, row, "사람이 확인")
            return core.ledger.orders[order_id]

    async def _correct(self, order: OrderRecord, key: OrderKey | None) -> OrderRecord:
        """The order was bound by its shape; a person names the right one of two."""
        core = self._core
        if key in (None, order.key):
            settled = replace(order, needs_person=False, updated_at=core.now())
            core.ledger.orders[order.order_id] = settled
            await core.record([sql.save_order(settled), sql.add_step(settled, "사람이 확인")])
            return settled
        if key not in core.ledger.external or not order.state.resting:
            raise LookupError(f"그 주문 번호로 바꿀 수 없습니다: {key}")
        settled, statements = core.ledger.swap_key(order.order_id, key, core.now())
        del core.ledger.external[key]
        await core.record(statements)
        await self.read_code(order.intent.code)
        return core.ledger.orders[order.order_id]

    def _tell_resolved(self, order: OrderRecord, *, exists: bool) -> None:
        intent = order.intent
        self._core.publish(
            OrderResolved(
                at=self._core.now(),
                order_id=order.order_id,
                code=intent.code,
                name=self._core.name(intent.code),
                side=intent.side,
                quantity=intent.quantity,
                price=intent.price,
                exists=exists,
            )
        )

    # -- the whole comparison

    async def reconcile(self) -> ReconcileReport:
        async with self._turn:
            started = monotonic()
            report = replace(await self._reconcile(), seconds=monotonic() - started)
            self.last_report = report
            return report

    async def _reconcile(self) -> ReconcileReport:
        core, ledger = self._core, self._core.ledger
        today = core.clock.today()
        await self._finish_old_days(today)
        if ledger.day != today:
            ledger.roll(today)
        reading, reason = await self.read(today)
        if reading is None:
            return ReconcileReport(core.now(), False, f"주문 목록을 읽지 못했습니다: {reason}")
        taken = await self._take(reading)
        taken.bound += await self._decide(reading, today)
        try:
            balance = await core.broker.balance()
            if ledger.open_orders() or ledger.differences(balance):
                # A fill between the two reads would look like a difference, or be counted twice in cash.
                again, reason = await self.read(today)
                if again is None:
                    return ReconcileReport(core.now(), False, f"주문 목록을 읽지 못했습니다: {reason}", taken.fills)
                more = await self._take(again)
                taken.fills += more.fills
                taken.external += more.external
                if more.fills:
                    balance = await core.broker.balance()
        except BrokerError as error:
            return ReconcileReport(core.now(), False, f"잔고를 읽지 못했습니다: {error}", taken.fills)
        differences = await self._compare(balance)
        if ledger.balance is None or not ledger.suspects:
            # A balance that lags the lists by a fill is not taken: its cash would be spent twice.
            ledger.take_balance(balance)
        await core.check_losses()
        await core.save_equity()
        return ReconcileReport(
            at=core.now(),
            complete=reading.complete,
            reason="" if reading.complete else "주문 목록이 중간에 끊겼습니다",
            fills=taken.fills,
            bound=tuple(taken.bound),
            external=tuple(taken.external),
            differences=differences,
            unknown=tuple(order.order_id for order in ledger.unknown_orders()),
        )

    async def _compare(self, balance: Balance) -> tuple[Difference, ...]:
        core, ledger, now = self._core, self._core.ledger, self._core.now()
        ledger.newest_balance = balance
        found = ledger.differences(balance)
        for code in [code for code in self._first_seen if code not in found]:
            del self._first_seen[code]
        for code in [code for code in ledger.frozen if code not in found]:
            del ledger.frozen[code]
            await core.record([sql.drop_frozen(code)])
        ledger.suspects = {}
        for code, difference in found.items():
            seen, since = self._first_seen.get(code, (difference, now))
            if seen != difference:
                since = now
            self._first_seen[code] = (difference, since)
            known = ledger.frozen.get(code)
            if known == difference:
                continue
            if known is None and now - since < DIFFERENCE_STANDS:
                ledger.suspects[code] = difference
                self._touched(code, 5.0)
                continue
            ledger.frozen[code] = difference
            await core.record([sql.save_frozen(difference, now)])
            core.publish(
                PositionDiffers(
                    at=now, code=code, name=core.name(code), journal=difference.journal, broker=difference.broker
                )
            )
        return tuple(found.values())

    async def _finish_old_days(self, today: date) -> None:
        """What was open when a day ended: take its last fills; the rest died with the day."""
        core, ledger = self._core, self._core.ledger
        for day in sorted({order.day for order in ledger.open_orders() if order.day < today}):
            reading, reason = await self.read(day)
            if reading is None:
                logger.warning("%s의 주문 목록을 읽지 못했습니다: %s", day, reason)
                continue
            await self._take(reading)
            await self._decide(reading, day)
            if not reading.complete:
                continue
            change = Change()
            for order in ledger.open_orders():
                if order.day == day and order.state.resting:
                    ended, statements = ledger.move(
                        order.order_id,
                        OrderState.CANCELLED,
                        core.now(),
                        "장이 끝나 소멸했습니다",
                        cancelled=order.remaining,
                    )
                    change.statements += statements
                    change.ended.append(ended)
            await core.record(change.statements)
            core.tell(change)

    def open_sales(self, code: Code) -> tuple[OrderRecord, ...]:
        return tuple(
            order
            for order in self._core.ledger.open_orders()
            if order.intent.code == code and order.intent.side is Side.SELL
        )
