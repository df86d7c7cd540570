"""An independent look at broker and journal, from another process, that never writes to the journal.

It alerts when the two disagree, when the service's heartbeat is old, or when a limit is broken; and it can cancel the
open orders of a service that hangs.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Final

from engine.broker import Accepted, Broker, BrokerError, BrokerOrder, NewOrder, OrderKey
from engine.clock import MarketClock, wall_now
from engine.market import Code, Shares
from engine.store import explain

HANG_AFTER: Final = timedelta(seconds=20)
STUCK_AFTER: Final = timedelta(seconds=60)
DIFFERENCE_STANDS: Final = timedelta(seconds=60)
INTERVAL_SECONDS: Final = 60.0


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What the journal says, read in one transaction."""

    heartbeat: datetime | None
    positions: dict[Code, Shares]
    open_keys: dict[OrderKey, str]
    bound_keys: frozenset[OrderKey]
    stuck: tuple[str, ...]
    """Orders that are being sent for more than a minute without an outcome."""
    open_filled: dict[OrderKey, Shares]


@dataclass(frozen=True, slots=True)
class Finding:
    """``kind`` names it for machines, ``message`` is the Korean line of the alert."""

    kind: str
    message: str
    code: Code = ""


def read_journal(path: Path, day: date, now: datetime) -> Snapshot:
    """Raises JournalUnavailable. The file is opened read-only."""
    try:
        connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=5.0, isolation_level=None)
    except sqlite3.Error as error:
        raise explain(error, path) from error
    try:
        connection.execute("BEGIN")
        beat = connection.execute("SELECT heartbeat_wall FROM lease").fetchone()
        positions = connection.execute("SELECT code, quantity FROM positions WHERE closed_at IS NULL").fetchall()
        keys = connection.execute(
            "SELECT k.day, k.branch, k.number, k.order_id, o.state, k.filled FROM order_keys k "
            "JOIN orders o USING (order_id) WHERE k.day = ?",
            (day.isoformat(),),
        ).fetchall()
        sending = connection.execute("SELECT order_id, sent_at FROM orders WHERE state = 'sending'").fetchall()
    except sqlite3.Error as error:
        raise explain(error, path) from error
    finally:
        connection.close()
    bound = {OrderKey(date.fromisoformat(r[0]), r[1], r[2]): (r[3], r[4], r[5]) for r in keys}
    live = {key: row for key, row in bound.items() if row[1] in ("accepted", "partially_filled")}
    return Snapshot(
        heartbeat=datetime.fromisoformat(beat[0]) if beat else None,
        positions=dict(positions),
        open_keys={key: row[0] for key, row in live.items()},
        bound_keys=frozenset(bound),
        stuck=tuple(row[0] for row in sending if now - datetime.fromisoformat(row[1]) > STUCK_AFTER),
        open_filled={key: row[2] for key, row in live.items()},
    )


def compare(
    snapshot: Snapshot, orders: Sequence[BrokerOrder], holdings: dict[Code, Shares], wall: datetime
) -> tuple[Finding, ...]:
    """What disagrees at this moment; the caller decides what has stood long enough to be told."""
    found = []
    if snapshot.heartbeat is None or wall - snapshot.heartbeat > HANG_AFTER:
        age = "기록 없음" if snapshot.heartbeat is None else f"{(wall - snapshot.heartbeat).total_seconds():.0f}초 전"
        found.append(Finding("hang", f"gaemi가 멈춘 것 같습니다(마지막 신호 {age})"))
    found += [Finding("stuck", f"주문 {order_id}이(가) 1분 넘게 전송 중입니다") for order_id in snapshot.stuck]
    for code in sorted(holdings.keys() | snapshot.positions.keys()):
        ours, theirs = snapshot.positions.get(code, 0), holdings.get(code, 0)
        if ours != theirs:
            found.append(Finding("position", f"{code}: 기록 {ours:,}주, 증권사 {theirs:,}주", code))
    rows = {row.key: row for row in orders}
    for key in sorted(snapshot.open_keys, key=lambda key: (key.branch, key.number)):
        row = rows.get(key)
        if row is None:
            found.append(Finding("missing", f"주문 {snapshot.open_keys[key]}이(가) 증권사 목록에 없습니다"))
        elif row.filled > snapshot.open_filled[key] or not row.remaining:
            found.append(Finding("behind", f"주문 {snapshot.open_keys[key]}의 체결을 기록이 아직 모릅니다", row.code))
    return tuple(found)


class Watcher:
    """``alert`` is the second channel. A finding is told once while it stands (``hang`` and ``stuck`` at once)."""

    def __init__(
        self,
        path: Path,
        broker: Broker,
        clock: MarketClock,
        alert: Callable[[str], Awaitable[None]],
        *,
        cancel_when_hanging: bool = False,
    ) -> None:
        self._path = path
        self._broker = broker
        self._clock = clock
        self._alert = alert
        self._cancel = cancel_when_hanging
        self._first_seen: dict[Finding, datetime] = {}
        self._told: set[Finding | str] = set()

    async def look(self) -> tuple[Finding, ...]:
        """One comparison. Raises JournalUnavailable; a broker that is away is alerted and gives nothing."""
        now, day = self._clock.now(), self._clock.today()
        snapshot = read_journal(self._path, day, now)
        try:
            listing = await self._broker.orders(day)
            balance = await self._broker.balance()
        except BrokerError as error:
            await self._tell("broker", f"감시: 증권사를 읽지 못했습니다({error})")
            return ()
        self._told.discard("broker")
        holdings = {holding.code: holding.quantity for holding in balance.holdings if holding.quantity}
        found = compare(snapshot, listing.orders, holdings, wall_now())
        self._first_seen = {finding: self._first_seen.get(finding, now) for finding in found}
        self._told &= {"broker", "hang", *found}
        for finding in found:
            at_once = finding.kind in ("hang", "stuck")
            if at_once or now - self._first_seen[finding] >= DIFFERENCE_STANDS:
                key = finding.kind if finding.kind == "hang" else finding
                await self._tell(key, f"감시: {finding.message}")
        if not any(finding.kind == "hang" for finding in found):
            self._told.discard("hang")
        elif self._cancel:
            await self.cancel_open(snapshot, listing.orders)
        return found

    async def _tell(self, key: Finding | str, message: str) -> None:
        if key not in self._told:
            self._told.add(key)
            await self._alert(message)

    async def cancel_open(self, snapshot: Snapshot, orders: Sequence[BrokerOrder]) -> int:
        """Cancel what the journal calls ours and the broker still has; orders of others are left alone."""
        cancelled = 0
        for row in orders:
            if row.key in snapshot.bound_keys and row.remaining and not row.is_cancel:
                rest = NewOrder(row.code, row.side, row.type, row.remaining, row.price)
                outcome = await self._broker.cancel(row.key, rest)
                done = isinstance(outcome, Accepted)
                cancelled += done
                said = "취소했습니다" if done else f"취소하지 못했습니다({outcome})"
                await self._alert(f"감시: {row.code} {row.side.label} {row.remaining:,}주를 {said}")
        return cancelled

    async def run(self) -> None:
        while True:
            await self.look()
            await self._clock.sleep(INTERVAL_SECONDS)
