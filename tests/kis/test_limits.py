"""The limiter on the market clock: even spacing, priorities, back-off for everyone."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator

import pytest

from engine.clock import SimulatedClock
from engine.kis.limits import CallLimits, KisLimits, Priority, RateLimiter
from tests.kis.conftest import NOW


@pytest.fixture
async def fast_clock() -> AsyncIterator[SimulatedClock]:
    clock = SimulatedClock(NOW, speed=math.inf)
    driver = asyncio.create_task(clock.run())
    yield clock
    driver.cancel()
    await asyncio.gather(driver, return_exceptions=True)


async def take(limiter: RateLimiter, clock: SimulatedClock, priority: Priority, log: list[tuple[float, str]]) -> None:
    await limiter.slot(priority)
    log.append(((clock.now() - NOW).total_seconds(), priority.name))


@pytest.mark.parametrize("rate", [1.0, 3.0, 18.0])
async def test_no_window_of_one_second_holds_more_calls_than_allowed(fast_clock: SimulatedClock, rate: float) -> None:
    limiter = RateLimiter(fast_clock, rate)
    log: list[tuple[float, str]] = []
    await asyncio.gather(*(take(limiter, fast_clock, Priority.QUOTE, log) for _ in range(90)))
    times = [at for at, _ in log]
    assert len(times) == 90
    for start in range(len(times)):
        assert sum(1 for at in times[start:] if at < times[start] + 1.0) <= rate
    assert times[-1] == pytest.approx(89 * 1.02 / rate, rel=1e-3)


async def test_orders_overtake_waiting_quotes_and_equals_keep_their_order(fast_clock: SimulatedClock) -> None:
    limiter = RateLimiter(fast_clock, 1)
    log: list[tuple[float, str]] = []
    with fast_clock.hold("test"):
        waiting = [asyncio.create_task(take(limiter, fast_clock, Priority.QUOTE, log)) for _ in range(3)]
        await asyncio.sleep(0)
        waiting.append(asyncio.create_task(take(limiter, fast_clock, Priority.ACCOUNT, log)))
        waiting.append(asyncio.create_task(take(limiter, fast_clock, Priority.ORDER, log)))
        await asyncio.sleep(0)
    await asyncio.gather(*waiting)
    assert [name for _, name in log] == ["QUOTE", "ORDER", "ACCOUNT", "QUOTE", "QUOTE"]


async def test_account_calls_pass_the_tighter_counter_and_leave_room_for_quotes(fast_clock: SimulatedClock) -> None:
    limits = CallLimits(fast_clock, KisLimits(18, account_calls_per_second=9))
    log: list[tuple[float, str]] = []

    async def call(priority: Priority) -> None:
        await limits.slot(priority)
        log.append(((fast_clock.now() - NOW).total_seconds(), priority.name))

    await asyncio.gather(*(call(Priority.ACCOUNT) for _ in range(20)), *(call(Priority.QUOTE) for _ in range(20)))
    times = {name: [at for at, kind in log if kind == name] for name in ("ACCOUNT", "QUOTE")}
    for start in times["ACCOUNT"]:
        assert sum(1 for at in times["ACCOUNT"] if start <= at < start + 1.0) <= 9
    assert max(at for at, _ in log) < 40 / 18 * 1.05


async def test_a_refusal_stops_everyone_longer_each_time_and_the_same_way_each_run(fast_clock: SimulatedClock) -> None:
    async def pauses() -> list[float]:
        limiter = RateLimiter(fast_clock, 18)
        found = []
        for _ in range(7):
            found.append(limiter.refused())
            before = fast_clock.now()
            await limiter.slot(Priority.ORDER)
            assert (fast_clock.now() - before).total_seconds() == pytest.approx(found[-1], abs=1e-5)
        return found

    first = await pauses()
    assert first == pytest.approx(await pauses(), abs=1e-4)
    assert all(0.5 <= pause <= 10.0 for pause in first)
    assert first[3] > first[1] > first[0]


async def test_success_ends_the_back_off(fast_clock: SimulatedClock) -> None:
    limiter = RateLimiter(fast_clock, 18)
    for _ in range(4):
        limiter.refused()
        await limiter.slot(Priority.QUOTE)
    limiter.served()
    assert limiter.refused() < 1.0


async def test_a_cancelled_caller_costs_no_slot(fast_clock: SimulatedClock) -> None:
    limiter = RateLimiter(fast_clock, 1)
    log: list[tuple[float, str]] = []
    with fast_clock.hold("test"):
        await limiter.slot(Priority.QUOTE)
        gone = asyncio.create_task(take(limiter, fast_clock, Priority.ORDER, log))
        stays = asyncio.create_task(take(limiter, fast_clock, Priority.QUOTE, log))
        await asyncio.sleep(0)
        gone.cancel()
    await stays
    assert log == [(pytest.approx(1.02), "QUOTE")]


async def test_a_waiting_caller_does_not_keep_the_market_from_moving(fast_clock: SimulatedClock) -> None:
    limiter = RateLimiter(fast_clock, 1)
    await limiter.slot(Priority.QUOTE)
    waiting = asyncio.create_task(limiter.slot(Priority.QUOTE))
    await fast_clock.sleep(5)
    assert waiting.done()


async def test_closing_wakes_those_who_wait(fast_clock: SimulatedClock) -> None:
    limiter = RateLimiter(fast_clock, 1)
    with fast_clock.hold("test"):
        await limiter.slot(Priority.QUOTE)
        waiting = asyncio.create_task(limiter.slot(Priority.QUOTE))
        await asyncio.sleep(0)
        await limiter.close()
    with pytest.raises(asyncio.CancelledError):
        await waiting
