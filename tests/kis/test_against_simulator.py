"""The client and the simulated broker together: what an outcome claims is what the broker's books say."""

from __future__ import annotations

import asyncio
import hashlib
import math
from collections import Counter
from datetime import datetime
from pathlib import Path

import pytest

from engine.broker import (
    Accepted,
    BrokerError,
    Channel,
    ChannelKind,
    NewOrder,
    NotSent,
    OrderType,
    Outcome,
    Rejected,
    Unknown,
)
from engine.clock import SimulatedClock
from engine.kis import KIS, KisAddresses, KisCredentials
from engine.market import KST, Environment, Side
from engine.simulator.app import Simulator
from engine.simulator.faults import Fault, FaultKind, FaultPlan
from engine.simulator.identity import builtin_keys
from engine.simulator.synthetic import load_tape

START = datetime(2026, 11, 20, 10, 0, tzinfo=KST)
CREDENTIALS = KisCredentials("A" * 36, "S" * 180, "12345678", "01", "hts1")
CHANNELS = [
    Channel(ChannelKind.NOTICE),
    Channel(ChannelKind.TRADE, "005930"),
    Channel(ChannelKind.BOOK, "005930"),
    Channel(ChannelKind.INDEX, "0001"),
]
ORDER_FAULTS = (
    FaultKind.DELAY,
    FaultKind.DELAY_ACTION,
    FaultKind.DROP_REQUEST,
    FaultKind.DROP_REPLY,
    FaultKind.RESET_BEFORE,
    FaultKind.RESET_AFTER,
    FaultKind.BAD_GATEWAY,
    FaultKind.HTML,
    FaultKind.EMPTY,
    FaultKind.CUT_JSON,
    FaultKind.EXTRA_FIELDS,
    FaultKind.TOKEN_EXPIRED,
)


def hostile(seed: int) -> FaultPlan:
    faults = [Fault(kind, call="order-cash", count=None, probability=0.04, seconds=15) for kind in ORDER_FAULTS]
    faults += [
        Fault(FaultKind.GATEWAY_ERROR, count=None, probability=0.05),
        Fault(FaultKind.GATEWAY_ERROR_AFTER, call="order-cash", count=None, probability=0.05, code="EGW00300"),
    ]
    return FaultPlan(faults, seed=seed)


@pytest.mark.parametrize("seed", [1, 2])
async def test_every_outcome_agrees_with_the_brokers_books(seed: int, tmp_path: Path) -> None:
    clock = SimulatedClock(START, speed=math.inf)
    simulator = Simulator(load_tape(START.date()), clock, faults=hostile(seed), keys=builtin_keys(1_000_000_000))
    driver = asyncio.create_task(clock.run())
    outcomes: dict[int, Outcome] = {}
    async with (
        simulator.serve() as addresses,
        KIS(
            CREDENTIALS,
            KisAddresses(addresses.rest_url, addresses.ws_url),
            Environment.SIMULATOR,
            clock,
            tmp_path,
            wire="real",
        ) as kis,
    ):
        for quantity in range(1, 121):  # the quantity names the order
            order = NewOrder("005930", Side.BUY, OrderType.LIMIT, quantity, 150_000)
            outcomes[quantity] = await kis.place(order)
            await clock.sleep(5)
        await clock.sleep(60)
        booked = Counter(order.quantity for account in simulator.ledger.accounts.values() for order in account.orders)
        listed = set()
        for _ in range(5):
            try:
                listed = {order.quantity for order in (await kis.orders(START.date())).orders}
                break
            except BrokerError:
                await clock.sleep(61)
    driver.cancel()
    for quantity, outcome in outcomes.items():
        assert booked[quantity] <= 1, "an order was sent twice"
        if isinstance(outcome, Accepted):
            assert booked[quantity] == 1
            assert quantity in listed
        elif isinstance(outcome, NotSent | Rejected):
            assert booked[quantity] == 0, outcome
    kinds = Counter(type(outcome) for outcome in outcomes.values())
    assert min(kinds[Accepted], kinds[Unknown], kinds[NotSent]) >= 5
    unknown = [booked[quantity] for quantity, outcome in outcomes.items() if isinstance(outcome, Unknown)]
    assert 0 < sum(unknown) < len(unknown), "unknown must cover both: orders that exist and orders that do not"


async def events_of(speed: float, home: Path) -> tuple[int, str]:
    clock = SimulatedClock(START, speed=speed)
    simulator = Simulator(load_tape(START.date()), clock)
    driver = asyncio.create_task(clock.run())
    digest, count = hashlib.sha256(), 0
    async with (
        simulator.serve() as addresses,
        KIS(
            CREDENTIALS,
            KisAddresses(addresses.rest_url, addresses.ws_url),
            Environment.SIMULATOR,
            clock,
            home,
            wire="real",
        ) as kis,
    ):
        stream = kis.stream()

        async def consume() -> None:
            nonlocal count
            async for event in stream.events():
                digest.update(repr(event).encode())
                count += 1

        consumer = asyncio.create_task(consume())
        await stream.set_channels(CHANNELS)
        await clock.sleep(60)
        digest.update(repr(await kis.place(NewOrder("005930", Side.BUY, OrderType.MARKET, 3))).encode())
        quote, balance = await asyncio.gather(kis.quote("005930"), kis.balance())
        digest.update(repr((quote, balance)).encode())
        await stream.set_channels(CHANNELS[:2])
        await clock.sleep(60)
        assert stream.dropped == {}
        assert stream.channels == set(CHANNELS[:2])
    await consumer
    driver.cancel()
    return count, digest.hexdigest()


async def test_the_speed_changes_nothing_that_is_seen(tmp_path: Path) -> None:
    fast = await events_of(math.inf, tmp_path / "fast")
    slow = await events_of(150.0, tmp_path / "slow")
    assert fast == slow
    assert fast[0] > 50
