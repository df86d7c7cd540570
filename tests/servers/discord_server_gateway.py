"""The gateway of the local Discord server: hello, identify, heartbeats, zlib-stream, resume, op 7/9, close codes."""

from __future__ import annotations

import asyncio
import contextlib
import zlib
from collections import deque
from dataclasses import dataclass, field
from typing import Any

import orjson
from aiohttp import WSMsgType, web

from engine.clock import monotonic, new_secret
from tests.servers.discord_server_state import State

DISPATCH, HEARTBEAT, IDENTIFY, PRESENCE, RESUME, RECONNECT, INVALID, HELLO, ACK = 0, 1, 2, 3, 6, 7, 9, 10, 11
CLIENT_FRAME = 4096
CLIENT_FRAMES_A_MINUTE = 120
IDENTIFIES_A_DAY = 1000


@dataclass(slots=True)
class Session:
    """Outlives its connection: what was sent while the client was away is replayed on resume."""

    id: str
    intents: int
    sequence: int = 0
    buffer: deque[tuple[int, str, dict[str, Any]]] = field(default_factory=lambda: deque(maxlen=500))
    connection: Connection | None = None


@dataclass(slots=True)
class Connection:
    """One socket with the one compressor that Discord keeps for its life."""

    socket: web.WebSocketResponse
    request: web.Request
    compress: bool
    outgoing: asyncio.Queue[dict[str, Any] | None] = field(default_factory=asyncio.Queue)
    compressor: Any = field(default_factory=zlib.compressobj)
    session: Session | None = None

    async def pump(self) -> None:
        while (frame := await self.outgoing.get()) is not None:
            text = orjson.dumps(frame)
            if self.compress:
                await self.socket.send_bytes(self.compressor.compress(text) + self.compressor.flush(zlib.Z_SYNC_FLUSH))
            else:
                await self.socket.send_str(text.decode())


class Gateway:
    """Accepts the real client. ``heartbeat_seconds`` is short in tests; Discord's is about 45."""

    def __init__(self, state: State, *, heartbeat_seconds: float = 1.0) -> None:
        self.state = state
        self.heartbeat_seconds = heartbeat_seconds
        self.sessions: dict[str, Session] = {}
        self.connections: list[Connection] = []
        self.identifies = 0
        self.resumes = 0
        self.heartbeats = 0
        self.refuse_connections = False
        self.resumable = True
        self.ready = asyncio.Event()
        self.resumed = asyncio.Event()
        state.dispatch = self.dispatch

    def dispatch(self, event: str, data: dict[str, Any]) -> None:
        """Send to every session; sessions whose connection is cut keep it for the resume."""
        for session in self.sessions.values():
            session.sequence += 1
            session.buffer.append((session.sequence, event, data))
            self._send_event(session, session.sequence, event, data)

    def cut(self) -> None:
        """Drop every TCP connection without a close frame."""
        for connection in list(self.connections):
            if connection.session is not None:
                connection.session.connection = None
            transport = connection.request.transport
            if transport is not None:
                transport.abort()

    def ask_reconnect(self) -> None:
        """Op 7: the client must come back and resume."""
        for connection in self.connections:
            connection.outgoing.put_nowait({"op": RECONNECT, "d": None})

    async def close(self, code: int) -> None:
        for connection in list(self.connections):
            if connection.session is not None:
                connection.session.connection = None
            await connection.socket.close(code=code)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        if self.refuse_connections:
            return web.Response(status=503)
        if request.query.get("v") != "10" or request.query.get("encoding") != "json":
            return web.Response(status=400)
        socket = web.WebSocketResponse(max_msg_size=0)
        await socket.prepare(request)
        connection = Connection(socket, request, compress=request.query.get("compress") == "zlib-stream")
        self.connections.append(connection)
        connection.outgoing.put_nowait(
            {"op": HELLO, "d": {"heartbeat_interval": int(self.heartbeat_seconds * 1000)}, "s": None, "t": None}
        )
        pump = asyncio.ensure_future(connection.pump())
        try:
            await self._read(connection)
        finally:
            self.connections.remove(connection)
            if connection.session is not None and connection.session.connection is connection:
                connection.session.connection = None
            pump.cancel()
            with contextlib.suppress(asyncio.CancelledError, ConnectionError):
                await pump
        return socket

    async def _read(self, connection: Connection) -> None:
        times: deque[float] = deque()
        async for frame in connection.socket:
            if frame.type is not WSMsgType.TEXT:
                continue
            now = monotonic()
            times.append(now)
            while times and times[0] < now - 60:
                times.popleft()
            if len(frame.data.encode()) > CLIENT_FRAME:
                await connection.socket.close(code=4002)
                return
            if len(times) > CLIENT_FRAMES_A_MINUTE:
                await connection.socket.close(code=4008)
                return
            body = orjson.loads(frame.data)
            if not await self._client_frame(connection, body["op"], body.get("d")):
                return

    async def _client_frame(self, connection: Connection, op: int, data: Any) -> bool:
        if op == HEARTBEAT:
            self.heartbeats += 1
            connection.outgoing.put_nowait({"op": ACK, "d": None})
        elif op == IDENTIFY:
            return await self._identify(connection, data)
        elif op == RESUME:
            return await self._resume(connection, data)
        elif op != PRESENCE:
            await connection.socket.close(code=4001)
            return False
        return True

    async def _identify(self, connection: Connection, data: dict[str, Any]) -> bool:
        self.identifies += 1
        if data["token"] != self.state.token or self.identifies > IDENTIFIES_A_DAY:
            await connection.socket.close(code=4004)
            return False
        privileged = (1 << 1) | (1 << 8) | (1 << 15)  # members, presences, message content
        if data["intents"] & privileged:
            await connection.socket.close(code=4014)
            return False
        session = Session(new_secret(16), data["intents"], connection=connection)
        connection.session = session
        self.sessions = {session.id: session}
        state = self.state
        guilds = {state.guild_id: state.channel_id, **state.extra_guilds}
        ready = {
            "v": 10,
            "user": state.bot.payload(),
            "guilds": [{"id": str(guild), "unavailable": True} for guild in guilds],
            "session_id": session.id,
            "resume_gateway_url": state.base_url.replace("http", "ws") + "/",
            "application": {"id": str(state.application_id), "flags": 0},
            "shard": [0, 1],
            "private_channels": [],
        }
        self.dispatch("READY", ready)
        for guild, channel in guilds.items():
            self.dispatch("GUILD_CREATE", state.guild_payload(guild, channel))
        self.ready.set()
        return True

    async def _resume(self, connection: Connection, data: dict[str, Any]) -> bool:
        session = self.sessions.get(data["session_id"])
        if session is None or not self.resumable or data["token"] != self.state.token:
            connection.outgoing.put_nowait({"op": INVALID, "d": False})
            return True
        connection.session = session
        session.connection = connection
        for sequence, event, body in list(session.buffer):
            if sequence > data["seq"]:
                self._send_event(session, sequence, event, body)
        session.sequence += 1
        self._send_event(session, session.sequence, "RESUMED", {})
        self.resumes += 1
        self.resumed.set()
        return True

    @staticmethod
    def _send_event(session: Session, sequence: int, event: str, data: dict[str, Any]) -> None:
        if session.connection is not None:
            session.connection.outgoing.put_nowait({"op": DISPATCH, "s": sequence, "t": event, "d": data})
