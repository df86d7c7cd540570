"""Faults of disk, process and time, by their number in the list of faults."""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
from collections.abc import Sequence
from pathlib import Path

import pytest

from engine.clock import SimulatedClock, seeded
from engine.events import ErrorRaised, ProtectionLatched
from engine.market import Environment
from engine.orders import Journal, JournalUnavailable, LeaseHeld, OrderState, WrongAccount
from engine.store import AsyncStore, FenceLost, NewerSchema, Statement, backup, explain, migrations, prepare
from tests.orders.conftest import ECOPRO, SAMSUNG, START, Rig, rig_at


class Sick:
    """Breaks the store's writes from the ``after``-th on."""

    def __init__(self, store: AsyncStore, error: sqlite3.Error, after: int = 0) -> None:
        self._store, self._error, self._left = store, error, after
        self._write = store.write
        store.write = self.write  # type: ignore[method-assign]

    async def write(self, statements: Sequence[Statement], guard: Statement | None = None) -> None:
        if self._left <= 0:
            raise explain(self._error, self._store.path)
        self._left -= 1
        await self._write(statements, guard)

    def heal(self) -> None:
        self._store.write = self._write  # type: ignore[method-assign]


FULL = sqlite3.OperationalError("database or disk is full")


async def test_fault_36_killed_between_intent_and_send(rig: Rig) -> None:
    rig.broker.on_place = lambda order: (_ for _ in ()).throw(AssertionError("nothing may be sent"))
    desk = rig.desk
    wish = rig.buy()
    order, statements = desk._ledger.prepare(wish, rig.clock.now(), 70_000)
    await desk._journal.write(statements)
    desk = await rig.restart()
    assert desk.order(order.order_id).state is OrderState.NOT_SENT
    assert desk.orderable_cash() == 10_000_000


async def test_fault_36_killed_after_the_send_and_before_the_reply(rig: Rig) -> None:
    sending = asyncio.create_task(rig.desk.submit(rig.buy()))
    rig.broker.faults.append("lost_reply")
    await rig.pass_time(1)
    assert len(rig.broker.arrived) == 1
    await rig.kill()
    await asyncio.gather(sending, return_exceptions=True)
    desk = await rig.start()
    (order,) = desk.orders(rig.clock.today())
    assert order.state is OrderState.ACCEPTED, "found in the list at the start"
    assert order.key == rig.broker.newest()


async def test_fault_36_killed_before_the_request_left(rig: Rig) -> None:
    rig.broker.faults.append("lost_request")
    sending = asyncio.create_task(rig.desk.submit(rig.buy()))
    await rig.pass_time(1)
    await rig.kill()
    await asyncio.gather(sending, return_exceptions=True)
    desk = await rig.start()
    assert desk.open_orders()[0].state is OrderState.UNKNOWN
    await rig.pass_time(75)
    assert desk.open_orders() == ()
    assert rig.broker.arrived == []


async def test_fault_37_closing_waits_for_the_order_under_way(rig: Rig) -> None:
    sending = asyncio.create_task(rig.desk.submit(rig.buy()))
    await rig.pass_time(0.01)
    await rig.desk.close()
    assert (await sending).state is OrderState.ACCEPTED
    for task in rig._tasks:
        task.cancel()
    await asyncio.gather(*rig._tasks, return_exceptions=True)
    rig._tasks.clear()
    desk = await rig.start()
    assert desk.open_orders()[0].state is OrderState.ACCEPTED


async def test_fault_37_a_cancelled_command_does_not_cut_the_order(rig: Rig) -> None:
    sending = asyncio.create_task(rig.desk.submit(rig.buy()))
    await rig.pass_time(0.01)
    sending.cancel()
    await rig.pass_time(1)
    assert rig.desk.open_orders()[0].state is OrderState.ACCEPTED


async def test_fault_38_a_second_process_is_refused(rig: Rig) -> None:
    with pytest.raises(LeaseHeld, match="이미 돌고"):
        await Journal.open(rig.path, rig.clock)
    assert (await rig.desk.submit(rig.buy())).state is OrderState.ACCEPTED, "the first goes on"


async def test_fault_38_a_fenced_process_sends_nothing(rig: Rig) -> None:
    connection = sqlite3.connect(rig.path)
    connection.execute("UPDATE lease SET fence = fence + 1")
    connection.commit()
    connection.close()
    record = await rig.desk.submit(rig.buy())
    assert record.state is OrderState.DENIED
    assert rig.broker.calls["place"] == 0
    again = await rig.desk.submit(rig.buy(ECOPRO, 3, 100_000))
    assert "다른 프로그램" in again.reason
    with pytest.raises(FenceLost):
        await rig.desk._journal.write([("UPDATE lease SET holder = 'x'", ())])


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (FULL, "가득"),
        (sqlite3.OperationalError("disk I/O error"), "쓸 수 없습니다"),
        (sqlite3.OperationalError("attempt to write a readonly database"), "읽기 전용"),
        (sqlite3.OperationalError("database is locked"), "다른 프로그램"),
    ],
)
async def test_fault_39_no_order_without_a_durable_record(rig: Rig, error: sqlite3.Error, said: str) -> None:
    sick = Sick(rig.desk._journal._store, error)
    record = await rig.desk.submit(rig.buy())
    assert record.state is OrderState.DENIED
    assert said in record.reason
    await rig.pass_time(1)
    assert any(said in event.message for event in rig.told(ErrorRaised))
    assert rig.broker.calls["place"] == 0
    assert rig.desk.orderable_cash() == 10_000_000
    sick.heal()
    assert (await rig.desk.submit(rig.buy())).state is OrderState.ACCEPTED


async def test_fault_39_the_disk_fills_between_intent_and_send(rig: Rig) -> None:
    sick = Sick(rig.desk._journal._store, FULL, after=1)
    record = await rig.desk.submit(rig.buy())
    assert record.state is OrderState.NOT_SENT
    assert rig.broker.calls["place"] == 0
    sick.heal()
    await rig.desk.record_decision(SAMSUNG, "note")
    desk = await rig.restart()
    assert desk.order(record.order_id).state is OrderState.NOT_SENT


async def test_fault_39_the_disk_fills_while_the_order_is_out(rig: Rig) -> None:
    sick = Sick(rig.desk._journal._store, FULL, after=2)
    record = await rig.desk.submit(rig.buy())
    assert record.state is OrderState.ACCEPTED
    assert rig.desk.trouble()
    assert (await rig.desk.submit(rig.buy(ECOPRO, 3, 100_000))).state is OrderState.DENIED, "nothing over the gap"
    rig.broker.fill(record.key)
    await rig.pass_time(70)
    assert rig.desk.position(SAMSUNG).quantity == 10
    await rig.kill()  # the reply was never written: the file still says SENDING
    sick.heal()
    desk = await rig.start()
    assert desk.order(record.order_id).state is OrderState.FILLED
    assert desk.position(SAMSUNG).quantity == 10
    assert rig.broker.calls["place"] == 1


async def test_fault_39_what_was_held_back_is_written_when_the_disk_is_well(rig: Rig) -> None:
    sick = Sick(rig.desk._journal._store, FULL, after=2)
    record = await rig.desk.submit(rig.buy())
    sick.heal()
    await rig.pass_time(61)
    assert rig.desk.trouble() == ""
    steps = [state for _, state, _ in await rig.desk._journal.steps(record.order_id)]
    assert steps == ["prepared", "sending", "accepted"]


async def test_fault_39_a_cancel_goes_out_even_over_a_full_disk(rig: Rig) -> None:
    record = await rig.desk.submit(rig.buy())
    Sick(rig.desk._journal._store, FULL)
    await rig.desk.cancel(record.order_id, "discord:1")
    assert rig.broker.live() == []
    assert rig.desk.order(record.order_id).state is OrderState.CANCELLED


async def test_fault_39_a_real_full_disk(tmp_path: Path) -> None:
    """SQLite's own limit on pages makes the file refuse to grow, as a full disk does."""
    async with rig_at(tmp_path / "journal.db") as rig:
        await rig.start(background=False)
        connection = rig.desk._journal._store._connection
        pages = (await (await connection.execute("PRAGMA page_count")).fetchone())[0]
        await connection.execute(f"PRAGMA max_page_count={pages}")
        records = []
        for number in range(40):
            records.append(await rig.desk.submit(rig.buy(note="x" * 4_000, reasons=(f"{number}" * 500,))))
            await rig.pass_time(11)
        refused = [record for record in records if "가득" in record.reason]
        assert refused, [record.reason for record in records]
        sent = {order.order_id for order in records if order.state is OrderState.ACCEPTED}
        assert len(rig.broker.arrived) == len(sent)
        await connection.execute("PRAGMA max_page_count=1000000")
        desk = await rig.restart()
        assert {order.order_id for order in desk.open_orders()} == sent


@pytest.mark.parametrize("damage", ["garbage", "truncated", "emptied page"])
async def test_fault_40_a_damaged_file_is_refused(rig: Rig, damage: str) -> None:
    await rig.hold()
    await rig.kill()
    data = rig.path.read_bytes()
    for extra in rig.path.parent.glob("journal.db-*"):
        extra.unlink()
    if damage == "garbage":
        rig.path.write_bytes(b"not a database at all" * 100)
    elif damage == "truncated":
        rig.path.write_bytes(data[: len(data) // 2])
    else:
        rig.path.write_bytes(data[:4096] + b"\xff" * 4096 + data[8192:])
    with pytest.raises(JournalUnavailable, match="손상"):
        await Journal.open(rig.path, rig.clock)
    rig.path.unlink()
    desk = await rig.start()  # a new file: rebuilt from the broker after confirmation
    await rig.pass_time(120)
    assert (await desk.confirm_difference(SAMSUNG, "discord:1")).quantity == 10


async def test_fault_40_a_newer_file_is_refused(tmp_path: Path) -> None:
    clock = SimulatedClock(START)
    prepare(tmp_path / "journal.db")
    connection = sqlite3.connect(tmp_path / "journal.db")
    connection.execute(f"PRAGMA user_version={migrations()[-1][0] + 1}")
    connection.close()
    with pytest.raises(NewerSchema, match="새로운 버전"):
        await Journal.open(tmp_path / "journal.db", clock)


async def test_fault_40_an_older_file_is_migrated_and_backed_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "journal.db"
    prepare(path)
    newer = [*migrations(), (migrations()[-1][0] + 1, "CREATE TABLE more (a INTEGER);\nINSERT INTO more VALUES (7);\n")]
    monkeypatch.setattr("engine.store.migrations", lambda: newer)
    prepare(path)
    connection = sqlite3.connect(path)
    assert connection.execute("SELECT a FROM more").fetchall() == [(7,)]
    connection.close()
    assert list(tmp_path.glob("journal.before-*.db"))
    broken = [*newer, (newer[-1][0] + 1, "CREATE TABLE last (a INTEGER);\nINSERT INTO nowhere VALUES (1);\n")]
    monkeypatch.setattr("engine.store.migrations", lambda: broken)
    with pytest.raises(JournalUnavailable):
        prepare(path)
    connection = sqlite3.connect(path)
    assert not connection.execute("SELECT name FROM sqlite_master WHERE name = 'last'").fetchall()
    connection.close()


async def test_fault_40_yesterdays_backup_does_not_trade_on_old_positions(rig: Rig) -> None:
    await rig.hold()
    copy = rig.path.with_name("copy.db")
    backup(rig.path, copy)
    sold = await rig.desk.submit(rig.sell())
    rig.broker.fill(sold.key)
    await rig.pass_time(5)
    assert rig.desk.positions() == ()
    await rig.kill()
    for extra in rig.path.parent.glob("journal.db-*"):
        extra.unlink()
    shutil.copy(copy, rig.path)
    desk = await rig.start()
    assert desk.position(SAMSUNG).quantity == 10
    refused = await desk.submit(rig.sell())
    assert refused.state is OrderState.DENIED
    assert "0주" in refused.reason


async def test_fault_41_a_log_cut_at_any_byte_opens_with_whole_transactions(rig: Rig, tmp_path: Path) -> None:
    for code, price in ((SAMSUNG, 70_000), (ECOPRO, 100_000)):
        await rig.hold(code, 5, price)
        await rig.pass_time(11)
    log = Path(f"{rig.path}-wal").read_bytes()
    main = rig.path.read_bytes()
    assert len(log) > 20_000
    random = seeded("cuts")
    cuts = {0, 31, 32, len(log), *range(32, len(log), 4120), *(int(c) for c in random.integers(0, len(log), 60))}
    copy = tmp_path / "cut" / "journal.db"
    copy.parent.mkdir()
    for cut in sorted(cuts):
        for old in copy.parent.iterdir():
            old.unlink()
        copy.write_bytes(main)
        Path(f"{copy}-wal").write_bytes(log[:cut])
        prepare(copy)
        check_books(copy)


def check_books(path: Path) -> None:
    """Fills, orders and positions of one file agree with each other."""
    connection = sqlite3.connect(path)
    bad = connection.execute(
        "SELECT order_id FROM orders WHERE filled <> (SELECT coalesce(sum(quantity), 0) FROM fills "
        "WHERE fills.order_id = orders.order_id)"
    ).fetchall()
    bad += connection.execute(
        "SELECT code FROM positions p WHERE closed_at IS NULL AND adopted = 0 AND quantity <> (SELECT sum(CASE side "
        "WHEN 'buy' THEN f.quantity ELSE -f.quantity END) FROM fills f JOIN orders USING (order_id) WHERE code = p.code)"
    ).fetchall()
    bad += connection.execute(
        "SELECT order_id FROM orders WHERE state IN ('accepted', 'partially_filled', 'filled') "
        "AND order_id NOT IN (SELECT order_id FROM order_keys)"
    ).fetchall()
    connection.close()
    assert not bad


async def test_fault_43_a_crash_loop_repeats_no_order(rig: Rig) -> None:
    wish = rig.buy()
    await rig.desk.submit(wish)
    for _ in range(20):
        desk = await rig.restart()
        assert (await desk.submit(wish)).state is OrderState.DENIED
    assert rig.broker.calls["place"] == 1


async def test_fault_44_another_account_or_environment_is_refused(rig: Rig) -> None:
    await rig.kill()
    rig.account = "87654321-01"
    with pytest.raises(WrongAccount, match="다른 계좌"):
        await rig.start()
    await rig.kill()
    rig.account, rig.environment = "12345678-01", Environment.MOCK
    with pytest.raises(WrongAccount):
        await rig.start()
    await rig.kill()
    rig.environment = Environment.SIMULATOR
    await rig.start()


async def test_fault_44_settings_and_broker_of_different_environments_deny_everything(cold_rig: Rig) -> None:
    cold_rig.broker.environment = Environment.REAL
    desk = await cold_rig.start()
    record = await desk.submit(cold_rig.buy())
    assert "환경" in record.reason
    assert cold_rig.broker.calls["place"] == 0


async def test_fault_48_panic_while_an_order_is_being_sent(rig: Rig) -> None:
    rig.broker.faults.append("lost_reply")
    sending = asyncio.create_task(rig.desk.submit(rig.buy()))
    await rig.pass_time(1)
    panic = asyncio.create_task(rig.desk.panic("telegram:1"))
    waiting = asyncio.create_task(rig.desk.submit(rig.buy(ECOPRO, 3, 100_000)))
    await asyncio.gather(sending, panic, waiting)
    assert waiting.result().state is OrderState.DENIED
    assert rig.broker.calls["place"] == 1
    await rig.pass_time(5)
    await rig.desk.panic("telegram:1")
    assert rig.broker.live() == []
    desk = await rig.restart()
    assert [latch.name for latch in desk.latches()] == ["panic"]
    assert (await desk.submit(rig.buy())).state is OrderState.DENIED


async def test_fault_48_the_stop_file_is_seen_in_the_door(rig: Rig) -> None:
    await rig.hold()
    await rig.pass_time(11)
    stop = rig.path.parent / "STOP"
    stop.touch()
    assert "STOP" in (await rig.desk.submit(rig.buy())).reason
    assert (await rig.desk.submit(rig.sell())).state is OrderState.ACCEPTED, "exits go on"
    stop.unlink()


async def test_fault_48_the_stop_file_cancels_what_is_open(rig: Rig) -> None:
    rig.clock.speed = 60  # the file is looked at on the wall's time
    record = await rig.desk.submit(rig.buy())
    (rig.path.parent / "STOP").touch()
    async with asyncio.timeout(3):
        while rig.desk.order(record.order_id).state is not OrderState.CANCELLED:
            await asyncio.sleep(0.05)
    assert [latch.name for latch in rig.desk.latches()] == ["panic"]


async def test_fault_52_the_daily_loss_limit_stays_latched_over_a_restart(rig: Rig) -> None:
    await rig.hold(quantity=40)
    rig.market.prices[SAMSUNG] = 62_000
    await rig.pass_time(15)
    assert [event.rule for event in rig.told(ProtectionLatched)] == ["daily_loss"]
    rig.market.prices[SAMSUNG] = 70_000
    desk = await rig.restart()
    assert "일일 손실" in (await desk.submit(rig.buy(ECOPRO, 3, 100_000))).reason
    assert (await desk.submit(rig.sell(quantity=40))).state is OrderState.ACCEPTED
    await desk.release_latch("daily_loss", "discord:1")
    assert (await desk.submit(rig.buy(ECOPRO, 3, 100_000))).state is OrderState.ACCEPTED


async def test_fault_53_a_thousand_signals_a_second(rig: Rig) -> None:
    records = [await rig.desk.submit(rig.buy(quantity=1)) for _ in range(1_000)]
    assert sum(record.state is OrderState.ACCEPTED for record in records) == 1
    assert rig.broker.calls["place"] == 1
    assert len(rig.desk.orders(rig.clock.today())) < 10, "the journal is not flooded"
    assert (await rig.desk.submit(rig.buy(ECOPRO, 3, 100_000))).state is OrderState.ACCEPTED
