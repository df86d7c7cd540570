"""The latest known state of the market, fed by the stream and by REST answers. Reading never waits.

Each price carries the market time of its last confirmation, so that the risk gate can refuse stale ones.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from engine.broker import IndexTick
from engine.krx import PriceLimits, price_limits
from engine.market import Code, Index, OrderBook, Phase, Quote, SecurityKind, Stock, StockFlag, Tick, Won

INDEX_STEP = timedelta(seconds=55)


class LiveMarket:
    """Quotes, books and flags by code; implements the view that the risk gate and the exits read."""

    def __init__(self, phase: Callable[[], Phase], stock: Callable[[Code], Stock | None]) -> None:
        self._phase = phase
        self._stock = stock
        self._quotes: dict[Code, Quote] = {}
        self._ticks: dict[Code, Tick] = {}
        self._books: dict[Code, OrderBook] = {}
        self._last: dict[Code, tuple[Won, datetime]] = {}
        self.indices: dict[Index, IndexTick] = {}
        self._index_course: dict[Index, list[tuple[datetime, float]]] = {}
        self.ticks_seen = 0

    # -- feeding

    def on_tick(self, tick: Tick) -> None:
        self._ticks[tick.code] = tick
        self._last[tick.code] = (tick.price, tick.at)
        self.ticks_seen += 1

    def on_book(self, book: OrderBook) -> None:
        self._books[book.code] = book
        known = self._last.get(book.code)
        if known is not None and book.at > known[1]:
            self._last[book.code] = (known[0], book.at)  # the book confirms that the price still stands

    def on_quote(self, quote: Quote) -> None:
        self._quotes[quote.code] = quote
        known = self._last.get(quote.code)
        if quote.price > 0 and (known is None or quote.at >= known[1]):
            self._last[quote.code] = (quote.price, quote.at)

    def on_index(self, tick: IndexTick) -> None:
        self.indices[tick.index] = tick
        course = self._index_course.setdefault(tick.index, [])
        if not course or tick.at - course[-1][0] >= INDEX_STEP:
            course.append((tick.at, tick.value))

    # -- reading

    def index_course(self) -> dict[Index, tuple[tuple[datetime, float], ...]]:
        """Today's index values about a minute apart, oldest first."""
        return {index: tuple(course) for index, course in self._index_course.items()}

    def last(self, code: Code) -> tuple[Won, datetime] | None:
        """(price, market time of its last confirmation)."""
        return self._last.get(code)

    def quote(self, code: Code) -> Quote | None:
        return self._quotes.get(code)

    def tick(self, code: Code) -> Tick | None:
        return self._ticks.get(code)

    def book(self, code: Code) -> OrderBook | None:
        return self._books.get(code)

    def band(self, code: Code) -> PriceLimits | None:
        """The broker's limits where known, else our own from yesterday's close."""
        quote = self._quotes.get(code)
        if quote is not None and quote.upper_limit > 0:
            return PriceLimits(quote.upper_limit, quote.lower_limit)
        tick = self._ticks.get(code)
        if tick is not None and tick.previous_close > 0:
            return price_limits(tick.previous_close, self.kind(code))
        return None

    def kind(self, code: Code) -> SecurityKind:
        stock = self._stock(code)
        return stock.kind if stock is not None else SecurityKind.STOCK

    def flags(self, code: Code) -> frozenset[StockFlag]:
        stock, quote = self._stock(code), self._quotes.get(code)
        return (stock.flags if stock else frozenset()) | (quote.flags if quote else frozenset())

    def vi_active(self, code: Code) -> bool:
        """A book that shows an expected price in continuous trading is in a volatility interruption."""
        book, quote = self._books.get(code), self._quotes.get(code)
        if self._phase() is not Phase.CONTINUOUS:
            return False
        if book is not None and (quote is None or book.at >= quote.at):
            return book.expected_price > 0
        return quote is not None and quote.vi_active

    def halted(self, code: Code) -> bool:
        tick, quote = self._ticks.get(code), self._quotes.get(code)
        return (
            (tick is not None and tick.halted)
            or (quote is not None and quote.halted)
            or StockFlag.HALTED in self.flags(code)
        )

    def phase(self) -> Phase:
        return self._phase()

    def stock(self, code: Code) -> Stock | None:
        return self._stock(code)

    def previous_close(self, code: Code) -> Won:
        tick, quote = self._ticks.get(code), self._quotes.get(code)
        if tick is not None:
            return tick.previous_close
        return quote.previous_close if quote is not None else 0

    def new_day(self) -> None:
        """Forget yesterday's prices: none of them may pass for today's."""
        for store in (self._quotes, self._ticks, self._books, self._last, self.indices, self._index_course):
            store.clear()
