"""The tick pipeline's queue: the producer never blocks, and what is dropped is known.

A full queue drops its oldest tick. That is right for a screen and wrong for a bar, so each loss is reported with its
code and time: the bar it touched is marked and repaired from the broker's minute bars.
"""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field

from engine.clock import MarketClock, monotonic
from engine.market import Code, Tick


@dataclass(slots=True)
class TickQueueStatistics:
    received: int = 0
    handled: int = 0
    lost: Counter[Code] = field(default_factory=Counter)
    deepest: int = 0


class TickQueue:
    """A bounded ``asyncio.Queue`` of ticks between the stream and the decisions."""

    def __init__(self, clock: MarketClock, on_loss: Callable[[Tick], None], size: int = 10_000) -> None:
        self._queue: asyncio.Queue[Tick] = asyncio.Queue(maxsize=size)
        self._arrived: deque[float] = deque()
        self._taken_at = 0.0
        self.on_handled: Callable[[float], None] = lambda seconds: None
        """Told the wall seconds from each tick's arrival to the end of its handling."""
        self._on_loss = on_loss
        self._hold = clock.hold("tick queue")
        self._open = 0
        self.statistics = TickQueueStatistics()

    def put(self, tick: Tick) -> None:
        """Add a tick; when full, drop the oldest and report it."""
        statistics = self.statistics
        statistics.received += 1
        if self._queue.full():
            dropped = self._queue.get_nowait()
            self._arrived.popleft()
            statistics.lost[dropped.code] += 1
            self._on_loss(dropped)
            self._open -= 1
        if not self._open:
            self._hold.acquire()
        self._open += 1
        self._queue.put_nowait(tick)
        self._arrived.append(monotonic())
        statistics.deepest = max(statistics.deepest, self._queue.qsize())

    async def get(self) -> Tick:
        tick = await self._queue.get()
        self._taken_at = self._arrived.popleft()
        return tick

    def done(self) -> None:
        """Tell that the tick last taken is handled; market time may move once all are."""
        self.statistics.handled += 1
        self.on_handled(monotonic() - self._taken_at)
        self._open -= 1
        if not self._open:
            self._hold.release()

    def __len__(self) -> int:
        return self._queue.qsize()
