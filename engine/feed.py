"""From the stream to candles and listeners: one pump, one consumer, one closer of bars.

The pump never waits for decisions; the consumer handles ticks in order; at the end of each 15-minute bar the closer
finishes the bars, repairs what has gaps from the broker's minute bars, writes the files, and then tells its listener.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta

from engine.broker import (
    BrokerError,
    Channel,
    ChannelKind,
    ExecutionNotice,
    IndexTick,
    MarketData,
    NotOffered,
    Stream,
    StreamLost,
    StreamRestored,
)
from engine.calendar import TradingCalendar
from engine.candles import CandleStore
from engine.clock import MarketClock
from engine.events import ConnectionLost, ConnectionRestored, EventBus, TicksLost
from engine.live_market import LiveMarket
from engine.market import Code, Interval, OrderBook, Tick
from engine.ticks import TickQueue

logger = logging.getLogger(__name__)

BAR_GRACE_SECONDS = 1.0
"""Trades of a bar's last second still arrive after it; decisions wait that long."""


class MarketFeed:
    def __init__(
        self,
        *,
        stream: Stream,
        market: LiveMarket,
        candles: CandleStore,
        market_data: MarketData,
        calendar: TradingCalendar,
        clock: MarketClock,
        events: EventBus,
        queue_size: int = 10_000,
    ) -> None:
        self._stream = stream
        self._market = market
        self.candles = candles
        self._market_data = market_data
        self._calendar = calendar
        self._clock = clock
        self._events = events
        self.queue = TickQueue(clock, candles.mark_lost, queue_size)
        self.on_tick: Callable[[Tick], None] = lambda tick: None
        self.on_book: Callable[[OrderBook], None] = lambda book: None
        self.on_notice: Callable[[ExecutionNotice], Awaitable[None]] | None = None
        self.on_bar_close: Callable[[datetime], Awaitable[None]] | None = None
        self._notices: asyncio.Queue[ExecutionNotice] = asyncio.Queue()
        self._notice_hold = clock.hold("execution notices")
        self._lost_reported = 0
        self._away = False
        self.backfill_failures: dict[Code, str] = {}

    @property
    def connected(self) -> bool:
        return self._stream.connected

    async def run(self) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(self._pump(), name="feed-pump")
            group.create_task(self._consume(), name="feed-consume")
            group.create_task(self._notify(), name="feed-notices")
            group.create_task(self._close_bars(), name="feed-bars")

    async def subscribe(self, trades: Sequence[Code], books: Sequence[Code], extra: Sequence[Channel] = ()) -> None:
        """Set the registrations: notices first, then ``extra``, then trades with their books."""
        wanted: list[Channel] = [Channel(ChannelKind.NOTICE), *extra]
        for code in dict.fromkeys(trades):
            wanted.append(Channel(ChannelKind.TRADE, code))
            if code in books:
                wanted.append(Channel(ChannelKind.BOOK, code))
        wanted += [Channel(ChannelKind.BOOK, code) for code in books if code not in trades]
        await self._stream.set_channels(list(dict.fromkeys(wanted)))
        self.candles.subscribed(self.streamed_codes(), self._clock.now())

    def streamed_codes(self) -> list[Code]:
        return sorted(c.key for c in self._stream.channels if c.kind is ChannelKind.TRADE)

    async def backfill(self, code: Code) -> None:
        """Fill the last five sessions from the broker's minute bars where the stream did not see them."""
        now = self._clock.now()
        for day in self.candles.missing(code, now):
            since = self.candles.first_missing(code, day, now)
            if since is None:
                continue
            try:
                minutes = await self._market_data.minute_bars(code, day, since=since.time())
            except NotOffered:
                continue  # 모의 keeps no minutes of past days: the factor says so by its shorter history
            except BrokerError as error:
                self.backfill_failures[code] = str(error)
                logger.warning("분봉 보충 실패 %s %s: %s", code, day, error)
                return
            self.candles.absorb(code, day, minutes, now, since)
        self.backfill_failures.pop(code, None)

    # -- loops

    async def _pump(self) -> None:
        async for event in self._stream.events():
            if isinstance(event, Tick):
                self.queue.put(event)
            elif isinstance(event, OrderBook):
                self._market.on_book(event)
                self.on_book(event)
            elif isinstance(event, IndexTick):
                self._market.on_index(event)
            elif isinstance(event, ExecutionNotice):
                if self._notices.empty():
                    self._notice_hold.acquire()
                self._notices.put_nowait(event)
            elif isinstance(event, StreamLost):
                self._away = True
                self._events.publish(ConnectionLost(at=event.at, what="KIS 실시간 시세", reason=event.reason))
            elif isinstance(event, StreamRestored):
                if self._away:
                    self._events.publish(ConnectionRestored(at=event.at, what="KIS 실시간 시세"))
                    self.candles.stream_gap(event.gap_from, event.at)
                self._away = False

    async def _consume(self) -> None:
        while True:
            tick = await self.queue.get()
            try:
                self._market.on_tick(tick)
                self.candles.on_tick(tick)
                self.on_tick(tick)
            finally:
                self.queue.done()

    async def _notify(self) -> None:
        while True:
            notice = await self._notices.get()
            # The handler holds the clock for each of its own calls; ours must not span its waits.
            self._notice_hold.release()
            if self.on_notice is not None:
                await self.on_notice(notice)
            if not self._notices.empty():
                self._notice_hold.acquire()

    async def _close_bars(self) -> None:
        while True:
            now = self._clock.now()
            end = self._next_end(now)
            await self._clock.sleep_until(end + timedelta(seconds=BAR_GRACE_SECONDS), priority=20)
            if self._clock.now() - end > timedelta(minutes=5):
                continue  # the host slept through it; the next bar will do
            await self.finish_bars()
            if self.on_bar_close is not None:
                await self.on_bar_close(end)

    async def finish_bars(self) -> None:
        now = self._clock.now()
        self.candles.complete(now)
        for code in self.candles.waiting_repair(now):
            if code in self.backfill_failures:
                continue
            await self.backfill(code)
        await self.flush()
        lost = self.queue.statistics.lost.total()
        if lost > self._lost_reported:
            codes = tuple(sorted(self.queue.statistics.lost))
            self._events.publish(TicksLost(at=now, codes=codes, count=lost - self._lost_reported))
            self._lost_reported = lost

    async def flush(self) -> None:
        """Write the finished bars off the loop."""
        async with self._clock.hold("candle files"):
            await asyncio.to_thread(self.candles.flush)

    def _next_end(self, now: datetime) -> datetime:
        """The next end of a 15-minute bar after ``now``, today or on the next trading day."""
        day = now.date()
        session = self._calendar.session(day)
        if session is not None:
            for start in session.grid(Interval.FIFTEEN.value):
                end = min(start + Interval.FIFTEEN.length, session.close)
                if end + timedelta(seconds=BAR_GRACE_SECONDS) > now:
                    return end
        following = self._calendar.session(self._calendar.next_day(day))
        assert following is not None
        return following.open + Interval.FIFTEEN.length
