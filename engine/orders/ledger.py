"""The projection of the journal in memory: orders, positions, reserves. Changing it gives the statements to write.

No method waits, so a check and the reservation that follows from it cannot be torn apart. The caller writes the
statements before it acts on the change.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field, replace
from datetime import date, datetime

from engine.broker import BrokerOrder, OrderKey
from engine.krx import CostModel
from engine.market import Balance, Code, Market, SecurityKind, Shares, Side, Stock, Won
from engine.orders import sql, states
from engine.orders.journal import JournalImage
from engine.orders.resolution import mark
from engine.orders.risk import Resting, Sent
from engine.orders.values import (
    CommandKind,
    CommandState,
    Difference,
    Latch,
    OrderCommand,
    OrderIntent,
    OrderRecord,
    OrderState,
    Origin,
    Position,
)
from engine.results import ExitReason, Trade
from engine.store import Statement

KEPT_DAYS = 7


@dataclass(slots=True)
class Leg:
    """One broker key of an order with what the broker last confirmed for it."""

    key: OrderKey
    order_id: str
    number: int
    filled: Shares = 0
    filled_value: Won = 0
    done: bool = False


@dataclass(slots=True)
class Change:
    """What a step changed. ``fills`` holds (order after it, shares, won) of each new fill."""

    statements: list[Statement] = field(default_factory=list)
    fills: list[tuple[OrderRecord, Shares, Won]] = field(default_factory=list)
    ended: list[OrderRecord] = field(default_factory=list)
    """Orders that this step cancelled or rejected."""
    trades: list[Trade] = field(default_factory=list)


class Ledger:
    def __init__(self, costs: CostModel) -> None:
        self._costs = costs
        self.day = date.min
        self.orders: dict[str, OrderRecord] = {}
        self.legs: dict[str, list[Leg]] = {}
        self.by_key: dict[OrderKey, Leg] = {}
        self.commands: dict[str, OrderCommand] = {}
        self.positions: dict[Code, Position] = {}
        self.external: dict[OrderKey, BrokerOrder] = {}
        self.latches: dict[str, Latch] = {}
        self.frozen: dict[Code, Difference] = {}
        self.suspects: dict[Code, Difference] = {}
        """Differences seen once: no entries, not yet announced."""
        self.signals: set[str] = set()
        self.trades: list[Trade] = []
        self.sent: list[Sent] = []
        self.seen_numbers: dict[tuple[Code, Side], set[str]] = defaultdict(set)
        self.balance: Balance | None = None
        """The balance that cash is counted from."""
        self.newest_balance: Balance | None = None
        self.account: dict[Code, Shares] = {}
        """Shares in the account: the last balance, moved on by our fills since."""
        self.cash_since_balance: Won = 0
        self.equity_start: Won = 0
        self.equity_last: Won = 0
        self.equity_peak: Won = 0
        self.past: dict[date, tuple[tuple[OrderRecord, ...], tuple[Trade, ...], tuple[BrokerOrder, ...]]] = {}
        self._order_count = 0
        self._command_count = 0

    def load(self, image: JournalImage, day: date) -> None:
        """Rebuild everything from the journal."""
        self.day = day
        self.orders = {order.order_id: order for order in image.orders}
        self.legs, self.by_key = {}, {}
        for row in image.keys:
            order = self.orders[row.order_id]
            leg = Leg(row.key, row.order_id, row.leg, row.filled, row.filled_value, not order.state.open)
            self.legs.setdefault(row.order_id, []).append(leg)
            self.by_key[row.key] = leg
        self.commands = {command.command_id: command for command in image.commands}
        self.positions = {position.code: position for position in image.positions}
        self.external = {order.key: order for order in image.external}
        self.latches = {latch.name: latch for latch in image.latches}
        self.frozen = {difference.code: difference for difference in image.frozen}
        self.signals = set(image.signals)
        self.trades = list(image.trades)
        self.sent = [
            Sent(order.sent_at, order.intent.code, order.intent.origin, order.intent.purpose)
            for order in image.orders
            if order.sent_at is not None and order.day == day
        ]
        self._order_count, self._command_count = image.order_count, image.command_count
        if image.equity is not None:
            known_day, start, self.equity_last, self.equity_peak = image.equity
            self.equity_start = start if known_day == day else 0

    def roll(self, day: date) -> None:
        """Begin a new day: finished orders, rates and the day's start of equity go; what is open stays."""
        self.past[self.day] = (tuple(self.orders.values()), tuple(self.trades), tuple(self.external.values()))
        for old in sorted(self.past)[:-KEPT_DAYS]:
            del self.past[old]
        self.day = day
        self.orders = {key: order for key, order in self.orders.items() if order.state.open}
        self.legs = {key: legs for key, legs in self.legs.items() if key in self.orders}
        self.by_key = {leg.key: leg for legs in self.legs.values() for leg in legs}
        self.external.clear()
        self.trades.clear()
        self.sent.clear()
        self.seen_numbers.clear()
        self.equity_start = 0
        self._order_count = self._command_count = 0

    # -- reading

    def open_orders(self) -> tuple[OrderRecord, ...]:
        return tuple(order for order in self.orders.values() if order.state.open)

    def unknown_orders(self) -> tuple[OrderRecord, ...]:
        return tuple(order for order in self.orders.values() if order.state is OrderState.UNKNOWN)

    def open_commands(self) -> tuple[OrderCommand, ...]:
        return tuple(command for command in self.commands.values() if command.state.open)

    def resting(self, without: str = "") -> tuple[Resting, ...]:
        """Every open order, ours (but ``without``) and the owner's own."""
        ours = [
            Resting(
                order.intent.code,
                order.intent.side,
                order.price,
                order.remaining,
                order.reserve_price,
                settled=order.state.resting,
            )
            for order in self.orders.values()
            if order.state.open and order.order_id != without
        ]
        theirs = [
            Resting(row.code, row.side, row.price, row.remaining, row.price, external=True)
            for row in self.external.values()
            if row.remaining > 0
        ]
        return tuple(ours + theirs)

    def cash(self) -> Won:
        return (self.balance.settled_cash if self.balance else 0) + self.cash_since_balance

    def reserved_cash(self) -> Won:
        value = sum(order.remaining * order.reserve_price for order in self.resting() if order.side is Side.BUY)
        return value + value // 1_000

    def sellable_holdings(self) -> dict[Code, Shares]:
        """Journalled shares, cut to the broker's figure where the two differ."""
        held = {code: position.quantity for code, position in self.positions.items()}
        for difference in (*self.suspects.values(), *self.frozen.values()):
            if difference.code in held:
                held[difference.code] = min(held[difference.code], difference.broker)
        return held

    def rejects(self, code: Code) -> int:
        counted = Counter(
            order.intent.code
            for order in self.orders.values()
            if order.state is OrderState.REJECTED and order.day == self.day
        )
        return counted[code]

    def consecutive_losses(self) -> int:
        count = 0
        for trade in reversed(self.trades):
            if trade.profit >= 0:
                break
            count += 1
        return count

    def fence(self, code: Code, side: Side) -> frozenset[str]:
        known = set(self.seen_numbers[code, side])
        known |= {mark(leg.key) for leg in self.by_key.values() if leg.key.day == self.day}
        known |= {mark(key) for key in self.external}
        return frozenset(known)

    # -- orders

    def prepare(self, intent: OrderIntent, at: datetime, reserve_price: Won) -> tuple[OrderRecord, list[Statement]]:
        order = OrderRecord(
            self._next_id(), intent, OrderState.PREPARED, at, at, price=intent.price, reserve_price=reserve_price
        )
        self.orders[order.order_id] = order
        self.signals.add(intent.signal_key)
        return order, [sql.save_order(order), sql.add_step(order)]

    def deny(self, intent: OrderIntent, at: datetime, reason: str) -> tuple[OrderRecord, list[Statement]]:
        order = OrderRecord(self._next_id(), intent, OrderState.DENIED, at, at, price=intent.price, reason=reason)
        self.orders[order.order_id] = order
        return order, [sql.save_order(order), sql.add_step(order)]

    def forget(self, order_id: str) -> None:
        """Take back a prepared or denied order that could not be recorded."""
        order = self.orders.pop(order_id)
        if order.state is not OrderState.DENIED:
            self.signals.discard(order.intent.signal_key)

    def _next_id(self) -> str:
        self._order_count += 1
        return f"{self.day:%Y%m%d}-{self._order_count:04d}"

    def move(
        self, order_id: str, state: OrderState, at: datetime, reason: str = "", **changes: object
    ) -> tuple[OrderRecord, list[Statement]]:
        before = self.orders[order_id]
        order: OrderRecord = replace(
            before,
            state=states.check(before.state, state),
            updated_at=at,
            reason=reason or before.reason,
            **changes,  # type: ignore[arg-type]
        )
        self.orders[order_id] = order
        if state is OrderState.SENDING:
            self.sent.append(Sent(at, order.intent.code, order.intent.origin, order.intent.purpose))
        if state is OrderState.PREPARED:  # proven not sent: it does not count against the rates
            self.sent = [sent for sent in self.sent if (sent.at, sent.code) != (before.sent_at, order.intent.code)]
        if state is OrderState.DENIED:
            self.signals.discard(order.intent.signal_key)
        return order, [sql.save_order(order), sql.add_step(order, reason)]

    def bind(self, order_id: str, key: OrderKey, at: datetime, reason: str = "") -> tuple[OrderRecord, list[Statement]]:
        """The broker has the order under ``key``."""
        legs = self.legs.setdefault(order_id, [])
        leg = Leg(key, order_id, len(legs))
        order, statements = self.move(order_id, OrderState.ACCEPTED, at, reason, key=key, needs_person=False)
        self._add_leg(leg)
        return order, [*statements, sql.save_key(order_id, leg.number, key, 0, 0)]

    def rebind(self, order_id: str, key: OrderKey, price: Won, at: datetime) -> tuple[OrderRecord, list[Statement]]:
        """An amend gave the rest of the order a new key and price."""
        before = self.orders[order_id]
        leg = Leg(key, order_id, len(self.legs[order_id]))
        reserve = price if before.intent.side is Side.BUY else 0
        order = replace(before, key=key, price=price, reserve_price=reserve, updated_at=at)
        self.orders[order_id] = order
        self._add_leg(leg)
        return order, [
            sql.save_order(order),
            sql.add_step(order, f"정정 {price:,}원"),
            sql.save_key(order_id, leg.number, key, 0, 0),
        ]

    def swap_key(self, order_id: str, key: OrderKey, at: datetime) -> tuple[OrderRecord, list[Statement]]:
        """A person says that an unfilled order was taken for another one of the same shape."""
        wrong = self.legs[order_id].pop()
        if wrong.filled:
            self.legs[order_id].append(wrong)
            raise LookupError("이미 체결된 주문입니다. 잔고 차이를 확인해 주십시오")
        del self.by_key[wrong.key]
        leg = Leg(key, order_id, wrong.number)
        self._add_leg(leg)
        order = replace(self.orders[order_id], key=key, needs_person=False, updated_at=at)
        self.orders[order_id] = order
        return order, [
            ("DELETE FROM order_keys WHERE order_id = ? AND leg = ?", (order_id, wrong.number)),
            sql.save_order(order),
            sql.add_step(order, "사람이 주문 번호를 바로잡음"),
            sql.save_key(order_id, leg.number, key, 0, 0),
        ]

    def _add_leg(self, leg: Leg) -> None:
        self.legs.setdefault(leg.order_id, [])
        self.legs[leg.order_id].append(leg)
        self.by_key[leg.key] = leg

    def amending(self, order_id: str) -> bool:
        return any(
            command.order_id == order_id and command.kind is CommandKind.AMEND and command.state.open
            for command in self.commands.values()
        )

    # -- what the broker lists

    def apply(self, row: BrokerOrder, at: datetime, stock: Stock | None) -> Change:
        """Take one row of the broker's list for a bound order. Cumulative figures only grow; deltas are never added."""
        change = Change()
        leg = self.by_key.get(row.key)
        if leg is None:
            return change
        if row.filled > leg.filled:
            self._fill(change, leg, row, at, stock)
        order = self.orders[leg.order_id]
        consistent = row.filled + row.cancelled + row.rejected + row.remaining == row.quantity
        leg.done = leg.done or (consistent and row.remaining == 0 and leg.filled >= row.filled)
        self._settle(change, leg.order_id, row, at, order)
        return change

    def _settle(self, change: Change, order_id: str, row: BrokerOrder, at: datetime, order: OrderRecord) -> None:
        legs = self.legs[order_id]
        whole = order.filled >= order.intent.quantity
        ended = whole or (legs[-1].done and legs[-1].key == row.key and not self.amending(order_id))
        rest = order.intent.quantity - order.filled
        if not order.state.resting:
            if order.state is OrderState.CANCELLED and whole:
                _, statements = self.move(order_id, OrderState.FILLED, at, "취소보다 체결이 먼저였습니다", cancelled=0)
                change.statements += statements
            return
        if whole:
            _, statements = self.move(order_id, OrderState.FILLED, at)
        elif ended and order.filled == 0 and row.rejected >= row.quantity:
            order, statements = self.move(order_id, OrderState.REJECTED, at, "거래소가 거부했습니다")
            change.ended.append(order)
        elif ended:
            order, statements = self.move(order_id, OrderState.CANCELLED, at, cancelled=rest)
            change.ended.append(order)
        elif order.filled and order.state is OrderState.ACCEPTED:
            _, statements = self.move(order_id, OrderState.PARTIALLY_FILLED, at)
        else:
            return
        change.statements += statements

    def _fill(self, change: Change, leg: Leg, row: BrokerOrder, at: datetime, stock: Stock | None) -> None:
        order = self.orders[leg.order_id]
        value = row.filled_value or round(row.average_fill_price * row.filled)
        room = order.intent.quantity - order.filled
        quantity = min(row.filled - leg.filled, room)
        step = value - leg.filled_value
        if quantity <= 0 or step <= 0:
            return  # a list that knows the shares but not yet the money: the next read has both
        kind = stock.kind if stock else SecurityKind.STOCK
        market = stock.market if stock else Market.KOSPI
        leg.filled, leg.filled_value = leg.filled + quantity, value
        total = order.filled_value + step
        fees = self._costs.commission(total, kind)
        taxes = 0
        if order.intent.side is Side.SELL:
            fees, taxes = self._costs.sell_costs(total, order.day, market, kind)
        paid = (fees - order.fees) + (taxes - order.taxes)
        cancelled = min(order.cancelled, room - quantity)
        filled = replace(
            order,
            filled=order.filled + quantity,
            filled_value=total,
            fees=fees,
            taxes=taxes,
            cancelled=cancelled,
            updated_at=at,
        )
        self.orders[leg.order_id] = filled
        moved = quantity if order.intent.side is Side.BUY else -quantity
        self.account[order.intent.code] = max(0, self.account.get(order.intent.code, 0) + moved)
        if order.intent.side is Side.BUY:
            self.cash_since_balance -= step + paid
            self._bought(change, order, filled, quantity, step, at, stock)
        else:
            self.cash_since_balance += step - paid
            self._sold(change, order, filled, quantity, step, at)
        change.statements += [
            sql.save_order(filled),
            sql.save_key(order.order_id, leg.number, leg.key, leg.filled, leg.filled_value),
            sql.add_fill(order.order_id, leg.key, leg.filled, quantity, step, at),
        ]
        change.fills.append((filled, quantity, step))

    def _bought(
        self,
        change: Change,
        before: OrderRecord,
        order: OrderRecord,
        quantity: Shares,
        value: Won,
        at: datetime,
        stock: Stock | None,
    ) -> None:
        intent = order.intent
        price = -(-value // quantity)
        held = self.positions.get(intent.code)
        if held is None:
            held = Position(
                code=intent.code,
                name=stock.name if stock else intent.code,
                quantity=0,
                average_price=0.0,
                opened_at=at,
                stop_price=intent.stop_price,
                target_price=intent.target_price,
                stop_reason=intent.exit_reason or ExitReason.FIXED_STOP,
                entry_score=intent.score,
                entry_reasons=intent.reasons,
                origin=intent.origin,
                entry_order_id=order.order_id,
                position_id=f"{order.order_id}+{before.filled}",
            )
        total = held.quantity + quantity
        position = replace(
            held,
            quantity=total,
            average_price=(held.average_price * held.quantity + value) / total,
            stop_price=held.stop_price or intent.stop_price,
            target_price=held.target_price or intent.target_price,
            highest_price=max(held.highest_price, price),
            fees=held.fees + order.fees - before.fees,
            bought=held.bought + quantity,
            bought_value=held.bought_value + value,
        )
        self.positions[intent.code] = position
        change.statements.append(sql.save_position(position))

    def _sold(
        self, change: Change, before: OrderRecord, order: OrderRecord, quantity: Shares, value: Won, at: datetime
    ) -> None:
        held = self.positions.get(order.intent.code)
        if held is None:
            return  # the holding was taken out of the journal by a person: the fill itself is still recorded
        position = replace(
            held,
            quantity=max(0, held.quantity - quantity),
            fees=held.fees + order.fees - before.fees,
            taxes=held.taxes + order.taxes - before.taxes,
            sold=held.sold + quantity,
            sold_value=held.sold_value + value,
            exit_reason=order.intent.exit_reason or ExitReason.MANUAL,
        )
        if position.quantity:
            self.positions[position.code] = position
            change.statements.append(sql.save_position(position))
            return
        del self.positions[position.code]
        trade = sql.trade_of(position, at)
        self.trades.append(trade)
        change.trades.append(trade)
        change.statements.append(sql.save_position(position, at))

    def note_row(self, row: BrokerOrder) -> None:
        self.seen_numbers[row.code, row.side].add(mark(row.key))

    def adopt_external(self, row: BrokerOrder) -> list[Statement]:
        """An order that somebody placed elsewhere. Returns nothing when it is known and unchanged."""
        if self.external.get(row.key) == row:
            return []
        self.external[row.key] = row
        return [sql.save_external(row)]

    # -- commands

    def next_command(
        self, order: OrderRecord, kind: CommandKind, price: Won, actor: str, at: datetime, fence: frozenset[str]
    ) -> tuple[OrderCommand, list[Statement]]:
        self._command_count += 1
        command = OrderCommand(
            f"{self.day:%Y%m%d}-C{self._command_count:04d}",
            order.order_id,
            kind,
            CommandState.SENDING,
            price,
            actor,
            at,
            fence,
        )
        self.commands[command.command_id] = command
        return command, [sql.save_command(command)]

    def settle_command(
        self, command_id: str, state: CommandState, reason: str = "", unknown_at: datetime | None = None
    ) -> tuple[OrderCommand, list[Statement]]:
        before = self.commands[command_id]
        command = replace(
            before, state=state, reason=reason or before.reason, unknown_at=unknown_at or before.unknown_at
        )
        if state.open:
            self.commands[command_id] = command
        else:
            del self.commands[command_id]
        return command, [sql.save_command(command)]

    # -- balance

    def take_balance(self, balance: Balance) -> None:
        self.balance = balance
        self.account = {holding.code: holding.quantity for holding in balance.holdings}
        self.cash_since_balance = 0

    def differences(self, balance: Balance) -> dict[Code, Difference]:
        broker = {holding.code: holding.quantity for holding in balance.holdings if holding.quantity}
        journal = {code: position.quantity for code, position in self.positions.items()}
        return {
            code: Difference(code, journal.get(code, 0), broker.get(code, 0))
            for code in sorted(broker.keys() | journal.keys())
            if journal.get(code, 0) != broker.get(code, 0)
        }

    def adopt_holding(self, code: Code, name: str, at: datetime, actor: str) -> list[Statement]:
        """Make the journal agree with the broker's balance: a person confirmed it."""
        held = self.positions.get(code)
        newest = self.newest_balance
        holding = next((h for h in (newest.holdings if newest else ()) if h.code == code), None)
        quantity = holding.quantity if holding else 0
        before = held.quantity if held else 0
        statements = [sql.add_adjustment(at, code, before, quantity, actor), sql.drop_frozen(code)]
        self.frozen.pop(code, None)
        self.suspects.pop(code, None)
        if holding is None or quantity == 0:
            if held is not None:
                del self.positions[code]
                statements.append(sql.save_position(replace(held, quantity=0), at))
            return statements
        if held is None:
            held = Position(
                code=code,
                name=holding.name or name,
                quantity=0,
                average_price=0.0,
                opened_at=at,
                origin=Origin.EXTERNAL,
                position_id=f"adopted-{at:%Y%m%d-%H%M%S}-{code}",
            )
        position = replace(
            held,
            quantity=quantity,
            average_price=holding.average_price,
            highest_price=max(held.highest_price, holding.price),
            bought=held.sold + quantity,
            bought_value=round((held.sold + quantity) * holding.average_price),
            adopted=True,
        )
        self.positions[code] = position
        return [*statements, sql.save_position(position)]
