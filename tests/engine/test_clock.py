from __future__ import annotations

import asyncio
import math
from datetime import datetime, timedelta

import pytest

from engine.clock import SimulatedClock, monotonic
from engine.market import KST

START = datetime(2026, 3, 3, 9, 0, tzinfo=KST)


async def run_with(clock: SimulatedClock, *works: object) -> None:
    driver = asyncio.create_task(clock.run())
    try:
        async with asyncio.timeout(10):
            await asyncio.gather(*works)  # type: ignore[call-overload]
    finally:
        driver.cancel()


async def test_time_stands_still_while_work_is_open() -> None:
    clock = SimulatedClock(START, math.inf)
    seen: list[datetime] = []

    async def work() -> None:
        async with clock.hold("slow call"):
            for _ in range(20):
                await asyncio.sleep(0.002)
                seen.append(clock.now())

    async def timer() -> None:
        await clock.sleep(1)
        seen.append(clock.now())

    await run_with(clock, work(), timer())
    assert seen[:-1] == [START] * 20
    assert seen[-1] == START + timedelta(seconds=1)


async def test_a_holder_that_waits_for_market_time_gives_its_hold_up() -> None:
    clock = SimulatedClock(START, math.inf)

    async def limited_call() -> datetime:
        async with clock.hold("call"):
            await clock.sleep(3)  # a rate-limit slot
            await asyncio.sleep(0.01)  # the answer
            return clock.now()

    task = asyncio.ensure_future(limited_call())
    await run_with(clock, task)
    assert task.result() == START + timedelta(seconds=3)
    assert clock.open_holds == ()


async def test_the_serving_side_can_wait_on_behalf_of_its_caller() -> None:
    clock = SimulatedClock(START, math.inf)
    done = asyncio.Event()
    ids: list[str] = []

    async def server() -> None:
        while not ids:
            await asyncio.sleep(0)
        with clock.suspend_hold(ids[0]):
            await clock.sleep(0.5)  # simulated latency
        done.set()

    async def client() -> None:
        async with clock.hold("call") as hold:
            ids.append(hold.id)
            await done.wait()

    await run_with(clock, server(), client())
    assert clock.now() == START + timedelta(seconds=0.5)


async def test_a_market_timeout_fires_when_the_server_never_answers() -> None:
    clock = SimulatedClock(START, math.inf)

    async def client() -> None:
        async with clock.hold("call") as hold, clock.timeout(10):
            with clock.suspend_hold(hold.id):
                await asyncio.Event().wait()

    with pytest.raises(TimeoutError):
        await run_with(clock, client())
    assert clock.now() == START + timedelta(seconds=10)


async def test_undelivered_frames_hold_the_clock() -> None:
    clock = SimulatedClock(START, math.inf)
    clock.channel_opened(5000)
    clock.frame_sent(5000)
    clock.frame_sent(6000)  # somebody else's socket never holds
    reached: list[datetime] = []

    async def timer() -> None:
        await clock.sleep(1)
        reached.append(clock.now())

    async def reader() -> None:
        await asyncio.sleep(0.05)
        assert not reached
        clock.frame_handled(5000)

    await run_with(clock, timer(), reader())
    assert reached


async def test_events_of_one_instant_run_by_priority_then_age_each_to_the_end() -> None:
    clock = SimulatedClock(START, math.inf)
    order: list[str] = []

    async def actor(name: str, priority: int) -> None:
        await clock.sleep_until(START + timedelta(seconds=1), priority=priority)
        async with clock.hold(name):
            order.append(name + "<")
            await asyncio.sleep(0.003)
            order.append(name + ">")

    await run_with(clock, actor("late", 20), actor("first", 10), actor("second", 10), actor("tape", 0))
    assert order == ["tape<", "tape>", "first<", "first>", "second<", "second>", "late<", "late>"]


@pytest.mark.parametrize("speed", [200.0, math.inf])
async def test_the_order_of_events_does_not_depend_on_the_speed(speed: float) -> None:
    clock = SimulatedClock(START, speed)
    trace: list[tuple[str, float]] = []

    async def actor(name: str, step: float) -> None:
        for _ in range(20):
            await clock.sleep(step)
            async with clock.hold(name):
                await asyncio.sleep(0)
                trace.append((name, (clock.now() - START).total_seconds()))

    await run_with(clock, actor("a", 0.5), actor("b", 0.7), actor("c", 1.1))
    assert [second for _, second in trace] == sorted(second for _, second in trace)
    expected = sorted(
        [("a", round(0.5 * n, 6)) for n in range(1, 21)]
        + [("b", round(0.7 * n, 6)) for n in range(1, 21)]
        + [("c", round(1.1 * n, 6)) for n in range(1, 21)],
        key=lambda item: item[1],
    )
    assert [round(s, 6) for _, s in trace] == [s for _, s in expected]


async def test_speed_is_an_upper_bound_and_the_night_may_pass_quickly() -> None:
    clock = SimulatedClock(START, 100.0)
    begun = monotonic()
    await run_with(clock, clock.sleep(10))
    assert monotonic() - begun >= 0.09
    clock.fast_until(clock.now() + timedelta(hours=17))
    begun = monotonic()
    await run_with(clock, clock.sleep(17 * 3600 - 1))
    assert monotonic() - begun < 1.0


async def test_cancelling_a_sleeper_leaves_no_hold_behind() -> None:
    clock = SimulatedClock(START, math.inf)

    async def sleeper() -> None:
        async with clock.hold("x"):
            await clock.sleep(100)

    task = asyncio.create_task(sleeper())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert clock.open_holds == ()
    await run_with(clock, clock.sleep(1))
    assert clock.now() == START + timedelta(seconds=1)


async def test_a_fence_keeps_the_day_from_going_by_unwatched() -> None:
    clock = SimulatedClock(START, math.inf)
    clock.fence(START + timedelta(seconds=5))
    reached: list[float] = []

    async def sleeper(seconds: float) -> None:
        await clock.sleep(seconds)
        reached.append(seconds)

    driver = asyncio.create_task(clock.run())
    sleepers = [asyncio.create_task(sleeper(seconds)) for seconds in (3, 5, 6, 100)]
    await asyncio.sleep(0.05)
    assert reached == [3, 5]
    clock.fence(None)
    async with asyncio.timeout(2):
        await asyncio.gather(*sleepers)
    assert reached == [3, 5, 6, 100]
    driver.cancel()
