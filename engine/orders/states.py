"""The life of an order as a table: what is not in it cannot be made, nor written (a trigger of the journal checks)."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from engine.orders.values import OrderState as S

TRANSITIONS: Final[Mapping[S, frozenset[S]]] = MappingProxyType(
    {
        # DENIED from PREPARED: the kill switch is looked at once more right before the bytes leave.
        S.PREPARED: frozenset({S.SENDING, S.DENIED, S.NOT_SENT}),
        # PREPARED from SENDING: the gateway proved that it passed nothing on, and the gate is asked again.
        S.SENDING: frozenset({S.ACCEPTED, S.REJECTED, S.NOT_SENT, S.UNKNOWN, S.PREPARED}),
        S.UNKNOWN: frozenset({S.ACCEPTED, S.NOT_SENT}),
        S.ACCEPTED: frozenset({S.PARTIALLY_FILLED, S.FILLED, S.CANCELLED, S.REJECTED}),
        S.PARTIALLY_FILLED: frozenset({S.FILLED, S.CANCELLED}),
        # ACCEPTED from NOT_SENT: the broker showed the order after all; the truth outranks our proof.
        S.NOT_SENT: frozenset({S.ACCEPTED}),
        S.FILLED: frozenset(),
        # A fill that the broker booked before the cancel and listed after it.
        S.CANCELLED: frozenset({S.FILLED}),
        S.REJECTED: frozenset(),
        S.DENIED: frozenset(),
    }
)


class ImpossibleTransition(Exception):
    """A step that no order can make: a defect, never a broker's fault."""

    def __init__(self, before: S, after: S) -> None:
        super().__init__(f"order state was {before}, cannot become {after}")


def check(before: S, after: S) -> S:
    """Return ``after`` if an order may go there (staying is always possible), else raise ImpossibleTransition."""
    if before is not after and after not in TRANSITIONS[before]:
        raise ImpossibleTransition(before, after)
    return after


def reachable(start: S) -> frozenset[S]:
    """Every state an order can still get to."""
    seen: set[S] = set()
    waiting = [start]
    while waiting:
        for state in TRANSITIONS[waiting.pop()]:
            if state not in seen:
                seen.add(state)
                waiting.append(state)
    return frozenset(seen)
