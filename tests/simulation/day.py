"""One simulated day: service and broker in one process, crashes, a liveness phase, then the checker."""

from __future__ import annotations

import asyncio
import hashlib
import heapq
import math
from collections import Counter
from collections.abc import Coroutine
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from engine.broker import OrderType
from engine.clock import SimulatedClock, seeded
from engine.events import Event, EventBus, OrderResolved, OrderUnknown
from engine.krx import floor_to_tick, step_ticks
from engine.market import KST, Environment, Side
from engine.orders import Journal, OrderDesk, OrderIntent, OrderState, Origin, Purpose, RiskLimits
from engine.results import ExitReason
from engine.store import DirectStore
from tests.simulation.check import violations_of
from tests.simulation.world import CODES, QUIET, STEP_SECONDS, Rates, SimulatedCrash, world

START = datetime(2026, 3, 10, 9, 30, tzinfo=KST)
SESSION = timedelta(minutes=75)
LIVENESS = timedelta(seconds=240)
LIMITS = RiskLimits(
    positions=4,
    orders_per_day=400,
    code_interval_seconds=2.0,
    orders_per_window=50,
    daily_loss=0.5,
    drawdown=0.5,
    repeated_entries=200,
    code_rejects=50,
    consecutive_losses=500,
)
"""Wide enough that a day has many orders; the gate itself is tested elsewhere."""


@dataclass
class DayResult:
    seed: int
    sent: int = 0
    orders: int = 0
    fills: int = 0
    crashes: int = 0
    ambiguous: int = 0
    unknown: int = 0
    resolved_alone: int = 0
    seconds_found: list[float] = field(default_factory=list)
    seconds_absent: list[float] = field(default_factory=list)
    """Proof of absence takes 60 s by itself."""
    asked_person: int = 0
    mistaken: int = 0
    """Orders taken for the owner's own of the same shape; each must have been shown to a person."""
    duplicates: int = 0
    lost_fills: int = 0
    differences: int = 0
    after_stop: int = 0
    stops: list[list[Any]] = field(default_factory=list)
    """[kill switch pressed, released or None]"""
    violations: list[str] = field(default_factory=list)
    faults: Counter[tuple[str, str]] = field(default_factory=Counter)
    digest: str = ""


class Day:
    def __init__(self, seed: int, folder: Path, rates: Rates) -> None:
        self.result = DayResult(seed)
        self.clock = SimulatedClock(START, math.inf)
        self.market, self.broker = world(seed, self.clock)
        self.broker.rates = rates
        self.random = seeded("simulation day", seed)
        self.path = folder / f"day-{seed}.db"
        self.bus = EventBus()
        self.desk: OrderDesk | None = None
        self.journal: Journal | None = None
        self.dead = False
        self.crashed = asyncio.Event()
        self.wishes = 0
        self.asked: set[str] = set()
        self.recent: list[OrderIntent] = []
        self.unknown_since: dict[str, datetime] = {}
        self.broker.boundary = self.boundary
        self.broker.sender = self.sender
        self.broker.states = lambda: [o.state.value for o in self.desk.open_orders()] if self.desk else []

    # -- crashes

    def boundary(self, name: str) -> None:
        if self.dead:
            raise SimulatedCrash(name)
        if self.random.random() < self.broker.rates.crash:
            self.dead = True
            self.crashed.set()
            self.result.crashes += 1
            self.broker._saw(f"crash {name}")
            raise SimulatedCrash(name)

    def sender(self) -> tuple[str, str]:
        assert self.desk is not None
        sending = [order for order in self.desk.open_orders() if order.state is OrderState.SENDING]
        if len(sending) != 1:
            self.result.violations.append(f"{len(sending)} orders in SENDING at once")
        return (sending[0].order_id, sending[0].intent.signal_key) if sending else ("", "")

    # -- the service

    async def open(self) -> OrderDesk:
        store = DirectStore(self.path, durable=False, crash=self.boundary)
        self.journal = await Journal.direct(self.path, self.clock, store)
        self.desk = OrderDesk(
            broker=self.broker,
            journal=self.journal,
            clock=self.clock,
            events=self.bus,
            market=self.market,
            limits=LIMITS,
            costs=self.broker.costs,
            environment=Environment.SIMULATOR,
            account="12345678-01",
        )
        await self.desk.start()
        return self.desk

    async def live(self, until: datetime, *, trading: bool) -> None:
        """Run the service until ``until``, starting it anew after each crash."""
        while self.clock.now() < until:
            self.dead = False
            self.crashed.clear()
            tasks: list[asyncio.Task[Any]] = []
            try:
                desk = await self.open()
                if trading:
                    for wish in self.recent[-2:]:  # a trader that decides the same again after a restart
                        await desk.submit(wish)
                parts: list[Coroutine[Any, Any, None]] = [desk.run(), self.hand_notices(desk)]
                if trading:
                    parts.append(self.trade(desk, until))
                tasks = [asyncio.create_task(part) for part in parts]
                waits = [asyncio.create_task(self.crashed.wait()), asyncio.create_task(self.clock.sleep_until(until))]
                tasks += waits
                await asyncio.wait([*waits, tasks[0]], return_when=asyncio.FIRST_COMPLETED)
            except SimulatedCrash:
                pass
            finally:
                self.dead = True
                work = [*tasks, *(self.desk._work if self.desk else ())]
                for task in work:
                    task.cancel()
                for outcome in await asyncio.gather(*work, return_exceptions=True):
                    self.note_failure(outcome)
                if self.journal is not None:
                    self.desk = None
                    await self.journal.abandon()
                    self.journal = None
            await self.clock.sleep(float(self.random.uniform(1, 20)))

    def note_failure(self, outcome: object) -> None:
        if isinstance(outcome, BaseExceptionGroup):
            for inner in outcome.exceptions:
                self.note_failure(inner)
        elif isinstance(outcome, Exception):
            self.result.violations.append(f"{type(outcome).__name__}: {outcome}")

    async def hand_notices(self, desk: OrderDesk) -> None:
        while True:
            pending = self.broker.pending_notices
            while pending and pending[0][0] <= self.clock.now():
                await desk.on_notice(heapq.heappop(pending)[2])
            await self.clock.sleep(1.0)

    # -- the trader

    async def trade(self, desk: OrderDesk, until: datetime) -> None:
        while self.clock.now() < until - timedelta(seconds=60):
            await self.clock.sleep(float(self.random.exponential(40.0)))
            dice = self.random.random()
            orders = [order for order in desk.open_orders() if order.cancellable]
            if dice < 0.45:
                await self.wish(desk, self.entry())
            elif dice < 0.75:
                if (exit_wish := self.exit(desk)) is not None:
                    await self.wish(desk, exit_wish)
            elif dice < 0.87 and orders:
                await desk.cancel(orders[int(self.random.integers(len(orders)))].order_id, "discord:1")
            elif dice < 0.94 and orders:
                order = orders[int(self.random.integers(len(orders)))]
                if order.price:
                    price = step_ticks(self.market.prices[order.intent.code], int(self.random.integers(-3, 4)))
                    await desk.amend(order.order_id, price, order.remaining, "discord:1")
            elif dice < 0.96 and not desk.latches():
                pressed = self.clock.now()
                await desk.panic("telegram:1")
                self.result.stops.append([pressed, None])
            elif dice < 0.98:
                await self.wish(desk, *[self.entry() for _ in range(4)])
            stops = self.result.stops
            if desk.latches() and self.clock.now() - desk.latches()[0].since > timedelta(seconds=120):
                for stop in stops:
                    stop[1] = stop[1] or self.clock.now()
                await desk.release_latch("panic", "telegram:1")
            await self.be_the_person(desk)

    async def be_the_person(self, desk: OrderDesk) -> None:
        """What the owner answers when asked which order is ours."""
        for order in desk.orders(START.date()):
            if order.needs_person:
                self.result.asked_person += order.order_id not in self.asked
                self.asked.add(order.order_id)
                ours = [arrival.key for arrival in self.broker.log if arrival.order_id == order.order_id]
                try:
                    await desk.decide_unknown(order.order_id, ours[0] if ours else None, "discord:1")
                except LookupError:
                    continue  # the list could not be read, or it is filled: asked again, or the balance differs
        for difference in desk.frozen_codes():
            if difference.code in self.mistaken(desk):
                await desk.confirm_difference(difference.code, "discord:1")

    def mistaken(self, desk: OrderDesk) -> set[str]:
        """Codes with an order that was taken for the owner's own of the same shape."""
        return {o.intent.code for o in desk.orders(START.date()) if o.key in self.broker.phone_keys}

    async def wish(self, desk: OrderDesk, *wishes: OrderIntent) -> None:
        for wish in wishes:
            self.recent.append(wish)
        await asyncio.gather(*(desk.submit(wish) for wish in wishes))

    def entry(self) -> OrderIntent:
        self.wishes += 1
        code = CODES[int(self.random.integers(len(CODES)))]
        price = step_ticks(floor_to_tick(self.market.prices[code]), int(self.random.integers(-3, 3)))
        quantity = max(1, int(self.random.uniform(0.02, 0.12) * 30_000_000 / price))
        return OrderIntent(
            f"{self.result.seed}:{self.wishes}",
            code,
            Side.BUY,
            OrderType.LIMIT,
            quantity,
            price,
            Origin.BOT,
            Purpose.ENTRY,
            "bot",
        )

    def exit(self, desk: OrderDesk) -> OrderIntent | None:
        positions = desk.positions()
        if not positions:
            return None
        self.wishes += 1
        position = positions[int(self.random.integers(len(positions)))]
        market = self.random.random() < 0.4
        quantity = position.quantity if self.random.random() < 0.6 else max(1, position.quantity // 2)
        price = 0 if market else step_ticks(self.market.prices[position.code], int(self.random.integers(-3, 4)))
        return OrderIntent(
            f"{self.result.seed}:{self.wishes}",
            position.code,
            Side.SELL,
            OrderType.MARKET if market else OrderType.LIMIT,
            quantity,
            price,
            Origin.BOT,
            Purpose.EXIT,
            "bot",
            exit_reason=ExitReason.SCORE,
        )

    # -- the day

    async def exchange(self) -> None:
        while True:
            await self.clock.sleep_until(self.clock.now() + timedelta(seconds=STEP_SECONDS), priority=1)
            self.market.step()
            self.broker.match()

    def hear(self, event: Event) -> None:
        if isinstance(event, OrderUnknown):
            self.result.unknown += 1
            self.unknown_since[event.order_id] = event.at
        elif isinstance(event, OrderResolved) and event.order_id in self.unknown_since:
            seconds = (event.at - self.unknown_since.pop(event.order_id)).total_seconds()
            self.result.resolved_alone += event.order_id not in self.asked
            (self.result.seconds_found if event.exists else self.result.seconds_absent).append(seconds)

    async def listen(self) -> None:
        with self.bus.subscribe(OrderUnknown, OrderResolved, size=10_000) as events:
            async for event in events:
                self.hear(event)

    async def run(self) -> DayResult:
        helpers = [asyncio.create_task(part) for part in (self.clock.run(), self.exchange(), self.listen())]
        try:
            await self.live(START + SESSION, trading=True)
            self.broker.rates = QUIET
            self.broker.cancel_phone()
            now = self.clock.now()
            await self.live(now + LIVENESS, trading=False)
            await self.check()
        finally:
            for task in helpers:
                task.cancel()
            await asyncio.gather(*helpers, return_exceptions=True)
        return self.result

    async def check(self) -> None:
        self.dead = False
        desk = await self.open()
        assert self.journal is not None
        await desk.reconcile()
        await self.clock.sleep(40)
        await desk.reconcile()
        await self.be_the_person(desk)
        await self.clock.sleep(1)
        report = await desk.reconcile()
        await violations_of(self.result, desk, self.journal, self.broker, report, self.asked)
        self.result.faults = self.broker.faults_seen
        self.result.ambiguous = self.broker.ambiguous
        text = await desk.journal_hash(START.date()) + "".join(
            f"{a.at.isoformat()}{a.order_id}{a.key.number}" for a in self.broker.log
        )
        self.result.digest = hashlib.blake2b(text.encode(), digest_size=16).hexdigest()
        await self.journal.abandon()


def run_day(seed: int, folder: Path, rates: Rates | None = None) -> DayResult:
    """Simulate and check one day. The same seed gives the same digest."""

    async def whole() -> DayResult:
        return await Day(seed, folder, rates or Rates()).run()

    result = asyncio.run(whole())
    for left in folder.glob(f"day-{seed}.*"):
        left.unlink()
    return result
