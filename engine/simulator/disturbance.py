"""Carries out the faults of a plan on REST answers, data frames and notices."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta

from aiohttp import web

from engine.clock import MarketClock
from engine.simulator.envelope import Answer, Call, gateway_refusal
from engine.simulator.faults import Fault, FaultKind, FaultPlan
from engine.simulator.gateway import Gateway
from engine.simulator.oauth import Gatekeeper
from engine.simulator.stream import Hub, Session
from engine.simulator.trading import OrderFault

_HTML = "<html><head><title>{0}</title></head><body><center><h1>{0}</h1></center></body></html>"
_TEXTS = {
    "EGW00201": "초당 거래건수를 초과하였습니다.",
    "EGW00215": "원장 초당 거래건수를 초과하였습니다.",
    "EGW00300": "처리시간이 초과되었습니다. 직전 거래를 확인하세요.",
    "EGW00301": "연결시간이 초과되었습니다. 직전 거래를 확인하세요.",
    "EGW00302": "거래시간이 초과되었습니다. 직전 거래를 확인하세요.",
    "EGW00001": "일시적 오류가 발생했습니다.",
    "EGW00002": "서버 에러가 발생했습니다.",
}


class Disturber:
    """Between the sockets and the broker. Waiting gives up the caller's hold on market time."""

    def __init__(self, plan: FaultPlan, clock: MarketClock, gateway: Gateway, gatekeeper: Gatekeeper, hub: Hub) -> None:
        self.plan = plan
        self._clock = clock
        self._gateway = gateway
        self._gatekeeper = gatekeeper
        self._hub = hub
        self._waiting: set[asyncio.Task[object]] = set()
        self._kept: dict[int, str] = {}

    def close(self) -> None:
        """End every wait, so that the server can stop."""
        for task in self._waiting:
            task.cancel()

    # -- REST

    async def respond(self, request: web.Request, name: str, act: Callable[[], Answer]) -> web.Response:
        """Answer a request, with whatever the plan has in store for it."""
        faults = {fault.kind: fault for fault in self.plan.for_call(name, request.headers.get("tr_id", "").strip())}
        if not faults:
            return self._gateway.response(request, act())
        self._spoil_token(request, faults)
        early = await self._before(request, faults)
        if early is not None:
            return early
        return await self._after(request, faults, act())

    def _spoil_token(self, request: web.Request, faults: dict[FaultKind, Fault]) -> None:
        key = self._gatekeeper.keys.get(request.headers.get("appkey", "").strip())
        if key is not None and FaultKind.TOKEN_EXPIRED in faults:
            self._gatekeeper.expire_token(key)
        if key is not None and FaultKind.TOKEN_UNKNOWN in faults:
            self._gatekeeper.revoke_token(key)

    async def _before(self, request: web.Request, faults: dict[FaultKind, Fault]) -> web.Response | None:
        if FaultKind.RESET_BEFORE in faults:
            return _reset(request)
        if (drop := faults.get(FaultKind.DROP_REQUEST)) is not None:
            await self._wait(request, drop.seconds)
            return _reset(request)
        if (error := faults.get(FaultKind.GATEWAY_ERROR)) is not None:
            return self._gateway.response(request, _gateway_answer(error.code))
        if FaultKind.BAD_GATEWAY in faults:
            page = _HTML.format("502 Bad Gateway").encode()
            return self._gateway.raw_response(request, page, 502, content_type="text/html")
        if FaultKind.HTML in faults:
            page = _HTML.format("서비스 점검 중입니다").encode()
            return self._gateway.raw_response(request, page, 200, content_type="text/html; charset=utf-8")
        if (late := faults.get(FaultKind.DELAY_ACTION)) is not None:
            await self._wait(request, late.seconds)
        return None

    async def _after(self, request: web.Request, faults: dict[FaultKind, Fault], answer: Answer) -> web.Response:
        if FaultKind.RESET_AFTER in faults:
            return _reset(request)
        for kind in (FaultKind.DROP_REPLY, FaultKind.DELAY):
            if (fault := faults.get(kind)) is not None:
                await self._wait(request, fault.seconds)
        if FaultKind.DROP_REPLY in faults:
            return _reset(request)
        if (error := faults.get(FaultKind.GATEWAY_ERROR_AFTER)) is not None:
            answer = _gateway_answer(error.code)
        if FaultKind.EXTRA_FIELDS in faults:
            answer = replace(answer, body={**answer.body, "new_fld_1": "1", "output9": [{"x": ""}]})
        if (skew := faults.get(FaultKind.CLOCK_SKEW)) is not None:
            answer = replace(answer, headers={"Date": self._gateway.date_header(timedelta(seconds=skew.seconds))})
        body = json.dumps(answer.body, ensure_ascii=False).encode()
        if FaultKind.EMPTY in faults:
            body = b""
        if FaultKind.CUT_JSON in faults:
            body = body[: len(body) // 2]
        return self._gateway.raw_response(request, body, answer.status, answer.tr_cont, answer.headers)

    async def _wait(self, request: web.Request, seconds: float) -> None:
        task = asyncio.current_task()
        if task is not None:
            self._waiting.add(task)
        try:
            with self._clock.suspend_hold(request.headers.get("gt_uid", "")):
                await self._clock.sleep(seconds)
        finally:
            if task is not None:
                self._waiting.discard(task)

    # -- orders

    def order_fault(self, call: Call) -> OrderFault:
        hidden, rejected = 0.0, False
        for fault in self.plan.for_order(call.path.rpartition("/")[2], call.tr_id):
            if fault.kind is FaultKind.HIDE_ORDER:
                hidden = fault.seconds
            else:
                rejected = True
        return OrderFault(hidden, rejected)

    # -- data frames

    def transform(self, session: Session, tr_id: str, text: str) -> Sequence[str | bytes]:
        """What a data frame becomes on its way out."""
        faults = {fault.kind: fault for fault in self.plan.for_frame(tr_id)}
        kept = self._kept.pop(session.number, "")
        if kept:
            text = kept + text
        if not faults:
            return (text,)
        if (drop := faults.get(FaultKind.CLOSE_ABNORMALLY)) is not None:
            if session.key is not None and drop.seconds:
                self._hub.occupy(session.key, drop.seconds)
            session.abort()
            return ()
        if FaultKind.SILENCE in faults:
            session.silent = True
            return ()
        if FaultKind.LOSE_FRAME in faults:
            return ()
        if FaultKind.EXTRA_RECORD_FIELD in faults and text.startswith("0|"):
            text = _with_extra_field(text)
        if FaultKind.MERGE_FRAME in faults:
            self._kept[session.number] = text
            return ()
        if FaultKind.INVALID_UTF8 in faults:
            return (text.encode() + b"\xb0\xa1\xff",)
        if FaultKind.SPLIT_FRAME in faults:
            half = len(text) // 2
            return (text[:half], text[half:])
        return (text, text) if FaultKind.DUPLICATE_FRAME in faults else (text,)


def _with_extra_field(text: str) -> str:
    """Append one field to every record of a plain frame."""
    flag, tr_id, count, payload = text.split("|", 3)
    fields = payload.split("^")
    length = len(fields) // int(count)
    records = ["^".join([*fields[n : n + length], "9"]) for n in range(0, len(fields), length)]
    return f"{flag}|{tr_id}|{count}|{'^'.join(records)}"


def _gateway_answer(code: str) -> Answer:
    return gateway_refusal(code, _TEXTS.get(code, "오류가 발생했습니다.")).answer()


def _reset(request: web.Request) -> web.Response:
    if request.transport is not None:
        request.transport.abort()
    return web.Response()
