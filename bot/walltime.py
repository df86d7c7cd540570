"""The wall clock as an object, so that expiry can be tested without waiting."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol

from engine import clock


class WallTime(Protocol):
    def monotonic(self) -> float: ...
    def now(self) -> datetime: ...
    async def sleep(self, seconds: float) -> None: ...


class HostTime:
    def monotonic(self) -> float:
        return clock.monotonic()

    def now(self) -> datetime:
        return clock.wall_now()

    async def sleep(self, seconds: float) -> None:
        await clock.wall_sleep(seconds)
