"""Headlines from several sources as one ports.NewsSource: cached, de-duplicated, with failing sources switched off."""

from __future__ import annotations

import asyncio
import html
import logging
import re
import unicodedata
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Final

from engine.clock import MarketClock
from engine.market import Code, Stock
from engine.ports import NewsSource, NewsUnavailable
from engine.results import NewsItem

logger = logging.getLogger(__name__)

KEPT_SECONDS: Final = 300.0
FAILURES_ALLOWED: Final = 3
REST: Final = timedelta(minutes=30)
"""How long a source that failed repeatedly is left alone before it is asked again."""
LONGEST_TITLE: Final = 300
_MARKUP = re.compile(r"<[^>]*>")
_BLANK = re.compile(r"\s+")
_SAME = re.compile(r"\[[^\]]*\]|\([^)]*\)|[^0-9A-Za-z가-힣%]+")


def clean_title(text: str) -> str:
    """Plain text of a title: no markup, entities, control or direction characters; at most ``LONGEST_TITLE`` long."""
    plain = html.unescape(_MARKUP.sub("", html.unescape(text[: 4 * LONGEST_TITLE])))
    plain = "".join(" " if unicodedata.category(c)[0] == "C" else c for c in unicodedata.normalize("NFC", plain))
    return _BLANK.sub(" ", plain).strip()[:LONGEST_TITLE]


def same_story(title: str) -> str:
    """Titles with equal keys are one story (tags, brackets and punctuation do not count)."""
    return _SAME.sub("", title).casefold() or title


def newest_first(items: Sequence[NewsItem], now: datetime, limit: int) -> tuple[NewsItem, ...]:
    """Without later ones than ``now`` and without repeats; of repeats the earliest telling stays."""
    stories: dict[str, NewsItem] = {}
    for item in sorted(items, key=lambda item: (item.at, item.publisher, item.link)):
        if item.at <= now and item.title:
            stories.setdefault(same_story(item.title), item)
    return tuple(sorted(stories.values(), key=lambda item: item.at, reverse=True)[:limit])


class _Watched:
    """A source with its failures counted."""

    def __init__(self, source: NewsSource) -> None:
        self.source = source
        self.failures = 0
        self.off_until: datetime | None = None


class NewsFeed:
    """``alert`` is told once (in Korean) when a source is switched off, and once when it is back."""

    name = "뉴스"

    def __init__(
        self,
        sources: Sequence[NewsSource],
        clock: MarketClock,
        alert: Callable[[str], None] = logger.warning,
        kept_seconds: float = KEPT_SECONDS,
    ) -> None:
        self._sources = [_Watched(source) for source in sources]
        self._clock = clock
        self._alert = alert
        self._kept_for = timedelta(seconds=kept_seconds)
        self._kept: dict[Code, tuple[datetime, tuple[NewsItem, ...]]] = {}
        self._turns: dict[Code, asyncio.Lock] = {}

    async def headlines(self, stock: Stock | None, limit: int) -> Sequence[NewsItem]:
        """Newest first, none later than now. Raises NewsUnavailable when no source answered."""
        key = stock.code if stock else ""
        async with self._turns.setdefault(key, asyncio.Lock()):
            kept = self._kept.get(key)
            now = self._clock.now()
            if kept is None or now - kept[0] >= self._kept_for:
                kept = (now, await self._gather(stock))
                self._kept[key] = kept
                self._forget(now)
        return newest_first(kept[1], self._clock.now(), limit)

    async def _gather(self, stock: Stock | None) -> tuple[NewsItem, ...]:
        now = self._clock.now()
        asked = [watched for watched in self._sources if watched.off_until is None or watched.off_until <= now]
        if not asked:
            raise NewsUnavailable(
                "쓸 수 있는 뉴스 원천이 없습니다" if self._sources else "뉴스 원천이 설정되지 않았습니다"
            )
        answers = await asyncio.gather(*(self._ask(watched, stock) for watched in asked))
        if all(answer is None for answer in answers):
            raise NewsUnavailable("뉴스 원천이 답하지 않습니다: " + ", ".join(watched.source.name for watched in asked))
        return tuple(item for answer in answers if answer is not None for item in answer)

    async def _ask(self, watched: _Watched, stock: Stock | None) -> Sequence[NewsItem] | None:
        """None when the source failed."""
        try:
            items = await watched.source.headlines(stock, 100)
        except NewsUnavailable as error:
            watched.failures += 1
            if watched.failures >= FAILURES_ALLOWED:
                first = watched.off_until is None
                watched.off_until = self._clock.now() + REST
                if first:
                    self._alert(
                        f"뉴스 원천 '{watched.source.name}'을 껐습니다 (연속 {watched.failures}회 실패: {error})"
                    )
            return None
        if watched.off_until is not None:
            self._alert(f"뉴스 원천 '{watched.source.name}'이 다시 답합니다")
        watched.failures, watched.off_until = 0, None
        return items

    def _forget(self, now: datetime) -> None:
        """Keep the memory small: what is out of date goes once there is much of it."""
        if len(self._kept) > 500:
            self._kept = {key: kept for key, kept in self._kept.items() if now - kept[0] < self._kept_for}
            self._turns = {key: turn for key, turn in self._turns.items() if turn.locked()}
