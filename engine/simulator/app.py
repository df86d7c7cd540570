"""The simulated broker as one object: sockets, market time, the day's phases."""

from __future__ import annotations

import asyncio
import heapq
import itertools
import logging
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path

from aiohttp import web

from engine.calendar import TradingCalendar
from engine.clock import MarketClock
from engine.market import Environment
from engine.simulator import wire
from engine.simulator.account_views import AccountViews
from engine.simulator.accounts import Ledger
from engine.simulator.catalogue import endpoints
from engine.simulator.disturbance import Disturber
from engine.simulator.envelope import Answer
from engine.simulator.faults import FaultKind, FaultPlan
from engine.simulator.feed import Feed
from engine.simulator.floor import Floor
from engine.simulator.gateway import Gateway
from engine.simulator.identity import AppKey, builtin_keys
from engine.simulator.limits import RateLimits
from engine.simulator.matching import Exchange
from engine.simulator.oauth import Gatekeeper
from engine.simulator.orders import EventKind, OrderEvent
from engine.simulator.records import Records
from engine.simulator.settings import BrokerSettings
from engine.simulator.snapshot import StateKeeper, read_snapshot
from engine.simulator.stream import Hub
from engine.simulator.tape import Tape
from engine.simulator.timetable import Timetable
from engine.simulator.trading import OrderDesk

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where the simulated broker listens."""

    rest_url: str
    ws_url: str
    port: int
    ws_port: int


class Simulator:
    """A KIS-wire broker over a tape. ``async with simulator.serve() as addresses`` runs it.

    ``service_clock`` is what tokens, limits, PINGPONG and session slots live on: the market clock when embedded, the
    host's clock when it stands alone.
    """

    def __init__(
        self,
        tape: Tape,
        clock: MarketClock,
        *,
        keys: Iterable[AppKey] | None = None,
        settings: BrokerSettings | None = None,
        seed: int = 7,
        calendar: TradingCalendar | None = None,
        tape_day: Callable[[date], date] | None = None,
        service_clock: MarketClock | None = None,
        faults: FaultPlan | None = None,
    ) -> None:
        self.clock = clock
        self.service_clock = service_clock or clock
        self.settings = settings or BrokerSettings()
        self.keys = tuple(builtin_keys() if keys is None else keys)
        self.timetable = Timetable(clock, tape, calendar or TradingCalendar(), tape_day)
        self.faults = faults or FaultPlan()
        self.floor = Floor(tape, self.timetable, seed, self.settings, halts=self.faults.halts_of)
        self.ledger = Ledger(self.keys, self.floor.stock, self.settings.costs, self.timetable.settlement_day)
        self.exchange = Exchange(
            self.floor, self.ledger, self._on_order_event, queue_position=self.settings.queue_position
        )
        self.gatekeeper = Gatekeeper({k.key: k for k in self.keys}, self.settings, self.service_clock.now, seed)
        self.limits = RateLimits(self.settings, self.service_clock.now)
        self.hub = Hub(
            self.gatekeeper,
            self.settings,
            clock,
            self.service_clock,
            seed,
            lambda code: self.floor.stock(code) is not None,
        )
        self.records = Records(self.exchange, self.settings.wire_epoch)
        self.feed = Feed(self.exchange, self.hub, self.records, self.settings)
        self.hub.changed = self._registrations_changed
        self.desk = OrderDesk(self.exchange, self.ledger, lambda call: self._disturber.order_fault(call))
        self.views = AccountViews(self.desk, self.ledger)
        self.gateway = Gateway(
            endpoints(self.exchange, self.records, self.desk, self.views),
            self.gatekeeper,
            self.limits,
            self.service_clock,
        )
        self._disturber = Disturber(self.faults, clock, self.gateway, self.gatekeeper, self.hub)
        self.hub.transform = self._disturber.transform
        self.changed: Callable[[], None] = lambda: None
        self.prepare: Callable[[], None] = lambda: None
        self._agenda: list[tuple[datetime, int, Callable[[], None]]] = []
        self._sequence = itertools.count()
        self._sleeper: asyncio.Task[None] | None = None
        self._day: date | None = None
        self._notice_at: dict[tuple[Environment, str], datetime] = {}

    def keep_state(self, path: Path) -> datetime | None:
        """Let accounts, orders and time outlive the process in ``path``; the saved market time, if there is one.

        Call it before ``serve`` and set the clock to the answer. Raises SnapshotError.
        """
        keeper = StateKeeper(self, path)
        saved = read_snapshot(path)
        self.changed = keeper.changed
        if saved is None:
            return None
        self.prepare = lambda: keeper.restore(saved)
        return datetime.fromisoformat(saved["at"])

    # -- market time

    def at(self, instant: datetime, action: Callable[[], None]) -> None:
        """Do ``action`` at an instant of market time."""
        heapq.heappush(self._agenda, (instant, next(self._sequence), action))
        self.wake()

    def wake(self) -> None:
        """Something changed: look again at what comes next."""
        if self._sleeper is not None:
            self._sleeper.cancel()

    async def run(self) -> None:
        """Drive the exchange until cancelled: sleep to the next instant that matters, then let it happen."""
        while True:
            self._begin_day()
            self._perform()
            self.changed()
            upcoming = self._next_instant()
            self._sleeper = asyncio.ensure_future(self.clock.sleep_until(upcoming, priority=0))
            try:
                await asyncio.wait({self._sleeper})
            finally:
                self._sleeper.cancel()
                self._sleeper = None

    def _next_instant(self) -> datetime:
        midnight = self.clock.now().replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)
        candidates = [midnight]
        if (following := self.feed.next_instant()) is not None:
            candidates.append(following)
        if self._agenda:
            candidates.append(self._agenda[0][0])
        return min(candidates)

    def _perform(self) -> None:
        now = self.clock.now()
        self.feed.play()
        while self._agenda and self._agenda[0][0] <= now:
            heapq.heappop(self._agenda)[2]()

    def _begin_day(self) -> None:
        today = self.timetable.today()
        if today == self._day:
            return
        self._day = today
        self.exchange.expire()
        self.ledger.settle(today)
        self.floor.forget()
        self.feed.forget()
        for account in self.ledger.accounts.values():
            _, summary = self.views.balance_parts(account)
            account.opening_equity[today] = int(summary["tot_evlu_amt"])
        session = self.timetable.session(today)
        if session is None:
            return
        now = self.clock.now()
        if now < session.order_start:
            self.at(session.order_start, self.feed.forget)
        if now < session.close_out:
            self.at(session.close_out, self.exchange.begin_closing_auction)
        if now < session.close + timedelta(seconds=1):
            self.at(session.close + timedelta(seconds=1), self._close)

    def restart_session(self) -> None:
        """Market time was set back to an open (a stand-alone simulator after the close): play the day again.

        Cash, holdings and order numbers stay.
        """
        self._agenda.clear()
        self._notice_at.clear()
        self._day = None
        self.timetable.forget()
        self.wake()

    def _close(self) -> None:
        self.exchange.expire()
        self.ledger.check()

    def _registrations_changed(self) -> None:
        self.feed.watch()
        self.wake()

    # -- notices

    def _on_order_event(self, event: OrderEvent) -> None:
        account = event.order.account
        delay = self.settings.notice_delay
        steps = 1 if event.kind in (EventKind.RECEIVED, EventKind.CONFIRMED) else 2
        now = self.clock.now()
        identity = (account.environment, account.spec.number)
        due = max(now + timedelta(seconds=delay * steps), self._notice_at.get(identity, now))
        record = self.records.notice(event)

        def send() -> None:
            self.hub.notify(account.environment, account.spec.hts_id, record)

        faults = {fault.kind: fault for fault in self.faults.for_notice(wire.notice_of(account.mock))}
        if FaultKind.LOSE_NOTICE in faults:
            pass
        elif delay <= 0 or FaultKind.EARLY_NOTICE in faults:
            send()
        elif (late := faults.get(FaultKind.DELAY_NOTICE)) is not None:
            self.at(due + timedelta(seconds=late.seconds), send)
        else:
            self._notice_at[identity] = due
            self.at(due, send)
        if FaultKind.DUPLICATE_NOTICE in faults:
            self.at(due + timedelta(seconds=1), send)
        self.feed.show_book(event.order.code)

    # -- sockets

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        if request.headers.get("Upgrade", "").lower() == "websocket":
            return await self.hub.serve(request)
        path, body = await self.gateway.read(request)

        def act() -> Answer:
            answer = self.gateway.answer(request.method, path, request.query, request.headers, body)
            self.changed()
            self.wake()
            return answer

        return await self._disturber.respond(request, self.gateway.name_of(path), act)

    @asynccontextmanager
    async def serve(
        self, host: str = "127.0.0.1", port: int = 0, ws_port: int | None = None
    ) -> AsyncIterator[Addresses]:
        """Listen and play. With one port, REST and WebSocket share it; the socket accepts every path."""
        application = web.Application(client_max_size=1 << 20)
        application.router.add_route("*", "/{path:.*}", self._handle)
        runner = web.AppRunner(application, access_log=None, keepalive_timeout=3_600, shutdown_timeout=0.5)
        await runner.setup()
        driver: asyncio.Task[None] | None = None
        try:
            rest = await _listen(runner, host, port)
            stream = rest if ws_port is None else await _listen(runner, host, ws_port)
            self._begin_day()
            self.prepare()
            driver = asyncio.create_task(self.run(), name="simulated exchange")
            driver.add_done_callback(_report)
            yield Addresses(f"http://{host}:{rest}", f"ws://{host}:{stream}", rest, stream)
        finally:
            if driver is not None:
                driver.cancel()
                await asyncio.gather(driver, return_exceptions=True)
            self._disturber.close()
            await self.hub.close()
            await runner.cleanup()


async def _listen(runner: web.AppRunner, host: str, port: int) -> int:
    """Listen and return the port taken. Raises OSError where the port is in use."""
    site = web.TCPSite(runner, host, port)
    await site.start()
    sockets = getattr(site._server, "sockets", None)
    return int(sockets[0].getsockname()[1]) if sockets else port


def _report(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        logger.error("시뮬레이터가 멈췄습니다: %s", error, exc_info=error)
