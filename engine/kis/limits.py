"""How fast the broker may be called, as settings, and the limiter that spaces the calls.

The broker counts calls per second and app key. Even spacing on the market clock never meets a window of any kind; a
refusal stops every caller for a while, not only the one that was refused.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
from dataclasses import dataclass
from datetime import timedelta
from enum import IntEnum

from engine.clock import MarketClock, seeded


class Priority(IntEnum):
    """Who goes first when several calls wait."""

    ORDER = 0
    ACCOUNT = 1
    QUOTE = 2


@dataclass(frozen=True, slots=True)
class KisLimits:
    """Limits of one app key. Times are seconds of market time."""

    calls_per_second: float
    account_calls_per_second: float = 9.0
    """Orders and account lists pass a second, tighter counter behind the gateway; its size is not published."""
    margin: float = 0.02
    """Share by which calls are spaced wider than allowed: the network bunches them."""
    attempts: int = 3
    time_out: float = 10.0
    registrations: int = 41
    registration_spacing: float = 0.05
    silence: float = 60.0
    """A session without any message for this long (checked every half of it) is taken for dead."""

    def __post_init__(self) -> None:
        if not self.calls_per_second > 0 or not self.account_calls_per_second > 0 or self.margin < 0:
            raise ValueError(
                f"calls per second were {self.calls_per_second} and {self.account_calls_per_second}, "
                f"margin {self.margin}"
            )


REAL_LIMITS = KisLimits(18)
MOCK_LIMITS = KisLimits(1)
NEW_CUSTOMER_LIMITS = KisLimits(3)
"""The first three days after a real customer applied for the API."""

FIRST_BACK_OFF = 0.5
LONGEST_BACK_OFF = 8.0


class RateLimiter:
    """Evenly spaced slots, handed out by priority and then by arrival."""

    def __init__(self, clock: MarketClock, calls_per_second: float, *, margin: float = 0.02, seed: str = "kis") -> None:
        self._clock = clock
        self._interval = timedelta(seconds=(1.0 + margin) / calls_per_second)
        self._next = clock.now()
        self._waiting: list[tuple[int, int, asyncio.Future[None]]] = []
        self._sequence = itertools.count()
        self._pump: asyncio.Task[None] | None = None
        self._refusals = 0
        self._seed = seed

    async def slot(self, priority: Priority) -> None:
        """Return when the caller may send. Never await this inside a hold: the slot may be given by another task."""
        now = self._clock.now()
        if not self._waiting and now >= self._next:
            self._next = now + self._interval
            return
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._waiting, (priority, next(self._sequence), future))
        if self._pump is None or self._pump.done():
            self._pump = asyncio.create_task(self._hand_out(), name="kis rate limiter")
        await future

    async def _hand_out(self) -> None:
        while self._waiting:
            while self._clock.now() < self._next:
                await self._clock.sleep_until(self._next)
            _, _, future = heapq.heappop(self._waiting)
            if future.done():  # its caller was cancelled
                continue
            self._next = self._clock.now() + self._interval
            future.set_result(None)

    def refused(self) -> float:
        """Note a refusal for rate; every caller waits. Returns the seconds until the next slot."""
        self._refusals += 1
        pause = min(LONGEST_BACK_OFF, FIRST_BACK_OFF * 2 ** (self._refusals - 1))
        pause *= 1.0 + 0.25 * float(seeded(self._seed, "back-off", self._refusals).random())
        now = self._clock.now()
        self._next = max(self._next, now + timedelta(seconds=pause))
        return (self._next - now).total_seconds()

    def served(self) -> None:
        """Note a call that was not refused for rate."""
        self._refusals = 0

    async def close(self) -> None:
        """Wake everyone with a cancellation."""
        if self._pump is not None:
            self._pump.cancel()
            await asyncio.gather(self._pump, return_exceptions=True)
        for _, _, future in self._waiting:
            future.cancel()
        self._waiting.clear()


class CallLimits:
    """The two counters of the broker: every call passes the gateway's, account calls the account desk's as well."""

    def __init__(self, clock: MarketClock, limits: KisLimits) -> None:
        self._gateway = RateLimiter(clock, limits.calls_per_second, margin=limits.margin)
        account_rate = min(limits.account_calls_per_second, limits.calls_per_second)
        self._account = RateLimiter(clock, account_rate, margin=limits.margin)

    async def slot(self, priority: Priority) -> None:
        """As ``RateLimiter.slot``."""
        if priority <= Priority.ACCOUNT:
            await self._account.slot(priority)
        await self._gateway.slot(priority)

    def refused(self) -> float:
        """As ``RateLimiter.refused``; whichever counter it was, everyone waits."""
        return self._gateway.refused()

    def served(self) -> None:
        self._gateway.served()

    async def close(self) -> None:
        await self._account.close()
        await self._gateway.close()
