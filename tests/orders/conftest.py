"""A desk with a fake broker on the simulated clock."""

from __future__ import annotations

import asyncio
import itertools
import math
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from engine.broker import OrderType
from engine.clock import SimulatedClock
from engine.events import Event, EventBus, Subscription
from engine.krx import CostModel, PriceLimits, price_limits
from engine.market import KST, Code, Environment, Market, Phase, Side, Stock, StockFlag, Won
from engine.orders import Journal, OrderDesk, OrderIntent, Origin, Purpose, RiskLimits
from engine.results import ExitReason
from tests.orders.fake_broker import FakeBroker

START = datetime(2026, 3, 10, 9, 30, tzinfo=KST)
SAMSUNG, ECOPRO, SKC = "005930", "247540", "011790"


@dataclass
class FakeMarket:
    clock: SimulatedClock
    prices: dict[Code, Won] = field(default_factory=lambda: {SAMSUNG: 70_000, ECOPRO: 100_000, SKC: 90_000})
    quote_age: float = 0.0
    phase_now: Phase | None = None
    vi: set[Code] = field(default_factory=set)
    halts: set[Code] = field(default_factory=set)
    marks: dict[Code, frozenset[StockFlag]] = field(default_factory=dict)

    def last(self, code: Code) -> tuple[Won, datetime] | None:
        if code not in self.prices:
            return None
        return self.prices[code], self.clock.now() - timedelta(seconds=self.quote_age)

    def band(self, code: Code) -> PriceLimits | None:
        return price_limits(self.prices[code]) if code in self.prices else None

    def flags(self, code: Code) -> frozenset[StockFlag]:
        return self.marks.get(code, frozenset())

    def vi_active(self, code: Code) -> bool:
        return code in self.vi

    def halted(self, code: Code) -> bool:
        return code in self.halts

    def phase(self) -> Phase:
        if self.phase_now is not None:
            return self.phase_now
        minute = self.clock.now().hour * 60 + self.clock.now().minute
        return Phase.CONTINUOUS if 9 * 60 <= minute < 15 * 60 + 20 else Phase.CLOSED

    def stock(self, code: Code) -> Stock | None:
        return (
            Stock(code, {SAMSUNG: "삼성전자"}.get(code, f"종목{code}"), Market.KOSPI) if code in self.prices else None
        )


@dataclass
class Rig:
    """One service process: stopping and starting it again keeps the file and the broker."""

    path: Path
    clock: SimulatedClock
    broker: FakeBroker
    market: FakeMarket
    limits: RiskLimits = field(default_factory=RiskLimits)
    environment: Environment = Environment.SIMULATOR
    account: str = "12345678-01"
    desk: OrderDesk = None  # type: ignore[assignment]
    events: list[Event] = field(default_factory=list)
    _bus: EventBus = field(default_factory=EventBus)
    _tasks: list[asyncio.Task[Any]] = field(default_factory=list)
    _keys: Any = field(default_factory=itertools.count)

    async def start(self, *, background: bool = True, start: bool = True) -> OrderDesk:
        journal = await Journal.open(self.path, self.clock)
        self.desk = OrderDesk(
            broker=self.broker,
            journal=journal,
            clock=self.clock,
            events=self._bus,
            market=self.market,
            limits=self.limits,
            costs=self.broker.costs,
            environment=self.environment,
            account=self.account,
        )
        if start:
            await self.desk.start()
        if background:
            self._tasks.append(asyncio.create_task(self.desk.run()))
        return self.desk

    async def kill(self) -> None:
        """What kill -9 leaves: nothing is finished, nothing is written."""
        work = [*self._tasks, *self.desk._work]
        for task in work:
            task.cancel()
        await asyncio.gather(*work, return_exceptions=True)
        self._tasks.clear()
        await self.desk._journal.abandon()

    async def restart(self) -> OrderDesk:
        await self.kill()
        return await self.start()

    async def pass_time(self, seconds: float) -> None:
        await self.clock.sleep(seconds)

    async def hand_notices(self) -> None:
        while self.broker.notices:
            await self.desk.on_notice(self.broker.notices.popleft())

    def buy(self, code: Code = SAMSUNG, quantity: int = 10, price: Won = 70_000, **more: Any) -> OrderIntent:
        wish: dict[str, Any] = {
            "signal_key": f"entry:{next(self._keys)}",
            "code": code,
            "side": Side.BUY,
            "type": OrderType.LIMIT if price else OrderType.MARKET,
            "quantity": quantity,
            "price": price,
            "origin": Origin.BOT,
            "purpose": Purpose.ENTRY,
            "actor": "bot",
        }
        return OrderIntent(**(wish | more))

    def sell(self, code: Code = SAMSUNG, quantity: int = 10, price: Won = 0, **more: Any) -> OrderIntent:
        wish: dict[str, Any] = {
            "signal_key": f"exit:{next(self._keys)}",
            "code": code,
            "side": Side.SELL,
            "type": OrderType.LIMIT if price else OrderType.MARKET,
            "quantity": quantity,
            "price": price,
            "origin": Origin.BOT,
            "purpose": Purpose.EXIT,
            "actor": "bot",
            "exit_reason": ExitReason.TAKE_PROFIT,
        }
        return OrderIntent(**(wish | more))

    async def hold(self, code: Code = SAMSUNG, quantity: int = 10, price: Won = 70_000) -> None:
        """Buy and have it filled."""
        record = await self.desk.submit(self.buy(code, quantity, price))
        assert record.key is not None, record.reason
        self.broker.fill(record.key)
        await self.pass_time(3)
        assert self.desk.position(code) is not None

    def told(self, kind: type[Event]) -> list[Any]:
        return [event for event in self.events if isinstance(event, kind)]


async def _collect(subscription: Subscription, into: list[Event]) -> None:
    async for event in subscription:
        into.append(event)  # noqa: PERF401 - endless: a comprehension would never hand anything over


@asynccontextmanager
async def rig_at(path: Path, start: datetime = START, **more: Any) -> AsyncIterator[Rig]:
    clock = SimulatedClock(start, math.inf)
    driver = asyncio.create_task(clock.run())
    rig = Rig(path, clock, FakeBroker(clock, costs=CostModel()), FakeMarket(clock), **more)
    with rig._bus.subscribe(size=100_000) as subscription:
        collector = asyncio.create_task(_collect(subscription, rig.events))
        try:
            yield rig
        finally:
            if rig.desk is not None and rig.desk._journal._lock.held:
                await rig.kill()
            collector.cancel()
            driver.cancel()
            await asyncio.gather(collector, driver, return_exceptions=True)


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    async with rig_at(tmp_path / "journal.db") as made:
        await made.start()
        yield made


@pytest.fixture
async def cold_rig(tmp_path: Path) -> AsyncIterator[Rig]:
    """A rig whose desk has not been started."""
    async with rig_at(tmp_path / "journal.db") as made:
        yield made


RigMaker = Callable[..., Any]
