"""Faults between us and the broker, by their number in the list of faults."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from engine.broker import ExecutionNotice, NewOrder, NoticeKind, OrderKey, OrderType
from engine.events import ErrorRaised, OrderFilled, OrderRejected, OrderResolved, OrderUnknown, PositionDiffers
from engine.market import KST, Phase, Side
from engine.orders import OrderState
from tests.orders.conftest import ECOPRO, SAMSUNG, Rig

PHONE = NewOrder(SAMSUNG, Side.BUY, OrderType.LIMIT, 10, 70_000)


def arrivals(rig: Rig, verb: str = "place") -> int:
    return sum(what == verb for _, what, _ in rig.broker.arrived)


async def test_fault_01_reply_lost_after_the_broker_accepted(rig: Rig) -> None:
    rig.broker.faults.append("lost_reply")
    record = await rig.desk.submit(rig.buy())
    assert record.state is OrderState.UNKNOWN
    assert rig.desk.orderable_cash() == 10_000_000 - 700_700, "its cash stays reserved"
    await rig.pass_time(2)
    bound = rig.desk.order(record.order_id)
    assert bound.state is OrderState.ACCEPTED
    assert bound.key == rig.broker.newest()
    assert arrivals(rig) == 1
    assert rig.told(OrderUnknown)
    assert rig.told(OrderResolved)[0].exists


async def test_fault_02_request_lost_is_proven_and_an_entry_is_dropped(rig: Rig) -> None:
    rig.broker.faults.append("lost_request")
    record = await rig.desk.submit(rig.buy())
    assert record.state is OrderState.UNKNOWN
    await rig.pass_time(50)
    assert rig.desk.order(record.order_id).state is OrderState.UNKNOWN, "one minute of silence is no proof yet"
    await rig.pass_time(20)
    assert rig.desk.order(record.order_id).state is OrderState.NOT_SENT
    assert arrivals(rig) == 0
    await rig.pass_time(1)
    assert rig.told(OrderResolved)[0].exists is False
    assert rig.desk.orderable_cash() == 10_000_000
    await rig.pass_time(600)
    assert rig.broker.calls["place"] == 1, "nothing buys again by itself"


async def test_fault_02_a_sale_that_got_lost_can_be_wished_anew(rig: Rig) -> None:
    await rig.hold()
    rig.broker.faults.append("lost_request")
    lost = await rig.desk.submit(rig.sell())
    meanwhile = await rig.desk.submit(rig.sell())
    assert meanwhile.state is OrderState.DENIED, "the shares of the unknown sale stay reserved"
    await rig.pass_time(75)
    assert rig.desk.order(lost.order_id).state is OrderState.NOT_SENT
    again = await rig.desk.submit(rig.sell())
    assert again.state is OrderState.ACCEPTED


async def test_fault_03_an_order_that_shows_after_25_seconds_is_bound(rig: Rig) -> None:
    rig.broker.visibility = 35.0  # 10 of them pass in the time-out
    rig.broker.faults.append("lost_reply")
    record = await rig.desk.submit(rig.buy())
    await rig.pass_time(20)
    assert rig.desk.order(record.order_id).state is OrderState.UNKNOWN
    await rig.pass_time(45)
    assert rig.desk.order(record.order_id).state is OrderState.ACCEPTED
    assert arrivals(rig) == 1


async def test_fault_03_an_order_that_shows_even_after_the_proof_is_taken_back(rig: Rig) -> None:
    rig.broker.visibility = 100.0
    rig.broker.faults.append("lost_reply")
    record = await rig.desk.submit(rig.buy())
    await rig.pass_time(75)
    assert rig.desk.order(record.order_id).state is OrderState.NOT_SENT
    await rig.pass_time(90)
    assert rig.desk.order(record.order_id).state is OrderState.ACCEPTED
    assert not rig.desk.last_report().external


async def test_fault_04_the_owner_places_the_same_order_by_phone(rig: Rig) -> None:
    rig.broker.faults.append("lost_reply")
    rig.broker.on_place = lambda order: (rig.broker.elsewhere(PHONE), None)[1]
    record = await rig.desk.submit(rig.buy())
    await rig.pass_time(120)
    asked = rig.desk.order(record.order_id)
    assert (asked.state, asked.needs_person) == (OrderState.UNKNOWN, True)
    assert (await rig.desk.submit(rig.buy())).state is OrderState.DENIED, "the code is frozen"
    assert len(rig.broker.live()) == 2, "neither is cancelled"
    phone, ours = sorted(rig.broker.entries, key=lambda key: int(key.number))
    decided = await rig.desk.decide_unknown(record.order_id, ours, "discord:1")
    assert decided.key == ours
    await rig.pass_time(61)
    assert list(rig.desk._ledger.external) == [phone]
    lines = rig.desk.order_lines(rig.clock.today())
    assert [line.state for line in lines] == ["외부 접수", "접수", "거절(위험 한도)"]


async def test_fault_04_a_person_can_say_that_none_is_ours(rig: Rig) -> None:
    rig.broker.faults.append("lost_request")

    def twice(order: NewOrder) -> None:
        rig.broker.elsewhere(PHONE)
        rig.broker.elsewhere(PHONE)

    rig.broker.on_place = twice
    record = await rig.desk.submit(rig.buy())
    await rig.pass_time(5)
    assert rig.desk.order(record.order_id).needs_person
    assert (await rig.desk.decide_unknown(record.order_id, None, "discord:1")).state is OrderState.NOT_SENT
    with pytest.raises(LookupError):
        await rig.desk.decide_unknown(record.order_id, None, "discord:1")


async def test_fault_05_07_any_failure_after_the_bytes_left_is_unknown(rig: Rig) -> None:
    rig.broker.faults.append("exception")
    record = await rig.desk.submit(rig.buy())
    assert record.state is OrderState.UNKNOWN
    await rig.pass_time(3)
    assert rig.desk.order(record.order_id).state is OrderState.ACCEPTED
    assert arrivals(rig) == 1


async def test_fault_08_gateway_rate_limit_waits_and_asks_the_gate_again(rig: Rig) -> None:
    rig.broker.faults.extend(["rate_limit", "rate_limit", None])
    record = await rig.desk.submit(rig.buy())
    assert record.state is OrderState.ACCEPTED
    assert (rig.broker.calls["place"], arrivals(rig)) == (3, 1)
    await rig.pass_time(20)
    rig.broker.faults.extend(["rate_limit"] * 3)
    record = await rig.desk.submit(rig.buy(ECOPRO, 5, 100_000))
    assert record.state is OrderState.NOT_SENT
    assert rig.broker.calls["place"] == 6, "three tries and no storm"


async def test_fault_08_a_stop_during_the_wait_keeps_the_order_back(rig: Rig) -> None:
    rig.broker.faults.append("rate_limit")
    sending = asyncio.create_task(rig.desk.submit(rig.buy()))
    await rig.pass_time(0.5)
    await rig.desk.stop_entries("telegram:1")
    record = await sending
    assert record.state is OrderState.DENIED
    assert arrivals(rig) == 0


async def test_fault_09_10_an_order_that_never_left_is_told_and_sent_by_nobody(rig: Rig) -> None:
    rig.broker.faults.append("refused_connection")
    record = await rig.desk.submit(rig.buy())
    assert record.state is OrderState.NOT_SENT
    await rig.pass_time(1)
    assert rig.told(ErrorRaised)
    assert rig.desk.orderable_cash() == 10_000_000
    assert rig.broker.calls["place"] == 1


async def test_fault_11_a_fill_wins_the_race_with_a_cancel(rig: Rig) -> None:
    record = await rig.desk.submit(rig.buy())
    rig.broker.fill(record.key, 4)
    rig.broker.faults.append("lost_reply")
    cancelled = await rig.desk.cancel(record.order_id, "discord:1")
    await rig.pass_time(5)
    cancelled = rig.desk.order(record.order_id)
    assert (cancelled.state, cancelled.filled, cancelled.cancelled) == (OrderState.CANCELLED, 4, 6)
    assert rig.desk.position(SAMSUNG).quantity == 4
    assert not rig.desk._ledger.open_commands()


async def test_fault_11_everything_filled_before_the_cancel_came(rig: Rig) -> None:
    record = await rig.desk.submit(rig.buy())
    rig.broker.fill(record.key)
    await rig.desk.cancel(record.order_id, "discord:1")
    assert rig.desk.order(record.order_id).state is OrderState.FILLED
    assert rig.desk.position(SAMSUNG).quantity == 10


async def test_fault_11_a_lost_cancel_can_be_given_again(rig: Rig) -> None:
    record = await rig.desk.submit(rig.buy())
    rig.broker.faults.append("lost_request")
    await rig.desk.cancel(record.order_id, "discord:1")
    await rig.pass_time(80)
    assert rig.desk.order(record.order_id).state is OrderState.ACCEPTED
    await rig.desk.cancel(record.order_id, "discord:1")
    assert rig.desk.order(record.order_id).state is OrderState.CANCELLED


async def test_fault_12_an_amend_whose_reply_is_lost(rig: Rig) -> None:
    record = await rig.desk.submit(rig.buy())
    await rig.pass_time(15)
    rig.broker.faults.append("lost_reply")
    await rig.desk.amend(record.order_id, 70_500, 10, "discord:1")
    await rig.pass_time(5)
    after = rig.desk.order(record.order_id)
    assert (after.state, after.price, after.key) == (OrderState.ACCEPTED, 70_500, rig.broker.newest())
    assert len(rig.desk.orders(rig.clock.today())) == 1
    assert not rig.desk._ledger.external
    rig.broker.fill(after.key)
    await rig.pass_time(70)
    assert rig.desk.order(record.order_id).state is OrderState.FILLED


async def test_fault_13_the_notice_comes_before_the_reply(rig: Rig) -> None:
    def early(order: NewOrder) -> None:
        key = OrderKey(rig.clock.today(), "00950", "1")
        rig.broker.notices.append(
            ExecutionNotice(
                key, None, NoticeKind.FILL, SAMSUNG, Side.BUY, 10, 70_000, 10, rig.clock.now(), "1234567801"
            )
        )

    rig.broker.on_place = early
    sending = asyncio.create_task(rig.desk.submit(rig.buy()))
    await rig.pass_time(0.01)
    await rig.hand_notices()
    record = await sending
    rig.broker.fill(record.key)
    await rig.pass_time(5)
    assert rig.desk.order(record.order_id).state is OrderState.FILLED
    assert not rig.desk._ledger.external


async def test_fault_14_notices_twice_late_unordered_or_of_another_account(rig: Rig) -> None:
    record = await rig.desk.submit(rig.buy())
    rig.broker.fill(record.key, 4)
    rig.broker.fill(record.key, 6)
    notices = [notice for notice in rig.broker.notices if notice.kind is NoticeKind.FILL]
    for notice in [*reversed(notices), *notices, *notices]:
        await rig.desk.on_notice(notice)
    foreign = replace(notices[0], account="9999999901")
    await rig.desk.on_notice(foreign)
    await rig.pass_time(70)
    assert rig.desk.position(SAMSUNG).quantity == 10
    assert rig.desk.foreign_notices == 1
    assert sum(event.quantity for event in rig.told(OrderFilled)) == 10


async def test_fault_14_a_lost_notice_is_made_up_by_the_lists(rig: Rig) -> None:
    record = await rig.desk.submit(rig.buy())
    await rig.pass_time(10)
    rig.broker.fill(record.key)
    await rig.pass_time(61)
    assert rig.desk.order(record.order_id).state is OrderState.FILLED


async def test_fault_15_a_list_cut_short_never_proves_absence(rig: Rig) -> None:
    rig.broker.faults.append("lost_request")
    record = await rig.desk.submit(rig.buy())
    rig.broker.list_faults.extend(["cut"] * 40)
    await rig.pass_time(200)
    assert rig.desk.order(record.order_id).state is OrderState.UNKNOWN
    rig.broker.list_faults.clear()
    await rig.pass_time(100)
    assert rig.desk.order(record.order_id).state is OrderState.NOT_SENT


async def test_fault_15_lists_that_fail_leave_it_unknown(rig: Rig) -> None:
    rig.broker.faults.append("lost_reply")
    record = await rig.desk.submit(rig.buy())
    rig.broker.list_faults.extend(["fails"] * 8)
    await rig.pass_time(30)
    assert rig.desk.order(record.order_id).state is OrderState.UNKNOWN
    rig.broker.list_faults.clear()
    await rig.pass_time(40)
    assert rig.desk.order(record.order_id).state is OrderState.ACCEPTED


async def test_fault_17_the_same_number_on_the_next_day(rig: Rig) -> None:
    first = await rig.desk.submit(rig.buy())
    rig.broker.fill(first.key)
    await rig.pass_time(5)
    await rig.clock.sleep_until(datetime(2026, 3, 11, 9, 30, tzinfo=KST))
    rig.broker._number = 0
    second = await rig.desk.submit(rig.buy(ECOPRO, 5, 100_000))
    assert second.key.number == first.key.number
    assert second.key != first.key
    assert second.order_id == "20260311-0001"
    rig.broker.fill(second.key)
    await rig.pass_time(61)
    assert rig.desk.position(ECOPRO).quantity == 5
    assert rig.desk.position(SAMSUNG).quantity == 10
    assert len(rig.desk.orders(first.day)) == 1


async def test_fault_18_a_rejection_is_told_and_not_repeated(rig: Rig) -> None:
    rig.broker.faults.append("rejected")
    record = await rig.desk.submit(rig.buy())
    assert record.state is OrderState.REJECTED
    await rig.pass_time(120)
    assert rig.told(OrderRejected)[0].broker_message
    assert rig.broker.calls["place"] == 1
    assert rig.desk.orderable_cash() == 10_000_000


async def test_fault_18_the_exchange_rejects_after_the_broker_accepted(rig: Rig) -> None:
    record = await rig.desk.submit(rig.buy())
    rig.broker.refuse(record.key)
    await rig.pass_time(5)
    assert rig.desk.order(record.order_id).state is OrderState.REJECTED


async def test_fault_18_three_rejections_pause_the_code(rig: Rig) -> None:
    for _ in range(3):
        rig.broker.faults.append("rejected")
        assert (await rig.desk.submit(rig.buy())).state is OrderState.REJECTED
        await rig.pass_time(11)
    assert "거부" in (await rig.desk.submit(rig.buy())).reason
    assert (await rig.desk.submit(rig.buy(ECOPRO, 5, 100_000))).state is OrderState.ACCEPTED


async def test_fault_19_a_sale_elsewhere_freezes_the_code_until_confirmed(rig: Rig) -> None:
    await rig.hold()
    rig.broker.holdings[SAMSUNG] = (6, 70_000.0)
    await rig.pass_time(61)
    assert (await rig.desk.submit(rig.buy())).state is OrderState.DENIED, "doubtful at once"
    assert not rig.told(PositionDiffers)
    await rig.pass_time(120)
    differs = rig.told(PositionDiffers)
    assert [(d.journal, d.broker) for d in differs] == [(10, 6)]
    assert (await rig.desk.submit(rig.sell(quantity=10))).state is OrderState.DENIED
    desk = await rig.restart()
    assert [d.code for d in desk.frozen_codes()] == [SAMSUNG], "the freeze survives a restart"
    sold = await desk.submit(rig.sell(quantity=6))
    assert sold.state is OrderState.ACCEPTED, "what certainly is there can be sold"
    await desk.cancel(sold.order_id, "discord:1")
    position = await desk.confirm_difference(SAMSUNG, "discord:1")
    assert position.quantity == 6
    assert position.adopted
    assert desk.frozen_codes() == ()
    with pytest.raises(LookupError):
        await desk.confirm_difference(SAMSUNG, "discord:1")
    await rig.pass_time(61)
    assert desk.last_report().clean


async def test_fault_19_holdings_of_a_fresh_journal_are_adopted_after_confirmation(cold_rig: Rig) -> None:
    cold_rig.broker.holdings[ECOPRO] = (7, 99_000.0)
    desk = await cold_rig.start()
    assert desk.position(ECOPRO) is None
    assert desk.equity() == 10_000_000 + 7 * 100_000
    await cold_rig.pass_time(120)
    assert [d.code for d in desk.frozen_codes()] == [ECOPRO]
    position = await desk.confirm_difference(ECOPRO, "discord:1")
    assert (position.quantity, position.average_price, position.origin) == (7, 99_000.0, "external")
    sold = await desk.submit(cold_rig.sell(ECOPRO, 7))
    cold_rig.broker.fill(sold.key, price=101_000)
    await cold_rig.pass_time(61)
    (trade,) = desk.trades(cold_rig.clock.today())
    assert (trade.entry_price, trade.exit_price) == (99_000.0, 101_000.0)


async def test_fault_20_nobody_sells_more_than_is_held(rig: Rig) -> None:
    await rig.hold()
    results = await asyncio.gather(*(rig.desk.submit(rig.sell(quantity=6)) for _ in range(5)))
    assert [record.state for record in results].count(OrderState.ACCEPTED) == 1
    assert sum(order.remaining for order in rig.desk.open_orders()) == 6


async def test_fault_20_many_entries_at_once_do_not_spend_the_same_money(cold_rig: Rig) -> None:
    rig = cold_rig
    rig.broker.cash = 1_000_000
    await rig.start()
    wishes = [rig.buy(code, 3, price) for code, price in ((SAMSUNG, 70_000), (ECOPRO, 100_000), ("011790", 90_000))]
    await asyncio.gather(*(rig.desk.submit(wish) for wish in wishes * 3))
    reserved = sum(order.remaining * order.price for order in rig.desk.open_orders())
    assert 0 < reserved <= 950_000
    assert len({order.intent.code for order in rig.desk.open_orders()}) == len(rig.desk.open_orders())


async def test_fault_22_what_is_left_after_the_close_dies_with_the_day(rig: Rig) -> None:
    record = await rig.desk.submit(rig.buy())
    rig.broker.fill(record.key, 3)
    rig.market.phase_now = Phase.CLOSED
    await rig.clock.sleep_until(datetime(2026, 3, 11, 8, 0, tzinfo=KST))
    assert rig.desk.open_orders() == ()
    assert rig.desk.position(SAMSUNG).quantity == 3
    (past,) = rig.desk.orders(record.day)
    assert (past.state, past.filled, past.cancelled) == (OrderState.CANCELLED, 3, 7)
    assert rig.desk.orderable_cash() == rig.broker.cash


async def test_fault_25_an_off_tick_fill_is_accepted(rig: Rig) -> None:
    record = await rig.desk.submit(rig.buy())
    rig.broker.fill(record.key, price=69_950)
    await rig.pass_time(5)
    assert rig.desk.position(SAMSUNG).average_price == 69_950


async def test_fault_34_an_unknown_order_is_resolved_after_midnight(rig: Rig) -> None:
    await rig.clock.sleep_until(datetime(2026, 3, 10, 23, 59, 50, tzinfo=KST))
    rig.market.phase_now = Phase.CONTINUOUS
    rig.broker.faults.append("lost_reply")
    record = await rig.desk.submit(rig.buy())
    rig.broker.list_faults.extend(["fails"] * 3)
    await rig.pass_time(1_000)
    final = rig.desk.order(record.order_id) or rig.desk.orders(record.day)[-1]
    assert final.key is not None
    assert final.state is OrderState.CANCELLED, "it was found, and ended with its day"


async def test_orders_of_the_owner_are_shown_counted_and_left_alone(rig: Rig) -> None:
    await rig.pass_time(1)
    phone = rig.broker.elsewhere(replace(PHONE, price=69_000))
    await rig.pass_time(61)
    assert [line.order_id for line in rig.desk.order_lines(rig.clock.today())] == [f"외부-{phone.number}"]
    assert rig.desk.orderable_cash() == 10_000_000 - 690_000 - 690
    await rig.desk.panic("telegram:1")
    await rig.pass_time(5)
    assert [row.key for row in rig.broker.live()] == [phone]
    rig.broker.fill(phone)
    await rig.pass_time(180)
    assert rig.told(PositionDiffers)
    assert rig.desk.position(SAMSUNG) is None


async def test_two_unknown_orders_stop_all_entries(rig: Rig) -> None:
    for code, price in ((SAMSUNG, 70_000), (ECOPRO, 100_000)):
        rig.broker.faults.append("lost_request")
        await rig.desk.submit(rig.buy(code, 3, price))
    refused = await rig.desk.submit(rig.buy("011790", 3, 90_000))
    assert refused.state is OrderState.DENIED
    assert "2건" in refused.reason
    await rig.pass_time(90)
    assert (await rig.desk.submit(rig.buy("011790", 3, 90_000))).state is OrderState.ACCEPTED


async def test_no_order_is_sending_for_more_than_a_minute(rig: Rig) -> None:
    rig.broker.timeout = 45.0
    rig.broker.faults.append("lost_request")
    sending = asyncio.create_task(rig.desk.submit(rig.buy()))
    await rig.pass_time(44)
    assert rig.desk.open_orders()[0].state is OrderState.SENDING
    record = await sending
    assert record.state is OrderState.UNKNOWN
    assert record.unknown_at - record.sent_at < timedelta(seconds=60)
