"""The typed event bus. Publishing never blocks and never fails; a slow subscriber loses its oldest."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar

from engine.market import Code, Shares, Side, Won
from engine.results import DayReport, DaySummary, ExitReason, Score, ScreeningReport, Trade


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Base of all events. ``critical`` ones are persisted and delivered after an outage."""

    critical: ClassVar[bool] = False
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class BotStarted(Event):
    by: str
    resumed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class BotStopped(Event):
    by: str
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScreeningFinished(Event):
    report: ScreeningReport


@dataclass(frozen=True, slots=True, kw_only=True)
class EntryDecided(Event):
    code: Code
    name: str
    score: Score
    price: Won
    quantity: Shares


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderEvent(Event):
    order_id: str
    code: Code
    name: str
    side: Side
    quantity: Shares
    price: Won


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderAccepted(OrderEvent):
    """접수. Not a fill."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderDenied(OrderEvent):
    """Our own risk gate refused it; nothing was sent."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderRejected(OrderEvent):
    critical: ClassVar[bool] = True
    broker_message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderUnknown(OrderEvent):
    critical: ClassVar[bool] = True
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderResolved(OrderEvent):
    """An unknown outcome was cleared up: ``exists`` says how."""

    critical: ClassVar[bool] = True
    exists: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderCancelled(OrderEvent):
    cancelled: Shares


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderFilled(OrderEvent):
    """체결: confirmed by the broker. ``quantity``/``price`` are of this step, the others cumulative."""

    critical: ClassVar[bool] = True
    filled_total: Shares
    average_price: float
    complete: bool
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PositionClosed(Event):
    critical: ClassVar[bool] = True
    trade: Trade


@dataclass(frozen=True, slots=True, kw_only=True)
class StopRaised(Event):
    code: Code
    name: str
    old: Won
    new: Won
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ExitPending(Event):
    """An exit is due but cannot be executed now (VI, auction, limit lock, rejected): said truthfully."""

    critical: ClassVar[bool] = True
    code: Code
    name: str
    exit_reason: ExitReason
    obstacle: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ProtectionLatched(Event):
    critical: ClassVar[bool] = True
    rule: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PositionDiffers(Event):
    """Broker and journal disagree; the code is frozen until a person confirms."""

    critical: ClassVar[bool] = True
    code: Code
    name: str
    journal: Shares
    broker: Shares


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionLost(Event):
    critical: ClassVar[bool] = True
    what: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionRestored(Event):
    critical: ClassVar[bool] = True
    what: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TicksLost(Event):
    codes: tuple[Code, ...]
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorRaised(Event):
    critical: ClassVar[bool] = True
    where: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DayEnded(Event):
    critical: ClassVar[bool] = True
    summary: DaySummary


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportReady(Event):
    report: DayReport


class Subscription:
    """A bounded queue of events; when full the oldest goes and ``lost`` counts it."""

    def __init__(self, kinds: tuple[type[Event], ...], size: int) -> None:
        self._kinds = kinds
        self._size = size
        self._events: deque[Event] = deque()
        self._arrived = asyncio.Event()
        self.lost = 0

    def offer(self, event: Event) -> None:
        if not isinstance(event, self._kinds):
            return
        if len(self._events) >= self._size:
            self._events.popleft()
            self.lost += 1
        self._events.append(event)
        self._arrived.set()

    async def get(self) -> Event:
        while not self._events:
            self._arrived.clear()
            await self._arrived.wait()
        return self._events.popleft()

    def __aiter__(self) -> AsyncIterator[Event]:
        return self

    async def __anext__(self) -> Event:
        return await self.get()


class EventBus:
    def __init__(self) -> None:
        self._subscriptions: list[Subscription] = []

    def publish(self, event: Event) -> None:
        for subscription in self._subscriptions:
            subscription.offer(event)

    @contextmanager
    def subscribe(self, *kinds: type[Event], size: int = 1000) -> Iterator[Subscription]:
        subscription = Subscription(kinds or (Event,), size)
        self._subscriptions.append(subscription)
        try:
            yield subscription
        finally:
            self._subscriptions.remove(subscription)
