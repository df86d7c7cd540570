"""control.db: durable, private, once-only, and clear about files it cannot use."""

from __future__ import annotations

import asyncio
import sqlite3
from pathlib import Path

import pytest

from bot.confirmations import Confirmation, Confirmations, Refusal
from bot.store import SCHEMA_VERSION, ControlStore, StoreProblem
from bot.tickets import LEVELS_KEPT, Ticket, Tickets
from engine.broker import OrderType
from engine.market import BookLevel, OrderBook, Side
from tests.bot.fakes import NOW, FakeWall


@pytest.fixture
async def store(tmp_path: Path):  # type: ignore[no-untyped-def]
    opened = await ControlStore.open(tmp_path / "home" / "control.db")
    yield opened
    await opened.close()


async def test_the_file_is_private_and_durable(store: ControlStore, tmp_path: Path) -> None:
    path = tmp_path / "home" / "control.db"
    assert path.stat().st_mode & 0o777 == 0o600
    assert await store.rows("PRAGMA synchronous") == [(2,)]
    assert await store.rows("PRAGMA journal_mode") == [("wal",)]


async def test_each_id_is_handled_once_also_in_parallel(store: ControlStore) -> None:
    answers = await asyncio.gather(*(store.first_time("discord:1") for _ in range(20)))
    assert sum(answers) == 1
    assert await store.first_time("discord:2")


async def test_a_newer_file_is_refused_with_advice(tmp_path: Path) -> None:
    path = tmp_path / "control.db"
    with sqlite3.connect(path) as connection:
        connection.execute(f"PRAGMA user_version={SCHEMA_VERSION + 1}")
    connection.close()
    with pytest.raises(StoreProblem, match="갱신하세요"):
        await ControlStore.open(path)


async def test_a_broken_file_is_refused_with_advice_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "control.db"
    path.write_bytes(b"not a database at all" * 100)
    with pytest.raises(StoreProblem, match="옮겨 두고"):
        await ControlStore.open(path)
    assert path.read_bytes().startswith(b"not a database")


async def test_a_file_of_the_first_version_is_brought_up_to_date(tmp_path: Path) -> None:
    path = tmp_path / "control.db"
    with sqlite3.connect(path) as connection:
        connection.execute(
            "CREATE TABLE outbox (sequence INTEGER PRIMARY KEY AUTOINCREMENT, sink TEXT NOT NULL, kind TEXT NOT NULL, "
            "at TEXT NOT NULL, text TEXT NOT NULL, silent INTEGER NOT NULL)"
        )
        connection.execute("INSERT INTO outbox VALUES (1, 'discord:1', 'buy', ?, '체결', 0)", (NOW.isoformat(),))
        connection.execute("PRAGMA user_version=1")
    connection.close()
    store = await ControlStore.open(path)
    assert await store.rows("SELECT text, code FROM outbox") == [("체결", "")]
    await store.close()


async def test_a_confirmation_is_consumed_by_exactly_one_of_many(store: ControlStore) -> None:
    confirmations = Confirmations(store, FakeWall())
    kept = await confirmations.ask("order", "discord:2", {"code": "005930"}, message="c1/1")
    results = await asyncio.gather(*(confirmations.consume(kept.id, "discord:2", "c1/1") for _ in range(25)))
    won = [result for result in results if isinstance(result, Confirmation)]
    assert len(won) == 1
    assert won[0].payload == {"code": "005930"}
    assert {result for result in results if not isinstance(result, Confirmation)} == {Refusal.DONE}


async def test_why_a_confirmation_is_refused(store: ControlStore) -> None:
    wall = FakeWall()
    confirmations = Confirmations(store, wall)
    kept = await confirmations.ask("order", "discord:2", {}, message="c1/1")
    assert await confirmations.consume("nothing", "discord:2", "c1/1") is Refusal.GONE
    assert await confirmations.consume(kept.id, "discord:3", "c1/1") is Refusal.OTHER_PERSON
    assert await confirmations.consume(kept.id, "discord:2", "c1/2") is Refusal.OTHER_MESSAGE
    wall.pass_(61)
    assert await confirmations.consume(kept.id, "discord:2", "c1/1") is Refusal.EXPIRED
    other = Confirmations(store, wall)
    kept = await confirmations.ask("order", "discord:2", {}, message="c1/1")
    assert await other.consume(kept.id, "discord:2", "c1/1") is Refusal.EXPIRED


async def test_an_unbound_confirmation_belongs_to_the_first_message_it_is_pressed_on(store: ControlStore) -> None:
    confirmations = Confirmations(store, FakeWall())
    kept = await confirmations.ask("order", "discord:2", {})
    await confirmations.bind(kept.binding, "c1/7")
    await confirmations.bind(kept.binding, "c1/8")  # a second delivery changes nothing
    assert await confirmations.consume(kept.id, "discord:2", "c1/8") is Refusal.OTHER_MESSAGE
    assert isinstance(await confirmations.consume(kept.id, "discord:2", "c1/7"), Confirmation)


async def test_a_ticket_comes_back_as_it_was_kept(store: ControlStore) -> None:
    tickets = Tickets(store, FakeWall())
    ticket = Ticket("", "discord:2", "0126Z0", "c1/1", Side.SELL, OrderType.MARKET, 0, 12, 80_000, "prices")
    kept = await tickets.open(ticket, "c1")
    assert len(kept.id) >= 16
    assert await tickets.get(kept.id) == kept
    book = OrderBook("0126Z0", NOW, (BookLevel(100, 1), BookLevel(101, 1)), (BookLevel(99, 1),))
    shown = kept.with_levels(book)
    await tickets.keep_levels(shown)
    back = await tickets.get(kept.id)
    assert back is not None
    assert [back.level_price("1", position) for position in ("0", "1", "2", "3", "-1", "x")] == [
        101,
        100,
        99,
        None,
        None,
        None,
    ]
    assert shown.with_levels(book) is shown


def test_old_price_levels_are_forgotten() -> None:
    ticket = Ticket("t", "u", "005930")
    for price in range(100, 120):
        ticket = ticket.with_levels(OrderBook("005930", NOW, (BookLevel(price, 1),), (BookLevel(price - 1, 1),)))
    assert len(ticket.levels) == LEVELS_KEPT
    assert ticket.level_price("1", "0") is None
    assert ticket.level_price("20", "0") == 119


async def test_a_clock_set_back_ends_tickets_of_an_earlier_run(store: ControlStore) -> None:
    wall = FakeWall()
    kept = await Tickets(store, wall).open(Ticket("", "discord:2", "005930"), "c1")
    wall.pass_(-3_600)
    later = Tickets(store, wall)
    assert await later.get(kept.id) is None
    await later.prune()
    assert await store.rows("SELECT count(*) FROM ticket") == [(0,)]
