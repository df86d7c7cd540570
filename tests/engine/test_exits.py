"""Exits that do not give up (fault 21): VI, auctions, halts, rejected sells, and what is not ours to sell."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from engine.clock import SimulatedClock
from engine.events import EventBus, ExitPending, Subscription
from engine.exits import ExitWatcher
from engine.krx import CostModel
from engine.live_market import LiveMarket
from engine.market import KST, Market, OrderBook, Phase, Side, Stock, Tick
from engine.orders import OrderIntent, OrderRecord, OrderState, Origin, Position, Purpose
from engine.results import ExitReason
from engine.strategy import StrategySettings

START = datetime(2026, 3, 3, 10, 0, tzinfo=KST)
CODE = "005930"
STOCK = Stock(CODE, "삼성전자", Market.KOSPI)


def held(**changes: object) -> Position:
    position = Position(
        CODE, "삼성전자", 10, 70_000.0, START, 67_900, 73_500, 70_000, ExitReason.FIXED_STOP, entry_order_id="e1"
    )
    return replace(position, **changes)  # type: ignore[arg-type]


@dataclass
class ScriptedDesk:
    """Answers each sell with the next state of the script; FILLED ends the position."""

    clock: SimulatedClock
    script: list[OrderState]
    position_now: Position | None = field(default_factory=held)
    sent: list[OrderIntent] = field(default_factory=list)
    cancelled: list[str] = field(default_factory=list)
    resting: list[OrderRecord] = field(default_factory=list)
    stops: list[int] = field(default_factory=list)

    def position(self, code: str) -> Position | None:
        return self.position_now if code == CODE else None

    def open_orders(self) -> tuple[OrderRecord, ...]:
        return tuple(self.resting)

    async def submit(self, intent: OrderIntent) -> OrderRecord:
        self.sent.append(intent)
        state = self.script.pop(0) if self.script else OrderState.FILLED
        if state is OrderState.FILLED:
            self.position_now = None
        return OrderRecord(f"o{len(self.sent)}", intent, state, self.clock.now(), self.clock.now(), reason="거부 이유")

    async def cancel(self, order_id: str, actor: str) -> None:
        self.cancelled.append(order_id)
        self.resting = [order for order in self.resting if order.order_id != order_id]

    async def update_plan(
        self, code: str, *, stop_price: int, highest_price: int | None = None, reason: str = ""
    ) -> None:
        assert self.position_now is not None
        self.stops.append(stop_price)
        self.position_now = replace(self.position_now, stop_price=stop_price)


@dataclass
class Bench:
    clock: SimulatedClock
    desk: ScriptedDesk
    watcher: ExitWatcher
    market: LiveMarket
    told: Subscription
    phase: list[Phase]

    def tick(self, price: int) -> None:
        tick = Tick(CODE, self.clock.now(), price, 1, 1)
        self.market.on_tick(tick)
        self.watcher.on_tick(tick)

    async def until(self, done: Callable[[], bool]) -> None:
        async with asyncio.timeout(5):
            while not done():
                await asyncio.sleep(0.001)


@asynccontextmanager
async def bench(*script: OrderState) -> AsyncIterator[Bench]:
    clock = SimulatedClock(START, math.inf)
    desk = ScriptedDesk(clock, list(script))
    phase = [Phase.CONTINUOUS]
    market = LiveMarket(lambda: phase[0], lambda code: STOCK if code == CODE else None)
    events = EventBus()
    watcher = ExitWatcher(
        desk=desk,  # type: ignore[arg-type]
        market=market,
        clock=clock,
        events=events,
        settings=StrategySettings,
        costs=CostModel(),
    )
    driver = asyncio.create_task(clock.run())
    with events.subscribe(ExitPending) as told:
        async with asyncio.TaskGroup() as group:
            watcher.attach(group)
            yield Bench(clock, desk, watcher, market, told, phase)
    driver.cancel()


async def test_a_stop_is_sold_at_market_once() -> None:
    async with bench() as b:
        b.tick(67_950)
        assert not b.desk.sent
        b.tick(67_900)
        b.tick(67_800)
        await b.until(lambda: b.desk.position_now is None)
        assert [(i.side, i.quantity, i.exit_reason, i.price) for i in b.desk.sent] == [
            (Side.SELL, 10, ExitReason.FIXED_STOP, 0)
        ]
        assert b.watcher.checked_at == START


async def test_fault_21_rejected_sells_are_told_and_tried_again_with_growing_pauses() -> None:
    async with bench(OrderState.REJECTED, OrderState.DENIED, OrderState.NOT_SENT) as b:
        b.tick(67_900)
        await b.until(lambda: b.desk.position_now is None)
        assert len(b.desk.sent) == 4
        assert len({intent.signal_key for intent in b.desk.sent}) == 4, "each attempt is an intent of its own"
        assert b.clock.now() - START >= timedelta(seconds=2 + 5 + 10)
        assert "거부 이유" in (await b.told.get()).obstacle  # type: ignore[attr-defined]


async def test_fault_21_a_stop_during_an_interruption_waits_for_its_end_and_is_told_once() -> None:
    async with bench() as b:
        b.market.on_book(OrderBook(CODE, START, (), (), expected_price=67_000))
        b.tick(67_900)
        await b.clock.sleep(60)
        assert not b.desk.sent
        assert "VI" in (await b.told.get()).obstacle  # type: ignore[attr-defined]
        b.market.on_book(OrderBook(CODE, b.clock.now(), (), ()))
        await b.until(lambda: b.desk.position_now is None)
        assert len(b.desk.sent) == 1


async def test_fault_21_after_the_close_nothing_is_sent_and_the_owner_is_told() -> None:
    async with bench() as b:
        b.phase[0] = Phase.AFTER_CLOSE
        b.watcher.pursue(CODE, ExitReason.CLOSE_OUT)
        await b.until(lambda: not b.watcher.pursuing)
        assert not b.desk.sent
        assert "다음 거래일" in (await b.told.get()).obstacle  # type: ignore[attr-defined]


async def test_the_close_out_goes_into_the_closing_auction() -> None:
    async with bench() as b:
        b.phase[0] = Phase.CLOSING_AUCTION
        b.tick(70_000)
        await b.until(lambda: b.desk.position_now is None)
        assert b.desk.sent[0].exit_reason is ExitReason.CLOSE_OUT


async def test_holdings_bought_elsewhere_are_never_sold() -> None:
    async with bench() as b:
        b.desk.position_now = held(origin=Origin.EXTERNAL, stop_price=0, target_price=0)
        b.phase[0] = Phase.CLOSING_AUCTION
        b.tick(10_000)
        await b.clock.sleep(30)
        assert not b.desk.sent


async def test_our_own_resting_buy_is_withdrawn_before_the_sale() -> None:
    async with bench() as b:
        intent = OrderIntent("k", CODE, Side.BUY, "limit", 1, 60_000, Origin.BOT, Purpose.ENTRY, "bot")  # type: ignore[arg-type]
        b.desk.resting = [OrderRecord("r1", intent, OrderState.ACCEPTED, START, START)]
        b.tick(67_000)
        await b.until(lambda: b.desk.position_now is None)
        assert b.desk.cancelled == ["r1"]


async def test_after_the_holding_limit_the_stop_is_raised_durably_and_then_sold_as_trailing() -> None:
    async with bench() as b:
        b.desk.position_now = held(bars_held=52)
        b.tick(72_000)
        await b.until(lambda: b.desk.stops == [70_500])
        b.desk.position_now = replace(b.desk.position_now, highest_price=72_000)
        b.tick(70_500)
        await b.until(lambda: b.desk.position_now is None)
        assert b.desk.sent[0].exit_reason is ExitReason.TRAILING
