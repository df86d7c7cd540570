"""Events of the service as numbered messages for ``/ws/trades`` and ``/ws/events``: a log with a known past."""

from __future__ import annotations

import itertools
import logging
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass

import orjson

from bot.alert_texts import AlertWriter
from bot.alerts import AlertKind
from bot.web.sockets import Outbox
from engine import events as happened
from engine.clock import new_secret
from engine.events import EventBus

logger = logging.getLogger(__name__)

KEPT = 1_000
TRADE_KINDS = frozenset(
    {
        AlertKind.BUY,
        AlertKind.SELL,
        AlertKind.STOP_RAISED,
        AlertKind.ACCEPTED,
        AlertKind.REJECTED,
        AlertKind.UNKNOWN,
        AlertKind.EXIT_PENDING,
    }
)


@dataclass(frozen=True, slots=True)
class Entry:
    sequence: int
    trade: bool
    data: str


class EventLog:
    """``epoch`` changes with every start of the service: a number of another epoch cannot be resumed from."""

    def __init__(self, writer: AlertWriter) -> None:
        self._writer = writer
        self.epoch = new_secret(6)
        self._numbers = itertools.count(1)
        self._kept: deque[Entry] = deque(maxlen=KEPT)
        self._boxes: dict[Outbox, tuple[bool, str]] = {}
        self.sequence = 0

    async def run(self, events: EventBus) -> None:
        """Log the events of the bus until cancelled."""
        with events.subscribe(size=10_000) as subscription:
            async for event in subscription:
                self.add(event)

    def add(self, event: happened.Event) -> None:
        told = self._writer.text_of(event)
        if told is None:
            return
        kind, text = told
        self.sequence = next(self._numbers)
        message: dict[str, object] = {
            "type": "event",
            "seq": self.sequence,
            "kind": kind.value,
            "at": event.at.isoformat(),
            "text": text,
            "critical": event.critical,
        }
        message |= _details(event)
        entry = Entry(self.sequence, kind in TRADE_KINDS, orjson.dumps(message).decode())
        self._kept.append(entry)
        for box, (trades_only, _) in list(self._boxes.items()):
            if entry.trade or not trades_only:
                box.put(entry.data)

    def tell(self, caller: str, message: Mapping[str, object]) -> None:
        """Something for the sockets of one caller alone; not kept."""
        data = orjson.dumps(message).decode()
        for box, (_, owner) in list(self._boxes.items()):
            if owner == caller:
                box.put(data)

    def join(self, box: Outbox, caller: str, *, trades_only: bool, epoch: str, after: int | None) -> None:
        """Start sending: what was missed since ``after`` when it is known, else the recent past, then what comes."""
        resumed = epoch == self.epoch and after is not None and self._covers(after)
        start = after if resumed and after is not None else max(0, self.sequence - 100)
        hello = {"type": "hello", "epoch": self.epoch, "seq": self.sequence, "resumed": resumed}
        box.put(orjson.dumps(hello).decode())
        for entry in self._kept:
            if entry.sequence > start and (entry.trade or not trades_only):
                box.put(entry.data)
        self._boxes[box] = (trades_only, caller)

    def leave(self, box: Outbox) -> None:
        self._boxes.pop(box, None)

    def _covers(self, after: int) -> bool:
        oldest = self._kept[0].sequence if self._kept else self.sequence + 1
        return oldest - 1 <= after <= self.sequence

    def __len__(self) -> int:
        return len(self._boxes)


def _details(event: happened.Event) -> dict[str, object]:
    match event:
        case happened.OrderEvent():
            return {
                "order": {
                    "id": event.order_id,
                    "code": event.code,
                    "name": event.name,
                    "side": event.side.value,
                    "quantity": event.quantity,
                    "price": event.price,
                }
            }
        case happened.PositionClosed():
            trade = event.trade
            return {
                "trade": {
                    "code": trade.code,
                    "name": trade.name,
                    "quantity": trade.quantity,
                    "entry_price": trade.entry_price,
                    "exit_price": trade.exit_price,
                    "profit": trade.profit,
                    "profit_percent": round(trade.profit_percent, 4),
                    "reason": trade.reason.value,
                }
            }
        case _:
            return {}
