"""Reads for people: cached for as long as the product promises (price 5 s, book 3 s), fetched once however many ask."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, time

from bot.reply import Picture
from bot.services import ChartInput, RenderFailed
from charts import RenderRequest
from charts.worker import Renderer
from charts.worker import RenderFailed as DrawingFailed
from engine.broker import MarketData
from engine.cache import BOOK_SECONDS, PRICE_SECONDS, TimedCache
from engine.clock import MarketClock
from engine.live_market import LiveMarket
from engine.market import Bars, Code, Index, IndexQuote, OrderBook, Quote
from engine.results import Score, ScreeningReport, StructureEvent, Zone
from engine.scorer import Scorer
from engine.screener import Screener


class CachedQuotes:
    """Fulfils ``bot.services.Quotes``; what it reads also feeds the live view."""

    def __init__(self, market_data: MarketData, market: LiveMarket, clock: MarketClock) -> None:
        self._market_data = market_data
        self._market = market
        self._prices: TimedCache[Code, Quote] = TimedCache(clock, PRICE_SECONDS)
        self._books: TimedCache[Code, OrderBook] = TimedCache(clock, BOOK_SECONDS)
        self._indices: TimedCache[Index, IndexQuote] = TimedCache(clock, PRICE_SECONDS)

    async def quote(self, code: Code) -> Quote:
        async def load() -> Quote:
            quote = await self._market_data.quote(code)
            self._market.on_quote(quote)
            return quote

        return (await self._prices.get(code, load)).value

    async def quotes(self, codes: Sequence[Code]) -> Mapping[Code, Quote]:
        return await self._market_data.quotes(codes)

    async def order_book(self, code: Code) -> OrderBook:
        return (await self._books.get(code, lambda: self._market_data.order_book(code))).value

    async def index_quote(self, index: Index) -> IndexQuote:
        return (await self._indices.get(index, lambda: self._market_data.index_quote(index))).value

    async def minute_bars(self, code: Code, day: date, until: time | None = None) -> Bars:
        return await self._market_data.minute_bars(code, day, until)


class ScreenerResearch:
    """Fulfils ``bot.services.Research``."""

    def __init__(self, screener: Screener) -> None:
        self._screener = screener

    async def screen(self) -> ScreeningReport:
        return (await self._screener.recommended()).value

    async def score_one(self, code: Code) -> Score:
        return await self._screener.score_one(code)


class ScorerStructure:
    """Fulfils ``bot.services.Structure``."""

    def __init__(self, scorer: Scorer) -> None:
        self._scorer = scorer

    def zones(self, bars: Bars, *, intraday: bool) -> Sequence[Zone]:
        return self._scorer.zones(bars, intraday=intraday)

    def events(self, bars: Bars) -> Sequence[StructureEvent]:
        return self._scorer.structure(bars)


class WorkerPictures:
    """Fulfils ``bot.services.Pictures`` with the render process."""

    def __init__(self, renderer: Renderer, theme: str = "dark") -> None:
        self._renderer = renderer
        self._theme = theme

    async def render(self, view: ChartInput) -> Picture:
        try:
            drawn = await self._renderer.render(RenderRequest(view, self._theme))
        except DrawingFailed as error:
            raise RenderFailed(str(error)) from error
        return Picture(drawn.png, drawn.alt, width=drawn.width, height=drawn.height)
