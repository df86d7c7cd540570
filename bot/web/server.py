"""The web front end: one address, one application, served inside the service's own event loop."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import uvicorn

from bot.alert_texts import AlertWriter
from bot.checks import port_holder
from bot.control import ControlPlane
from bot.dispatch import Dispatcher
from bot.texts import Texts
from bot.web.application import create_app, guarded
from bot.web.backtest_routes import view
from bot.web.cards import CardDesk
from bot.web.connections import PatientProtocol
from bot.web.events import EventLog
from bot.web.figures import Figures
from bot.web.guard import default_limiters
from bot.web.jobs import Jobs, RunningJob
from bot.web.orders import ApiOrders
from bot.web.pictures import Shelf
from bot.web.policy import BODY_SECONDS, Policy, is_loopback
from bot.web.prices import LivePrices, PriceHub
from bot.web.security import Rate, Sessions, read_or_make_token
from bot.web.state import WebState
from engine.clock import monotonic

logger = logging.getLogger(__name__)

GRACE_SECONDS = 3
CONNECTIONS = 4_096


class WebProblem(Exception):
    """The web front end cannot be opened; the message says why and what to do, in Korean."""


class PortInUse(WebProblem):
    """Another program listens on the port."""

    def __init__(self, host: str, port: int, holder: str) -> None:
        super().__init__(
            f"{host}:{port} 을(를) {holder} 이(가) 쓰고 있습니다. --port {port + 1} 처럼 다른 번호를 쓰세요"
        )
        self.port = port
        self.holder = holder


class WebFrontEnd:
    """``bind`` first (it raises where the address cannot be had), then ``run`` until cancelled."""

    def __init__(
        self,
        *,
        plane: ControlPlane,
        dispatcher: Dispatcher,
        home: Path,
        host: str = "127.0.0.1",
        port: int = 8000,
        public: bool = False,
        names: tuple[str, ...] = (),
        certificate: Path | None = None,
        private_key: Path | None = None,
        rate: Rate | None = None,
        live: LivePrices | None = None,
        figures: Callable[[], Figures] = Figures,
        body_seconds: float = BODY_SECONDS,
    ) -> None:
        """``live`` is the engine's view of the stream, ``figures`` reads it for /metrics. Makes HOME/api-token at the first run. Raises WebProblem."""
        if not is_loopback(host) and not public and certificate is None:
            raise WebProblem(
                f"{host} 에 열면 다른 기기에서 주문할 수 있습니다. TLS 인증서를 주거나 GAEMI_PUBLIC=true 로 뜻을 밝히세요"
            )
        try:
            self._token = read_or_make_token(home)
        except OSError as problem:
            raise WebProblem(f"{home} 에 API 토큰을 쓸 수 없습니다: {problem.strerror}") from problem
        self._host = host
        self._port = port
        self._names = names
        self._certificate = certificate
        self._private_key = private_key
        self._socket: socket.socket | None = None
        self._policy = self._policy_for(port)
        rates, failures = default_limiters(plane.wall, rate)
        self.shelf = Shelf()
        self.sessions = Sessions(plane.wall)
        self.events = EventLog(AlertWriter(Texts(plane.language), plane.services.environment, monotonic))
        self._plane = plane
        self.prices = PriceHub(plane.services, live)
        cards = CardDesk(plane, dispatcher, self.shelf)
        self.jobs = Jobs(self._job_changed)
        self.state = WebState(
            plane=plane,
            cards=cards,
            shelf=self.shelf,
            sessions=self.sessions,
            failures=failures,
            policy=lambda: self._policy,
            login_link=self.login_link,
            events=self.events,
            prices=self.prices,
            jobs=self.jobs,
            orders=ApiOrders(plane, cards),
            figures=figures,
        )
        self.application = guarded(create_app(self.state), self.state, self._token, rates, body_seconds)

    @property
    def address(self) -> str:
        """Where a browser on this machine finds the console."""
        scheme = "https" if self._certificate else "http"
        name = self._host if is_loopback(self._host) else "127.0.0.1"
        return f"{scheme}://{f'[{name}]' if ':' in name else name}:{self._port}/"

    def login_link(self) -> str:
        """A new link into the console: good once, for two minutes. The code is in the fragment, which no server sees."""
        return f"{self.address}#code={self.sessions.new_code()}"

    def bind(self) -> int:
        """Take the address; the port (useful where 0 was asked for). Raises PortInUse, WebProblem."""
        if self._socket is not None:
            return self._port
        family = socket.AF_INET6 if ":" in self._host else socket.AF_INET
        # The protocol by name: asyncio switches Nagle's delay off only where it sees TCP.
        found = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        try:
            found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            found.bind((self._host, self._port))
            found.listen(1024)
        except OSError as problem:
            found.close()
            if problem.errno is not None and "in use" in str(problem.strerror):
                raise PortInUse(self._host, self._port, port_holder(self._port)) from problem
            raise WebProblem(f"{self._host}:{self._port} 에 열 수 없습니다: {problem.strerror}") from problem
        found.setblocking(False)
        self._socket = found
        self._port = int(found.getsockname()[1])
        self._policy = self._policy_for(self._port)
        return self._port

    def _job_changed(self, job: RunningJob) -> None:
        seen = view(self.state, job, with_result=False)
        self.events.tell(job.owner, {"type": "job", "job": seen.model_dump()})

    def _policy_for(self, port: int) -> Policy:
        names = self._names if is_loopback(self._host) else (self._host, *self._names)
        return Policy(port, self._host, names, self._certificate is not None)

    async def run(self) -> None:
        """Serve until cancelled; then let running answers end within three seconds and close the sockets."""
        self.bind()
        assert self._socket is not None
        config = uvicorn.Config(
            self.application,
            loop="none",
            http=PatientProtocol,
            ws="websockets-sansio",
            ws_max_size=64 * 1024,
            ws_ping_interval=20.0,
            ws_ping_timeout=20.0,
            ws_per_message_deflate=False,
            lifespan="off",
            interface="asgi3",
            access_log=False,
            log_config=None,
            server_header=False,
            proxy_headers=False,
            timeout_keep_alive=30,
            timeout_graceful_shutdown=GRACE_SECONDS,
            limit_concurrency=CONNECTIONS,
            ssl_certfile=str(self._certificate) if self._certificate else None,
            ssl_keyfile=str(self._private_key) if self._private_key else None,
        )
        server = _Server(config)
        works = [
            asyncio.create_task(server.serve(sockets=[self._socket]), name="web-server"),
            asyncio.create_task(self.events.run(self._plane.services.events), name="web-events"),
            asyncio.create_task(self.prices.run_changes(), name="web-changes"),
            asyncio.create_task(self.prices.run_watch(), name="web-watch"),
            asyncio.create_task(self.prices.run_broadcast(), name="web-broadcast"),
        ]
        try:
            done, _ = await asyncio.wait(works, return_when=asyncio.FIRST_COMPLETED)
            for work in done:
                work.result()
        finally:
            await self._close(server, works)

    async def _close(self, server: uvicorn.Server, works: list[asyncio.Task[None]]) -> None:
        serving, *others = works
        await self.jobs.close()
        for work in others:
            work.cancel()
        server.should_exit = True
        with contextlib.suppress(asyncio.CancelledError, Exception):
            async with asyncio.timeout(GRACE_SECONDS + 2.0):
                await asyncio.gather(*works, return_exceptions=True)
        if not serving.done():
            server.force_exit = True
            serving.cancel()
            await asyncio.gather(serving, return_exceptions=True)
        if self._socket is not None:
            self._socket.close()
            self._socket = None


class _Server(uvicorn.Server):
    """Signals belong to the service."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield
