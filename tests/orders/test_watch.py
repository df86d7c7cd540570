"""The independent watcher: reads both sides, writes to neither's books."""

from __future__ import annotations

import hashlib
import sqlite3
from datetime import timedelta

import pytest

from engine.broker import NewOrder, OrderType
from engine.clock import wall_now
from engine.market import Side
from engine.orders import JournalUnavailable, OrderState
from engine.orders.watch import Watcher, read_journal
from tests.orders.conftest import SAMSUNG, Rig


class Alerts(list[str]):
    async def __call__(self, message: str) -> None:
        self.append(message)


async def test_a_healthy_service_gives_no_alert_and_the_file_is_not_touched(rig: Rig) -> None:
    await rig.hold()
    await rig.desk.submit(rig.sell(price=75_000))
    await rig.pass_time(5)
    alerts = Alerts()
    watcher = Watcher(rig.path, rig.broker, rig.clock, alerts)
    before = hashlib.sha256(rig.path.read_bytes()).hexdigest()
    for _ in range(3):
        assert await watcher.look() == ()
        await rig.clock.sleep(0.1)
    assert alerts == []
    assert hashlib.sha256(rig.path.read_bytes()).hexdigest() == before


async def test_a_difference_that_stands_is_told_once(rig: Rig) -> None:
    await rig.hold()
    rig.broker.holdings[SAMSUNG] = (3, 70_000.0)
    alerts = Alerts()
    watcher = Watcher(rig.path, rig.broker, rig.clock, alerts)
    await watcher.look()
    assert alerts == []
    for _ in range(3):
        await rig.pass_time(61)
        await watcher.look()
    assert len([text for text in alerts if "10주" in text and "3주" in text]) == 1


async def test_a_dead_service_is_told_and_its_orders_cancelled_where_allowed(rig: Rig) -> None:
    resting = await rig.desk.submit(rig.buy())
    phone = rig.broker.elsewhere(NewOrder(SAMSUNG, Side.BUY, OrderType.LIMIT, 1, 69_000))
    await rig.pass_time(1)
    await rig.kill()
    connection = sqlite3.connect(rig.path)
    connection.execute("UPDATE lease SET heartbeat_wall = ?", ((wall_now() - timedelta(seconds=30)).isoformat(),))
    connection.commit()
    connection.close()
    alerts = Alerts()
    await Watcher(rig.path, rig.broker, rig.clock, alerts).look()
    assert "멈춘" in alerts[0]
    assert len(rig.broker.live()) == 2, "it only watches unless told to act"
    await Watcher(rig.path, rig.broker, rig.clock, alerts, cancel_when_hanging=True).look()
    assert [row.key for row in rig.broker.live()] == [phone]
    desk = await rig.start()
    assert desk.order(resting.order_id).state is OrderState.CANCELLED


async def test_an_order_stuck_in_sending_is_told(rig: Rig) -> None:
    connection = sqlite3.connect(rig.path)
    record = await rig.desk.submit(rig.buy())
    await rig.kill()
    connection.execute("DROP TRIGGER orders_transition")
    old = (rig.clock.now() - timedelta(seconds=90)).isoformat()
    connection.execute("UPDATE orders SET state = 'sending', sent_at = ?", (old,))
    connection.commit()
    connection.close()
    found = await Watcher(rig.path, rig.broker, rig.clock, Alerts()).look()
    assert [finding.kind for finding in found if record.order_id in finding.message] == ["stuck"]


async def test_a_broker_that_is_away_is_told_once(rig: Rig) -> None:
    alerts = Alerts()
    watcher = Watcher(rig.path, rig.broker, rig.clock, alerts)
    rig.broker.list_faults.extend(["fails", "fails"])
    assert await watcher.look() == ()
    assert await watcher.look() == ()
    assert len(alerts) == 1


async def test_no_journal_no_watch(rig: Rig) -> None:
    with pytest.raises(JournalUnavailable):
        read_journal(rig.path.with_name("none.db"), rig.clock.today(), rig.clock.now())
