"""SQLite: opening, checking, migrating, and one writer whose transactions are all or nothing.

Two stores fulfil one protocol: ``AsyncStore`` (aiosqlite, a thread of its own) for the service, ``DirectStore``
(sqlite3 in the caller's thread) for simulations, where time must not pass while a thread works.
"""

from __future__ import annotations

import asyncio
import logging
import re
import sqlite3
from collections.abc import Awaitable, Callable, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any, Final, Protocol, TypeAlias

import aiosqlite

from engine.clock import MarketClock

logger = logging.getLogger(__name__)

Value: TypeAlias = str | int | float | None
Statement: TypeAlias = tuple[str, tuple[Value, ...]]
Row: TypeAlias = tuple[Any, ...]

BUSY_SECONDS: Final = 5.0
_PRAGMAS: Final = (
    "PRAGMA journal_mode=WAL",
    "PRAGMA synchronous=FULL",
    "PRAGMA foreign_keys=ON",
    f"PRAGMA busy_timeout={int(BUSY_SECONDS * 1000)}",
    "PRAGMA wal_autocheckpoint=1000",
)


class JournalUnavailable(Exception):
    """Nothing can be recorded durably, so nothing may be sent. The message is a Korean line for the user."""


class NewerSchema(JournalUnavailable):
    """The file was written by a newer version of the program."""


class FenceLost(JournalUnavailable):
    """Another process took the journal over: this one may not write any more."""


class AlreadyRecorded(Exception):
    """A unique key of the journal is taken."""


class Store(Protocol):
    path: Path

    async def write(self, statements: Sequence[Statement], guard: Statement | None = None) -> None:
        """All statements in one durable transaction. ``guard`` must touch exactly one row, else FenceLost.

        Raises JournalUnavailable or AlreadyRecorded. A cancelled caller does not cut the transaction.
        """

    async def rows(self, sql: str, parameters: tuple[Value, ...] = ()) -> list[Row]: ...
    async def close(self) -> None: ...


def explain(error: sqlite3.Error, path: Path) -> JournalUnavailable:
    text = str(error).lower()
    if "full" in text:
        said = "디스크가 가득 차서 주문 기록을 쓸 수 없습니다. 공간을 비우십시오"
    elif "readonly" in text or "read-only" in text:
        said = "주문 기록 파일이 읽기 전용입니다. 권한을 확인하십시오"
    elif "malformed" in text or "not a database" in text or "corrupt" in text:
        said = "주문 기록 파일이 손상되었습니다. 백업에서 되살리거나 파일을 옮긴 뒤 다시 시작하십시오"
    elif "locked" in text or "busy" in text:
        said = "주문 기록 파일을 다른 프로그램이 쓰고 있습니다"
    elif "unable to open" in text:
        said = "주문 기록 파일을 열 수 없습니다. 폴더와 권한을 확인하십시오"
    else:
        said = f"주문 기록을 쓸 수 없습니다({error})"
    return JournalUnavailable(f"{said}: {path.name}")


# ---------------------------------------------------------------- migrations


def migrations() -> list[tuple[int, str]]:
    """(number, SQL) of every migration, in order."""
    return sorted(
        (int(match[1]), entry.read_text(encoding="utf-8"))
        for entry in files("engine.migrations").iterdir()
        if (match := re.fullmatch(r"(\d{4})_\w+\.sql", entry.name))
    )


def _split(script: str) -> list[str]:
    statements, part = [], ""
    for line in script.splitlines(keepends=True):
        part += line
        if sqlite3.complete_statement(part):
            statements.append(part)
            part = ""
    return statements


def prepare(path: Path) -> None:
    """Create or check the file: pragmas, integrity, migrations (with a backup before the first). Blocking.

    Raises JournalUnavailable (NewerSchema for a file of a later version).
    """
    known = migrations()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        connection = sqlite3.connect(path, isolation_level=None, timeout=BUSY_SECONDS)
    except (OSError, sqlite3.Error) as error:
        raise JournalUnavailable(f"주문 기록 폴더를 쓸 수 없습니다({error})") from error
    try:
        for pragma in _PRAGMAS:
            connection.execute(pragma)
        answers = [row[0] for row in connection.execute("PRAGMA quick_check(3)")]
        if answers != ["ok"]:
            raise sqlite3.DatabaseError(f"malformed: {answers[0]}")
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        newest = known[-1][0]
        if version > newest:
            raise NewerSchema(
                f"주문 기록이 더 새로운 버전({version} > {newest})의 것입니다. 프로그램을 올리십시오: {path.name}"
            )
        if 0 < version < newest:
            with sqlite3.connect(path.with_suffix(f".before-{newest:04d}.db")) as copy:
                connection.backup(copy)
            copy.close()
        for number, script in known:
            if number > version:
                connection.execute("BEGIN IMMEDIATE")
                try:
                    for statement in _split(script):
                        connection.execute(statement)
                    connection.execute(f"PRAGMA user_version={number}")
                    connection.execute("COMMIT")
                except BaseException:
                    connection.execute("ROLLBACK")
                    raise
    except sqlite3.Error as error:
        raise explain(error, path) from error
    finally:
        connection.close()


def backup(path: Path, target: Path) -> None:
    """A consistent copy of a live database. Blocking; raises JournalUnavailable."""
    try:
        source = sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=BUSY_SECONDS)
        try:
            with sqlite3.connect(target) as copy:
                source.backup(copy)
            copy.close()
        finally:
            source.close()
    except sqlite3.Error as error:
        raise explain(error, path) from error


# ---------------------------------------------------------------- stores


class DirectStore:
    """sqlite3 in the caller's thread. ``crash`` is called before and after each commit, for simulations."""

    def __init__(self, path: Path, *, durable: bool = True, crash: Callable[[str], None] | None = None) -> None:
        prepare(path)
        self.path = path
        self._crash = crash or (lambda boundary: None)
        self._connection = sqlite3.connect(path, isolation_level=None, timeout=BUSY_SECONDS)
        for pragma in _PRAGMAS:
            self._connection.execute(pragma)
        if not durable:  # a simulated crash drops the process, never the operating system
            self._connection.execute("PRAGMA synchronous=OFF")

    async def write(self, statements: Sequence[Statement], guard: Statement | None = None) -> None:
        self._crash("before commit")
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                if guard is not None and self._connection.execute(*guard).rowcount != 1:
                    raise FenceLost("다른 프로그램이 주문 기록을 넘겨받았습니다. 이 프로그램은 주문을 내지 않습니다")
                for statement in statements:
                    self._connection.execute(*statement)
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise
        except sqlite3.IntegrityError as error:
            raise AlreadyRecorded(str(error)) from error
        except sqlite3.Error as error:
            raise explain(error, self.path) from error
        self._crash("after commit")

    async def rows(self, sql: str, parameters: tuple[Value, ...] = ()) -> list[Row]:
        try:
            return self._connection.execute(sql, parameters).fetchall()
        except sqlite3.Error as error:
            raise explain(error, self.path) from error

    async def close(self) -> None:
        self._connection.close()


class AsyncStore:
    """aiosqlite with one writer; each transaction holds the market clock and outlives its caller's cancellation."""

    def __init__(self, path: Path, connection: aiosqlite.Connection, clock: MarketClock) -> None:
        self.path = path
        self._connection = connection
        self._clock = clock
        self._turn = asyncio.Lock()
        self._running: set[asyncio.Future[Any]] = set()
        self._broken = self._fenced = ""

    @classmethod
    async def open(cls, path: Path, clock: MarketClock) -> AsyncStore:
        """Raises JournalUnavailable."""
        async with clock.hold("journal open"):
            await asyncio.to_thread(prepare, path)
            try:
                connection = await aiosqlite.connect(path, isolation_level=None, timeout=BUSY_SECONDS)
                for pragma in _PRAGMAS:
                    await connection.execute(pragma)
            except sqlite3.Error as error:
                raise explain(error, path) from error
        return cls(path, connection, clock)

    async def _shielded(self, work: Awaitable[Any]) -> Any:
        task = asyncio.ensure_future(work)
        self._running.add(task)
        task.add_done_callback(self._finished)
        return await asyncio.shield(task)

    def _finished(self, task: asyncio.Future[Any]) -> None:
        self._running.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            logger.debug("journal: %s", error)  # retrieved: the caller may be gone

    async def write(self, statements: Sequence[Statement], guard: Statement | None = None) -> None:
        await self._shielded(self._write(tuple(statements), guard))

    async def _write(self, statements: tuple[Statement, ...], guard: Statement | None) -> None:
        async with self._clock.hold("journal write"), self._turn:
            if self._fenced:
                raise FenceLost(self._fenced)
            if self._broken:
                raise JournalUnavailable(self._broken)
            committing = False
            try:
                await self._connection.execute("BEGIN IMMEDIATE")
                if guard is not None and (await self._connection.execute(*guard)).rowcount != 1:
                    raise FenceLost("다른 프로그램이 주문 기록을 넘겨받았습니다. 이 프로그램은 주문을 내지 않습니다")
                for statement in statements:
                    await self._connection.execute(*statement)
                committing = True
                await self._connection.execute("COMMIT")
            except sqlite3.IntegrityError as error:
                await self._roll_back()
                raise AlreadyRecorded(str(error)) from error
            except sqlite3.Error as error:
                await self._roll_back()
                said = explain(error, self.path)
                if committing and "i/o" in str(error).lower():
                    # After a failed fsync nobody knows what is on the disk: only a restart may go on.
                    self._broken = str(said)
                raise said from error
            except FenceLost as error:
                await self._roll_back()
                self._fenced = str(error)
                raise

    async def _roll_back(self) -> None:
        try:
            if self._connection.in_transaction:
                await self._connection.execute("ROLLBACK")
        except sqlite3.Error as error:
            self._broken = str(explain(error, self.path))

    async def rows(self, sql: str, parameters: tuple[Value, ...] = ()) -> list[Row]:
        return list(await self._shielded(self._rows(sql, parameters)))

    async def _rows(self, sql: str, parameters: tuple[Value, ...]) -> list[Row]:
        async with self._clock.hold("journal read"), self._turn:
            try:
                return [tuple(row) for row in await self._connection.execute_fetchall(sql, parameters)]
            except sqlite3.Error as error:
                raise explain(error, self.path) from error

    async def close(self) -> None:
        while self._running:
            await asyncio.wait(tuple(self._running))
        await self._connection.close()
