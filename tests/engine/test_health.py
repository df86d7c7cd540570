from __future__ import annotations

import asyncio

from engine.health import LoopLag, resident_megabytes


async def test_loop_lag_sees_a_blocked_loop() -> None:
    lag = LoopLag()
    assert lag.percentile(0.99) == 0.0
    task = asyncio.create_task(lag.run())
    await asyncio.sleep(0.1)
    end = asyncio.get_running_loop().time() + 0.15
    while asyncio.get_running_loop().time() < end:
        pass  # block the loop
    await asyncio.sleep(0.05)
    task.cancel()
    assert lag.percentile(1.0) >= 100.0


def test_resident_memory_is_that_of_a_process() -> None:
    assert 10 < resident_megabytes() < 100_000
