"""Pictures and files of answers, kept for a while under unguessable names so that a page can show them by address."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

from engine.clock import new_secret

KEPT_BYTES = 64 * 1024 * 1024
KEPT_COUNT = 300


@dataclass(frozen=True, slots=True)
class Kept:
    data: bytes
    media_type: str
    name: str


class Shelf:
    """Bounded in number and in bytes; the oldest goes first."""

    def __init__(self, count: int = KEPT_COUNT, size: int = KEPT_BYTES) -> None:
        self._count = count
        self._limit = size
        self._size = 0
        self._items: OrderedDict[str, Kept] = OrderedDict()

    def put(self, data: bytes, media_type: str, name: str) -> str:
        """The name under which it can be had."""
        identity = new_secret(12)
        self._items[identity] = Kept(data, media_type, name)
        self._size += len(data)
        while len(self._items) > 1 and (len(self._items) > self._count or self._size > self._limit):
            _, dropped = self._items.popitem(last=False)
            self._size -= len(dropped.data)
        return identity

    def get(self, identity: str) -> Kept | None:
        return self._items.get(identity)
