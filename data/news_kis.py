"""News titles of the broker (and of the simulator, which tells invented ones)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from data.news import clean_title
from engine.broker import BrokerError, NewsTitle
from engine.clock import MarketClock
from engine.market import KST, Code, Environment, Stock
from engine.ports import NewsUnavailable
from engine.results import NewsItem


class BrokerNews:
    """``titles`` is MarketData.news_titles. Titles come without links; the broker names the publisher."""

    name = "KIS 뉴스 제목"

    def __init__(
        self,
        titles: Callable[[Code | None], Awaitable[Sequence[NewsTitle]]],
        environment: Environment,
        clock: MarketClock,
    ) -> None:
        self._titles = titles
        self._fictional = environment is Environment.SIMULATOR
        self._clock = clock

    async def headlines(self, stock: Stock | None, limit: int) -> Sequence[NewsItem]:
        try:
            titles = await self._titles(stock.code if stock else None)
        except BrokerError as error:
            raise NewsUnavailable(f"{self.name}: {error}") from error
        now = self._clock.now()
        items = [
            NewsItem(title.at.astimezone(KST), text, title.source or "KIS", "", title.codes, self._fictional)
            for title in titles
            if title.at <= now and (text := clean_title(title.title))
        ]
        items.sort(key=lambda item: item.at, reverse=True)
        return tuple(items[:limit])
