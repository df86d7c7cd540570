"""The REST gateway: one aiohttp handler for every path. Header case matters here: see the protocol, section 2.4."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from datetime import UTC, timedelta
from email.utils import format_datetime
from typing import Any

from aiohttp import web
from multidict import CIMultiDict

from engine.clock import MarketClock
from engine.market import Environment
from engine.simulator.catalogue import Endpoint
from engine.simulator.envelope import Answer, Call, Refusal, gateway_refusal
from engine.simulator.identity import AppKey
from engine.simulator.limits import RateLimits
from engine.simulator.oauth import Gatekeeper

_SLASHES = re.compile(r"/{2,}")
_OAUTH = {
    "/oauth2/tokenP": "token",
    "/oauth2/revokeP": "revoke",
    "/oauth2/Approval": "approval",
    "/uapi/hashkey": "hash",
}


class Gateway:
    """Routes a request to its handler and writes the answer as the broker writes it."""

    def __init__(
        self,
        endpoints: list[Endpoint],
        gatekeeper: Gatekeeper,
        limits: RateLimits,
        service_clock: MarketClock,
    ) -> None:
        self._gatekeeper = gatekeeper
        self._limits = limits
        self._service_clock = service_clock
        self._routes: dict[tuple[str, str], Endpoint] = {}
        self._paths: dict[str, str] = {}
        self._known: dict[str, Endpoint] = {}
        for endpoint in endpoints:
            self._paths[endpoint.path] = endpoint.method
            for tr_id in (*endpoint.real, *endpoint.mock):
                self._routes[(endpoint.path, tr_id)] = endpoint
                self._known[tr_id] = endpoint
        self._count = 0
        self.calls: dict[str, int] = {}
        """Answered calls by name, for reports and tests."""

    # -- one request

    async def read(self, request: web.Request) -> tuple[str, Any]:
        """(path, JSON body or {}). The body is judged by its content, whatever the content-type says."""
        path = _SLASHES.sub("/", request.path).rstrip("/") or "/"
        raw = await request.read()
        if not raw.strip():
            return path, {}
        try:
            return path, json.loads(raw)
        except ValueError:
            return path, None

    def name_of(self, path: str) -> str:
        """The call's name for logs and faults: ``token``, ``order-cash``, …"""
        return _OAUTH.get(path) or path.rpartition("/")[2]

    def answer(self, method: str, path: str, query: Mapping[str, str], headers: Mapping[str, str], body: Any) -> Answer:
        """Act on a request and tell the answer. Never raises for anything a client can send."""
        name = self.name_of(path)
        self.calls[name] = self.calls.get(name, 0) + 1
        try:
            if path in _OAUTH:
                return self._oauth(_OAUTH[path], method, headers, body)
            return self._call(method, path, query, headers, body)
        except Refusal as refusal:
            return refusal.answer()

    def _oauth(self, name: str, method: str, headers: Mapping[str, str], body: Any) -> Answer:
        if method != "POST" or not isinstance(body, dict):
            return Answer({"error_code": "EGW00101", "error_description": "잘못된 요청입니다."}, 403)
        if name == "hash":
            return self._gatekeeper.hash(headers, body)
        acts: dict[str, Callable[[Mapping[str, Any]], Answer]] = {
            "token": self._gatekeeper.issue_token,
            "revoke": self._gatekeeper.revoke,
            "approval": self._gatekeeper.approve,
        }
        return acts[name](body)

    def _call(self, method: str, path: str, query: Mapping[str, str], headers: Mapping[str, str], body: Any) -> Answer:
        tr_id = headers.get("tr_id", "").strip()
        key = self._gatekeeper.authorise(headers)
        mock = key.environment is Environment.MOCK
        endpoint = self._route(path, tr_id, key)
        self._limits.take(key, mock=mock, ledger=endpoint.ledger)
        if method != endpoint.method:
            raise gateway_refusal("OPSQ0002", "없는 서비스 코드 입니다.")
        if headers.get("custtype", "P").strip() not in ("P", "B", ""):
            raise gateway_refusal("EGW00208", "custtype이 유효하지 않습니다.")
        if method == "GET":
            parameters = {name.upper(): value for name, value in query.items()}
        elif isinstance(body, dict):
            parameters = {str(name): "" if value is None else str(value) for name, value in body.items()}
        else:
            raise gateway_refusal("EGW00101", "잘못된 요청입니다.")
        return endpoint.handler(Call(path, tr_id, headers.get("tr_cont", "").strip(), key, parameters))

    def _route(self, path: str, tr_id: str, key: AppKey) -> Endpoint:
        if path not in self._paths:
            raise gateway_refusal("OPSQ0002", "없는 서비스 코드 입니다.")
        if tr_id not in self._known:
            raise gateway_refusal("EGW00310", "유효하지 않은 TR-ID 입니다.")
        endpoint = self._routes.get((path, tr_id))
        if endpoint is None:
            raise gateway_refusal("OPSQ0002", "없는 서비스 코드 입니다.")
        if key.environment is Environment.MOCK and tr_id not in endpoint.mock:
            raise gateway_refusal("EGW02006", "모의투자 TR 이 아닙니다.")
        if key.environment is Environment.REAL and tr_id not in endpoint.real:
            raise gateway_refusal("EGW02004", "실전투자 TR 이 아닙니다.")
        return endpoint

    # -- writing

    def response(self, request: web.Request, answer: Answer) -> web.Response:
        """Title-Case standard headers, lower-case tr_id, tr_cont and gt_uid, always present."""
        self._count += 1
        text = json.dumps(answer.body, ensure_ascii=False)
        return self.raw_response(request, text.encode(), answer.status, answer.tr_cont, answer.headers)

    def date_header(self, skew: timedelta = timedelta()) -> str:
        return format_datetime((self._service_clock.now() + skew).astimezone(UTC), usegmt=True)

    def raw_response(
        self,
        request: web.Request,
        body: bytes,
        status: int = 200,
        tr_cont: str = "",
        extra: Mapping[str, str] | None = None,
        content_type: str = "application/json; charset=utf-8",
    ) -> web.Response:
        headers: CIMultiDict[str] = CIMultiDict()
        headers["Content-Type"] = content_type
        headers["Date"] = self.date_header()
        headers["tr_id"] = request.headers.get("tr_id", "").strip()
        headers["tr_cont"] = tr_cont
        headers["gt_uid"] = request.headers.get("gt_uid", "").strip() or f"{self._count:032d}"
        headers.update(extra or {})
        return web.Response(body=body, status=status, headers=headers)
