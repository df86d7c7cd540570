"""Answers kept for a while on the market clock, fetched once however many ask."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Generic, TypeVar

from engine.clock import MarketClock

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

PRICE_SECONDS = 5.0
BOOK_SECONDS = 3.0
DAILY_SECONDS = 300.0
RECOMMENDATION_SECONDS = 600.0
PREDICTION_SECONDS = 3_600.0


@dataclass(frozen=True, slots=True)
class Cached(Generic[V]):
    value: V
    at: datetime

    def age(self, now: datetime) -> timedelta:
        return now - self.at


class TimedCache(Generic[K, V]):
    """``ttl`` seconds of market time. Errors are not kept: every waiter of that one attempt gets the error.

    Never ask while holding the clock: the answer may have to wait for market time in another task.
    """

    def __init__(self, clock: MarketClock, ttl: float) -> None:
        self._clock = clock
        self._ttl = timedelta(seconds=ttl)
        self._kept: dict[K, Cached[V]] = {}
        self._loading: dict[K, asyncio.Task[V]] = {}

    def peek(self, key: K) -> Cached[V] | None:
        """What is kept and not too old."""
        kept = self._kept.get(key)
        return kept if kept is not None and kept.age(self._clock.now()) < self._ttl else None

    def put(self, key: K, value: V) -> None:
        self._kept[key] = Cached(value, self._clock.now())

    def forget(self, key: K) -> None:
        self._kept.pop(key, None)

    async def get(self, key: K, load: Callable[[], Awaitable[V]]) -> Cached[V]:
        """The kept answer, else the one that ``load`` brings; callers of one key share a single load."""
        if (kept := self.peek(key)) is not None:
            return kept
        task = self._loading.get(key)
        if task is None:
            task = asyncio.create_task(self._load(key, load), name=f"load {key}")
            self._loading[key] = task
        # A caller that is cancelled does not take the answer away from the others.
        value = await asyncio.shield(task)
        return self._kept.get(key) or Cached(value, self._clock.now())

    async def _load(self, key: K, load: Callable[[], Awaitable[V]]) -> V:
        try:
            value = await load()
            self.put(key, value)
            return value
        finally:
            self._loading.pop(key, None)
