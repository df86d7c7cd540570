"""Hostile HTTP: each attack gets its refusal, nothing changes, and the service goes on (fault 49)."""

from __future__ import annotations

import asyncio
import gc
import stat
from contextlib import suppress
from typing import Any

import orjson
import psutil
import pytest
import websockets

from bot.web.security import Rate
from bot.web.server import PortInUse, WebFrontEnd, WebProblem
from tests.bot.fakes import FakeOrders
from tests.web.conftest import Opener, Site

ORDER = {"code": "005930", "quantity": 1, "type": "market"}
KEY = {"Idempotency-Key": "attack"}


def untouched(site: Site) -> bool:
    assert isinstance(site.services.orders, FakeOrders)
    trader: Any = site.services.trader
    return not site.services.orders.sent and not trader.calls


STATE_CHANGES = [
    ("POST", "/api/trading/buy"),
    ("POST", "/api/trading/sell"),
    ("POST", "/api/trading/preview"),
    ("POST", "/api/trading/bot/start"),
    ("POST", "/api/trading/bot/stop"),
    ("POST", "/api/backtest"),
    ("DELETE", "/api/backtest/x"),
    ("POST", "/api/command"),
    ("POST", "/api/action"),
    ("POST", "/api/refresh"),
    ("POST", "/api/form"),
    ("POST", "/api/login-link"),
]


async def test_without_wrong_or_forged_credentials(site: Site) -> None:
    for method, path in STATE_CHANGES:
        nobody = await site.client.request(method, path, json=ORDER, headers=KEY)
        assert nobody.status_code == 401
        assert nobody.headers["www-authenticate"] == "Bearer"
        for value in ("Bearer wrong", "Bearer", f"Basic {site.token}", f"Bearer {site.token[:-1]}", site.token):
            answer = await site.client.request(method, path, json=ORDER, headers=KEY | {"Authorization": value})
            assert answer.status_code in (401, 429), value  # guessing is slowed down as well
        in_address = await site.client.request(method, f"{path}?token={site.token}", json=ORDER, headers=KEY)
        assert in_address.status_code == 401
        forged = await site.client.request(method, path, json=ORDER, headers=KEY | {"Cookie": "gaemi_session=forged"})
        assert forged.status_code == 401
    assert untouched(site)


async def test_get_changes_nothing(site: Site) -> None:
    for _, path in STATE_CHANGES:
        answer = await site.get(path)
        assert answer.status_code in (404, 405)
    assert untouched(site)


async def test_a_cookie_alone_changes_nothing(site: Site) -> None:
    csrf = await site.log_in()
    for method, path in STATE_CHANGES:
        for headers in ({}, {"X-CSRF-Token": "wrong"}, {"X-CSRF-Token": csrf["X-CSRF-Token"][:-1]}):
            answer = await site.client.request(method, path, json=ORDER, headers=KEY | headers)
            assert answer.status_code == 403, headers
    assert untouched(site)


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "127.0.0.1",
        "127.0.0.1:1",
        "localhost.evil.example:{port}",
        "",
        "0.0.0.0:{port}",
        "10.0.0.9:{port}",
    ],
)
async def test_foreign_host(site: Site, host: str) -> None:
    port = site.host.rpartition(":")[2]
    for path in ("/", "/api/stocks", "/healthz"):
        answer = await site.client.get(path, headers=site.bearer | {"Host": host.format(port=port)})
        assert answer.status_code in (400, 403), (host, path)
    assert (await site.client.get("/", headers={"Host": f"localhost:{port}"})).status_code == 200


@pytest.mark.parametrize(
    "origin",
    [
        "https://evil.example",
        "null",
        "http://127.0.0.1",
        "http://127.0.0.1:1",
        "https://{host}",
        "http://{host}.evil.example",
        "",
    ],
)
async def test_foreign_origin(site: Site, origin: str) -> None:
    headers = site.bearer | KEY | {"Origin": origin.format(host=site.host)}
    assert (await site.client.post("/api/trading/buy", json=ORDER, headers=headers)).status_code == 403
    assert (await site.client.get("/api/stocks", headers=headers)).status_code == 403
    with pytest.raises(websockets.InvalidStatus) as refused:
        await websockets.connect(
            site.address.replace("http", "ws") + "ws/prices",
            additional_headers={"Origin": origin.format(host=site.host)},
        )
    assert refused.value.response.status_code == 403
    assert untouched(site)


async def test_cross_site_posts(site: Site) -> None:
    csrf = await site.log_in()
    for sort in ("cross-site", "same-site"):
        headers = csrf | KEY | {"Sec-Fetch-Site": sort}
        assert (await site.client.post("/api/trading/buy", json=ORDER, headers=headers)).status_code == 403
        assert (await site.client.get("/api/trading/portfolio", headers={"Sec-Fetch-Site": sort})).status_code == 403
    for kind in ("application/x-www-form-urlencoded", "text/plain", "multipart/form-data; boundary=x"):
        headers = csrf | KEY | {"Content-Type": kind}
        answer = await site.client.post("/api/trading/buy", content=orjson.dumps(ORDER), headers=headers)
        assert answer.status_code == 415
    link = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
    assert (await site.client.get("/", headers=link)).status_code == 200
    assert (await site.client.get("/api/trading/portfolio", headers=link)).status_code == 403
    assert untouched(site)


async def test_no_answer_opens_itself_to_other_sites(site: Site) -> None:
    for path in ("/", "/api/stocks", "/api/trading/portfolio", "/nowhere"):
        answer = await site.client.request("OPTIONS", path, headers={"Origin": site.address.rstrip("/")})
        headers = {**answer.headers, **(await site.get(path)).headers}
        assert not [name for name in headers if name.startswith("access-control-")]
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["x-frame-options"] == "DENY"
        assert "default-src 'none'" in headers["content-security-policy"]


@pytest.mark.parametrize("path", ["/ws/trades", "/ws/events"])
async def test_private_sockets_need_a_login(site: Site, path: str) -> None:
    address = site.address.replace("http", "ws").rstrip("/") + path
    with pytest.raises(websockets.InvalidStatus) as refused:
        await websockets.connect(address)
    assert refused.value.response.status_code == 401
    with pytest.raises(websockets.InvalidStatus) as refused:
        await websockets.connect(address, additional_headers={"Authorization": "Bearer wrong"})
    assert refused.value.response.status_code == 401
    await site.log_in()
    cookie = "; ".join(f"{c.name}={c.value}" for c in site.client.cookies.jar)
    own = {"Cookie": cookie, "Origin": site.address.rstrip("/")}
    async with websockets.connect(address, additional_headers=own) as socket:
        assert orjson.loads(await socket.recv())["type"] == "hello"


async def test_a_ten_megabyte_body(site: Site) -> None:
    body = b'{"line": "' + b"x" * 10_000_000 + b'"}'
    headers = site.bearer | {"Content-Type": "application/json"}
    answer = await site.client.post("/api/command", content=body, headers=headers)
    assert answer.status_code == 413

    async def pieces() -> Any:
        for _ in range(200):
            yield b" " * 65_536

    answer = await site.client.post("/api/command", content=pieces(), headers=headers)
    assert answer.status_code == 413
    assert (await site.client.get("/healthz")).status_code == 200


async def raw(site: Site, request: bytes, seconds: float = 3.0) -> bytes:
    """What the server says to these bytes until it closes or ``seconds`` have passed."""
    host, _, port = site.host.rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(request)
    found = b""
    with suppress(TimeoutError, ConnectionError):
        async with asyncio.timeout(seconds):
            while part := await reader.read(65_536):
                found += part
    writer.close()
    return found


@pytest.mark.parametrize(
    "target",
    [
        "/static/../server.py",
        "/static/..%2f..%2fserver.py",
        "/static/%2e%2e/api-token",
        "/static//etc/passwd",
        "/static/index.html%00.js",
        "/../api-token",
        "//evil.example/",
        "/api/images/../../api-token",
        "/api/images/%2e%2e%2fapi-token",
        "/api-token",
    ],
)
async def test_path_tricks_find_nothing(site: Site, target: str) -> None:
    request = (
        f"GET {target} HTTP/1.1\r\nHost: {site.host}\r\nAuthorization: Bearer {site.token}\r\nConnection: close\r\n\r\n"
    )
    answer = await raw(site, request.encode())
    status = int(answer.split(b" ", 2)[1])
    assert status in (400, 404, 422), answer[:200]
    assert site.token.encode() not in answer
    assert b"def " not in answer


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"GET / HTTP/1.1\r\nHost: {host}\r\nHost: evil.example\r\nConnection: close\r\n\r\n",
        b"GET / HTTP/1.1\r\nConnection: close\r\n\r\n",
        b"GET http://evil.example/ HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n",
        b"POST /api/trading/buy HTTP/1.1\r\nHost: {host}\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n"
        b"Connection: close\r\n\r\n0\r\n\r\n",
        b"POST /api/command HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {token}\r\nContent-Length: -1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: {host}\r\nX: " + b"a" * 100_000 + b"\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    ],
)
async def test_malformed_requests_are_refused(site: Site, request_bytes: bytes) -> None:
    filled = request_bytes.replace(b"{host}", site.host.encode()).replace(b"{token}", site.token.encode())
    answer = await raw(site, filled)
    assert answer.split(b" ", 2)[1] in (b"400", b"401", b"403", b"413", b"431"), answer[:200]
    assert untouched(site)
    assert (await site.client.get("/healthz")).status_code == 200


async def test_slow_senders_are_cut_off(open_site: Opener, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bot.web.connections.HEAD_SECONDS", 0.3)
    site = await open_site(body_seconds=0.3)
    silent, half = await asyncio.gather(raw(site, b"", 5.0), raw(site, b"GET / HTTP/1.1\r\nHost: x", 5.0))
    assert (silent, half) == (b"", b"")
    request = (
        f"POST /api/command HTTP/1.1\r\nHost: {site.host}\r\nAuthorization: Bearer {site.token}\r\n"
        "Content-Type: application/json\r\nContent-Length: 100\r\n\r\n{"
    )
    answer = await raw(site, request.encode(), 5.0)
    assert answer.startswith(b"HTTP/1.1 408")


async def test_a_slow_reader_is_dropped_and_holds_up_nobody(open_site: Opener, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bot.web.sockets.SEND_SECONDS", 0.5)
    site = await open_site()
    address = site.address.replace("http", "ws") + "ws/events"
    async with (
        websockets.connect(address, additional_headers=site.bearer, max_queue=1) as slow,
        websockets.connect(address, additional_headers=site.bearer) as good,
    ):
        slow.transport.pause_reading()
        await good.recv()
        for number in range(120):
            site.front.events.tell("token", {"type": "note", "number": number, "filling": "x" * 100_000})
            message = orjson.loads(await asyncio.wait_for(good.recv(), 5))
            assert message["number"] == number
        async with asyncio.timeout(10):
            while len(site.front.events) > 1:
                await asyncio.sleep(0.05)
        assert (await site.client.get("/healthz")).status_code == 200
        slow.transport.abort()


async def test_a_flooding_socket_is_closed(site: Site) -> None:
    async with websockets.connect(site.address.replace("http", "ws") + "ws/prices") as socket:
        with suppress(websockets.ConnectionClosed):
            for _ in range(200):
                await socket.send('{"subscribe": []}')
        await asyncio.wait_for(socket.wait_closed(), 5)
        assert socket.close_code == 4029


async def test_rate_limit_per_caller(open_site: Opener) -> None:
    site = await open_site(rate=Rate(0.01, 10.0))
    for _ in range(9):
        assert (await site.get("/api/trading/bot")).status_code == 200
    codes = [(await site.get("/api/trading/bot")).status_code for _ in range(4)]
    assert codes[-1] == 429
    limited = await site.get("/api/trading/bot")
    assert int(limited.headers["retry-after"]) >= 1


async def test_guessing_tokens_is_slowed_down(site: Site) -> None:
    codes = [
        (await site.client.get("/api/trading/bot", headers={"Authorization": f"Bearer guess{n}"})).status_code
        for n in range(30)
    ]
    assert codes[0] == 401
    assert codes[-1] == 429
    assert (await site.get("/api/trading/bot")).status_code == 200


async def test_replayed_login_codes_and_logout(site: Site) -> None:
    csrf = await site.log_in()
    assert (await site.client.get("/api/trading/portfolio")).status_code == 200
    assert (await site.client.delete("/api/session", headers=csrf)).status_code == 204
    assert (await site.client.get("/api/trading/portfolio")).status_code == 401


async def test_an_old_login_code_is_refused(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    code = site.front.login_link().partition("#code=")[2]
    now = site.plane.wall.monotonic()
    monkeypatch.setattr(site.plane.wall, "monotonic", lambda: now + 121.0)
    assert (await site.client.post("/api/session", json={"code": code})).status_code == 401


async def test_a_link_comes_with_the_token_alone(site: Site) -> None:
    answer = await site.post("/api/login-link")
    assert answer.json()["link"].startswith(site.address + "#code=")
    csrf = await site.log_in()
    assert (await site.client.post("/api/login-link", headers=csrf)).status_code == 403


async def test_token_file(site: Site) -> None:
    path = site.home / "api-token"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert len(site.token) >= 43
    assert [p.name for p in site.home.rglob("*") if "token" in p.name] == ["api-token"]


async def test_secrets_reach_no_log(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    link = site.front.login_link()
    await site.client.get("/api/trading/bot", headers={"Authorization": "Bearer MARKER-SECRET"})
    await site.client.post("/api/session", json={"code": "MARKER-CODE"})
    await site.get("/api/trading/portfolio")
    for secret in (site.token, link.partition("#code=")[2], "MARKER-SECRET", "MARKER-CODE"):
        assert secret not in "\n".join(
            r.getMessage() for r in caplog.records if not r.name.startswith(("httpx", "httpcore"))
        )


@pytest.mark.slow
async def test_a_thousand_connections_come_and_go_without_growth(site: Site) -> None:
    address = site.address.replace("http", "ws") + "ws/prices"

    async def cycle(count: int) -> None:
        for number in range(count):
            if number % 2:
                async with websockets.connect(address, compression=None) as socket:
                    await socket.recv()
            else:
                await raw(
                    site, f"GET /api/stocks?size=1 HTTP/1.1\r\nHost: {site.host}\r\nConnection: close\r\n\r\n".encode()
                )

    await cycle(100)
    gc.collect()
    tasks, memory = len(asyncio.all_tasks()), psutil.Process().memory_info().rss
    await cycle(1_000)
    await asyncio.sleep(0.3)
    gc.collect()
    assert len(asyncio.all_tasks()) <= tasks + 2
    assert len(site.front.prices) == 0
    assert psutil.Process().memory_info().rss - memory < 15_000_000


async def test_public_binds_need_a_clear_word(site: Site) -> None:
    from bot.dispatch import Dispatcher

    with pytest.raises(WebProblem, match="GAEMI_PUBLIC"):
        WebFrontEnd(plane=site.plane, dispatcher=Dispatcher(site.plane), home=site.home, host="0.0.0.0")


async def test_a_taken_port_names_its_holder(site: Site) -> None:
    from bot.dispatch import Dispatcher

    port = int(site.host.rpartition(":")[2])
    second = WebFrontEnd(plane=site.plane, dispatcher=Dispatcher(site.plane), home=site.home, port=port)
    with pytest.raises(PortInUse, match=f"--port {port + 1}") as refused:
        second.bind()
    assert str(psutil.Process().pid) in str(refused.value)
