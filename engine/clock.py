"""The two clocks, and the only module that touches wall time, ``asyncio.sleep`` or unseeded randomness.

*Market clock* (aware KST): sessions, bars, caches of market data, broker time-outs. With the embedded simulator it is
conservative: it moves to its next event only when no decision-relevant work is open. Such work says so with
``hold()``; whatever itself waits for market time gives its hold up while it waits. That is why a simulated day gives
the same journal at every speed.

*Wall clock* (monotonic): chat and HTTP deadlines, ticket expiry, image refresh.
"""

from __future__ import annotations

import asyncio
import hashlib
import heapq
import itertools
import logging
import math
import secrets
import time as _time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, AbstractContextManager, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Protocol

import numpy as np

from engine.market import KST

logger = logging.getLogger(__name__)

STALL_WARNING_SECONDS = 5.0


# ---------------------------------------------------------------- wall time


def monotonic() -> float:
    """Seconds on a clock that never jumps; for deadlines and durations on the wall."""
    return _time.monotonic()


def cpu_seconds() -> float:
    return _time.process_time()


def wall_now() -> datetime:
    """The host's time as aware KST; for log lines, token files and audit entries, never for decisions."""
    return datetime.now(KST)


async def wall_sleep(seconds: float) -> None:
    await asyncio.sleep(seconds)


def wall_timeout(seconds: float | None) -> asyncio.Timeout:
    return asyncio.timeout(seconds)


# ---------------------------------------------------------------- randomness


def seeded(*parts: object) -> np.random.Generator:
    """A generator that depends on ``parts`` alone: same parts, same stream, on every machine."""
    text = "\x1f".join(str(part) for part in parts).encode()
    return np.random.default_rng(int.from_bytes(hashlib.blake2b(text, digest_size=16).digest(), "big"))


def new_secret(bytes_count: int = 16) -> str:
    """An unguessable URL-safe text, for tokens and ticket ids."""
    return secrets.token_urlsafe(bytes_count)


# ---------------------------------------------------------------- market time


class MarketClock(Protocol):
    """Market time. All instants are aware KST."""

    @property
    def simulated(self) -> bool:
        """True where market time is not the host's."""

    def now(self) -> datetime: ...
    def today(self) -> date: ...
    async def sleep(self, seconds: float) -> None: ...
    async def sleep_until(self, instant: datetime, *, priority: int = 10) -> None:
        """Return at ``instant`` (at once if it has passed). Of one instant, lower priorities run first."""

    def hold(self, label: str) -> Hold:
        """Keep market time from moving while decision-relevant work is open. ``with`` and ``async with`` both work."""

    def timeout(self, seconds: float) -> AbstractAsyncContextManager[None]:
        """Raise TimeoutError in the body after ``seconds`` of market time."""

    def suspend_hold(self, hold_id: str) -> AbstractContextManager[None]:
        """For the serving side of a call: give up the caller's hold while the server waits for market time."""

    def channel_opened(self, port: int) -> None:
        """A stream client connected from local ``port``: frames sent to it hold the clock until handled."""

    def channel_closed(self, port: int) -> None: ...
    def frame_sent(self, port: int) -> None: ...
    def frame_handled(self, port: int) -> None: ...


@dataclass(eq=False)
class Hold:
    """One open piece of work. ``id`` names it on the wire, so that a simulated broker can wait for its caller."""

    clock: SimulatedClock | None
    label: str
    id: str = ""
    task: asyncio.Task[object] | None = None
    active: bool = False

    def acquire(self) -> Hold:
        if self.clock is not None and not self.active:
            self.clock._add(self)
        return self

    def release(self) -> None:
        if self.clock is not None:
            self.clock._remove(self)

    def __enter__(self) -> Hold:
        if self.clock is not None:
            self.task = asyncio.current_task()
        return self.acquire()

    def __exit__(self, *exc: object) -> None:
        self.release()

    async def __aenter__(self) -> Hold:
        return self.__enter__()

    async def __aexit__(self, *exc: object) -> None:
        self.release()


class WallMarketClock:
    """Market time is the host's time: for every broker but the embedded simulator."""

    simulated = False

    def now(self) -> datetime:
        return datetime.now(KST)

    def today(self) -> date:
        return self.now().date()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(max(0.0, seconds))

    async def sleep_until(self, instant: datetime, *, priority: int = 10) -> None:
        while (left := (instant - self.now()).total_seconds()) > 0:
            await asyncio.sleep(min(left, 60.0))  # short steps: the host may be suspended or its clock set

    def hold(self, label: str) -> Hold:
        return Hold(None, label)

    @asynccontextmanager
    async def timeout(self, seconds: float) -> AsyncIterator[None]:
        async with asyncio.timeout(seconds):
            yield

    @contextmanager
    def suspend_hold(self, hold_id: str) -> Iterator[None]:
        yield

    def channel_opened(self, port: int) -> None: ...
    def channel_closed(self, port: int) -> None: ...
    def frame_sent(self, port: int) -> None: ...
    def frame_handled(self, port: int) -> None: ...


class ScaledMarketClock(WallMarketClock):
    """Market time runs from ``start`` at ``speed`` times the wall: for a stand-alone simulator."""

    simulated = True

    def __init__(self, start: datetime, speed: float = 1.0) -> None:
        self._speed = speed
        self.restart(start)

    def restart(self, start: datetime) -> None:
        self._start = start
        self._origin = monotonic()

    def now(self) -> datetime:
        return self._start + timedelta(seconds=(monotonic() - self._origin) * self._speed)

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(max(0.0, seconds / self._speed))

    async def sleep_until(self, instant: datetime, *, priority: int = 10) -> None:
        while (left := (instant - self.now()).total_seconds()) > 0:
            await asyncio.sleep(min(left / self._speed, 1.0))

    @asynccontextmanager
    async def timeout(self, seconds: float) -> AsyncIterator[None]:
        async with asyncio.timeout(seconds / self._speed):
            yield


@dataclass(order=True)
class _Timer:
    instant: datetime
    priority: int
    sequence: int
    fire: Callable[[], None] = field(compare=False)
    cancelled: bool = field(compare=False, default=False)


class SimulatedClock:
    """The conservative clock. ``run()`` must be a task of the service; it drives time.

    ``speed`` is an upper bound (market seconds per wall second; ``math.inf`` = as fast as the work allows).
    """

    simulated = True

    def __init__(self, start: datetime, speed: float = 60.0) -> None:
        self._now = start
        self.speed = speed
        self._timers: list[_Timer] = []
        self._sequence = itertools.count()
        self._holds: dict[str, Hold] = {}
        self._active = 0
        self._frames: dict[int, int] = {}
        self._changed = asyncio.Event()
        self._fast_until: datetime | None = None
        self._fence: datetime | None = None
        self.advanced_seconds = 0.0
        """Market seconds passed since the start."""

    # -- reading

    def now(self) -> datetime:
        return self._now

    def today(self) -> date:
        return self._now.date()

    def restart(self, instant: datetime) -> None:
        """Set the time before anything runs: a simulated market that goes on after a restart."""
        if self._timers:
            raise RuntimeError("market time is already in use")
        self._now = instant

    def fence(self, instant: datetime | None) -> None:
        """Do not pass ``instant`` until the fence is moved or lifted (None): while the service is still opening,
        nobody holds the clock, and the day must not go by unwatched."""
        self._fence = instant
        self._changed.set()

    def fast_until(self, instant: datetime) -> None:
        """Ignore the speed bound until ``instant``: for the night between two sessions."""
        self._fast_until = instant
        self._changed.set()

    @property
    def open_holds(self) -> tuple[str, ...]:
        """Labels of the work that keeps time from moving."""
        frames = tuple(f"frames to port {port}: {count}" for port, count in self._frames.items() if count > 0)
        return tuple(hold.label for hold in self._holds.values() if hold.active) + frames

    # -- waiting

    async def sleep(self, seconds: float) -> None:
        await self.sleep_until(self._now + timedelta(seconds=max(0.0, seconds)))

    async def sleep_until(self, instant: datetime, *, priority: int = 10) -> None:
        if instant <= self._now and priority >= 10:
            return
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        task = asyncio.current_task()
        given_up = [hold for hold in self._holds.values() if hold.active and hold.task is task]

        def wake() -> None:
            # Holds come back before anything else can move the clock.
            for hold in given_up:
                self._activate(hold)
            if not future.done():
                future.set_result(None)

        timer = self._schedule(max(instant, self._now), priority, wake)
        for hold in given_up:
            self._deactivate(hold)
        try:
            await future
        finally:
            timer.cancelled = True
            for hold in given_up:
                self._activate(hold)

    @asynccontextmanager
    async def timeout(self, seconds: float) -> AsyncIterator[None]:
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(None) as inner:
            timer = self._schedule(self._now + timedelta(seconds=seconds), 50, lambda: inner.reschedule(loop.time()))
            try:
                yield
            finally:
                timer.cancelled = True

    def call_at(self, instant: datetime, action: Callable[[], None], *, priority: int = 0) -> Callable[[], None]:
        """Run ``action`` at ``instant`` without a task; returns a canceller."""
        timer = self._schedule(max(instant, self._now), priority, action)

        def cancel() -> None:
            timer.cancelled = True

        return cancel

    # -- holding

    def hold(self, label: str) -> Hold:
        return Hold(self, label, id=f"h{next(self._sequence)}")

    @contextmanager
    def suspend_hold(self, hold_id: str) -> Iterator[None]:
        hold = self._holds.get(hold_id)
        if hold is None or not hold.active:
            yield
            return
        self._deactivate(hold)
        try:
            yield
        finally:
            if self._holds.get(hold_id) is hold:
                self._activate(hold)

    def channel_opened(self, port: int) -> None:
        self._frames[port] = 0

    def channel_closed(self, port: int) -> None:
        if self._frames.pop(port, 0):
            self._changed.set()

    def frame_sent(self, port: int) -> None:
        if port in self._frames:
            self._frames[port] += 1

    def frame_handled(self, port: int) -> None:
        if self._frames.get(port, 0) > 0:
            self._frames[port] -= 1
            self._changed.set()

    def _add(self, hold: Hold) -> None:
        self._holds[hold.id] = hold
        self._activate(hold)

    def _remove(self, hold: Hold) -> None:
        self._holds.pop(hold.id, None)
        self._deactivate(hold)

    def _activate(self, hold: Hold) -> None:
        if not hold.active and hold.id in self._holds:
            hold.active = True
            self._active += 1

    def _deactivate(self, hold: Hold) -> None:
        if hold.active:
            hold.active = False
            self._active -= 1
            self._changed.set()

    # -- driving

    def _schedule(self, instant: datetime, priority: int, fire: Callable[[], None]) -> _Timer:
        timer = _Timer(instant, priority, next(self._sequence), fire)
        heapq.heappush(self._timers, timer)
        self._changed.set()
        return timer

    def _busy(self) -> bool:
        return self._active > 0 or any(self._frames.values())

    async def _settle(self) -> None:
        """Return once no work is open and every ready callback has run."""
        ready = getattr(asyncio.get_running_loop(), "_ready", None)
        warned_at = monotonic() + STALL_WARNING_SECONDS
        calm = 0
        while calm < 2:
            await asyncio.sleep(0)
            if self._busy():
                calm = 0
                self._changed.clear()
                if self._busy():
                    try:
                        async with asyncio.timeout(STALL_WARNING_SECONDS):
                            await self._changed.wait()
                    except TimeoutError:
                        if self._timers and monotonic() > warned_at:
                            warned_at = math.inf
                            logger.warning("시장 시계가 멈춰 있습니다: %s", ", ".join(self.open_holds))
            elif ready is None or len(ready) <= 0:
                calm += 1
            else:
                calm = 0

    async def run(self) -> None:
        """Drive market time until cancelled."""
        due = monotonic()
        while True:
            await self._settle()
            while self._timers and self._timers[0].cancelled:
                heapq.heappop(self._timers)
            if not self._timers:
                self._changed.clear()
                await self._changed.wait()
                due = monotonic()
                continue
            timer = self._timers[0]
            if self._fence is not None and timer.instant > self._fence:
                self._changed.clear()
                await self._changed.wait()
                due = monotonic()
                continue
            step = (timer.instant - self._now).total_seconds()
            fast = self._fast_until is not None and timer.instant <= self._fast_until
            if step > 0 and math.isfinite(self.speed) and not fast:
                wake_at = max(due, monotonic() - 0.25) + step / self.speed
                if (wait := wake_at - monotonic()) > 0.001:
                    self._changed.clear()
                    try:
                        async with asyncio.timeout(wait):
                            await self._changed.wait()
                    except TimeoutError:
                        pass
                    if monotonic() < wake_at - 0.001 or self._timers[0] is not timer:
                        continue  # something new came up, or work was opened: look again
                    if self._busy():
                        continue
                due = wake_at
            heapq.heappop(self._timers)
            if timer.cancelled:
                continue
            self.advanced_seconds += max(0.0, step)
            self._now = max(self._now, timer.instant)
            timer.fire()
