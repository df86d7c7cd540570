"""One-time confirmations: pending → consumed once, by the same person, on the same message, in time.

A confirmation holds everything that will be done; the button carries only its id (128 random bits). After a restart
every older one has expired, since nobody can vouch for the time between.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from bot.store import ControlStore
from bot.walltime import WallTime
from engine.clock import new_secret

CONFIRM_SECONDS = 60.0


class Refusal(StrEnum):
    """Why a confirmation did nothing; each has a catalogue text ``confirm_<value>``."""

    GONE = "gone"
    EXPIRED = "expired"
    DONE = "done"
    OTHER_PERSON = "other_person"
    OTHER_MESSAGE = "other_message"


@dataclass(frozen=True, slots=True)
class Confirmation:
    id: str
    kind: str
    payload: Mapping[str, str]
    binding: str


class Confirmations:
    def __init__(self, store: ControlStore, wall: WallTime) -> None:
        self._store = store
        self._wall = wall
        self._boot = new_secret(8)

    async def ask(
        self,
        kind: str,
        user: str,
        payload: Mapping[str, str],
        *,
        message: str = "",
        binding: str = "",
        seconds: float = CONFIRM_SECONDS,
    ) -> Confirmation:
        """Keep what a person is about to confirm. Asking again under a binding voids what was pending there."""
        identity = new_secret(16)
        if binding:
            await self.void(binding)
        await self._store.change(
            "INSERT INTO confirmation (id, kind, user, message, binding, payload, created, boot, deadline) "
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                identity,
                kind,
                user,
                message,
                binding or identity,
                json.dumps(dict(payload), ensure_ascii=False, sort_keys=True),
                self._wall.now().isoformat(),
                self._boot,
                self._wall.monotonic() + seconds,
            ),
        )
        return Confirmation(identity, kind, dict(payload), binding or identity)

    async def void(self, binding: str) -> None:
        await self._store.change(
            "UPDATE confirmation SET state = 'void' WHERE binding = ? AND state = 'pending'", (binding,)
        )

    async def bind(self, binding: str, message: str) -> None:
        """Tie what is pending under ``binding`` to the message that shows it."""
        await self._store.change(
            "UPDATE confirmation SET message = ? WHERE binding = ? AND message = ''", (message, binding)
        )

    async def peek(self, identity: str) -> Confirmation | None:
        found = await self._store.rows("SELECT id, kind, payload, binding FROM confirmation WHERE id = ?", (identity,))
        if not found:
            return None
        identity, kind, payload, binding = found[0]
        return Confirmation(str(identity), str(kind), json.loads(payload), str(binding))

    async def consume(self, identity: str, user: str, message: str) -> Confirmation | Refusal:
        """The single atomic step; of any number of presses exactly one gets the Confirmation."""
        changed = await self._store.change(
            "UPDATE confirmation SET state = 'consumed', message = ? WHERE id = ? AND user = ? AND state = 'pending' "
            "AND boot = ? AND deadline >= ? AND (message = '' OR message = ?)",
            (message, identity, user, self._boot, self._wall.monotonic(), message),
        )
        if changed == 1:
            confirmation = await self.peek(identity)
            if confirmation is None:
                raise LookupError(f"confirmation {identity} vanished")
            return confirmation
        return await self._why_not(identity, user, message)

    async def _why_not(self, identity: str, user: str, message: str) -> Refusal:
        found = await self._store.rows(
            "SELECT user, state, boot, deadline, message FROM confirmation WHERE id = ?", (identity,)
        )
        if not found:
            return Refusal.GONE
        owner, state, boot, deadline, shown_as = found[0]
        if owner != user:
            return Refusal.OTHER_PERSON
        if state == "consumed":
            return Refusal.DONE
        if boot != self._boot or deadline < self._wall.monotonic() or state == "void":
            return Refusal.EXPIRED
        return Refusal.OTHER_MESSAGE if shown_as != message else Refusal.DONE

    async def prune(self) -> None:
        """Forget what is older than a day."""
        await self._store.change(
            "DELETE FROM confirmation WHERE boot != ? OR deadline < ?", (self._boot, self._wall.monotonic() - 86_400)
        )
