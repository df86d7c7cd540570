"""Order tickets as they are kept: what a person has chosen so far, who they are, and on which message.

A ticket places nothing. The order that is sent is the one its confirmation holds.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from typing import Any, Literal

from bot.store import ControlStore
from bot.walltime import WallTime
from engine.broker import OrderType
from engine.clock import new_secret
from engine.market import Code, OrderBook, Shares, Side, Won

TICKET_SECONDS = 14 * 60.0
"""Under Discord's 15 minutes: after them an ephemeral message can no longer be edited."""
LEVELS_KEPT = 8

View = Literal["book", "prices", "fills", "open", "preview"]


@dataclass(frozen=True, slots=True)
class Ticket:
    id: str
    user: str
    code: Code
    message: str = ""
    side: Side = Side.BUY
    type: OrderType = OrderType.LIMIT
    price: Won = 0
    """0: not chosen yet."""
    quantity: Shares = 0
    target: Won = 0
    view: View = "book"
    levels: Mapping[str, tuple[Won, ...]] = field(default_factory=dict)
    """Price levels as they were shown, by version: a press means the price that was on the button."""

    @property
    def level_version(self) -> int:
        return max((int(version) for version in self.levels), default=0)

    def with_levels(self, book: OrderBook) -> Ticket:
        """Remember the prices of the book now shown: asks from far to near, then bids from near to far."""
        shown = tuple(level.price for level in reversed(book.asks)) + tuple(level.price for level in book.bids)
        if self.levels and self.levels[str(self.level_version)] == shown:
            return self
        version = self.level_version + 1
        kept = {name: prices for name, prices in self.levels.items() if int(name) > version - LEVELS_KEPT}
        return replace(self, levels={**kept, str(version): shown})

    def level_price(self, version: str, position: str) -> Won | None:
        """The price on the button ``position`` of that version; None when it is no longer known."""
        shown = self.levels.get(version, ())
        if not position.isascii() or not position.isdigit() or int(position) >= len(shown):
            return None
        return shown[int(position)]


class Tickets:
    def __init__(self, store: ControlStore, wall: WallTime) -> None:
        self._store = store
        self._wall = wall
        self._boot = new_secret(8)

    async def open(self, ticket: Ticket, place: str) -> Ticket:
        """Keep a new ticket under a fresh id (96 random bits); its ``id`` is ignored."""
        kept = replace(ticket, id=new_secret(12))
        await self._store.change(
            "INSERT INTO ticket (id, user, place, message, state, created, boot, deadline) "
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (
                kept.id,
                kept.user,
                place,
                kept.message,
                _dumped(kept),
                self._wall.now().isoformat(),
                self._boot,
                self._wall.monotonic() + TICKET_SECONDS,
            ),
        )
        return kept

    async def get(self, identity: str) -> Ticket | None:
        """The ticket while it lives. Over a restart its age is told by the host's clock."""
        found = await self._store.rows(
            "SELECT state, levels, message, created, boot, deadline FROM ticket WHERE id = ? AND open = 1", (identity,)
        )
        if not found:
            return None
        state, levels, message, created, boot, deadline = found[0]
        if boot == self._boot:
            alive = self._wall.monotonic() <= deadline
        else:
            age = (self._wall.now() - datetime.fromisoformat(created)).total_seconds()
            alive = 0 <= age <= TICKET_SECONDS
        if not alive:
            return None
        shown = {version: tuple(prices) for version, prices in json.loads(levels).items()}
        return replace(_loaded(json.loads(state)), id=identity, message=str(message), levels=shown)

    async def keep(self, ticket: Ticket) -> None:
        await self._store.change("UPDATE ticket SET state = ? WHERE id = ?", (_dumped(ticket), ticket.id))

    async def keep_levels(self, ticket: Ticket) -> None:
        """Apart from the choices: a refresh that runs beside a press must not undo the press."""
        levels = json.dumps(dict(ticket.levels))
        await self._store.change("UPDATE ticket SET levels = ? WHERE id = ?", (levels, ticket.id))

    async def bind(self, identity: str, message: str) -> bool:
        """Tie the ticket to its message; False when it is tied to another one."""
        changed = await self._store.change(
            "UPDATE ticket SET message = ? WHERE id = ? AND (message = '' OR message = ?)",
            (message, identity, message),
        )
        return changed == 1

    async def close(self, identity: str) -> None:
        await self._store.change("UPDATE ticket SET open = 0 WHERE id = ?", (identity,))

    async def prune(self) -> None:
        """Forget tickets that an earlier run of the service left behind and nobody can use any more."""
        for identity, created in await self._store.rows(
            "SELECT id, created FROM ticket WHERE boot != ?", (self._boot,)
        ):
            age = (self._wall.now() - datetime.fromisoformat(created)).total_seconds()
            if not 0 <= age <= TICKET_SECONDS:
                await self._store.change("DELETE FROM ticket WHERE id = ?", (identity,))


def _dumped(ticket: Ticket) -> str:
    apart = ("id", "message", "levels")
    return json.dumps({name: value for name, value in asdict(ticket).items() if name not in apart})


def _loaded(state: Mapping[str, Any]) -> Ticket:
    values = dict(state)
    values["side"] = Side(values["side"])
    values["type"] = OrderType(values["type"])
    return Ticket(id="", **values)
