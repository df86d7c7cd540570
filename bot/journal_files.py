"""The order journals under a home, read without taking the writer's lease and without writing."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from engine.clock import WallMarketClock
from engine.orders import Journal, JournalUnavailable
from engine.orders.lease import FileLock
from engine.store import BUSY_SECONDS, Row, Statement, Value

DATABASE = "journal.db"


@dataclass(frozen=True, slots=True)
class JournalFile:
    """``name`` is its folder under the home, such as ``simulator/seed-7`` or ``mock-5678``."""

    path: Path
    name: str
    written: float
    """Seconds since the epoch of the newest write."""


def journal_files(home: Path) -> list[JournalFile]:
    """Those under ``home``, the one written last first."""
    paths = [*home.glob(f"*/{DATABASE}"), *home.glob(f"simulator/*/{DATABASE}")]
    found = [JournalFile(path, path.parent.relative_to(home).as_posix(), _written(path)) for path in paths]
    return sorted(found, key=lambda file: (-file.written, file.name))


def _written(path: Path) -> float:
    log = path.with_name(path.name + "-wal")
    return max(one.stat().st_mtime for one in (path, log) if one.exists())


class ReadOnlyStore:
    """A ``Store`` that only reads. Raises JournalUnavailable."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._connection = sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True, timeout=BUSY_SECONDS)
            self._connection.execute("SELECT count(*) FROM meta").fetchone()
        except sqlite3.Error as error:
            raise _unreadable(error, path) from error

    async def write(self, statements: Sequence[Statement], guard: Statement | None = None) -> None:
        raise JournalUnavailable(f"읽기만 하는 주문 기록입니다: {self.path.name}")

    async def rows(self, sql: str, parameters: tuple[Value, ...] = ()) -> list[Row]:
        try:
            return self._connection.execute(sql, parameters).fetchall()
        except sqlite3.Error as error:
            raise _unreadable(error, self.path) from error

    async def close(self) -> None:
        self._connection.close()


def _unreadable(error: sqlite3.Error, path: Path) -> JournalUnavailable:
    return JournalUnavailable(f"주문 기록을 읽을 수 없습니다({error}): {path}")


def reader(store: ReadOnlyStore) -> Journal:
    """A journal that can be read but is nobody's: it holds neither lock nor fence."""
    return Journal(store, WallMarketClock(), FileLock(store.path.with_suffix(".lock")))


async def days(store: ReadOnlyStore) -> list[date]:
    """The market days that have anything in the journal, newest first."""
    rows = await store.rows(
        "SELECT day FROM orders UNION SELECT substr(at, 1, 10) FROM decisions UNION SELECT day FROM equity "
        "UNION SELECT substr(market, 1, 10) FROM audit ORDER BY 1 DESC"
    )
    return [date.fromisoformat(row[0]) for row in rows]
