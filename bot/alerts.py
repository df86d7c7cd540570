"""Engine events to pushes: per person and kind on / silent / off; critical ones survive an outage, in order, once."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from bot.reply import Picture, Row


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


@dataclass(frozen=True, slots=True)
class Alert:
    """One push. ``id`` grows; a critical one stays in the outbox until ``deliver`` returned."""

    id: int
    kind: AlertKind
    at: datetime
    text: str
    critical: bool
    silent: bool = False
    picture: Picture | None = None
    rows: tuple[Row, ...] = ()


class AlertSink(Protocol):
    """Implemented by each adapter. ``name`` is the recipient's key in the outbox, for instance ``discord:123``."""

    name: str

    async def deliver(self, alert: Alert) -> None:
        """Return once the platform has it; raise anything when it has not (it is tried again, with back-off)."""
