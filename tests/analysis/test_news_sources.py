"""Headline sources against changed, hostile, slow and missing answers; the feed that joins them."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any

import httpx
import pytest

from data.news import REST, NewsFeed, clean_title, newest_first
from data.news_kis import BrokerNews
from data.news_naver import NaverNews
from data.news_rss import LEAST_PAUSE, RssNews, names, safe_link
from data.news_sources import news_feed
from engine.broker import BrokerError, NewsTitle
from engine.clock import SimulatedClock
from engine.market import Code, Environment, Stock
from engine.ports import NewsUnavailable
from engine.results import NewsItem
from tests.analysis.world import NOON, STOCKS, headline

SAMSUNG = STOCKS[0]
FEED = """<?xml version="1.0" encoding="UTF-8"?><rss version="2.0"><channel><title>t</title>
<item><title><![CDATA[삼성전자 <b>급등</b> &amp; 강세]]></title><link>https://example.test/1</link>
<pubDate>Tue, 03 Mar 2026 11:00:00 +0900</pubDate></item>
<item><title>삼성전자서비스 소식</title><link>javascript:alert(1)</link><pubDate>Tue, 03 Mar 2026 01:00:00 GMT</pubDate></item>
<item><title>날짜 없는 기사</title></item></channel></rss>"""
Handler = Callable[[httpx.Request], httpx.Response]


def clock_at(now: datetime = NOON) -> SimulatedClock:
    return SimulatedClock(now)


def http_with(handler: Handler) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.MockTransport(handler))


# ---------------------------------------------------------------- the feed that joins them


class Source:
    def __init__(self, name: str, items: Sequence[NewsItem] = ()) -> None:
        self.name = name
        self.items = items
        self.fails = False
        self.asked = 0

    async def headlines(self, stock: Stock | None, limit: int) -> Sequence[NewsItem]:
        self.asked += 1
        if self.fails:
            raise NewsUnavailable("시험 고장")
        return self.items


def later(clock: SimulatedClock, by: timedelta) -> None:
    clock.restart(clock.now() + by)


async def test_headlines_are_joined_once_each_newest_first_and_kept() -> None:
    one = Source("하나", [headline("[속보] 삼성전자, 급등!", 30), headline("미래의 제목", -10)])
    two = Source("둘", [headline("삼성전자 급등", 20), headline("다른 소식", 5)])
    feed = NewsFeed([one, two], clock_at())
    found = await feed.headlines(SAMSUNG, 10)
    assert [item.title for item in found] == ["다른 소식", "[속보] 삼성전자, 급등!"]
    await feed.headlines(SAMSUNG, 10)
    assert (one.asked, two.asked) == (1, 1)


async def test_a_source_that_keeps_failing_is_switched_off_with_one_alert_and_comes_back() -> None:
    clock, alerts = clock_at(), list[str]()
    bad, good = Source("나쁨"), Source("좋음", [headline("소식")])
    bad.fails = True
    feed = NewsFeed([bad, good], clock, alerts.append)
    for _ in range(6):
        assert await feed.headlines(SAMSUNG, 5)
        later(clock, timedelta(seconds=301))
    assert bad.asked == 3
    assert len(alerts) == 1
    assert "'나쁨'을 껐습니다" in alerts[0]
    later(clock, REST)
    await feed.headlines(SAMSUNG, 5)
    assert bad.asked == 4, "asked again after a rest"
    assert len(alerts) == 1, "and not told of twice"
    bad.fails = False
    later(clock, REST + timedelta(seconds=301))
    await feed.headlines(SAMSUNG, 5)
    assert len(alerts) == 2
    assert "다시 답합니다" in alerts[1]


async def test_when_no_source_answers_that_is_said() -> None:
    bad = Source("나쁨")
    bad.fails = True
    with pytest.raises(NewsUnavailable, match="나쁨"):
        await NewsFeed([bad], clock_at()).headlines(None, 5)
    with pytest.raises(NewsUnavailable, match="설정"):
        await NewsFeed([], clock_at()).headlines(None, 5)


def test_titles_are_plain_text() -> None:
    assert clean_title("<b>A&amp;B</b>\u202e\x00 &lt;script&gt; \n끝") == "A&B 끝"
    assert len(clean_title("가" * 10_000)) == 300
    assert newest_first([headline("(종합) 같은 일", 1), headline("같은 일", 2)], NOON, 5)[0].title == "같은 일"


# ---------------------------------------------------------------- the broker


async def test_titles_of_the_simulator_are_marked_fictional_and_never_from_the_future() -> None:
    async def titles(code: Code | None) -> Sequence[NewsTitle]:
        return [
            NewsTitle(NOON + timedelta(minutes=1), "나중", "가상뉴스", ("005930",)),
            NewsTitle(NOON, "지금", "가상뉴스", ("005930",)),
        ]

    [item] = await BrokerNews(titles, Environment.SIMULATOR, clock_at()).headlines(SAMSUNG, 5)
    assert (item.title, item.fictional, item.publisher) == ("지금", True, "가상뉴스")
    [item] = await BrokerNews(titles, Environment.REAL, clock_at()).headlines(SAMSUNG, 5)
    assert not item.fictional


async def test_a_broker_error_is_one_line() -> None:
    async def titles(code: Code | None) -> Sequence[NewsTitle]:
        raise BrokerError("점검 중")

    with pytest.raises(NewsUnavailable, match="점검 중"):
        await BrokerNews(titles, Environment.REAL, clock_at()).headlines(None, 5)


# ---------------------------------------------------------------- RSS


async def test_a_feed_is_read_politely() -> None:
    seen: list[httpx.Request] = []

    def handler(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        if request.headers.get("If-None-Match") == '"v1"':
            return httpx.Response(304)
        return httpx.Response(
            200, text=FEED, headers={"ETag": '"v1"', "Last-Modified": "Tue, 03 Mar 2026 02:00:00 GMT"}
        )

    clock = clock_at()
    async with http_with(handler) as http:
        source = RssNews("시험신문", "https://feed.test/rss", http, clock)
        [item] = await source.headlines(SAMSUNG, 10)
        assert (item.title, item.publisher, item.link) == ("삼성전자 급등 & 강세", "시험신문", "https://example.test/1")
        assert item.at == NOON - timedelta(hours=1)
        assert len(await source.headlines(None, 10)) == 2
        assert len(seen) == 1
        later(clock, LEAST_PAUSE)
        assert len(await source.headlines(None, 10)) == 2
    assert seen[1].headers["If-Modified-Since"] == "Tue, 03 Mar 2026 02:00:00 GMT"


@pytest.mark.parametrize(
    "answer",
    [
        httpx.Response(500),
        httpx.Response(200, text="<html>문패 바뀜</html>"),
        httpx.Response(200, text=""),
        httpx.Response(200, content=b"x" * 3_000_001),
        httpx.Response(200, text=FEED.replace("pubDate", "when")),
        httpx.Response(301, headers={"Location": "http://127.0.0.1/admin"}),
    ],
    ids=["500", "html", "empty", "endless", "no dates", "redirect"],
)
async def test_a_changed_feed_is_unavailable(answer: httpx.Response) -> None:
    async with http_with(lambda request: answer) as http:
        with pytest.raises(NewsUnavailable):
            await RssNews("시험신문", "https://feed.test/rss", http, clock_at()).headlines(None, 5)


async def test_a_dead_address_is_unavailable() -> None:
    def handler(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("no route")

    async with http_with(handler) as http:
        with pytest.raises(NewsUnavailable, match="ConnectError"):
            await RssNews("시험신문", "https://feed.test/rss", http, clock_at()).headlines(None, 5)


def test_a_stock_is_named_as_a_word() -> None:
    assert names("삼성전자, 급등", "삼성전자")
    assert names("오늘 삼성전자가 올랐다", "삼성전자")
    assert not names("에코프로비엠 급등", "에코프로")
    assert names("에코프로비엠과 에코프로", "에코프로")
    assert not names("투자대상 확대", "대상")


def test_links_are_web_addresses() -> None:
    assert safe_link("https://a.test/b?c=1") == "https://a.test/b?c=1"
    for bad in ("javascript:alert(1)", "file:///etc/passwd", "https://a.test/ b", 'https://a.test/"x', "https://a\x00"):
        assert safe_link(bad) == ""


# ---------------------------------------------------------------- Naver


def naver(body: Any, status: int = 200) -> Handler:
    return lambda request: httpx.Response(status, text=body if isinstance(body, str) else json.dumps(body))


ROW = {
    "title": "<b>삼성전자</b> 수주",
    "originallink": "https://www.paper.test/1",
    "link": "https://n.test/1",
    "pubDate": "Tue, 03 Mar 2026 10:00:00 +0900",
    "description": "…",
    "new": 1,
}


async def test_naver_rows_become_headlines() -> None:
    seen: list[httpx.Request] = []

    def handler(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(200, json={"items": [ROW, ROW | {"title": "무관한 기사"}]})

    async with http_with(handler) as http:
        [item] = await NaverNews("id", "secret", http, clock_at()).headlines(SAMSUNG, 5)
    assert (item.title, item.publisher, item.codes) == ("삼성전자 수주", "paper.test", ("005930",))
    assert seen[0].headers["X-Naver-Client-Secret"] == "secret"
    assert "secret" not in str(seen[0].url)
    assert seen[0].url.params["query"] == '"삼성전자"'


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ("[]", 200),
        ("{", 200),
        ({"items": [{"t": 1}]}, 200),
        ({"items": [ROW | {"pubDate": "어제"}]}, 200),
        ({}, 401),
        ({}, 429),
    ],
)
async def test_a_changed_naver_answer_is_unavailable(body: Any, status: int) -> None:
    async with http_with(naver(body, status)) as http:
        with pytest.raises(NewsUnavailable) as caught:
            await NaverNews("id", "secret", http, clock_at()).headlines(SAMSUNG, 5)
    assert "secret" not in str(caught.value)


# ---------------------------------------------------------------- which there are


@pytest.mark.parametrize(
    ("environment", "wanted"),
    [
        (Environment.SIMULATOR, {"broker"}),
        (Environment.MOCK, {"naver", "rss"}),
        (Environment.REAL, {"broker", "naver", "rss"}),
    ],
)
async def test_each_environment_asks_its_own_sources(environment: Environment, wanted: set[str]) -> None:
    asked: set[str] = set()

    async def titles(code: Code | None) -> Sequence[NewsTitle]:
        asked.add("broker")
        return []

    def handler(request: httpx.Request) -> httpx.Response:
        asked.add("naver" if "naver" in request.url.host else "rss")
        return httpx.Response(500)

    async with http_with(handler) as http:
        feed = news_feed(
            environment=environment,
            titles=titles,
            clock=clock_at(),
            alert=lambda text: None,
            http=http,
            naver=("id", "secret"),
            feeds={"시험신문": "https://feed.test/rss"},
        )
        if environment is Environment.MOCK:
            with pytest.raises(NewsUnavailable):
                await feed.headlines(None, 5)
        else:
            assert await feed.headlines(None, 5) == ()
    assert asked == wanted
