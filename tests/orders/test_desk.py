"""The ordinary life of orders and positions."""

from __future__ import annotations

from datetime import timedelta

from engine.events import OrderAccepted, OrderCancelled, OrderDenied, OrderFilled, PositionClosed
from engine.orders import OrderState
from engine.results import ExitReason
from tests.orders.conftest import SAMSUNG, Rig


async def test_before_start_every_order_is_denied(cold_rig: Rig) -> None:
    desk = await cold_rig.start(start=False, background=False)
    record = await desk.submit(cold_rig.buy())
    assert record.state is OrderState.DENIED
    assert "대조" in record.reason
    assert cold_rig.broker.calls["place"] == 0


async def test_buy_fill_sell_makes_a_trade_with_costs(rig: Rig) -> None:
    desk = rig.desk
    bought = await desk.submit(rig.buy(score=57.5, reasons=("RSI 28.1",), stop_price=68_000, target_price=73_500))
    assert bought.state is OrderState.ACCEPTED
    assert bought.order_id == "20260310-0001"
    assert desk.positions() == ()
    assert not rig.told(OrderFilled), "an accepted order is not a fill"
    rig.broker.fill(bought.key, 4, 69_900)
    await rig.hand_notices()
    await rig.pass_time(2)
    assert desk.order(bought.order_id).state is OrderState.PARTIALLY_FILLED
    rig.broker.fill(bought.key)
    await rig.hand_notices()
    await rig.pass_time(2)
    position = desk.position(SAMSUNG)
    assert position.quantity == 10
    assert position.average_price == (4 * 69_900 + 6 * 70_000) / 10
    assert (position.stop_price, position.target_price, position.entry_score) == (68_000, 73_500, 57.5)

    rig.market.prices[SAMSUNG] = 73_500
    sold = await desk.submit(rig.sell(price=73_500))
    rig.broker.fill(sold.key, 3)
    await rig.pass_time(70)
    rig.broker.fill(sold.key)
    await rig.pass_time(70)
    assert desk.positions() == ()
    (trade,) = desk.trades(rig.clock.today())
    bought_value, sold_value = 4 * 69_900 + 6 * 70_000, 735_000
    fees = rig.broker.costs.commission(bought_value) + rig.broker.costs.commission(sold_value)
    assert (trade.quantity, trade.fees, trade.taxes) == (10, fees, 735_000 * 50 // 100_000 + 735_000 * 150 // 100_000)
    assert trade.profit == sold_value - bought_value - trade.fees - trade.taxes
    assert trade.reason is ExitReason.TAKE_PROFIT
    assert rig.told(PositionClosed)[0].trade == trade
    assert desk._ledger.cash() == rig.broker.cash
    fills = rig.told(OrderFilled)
    assert [(f.quantity, f.filled_total, f.complete) for f in fills] == [
        (4, 4, False),
        (6, 10, True),
        (3, 3, False),
        (7, 10, True),
    ]


async def test_cash_is_reserved_and_released(rig: Rig) -> None:
    before = rig.desk.orderable_cash()
    record = await rig.desk.submit(rig.buy())
    assert rig.desk.orderable_cash() == before - 700_000 - 700
    await rig.desk.cancel(record.order_id, "discord:1")
    assert rig.desk.order(record.order_id).state is OrderState.CANCELLED
    assert rig.desk.orderable_cash() == before
    assert rig.told(OrderCancelled)[0].cancelled == 10


async def test_the_same_signal_is_never_sent_twice_even_after_a_restart(rig: Rig) -> None:
    wish = rig.buy()
    await rig.desk.submit(wish)
    await rig.pass_time(60)
    again = await rig.desk.submit(wish)
    assert again.state is OrderState.DENIED
    await rig.restart()
    again = await rig.desk.submit(wish)
    assert again.state is OrderState.DENIED
    assert "같은 신호" in again.reason
    assert rig.broker.calls["place"] == 1


async def test_restart_keeps_positions_plans_and_open_orders(rig: Rig) -> None:
    await rig.hold()
    await rig.desk.update_plan(SAMSUNG, stop_price=68_500, highest_price=71_000, bars_held=3)
    await rig.desk.update_plan(SAMSUNG, stop_price=60_000, highest_price=50_000)
    resting = await rig.desk.submit(rig.sell(price=73_000))
    before = rig.desk.positions()
    desk = await rig.restart()
    assert desk.positions() == before
    assert (before[0].stop_price, before[0].highest_price, before[0].bars_held) == (68_500, 71_000, 3)
    assert [order.order_id for order in desk.open_orders()] == [resting.order_id]
    assert desk.open_orders()[0].key == resting.key


async def test_amend_is_one_logical_order_with_two_keys(rig: Rig) -> None:
    record = await rig.desk.submit(rig.buy())
    await rig.pass_time(15)
    rig.broker.fill(record.key, 3)
    await rig.pass_time(70)
    amended = await rig.desk.amend(record.order_id, 70_500, 7, "discord:1")
    assert amended.price == 70_500
    assert amended.key != record.key
    rig.broker.fill(amended.key)
    await rig.pass_time(70)
    final = rig.desk.order(record.order_id)
    assert final.state is OrderState.FILLED
    assert final.filled_value == 3 * 70_000 + 7 * 70_500
    assert rig.desk.position(SAMSUNG).quantity == 10
    assert not rig.desk.last_report().external


async def test_an_exit_withdraws_our_own_resting_buy_first(rig: Rig) -> None:
    await rig.hold()
    await rig.pass_time(30)
    buy = await rig.desk.submit(rig.buy(price=69_500))
    sell = await rig.desk.submit(rig.sell())
    assert sell.state is OrderState.ACCEPTED
    assert rig.desk.order(buy.order_id).state is OrderState.CANCELLED


async def test_denied_orders_are_told_and_do_not_use_up_their_key(rig: Rig) -> None:
    rig.market.quote_age = 30
    wish = rig.buy()
    denied = await rig.desk.submit(wish)
    assert denied.state is OrderState.DENIED
    assert rig.told(OrderDenied) or await _settle(rig)
    rig.market.quote_age = 0
    assert (await rig.desk.submit(wish)).state is OrderState.ACCEPTED


async def _settle(rig: Rig) -> bool:
    await rig.pass_time(1)
    return bool(rig.told(OrderDenied))


async def test_panic_stops_entries_cancels_and_sells_only_when_told(rig: Rig) -> None:
    await rig.hold()
    await rig.pass_time(30)
    resting = await rig.desk.submit(rig.sell(quantity=4, price=75_000))
    report = await rig.desk.panic("telegram:1")
    assert [order.order_id for order in report.cancelled] == [resting.order_id]
    assert rig.desk.position(SAMSUNG).quantity == 10
    await rig.pass_time(60)
    assert (await rig.desk.submit(rig.buy())).state is OrderState.DENIED
    sold = await rig.desk.flatten("telegram:1")
    assert [(o.state, o.intent.quantity) for o in sold.sold] == [(OrderState.ACCEPTED, 10)]
    desk = await rig.restart()
    assert [latch.name for latch in desk.latches()] == ["panic"]
    assert await desk.release_latch("panic", "telegram:1")
    assert desk.latches() == ()


async def test_the_journal_hash_is_the_same_for_the_same_day(rig: Rig) -> None:
    day = rig.clock.today()
    empty = await rig.desk.journal_hash(day)
    await rig.desk.record_decision(SAMSUNG, "entry", score=55.0, input_digest="ab", detail={"이유": "시험"})
    decided = await rig.desk.journal_hash(day)
    await rig.hold()
    assert len({empty, decided, await rig.desk.journal_hash(day)}) == 3
    same = await rig.desk.journal_hash(day)
    await rig.restart()
    assert await rig.desk.journal_hash(day) == same
    assert await rig.desk.journal_hash(day - timedelta(days=1)) == empty


async def test_accepted_is_announced_as_accepted(rig: Rig) -> None:
    await rig.desk.submit(rig.buy())
    await rig.pass_time(1)
    assert len(rig.told(OrderAccepted)) == 1
    assert not rig.told(OrderFilled)
