"""The door's smaller promises: amends that cannot be, turns, and what an aborted caller leaves."""

from __future__ import annotations

import asyncio

import pytest

from engine.events import StopRaised
from engine.market import Phase
from engine.orders import OrderState
from engine.orders.door import Turns
from tests.orders.conftest import ECOPRO, SAMSUNG, SKC, Rig


async def test_unknown_order_ids_are_a_lookup_error(rig: Rig) -> None:
    for call in (rig.desk.cancel("x", "me"), rig.desk.amend("x", 1, 1, "me"), rig.desk.decide_unknown("x", None, "me")):
        with pytest.raises(LookupError):
            await call


async def test_cancelling_twice_asks_the_broker_once(rig: Rig) -> None:
    record = await rig.desk.submit(rig.buy())
    await rig.desk.cancel(record.order_id, "me")
    again = await rig.desk.cancel(record.order_id, "me")
    assert again.state is OrderState.CANCELLED
    assert rig.broker.calls["cancel"] == 1


async def test_an_amend_passes_the_gate_too(rig: Rig) -> None:
    record = await rig.desk.submit(rig.buy())
    await rig.pass_time(15)
    far = await rig.desk.amend(record.order_id, 75_000, 10, "me")
    assert "떨어져" in far.reason
    fewer = await rig.desk.amend(record.order_id, 70_100, 4, "me")
    assert "전부" in fewer.reason
    assert rig.broker.calls["amend"] == 0
    rig.broker.faults.append("rejected")
    refused = await rig.desk.amend(record.order_id, 70_500, 10, "me")
    assert "해당종목정보" in refused.reason
    after = rig.desk.order(record.order_id)
    assert (after.state, after.price, after.reserve_price) == (OrderState.ACCEPTED, 70_000, 70_000)
    await rig.desk.cancel(record.order_id, "me")
    ended = await rig.desk.amend(record.order_id, 70_100, 10, "me")
    assert "정정할 수 없는" in ended.reason


async def test_an_amend_without_an_answer_keeps_the_dearer_price_reserved(rig: Rig) -> None:
    record = await rig.desk.submit(rig.buy())
    await rig.pass_time(15)
    rig.broker.faults.append("lost_request")
    await rig.desk.amend(record.order_id, 71_000, 10, "me")
    assert rig.desk.orderable_cash() == 10_000_000 - 710_710
    assert (await rig.desk.submit(rig.buy())).state is OrderState.DENIED
    await rig.pass_time(80)
    assert not rig.desk._ledger.open_commands()
    rig.broker.fill(rig.desk.order(record.order_id).key)
    await rig.pass_time(61)
    assert rig.desk.position(SAMSUNG).quantity == 10


async def test_the_exit_goes_before_waiting_entries(rig: Rig) -> None:
    await rig.hold()
    await rig.pass_time(11)
    rig.broker.latency = 2.0
    wishes = [rig.buy(ECOPRO, 2, 100_000), rig.buy(SKC, 2, 90_000), rig.sell()]
    running = [asyncio.create_task(rig.desk.submit(wish)) for wish in wishes]
    await asyncio.gather(*running)
    placed = [order.code for _, verb, order in rig.broker.arrived if verb == "place"]
    assert placed == [SAMSUNG, ECOPRO, SAMSUNG, SKC]


async def test_a_turn_given_to_somebody_who_left_is_passed_on() -> None:
    turns, order = Turns(), []

    async def take(name: str) -> None:
        async with turns.take(1):
            order.append(name)
            await asyncio.sleep(0)

    async with turns.take(0):
        waiting = [asyncio.create_task(take(name)) for name in "abc"]
        await asyncio.sleep(0)
        waiting[0].cancel()
    waiting[1].cancel()  # its turn has come, and it goes away before it takes it
    await asyncio.gather(*waiting, return_exceptions=True)
    assert order == ["c"]
    await asyncio.wait_for(take("d"), 1)


async def test_the_stop_moves_only_up_and_says_so(rig: Rig) -> None:
    await rig.hold()
    await rig.desk.update_plan(SAMSUNG, stop_price=68_000)
    await rig.desk.update_plan(SAMSUNG, stop_price=69_000, reason="추적")
    await rig.desk.update_plan(SAMSUNG, stop_price=60_000)
    await rig.desk.update_plan(ECOPRO, stop_price=60_000)
    await rig.pass_time(1)
    assert [(event.old, event.new) for event in rig.told(StopRaised)] == [(0, 68_000), (68_000, 69_000)]
    assert rig.desk.position(SAMSUNG).stop_price == 69_000


async def test_the_first_order_of_a_day_reconciles_first(rig: Rig) -> None:
    rig.market.phase_now = Phase.CLOSED
    await rig.pass_time(60)
    for task in rig._tasks:
        task.cancel()
    await rig.pass_time(24 * 3600)
    rig.market.phase_now = Phase.CONTINUOUS
    record = await rig.desk.submit(rig.buy())
    assert record.order_id == "20260311-0001"
    assert record.state is OrderState.ACCEPTED


async def test_a_broker_that_is_away_at_the_start(cold_rig: Rig) -> None:
    cold_rig.broker.list_faults.append("fails")
    desk = await cold_rig.start()
    assert not desk.ready
    assert (await desk.submit(cold_rig.buy())).state is OrderState.DENIED
    await cold_rig.pass_time(61)
    assert desk.ready
    assert (await desk.submit(cold_rig.buy())).state is OrderState.ACCEPTED


async def test_losses_in_a_row_pause_the_bot_not_the_person(rig: Rig) -> None:
    for _ in range(6):
        await rig.hold(quantity=1)
        sold = await rig.desk.submit(rig.sell(quantity=1))
        rig.broker.fill(sold.key, price=69_900)
        await rig.pass_time(200)
    assert len(rig.desk.trades(rig.clock.today())) == 6
    assert "이어서 손실" in (await rig.desk.submit(rig.buy())).reason
    manual = await rig.desk.submit(rig.buy(origin="manual"))
    assert manual.state is OrderState.ACCEPTED
