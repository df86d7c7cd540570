"""The one door to the broker: gate → durable intent → send → accepted, rejected, not sent or unknown."""

from __future__ import annotations

import asyncio
import heapq
import itertools
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace

from engine.broker import Accepted, NewOrder, NotSent, OrderKey, Outcome, Rejected, Unknown
from engine.events import ErrorRaised, OrderAccepted, OrderUnknown
from engine.orders import risk, sql
from engine.orders.core import Core
from engine.orders.values import (
    CommandKind,
    CommandState,
    OrderCommand,
    OrderIntent,
    OrderRecord,
    OrderState,
    Origin,
    Purpose,
)
from engine.store import AlreadyRecorded, JournalUnavailable

logger = logging.getLogger(__name__)

GATEWAY_RETRIES = 2
DENIED_REPEAT_SECONDS = 10.0


class Turns:
    """Sends are serialised over the whole account; who reduces risk goes first."""

    def __init__(self) -> None:
        self._busy = False
        self._waiting: list[tuple[int, int, asyncio.Future[None]]] = []
        self._order = itertools.count()

    @asynccontextmanager
    async def take(self, urgency: int) -> AsyncIterator[None]:
        if self._busy:
            turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            heapq.heappush(self._waiting, (urgency, next(self._order), turn))
            try:
                await turn
            except asyncio.CancelledError:
                if turn.done() and not turn.cancelled():
                    self._pass_on()
                raise
        self._busy = True
        try:
            yield
        finally:
            self._pass_on()

    def _pass_on(self) -> None:
        self._busy = False
        while self._waiting:
            _, _, turn = heapq.heappop(self._waiting)
            if not turn.done():
                self._busy = True
                turn.set_result(None)
                return


async def ask(call: Callable[[], Awaitable[Outcome]]) -> Outcome:
    """Whatever goes wrong after the intent was recorded is an unknown outcome, never a failure of the caller."""
    try:
        return await call()
    except Exception as error:
        logger.exception("order call")
        return Unknown(f"{type(error).__name__}: {error}")


class Door:
    """``touched`` is told of codes whose lists should be read soon, ``unclear`` that an outcome is unknown."""

    def __init__(
        self,
        core: Core,
        touched: Callable[[str, float], None],
        unclear: Callable[[], None],
        read_now: Callable[[str], Awaitable[bool]],
    ) -> None:
        self._core = core
        self._touched = touched
        self._unclear = unclear
        self._read_now = read_now
        self._turns = Turns()
        self._denied: dict[tuple[str, str, str, str], OrderRecord] = {}

    # -- new orders

    async def submit(self, intent: OrderIntent) -> OrderRecord:
        urgency = 0 if intent.purpose is Purpose.EXIT else 1
        async with self._turns.take(urgency):
            await self._core.check_losses()
            if intent.purpose is Purpose.EXIT:
                await self._clear_way(intent)
            decision = risk.evaluate(self._core.limits, self._core.risk_state(intent), intent)
            if isinstance(decision, risk.Deny):
                return await self._deny(intent, decision)
            # No wait between the gate and the reservation: two intents cannot both pass on the same money.
            order, statements = self._core.ledger.prepare(intent, self._core.now(), decision.reserve_price)
            try:
                await self._core.journal.write(statements)
            except JournalUnavailable as error:
                return self._refuse(order, str(error))
            except AlreadyRecorded:
                self._core.ledger.forget(order.order_id)
                self._core.ledger.signals.add(intent.signal_key)
                return await self._deny(intent, risk.Deny("R5", "같은 신호의 주문이 이미 있습니다"))
            return await self._send(order.order_id)

    async def _deny(self, intent: OrderIntent, decision: risk.Deny) -> OrderRecord:
        """Recorded, but a wish that is repeated every moment is recorded once in ten seconds."""
        core, now = self._core, self._core.now()
        which = (intent.code, intent.side.value, intent.origin.value, decision.rule)
        last = self._denied.get(which)
        repeated = last is not None and (now - last.created_at).total_seconds() < DENIED_REPEAT_SECONDS
        if last is not None and repeated and intent.origin is not Origin.MANUAL:
            return replace(last, intent=intent, reason=decision.reason_ko)
        order, statements = core.ledger.deny(intent, now, decision.reason_ko)
        self._denied[which] = order
        await core.record(statements)
        core.tell_end(order)
        return order

    def _refuse(self, order: OrderRecord, reason: str) -> OrderRecord:
        """The disk cannot take the intent: nothing was sent, and only the user is told."""
        self._core.ledger.forget(order.order_id)
        refused = replace(order, state=OrderState.DENIED, reason=reason)
        self._core.tell_trouble(reason)
        self._core.tell_end(refused)
        return refused

    async def _send(self, order_id: str) -> OrderRecord:
        core, ledger = self._core, self._core.ledger
        for attempt in range(GATEWAY_RETRIES + 1):
            order = ledger.orders[order_id]
            intent = order.intent
            decision = risk.evaluate(core.limits, core.risk_state(intent, order_id), intent)
            if isinstance(decision, risk.Deny):
                order, statements = ledger.move(order_id, OrderState.DENIED, core.now(), decision.reason_ko)
                await core.record(statements)
                core.tell_end(order)
                return order
            now = core.now()
            order, statements = ledger.move(
                order_id, OrderState.SENDING, now, sent_at=now, fence=ledger.fence(intent.code, intent.side)
            )
            try:
                await core.journal.write(statements)
            except JournalUnavailable as error:
                core.tell_trouble(str(error))
                return await self._not_sent(order_id, str(error))
            if intent.purpose is Purpose.ENTRY and (core.stopped() or ledger.latches):
                return await self._not_sent(order_id, "보내기 직전에 정지되었습니다")
            wanted = NewOrder(intent.code, intent.side, intent.type, intent.quantity, intent.price)
            outcome = await ask(lambda wanted=wanted: core.broker.place(wanted))  # type: ignore[misc]
            if isinstance(outcome, NotSent) and outcome.retry_after > 0 and attempt < GATEWAY_RETRIES:
                _, statements = ledger.move(order_id, OrderState.PREPARED, core.now(), outcome.reason)
                await core.record(statements)
                await core.clock.sleep(outcome.retry_after)
                continue
            return await self._outcome(order_id, outcome)
        raise AssertionError("unreachable")

    async def _not_sent(self, order_id: str, reason: str) -> OrderRecord:
        order, statements = self._core.ledger.move(order_id, OrderState.NOT_SENT, self._core.now(), reason)
        await self._core.record(statements)
        self._core.publish(
            ErrorRaised(
                at=self._core.now(),
                where=f"{self._core.name(order.intent.code)} {order.intent.side.label} 주문",
                message=f"보내지 못했습니다: {reason}",
            )
        )
        return order

    async def _outcome(self, order_id: str, outcome: Outcome) -> OrderRecord:
        core, now = self._core, self._core.now()
        intent = core.ledger.orders[order_id].intent
        match outcome:
            case Accepted(key=key):
                order, statements = core.ledger.bind(order_id, key, now)
                await core.record(statements)
                core.publish(
                    OrderAccepted(
                        at=now,
                        order_id=order_id,
                        code=intent.code,
                        name=core.name(intent.code),
                        side=intent.side,
                        quantity=intent.quantity,
                        price=intent.price,
                    )
                )
                self._touched(intent.code, 1.0)
            case Rejected(code=code, message=message):
                said = f"{message} ({code})" if code else message
                order, statements = core.ledger.move(order_id, OrderState.REJECTED, now, said)
                await core.record(statements)
                core.tell_end(order)
            case NotSent(reason=reason):
                order = await self._not_sent(order_id, reason)
            case Unknown(reason=reason):
                order, statements = core.ledger.move(order_id, OrderState.UNKNOWN, now, reason, unknown_at=now)
                await core.record(statements)
                core.publish(
                    OrderUnknown(
                        at=now,
                        order_id=order_id,
                        code=intent.code,
                        name=core.name(intent.code),
                        side=intent.side,
                        quantity=intent.quantity,
                        price=intent.price,
                        reason=reason,
                    )
                )
                self._unclear()
        return order

    async def _clear_way(self, intent: OrderIntent) -> None:
        """An exit must not meet our own resting buy: that is withdrawn first."""
        for order in self._core.ledger.open_orders():
            mine = order.intent
            if mine.code != intent.code or mine.side is intent.side or not order.cancellable:
                continue
            if order.price == 0 or intent.price == 0 or intent.price <= order.price:
                await self._cancel(order.order_id, "desk")

    # -- cancels and amends

    async def cancel(self, order_id: str, actor: str) -> OrderRecord:
        async with self._turns.take(0):
            return await self._cancel(order_id, actor)

    async def _cancel(self, order_id: str, actor: str) -> OrderRecord:
        order = self._core.ledger.orders[order_id]
        if not order.cancellable or self._under_way(order_id):
            return order
        assert order.key is not None
        key: OrderKey = order.key
        rest = NewOrder(order.intent.code, order.intent.side, order.intent.type, order.remaining, order.price)
        await self._command(order, CommandKind.CANCEL, order.price, actor, lambda: self._core.broker.cancel(key, rest))
        return self._core.ledger.orders.get(order_id, order)

    def _under_way(self, order_id: str) -> bool:
        return any(command.order_id == order_id for command in self._core.ledger.open_commands())

    async def amend(self, order_id: str, price: int, quantity: int, actor: str) -> OrderRecord:
        async with self._turns.take(1):
            core = self._core
            order = core.ledger.orders[order_id]
            if not order.cancellable or self._under_way(order_id):
                return replace(order, reason="지금은 정정할 수 없는 주문입니다")
            if quantity != order.remaining:
                return replace(order, reason=f"남은 {order.remaining:,}주 전부의 가격만 바꿀 수 있습니다")
            wish = replace(order.intent, price=price, quantity=quantity, actor=actor)
            decision = risk.evaluate(core.limits, core.risk_state(wish, order_id), wish)
            if isinstance(decision, risk.Deny):
                return replace(order, reason=decision.reason_ko)
            assert order.key is not None
            key: OrderKey = order.key
            changed = NewOrder(order.intent.code, order.intent.side, order.intent.type, quantity, price)
            if order.intent.purpose is Purpose.ENTRY:
                # Until the answer is known the dearer of the two prices stays reserved.
                reserve = max(order.reserve_price, decision.reserve_price)
                core.ledger.orders[order_id] = replace(order, reserve_price=reserve)
            outcome = await self._command(
                order, CommandKind.AMEND, price, actor, lambda: core.broker.amend(key, changed)
            )
            after = core.ledger.orders.get(order_id, order)
            if isinstance(outcome, Rejected | NotSent):
                reason = outcome.message if isinstance(outcome, Rejected) else outcome.reason
                if after.state.open:
                    core.ledger.orders[order_id] = replace(after, reserve_price=order.reserve_price)
                return replace(after, reason=reason)
            return after

    async def _command(
        self, order: OrderRecord, kind: CommandKind, price: int, actor: str, call: Callable[[], Awaitable[Outcome]]
    ) -> Outcome:
        core, ledger = self._core, self._core.ledger
        fence = ledger.fence(order.intent.code, order.intent.side)
        command, statements = ledger.next_command(order, kind, price, actor, core.now(), fence)
        if kind is CommandKind.AMEND:
            try:
                await core.journal.write(statements)
            except JournalUnavailable as error:
                del ledger.commands[command.command_id]
                core.tell_trouble(str(error))
                return NotSent(str(error))
        else:
            await core.record(statements)  # a cancel only takes risk away: it goes out even over a full disk
        outcome = await ask(call)
        for _ in range(GATEWAY_RETRIES):
            if not (isinstance(outcome, NotSent) and outcome.retry_after > 0):
                break
            await core.clock.sleep(outcome.retry_after)
            outcome = await ask(call)
        await self._command_outcome(command, outcome)
        return outcome

    async def _command_outcome(self, command: OrderCommand, outcome: Outcome) -> None:
        core, ledger, now = self._core, self._core.ledger, self._core.now()
        if command.command_id not in ledger.commands:
            return  # a list settled it while the answer was on its way
        order = ledger.orders[command.order_id]
        match outcome:
            case Accepted(key=key):
                _, statements = ledger.settle_command(command.command_id, CommandState.ACCEPTED)
                if command.kind is CommandKind.AMEND and key not in ledger.by_key:
                    _, more = ledger.rebind(order.order_id, key, command.price, now)
                    statements += more
            case Rejected(message=message):
                _, statements = ledger.settle_command(command.command_id, CommandState.REJECTED, message)
            case NotSent(reason=reason):
                _, statements = ledger.settle_command(command.command_id, CommandState.NOT_SENT, reason)
            case Unknown(reason=reason):
                _, statements = ledger.settle_command(command.command_id, CommandState.UNKNOWN, reason, now)
                self._unclear()
        await core.record([*statements, sql.add_step(order, f"{command.kind} {type(outcome).__name__.lower()}")])
        if not await self._read_now(order.intent.code):
            self._touched(order.intent.code, 1.0)
