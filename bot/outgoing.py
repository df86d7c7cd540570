"""What leaves for a chat, in order of importance: alarms before answers before refreshes, never faster than allowed.

A flood answer of the platform holds everything back, and the first to go afterwards is again the most important one,
not the one that was refused.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
from collections.abc import Awaitable, Callable, Hashable
from contextlib import suppress
from dataclasses import dataclass, field
from enum import IntEnum
from typing import TypeVar

from engine import clock

T = TypeVar("T")
MOST_RETRIES = 5


class Importance(IntEnum):
    ALARM = 0
    """Goes at once: it waits neither for a running upload nor for its turn in the rate, only for a flood wait."""
    ANSWER = 1
    ROUTINE = 2
    """Refreshes and events nobody waits for."""


class FloodWait(Exception):
    """The platform refused for ``seconds``; raised by the call, handled by the queue."""

    def __init__(self, seconds: float, *, everything: bool = False) -> None:
        super().__init__(f"flood wait of {seconds} s")
        self.seconds = self.retry_after = seconds
        self.everything = everything


class QueueFull(Exception):
    """Too much is waiting for this chat; what is no alarm is refused."""


class Superseded(Exception):
    """A newer call with the same key took this one's place before it was sent."""


@dataclass(order=True, slots=True)
class _Waiting:
    importance: int
    number: int
    key: Hashable = field(compare=False)
    dropped: bool = field(default=False, compare=False)


@dataclass(slots=True)
class _Lane:
    allowance: float
    counted_at: float
    waiting: list[_Waiting] = field(default_factory=list)
    busy: bool = False
    alarms: int = 0
    """Alarms under way: nothing else starts before they are out, wherever the library below lets them wait."""
    held_until: float = 0.0
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    def wake(self) -> None:
        self.changed.set()
        self.changed = asyncio.Event()


class Outgoing:
    """``burst`` calls may go at once to one chat, then ``per_second``."""

    def __init__(self, *, burst: int = 3, per_second: float = 1.0, most_waiting: int = 200) -> None:
        self._burst = burst
        self._per_second = per_second
        self._most_waiting = most_waiting
        self._lanes: dict[Hashable, _Lane] = {}
        self._numbers = itertools.count()
        self._held_until = 0.0

    async def send(
        self, chat: Hashable, importance: Importance, call: Callable[[], Awaitable[T]], *, key: Hashable = None
    ) -> T:
        """Run ``call`` in its turn and return what it gives.

        Raises what ``call`` raises, QueueFull, Superseded, and the last FloodWait after five of them.
        """
        lane = self._lane(chat)
        for attempt in itertools.count(1):
            me = self._enter(lane, importance, key)
            try:
                await self._turn(lane, me)
            finally:
                lane.waiting.remove(me)
                heapq.heapify(lane.waiting)
            alone = importance is not Importance.ALARM
            lane.busy = lane.busy or alone
            lane.alarms += not alone
            lane.allowance -= 1
            try:
                return await call()
            except FloodWait as flood:
                self._hold(lane, flood)
                if attempt > MOST_RETRIES:
                    raise
            finally:
                lane.busy = lane.busy and not alone
                lane.alarms -= not alone
                lane.wake()
        raise AssertionError("unreachable")

    def waiting(self, chat: Hashable) -> int:
        lane = self._lanes.get(chat)
        return len(lane.waiting) if lane else 0

    def _lane(self, chat: Hashable) -> _Lane:
        if chat not in self._lanes:
            self._lanes[chat] = _Lane(float(self._burst), clock.monotonic())
        return self._lanes[chat]

    def _enter(self, lane: _Lane, importance: Importance, key: Hashable) -> _Waiting:
        if len(lane.waiting) >= self._most_waiting and importance is not Importance.ALARM:
            raise QueueFull(f"{len(lane.waiting)} messages were waiting")
        if key is not None:
            for other in lane.waiting:
                other.dropped = other.dropped or other.key == key
        me = _Waiting(importance, next(self._numbers), key)
        heapq.heappush(lane.waiting, me)
        lane.wake()
        return me

    async def _turn(self, lane: _Lane, me: _Waiting) -> None:
        while True:
            if me.dropped:
                raise Superseded
            delay = self._delay(lane, me)
            if delay == 0:
                return
            changed = lane.changed
            with suppress(TimeoutError):
                async with clock.wall_timeout(delay):
                    await changed.wait()

    def _delay(self, lane: _Lane, me: _Waiting) -> float | None:
        """Seconds until it may go; 0 now; None when another's end has to be awaited."""
        now = clock.monotonic()
        held = max(lane.held_until, self._held_until) - now
        if held > 0:
            return held
        if me.importance == Importance.ALARM:
            return 0.0 if lane.waiting[0] is me or lane.waiting[0].importance == Importance.ALARM else None
        if lane.busy or lane.alarms or lane.waiting[0] is not me:
            return None
        lane.allowance = min(self._burst, lane.allowance + (now - lane.counted_at) * self._per_second)
        lane.counted_at = now
        return 0.0 if lane.allowance >= 1 else (1 - lane.allowance) / self._per_second

    def _hold(self, lane: _Lane, flood: FloodWait) -> None:
        until = clock.monotonic() + flood.seconds
        lane.held_until = max(lane.held_until, until)
        if flood.everything:
            self._held_until = max(self._held_until, until)
            for other in self._lanes.values():
                other.wake()
