from __future__ import annotations

import asyncio
import math
from datetime import datetime, timedelta

from engine.clock import SimulatedClock
from engine.market import KST, Tick
from engine.ticks import TickQueue

START = datetime(2026, 3, 3, 9, 0, tzinfo=KST)


def tick(number: int) -> Tick:
    return Tick("005930", START + timedelta(seconds=number), 100 + number, 1, number + 1)


async def test_the_oldest_goes_when_full_and_the_loss_is_told() -> None:
    clock = SimulatedClock(START)
    lost: list[Tick] = []
    queue = TickQueue(clock, lost.append, size=3)
    for number in range(5):
        queue.put(tick(number))
    assert [t.price for t in lost] == [100, 101]
    assert queue.statistics.lost == {"005930": 2}
    assert [(await queue.get()).price for _ in range(3)] == [102, 103, 104]


async def test_market_time_waits_for_every_tick() -> None:
    clock = SimulatedClock(START, math.inf)
    queue = TickQueue(clock, lambda _: None, size=2)
    for number in range(4):
        queue.put(tick(number))
    driver = asyncio.create_task(clock.run())
    timer = asyncio.create_task(clock.sleep(1))
    for _ in range(2):
        await asyncio.sleep(0.01)
        assert not timer.done()
        await queue.get()
        queue.done()
    async with asyncio.timeout(2):
        await timer
    driver.cancel()
