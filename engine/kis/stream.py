"""The one WebSocket session: registrations, reconnection, watchdog.

One session per app key. A session that ends without a close handshake can block the key for a while, and quick retries
make it worse; so it is always closed properly, and a busy key is left alone for at least twenty seconds.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from urllib.parse import urlsplit

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, WebSocketException

from engine.broker import BrokerError, Channel, ChannelKind, StreamEvent, StreamLost, StreamRestored
from engine.clock import MarketClock, seeded, wall_timeout
from engine.kis.auth import Access
from engine.kis.frames import FrameParser
from engine.kis.inbox import Inbox
from engine.kis.limits import KisLimits
from engine.kis.messages import BAD_APPROVAL, KEY_IN_USE, Answer, Ping, read_control, registration, wire_name
from engine.kis.settings import KisAddresses, KisCredentials
from engine.kis.wire import Wire
from engine.market import Code

logger = logging.getLogger(__name__)

ANSWER_WALL_SECONDS = 2.0
"""How long a registration may keep market time from moving while its answer is awaited."""
UNANSWERED = 3
"""So many registrations without an answer end a pass: the session may be dead, and each one costs time."""
FIRST_BACK_OFF, LONGEST_BACK_OFF, BUSY_KEY_BACK_OFF = 1.0, 30.0, 20.0
CLOSE_WALL_SECONDS = 3.0

_socket_logger = logging.getLogger("engine.kis.socket")
_socket_logger.setLevel(logging.WARNING)  # its DEBUG lines hold every message, the approval key among them


class KisStream:
    """Fulfils engine.broker.Stream. The session opens with the first ``set_channels`` and lives until ``close``."""

    def __init__(
        self,
        access: Access,
        clock: MarketClock,
        addresses: KisAddresses,
        credentials: KisCredentials,
        wire: Wire,
        limits: KisLimits,
    ) -> None:
        self._access = access
        self._clock = clock
        self._credentials = credentials
        self._wire = wire
        self._limits = limits
        url = addresses.ws_url.rstrip("/")
        self._url = url if urlsplit(url).path else f"{url}/tryitout"
        self._inbox = Inbox(clock)
        self._parser = FrameParser(credentials.account, clock.now, self._codes)
        self._wanted: tuple[Channel, ...] = ()
        self._registered: dict[tuple[str, str], Channel] = {}
        self._named: dict[str, frozenset[Code]] = {}
        self._refused: set[Channel] = set()
        self._answers: dict[tuple[str, str], asyncio.Future[Answer]] = {}
        self._registering = asyncio.Lock()
        self._socket: ClientConnection | None = None
        self._approval = ""
        self._fault = ""
        self._lost_at: datetime | None = None
        self._last_message = clock.now()
        self._attempts = 0
        self._runner: asyncio.Task[None] | None = None
        self._closing = False
        self._warned = False

    @property
    def channels(self) -> frozenset[Channel]:
        """What the broker has confirmed."""
        return frozenset(self._registered.values())

    @property
    def connected(self) -> bool:
        return self._socket is not None

    @property
    def dropped(self) -> dict[str, int]:
        """Frames and records that were refused, by reason."""
        return dict(self._parser.dropped)

    @property
    def lost_events(self) -> int:
        return self._inbox.lost

    def events(self) -> AsyncIterator[StreamEvent]:
        """For one consumer; ends after ``close``.

        An event counts as taken care of when the next one is asked for, and until then a simulated market stands
        still: the consumer must not await anything that waits for market time, such as a call of this client.
        """
        return self._inbox.events()

    async def set_channels(self, wanted: Sequence[Channel]) -> None:
        """Make the registrations equal ``wanted``, most important first; what does not fit is left out."""
        possible = [channel for channel in dict.fromkeys(wanted) if self._possible(channel)]
        self._wanted = tuple(possible[: self._limits.registrations])
        self._refused &= set(self._wanted)
        if self._closing:
            return
        if self._runner is None:
            self._runner = asyncio.create_task(self._run(), name="kis stream")
            self._runner.add_done_callback(self._ended)
        await self._register()

    def _possible(self, channel: Channel) -> bool:
        if channel.kind is not ChannelKind.NOTICE or self._credentials.hts_id:
            return True
        if not self._warned:
            self._warned = True
            logger.warning("HTS 아이디가 없어 체결 통보를 받을 수 없습니다: 주문 상태는 조회로만 확인합니다")
        return False

    async def close(self) -> None:
        """Close with a handshake and end ``events``."""
        self._closing = True
        if self._runner is not None:
            self._runner.cancel()
            await asyncio.gather(self._runner, return_exceptions=True)
        self._inbox.close()
        self._inbox.abandon()

    def _ended(self, runner: asyncio.Task[None]) -> None:
        if not runner.cancelled() and (error := runner.exception()) is not None:
            logger.error("실시간 접속이 오류로 끝났습니다", exc_info=error)
            self._inbox.put(StreamLost(self._clock.now(), f"내부 오류 ({type(error).__name__})"))

    # -- session

    async def _run(self) -> None:
        while True:
            self._fault = ""
            try:
                await self._session()
            except (BrokerError, OSError, WebSocketException) as problem:
                # Texts of the library may hold addresses, never our messages; ours are for users.
                self._fault = self._fault or (
                    str(problem) if isinstance(problem, BrokerError) else f"연결 끊김 ({type(problem).__name__})"
                )
            if self._lost_at is None:
                self._lost_at = self._last_message
                self._inbox.put(StreamLost(self._clock.now(), self._fault or "연결이 닫혔습니다"))
            await self._clock.sleep(self._pause())

    def _pause(self) -> float:
        self._attempts += 1
        pause: float = min(LONGEST_BACK_OFF, FIRST_BACK_OFF * 2.0 ** min(self._attempts - 1, 8))
        if KEY_IN_USE in self._fault:
            pause = max(pause, BUSY_KEY_BACK_OFF)
        return pause * (1.0 + 0.25 * float(seeded("kis-stream", self._attempts).random()))

    async def _session(self) -> None:
        self._approval = await self._access.approval_key()
        with self._clock.hold("실시간 접속"):
            socket = await connect(
                self._url,
                open_timeout=10,
                close_timeout=CLOSE_WALL_SECONDS,
                ping_interval=None,  # the broker does not always answer protocol pings
                compression=None,
                proxy=None,
                max_size=4 * 2**20,
                max_queue=256,
                logger=_socket_logger,
            )
            port = int(socket.local_address[1])
            self._clock.channel_opened(port)
        self._last_message = self._clock.now()
        self._parser.key = None
        self._refused.clear()
        self._socket = socket
        watchdog = asyncio.create_task(self._watch(socket), name="kis stream watchdog")
        reader = asyncio.create_task(self._receive(socket, port), name="kis stream reader")
        try:
            await self._register()
            if self._socket is socket:
                self._restored()
            await reader
        finally:
            self._end()
            watchdog.cancel()
            reader.cancel()
            await asyncio.gather(watchdog, reader, return_exceptions=True)
            await socket.close()
            self._inbox.end_channel(port)

    def _end(self) -> None:
        """Whoever waits for an answer of this session will get none."""
        self._socket = None
        self._registered.clear()
        self._named.clear()
        for future in self._answers.values():
            if not future.done():
                future.set_exception(ConnectionResetError())
        self._answers.clear()

    def _restored(self) -> None:
        self._attempts = 0
        if self._lost_at is not None:
            self._inbox.put(StreamRestored(self._clock.now(), self._lost_at))
            self._lost_at = None

    async def _watch(self, socket: ClientConnection) -> None:
        """Close a session that went silent, and ask again for registrations that were never answered."""
        step = self._limits.silence / 2
        while True:
            await self._clock.sleep(step)
            silent = (self._clock.now() - self._last_message).total_seconds()
            if silent >= self._limits.silence:
                self._fault = f"{silent:.0f}초 동안 아무 소식이 없습니다"
                await socket.close()
                return
            await self._register()

    async def _receive(self, socket: ClientConnection, port: int) -> None:
        try:
            while not self._fault:
                await self._message(socket, port)
        finally:
            self._end()

    async def _message(self, socket: ClientConnection, port: int) -> None:
        # Bytes: the broker sends text that is not always UTF-8, which must not end the session.
        data = await socket.recv(decode=False)
        self._last_message = self._clock.now()
        text = data.decode("utf-8", errors="replace")
        if text[:1] in ("0", "1"):
            self._inbox.put_frame(self._parser.parse(text), port)
            return
        message = read_control(text)
        if isinstance(message, Ping):
            await socket.send(data, text=True)
        elif isinstance(message, Answer):
            self._answered(message)
        else:
            self._parser.dropped["unreadable message"] += 1
        self._clock.frame_handled(port)

    # -- registrations

    def _codes(self, tr_id: str) -> frozenset[Code]:
        return self._named.get(tr_id, frozenset())

    def _names(self) -> dict[tuple[str, str], Channel]:
        return {wire_name(channel, self._wire, self._credentials.hts_id): channel for channel in self._wanted}

    async def _register(self) -> None:
        """Bring the session's registrations to what is wanted: first take away, then add."""
        async with self._registering:
            names = self._names()
            unanswered = 0
            for name in [name for name in self._registered if name not in names]:
                if (channel := self._registered.get(name)) is None:
                    continue  # the session ended while an earlier answer was awaited
                unanswered += not await self._ask(name, channel, subscribe=False)
                if unanswered >= UNANSWERED:
                    return
            for name, channel in self._names().items():
                if name not in self._registered and channel not in self._refused:
                    unanswered += not await self._ask(name, channel, subscribe=True)
                    if unanswered >= UNANSWERED:
                        return

    async def _ask(self, name: tuple[str, str], channel: Channel, *, subscribe: bool) -> bool:
        """Register or take away one channel. False where no answer came."""
        socket = self._socket
        if socket is None:
            return False
        future: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._answers[name] = future
        if subscribe:
            self._named[name[0]] = self._codes(name[0]) | {name[1]}
        try:
            async with self._clock.hold("실시간 등록"):
                await socket.send(registration(self._approval, *name, subscribe=subscribe))
                async with wall_timeout(ANSWER_WALL_SECONDS):
                    answer = await future
        except (OSError, ConnectionClosed):  # OSError: also no answer in time
            return False  # the watchdog or the next session asks again
        finally:
            self._answers.pop(name, None)
        if subscribe and answer.registered:
            self._registered[name] = channel
        elif not subscribe and answer.removed:
            self._registered.pop(name, None)
            self._named[name[0]] = self._codes(name[0]) - {name[1]}
        else:
            logger.warning("실시간 등록 거절: %s %s", answer.code, channel.kind.value)
            if subscribe:
                self._refused.add(channel)
        await self._clock.sleep(self._limits.registration_spacing)
        return True

    def _answered(self, answer: Answer) -> None:
        if answer.session_key is not None:
            self._parser.key = answer.session_key
        if answer.code == KEY_IN_USE:
            self._fault = f"같은 앱키의 실시간 접속이 아직 남아 있습니다 ({KEY_IN_USE})"
        elif answer.code in BAD_APPROVAL:
            self._fault = f"실시간 접속키가 거절되었습니다 ({answer.code})"
        future = self._answers.get((answer.tr_id, answer.key))
        if future is not None and not future.done():
            future.set_result(answer)
