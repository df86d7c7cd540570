"""The order journal: every step on disk before it has an effect, one writer, audit tables, and a hash of a day."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from pathlib import Path

from engine.broker import BrokerOrder, OrderKey
from engine.clock import MarketClock, wall_now
from engine.market import Code, Environment, Won
from engine.orders import sql
from engine.orders.lease import FileLock
from engine.orders.values import Difference, Latch, OrderCommand, OrderRecord, Position
from engine.results import Trade
from engine.store import AsyncStore, DirectStore, FenceLost, JournalUnavailable, Row, Statement, Store


class WrongAccount(JournalUnavailable):
    """The file belongs to another account or environment."""


@dataclass(frozen=True, slots=True)
class KeyRow:
    key: OrderKey
    order_id: str
    leg: int
    filled: int
    filled_value: int


@dataclass(frozen=True, slots=True)
class JournalImage:
    """What the projection is rebuilt from."""

    orders: tuple[OrderRecord, ...]
    """Those of the day, and every open one."""
    keys: tuple[KeyRow, ...]
    commands: tuple[OrderCommand, ...]
    positions: tuple[Position, ...]
    external: tuple[BrokerOrder, ...]
    latches: tuple[Latch, ...]
    frozen: tuple[Difference, ...]
    signals: frozenset[str]
    trades: tuple[Trade, ...]
    order_count: int
    command_count: int
    equity: tuple[date, Won, Won, Won] | None
    """(day, start, last, peak) of the newest day."""


class Journal:
    """Open with ``Journal.open`` (aiosqlite) or ``Journal.direct`` (in the caller's thread, for simulations)."""

    def __init__(self, store: Store, clock: MarketClock, lock: FileLock) -> None:
        self._store = store
        self._clock = clock
        self._lock = lock
        self._fence = 0
        self._backlog: list[Statement] = []
        self.trouble = ""
        """Why the last write failed; empty when the journal is healthy."""

    @property
    def path(self) -> Path:
        return self._store.path

    @property
    def writer(self) -> bool:
        return self._fence > 0 and self._lock.held

    @classmethod
    async def open(cls, path: Path, clock: MarketClock) -> Journal:
        """Raises JournalUnavailable: LeaseHeld, NewerSchema, or damage, each with a Korean line."""
        lock = FileLock(path.with_suffix(".lock"))
        lock.acquire()
        try:
            journal = cls(await AsyncStore.open(path, clock), clock, lock)
            await journal._take_fence()
        except BaseException:
            lock.release()
            raise
        return journal

    @classmethod
    async def direct(cls, path: Path, clock: MarketClock, store: DirectStore | None = None) -> Journal:
        lock = FileLock(path.with_suffix(".lock"))
        lock.acquire()
        try:
            journal = cls(store or DirectStore(path), clock, lock)
            await journal._take_fence()
        except BaseException:
            lock.release()
            raise
        return journal

    async def _take_fence(self) -> None:
        wall, market = wall_now().isoformat(), self._clock.now().isoformat()
        await self._store.write(
            [
                (
                    "INSERT INTO lease VALUES (1, 1, ?, ?, ?, 0) ON CONFLICT (id) DO UPDATE SET fence = fence + 1, "
                    "holder = excluded.holder, heartbeat_wall = excluded.heartbeat_wall, "
                    "heartbeat_market = excluded.heartbeat_market",
                    (str(os.getpid()), wall, market),
                )
            ]
        )
        self._fence = (await self._store.rows("SELECT fence FROM lease"))[0][0]

    async def bind(self, environment: Environment, account: str) -> None:
        """Tie the file to one account; later starts with another are refused. Raises WrongAccount."""
        mark = hashlib.blake2b(account.encode(), digest_size=8, person=b"gaemi").hexdigest()
        known: dict[str, str] = dict(await self._store.rows("SELECT key, value FROM meta"))
        wanted = {"environment": str(environment), "account": mark}
        for key, value in wanted.items():
            if known.get(key, value) != value:
                raise WrongAccount(f"이 주문 기록은 다른 계좌나 환경의 것입니다: {self.path.name}")
        if not known:
            await self.write([("INSERT INTO meta VALUES (?, ?)", pair) for pair in wanted.items()])

    async def write(self, statements: Sequence[Statement], *, keep: bool = False) -> None:
        """One durable transaction under the fence.

        ``keep`` is for what the broker already did: if the disk refuses it, it is held in memory and goes first in
        the next write, so that nothing new is recorded (or sent) over the gap. Without it the failure is raised:
        JournalUnavailable, FenceLost or AlreadyRecorded.
        """
        if not statements and not self._backlog:
            return
        guard = ("UPDATE lease SET writes = writes + 1 WHERE id = 1 AND fence = ?", (self._fence,))
        try:
            await self._store.write([*self._backlog, *statements], guard)
        except FenceLost as error:
            self._fence = 0
            self.trouble = str(error)
            raise
        except JournalUnavailable as error:
            self.trouble = str(error)
            if not keep:
                raise
            self._backlog.extend(statements)
        else:
            self._backlog.clear()
            self.trouble = ""

    async def heartbeat(self) -> None:
        await self.write(
            [
                (
                    "UPDATE lease SET heartbeat_wall = ?, heartbeat_market = ? WHERE id = 1",
                    (wall_now().isoformat(), self._clock.now().isoformat()),
                )
            ]
        )

    async def close(self) -> None:
        """Write what is still held back, then close."""
        try:
            if self._backlog:
                await self.write([])
        finally:
            await self.abandon()

    async def abandon(self) -> None:
        """Close without writing."""
        self._fence = 0
        await self._store.close()
        self._lock.release()

    # -- reading

    async def image(self, day: date) -> JournalImage:
        rows = self._store.rows
        records = [
            sql.read_order(row)
            for row in await rows(
                f"SELECT {sql.ORDER_COLUMNS} FROM orders WHERE day = ? OR state IN ('prepared', 'sending', 'accepted', "
                "'partially_filled', 'unknown') ORDER BY order_id",
                (day.isoformat(),),
            )
        ]
        wanted = {record.order_id for record in records}
        keys = [
            KeyRow(sql.read_key(row), row[3], row[4], row[5], row[6])
            for row in await rows(f"SELECT {sql.KEY_COLUMNS} FROM order_keys ORDER BY order_id, leg")
            if row[3] in wanted
        ]
        newest = {row.order_id: row.key for row in keys}
        orders = tuple(replace(record, key=newest.get(record.order_id)) for record in records)
        commands = await rows(f"SELECT {sql.COMMAND_COLUMNS} FROM commands WHERE state IN ('sending', 'unknown')")
        positions = await rows(f"SELECT {sql.POSITION_COLUMNS} FROM positions WHERE closed_at IS NULL ORDER BY code")
        external = await rows(f"SELECT {sql.EXTERNAL_COLUMNS} FROM external_orders WHERE day = ?", (day.isoformat(),))
        latches = await rows("SELECT name, reason, since, actor FROM latches ORDER BY name")
        frozen = await rows("SELECT code, journal, broker FROM frozen_codes ORDER BY code")
        signals = await rows("SELECT signal_key FROM orders WHERE state <> 'denied'")
        count = await rows("SELECT count(*) FROM orders WHERE day = ?", (day.isoformat(),))
        commanded = await rows("SELECT count(*) FROM commands WHERE sent_at LIKE ?", (f"{day.isoformat()}%",))
        equity = await rows("SELECT day, start, last, peak FROM equity ORDER BY day DESC LIMIT 1")
        return JournalImage(
            orders=orders,
            keys=tuple(keys),
            commands=tuple(sql.read_command(row) for row in commands),
            positions=tuple(sql.read_position(row) for row in positions),
            external=tuple(sql.read_external(row) for row in external),
            latches=tuple(Latch(r[0], r[1], datetime.fromisoformat(r[2]), r[3]) for r in latches),
            frozen=tuple(Difference(*row) for row in frozen),
            signals=frozenset(row[0] for row in signals),
            trades=await self.trades(day),
            order_count=count[0][0],
            command_count=commanded[0][0],
            equity=(date.fromisoformat(equity[0][0]), *equity[0][1:]) if equity else None,
        )

    async def trades(self, first: date, last: date | None = None) -> tuple[Trade, ...]:
        """Round trips that closed on the days first..last (default: one day), in order of their exit."""
        rows = await self._store.rows(
            f"SELECT {sql.POSITION_COLUMNS} FROM positions WHERE sold > 0 AND substr(closed_at, 1, 10) BETWEEN ? AND ? "
            "ORDER BY closed_at, code",
            (first.isoformat(), (last or first).isoformat()),
        )
        return tuple(sql.trade_of(sql.read_position(row), datetime.fromisoformat(row[23])) for row in rows)

    async def orders(self, day: date) -> tuple[OrderRecord, ...]:
        """Every order of a day, denied ones too, in order of their numbers."""
        rows = await self._store.rows(
            f"SELECT {sql.ORDER_COLUMNS} FROM orders WHERE day = ? ORDER BY order_id", (day.isoformat(),)
        )
        keys = await self._store.rows(f"SELECT {sql.KEY_COLUMNS} FROM order_keys WHERE day = ?", (day.isoformat(),))
        newest = {row[3]: sql.read_key(row) for row in sorted(keys, key=lambda row: (row[3], row[4]))}
        return tuple(replace(o, key=newest.get(o.order_id)) for o in map(sql.read_order, rows))

    async def steps(self, order_id: str) -> list[tuple[datetime, str, str]]:
        """(market time, state, detail) of each step of an order."""
        rows = await self._store.rows(
            "SELECT at, state, detail FROM order_steps WHERE order_id = ? ORDER BY sequence", (order_id,)
        )
        return [(datetime.fromisoformat(at), state, detail) for at, state, detail in rows]

    async def audit(self, first: date, last: date | None = None) -> list[Row]:
        """(wall, market, actor, platform, verb, arguments, decision, reason) of commands on market days."""
        return await self._store.rows(
            "SELECT wall, market, actor, platform, verb, arguments, decision, reason FROM audit "
            "WHERE substr(market, 1, 10) BETWEEN ? AND ? ORDER BY sequence",
            (first.isoformat(), (last or first).isoformat()),
        )

    async def decisions(self, day: date) -> list[Row]:
        """(at, code, kind, score, input digest, detail JSON) of the decisions of a day."""
        return await self._store.rows(
            "SELECT at, code, kind, score, input_digest, detail FROM decisions WHERE substr(at, 1, 10) = ? "
            "ORDER BY sequence",
            (day.isoformat(),),
        )

    async def equity_curve(self, first: date, last: date) -> list[tuple[date, Won, Won]]:
        """(day, equity at the start, last equity) of each day."""
        rows = await self._store.rows(
            "SELECT day, start, last FROM equity WHERE day BETWEEN ? AND ? ORDER BY day",
            (first.isoformat(), last.isoformat()),
        )
        return [(date.fromisoformat(day), start, last) for day, start, last in rows]

    async def digest(self, day: date) -> str:
        """A hash over decisions, orders and fills with their market times.

        No wall time, no person's ticket and no running number goes in, and rows of one instant are sorted by content:
        so two runs that traded the same have the same hash.
        """
        parts: list[str] = []
        for query in (
            "SELECT 'decision', at, code, kind, score, input_digest, detail FROM decisions WHERE substr(at, 1, 10) = ?",
            "SELECT 'order', created_at, code, side, type, quantity, intent_price, origin, purpose, exit_reason, "
            "stop_price, target_price, state, price, filled, filled_value, cancelled, fees, taxes FROM orders "
            "WHERE day = ? AND state <> 'denied'",
            "SELECT 'fill', fills.at, code, side, cumulative, fills.quantity, value FROM fills "
            "JOIN orders USING (order_id) WHERE fills.day = ?",
        ):
            rows = await self._store.rows(query, (day.isoformat(),))
            parts.extend(sorted("|".join(str(value) for value in row) for row in rows))
        return hashlib.blake2b("\n".join(parts).encode(), digest_size=16).hexdigest()

    async def record_decision(
        self,
        at: datetime,
        code: Code,
        kind: str,
        score: float | None,
        input_digest: str,
        detail: Mapping[str, object],
    ) -> None:
        await self.write([sql.add_decision(at, code, kind, score, input_digest, detail)])
