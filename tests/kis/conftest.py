from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime
from pathlib import Path

import pytest

from engine.clock import SimulatedClock
from engine.kis import KIS, KisAddresses, KisCredentials, KisLimits
from engine.market import KST, Environment
from tests.servers.kis_stub import KisStub

NOW = datetime(2026, 11, 20, 10, 0, tzinfo=KST)
KEY, SECRET, ACCOUNT = "PSkeyCANARY" + "K" * 25, "secretCANARY" + "S" * 168, "87654321"


@pytest.fixture
def credentials() -> KisCredentials:
    return KisCredentials(KEY, SECRET, ACCOUNT, "01", "hts1")


@pytest.fixture
async def clock() -> AsyncIterator[SimulatedClock]:
    clock = SimulatedClock(NOW, speed=200.0)
    driver = asyncio.create_task(clock.run())
    yield clock
    driver.cancel()
    await asyncio.gather(driver, return_exceptions=True)


@pytest.fixture
async def stub(clock: SimulatedClock) -> AsyncIterator[KisStub]:
    async with KisStub(clock) as stub:
        yield stub


@pytest.fixture
async def kis(stub: KisStub, clock: SimulatedClock, credentials: KisCredentials, tmp_path: Path) -> AsyncIterator[KIS]:
    client = KIS(
        credentials,
        KisAddresses(stub.rest_url, stub.ws_url),
        Environment.SIMULATOR,
        clock,
        tmp_path,
        KisLimits(100, account_calls_per_second=100),
        wire="real",
    )
    yield client
    await client.close()


@pytest.fixture
async def mock_kis(
    stub: KisStub, clock: SimulatedClock, credentials: KisCredentials, tmp_path: Path
) -> AsyncIterator[KIS]:
    client = KIS(
        credentials,
        KisAddresses(stub.rest_url, stub.ws_url),
        Environment.MOCK,
        clock,
        tmp_path,
        KisLimits(100, account_calls_per_second=100),
    )
    yield client
    await client.close()
