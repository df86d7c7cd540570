"""A client's outgoing messages: bounded, and closed rather than waited for when the client does not read."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import deque

from starlette.websockets import WebSocket, WebSocketDisconnect

from engine.clock import wall_timeout

logger = logging.getLogger(__name__)

WAITING_MESSAGES = 256
WAITING_BYTES = 4 * 1024 * 1024
SEND_SECONDS = 20.0
TOO_SLOW = 4008
"""Close code: the client read too slowly; it may connect again and resume."""
FLOODED = 4029
"""Close code: the client sends more than anyone needs."""
ENDED = 4001
"""Close code: the session of this socket has ended."""


class Outbox:
    """``put`` never waits. A message with a ``slot`` replaces the one of that slot still waiting (coalescing)."""

    def __init__(self) -> None:
        self._waiting: deque[tuple[str, str]] = deque()
        self._slots: dict[str, str] = {}
        self._size = 0
        self._arrived = asyncio.Event()
        self.overflowed = False

    def put(self, data: str, slot: str = "") -> None:
        if self.overflowed:
            return
        if slot:
            if slot in self._slots:
                self._size += len(data) - len(self._slots[slot])
                self._slots[slot] = data
                return
            self._slots[slot] = data
        self._waiting.append((slot, data))
        self._size += len(data)
        if len(self._waiting) > WAITING_MESSAGES or self._size > WAITING_BYTES:
            self.overflowed = True
        self._arrived.set()

    def holds(self, slot: str) -> bool:
        """Whether a message of that slot is still waiting."""
        return slot in self._slots

    def __len__(self) -> int:
        return len(self._waiting)

    async def get(self) -> str | None:
        """The next message; None when the client has fallen too far behind."""
        while not self._waiting:
            if self.overflowed:
                return None
            self._arrived.clear()
            await self._arrived.wait()
        if self.overflowed:
            return None
        slot, data = self._waiting.popleft()
        if slot:
            data = self._slots.pop(slot)
        self._size -= len(data)
        return data


async def send_all(socket: WebSocket, box: Outbox) -> None:
    """Send what is put into ``box`` until the client leaves or falls behind."""
    while True:
        data = await box.get()
        if data is None:
            await _close(socket, TOO_SLOW)
            return
        try:
            async with wall_timeout(SEND_SECONDS):
                await socket.send_text(data)
        except TimeoutError:
            await _close(socket, TOO_SLOW)
            return
        except (WebSocketDisconnect, RuntimeError):
            return  # gone: the reading side ends as well


async def _close(socket: WebSocket, code: int) -> None:
    with contextlib.suppress(RuntimeError, WebSocketDisconnect, TimeoutError):
        async with wall_timeout(1.0):
            await socket.close(code)
