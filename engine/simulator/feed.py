"""What happens at an instant of market time: prints are matched and streamed, books redrawn, auctions announced.

Only stocks that somebody registered for or that have live orders are looked at.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from engine.market import Code, Index
from engine.simulator import wire
from engine.simulator.day import StockDay
from engine.simulator.matching import Exchange
from engine.simulator.records import Records
from engine.simulator.settings import BrokerSettings
from engine.simulator.stream import Hub

_NEVER = 1 << 31


class Feed:
    """Knows for every watched stock and index what was streamed last."""

    def __init__(self, exchange: Exchange, hub: Hub, records: Records, settings: BrokerSettings) -> None:
        self.exchange = exchange
        self.floor = exchange.floor
        self.hub = hub
        self.records = records
        self._settings = settings
        self._sent: dict[Code, int] = {}
        self._index_sent: dict[Index, int] = {}
        self._beat: dict[Code, int] = {}
        self._due: dict[Code, int] = {}
        self._codes: list[Code] = []
        self._indices: list[Index] = []

    def forget(self) -> None:
        """A new day: nothing of it was streamed yet."""
        self._sent.clear()
        self._index_sent.clear()
        self._beat.clear()
        self._due.clear()
        self.watch()

    def watch(self) -> None:
        """Registrations changed: look at what is wanted now. What came before stays unsent."""
        second = self.floor.second()
        self._codes = [code for code in self.hub.wanted(wire.STOCK_STREAMS) if self.floor.stock(code)]
        self._indices = [Index(key) for key in self.hub.wanted({wire.INDEX})]
        for code in self._codes:
            if code not in self._sent and (day := self.floor.day(code)) is not None:
                self._sent[code], self._beat[code] = day.at(second), second
                self._due[code] = self._next_of(day, self._sent[code], second, second)
        for code in [code for code in self._sent if code not in self._codes]:
            del self._sent[code], self._beat[code], self._due[code]
        for index in self._indices:
            if index not in self._index_sent:
                self._index_sent[index] = self.floor.index(index).at(second)
        for index in [index for index in self._index_sent if index not in self._indices]:
            del self._index_sent[index]

    def next_instant(self) -> datetime | None:
        """When the next thing happens that somebody watches or waits for."""
        session = self.floor.timetable.session()
        if session is None or self.floor.played_day() != session.day:
            return session.order_start if session and self.floor.timetable.now() < session.order_start else None
        upcoming = min(self._due.values(), default=_NEVER)
        for code in self.exchange.live_codes():
            upcoming = min(upcoming, self.exchange.next_second(code) or _NEVER)
        for index in self._indices:
            played = self.floor.index(index)
            position = self._index_sent.get(index, -1) + 1
            if position < len(played.second):
                upcoming = min(upcoming, int(played.second[position]))
        if upcoming == _NEVER:
            return None
        midnight = session.open.replace(hour=0, minute=0, second=0, microsecond=0)
        return midnight + timedelta(seconds=upcoming)

    def _next_of(self, day: StockDay, sent: int, beat: int, second: int) -> int:
        upcoming = int(day.second[sent + 1]) if sent + 1 < len(day) else _NEVER
        auction = day.auction(second)
        if auction is not None:
            upcoming = min(upcoming, max(second + 1, beat + round(self._settings.auction_interval)))
        for edge in (day.order_start_second, day.close_out_second, *(a.end for a in day.auctions)):
            if edge > second:
                upcoming = min(upcoming, edge)
        for window in day.halts:
            upcoming = min([upcoming, *(edge for edge in (window.start, window.end) if edge > second)])
        return upcoming

    def play(self) -> None:
        """Send and match everything up to now, stocks in the order of their codes."""
        session = self.floor.timetable.session()
        if session is None or self.floor.played_day() != session.day:
            return
        second = self.floor.second()
        due = [code for code in self._codes if self._due.get(code, _NEVER) <= second]
        for code in sorted({*due, *self.exchange.live_codes()}):
            self.exchange.catch_up(code)
        for code in due:
            day = self.floor.day(code)
            if day is not None:
                self._play_stock(day, second)
                self._due[code] = self._next_of(day, self._sent[code], self._beat[code], second)
        for index in self._indices:
            self._play_index(index, second)

    def _play_stock(self, day: StockDay, second: int) -> None:
        code = day.code
        sent, reached = self._sent.get(code, -1), day.at(second)
        beat = self._beat.get(code, second)
        fresh = reached > sent
        auction = day.auction(second)
        due = auction is not None and second - beat >= round(self._settings.auction_interval)
        edges = [edge for a in day.auctions for edge in (a.start, a.end)]
        edges += [edge for w in day.halts for edge in (w.start, w.end)]
        edge = any(beat < e <= second for e in edges)
        if auction is not None and beat < auction.start <= second:
            due = True
        if not (fresh or due or edge):
            return
        book = self.exchange.book(day, second)
        if fresh:
            self._sent[code] = reached
            if self.hub.listeners(wire.TRADE, code):
                self.hub.publish(wire.TRADE, code, self.records.trades(day, sent + 1, reached, book))
        if self.hub.listeners(wire.BOOK, code):
            self.hub.publish(wire.BOOK, code, [self.records.book(day, second, book)])
        if auction is not None and self.hub.listeners(wire.EXPECTED, code):
            self.hub.publish(wire.EXPECTED, code, [self.records.expected(day, second, book)])
        if edge and self.hub.listeners(wire.MARKET_STATE, code):
            self.hub.publish(wire.MARKET_STATE, code, [self.records.market_state(day, second)])
        self._beat[code] = second

    def show_book(self, code: Code) -> None:
        """Our own order changed the book: send it."""
        day = self.floor.day(code)
        if day is not None and code in self._sent and self.hub.listeners(wire.BOOK, code):
            second = self.floor.second()
            self.hub.publish(wire.BOOK, code, [self.records.book(day, second, self.exchange.book(day, second))])

    def _play_index(self, index: Index, second: int) -> None:
        sent, reached = self._index_sent.get(index, -1), self.floor.index(index).at(second)
        if reached > sent:
            records = [self.records.index(index, position) for position in range(sent + 1, reached + 1)]
            self.hub.publish(wire.INDEX, index.value, records)
            self._index_sent[index] = reached
