"""What an order with an unknown outcome became: pure reasoning over the broker's lists."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from engine.broker import BrokerOrder, OrderKey, OrderList
from engine.orders.values import OrderRecord

DELAYS: Final = (1.0, 2.0, 4.0, 8.0, 15.0)
"""Market seconds between the looks; the last repeats."""
SKEW: Final = timedelta(seconds=3)
"""The broker's clock writes whole seconds and may be a little off ours."""
LONGEST_SEND: Final = timedelta(seconds=30)
ARRIVAL_MARGIN: Final = timedelta(seconds=60)
READS_APART: Final = timedelta(seconds=30)
PROOF_AFTER: Final = timedelta(seconds=60)


def mark(key: OrderKey) -> str:
    """A key of the day as the fence keeps it."""
    return f"{key.branch}-{key.number}"


def delay(attempt: int) -> float:
    return DELAYS[min(attempt, len(DELAYS) - 1)]


def fits(order: OrderRecord, row: BrokerOrder) -> bool:
    """Whether a listed order can be the one that was sent: same shape, not known before, in the time window."""
    intent = order.intent
    sent_at = order.sent_at
    if sent_at is None or row.is_cancel or row.original is not None or mark(row.key) in order.fence:
        return False
    if (row.code, row.side, row.type, row.quantity) != (intent.code, intent.side, intent.type, intent.quantity):
        return False
    if intent.price and row.price != intent.price:
        return False
    ended = min(order.unknown_at or sent_at + LONGEST_SEND, sent_at + LONGEST_SEND)
    return row.key.day == order.day and sent_at - SKEW <= row.at <= ended + ARRIVAL_MARGIN


def candidates(order: OrderRecord, rows: Sequence[BrokerOrder], bound: Collection[OrderKey]) -> tuple[BrokerOrder, ...]:
    return tuple(row for row in rows if row.key not in bound and fits(order, row))


@dataclass(frozen=True, slots=True)
class Look:
    """One read of the day's list in which the order was not found."""

    at: datetime
    keys: frozenset[OrderKey]
    sound: bool
    """Complete, and it showed every order that was known when it was asked for: else it proves nothing."""

    @classmethod
    def of(cls, listing: OrderList, at: datetime, known: Collection[OrderKey]) -> Look:
        keys = frozenset(row.key for row in listing.orders)
        return cls(at, keys, listing.complete and keys.issuperset(known))


def proves_absence(looks: Sequence[Look], unknown_at: datetime) -> bool:
    """Whether nothing reached the broker.

    Two sound reads at least 30 s apart, the last at least 60 s after the time-out, which agree (the list only grows).
    """
    sound = [look for look in looks if look.sound]
    if not sound:
        return False
    last = sound[-1]
    if last.at - unknown_at < PROOF_AFTER:
        return False
    return any(last.at - look.at >= READS_APART and look.keys <= last.keys for look in sound)
