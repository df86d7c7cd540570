"""A broker that says what a test tells it to: scripted REST replies and a scripted WebSocket session.

It knows nothing of orders or prices; the simulator is the one that plays a market.
"""

from __future__ import annotations

import asyncio
import json
from collections import defaultdict
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any

from aiohttp import WSMsgType, web

from engine.clock import SimulatedClock

AES_KEY, AES_VECTOR = "kqzvbnmasdfghjklqwertyuiopzxcvbn", "0f3a9c1d5b7e2468"
ORDER_PATH = "/uapi/domestic-stock/v1/trading/order-cash"
PRICE_PATH = "/uapi/domestic-stock/v1/quotations/inquire-price"


@dataclass(frozen=True)
class Reply:
    """One scripted answer. ``silence`` lets that much market time pass first; ``drop`` cuts the connection instead."""

    body: object = None
    status: int = 200
    tr_cont: str = ""
    raw: bytes | None = None
    silence: float = 0.0
    drop: bool = False


@dataclass(frozen=True)
class Seen:
    method: str
    path: str
    headers: dict[str, str]
    query: dict[str, str]
    body: dict[str, Any]


def success(**payload: object) -> dict[str, object]:
    return {**payload, "rt_cd": "0", "msg_cd": "MCA00000", "msg1": "정상처리 되었습니다."}


def refusal(code: str, text: str = "거절", rt_cd: str = "1") -> dict[str, object]:
    return {"rt_cd": rt_cd, "msg_cd": code, "msg1": text}


def token_body(text: str = "eyJ0-first", seconds: int = 86400) -> dict[str, object]:
    return {"access_token": text, "token_type": "Bearer", "expires_in": seconds}


@dataclass
class KisStub:
    """Use as ``async with KisStub(clock) as stub``. Replies of a path are used in order; the last one repeats."""

    clock: SimulatedClock | None = None
    seen: list[Seen] = field(default_factory=list)
    messages: list[dict[str, Any]] = field(default_factory=list)
    """What clients sent over the socket, registrations and echoes alike."""
    echoes: list[str] = field(default_factory=list)
    sockets: list[web.WebSocketResponse] = field(default_factory=list)
    closings: list[int | None] = field(default_factory=list)
    refuse_sessions: str = ""
    """A message code with which every new session is refused and dropped."""
    mute: set[str] = field(default_factory=set)
    """Keys whose registration is never answered."""
    refuse_keys: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._scripts: dict[str, list[Reply]] = defaultdict(list)
        self.script("/oauth2/tokenP", Reply(token_body()))
        self.script("/oauth2/Approval", Reply({"approval_key": "approval-1"}))

    def script(self, path: str, *replies: Reply) -> None:
        self._scripts[path] = list(replies)

    def count(self, path: str) -> int:
        return sum(1 for seen in self.seen if seen.path == path)

    async def __aenter__(self) -> KisStub:
        application = web.Application()
        application.router.add_route("*", "/{path:.*}", self._serve)
        self._runner = web.AppRunner(application, access_log=None, handler_cancellation=True, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.port = int(self._runner.addresses[0][1])
        self.rest_url, self.ws_url = f"http://127.0.0.1:{self.port}", f"ws://127.0.0.1:{self.port}"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for socket in self.sockets:
            await socket.close()
        await self._runner.cleanup()

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        if request.headers.get("Upgrade", "").lower() == "websocket":
            return await self._session(request)
        text = await request.text()
        self.seen.append(
            Seen(
                request.method,
                request.path,
                {key.lower(): value for key, value in request.headers.items()},
                dict(request.query),
                json.loads(text) if text else {},
            )
        )
        replies = self._scripts.get(request.path)
        if not replies:
            return web.json_response(refusal("OPSQ0002", "없는 서비스 코드"), status=404)
        reply = replies.pop(0) if len(replies) > 1 else replies[0]
        if reply.silence and self.clock is not None:
            with self.clock.suspend_hold(request.headers["gt_uid"]):
                await self.clock.sleep(reply.silence)
        if reply.drop:
            assert request.transport is not None
            request.transport.abort()
            return web.Response()
        raw = reply.raw if reply.raw is not None else json.dumps(reply.body, ensure_ascii=False).encode()
        return web.Response(
            body=raw, status=reply.status, headers={"tr_cont": reply.tr_cont, "Content-Type": "application/json"}
        )

    async def _session(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        if self.refuse_sessions:
            await socket.send_str(
                json.dumps(
                    {
                        "header": {"tr_id": "(null)", "tr_key": "", "encrypt": "N"},
                        "body": {"rt_cd": "9", "msg_cd": self.refuse_sessions, "msg1": "ALREADY IN USE appkey"},
                    }
                )
            )
            await asyncio.sleep(0)
            assert request.transport is not None
            request.transport.close()
            return socket
        self.sockets.append(socket)
        async for message in socket:
            if message.type is WSMsgType.TEXT:
                await self._answer(socket, message.data)
        self.closings.append(socket.close_code)
        return socket

    async def _answer(self, socket: web.WebSocketResponse, text: str) -> None:
        message = json.loads(text)
        self.messages.append(message)
        header = message["header"]
        if header.get("tr_id") == "PINGPONG":
            self.echoes.append(text)
            return
        asked = message["body"]["input"]
        if asked["tr_key"] in self.mute:
            return
        refused = self.refuse_keys.get(asked["tr_key"])
        subscribe = header["tr_type"] == "1"
        body: dict[str, Any] = (
            {"rt_cd": "1", "msg_cd": refused, "msg1": "MAX SUBSCRIBE OVER"}
            if refused
            else {
                "rt_cd": "0",
                "msg_cd": "OPSP0000" if subscribe else "OPSP0001",
                "msg1": "SUBSCRIBE SUCCESS" if subscribe else "UNSUBSCRIBE SUCCESS",
                "output": {"iv": AES_VECTOR, "key": AES_KEY},
            }
        )
        encrypt = "Y" if asked["tr_id"].startswith("H0STCNI") else "N"
        await socket.send_str(json.dumps({"header": {**asked, "encrypt": encrypt}, "body": body}))

    def registered(self) -> list[tuple[str, str, str]]:
        """(tr_type, tr_id, tr_key) of every registration message, in order."""
        return [
            (
                message["header"]["tr_type"],
                message["body"]["input"]["tr_id"],
                message["body"]["input"]["tr_key"],
            )
            for message in self.messages
            if "body" in message
        ]

    async def send(self, frame: str | bytes) -> None:
        """Send one text frame over the newest session; bytes may be invalid UTF-8."""
        data = frame.encode() if isinstance(frame, str) else frame
        await self.sockets[-1].send_frame(data, WSMsgType.TEXT)

    def abort(self) -> None:
        """Cut the newest session without a close frame."""
        writer = self.sockets[-1]._writer
        assert writer is not None
        assert writer.transport is not None
        writer.transport.abort()
