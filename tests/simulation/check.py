"""What must hold at the end of a simulated day: the broker's log against the journal."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from typing import TYPE_CHECKING

from engine.market import Side
from engine.orders import Journal, OrderDesk, OrderState, ReconcileReport
from tests.simulation.world import SimulatedBroker

if TYPE_CHECKING:
    from tests.simulation.day import DayResult


async def violations_of(
    result: DayResult,
    desk: OrderDesk,
    journal: Journal,
    broker: SimulatedBroker,
    report: ReconcileReport,
    asked: set[str],
) -> None:
    """Fill the counters and the violations of ``result``."""
    say = result.violations.append
    day = desk._ledger.day
    records = {order.order_id: order for order in await journal.orders(day)}
    keys = {row[2]: row[3] for row in await journal._store.rows("SELECT day, branch, number, order_id FROM order_keys")}
    result.orders = sum(order.state is not OrderState.DENIED for order in records.values())
    result.sent = len(broker.log)

    for order_id, count in Counter(arrival.order_id for arrival in broker.log).items():
        if count > 1:
            result.duplicates += count - 1
            say(f"order {order_id} arrived {count} times")
    for key, count in Counter(arrival.signal_key for arrival in broker.log).items():
        if count > 1:
            result.duplicates += count - 1
            say(f"signal {key} arrived {count} times")
    for arrival in broker.log:
        record = records.get(arrival.order_id)
        if record is None:
            say(f"order {arrival.order_id} was sent and is not in the journal")
        elif record.key in broker.phone_keys:
            result.mistaken += 1
            if arrival.order_id not in asked:
                say(f"order {arrival.order_id} was taken for the owner's and nobody was asked")
        elif keys.get(arrival.key.number) != arrival.order_id:
            say(f"order {arrival.order_id} ({record.state}) is not bound to its broker order {arrival.key.number}")
        for pressed, released in result.stops:
            late = arrival.left_at > pressed + timedelta(seconds=1)
            if arrival.order.side is Side.BUY and late and (released is None or arrival.left_at < released):
                result.after_stop += 1
                say(f"order {arrival.order_id} left at {arrival.left_at} after the kill switch at {pressed}")

    for order in records.values():
        if order.state in (OrderState.PREPARED, OrderState.SENDING, OrderState.UNKNOWN):
            say(f"order {order.order_id} is still {order.state} after the liveness phase")

    broker_filled: Counter[str] = Counter()
    for entry in broker.entries.values():
        owner = keys.get(entry.row.key.number)
        if owner is not None:
            broker_filled[owner] += entry.row.filled
    for order in records.values():
        if broker_filled[order.order_id] != order.filled:
            result.lost_fills += 1
            say(f"order {order.order_id}: broker filled {broker_filled[order.order_id]}, journal {order.filled}")
    sums = dict(await journal._store.rows("SELECT order_id, sum(quantity) FROM fills GROUP BY order_id"))
    for order in records.values():
        if sums.get(order.order_id, 0) != order.filled:
            say(f"order {order.order_id}: fills sum to {sums.get(order.order_id, 0)}, order says {order.filled}")
    result.fills = sum(1 for _ in await journal._store.rows("SELECT 1 FROM fills"))

    holdings = {code: quantity for code, (quantity, _) in broker.holdings.items() if quantity}
    positions = {position.code: position.quantity for position in desk.positions()}
    if holdings != positions:
        result.differences += 1
        say(f"positions: broker {holdings}, journal {positions}")
    if desk._ledger.cash() != broker.cash:
        result.differences += 1
        say(f"cash: broker {broker.cash}, desk {desk._ledger.cash()}")
    costs = sum(order.fees + order.taxes for order in records.values())
    flow = sum(
        (order.filled_value if order.intent.side is Side.SELL else -order.filled_value) for order in records.values()
    )
    legs = sum(len(keys_of) > 1 for keys_of in _legs(keys).values())
    if (
        not result.mistaken and abs(30_000_000 + flow - costs - broker.cash) > 3 * legs
    ):  # an amended order's fee is rounded once, not twice
        result.differences += 1
        say(f"cash from our own books: {30_000_000 + flow - costs}, broker {broker.cash}")
    if not report.complete:
        say(f"the last reconciliation was not complete: {report.reason}")


def _legs(keys: dict[str, str]) -> dict[str, list[str]]:
    legs: dict[str, list[str]] = {}
    for number, order_id in keys.items():
        legs.setdefault(order_id, []).append(number)
    return legs
