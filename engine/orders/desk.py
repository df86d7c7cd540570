"""OrderDesk: what the rest of the service sees of orders and positions. Reading never waits."""

from __future__ import annotations

import asyncio
import logging
import shutil
from collections.abc import Coroutine, Mapping
from dataclasses import replace
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any, Final, TypeVar

from engine.broker import Broker, ExecutionNotice, NoticeKind, OrderKey, OrderType
from engine.clock import MarketClock, monotonic, wall_sleep
from engine.events import EventBus, StopRaised
from engine.krx import CostModel
from engine.market import Code, Environment, Phase, Shares, Side, Won
from engine.orders import sql
from engine.orders.core import Core
from engine.orders.door import Door
from engine.orders.journal import Journal
from engine.orders.reconcile import Reconciler
from engine.orders.risk import RiskLimits, RiskState
from engine.orders.values import (
    CommandState,
    Difference,
    Latch,
    MarketView,
    OrderIntent,
    OrderRecord,
    OrderState,
    Origin,
    PanicReport,
    Position,
    Purpose,
    ReconcileReport,
)
from engine.results import ExitReason, OrderLine, Trade
from engine.store import JournalUnavailable

logger = logging.getLogger(__name__)

T = TypeVar("T")

RECONCILE_SECONDS: Final = 60.0
LATE_RECONCILE_SECONDS: Final = 300.0
CLOSED_RECONCILE_SECONDS: Final = 900.0
NO_TRADING: Final = frozenset({Phase.CLOSED, Phase.AFTER_CLOSE})
LOSS_CHECK_SECONDS: Final = 10.0
HEARTBEAT_SECONDS: Final = 5.0
STOP_FILE_SECONDS: Final = 0.5
READ_AGAIN: Final = (1.0, 2.0, 4.0, 8.0, 15.0, 30.0)
LEAST_FREE_BYTES: Final = 50_000_000
ENTRIES_LATCH: Final = "entries_stopped"
PANIC_LATCH: Final = "panic"


class OrderDesk:
    """The one door. ``run()`` must be a task of the service; ``start()`` comes first, before it every order is denied.

    ``stop_file`` (default: STOP beside the journal) stops entries while it exists.
    """

    def __init__(
        self,
        *,
        broker: Broker,
        journal: Journal,
        clock: MarketClock,
        events: EventBus,
        market: MarketView,
        limits: RiskLimits,
        costs: CostModel,
        environment: Environment,
        account: str,
        stop_file: Path | None = None,
    ) -> None:
        self._core = Core(
            broker=broker,
            journal=journal,
            clock=clock,
            events=events,
            market=market,
            limits=limits,
            costs=costs,
            environment=environment,
            account=account,
            stop_file=stop_file or journal.path.parent / "STOP",
        )
        self._ledger = self._core.ledger
        self._journal = journal
        self._clock = clock
        self._reconciler = Reconciler(self._core, self._touch)
        self._door = Door(self._core, self._touch, self._wake, self._reconciler.read_code)
        self._work: set[asyncio.Task[Any]] = set()
        self._dirty: dict[Code, tuple[datetime, int]] = {}
        self._noticed: dict[OrderKey, Shares] = {}
        self._changed = asyncio.Event()
        self._closing = False
        self.foreign_notices = 0

    # -- life

    async def start(self) -> ReconcileReport:
        """Rebuild from the journal and reconcile. Raises JournalUnavailable; the report tells if the broker is away."""
        core, ledger = self._core, self._ledger
        free = shutil.disk_usage(self._journal.path.parent).free
        if free < LEAST_FREE_BYTES:
            raise JournalUnavailable(f"디스크에 {free // 1_000_000} MB만 남아 주문 기록을 지킬 수 없습니다")
        await self._journal.bind(core.environment, core.account)
        today = self._clock.today()
        ledger.load(await self._journal.image(today), today)
        now = core.now()
        statements = []
        for order in ledger.open_orders():
            if order.state is OrderState.PREPARED:
                moved = ledger.move(order.order_id, OrderState.NOT_SENT, now, "보내기 전에 프로그램이 끝났습니다")
                statements += moved[1]
            elif order.state is OrderState.SENDING:
                reason = "보내는 중에 프로그램이 끝났습니다"
                moved = ledger.move(order.order_id, OrderState.UNKNOWN, now, reason, unknown_at=now)
                statements += moved[1]
        for command in ledger.open_commands():
            if command.state is CommandState.SENDING:
                reason = "보내는 중에 프로그램이 끝났습니다"
                statements += ledger.settle_command(command.command_id, CommandState.UNKNOWN, reason, now)[1]
        await self._journal.write(statements)
        return await self.reconcile()

    async def run(self) -> None:
        """Unknown outcomes, prompt reads, the minute's reconciliation, loss limits, the lease's heartbeat."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._watch_doubts(), name="orders: unknown")
            group.create_task(self._watch_lists(), name="orders: lists")
            group.create_task(self._watch_account(), name="orders: reconcile")
            group.create_task(self._watch_losses(), name="orders: losses")
            group.create_task(self._beat(), name="orders: heartbeat")

    async def close(self, grace_seconds: float = 10.0) -> None:
        """Take no more orders, let those under way finish, close the journal. What is cut off is UNKNOWN next time."""
        self._closing = True
        self._core.reconciled = False
        if self._work:
            await asyncio.wait(tuple(self._work), timeout=grace_seconds)
        for task in tuple(self._work):
            task.cancel()
        try:
            await self._journal.close()
        except JournalUnavailable as error:
            logger.error("%s", error)

    @property
    def ready(self) -> bool:
        return self._core.ready

    async def _finish(self, work: Coroutine[Any, Any, T]) -> T:
        """Orders outlive the command that asked for them: a cancelled caller must not cut a send in two."""
        task = asyncio.create_task(work)
        self._work.add(task)
        task.add_done_callback(self._work.discard)
        return await asyncio.shield(task)

    # -- orders

    async def submit(self, intent: OrderIntent) -> OrderRecord:
        """Send an order, once. The record says what became of it; trouble with broker or disk never raises."""
        if self._core.reconciled and not self._core.ready:
            await self.reconcile()  # the first order of a day: numbers, rates and limits begin anew
        return await self._finish(self._door.submit(intent))

    async def cancel(self, order_id: str, actor: str) -> OrderRecord:
        """Cancel the rest. An order that cannot be cancelled comes back unchanged. Raises LookupError."""
        self._order(order_id)
        return await self._finish(self._door.cancel(order_id, actor))

    async def amend(self, order_id: str, price: Won, quantity: Shares, actor: str) -> OrderRecord:
        """Give the whole rest (``quantity``) a new price. Where that fails ``reason`` of the record says why."""
        self._order(order_id)
        return await self._finish(self._door.amend(order_id, price, quantity, actor))

    def _order(self, order_id: str) -> OrderRecord:
        try:
            return self._ledger.orders[order_id]
        except KeyError:
            raise LookupError(f"그런 주문이 없습니다: {order_id}") from None

    async def decide_unknown(self, order_id: str, key: OrderKey | None, actor: str) -> OrderRecord:
        """A person says which broker order an unknown (or doubtful) one became (None: none). Raises LookupError."""
        self._order(order_id)
        await self.record_audit(actor, "desk", "decide_unknown", {"order": order_id, "key": key}, "allowed", "")
        return await self._reconciler.decide_by_person(order_id, key)

    async def on_notice(self, notice: ExecutionNotice) -> None:
        """A hint: the list of its code is read soon. Nothing is said to be filled because of a notice."""
        if notice.account and self._core.account and not _same_account(notice.account, self._core.account):
            self.foreign_notices += 1
            return
        key = notice.original if notice.original in self._ledger.by_key else notice.key
        if key not in self._ledger.by_key:
            self._reconciler.hint(notice)
        elif notice.kind is NoticeKind.FILL:
            self._noticed[key] = self._noticed.get(key, self._ledger.by_key[key].filled) + notice.quantity
        self._touch(notice.code, 0.0)

    # -- reading

    def positions(self) -> tuple[Position, ...]:
        return tuple(self._ledger.positions[code] for code in sorted(self._ledger.positions))

    def position(self, code: Code) -> Position | None:
        return self._ledger.positions.get(code)

    def open_orders(self) -> tuple[OrderRecord, ...]:
        return self._ledger.open_orders()

    def order(self, order_id: str) -> OrderRecord | None:
        return self._ledger.orders.get(order_id)

    def orders(self, day: date) -> tuple[OrderRecord, ...]:
        """Orders of one of the last seven days (older ones: ``journal.orders``), in order of their numbers."""
        found = {order.order_id: order for order in self._ledger.past.get(day, ((), (), ()))[0]}
        found |= self._ledger.orders  # what was still open then may have moved on since
        return tuple(found[key] for key in sorted(found) if found[key].day == day)

    def trades(self, day: date) -> tuple[Trade, ...]:
        if day == self._ledger.day:
            return tuple(self._ledger.trades)
        return self._ledger.past.get(day, ((), (), ()))[1]

    def order_lines(self, day: date) -> tuple[OrderLine, ...]:
        """Our orders and those placed elsewhere, by time."""
        rows = (
            self._ledger.external.values() if day == self._ledger.day else self._ledger.past.get(day, ((), (), ()))[2]
        )
        lines = [order.line(self._core.name(order.intent.code)) for order in self.orders(day)]
        for row in rows:
            state = "체결" if row.filled == row.quantity else "접수" if row.remaining else "취소"
            lines.append(
                OrderLine(
                    f"외부-{row.key.number}",
                    row.code,
                    self._core.name(row.code),
                    row.side,
                    row.price,
                    row.quantity,
                    row.filled,
                    f"외부 {state}",
                    row.at,
                )
            )
        return tuple(sorted(lines, key=lambda line: line.at))

    def equity(self) -> Won:
        return self._core.equity()

    def orderable_cash(self) -> Won:
        """Settled cash less what open and unknown buys may still take."""
        return max(0, self._ledger.cash() - self._ledger.reserved_cash())

    def day_start_equity(self) -> Won:
        return self._ledger.equity_start

    def latches(self) -> tuple[Latch, ...]:
        return tuple(self._ledger.latches[name] for name in sorted(self._ledger.latches))

    def frozen_codes(self) -> tuple[Difference, ...]:
        return tuple(self._ledger.frozen[code] for code in sorted(self._ledger.frozen))

    def unknown_orders(self) -> tuple[OrderRecord, ...]:
        return self._ledger.unknown_orders()

    def last_report(self) -> ReconcileReport | None:
        return self._reconciler.last_report

    def trouble(self) -> str:
        """Why the journal cannot be written; empty when it can."""
        return self._journal.trouble

    def risk_state(self, intent: OrderIntent) -> RiskState:
        """What the gate would look at for ``intent``: for previews of tickets."""
        return self._core.risk_state(intent)

    # -- plans, latches, people

    async def update_plan(
        self,
        code: Code,
        *,
        stop_price: Won | None = None,
        target_price: Won | None = None,
        highest_price: Won | None = None,
        bars_held: int | None = None,
        reason: str = "",
    ) -> None:
        """Durable. A stop only moves up, a high only rises; lower values are ignored."""
        held = self._ledger.positions.get(code)
        if held is None:
            return
        position = replace(
            held,
            stop_price=max(held.stop_price, stop_price or 0),
            target_price=held.target_price if target_price is None else target_price,
            highest_price=max(held.highest_price, highest_price or 0),
            bars_held=held.bars_held if bars_held is None else bars_held,
        )
        if position == held:
            return
        self._ledger.positions[code] = position
        await self._core.record([sql.save_position(position)])
        if position.stop_price > held.stop_price:
            self._core.publish(
                StopRaised(
                    at=self._core.now(),
                    code=code,
                    name=held.name,
                    old=held.stop_price,
                    new=position.stop_price,
                    reason=reason,
                )
            )

    async def latch(self, name: str, reason: str, actor: str) -> None:
        """Stop entries until a person releases ``name``."""
        await self._core.latch(name, reason, actor)

    async def release_latch(self, name: str, actor: str) -> bool:
        """False when there is no such latch. A released loss limit counts from now."""
        if name not in self._ledger.latches:
            return False
        await self._journal.write([sql.drop_latch(name)])
        self._ledger.latches.pop(name, None)
        if name == "daily_loss":
            self._ledger.equity_start = self._core.equity()
        elif name == "drawdown":
            self._ledger.equity_peak = self._core.equity()
        await self._core.save_equity()
        await self.record_audit(actor, "desk", "release_latch", {"name": name}, "allowed", "")
        return True

    async def stop_entries(self, actor: str, reason: str = "사람이 진입을 멈췄습니다") -> None:
        await self._core.latch(ENTRIES_LATCH, reason, actor)

    async def allow_entries(self, actor: str) -> None:
        await self.release_latch(ENTRIES_LATCH, actor)

    async def panic(self, actor: str) -> PanicReport:
        """Stop entries at once and cancel every open order of ours. Nothing is sold: that is ``flatten``."""
        await self._core.latch(PANIC_LATCH, f"비상 정지({actor})", actor)
        await self.record_audit(actor, "desk", "panic", {}, "allowed", "")
        return await self._cancel_all(actor)

    async def _cancel_all(self, actor: str) -> PanicReport:
        asked = [order for order in self.open_orders() if order.cancellable]
        for order in asked:
            await self.cancel(order.order_id, actor)
        now = [self._ledger.orders[order.order_id] for order in asked]
        waiting = tuple(order for order in self.open_orders())
        return PanicReport(tuple(order for order in now if not order.state.open), waiting)

    async def flatten(self, actor: str) -> PanicReport:
        """Sell every journalled position at the market. Only after a person confirmed it."""
        await self.record_audit(actor, "desk", "flatten", {}, "allowed", "")
        cancelled = await self._cancel_all(actor)
        sold, notes = [], []
        for position in self.positions():
            quantity = position.quantity - sum(order.remaining for order in self._reconciler.open_sales(position.code))
            if quantity <= 0:
                notes.append(f"{position.name}: 걸려 있는 매도 주문의 취소를 기다립니다")
                continue
            tries = sum(o.intent.code == position.code for o in self.orders(self._ledger.day))
            sold.append(
                await self.submit(
                    OrderIntent(
                        signal_key=f"panic:{position.position_id}:{tries}",
                        code=position.code,
                        side=Side.SELL,
                        type=OrderType.MARKET,
                        quantity=quantity,
                        price=0,
                        origin=Origin.PANIC,
                        purpose=Purpose.EXIT,
                        actor=actor,
                        exit_reason=ExitReason.PANIC,
                    )
                )
            )
        return replace(cancelled, sold=tuple(sold), notes=tuple(notes))

    async def confirm_difference(self, code: Code, actor: str) -> Position | None:
        """A person accepts the broker's figure for ``code``; the journal takes it over. Raises LookupError."""
        if code not in self._ledger.frozen and code not in self._ledger.suspects:
            raise LookupError(f"확인할 차이가 없는 종목입니다: {code}")
        await self._core.record(self._ledger.adopt_holding(code, self._core.name(code), self._core.now(), actor))
        await self.record_audit(actor, "desk", "confirm_difference", {"code": code}, "allowed", "")
        return self.position(code)

    async def arm(self, day: date, actor: str) -> None:
        """Let real-money entries pass on ``day``. Only ``engine.orders.arming`` calls this, after its checks."""
        self._core.armed_day = day
        await self.record_audit(actor, "desk", "arm", {"day": day}, "allowed", "")

    async def disarm(self, actor: str) -> None:
        self._core.armed_day = None
        await self.record_audit(actor, "desk", "disarm", {}, "allowed", "")

    @property
    def limits(self) -> RiskLimits:
        return self._core.limits

    def set_limits(self, limits: RiskLimits) -> None:
        """Limits for the next order on; a RiskLimits cannot hold an unlimited value."""
        self._core.limits = limits

    @property
    def armed(self) -> bool:
        return self._core.armed

    async def record_decision(
        self,
        code: Code,
        kind: str,
        *,
        score: float | None = None,
        input_digest: str = "",
        detail: Mapping[str, object] | None = None,
    ) -> None:
        """What was decided at this market time on which inputs. A full disk loses the note, never the trading loop."""
        await self._core.note(sql.add_decision(self._core.now(), code, kind, score, input_digest, detail or {}))

    async def record_audit(
        self,
        actor: str,
        platform: str,
        verb: str,
        arguments: Mapping[str, object],
        decision: str,
        reason: str,
    ) -> None:
        """Who asked for what, and what came of it."""
        await self._core.note(sql.add_audit(self._core.now(), actor, platform, verb, arguments, decision, reason))

    async def journal_hash(self, day: date) -> str:
        return await self._journal.digest(day)

    # -- background

    async def reconcile(self) -> ReconcileReport:
        report = await self._finish(self._reconciler.reconcile())
        if report.complete and not self._closing:
            self._core.reconciled = True
        self._changed.set()
        return report

    async def resolve_unknowns(self) -> None:
        """Look once into every unknown outcome that is due."""
        await self._finish(self._reconciler.resolve())

    def _touch(self, code: Code, delay: float) -> None:
        due = self._core.now() + timedelta(seconds=delay)
        known = self._dirty.get(code)
        self._dirty[code] = (min(due, known[0]) if known else due, 0)
        self._changed.set()

    def _wake(self) -> None:
        self._changed.set()

    async def _wait(self, until: datetime | None) -> None:
        """Return at ``until``, or as soon as something changed."""
        self._changed.clear()
        if until is None:
            await self._changed.wait()
            return
        left = (until - self._core.now()).total_seconds()
        if left <= 0:
            return
        try:
            async with self._clock.timeout(left):
                await self._changed.wait()
        except TimeoutError:
            pass

    async def _watch_doubts(self) -> None:
        while True:
            due = self._reconciler.next_due()
            if due is not None and due <= self._core.now():
                await self.resolve_unknowns()
                continue
            await self._wait(due)

    async def _watch_lists(self) -> None:
        while True:
            now = self._core.now()
            ready = sorted(code for code, (due, _) in self._dirty.items() if due <= now)
            for code in ready:
                _, attempt = self._dirty.pop(code)
                complete = await self._finish(self._reconciler.read_code(code))
                if code not in self._dirty and attempt < len(READ_AGAIN) and not (complete and self._caught_up(code)):
                    self._dirty[code] = (self._core.now() + timedelta(seconds=READ_AGAIN[attempt]), attempt + 1)
            if not ready:
                await self._wait(min((due for due, _ in self._dirty.values()), default=None))

    def _caught_up(self, code: Code) -> bool:
        """Whether the lists show at least the fills that notices told of."""
        for key, noticed in list(self._noticed.items()):
            leg = self._ledger.by_key.get(key)
            order = self._ledger.orders.get(leg.order_id) if leg else None
            if leg is None or order is None or not order.state.open or leg.filled >= noticed:
                del self._noticed[key]
            elif order.intent.code == code:
                return False
        return True

    async def _watch_account(self) -> None:
        while True:
            seconds = RECONCILE_SECONDS
            if self._core.market.phase() in NO_TRADING and self.ready:
                seconds = LATE_RECONCILE_SECONDS if self._ledger.open_orders() else CLOSED_RECONCILE_SECONDS
            await self._clock.sleep(seconds)
            report = await self.reconcile()
            if not report.complete:
                logger.warning("잔고 대조를 마치지 못했습니다: %s", report.reason)

    async def _watch_losses(self) -> None:
        while True:
            if self._core.market.phase() in NO_TRADING:
                await self._clock.sleep(RECONCILE_SECONDS)
                continue
            await self._core.check_losses()
            await self._clock.sleep(LOSS_CHECK_SECONDS)

    async def _beat(self) -> None:
        """On the wall: another process looks at the heartbeat, and a person waits for the stop file to work."""
        due = 0.0
        while True:
            if monotonic() >= due:
                due = monotonic() + HEARTBEAT_SECONDS
                try:
                    await self._journal.heartbeat()
                except JournalUnavailable as error:
                    self._core.tell_trouble(str(error))
            if self._core.stopped() and PANIC_LATCH not in self._ledger.latches:
                await self.panic("STOP 파일")
            await wall_sleep(STOP_FILE_SECONDS)


def _same_account(told: str, ours: str) -> bool:
    """Notices carry the account with or without its product digits and hyphen."""
    left, right = told.replace("-", ""), ours.replace("-", "")
    return left.startswith(right) or right.startswith(left)
