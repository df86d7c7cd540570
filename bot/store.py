"""HOME/control.db: what the chats must remember over a restart. Nothing in it is needed to trade.

Every change is one statement in autocommit, so that concurrent presses cannot interleave inside one.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import aiosqlite

SCHEMA_VERSION = 2
HANDLED_KEPT = 20_000

_SCHEMA = """
CREATE TABLE IF NOT EXISTS handled (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT, key TEXT NOT NULL UNIQUE);
CREATE TABLE IF NOT EXISTS preference (
    user TEXT NOT NULL, name TEXT NOT NULL, value TEXT NOT NULL, PRIMARY KEY (user, name)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS watch (
    user TEXT NOT NULL, code TEXT NOT NULL, added TEXT NOT NULL, PRIMARY KEY (user, code)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS ticket (
    id TEXT PRIMARY KEY, user TEXT NOT NULL, place TEXT NOT NULL, message TEXT NOT NULL DEFAULT '',
    state TEXT NOT NULL, levels TEXT NOT NULL DEFAULT '{}', open INTEGER NOT NULL DEFAULT 1, created TEXT NOT NULL,
    boot TEXT NOT NULL, deadline REAL NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS confirmation (
    id TEXT PRIMARY KEY, kind TEXT NOT NULL, user TEXT NOT NULL, message TEXT NOT NULL DEFAULT '',
    binding TEXT NOT NULL, payload TEXT NOT NULL, state TEXT NOT NULL DEFAULT 'pending',
    created TEXT NOT NULL, boot TEXT NOT NULL, deadline REAL NOT NULL) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS confirmation_binding ON confirmation (binding);
CREATE TABLE IF NOT EXISTS outbox (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT, sink TEXT NOT NULL, kind TEXT NOT NULL, at TEXT NOT NULL,
    text TEXT NOT NULL, silent INTEGER NOT NULL, code TEXT NOT NULL DEFAULT '');
CREATE INDEX IF NOT EXISTS outbox_sink ON outbox (sink, sequence);
CREATE TABLE IF NOT EXISTS audit (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT, at TEXT NOT NULL, user TEXT NOT NULL, place TEXT NOT NULL,
    incoming TEXT NOT NULL, verb TEXT NOT NULL, arguments TEXT NOT NULL, decision TEXT NOT NULL,
    result TEXT NOT NULL);
"""


_ADDED = (
    ("ticket", "levels", "TEXT NOT NULL DEFAULT '{}'"),
    ("outbox", "code", "TEXT NOT NULL DEFAULT ''"),
)
"""Columns that files of an earlier version lack: (table, column, definition)."""


def _keep_private(path: Path) -> None:
    path.chmod(0o600)


class StoreProblem(Exception):
    """control.db cannot be used; the message says what to do, in Korean."""


class ControlStore:
    def __init__(self, connection: aiosqlite.Connection) -> None:
        self._connection = connection
        self._handled = 0

    @classmethod
    async def open(cls, path: Path) -> ControlStore:
        """Open or create the database. Raises StoreProblem."""
        connection: aiosqlite.Connection | None = None
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            connection = await aiosqlite.connect(path, isolation_level=None)
            await connection.execute("PRAGMA journal_mode=WAL")
            await connection.execute("PRAGMA synchronous=FULL")
            row = await (await connection.execute("PRAGMA user_version")).fetchone()
            version = int(row[0]) if row else 0
            if version > SCHEMA_VERSION:
                raise StoreProblem(f"{path} 은(는) 더 새로운 버전({version})이 만든 파일입니다. 프로그램을 갱신하세요.")
            await connection.executescript(_SCHEMA)
            for table, column, definition in _ADDED:
                names = [row[1] for row in await connection.execute_fetchall(f"PRAGMA table_info({table})")]
                if column not in names:
                    await connection.execute(f"ALTER TABLE {table} ADD COLUMN {column} {definition}")
            await connection.execute(f"PRAGMA user_version={SCHEMA_VERSION}")
            _keep_private(path)
        except (OSError, sqlite3.Error) as problem:
            if connection is not None:
                await connection.close()
            raise StoreProblem(f"{path} 을(를) 열 수 없습니다: {problem}. 옮겨 두고 다시 시작하세요.") from problem
        except StoreProblem:
            if connection is not None:
                await connection.close()
            raise
        return cls(connection)

    async def close(self) -> None:
        await self._connection.close()

    async def change(self, statement: str, values: Iterable[Any] = ()) -> int:
        """Run one statement; the number of rows it changed. Raises sqlite3.Error."""
        cursor = await self._connection.execute(statement, tuple(values))
        changed = cursor.rowcount
        await cursor.close()
        return changed

    async def insert(self, statement: str, values: Iterable[Any] = ()) -> int:
        """Run one INSERT; the new row's number."""
        cursor = await self._connection.execute(statement, tuple(values))
        number = cursor.lastrowid or 0
        await cursor.close()
        return number

    async def rows(self, statement: str, values: Iterable[Any] = ()) -> list[tuple[Any, ...]]:
        cursor = await self._connection.execute(statement, tuple(values))
        found = await cursor.fetchall()
        await cursor.close()
        return [tuple(row) for row in found]

    # -- once only

    async def first_time(self, key: str) -> bool:
        """True exactly once for each key (the newest 20,000 are kept)."""
        if await self.change("INSERT OR IGNORE INTO handled (key) VALUES (?)", (key,)) == 0:
            return False
        self._handled += 1
        if self._handled % 1_000 == 0:
            await self.change(
                "DELETE FROM handled WHERE sequence <= (SELECT max(sequence) FROM handled) - ?", (HANDLED_KEPT,)
            )
        return True

    # -- preferences

    async def preference(self, user: str, name: str, default: str = "") -> str:
        found = await self.rows("SELECT value FROM preference WHERE user = ? AND name = ?", (user, name))
        return str(found[0][0]) if found else default

    async def preferences(self, user: str) -> dict[str, str]:
        found = await self.rows("SELECT name, value FROM preference WHERE user = ?", (user,))
        return {str(name): str(value) for name, value in found}

    async def prefer(self, user: str, name: str, value: str) -> None:
        await self.change(
            "INSERT INTO preference (user, name, value) VALUES (?, ?, ?) "
            "ON CONFLICT (user, name) DO UPDATE SET value = excluded.value",
            (user, name, value),
        )

    # -- watch list

    async def watched(self, user: str) -> list[str]:
        found = await self.rows("SELECT code FROM watch WHERE user = ? ORDER BY added, code", (user,))
        return [str(code) for (code,) in found]

    async def all_watched(self) -> list[str]:
        """Every code that anyone watches: the screener scores them live."""
        return [str(code) for (code,) in await self.rows("SELECT DISTINCT code FROM watch ORDER BY code")]

    async def watch(self, user: str, code: str, at: str) -> bool:
        """False when it was there already."""
        return await self.change("INSERT OR IGNORE INTO watch VALUES (?, ?, ?)", (user, code, at)) == 1

    async def unwatch(self, user: str, code: str) -> bool:
        return await self.change("DELETE FROM watch WHERE user = ? AND code = ?", (user, code)) == 1

    # -- audit

    async def record(
        self, at: str, user: str, place: str, incoming: str, verb: str, arguments: str, decision: str, result: str
    ) -> None:
        await self.change(
            "INSERT INTO audit (at, user, place, incoming, verb, arguments, decision, result) "
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (at, user, place, incoming, verb, arguments, decision, result),
        )

    async def audited(self, limit: int = 100) -> list[dict[str, str]]:
        """The newest entries, newest first."""
        names = ("at", "user", "place", "incoming", "verb", "arguments", "decision", "result")
        found = await self.rows(f"SELECT {', '.join(names)} FROM audit ORDER BY sequence DESC LIMIT ?", (limit,))
        return [dict(zip(names, map(str, row), strict=True)) for row in found]
