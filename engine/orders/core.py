"""What the parts of the desk share: the ledger with its journal, the market, and how news of a change is told."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from pathlib import Path

from engine.broker import Broker
from engine.clock import MarketClock
from engine.events import (
    ErrorRaised,
    Event,
    EventBus,
    OrderCancelled,
    OrderDenied,
    OrderFilled,
    OrderRejected,
    PositionClosed,
    ProtectionLatched,
)
from engine.krx import CostModel
from engine.market import Code, Environment, SecurityKind, Stock, Won
from engine.orders import risk, sql
from engine.orders.journal import Journal
from engine.orders.ledger import Change, Ledger
from engine.orders.values import CommandState, Latch, MarketView, OrderIntent, OrderRecord, OrderState
from engine.store import FenceLost, JournalUnavailable, Statement


class Core:
    def __init__(
        self,
        *,
        broker: Broker,
        journal: Journal,
        clock: MarketClock,
        events: EventBus,
        market: MarketView,
        limits: risk.RiskLimits,
        costs: CostModel,
        environment: Environment,
        account: str,
        stop_file: Path,
    ) -> None:
        self.broker = broker
        self.journal = journal
        self.clock = clock
        self.events = events
        self.market = market
        self.limits = limits
        self.costs = costs
        self.environment = environment
        self.account = account
        self.stop_file = stop_file
        self.ledger = Ledger(costs)
        self.reconciled = False
        self.armed_day: date | None = None
        self._told = ""

    def now(self) -> datetime:
        return self.clock.now()

    @property
    def ready(self) -> bool:
        """Reconciled since the start, and on this day."""
        return self.reconciled and self.ledger.day == self.clock.today()

    def stock(self, code: Code) -> Stock | None:
        return self.market.stock(code)

    def name(self, code: Code) -> str:
        stock = self.market.stock(code)
        return stock.name if stock else code

    @property
    def armed(self) -> bool:
        return self.armed_day == self.clock.today()

    # -- recording and telling

    async def record(self, statements: Sequence[Statement]) -> None:
        """Write what already happened. A disk that refuses is told once and the rows are kept for the next write."""
        try:
            await self.journal.write(statements, keep=True)
        except FenceLost as error:
            self.tell_trouble(str(error))
            return
        self.tell_trouble(self.journal.trouble)

    async def note(self, statement: Statement) -> None:
        """Write something that may be lost where the disk refuses it: it explains, nothing rests on it."""
        try:
            await self.journal.write([statement])
        except JournalUnavailable as error:
            self.tell_trouble(str(error))

    def tell_trouble(self, trouble: str) -> None:
        if trouble and trouble != self._told:
            self.publish(ErrorRaised(at=self.now(), where="주문 기록", message=trouble))
        self._told = trouble

    def publish(self, event: Event) -> None:
        self.events.publish(event)

    def tell(self, change: Change) -> None:
        """Publish what a recorded change means to people."""
        at = self.now()
        for order, quantity, value in change.fills:
            intent = order.intent
            self.publish(
                OrderFilled(
                    at=at,
                    order_id=order.order_id,
                    code=intent.code,
                    name=self.name(intent.code),
                    side=intent.side,
                    quantity=quantity,
                    price=round(value / quantity),
                    filled_total=order.filled,
                    average_price=order.average_fill_price,
                    complete=order.filled >= intent.quantity,
                    reason=intent.exit_reason.label if intent.exit_reason and intent.purpose == "exit" else "",
                )
            )
        for trade in change.trades:
            self.publish(PositionClosed(at=at, trade=trade))
        for order in change.ended:
            self.tell_end(order)

    def tell_end(self, order: OrderRecord) -> None:
        intent = order.intent
        common = {
            "at": self.now(),
            "order_id": order.order_id,
            "code": intent.code,
            "name": self.name(intent.code),
            "side": intent.side,
            "quantity": intent.quantity,
            "price": order.price,
        }
        if order.state is OrderState.CANCELLED:
            self.publish(OrderCancelled(**common, cancelled=order.cancelled))  # type: ignore[arg-type]
        elif order.state is OrderState.REJECTED:
            self.publish(OrderRejected(**common, broker_message=order.reason))  # type: ignore[arg-type]
        elif order.state is OrderState.DENIED:
            self.publish(OrderDenied(**common, reason=order.reason))  # type: ignore[arg-type]

    # -- protections

    async def latch(self, name: str, reason: str, actor: str) -> None:
        """Durable, in effect before the first wait."""
        if name in self.ledger.latches:
            return
        latch = Latch(name, reason, self.now(), actor)
        self.ledger.latches[name] = latch
        await self.record([sql.save_latch(latch)])
        self.publish(ProtectionLatched(at=latch.since, rule=name, message=reason))

    def equity(self) -> Won:
        """Settled cash and every share in the account at its last price."""
        known = {h.code: h.price for h in (self.ledger.balance.holdings if self.ledger.balance else ())}
        total = self.ledger.cash()
        for code, quantity in self.ledger.account.items():
            total += quantity * self._price(code, known.get(code, 0))
        return total

    def _price(self, code: Code, fallback: Won) -> Won:
        last = self.market.last(code)
        if last is not None and last[0] > 0:
            return last[0]
        position = self.ledger.positions.get(code)
        return fallback or (round(position.average_price) if position else 0)

    async def check_losses(self) -> None:
        """Latch the loss limits that the present equity breaks."""
        ledger = self.ledger
        if ledger.balance is None:
            return
        equity = self.equity()
        ledger.equity_last = equity
        ledger.equity_start = ledger.equity_start or equity
        ledger.equity_peak = max(ledger.equity_peak, equity)
        for name, reason in risk.losses(self.limits, equity, ledger.equity_start, ledger.equity_peak):
            await self.latch(name, reason, "risk")

    async def save_equity(self) -> None:
        ledger = self.ledger
        if ledger.equity_start:
            await self.record(
                [sql.save_equity(ledger.day, ledger.equity_start, ledger.equity_last, ledger.equity_peak)]
            )

    # -- what the gate looks at

    def stopped(self) -> bool:
        """The kill switch: the file, looked at on the disk each time."""
        return self.stop_file.exists()

    def risk_state(self, intent: OrderIntent, order_id: str = "") -> risk.RiskState:
        """The state for ``intent``, leaving out the order ``order_id`` that was made for it."""
        ledger, market, code = self.ledger, self.market, intent.code
        stock = market.stock(code)
        unknown_orders = ledger.unknown_orders()
        unknown_commands = [c for c in ledger.open_commands() if c.state is CommandState.UNKNOWN]
        unknown_codes = {
            o.intent.code for o in ledger.orders.values() if o.state is OrderState.UNKNOWN or o.needs_person
        }
        unknown_codes |= {
            ledger.orders[c.order_id].intent.code for c in unknown_commands if c.order_id in ledger.orders
        }
        known = {h.code: h.price for h in (ledger.balance.holdings if ledger.balance else ())}
        signals = frozenset(ledger.signals - {intent.signal_key} if order_id else ledger.signals)
        return risk.RiskState(
            now=self.now(),
            environment_matches=self.broker.environment is self.environment,
            environment=self.environment,
            armed=self.armed,
            writer=self.journal.writer,
            ready=self.ready,
            stop_file=self.stopped(),
            latches={name: latch.reason for name, latch in ledger.latches.items()},
            phase=market.phase(),
            equity=self.equity(),
            cash=ledger.cash(),
            holdings=ledger.sellable_holdings(),
            holding_values={c: q * self._price(c, known.get(c, 0)) for c, q in ledger.account.items() if q},
            resting=ledger.resting(without=order_id),
            sent=tuple(ledger.sent),
            known_signals=signals,
            frozen=frozenset(ledger.frozen) | frozenset(ledger.suspects),
            code_rejects=ledger.rejects(code),
            unknown_codes=frozenset(unknown_codes),
            unknown_count=len(unknown_orders) + len(unknown_commands),
            consecutive_losses=ledger.consecutive_losses(),
            quote=market.last(code),
            band=market.band(code),
            flags=market.flags(code),
            vi_active=market.vi_active(code),
            halted=market.halted(code),
            kind=stock.kind if stock else SecurityKind.STOCK,
            known_stock=stock is not None,
        )
