"""WebSocket sessions: registrations, acknowledgements, PINGPONG, one session per app key."""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

from aiohttp import WSCloseCode, WSMsgType, web

from engine.clock import MarketClock, wall_sleep
from engine.market import Environment, Index, InvalidCode, parse_code
from engine.simulator import wire
from engine.simulator.floor import stable_hash
from engine.simulator.identity import AppKey
from engine.simulator.oauth import Gatekeeper
from engine.simulator.records import pingpong
from engine.simulator.settings import BrokerSettings

_CLOSE_SECONDS = 1.0
"""How long a client may take to answer our close frame."""
_BACKLOG = 100_000
"""Frames that may wait for a client that does not read before it is cut off."""


class Session:
    """One socket. Frames are queued at once and written by a task of its own."""

    def __init__(self, socket: web.WebSocketResponse, request: web.Request, clock: MarketClock, number: int) -> None:
        self.socket = socket
        self.number = number
        self.key: AppKey | None = None
        self.registrations: dict[tuple[str, str], None] = {}
        self.cipher_key = ""
        self.cipher_iv = ""
        self.last_sent: datetime | None = None
        self.silent = False
        """A fault: nothing is written any more, the socket stays open."""
        self._clock = clock
        self._request = request
        peer = request.transport.get_extra_info("peername") if request.transport else None
        self.port = int(peer[1]) if peer else 0
        self._queue: deque[bytes] = deque()
        self._ready = asyncio.Event()
        self.closed = False

    def send(self, text: str) -> None:
        self.send_bytes(text.encode())

    def send_bytes(self, data: bytes) -> None:
        """Queue one text frame, which need not be valid UTF-8."""
        if self.closed or self.silent:
            return
        if len(self._queue) > _BACKLOG:
            self.abort()
            return
        self._clock.frame_sent(self.port)
        self._queue.append(data)
        self._ready.set()

    async def write(self) -> None:
        """Write queued frames until the socket is gone."""
        while not self.closed:
            await self._ready.wait()
            self._ready.clear()
            try:
                while self._queue:
                    await self.socket.send_frame(self._queue.popleft(), WSMsgType.TEXT)
            except (ConnectionError, RuntimeError):
                self.closed = True

    async def drain(self) -> None:
        """Return once everything queued was handed to the socket."""
        while self._queue and not self.closed:
            await wall_sleep(0)

    def abort(self) -> None:
        """Drop the connection without a close handshake."""
        self.closed = True
        self._ready.set()
        if self._request.transport is not None:
            self._request.transport.abort()


class Hub:
    """All sessions and who registered for what. ``changed`` is called when registrations change."""

    def __init__(
        self,
        gatekeeper: Gatekeeper,
        settings: BrokerSettings,
        clock: MarketClock,
        service_clock: MarketClock,
        seed: int,
        known_code: Callable[[str], bool],
    ) -> None:
        self._gatekeeper = gatekeeper
        self._settings = settings
        self._clock = clock
        self._service_clock = service_clock
        self._seed = seed
        self._known_code = known_code
        self.changed: Callable[[], None] = lambda: None
        self.transform: Callable[[Session, str, str], Sequence[str | bytes]] = lambda session, tr_id, text: (text,)
        """What a data frame becomes on its way out (faults)."""
        self.sessions: dict[int, Session] = {}
        self._count = 0
        self._slots: dict[str, Session] = {}
        self._taken_until: dict[str, datetime] = {}

    # -- who listens

    def listeners(self, tr_id: str, key: str) -> list[Session]:
        return [session for session in self.sessions.values() if (tr_id, key) in session.registrations]

    def wanted(self, tr_ids: Iterable[str]) -> list[str]:
        """Keys registered for any of ``tr_ids``, in a fixed order."""
        chosen = set(tr_ids)
        return sorted({key for s in self.sessions.values() for tr_id, key in s.registrations if tr_id in chosen})

    def publish(self, tr_id: str, key: str, records: Sequence[str]) -> None:
        """Send records to everyone registered for (tr_id, key)."""
        listeners = self.listeners(tr_id, key)
        if not listeners or not records:
            return
        size = self._settings.records_per_frame
        frames = [wire.frame(tr_id, records[first : first + size]) for first in range(0, len(records), size)]
        for session in listeners:
            for text in frames:
                self._deliver(session, tr_id, text)

    def notify(self, environment: Environment, hts_id: str, record: str) -> None:
        """Send an execution notice to the sessions of that HTS id."""
        tr_id = wire.notice_of(environment is Environment.MOCK)
        for session in self.listeners(tr_id, hts_id):
            if session.key is not None and session.key.environment is environment:
                text = wire.encrypted_frame(tr_id, [record], session.cipher_key, session.cipher_iv)
                self._deliver(session, tr_id, text)

    def _deliver(self, session: Session, tr_id: str, text: str) -> None:
        session.last_sent = self._service_clock.now()
        for part in self.transform(session, tr_id, text):
            if isinstance(part, bytes):
                session.send_bytes(part)
            else:
                session.send(part)

    # -- slots

    def occupy(self, key: AppKey, seconds: float) -> None:
        """Keep the key's session slot taken for a while, as after an unclean end (a fault)."""
        self._taken_until[key.key] = self._service_clock.now() + timedelta(seconds=seconds)

    def _take_slot(self, session: Session, key: AppKey) -> bool:
        holder = self._slots.get(key.key)
        if holder is not None and holder is not session and not holder.closed:
            return False
        until = self._taken_until.get(key.key)
        if until is not None and self._service_clock.now() < until:
            return False
        self._slots[key.key] = session
        session.key = key
        return True

    # -- one connection

    async def serve(self, request: web.Request) -> web.StreamResponse:
        socket = web.WebSocketResponse(
            autoping=True, heartbeat=None, max_msg_size=1 << 20, compress=False, timeout=_CLOSE_SECONDS
        )
        await socket.prepare(request)
        self._count += 1
        session = Session(socket, request, self._clock, self._count)
        digest = stable_hash(self._seed, "cipher", self._count)
        session.cipher_iv = f"{digest:016x}"
        letters = stable_hash(self._seed, "letters", self._count) | stable_hash(self._seed, "more", self._count) << 64
        session.cipher_key = "".join(chr(97 + (letters >> (4 * n)) % 26) for n in range(32))
        self.sessions[session.number] = session
        writer = asyncio.create_task(session.write())
        pinger = asyncio.create_task(self._ping(session))
        clean = False
        try:
            async for message in socket:
                if message.type in (WSMsgType.TEXT, WSMsgType.BINARY):
                    await self._hear(session, message.data)
                if session.closed:
                    break
            clean = socket.close_code is not None and socket.close_code != WSCloseCode.ABNORMAL_CLOSURE
        finally:
            session.closed = True
            for task in (writer, pinger):
                task.cancel()
            self._forget(session, clean)
        return socket

    def _forget(self, session: Session, clean: bool) -> None:
        self.sessions.pop(session.number, None)
        if session.key is not None and self._slots.get(session.key.key) is session:
            del self._slots[session.key.key]
            if not clean and self._settings.slot_linger:
                self.occupy(session.key, self._settings.slot_linger)
        self.changed()

    async def _ping(self, session: Session) -> None:
        """PINGPONG, rarer while data flows. An unanswered one has no consequence."""
        interval = self._settings.pingpong_interval
        skipped = 0
        while not session.closed:
            await self._service_clock.sleep(interval)
            now = self._service_clock.now()
            busy = session.last_sent is not None and (now - session.last_sent).total_seconds() < interval
            if busy and skipped < 2:
                skipped += 1
                continue
            skipped = 0
            session.send(pingpong(now))

    async def _hear(self, session: Session, data: str | bytes) -> None:
        text = data.decode("utf-8", "replace") if isinstance(data, bytes) else data
        try:
            message = json.loads(text)
        except ValueError:
            session.send(_error("(null)", "", "OPSP9999", "invalid json format", rt_cd="9"))
            return
        if not isinstance(message, dict) or not isinstance(message.get("header"), dict):
            session.send(_error("(null)", "", "OPSP9998", "header not found", rt_cd="9"))
            return
        header = message["header"]
        if header.get("tr_id") == "PINGPONG":
            return
        body = message.get("body")
        request = body.get("input") if isinstance(body, dict) else None
        if not isinstance(body, dict) or not isinstance(request, dict):
            missing = ("OPSP9992", "body not found") if not isinstance(body, dict) else ("OPSP9991", "input not found")
            session.send(_error("(null)", "", *missing, rt_cd="9"))
            return
        await self._register(session, header, request)

    async def _register(self, session: Session, header: dict[str, Any], request: dict[str, Any]) -> None:
        tr_id, tr_key = str(request.get("tr_id", "")).strip(), str(request.get("tr_key", "")).strip()
        approval = str(header.get("approval_key", ""))
        key = self._gatekeeper.approved(approval)
        if key is None:
            session.send(_error(tr_id, tr_key, "OPSP0011", f"invalid approval : {approval or 'NOT FOUND'}"))
            await session.drain()
            await session.socket.close()
            return
        if not self._take_slot(session, key):
            session.send(_error("(null)", "", "OPSP8996", "ALREADY IN USE appkey", rt_cd="9"))
            await session.drain()
            session.abort()
            return
        refusal = self._refusal(session, key, str(header.get("tr_type", "")), tr_id, tr_key)
        if refusal is not None:
            session.send(_error(tr_id, tr_key, *refusal))
            return
        if header["tr_type"] == "1":
            session.registrations[(tr_id, tr_key)] = None
            session.send(self._acknowledgement(session, tr_id, tr_key, "OPSP0000", "SUBSCRIBE SUCCESS"))
        else:
            del session.registrations[(tr_id, tr_key)]
            session.send(self._acknowledgement(session, tr_id, tr_key, "OPSP0001", "UNSUBSCRIBE SUCCESS"))
        self.changed()

    def _refusal(self, session: Session, key: AppKey, tr_type: str, tr_id: str, tr_key: str) -> tuple[str, str] | None:
        if tr_type not in ("1", "2"):
            return "OPSP8997", "invalid tr_type"
        mock = key.environment is Environment.MOCK
        offered = (
            tr_id in wire.MOCK_STREAMS
            if mock
            else tr_id in wire.STOCK_STREAMS | wire.SILENT_STREAMS | {wire.INDEX, wire.NOTICE_REAL}
        )
        if not offered:
            return "OPSP8991", "invalid tr_id"
        if not tr_key:
            return "OPSP9990", "tr_key not found"
        if not self._valid_key(tr_id, tr_key):
            return "OPSP8992", "invalid tr_key"
        registered = (tr_id, tr_key) in session.registrations
        if tr_type == "2":
            return None if registered else ("OPSP0003", "UNSUBSCRIBE ERROR(not found!)")
        if registered:
            return "OPSP0002", "ALREADY IN SUBSCRIBE"
        if len(session.registrations) >= self._settings.registrations:
            return "OPSP0008", "MAX SUBSCRIBE OVER"
        return None

    def _valid_key(self, tr_id: str, tr_key: str) -> bool:
        if tr_id in wire.NOTICES or tr_id in wire.SILENT_STREAMS:
            return True
        if tr_id == wire.INDEX:
            return tr_key in {index.value for index in Index}
        try:
            return self._known_code(parse_code(tr_key))
        except InvalidCode:
            return False

    def _acknowledgement(self, session: Session, tr_id: str, tr_key: str, code: str, text: str) -> str:
        return json.dumps(
            {
                "header": {"tr_id": tr_id, "tr_key": tr_key, "encrypt": "Y" if tr_id in wire.ENCRYPTED else "N"},
                "body": {
                    "rt_cd": "0",
                    "msg_cd": code,
                    "msg1": text,
                    "output": {"iv": session.cipher_iv, "key": session.cipher_key},
                },
            }
        )

    async def close(self) -> None:
        closing = [session.socket.close(code=WSCloseCode.GOING_AWAY) for session in self.sessions.values()]
        await asyncio.gather(*closing, return_exceptions=True)


def _error(tr_id: str, tr_key: str, code: str, text: str, *, rt_cd: str = "1") -> str:
    return json.dumps(
        {
            "header": {"tr_id": tr_id, "tr_key": tr_key, "encrypt": "N"},
            "body": {"rt_cd": rt_cd, "msg_cd": code, "msg1": text},
        },
        ensure_ascii=False,
    )
