"""Events between the socket and the one consumer, with the market clock told when a frame was taken care of."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

from engine.broker import StreamEvent
from engine.clock import MarketClock
from engine.market import OrderBook, Tick


@dataclass(slots=True)
class _Entry:
    event: StreamEvent | None
    port: int = 0
    ends_frame: bool = False
    ends_channel: bool = False


class Inbox:
    """First in, first out. When full, the oldest tick or book is dropped and counted; notices never are."""

    def __init__(self, clock: MarketClock, capacity: int = 50_000) -> None:
        self._clock = clock
        self._capacity = capacity
        self._entries: deque[_Entry] = deque()
        self._filled = asyncio.Event()
        self._closed = False
        self._consumed = False
        self.lost = 0
        """Ticks and books dropped because nobody took them."""

    def put_frame(self, events: Sequence[StreamEvent], port: int) -> None:
        """The events of one received frame; one without events is taken care of already."""
        if not events or self._closed:
            self._clock.frame_handled(port)
            return
        for event in events:
            self._entries.append(_Entry(event, port))
        self._entries[-1].ends_frame = True
        while len(self._entries) > self._capacity and self._drop_oldest():
            pass
        self._filled.set()

    def put(self, event: StreamEvent) -> None:
        """An event of our own making."""
        self._entries.append(_Entry(event))
        self._filled.set()

    def end_channel(self, port: int) -> None:
        """Frames of ``port`` end here: once they are taken care of, the clock forgets the port."""
        if self._closed:
            self._clock.channel_closed(port)
            return
        self._entries.append(_Entry(None, port, ends_channel=True))
        self._filled.set()

    def close(self) -> None:
        """End the consumer's iteration after what is there."""
        self._closed = True
        self._filled.set()

    def abandon(self) -> None:
        """Forget what nobody will take any more, so that it does not keep the clock from moving."""
        while self._entries:
            self._settle(self._entries.popleft())

    def _settle(self, entry: _Entry) -> None:
        if entry.ends_frame:
            self._clock.frame_handled(entry.port)
        if entry.ends_channel:
            self._clock.channel_closed(entry.port)

    def _drop_oldest(self) -> bool:
        for position, entry in enumerate(self._entries):
            if isinstance(entry.event, Tick | OrderBook):
                del self._entries[position]
                self._settle(entry)
                self.lost += 1
                return True
        return False

    async def events(self) -> AsyncIterator[StreamEvent]:
        """For one consumer. An event counts as taken care of when the next one is asked for."""
        if self._consumed:
            raise RuntimeError("the stream has one consumer")
        self._consumed = True
        try:
            while True:
                while not self._entries:
                    if self._closed:
                        return
                    self._filled.clear()
                    await self._filled.wait()
                entry = self._entries.popleft()
                try:
                    if entry.event is not None:
                        yield entry.event
                finally:
                    self._settle(entry)
        finally:
            self._consumed = False
