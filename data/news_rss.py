"""Headlines from RSS or Atom feeds: conditional requests, bounded answers, times in Korea."""

from __future__ import annotations

import asyncio
import calendar
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import httpx

from data.news import clean_title
from engine.clock import MarketClock, wall_timeout
from engine.market import KST, Stock
from engine.ports import NewsUnavailable
from engine.results import NewsItem

logger = logging.getLogger(__name__)

LARGEST_ANSWER: Final = 3_000_000
SECONDS: Final = 10.0
LEAST_PAUSE: Final = timedelta(seconds=120)
"""A feed is not asked more often, whoever wants headlines."""
USER_AGENT: Final = "gaemi/0.1 (personal news reader)"
FEEDS: Final[Mapping[str, str]] = {
    "연합뉴스": "https://www.yna.co.kr/rss/market.xml",
    "매일경제": "https://www.mk.co.kr/rss/50200011/",
    "한국경제": "https://www.hankyung.com/feed/finance",
}
"""Publisher → public feed of its market pages. Others can be given in their place."""


@dataclass(slots=True)
class _Kept:
    at: datetime
    items: tuple[NewsItem, ...]
    entity_tag: str = ""
    modified: str = ""


class RssNews:
    """One feed. Headlines of a stock are those that name it."""

    def __init__(self, publisher: str, url: str, http: httpx.AsyncClient, clock: MarketClock) -> None:
        self.name = f"RSS {publisher}"
        self._publisher = publisher
        self._url = url
        self._http = http
        self._clock = clock
        self._kept: _Kept | None = None
        self._turn = asyncio.Lock()

    async def headlines(self, stock: Stock | None, limit: int) -> Sequence[NewsItem]:
        async with self._turn:
            if self._kept is None or self._clock.now() - self._kept.at >= LEAST_PAUSE:
                self._kept = await self._fetch()
            items = self._kept.items
        if stock is not None:
            items = tuple(
                NewsItem(item.at, item.title, item.publisher, item.link, (stock.code,))
                for item in items
                if names(item.title, stock.name)
            )
        return items[:limit]

    async def _fetch(self) -> _Kept:
        kept = self._kept
        headers = {"User-Agent": USER_AGENT, "Accept": "application/rss+xml, application/atom+xml, application/xml"}
        if kept is not None and kept.entity_tag:
            headers["If-None-Match"] = kept.entity_tag
        if kept is not None and kept.modified:
            headers["If-Modified-Since"] = kept.modified
        now = self._clock.now()
        status, answer_headers, body = await bounded_get(self._http, self._url, headers, self.name)
        if status == httpx.codes.NOT_MODIFIED and kept is not None:
            return _Kept(now, kept.items, kept.entity_tag, kept.modified)
        if status != httpx.codes.OK:
            raise NewsUnavailable(f"{self.name}: HTTP {status}")
        items = await asyncio.to_thread(parse_feed, body, self._publisher)
        return _Kept(now, items, answer_headers.get("etag", ""), answer_headers.get("last-modified", ""))


async def bounded_get(
    http: httpx.AsyncClient, url: str, headers: Mapping[str, str], name: str, query: Mapping[str, str] | None = None
) -> tuple[int, httpx.Headers, bytes]:
    """(status, headers, body) of one GET. Raises NewsUnavailable for silence, an endless answer or a broken one."""
    try:
        async with (
            wall_timeout(SECONDS),
            http.stream("GET", url, headers=dict(headers), params=dict(query) if query else None) as response,
        ):
            chunks, size = [], 0
            async for chunk in response.aiter_bytes():
                size += len(chunk)
                if size > LARGEST_ANSWER:
                    raise NewsUnavailable(f"{name}: 답이 너무 큽니다")
                chunks.append(chunk)
            return response.status_code, response.headers, b"".join(chunks)
    except TimeoutError:
        raise NewsUnavailable(f"{name}: {SECONDS:g}초 안에 답이 없습니다") from None
    except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError) as error:
        raise NewsUnavailable(f"{name}: 닿지 못했습니다 ({type(error).__name__})") from None


def parse_feed(body: bytes, publisher: str) -> tuple[NewsItem, ...]:
    """Newest first; entries without title or time are left out. Raises NewsUnavailable when it is no feed."""
    import feedparser

    # Bytes, never an address: feedparser would fetch one by itself.
    feed = feedparser.parse(body, sanitize_html=True, resolve_relative_uris=False)
    if not feed.get("version"):
        raise NewsUnavailable(f"RSS {publisher}: 답이 RSS 형식이 아닙니다")
    entries: Sequence[Mapping[str, Any]] = feed.get("entries", [])
    items = []
    for entry in entries[:500]:
        stamp = entry.get("published_parsed") or entry.get("updated_parsed")
        title = clean_title(str(entry.get("title", "")))
        if stamp is None or not title:
            continue
        try:
            at = datetime.fromtimestamp(calendar.timegm(stamp), UTC).astimezone(KST)
        except (ValueError, OverflowError, OSError):
            continue
        items.append(NewsItem(at, title, publisher, safe_link(str(entry.get("link", "")))))
    if entries and not items:
        raise NewsUnavailable(f"RSS {publisher}: 날짜와 제목이 있는 기사가 없습니다 (형식이 바뀐 듯합니다)")
    return tuple(sorted(items, key=lambda item: item.at, reverse=True))


def safe_link(text: str) -> str:
    """A web address, or nothing: other schemes and control characters are not shown to people."""
    link = text.strip()
    good = link.startswith(("https://", "http://")) and link.isprintable() and " " not in link and len(link) <= 2_000
    return link if good and not set('<>"`') & set(link) else ""


_PARTICLES: Final = "은는이가을를의와과도에로만"


def names(title: str, stock_name: str) -> bool:
    """Whether ``title`` names the stock as a word of its own: 에코프로 is not in 에코프로비엠."""
    start = title.find(stock_name)
    while start >= 0:
        before = title[start - 1] if start else " "
        after = title[start + len(stock_name) :]
        if not before.isalnum() and (not after or not after[0].isalnum() or _particle(after)):
            return True
        start = title.find(stock_name, start + 1)
    return False


def _particle(after: str) -> bool:
    return after[0] in _PARTICLES and (len(after) == 1 or not after[1].isalnum())
