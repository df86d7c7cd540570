"""Which headline sources an environment has, joined to one feed."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence

import httpx

from data.news import NewsFeed
from data.news_kis import BrokerNews
from data.news_naver import NaverNews
from data.news_rss import FEEDS, RssNews
from engine.broker import NewsTitle
from engine.clock import MarketClock
from engine.market import Code, Environment
from engine.ports import NewsSource


def news_feed(
    *,
    environment: Environment,
    titles: Callable[[Code | None], Awaitable[Sequence[NewsTitle]]],
    clock: MarketClock,
    alert: Callable[[str], None],
    http: httpx.AsyncClient | None = None,
    naver: tuple[str, str] | None = None,
    feeds: Mapping[str, str] = FEEDS,
) -> NewsFeed:
    """``titles``: MarketData.news_titles; ``naver``: (client id, secret); ``http`` is the caller's to close.

    The simulator has its invented news only: true ones would not fit its prices. 모의 has no news call.
    """
    sources: list[NewsSource] = []
    if environment is not Environment.MOCK:
        sources.append(BrokerNews(titles, environment, clock))
    if http is not None and environment is not Environment.SIMULATOR:
        if naver is not None:
            sources.append(NaverNews(*naver, http, clock))
        sources += [RssNews(publisher, url, http, clock) for publisher, url in feeds.items()]
    return NewsFeed(sources, clock, alert)
