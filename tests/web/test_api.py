"""Every listed path over a socket, with everything on and with parts off."""

from __future__ import annotations

import asyncio
from typing import Any

import orjson
import pytest
import websockets

from bot.services import OrderAnswer
from bot.web.figures import Figures
from engine.market import Environment
from tests.bot.fakes import FakeBacktests, FakeOrders, FakeQuotes, services
from tests.web.conftest import Opener, Site

READS = [
    ("/api/stocks", "items"),
    ("/api/stocks?query=ㅅㅅㅈㅈ&size=3", "items"),
    ("/api/stocks/005930/price", "price"),
    ("/api/stocks/005930/daily", "bars"),
    ("/api/stocks/recommend", "items"),
    ("/api/stocks/005930/orderbook", "asks"),
    ("/api/predict/005930", "prediction"),
    ("/api/ai/signal/247540", "verdict"),
    ("/api/ai/news/005930", "items"),
    ("/api/indices", "items"),
]
ACCOUNT_READS = [
    ("/api/ai/report", "market_text"),
    ("/api/trading/portfolio", "equity"),
    ("/api/trading/portfolio/heatmap", "sectors"),
    ("/api/trading/portfolio/heatmap?scope=market", "sectors"),
    ("/api/trading/orders", "items"),
    ("/api/trading/bot", "running"),
]


async def test_every_read_answers(site: Site) -> None:
    for path, member in READS + ACCOUNT_READS:
        answer = await site.get(path)
        assert answer.status_code == 200, answer.text
        assert answer.json()[member] or answer.json()[member] in (0, False, []), path
        assert answer.headers["cache-control"] == "no-store"


async def test_market_reads_are_open_on_this_machine_alone(site: Site) -> None:
    policy = site.front.state.policy()
    for path, _ in READS:
        assert (await site.client.get(path)).status_code == 200, path
        assert policy.open_to_all("GET", path.partition("?")[0])
        assert not type(policy)(policy.port, "0.0.0.0").open_to_all("GET", path.partition("?")[0])


async def test_account_reads_need_a_token(site: Site) -> None:
    for path, _ in ACCOUNT_READS:
        assert (await site.client.get(path)).status_code == 401, path


async def test_figures_of_price_book_and_bars_are_the_brokers(site: Site) -> None:
    price = (await site.get("/api/stocks/005930/price")).json()
    assert (price["price"], price["change"], price["change_percent"]) == (71_900, 1_300, 1.8414)
    assert price["at"] == "2026-03-03T10:31:05+09:00"
    assert price["fictional"] is True
    book = (await site.get("/api/stocks/005930/orderbook")).json()
    assert len(book["asks"]) == len(book["bids"]) == 10
    assert book["asks"][0] == {"price": 71_900, "quantity": 100}
    assert len((await site.get("/api/stocks/005930/daily")).json()["bars"]) == 60
    assert len((await site.get("/api/stocks/005930/daily?count=5")).json()["bars"]) == 5
    assert (await site.get("/api/stocks/005930/daily?count=61")).status_code == 422


async def test_unknown_and_malformed_codes(site: Site) -> None:
    assert (await site.get("/api/stocks/999999/price")).status_code == 404
    assert (await site.get("/api/stocks/삼성전자/price")).status_code == 422
    assert (await site.get("/api/stocks/0126Z0/price")).status_code == 200
    problem = (await site.get("/api/stocks/999999/price")).json()
    assert problem["status"] == 404
    assert "999999" in problem["detail"]


@pytest.mark.parametrize(
    ("path", "off"),
    [
        ("/api/stocks/recommend", "research"),
        ("/api/predict/005930", "forecasts"),
        ("/api/ai/signal/005930", "analysis"),
        ("/api/ai/news/005930", "analysis"),
        ("/api/ai/report", "analysis"),
    ],
)
async def test_a_part_that_is_off_says_why(open_site: Opener, path: str, off: str) -> None:
    parts: dict[str, Any] = {
        off: None,
        "off": {"forecasts": "모델이 없습니다", "analysis": "키가 없습니다", "screener": "꺼짐"},
    }
    site = await open_site(services(**parts))
    answer = await site.get(path)
    assert answer.status_code == 503
    assert answer.headers["content-type"] == "application/problem+json"
    assert any(line in answer.json()["detail"] for line in parts["off"].values())


async def test_a_broker_that_does_not_answer_is_502(open_site: Opener) -> None:
    site = await open_site(services(quotes=FakeQuotes(down=True)))
    answer = await site.get("/api/stocks/005930/price")
    assert answer.status_code == 502
    indices = (await site.get("/api/indices")).json()
    assert indices["items"] == []
    assert set(indices["missing"]) == {"코스피", "코스닥", "코스피200"}


# -- orders

ORDER = {"code": "005930", "quantity": 10, "type": "limit", "price": 71_900}


def sent(site: Site) -> list[Any]:
    assert isinstance(site.services.orders, FakeOrders)
    return site.services.orders.sent


async def test_an_order_with_a_key_is_sent_once(site: Site) -> None:
    answers = await asyncio.gather(
        *(site.post("/api/trading/buy", ORDER, **{"Idempotency-Key": "k-1"}) for _ in range(8))
    )
    assert {answer.status_code for answer in answers} == {200}
    assert len(sent(site)) == 1
    assert sent(site)[0].ticket.startswith("api-")
    assert sum(not answer.json()["replayed"] for answer in answers) == 1
    other = await site.post("/api/trading/buy", {**ORDER, "quantity": 11}, **{"Idempotency-Key": "k-1"})
    assert other.status_code == 422
    assert len(sent(site)) == 1
    audited = await site.plane.store.audited()
    assert [row["decision"] for row in audited if row["verb"] == "order"] == ["done", "allowed"]


async def test_an_order_needs_a_key_or_a_confirmation(site: Site) -> None:
    assert (await site.post("/api/trading/buy", ORDER)).status_code == 422
    assert sent(site) == []


async def test_preview_then_confirm_sends_exactly_that_once(site: Site) -> None:
    shown = (await site.post("/api/trading/preview", {**ORDER, "side": "buy"})).json()
    assert shown["allowed"] is True
    assert shown["amount"] == 719_000 + shown["fees"]
    body = {**ORDER, "confirmation": shown["confirmation"]}
    assert (await site.post("/api/trading/buy", {**body, "quantity": 99})).status_code == 422
    assert (await site.post("/api/trading/sell", body)).status_code == 422
    first = await site.post("/api/trading/buy", body)
    assert first.json()["state"] == "accepted"
    assert (await site.post("/api/trading/buy", body)).status_code == 409
    assert len(sent(site)) == 1


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("buy", {**ORDER, "price": 71_950}),  # off the tick
        ("buy", {**ORDER, "price": 200_000}),  # outside the band
        ("buy", {**ORDER, "quantity": 0}),
        ("buy", {**ORDER, "quantity": 1.5}),
        ("buy", {**ORDER, "type": "market"}),
        ("buy", {"code": "005930", "quantity": 1, "type": "limit"}),
        ("buy", {**ORDER, "by": "someone else"}),
        ("sell", ORDER),  # not held
        ("sell", {**ORDER, "code": "247540", "quantity": 31}),  # more than held
    ],
)
async def test_ticket_rules_hold_for_api_orders(site: Site, path: str, body: dict[str, Any]) -> None:
    answer = await site.post(f"/api/trading/{path}", body, **{"Idempotency-Key": "k"})
    assert answer.status_code == 422, answer.text
    assert sent(site) == []


async def test_what_the_gate_denies_is_said(site: Site) -> None:
    assert isinstance(site.services.orders, FakeOrders)
    site.services.orders.answer = OrderAnswer("denied", "", "1회 주문 한도를 넘습니다")
    answer = (await site.post("/api/trading/buy", ORDER, **{"Idempotency-Key": "k"})).json()
    assert (answer["state"], answer["message"]) == ("denied", "1회 주문 한도를 넘습니다")


async def test_a_failing_desk_is_unknown_and_never_an_invitation_to_repeat(site: Site) -> None:
    assert isinstance(site.services.orders, FakeOrders)
    site.services.orders.fails = RuntimeError("끊김")
    answer = await site.post("/api/trading/buy", ORDER, **{"Idempotency-Key": "k"})
    assert answer.json()["state"] == "unknown"
    site.services.orders.fails = None
    again = await site.post("/api/trading/buy", ORDER, **{"Idempotency-Key": "k"})
    assert again.json()["state"] == "unknown"
    assert sent(site) == []


async def test_bot_starts_and_stops(site: Site) -> None:
    assert (await site.post("/api/trading/bot/start")).json()["running"] is True
    assert (await site.post("/api/trading/bot/stop")).json()["running"] is False
    assert site.services.trader.calls == ["start api", "stop api"]  # type: ignore[attr-defined]


# -- backtests


async def test_a_backtest_is_a_job_with_progress_and_can_be_cancelled(open_site: Opener) -> None:
    gate = asyncio.Event()
    site = await open_site(services(backtests=FakeBacktests(wait=gate)))
    started = await site.post(
        "/api/backtest", {"code": "005930", "days": 60, "take_profit_pct": 5, "max_hold_bars": 52}
    )
    assert started.status_code == 202
    where = started.headers["location"]
    assert (await site.get(where)).json()["state"] == "running"
    second = await site.post("/api/backtest", {"code": "005930", "days": 60})
    assert (await site.post("/api/backtest", {"code": "005930", "days": 60})).status_code == 429
    cancelled = await site.client.delete(second.headers["location"], headers=site.bearer)
    assert cancelled.json()["state"] == "cancelled"
    gate.set()
    done = await site.post("/api/backtest?wait=5", {"code": "005930", "days": 60})
    assert done.status_code == 200
    assert done.json()["result"]["total_return"] == 0.12
    async with asyncio.timeout(5):
        while (found := (await site.get(where)).json())["state"] == "running":
            await asyncio.sleep(0.02)
    assert found["state"] == "done"
    assert found["result"]["trades"][0]["reason"] == "익절"


# -- the rest


async def test_metrics_and_health(open_site: Opener) -> None:
    figures = Figures(loop_lag={0.99: 0.012}, queue_depth=3, beat_age=0.1, last_reconcile_age=12.0)
    site = await open_site(figures=lambda: figures)
    text = (await site.client.get("/metrics")).text
    assert 'gaemi_loop_lag_seconds{quantile="0.99"} 0.012' in text
    assert "gaemi_tick_queue_depth 3.0" in text
    assert "gaemi_last_reconcile_age_seconds 12.0" in text
    assert 'gaemi_http_requests_total{status="200"}' in text
    assert (await site.client.get("/healthz")).json()["status"] == "ok"


async def test_a_standing_loop_is_unhealthy(open_site: Opener) -> None:
    age = [0.0]
    site = await open_site(figures=lambda: Figures(beat_age=age[0]))
    age[0] = 11.0
    assert (await site.client.get("/healthz")).status_code == 503


async def test_openapi_is_korean_and_off_in_real_mode(open_site: Opener) -> None:
    site = await open_site()
    document = (await site.client.get("/api/openapi.json")).json()
    assert document["paths"]["/api/stocks/{code}/price"]["get"]["summary"] == "현재가 (5초 캐시)"
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            assert operation["summary"], (path, method)
            assert any("가" <= letter <= "힣" for letter in operation["summary"]), operation["summary"]


async def test_documents_are_off_in_real_mode(open_site: Opener) -> None:
    site = await open_site(services(Environment.REAL))
    assert (await site.get("/api/openapi.json")).status_code == 404
    assert (await site.get("/api/stocks/005930/price")).json()["environment"] == "real"


# -- price stream


class Live:
    """A live market of quotes that a test sets."""

    def __init__(self) -> None:
        self.quotes: dict[str, Any] = {}

    def tick(self, code: str) -> None:
        return None

    def quote(self, code: str) -> Any:
        return self.quotes.get(code)


async def next_of(socket: Any, kind: str) -> dict[str, Any]:
    async with asyncio.timeout(5):
        while True:
            message: dict[str, Any] = orjson.loads(await socket.recv())
            if message["type"] == kind:
                return message


async def test_prices_snapshot_changes_and_exact_resume(open_site: Opener, monkeypatch: pytest.MonkeyPatch) -> None:
    from dataclasses import replace

    from tests.bot.fakes import quote

    live = Live()
    live.quotes = {"005930": quote("005930"), "247540": quote("247540", 190_000, 188_000)}
    monkeypatch.setattr("bot.web.prices.CHANGES_SECONDS", 0.02)
    monkeypatch.setattr("bot.web.prices.WATCH_SECONDS", 3_600.0)
    site = await open_site(live=live)
    address = site.address.replace("http", "ws") + "ws/prices"
    async with websockets.connect(address) as socket:
        snapshot = await next_of(socket, "snapshot")
        assert {row[0]: row[1] for row in snapshot["rows"]} == {"005930": 71_900, "247540": 190_000}
        await socket.send('{"subscribe": ["005930", "999999"]}')
        assert (await next_of(socket, "subscribed"))["codes"] == ["005930"]
        live.quotes["005930"] = replace(live.quotes["005930"], price=72_000)
        delta = await next_of(socket, "delta")
        assert [row[:2] for row in delta["rows"]] == [["005930", 72_000]]
        assert delta["seq"] > snapshot["seq"]
        await socket.send("not json")
        assert (await next_of(socket, "problem"))["detail"]
    live.quotes["247540"] = replace(live.quotes["247540"], price=191_000)
    async with websockets.connect(f"{address}?epoch={delta['epoch']}&after={delta['seq']}") as socket:
        resumed = await next_of(socket, "resumed")
        assert [row[:2] for row in resumed["rows"]] == [["247540", 191_000]]
    async with websockets.connect(f"{address}?epoch=other&after=3") as socket:
        assert len((await next_of(socket, "snapshot"))["rows"]) == 2


async def test_all_stocks_are_broadcast_in_turn(open_site: Opener, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bot.web.prices.BROADCAST_SECONDS", 0.05)
    site = await open_site()
    async with websockets.connect(site.address.replace("http", "ws") + "ws/prices") as socket:
        everything = await next_of(socket, "all")
        assert len(everything["rows"]) == len(site.services.listing.stocks())
    stocks = (await site.get("/api/stocks")).json()["items"]
    assert all(row["price"] for row in stocks)
