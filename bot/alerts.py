"""Engine events to pushes: per person and kind on / silent / off; critical ones survive an outage, in order, once.

A critical alert is written to control.db before anyone is told and taken out when the platform has it. Routine ones
live in memory, are collapsed into one message, and always wait behind critical ones.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from bot.access import AccessControl, Permission, Platform
from bot.reply import DISCORD_TEXT, Picture, Row, shorten
from bot.store import ControlStore
from bot.walltime import WallTime

logger = logging.getLogger(__name__)

COLLAPSE_SECONDS = 2.0
COLLAPSED_LINES = 6
ROUTINE_KEPT = 200
OUTBOX_KEPT = 500
FIRST_RETRY_SECONDS, LONGEST_RETRY_SECONDS = 1.0, 60.0


class AlertKind(StrEnum):
    BUY = "buy"
    SELL = "sell"
    STOP_RAISED = "stop_raised"
    ACCEPTED = "accepted"
    REJECTED = "rejected"
    UNKNOWN = "unknown"
    EXIT_PENDING = "exit_pending"
    LATCHED = "latched"
    CONNECTION = "connection"
    ERROR = "error"
    BOT = "bot"
    DAY = "day"
    REPORT = "report"


class Level(StrEnum):
    ON = "on"
    SILENT = "silent"
    OFF = "off"


PUBLIC_KINDS = frozenset({AlertKind.CONNECTION, AlertKind.BOT, AlertKind.REPORT})
"""What a viewer is told: nothing of these shows orders, holdings or results."""
LEVELS = (Level.ON, Level.SILENT, Level.OFF)
QUIET_KINDS = frozenset({AlertKind.ACCEPTED, AlertKind.STOP_RAISED})
"""Silent unless a person wants to hear them."""


@dataclass(frozen=True, slots=True)
class Alert:
    """One push. ``id`` grows with each critical one; routine ones have 0."""

    id: int
    kind: AlertKind
    at: datetime
    text: str
    critical: bool
    silent: bool = False
    picture: Picture | None = None
    rows: tuple[Row, ...] = ()


class AlertSink(Protocol):
    """Implemented by each adapter. ``name`` is the recipient's key (``User.key``, for instance ``discord:123``), under
    which levels and undelivered alerts are kept."""

    name: str

    async def deliver(self, alert: Alert) -> None:
        """Return once the platform has it; raise anything when it has not (it is tried again, with back-off). A number
        in the exception's ``retry_after`` is how many seconds the platform asks to wait."""


def level_preference(kind: AlertKind) -> str:
    return f"alert.{kind.value}"


async def alert_levels(store: ControlStore, user: str) -> dict[AlertKind, Level]:
    kept = await store.preferences(user)
    levels = {}
    for kind in AlertKind:
        default = Level.SILENT if kind in QUIET_KINDS else Level.ON
        levels[kind] = Level(kept.get(level_preference(kind), default.value))
    return levels


@dataclass
class _Lane:
    """What waits for one recipient."""

    sink: AlertSink
    wake: asyncio.Event = field(default_factory=asyncio.Event)
    routine: deque[Alert] = field(default_factory=lambda: deque(maxlen=ROUTINE_KEPT))


class AlertCenter:
    """Sinks are added before ``run`` or while it runs. Nothing a sink does can hold up another, or the engine."""

    def __init__(
        self,
        store: ControlStore,
        wall: WallTime,
        access: AccessControl | None = None,
        buttons: Callable[[str], tuple[Row, ...]] | None = None,
    ) -> None:
        """With ``access``, a person gets what their role may see at the moment of delivery; recipients that are no
        person (a channel, a webhook) were set up by the owner and get everything. ``buttons`` makes the buttons under
        an alert about a stock code."""
        self._store = store
        self._wall = wall
        self._access = access
        self._buttons = buttons
        self._lanes: dict[str, _Lane] = {}
        self._group: asyncio.TaskGroup | None = None

    def add(self, sink: AlertSink) -> None:
        if sink.name in self._lanes:
            raise ValueError(f"alert sink {sink.name} is there already")
        lane = self._lanes[sink.name] = _Lane(sink)
        lane.wake.set()
        if self._group is not None:
            self._group.create_task(self._serve(lane), name=f"alerts-{sink.name}")

    async def run(self) -> None:
        """Deliver until cancelled."""
        async with asyncio.TaskGroup() as group:
            self._group = group
            for lane in self._lanes.values():
                group.create_task(self._serve(lane), name=f"alerts-{lane.sink.name}")
            await asyncio.Event().wait()

    async def push(self, kind: AlertKind, at: datetime, text: str, *, critical: bool, code: str = "") -> None:
        """Queue for every recipient who wants it. A critical alert is durable when this returns."""
        cut = shorten(text, DISCORD_TEXT)
        for lane in list(self._lanes.values()):
            level = (await alert_levels(self._store, lane.sink.name))[kind]
            if level is Level.OFF or not self._may_see(lane.sink.name, kind):
                continue
            silent = level is Level.SILENT
            if critical:
                await self._store.insert(
                    "INSERT INTO outbox (sink, kind, at, text, silent, code) VALUES (?, ?, ?, ?, ?, ?)",
                    (lane.sink.name, kind.value, at.isoformat(), cut, int(silent), code),
                )
                await self._bound(lane.sink.name)
            else:
                lane.routine.append(Alert(0, kind, at, cut, False, silent, None, self._rows(code)))
            lane.wake.set()

    async def waiting(self, sink: str) -> int:
        """How many critical alerts a recipient has not got yet."""
        return int((await self._store.rows("SELECT count(*) FROM outbox WHERE sink = ?", (sink,)))[0][0])

    async def _bound(self, sink: str) -> None:
        dropped = await self._store.change(
            "DELETE FROM outbox WHERE sink = ? AND sequence <= "
            "(SELECT sequence FROM outbox WHERE sink = ? ORDER BY sequence DESC LIMIT 1 OFFSET ?)",
            (sink, sink, OUTBOX_KEPT),
        )
        if dropped:
            logger.warning("%d old alerts for %s were dropped: the outbox is full", dropped, sink)

    async def _serve(self, lane: _Lane) -> None:
        retry = FIRST_RETRY_SECONDS
        while True:
            alert = await self._next_critical(lane.sink.name)
            if alert is None and lane.routine:
                await self._wall.sleep(COLLAPSE_SECONDS)
                alert = await self._next_critical(lane.sink.name) or self._collapsed(lane)
            if alert is None:
                lane.wake.clear()
                if not lane.routine and await self.waiting(lane.sink.name) == 0:
                    await lane.wake.wait()
                continue
            try:
                if self._may_see(lane.sink.name, alert.kind):
                    await lane.sink.deliver(alert)
            except Exception as problem:  # a chat that is down is normal: the alert stays and is tried again
                logger.warning("alert for %s was not delivered: %s", lane.sink.name, type(problem).__name__)
                if not alert.critical:
                    lane.routine.appendleft(alert)
                asked = getattr(problem, "retry_after", None)
                wait = float(asked) if isinstance(asked, int | float) else retry
                await self._wall.sleep(min(max(wait, 0.0), LONGEST_RETRY_SECONDS))
                retry = min(2 * retry, LONGEST_RETRY_SECONDS)
                continue
            retry = FIRST_RETRY_SECONDS
            if alert.critical:
                await self._store.change("DELETE FROM outbox WHERE sequence = ?", (alert.id,))

    async def _next_critical(self, sink: str) -> Alert | None:
        found = await self._store.rows(
            "SELECT sequence, kind, at, text, silent, code FROM outbox WHERE sink = ? ORDER BY sequence LIMIT 1",
            (sink,),
        )
        if not found:
            return None
        sequence, kind, at, text, silent, code = found[0]
        moment = datetime.fromisoformat(at)
        rows = self._rows(str(code))
        return Alert(int(sequence), AlertKind(kind), moment, str(text), True, bool(silent), None, rows)

    def _rows(self, code: str) -> tuple[Row, ...]:
        return self._buttons(code) if code and self._buttons is not None else ()

    def _may_see(self, sink: str, kind: AlertKind) -> bool:
        platform, _, rest = sink.partition(":")
        if self._access is None or platform not in set(Platform) or not rest.isdigit():
            return True
        role = self._access.role_of(sink)
        return role is not None and (role >= Permission.TRADER or kind in PUBLIC_KINDS)

    @staticmethod
    def _collapsed(lane: _Lane) -> Alert | None:
        """All that waits as one message; loud if one of them is."""
        if not lane.routine:
            return None
        waiting = list(lane.routine)
        lane.routine.clear()
        if len(waiting) == 1:
            return waiting[0]
        lines = [alert.text for alert in waiting[:COLLAPSED_LINES]]
        if len(waiting) > COLLAPSED_LINES:
            lines.append(f"… +{len(waiting) - COLLAPSED_LINES}")
        last = waiting[-1]
        text = shorten("\n".join(lines), DISCORD_TEXT)
        return Alert(0, last.kind, last.at, text, False, all(alert.silent for alert in waiting))
