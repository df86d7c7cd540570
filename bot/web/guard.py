"""The gate before every handler, HTTP and WebSocket alike: host, origin, caller, CSRF, rates, sizes, time."""

from __future__ import annotations

import logging
import math
from collections.abc import Awaitable, Callable, MutableMapping
from http.cookies import CookieError, SimpleCookie
from typing import Any, TypeAlias

from bot.web.figures import Counters
from bot.web.policy import BODY_LIMIT, BODY_SECONDS, SECURITY_HEADERS, Policy, single
from bot.web.problems import MEDIA_TYPE, Problem
from bot.web.security import Caller, Rate, RateLimiter, Sessions, same_secret
from engine.clock import wall_timeout

logger = logging.getLogger(__name__)

Scope: TypeAlias = MutableMapping[str, Any]
Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
Application: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]

COOKIE = "gaemi_session"
CALLER = "gaemi.caller"
HEAD_LIMIT = 16 * 1024
DISCARDED = 16 * 1024 * 1024
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


class Guard:
    """ASGI middleware; what it lets through carries the caller in ``scope[CALLER]`` (None: nobody in particular)."""

    def __init__(
        self,
        app: Application,
        *,
        policy: Callable[[], Policy],
        token: str,
        sessions: Sessions,
        rates: RateLimiter,
        failures: RateLimiter,
        counters: Counters,
        body_seconds: float = BODY_SECONDS,
    ) -> None:
        self._app = app
        self._policy = policy
        self._token = token
        self._sessions = sessions
        self._rates = rates
        self._failures = failures
        self._counters = counters
        self._body_seconds = body_seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        try:
            self._admit(scope)
        except Problem as problem:
            await self._refuse(scope, send, problem)
            return
        if scope["type"] == "websocket":
            await self._app(scope, receive, send)
            return
        await self._http(scope, receive, send)

    # -- admission

    def _admit(self, scope: Scope) -> None:
        """Sets the caller. Raises Problem."""
        headers = _Headers(scope)
        if headers.size > HEAD_LIMIT:
            raise Problem(431, "머리말이 너무 깁니다", headers={"Connection": "close"})
        policy = self._policy()
        host = headers.one("host") or ""
        if not policy.host_allowed(host):
            raise Problem(403, "이 주소로는 열지 않습니다 (Host)")
        websocket = scope["type"] == "websocket"
        method = "GET" if websocket else str(scope["method"])
        path = str(scope["path"])
        origin = headers.one("origin")
        if origin is not None and not policy.origin_allowed(origin, host):
            raise Problem(403, "다른 사이트에서 온 요청은 받지 않습니다 (Origin)")
        self._check_site(headers, policy, method, path)
        client = scope.get("client") or ("", 0)
        caller = self._caller(headers, str(client[0]), origin)
        if caller is None and not policy.open_to_all(method, path):
            raise Problem(401, "로그인 링크나 API 토큰이 필요합니다", headers={"WWW-Authenticate": "Bearer"})
        if caller is not None and caller.kind == "session" and method not in SAFE_METHODS and path != "/api/session":
            self._check_csrf(headers)
        wait = self._rates.wait(caller.id if caller else f"address:{client[0]}")
        if wait > 0 and not policy.is_page(path):
            raise Problem(429, "요청이 너무 많습니다", headers={"Retry-After": str(math.ceil(wait))})
        scope[CALLER] = caller

    @staticmethod
    def _check_site(headers: _Headers, policy: Policy, method: str, path: str) -> None:
        site = headers.one("sec-fetch-site")
        if site in (None, "same-origin", "none"):
            return
        # Following a link to the page from elsewhere is fine: it holds no data and does nothing by itself.
        navigating = headers.one("sec-fetch-mode") == "navigate" and headers.one("sec-fetch-dest") == "document"
        if not (navigating and method == "GET" and path == "/"):
            raise Problem(403, "다른 사이트에서 온 요청은 받지 않습니다")

    def _caller(self, headers: _Headers, client: str, origin: str | None) -> Caller | None:
        given = headers.one("authorization")
        if given is not None:
            scheme, _, secret = given.partition(" ")
            if scheme.lower() == "bearer" and same_secret(secret.strip(), self._token):
                return Caller("token", "token")
            wait = self._failures.wait(client)
            if wait > 0:
                raise Problem(429, "틀린 토큰이 너무 많습니다", headers={"Retry-After": str(math.ceil(wait))})
            raise Problem(401, "API 토큰이 맞지 않습니다", headers={"WWW-Authenticate": "Bearer"})
        cookie = _cookie(headers)
        session = self._sessions.find(cookie) if cookie else None
        return Caller("session", f"session:{session.id}") if session else None

    def _check_csrf(self, headers: _Headers) -> None:
        session = self._sessions.find(_cookie(headers))
        if session is None or not same_secret(headers.one("x-csrf-token") or "", session.csrf):
            raise Problem(403, "CSRF 토큰이 맞지 않습니다. 콘솔을 새로 여세요")

    # -- serving

    async def _refuse(self, scope: Scope, send: Send, problem: Problem) -> None:
        self._counters.requests[str(problem.status)] += 1
        await _refuse(scope, send, problem, self._policy().encrypted)

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = _Headers(scope)
        answered = False

        async def answer(message: Message) -> None:
            nonlocal answered
            if message["type"] == "http.response.start":
                answered = True
                self._counters.requests[str(message["status"])] += 1
                message["headers"] = _hardened(list(message.get("headers", [])), self._policy().encrypted)
            await send(message)

        try:
            body = await _read_body(headers, str(scope["method"]), receive, self._body_seconds)
            async with wall_timeout(self._policy().answer_seconds(str(scope["path"]))):
                await self._app(scope, _replayed(body, receive), answer)
        except Problem as problem:
            if answered:
                raise
            await self._refuse(scope, send, problem)
        except TimeoutError:
            if answered:
                raise
            await self._refuse(scope, send, Problem(504, "제때 답하지 못했습니다"))


async def _read_body(headers: _Headers, method: str, receive: Receive, seconds: float) -> bytes:
    """The whole body, bounded in size and in time. Raises Problem."""
    length = headers.one("content-length")
    if length is not None and not (length.isascii() and length.isdigit()):
        raise Problem(400, "Content-Length 가 올바르지 않습니다", headers={"Connection": "close"})
    if length in (None, "0") and headers.one("transfer-encoding") is None:
        return b""
    kind = (headers.one("content-type") or "").partition(";")[0].strip().lower()
    found, size = bytearray(), 0
    try:
        async with wall_timeout(seconds):
            while True:
                message = await receive()
                if message["type"] != "http.request":
                    return b""  # the client has gone
                size += len(message.get("body", b""))
                if size <= BODY_LIMIT:
                    found += message.get("body", b"")
                # What is too large is read and thrown away for a while: a client that is cut off in the middle of
                # sending would see a broken connection instead of the refusal.
                if not message.get("more_body", False) or size > DISCARDED:
                    break
    except TimeoutError:
        raise Problem(408, "요청이 제때 오지 않았습니다", headers={"Connection": "close"}) from None
    if size > BODY_LIMIT:
        raise Problem(413, f"요청은 {BODY_LIMIT // 1024}KB 까지입니다", headers={"Connection": "close"})
    if method not in SAFE_METHODS and kind != "application/json":
        # A form can be posted across sites without asking; JSON cannot.
        raise Problem(415, "application/json 만 받습니다")
    return bytes(found)


def _replayed(body: bytes, receive: Receive) -> Receive:
    given = False

    async def replay() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return replay


class _Headers:
    def __init__(self, scope: Scope) -> None:
        self._items: list[tuple[bytes, bytes]] = list(scope["headers"])
        self.size = len(scope["raw_path"]) + len(scope["query_string"])
        self.size += sum(len(name) + len(value) for name, value in self._items)

    def one(self, name: str) -> str | None:
        wanted = name.encode()
        return single(value.decode("latin-1") for key, value in self._items if key == wanted)


def _cookie(headers: _Headers) -> str:
    try:
        jar = SimpleCookie(headers.one("cookie") or "")
    except CookieError:
        return ""
    return jar[COOKIE].value if COOKIE in jar else ""


def _hardened(headers: list[tuple[bytes, bytes]], encrypted: bool) -> list[tuple[bytes, bytes]]:
    present = {name.lower() for name, _ in headers}
    extra = [*SECURITY_HEADERS, (b"cache-control", b"no-store")]
    if encrypted:
        extra.append((b"strict-transport-security", b"max-age=31536000"))
    return headers + [(name, value) for name, value in extra if name not in present]


async def _refuse(scope: Scope, send: Send, problem: Problem, encrypted: bool) -> None:
    body = problem.body()
    headers = [(b"content-type", MEDIA_TYPE.encode()), (b"content-length", str(len(body)).encode())]
    headers += [(name.lower().encode(), value.encode()) for name, value in problem.headers.items()]
    headers = _hardened(headers, encrypted)
    prefix = "http"
    if scope["type"] == "websocket":
        if "websocket.http.response" not in scope.get("extensions", {}):
            await send({"type": "websocket.close", "code": 1008, "reason": problem.detail})
            return
        prefix = "websocket.http"
    await send({"type": f"{prefix}.response.start", "status": problem.status, "headers": headers})
    await send({"type": f"{prefix}.response.body", "body": body})


def default_limiters(wall: Any, rate: Rate | None = None) -> tuple[RateLimiter, RateLimiter]:
    """(calls of one caller, wrong tokens from one address)."""
    return RateLimiter(wall, rate or Rate(50.0, 200.0)), RateLimiter(wall, Rate(0.5, 20.0))
