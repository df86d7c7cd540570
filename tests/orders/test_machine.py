"""The ledger under generated lists: cumulative figures in any order, repeated, late or contradictory."""

from __future__ import annotations

import itertools
from dataclasses import replace
from datetime import datetime, timedelta

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from engine.broker import BrokerOrder, OrderKey, OrderType
from engine.krx import CostModel
from engine.market import KST, Market, Side, Stock
from engine.orders import states
from engine.orders.ledger import Ledger
from engine.orders.values import CommandKind, CommandState, OrderIntent, OrderState, Origin, Purpose

NOW = datetime(2026, 3, 10, 10, 0, tzinfo=KST)
STOCK = Stock("005930", "삼성전자", Market.KOSPI)


class Books(RuleBasedStateMachine):
    """One buy and then sales of it; the broker's truth is kept beside and shown in stale and fresh copies."""

    def __init__(self) -> None:
        super().__init__()
        self.ledger = Ledger(CostModel())
        self.ledger.day = NOW.date()
        self.now = NOW
        self.truth: dict[OrderKey, BrokerOrder] = {}
        self.shown: list[BrokerOrder] = []
        self.history: dict[str, list[OrderState]] = {}
        self.highest: dict[str, int] = {}
        self.count = 0

    def _place(self, side: Side, quantity: int) -> None:
        self.count += 1
        entry = side is Side.BUY
        intent = OrderIntent(
            f"s{self.count}",
            STOCK.code,
            side,
            OrderType.LIMIT,
            quantity,
            70_000,
            Origin.BOT,
            Purpose.ENTRY if entry else Purpose.EXIT,
            "bot",
        )
        order, _ = self.ledger.prepare(intent, self.now, 70_000 if entry else 0)
        self.history[order.order_id] = [OrderState.PREPARED]
        self.ledger.move(order.order_id, OrderState.SENDING, self.now, sent_at=self.now)
        key = OrderKey(NOW.date(), "1", str(self.count))
        self.ledger.bind(order.order_id, key, self.now)
        self.truth[key] = BrokerOrder(
            key, None, STOCK.code, side, OrderType.LIMIT, quantity, 70_000, self.now, 0, 0.0, 0, 0, 0, quantity
        )
        self._remember()

    @initialize(quantity=st.integers(1, 50))
    def buy(self, quantity: int) -> None:
        self._place(Side.BUY, quantity)

    @rule(part=st.integers(1, 50))
    def sell(self, part: int) -> None:
        held = self.ledger.positions.get(STOCK.code)
        claimed = sum(o.remaining for o in self.ledger.open_orders() if o.intent.side is Side.SELL)
        if held is not None and 0 < part <= held.quantity - claimed:
            self._place(Side.SELL, part)

    @rule(data=st.data(), part=st.integers(1, 50), price=st.integers(50_000, 90_000))
    def broker_fills(self, data: st.DataObject, part: int, price: int) -> None:
        row = self.truth[data.draw(st.sampled_from(sorted(self.truth, key=lambda key: int(key.number))))]
        part = min(part, row.remaining)
        if part:
            filled, value = row.filled + part, row.filled_value + part * price
            self.truth[row.key] = replace(
                row,
                filled=filled,
                filled_value=value,
                average_fill_price=value / filled,
                remaining=row.remaining - part,
            )

    @rule(data=st.data(), rejected=st.booleans())
    def broker_ends(self, data: st.DataObject, rejected: bool) -> None:
        row = self.truth[data.draw(st.sampled_from(sorted(self.truth, key=lambda key: int(key.number))))]
        if row.remaining and (not rejected or not row.filled):
            change = {"rejected": row.remaining} if rejected else {"cancelled": row.cancelled + row.remaining}
            self.truth[row.key] = replace(row, remaining=0, **change)

    @rule(data=st.data())
    def amend(self, data: st.DataObject) -> None:
        resting = [o for o in self.ledger.open_orders() if o.state.resting and o.key is not None]
        if not resting:
            return
        order = data.draw(st.sampled_from(resting))
        assert order.key is not None
        row = self.truth[order.key]
        if not row.remaining:
            return
        self.count += 1
        key = OrderKey(NOW.date(), "1", str(self.count))
        command, _ = self.ledger.next_command(order, CommandKind.AMEND, 70_100, "bot", self.now, frozenset())
        self.truth[row.key] = replace(row, cancelled=row.cancelled + row.remaining, remaining=0)
        self.truth[key] = replace(
            row,
            key=key,
            original=row.key,
            quantity=row.remaining,
            price=70_100,
            filled=0,
            filled_value=0,
            average_fill_price=0.0,
            cancelled=0,
        )
        if data.draw(st.booleans()):
            self._show(self.truth[row.key])  # the old row is read before the answer of the amend
        self.ledger.settle_command(command.command_id, CommandState.ACCEPTED)
        if self.ledger.orders[order.order_id].state.resting:
            self.ledger.rebind(order.order_id, key, 70_100, self.now)

    @rule(data=st.data(), stale=st.booleans())
    def list_is_read(self, data: st.DataObject, stale: bool) -> None:
        rows = [row for row in self.truth.values() if row.key in self.ledger.by_key]
        if stale and self.shown:
            rows = [data.draw(st.sampled_from(self.shown))]
        for row in data.draw(st.permutations(rows)):
            self._show(row)

    def _show(self, row: BrokerOrder) -> None:
        self.now += timedelta(seconds=1)
        self.shown.append(row)
        self.ledger.apply(row, self.now, STOCK)
        self._remember()

    def _remember(self) -> None:
        for order_id, order in self.ledger.orders.items():
            if self.history[order_id][-1] is not order.state:
                self.history[order_id].append(order.state)

    @invariant()
    def books_agree(self) -> None:
        ledger = self.ledger
        bought = sum(o.filled for o in ledger.orders.values() if o.intent.side is Side.BUY)
        sold = sum(o.filled for o in ledger.orders.values() if o.intent.side is Side.SELL)
        held = ledger.positions.get(STOCK.code)
        assert (held.quantity if held else 0) == bought - sold
        assert sum(trade.quantity for trade in ledger.trades) + (held.sold if held else 0) == sold
        for order in ledger.orders.values():
            legs = ledger.legs.get(order.order_id, [])
            assert sum(leg.filled for leg in legs) == order.filled
            assert sum(leg.filled_value for leg in legs) == order.filled_value
            assert 0 <= order.filled + order.cancelled <= order.intent.quantity
            assert order.filled >= self.highest.get(order.order_id, 0), "a fill was taken back"
            self.highest[order.order_id] = order.filled
            assert (order.filled == order.intent.quantity) == (order.state is OrderState.FILLED)
        flow = sum(
            (o.filled_value if o.intent.side is Side.SELL else -o.filled_value) - o.fees - o.taxes
            for o in ledger.orders.values()
        )
        assert ledger.cash_since_balance == flow

    @invariant()
    def steps_are_possible(self) -> None:
        for steps in self.history.values():
            reachable = states.reachable(OrderState.PREPARED) | {OrderState.PREPARED}
            assert set(steps) <= reachable
            for before, after in itertools.pairwise(steps):
                assert after in states.reachable(before)

    def teardown(self) -> None:
        """Once everything is shown, the ledger is the truth."""
        for _ in range(2):
            for row in sorted(self.truth.values(), key=lambda row: int(row.key.number)):
                if row.key in self.ledger.by_key:
                    self._show(row)
        for order in self.ledger.orders.values():
            keys = [leg.key for leg in self.ledger.legs.get(order.order_id, [])]
            assert order.filled == sum(self.truth[key].filled for key in keys)


Books.TestCase.settings = settings(max_examples=120, stateful_step_count=25, deadline=None)
TestBooks = Books.TestCase
