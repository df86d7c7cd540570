"""Headlines from the Naver search API (needs a client id and secret; 25,000 calls a day)."""

from __future__ import annotations

import asyncio
import json
import logging
from collections import deque
from collections.abc import Sequence
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Annotated, Final
from urllib.parse import urlsplit

import httpx
from pydantic import BaseModel, Field, ValidationError

from data.news import clean_title
from data.news_rss import bounded_get, names, safe_link
from engine.clock import MarketClock, monotonic, wall_sleep
from engine.market import KST, Stock
from engine.ports import NewsUnavailable
from engine.results import NewsItem

logger = logging.getLogger(__name__)

URL: Final = "https://openapi.naver.com/v1/search/news.json"
ASKED: Final = 100
CALLS_PER_SECOND: Final = 5
CALLS_PER_DAY: Final = 20_000
MARKET_QUERY: Final = "증시"


class _Row(BaseModel):
    title: str
    originallink: str = ""
    link: str = ""
    pub_date: Annotated[str, Field(alias="pubDate")]


class _Answer(BaseModel):
    items: list[_Row]


class NaverNews:
    """``url`` differs in tests only."""

    name = "네이버 뉴스 검색"

    def __init__(
        self, client_id: str, client_secret: str, http: httpx.AsyncClient, clock: MarketClock, url: str = URL
    ) -> None:
        self._headers = {"X-Naver-Client-Id": client_id, "X-Naver-Client-Secret": client_secret}
        self._http = http
        self._clock = clock
        self._url = url
        self._recent: deque[float] = deque()
        self._pace = asyncio.Lock()
        self._day = ("", 0)

    async def headlines(self, stock: Stock | None, limit: int) -> Sequence[NewsItem]:
        await self._slot()
        query = {"query": f'"{stock.name}"' if stock else MARKET_QUERY, "display": str(ASKED), "sort": "date"}
        status, _, body = await bounded_get(self._http, self._url, self._headers, self.name, query)
        if status in (401, 403):
            raise NewsUnavailable(f"{self.name}: 아이디나 비밀값이 거절되었습니다 (HTTP {status})")
        if status != httpx.codes.OK:
            raise NewsUnavailable(f"{self.name}: HTTP {status}")
        items = self._parse(body, stock)
        return items[:limit]

    def _parse(self, body: bytes, stock: Stock | None) -> tuple[NewsItem, ...]:
        try:
            answer = _Answer.model_validate(json.loads(body))
        except (ValueError, ValidationError, RecursionError):
            raise NewsUnavailable(f"{self.name}: 답의 형식이 바뀌었습니다") from None
        items = []
        for row in answer.items[:ASKED]:
            title = clean_title(row.title)
            at = _moment(row.pub_date)
            if not title or at is None or (stock is not None and not names(title, stock.name)):
                continue
            link = safe_link(row.originallink) or safe_link(row.link)
            items.append(NewsItem(at, title, publisher_of(link), link, (stock.code,) if stock else ()))
        if answer.items and not any(_moment(row.pub_date) for row in answer.items):
            raise NewsUnavailable(f"{self.name}: 기사의 날짜를 읽을 수 없습니다 (형식이 바뀐 듯합니다)")
        return tuple(sorted(items, key=lambda item: item.at, reverse=True))

    async def _slot(self) -> None:
        """Wait for the pace; a spent day is an error."""
        today = self._clock.today().isoformat()
        used = self._day[1] if self._day[0] == today else 0
        if used >= CALLS_PER_DAY:
            raise NewsUnavailable(f"{self.name}: 하루 호출 한도에 이르렀습니다")
        self._day = (today, used + 1)
        async with self._pace:
            while len(self._recent) >= CALLS_PER_SECOND:
                await wall_sleep(max(0.0, self._recent[0] + 1.0 - monotonic()))
                if monotonic() - self._recent[0] >= 1.0:
                    self._recent.popleft()
            self._recent.append(monotonic())


def _moment(text: str) -> datetime | None:
    try:
        at = parsedate_to_datetime(text)
        return at.astimezone(KST) if at.tzinfo is not None else None
    except (ValueError, TypeError, OverflowError, IndexError):
        return None


def publisher_of(link: str) -> str:
    """The API names no publisher: the article's host does."""
    try:
        host = urlsplit(link).hostname or ""
    except ValueError:
        host = ""
    return host.removeprefix("www.") or "네이버 뉴스"
