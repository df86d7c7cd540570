"""Which market the service stands in: 실전, 모의, or the embedded simulator. One client, three addresses.

The simulator's account, its orders and its market time outlive the process (``simulator.json`` in the data folder), as
a real broker's would: after a crash the service finds its orders where it left them.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path

from bot.settings import Settings
from engine.calendar import TradingCalendar
from engine.clock import MarketClock, SimulatedClock, WallMarketClock
from engine.day import morning_of
from engine.kis import KIS, MOCK_ADDRESSES, REAL_ADDRESSES, KisAddresses, KisCredentials, KisLimits
from engine.market import KST, Code, Environment, Stock
from engine.ports import Listing
from engine.simulator.app import Simulator
from engine.simulator.settings import BrokerSettings
from engine.simulator.snapshot import SnapshotError
from engine.simulator.tape import Tape, TapeError

DEFAULT_SEED = 7
DEFAULT_SIMULATED_DAY = date(2026, 11, 23)
SIMULATED_KEYS = {"app_key": "V" * 36, "app_secret": "W" * 180}
REAL_SIMULATED_KEYS = {"app_key": "A" * 36, "app_secret": "S" * 180}
OPENING_MARGIN = timedelta(minutes=1)
"""Market time that opening the service may use (the broker's call limits run on it)."""
SIMULATED_ACCOUNT = "12345678"


@dataclass(frozen=True, slots=True)
class MarketChoice:
    """What the command line says about the market to stand in."""

    seed: int = DEFAULT_SEED
    day: date | None = None
    replay: Path | None = None
    speed: float = 60.0


class VenueError(Exception):
    """The market cannot be opened; one Korean line."""


class TapeListing:
    """The simulator's own stock list."""

    def __init__(self, tape: Tape, clock: MarketClock) -> None:
        self._stocks = tuple(tape.stocks)
        self._by_code = {stock.code: stock for stock in self._stocks}
        self.source = tape.name
        self.as_of: datetime | None = clock.now()

    def stocks(self) -> Sequence[Stock]:
        return self._stocks

    def get(self, code: Code) -> Stock | None:
        return self._by_code.get(code)


@dataclass
class Venue:
    environment: Environment
    clock: MarketClock
    calendar: TradingCalendar
    kis: KIS
    data_folder: Path
    source: str
    account_tail: str
    listing: Listing | None
    next_day: Callable[[date], date | None]
    synthetic: bool = False
    """Prices are made up: nothing that was proven on real ones counts here."""
    simulator: Simulator | None = None
    tape: Tape | None = None
    background: tuple[asyncio.Task[None], ...] = ()
    """What runs for as long as the venue is open: the clock, the simulator."""

    async def watch(self) -> None:
        """Wait; raises what ended a background task."""
        if self.background:
            done, _ = await asyncio.wait(self.background, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
            raise RuntimeError("시장 시뮬레이터가 멈췄습니다")
        await asyncio.Event().wait()


def open_tape(choice: MarketChoice, calendar: TradingCalendar) -> tuple[Tape, date]:
    """The tape and the day it begins with. Raises VenueError."""
    try:
        if choice.replay is not None:
            from engine.simulator.replay import ReplayTape

            tape: Tape = ReplayTape(choice.replay, choice.day)
            return tape, choice.day or tape.first_day()
        from engine.simulator.synthetic import SyntheticTape

        day = choice.day or DEFAULT_SIMULATED_DAY
        if not calendar.is_open(day):
            raise VenueError(f"{day} 은(는) 거래일이 아닙니다. 다음 거래일은 {calendar.next_day(day)} 입니다")
        return SyntheticTape(choice.seed, DEFAULT_SIMULATED_DAY if choice.day is None else day, calendar), day
    except TapeError as error:
        raise VenueError(str(error)) from error


@asynccontextmanager
async def open_venue(settings: Settings, choice: MarketChoice, home: Path) -> AsyncIterator[Venue]:
    """Open the market that the settings name. Raises VenueError."""
    if settings.environment is Environment.SIMULATOR:
        async with _simulated(choice, home) as venue:
            yield venue
        return
    clock = WallMarketClock()
    calendar = TradingCalendar()
    assert settings.kis_app_key is not None
    assert settings.kis_app_secret is not None
    credentials = KisCredentials(
        settings.kis_app_key.get_secret_value(),
        settings.kis_app_secret.get_secret_value(),
        settings.kis_account[:8],
        settings.kis_account[8:],
        settings.kis_hts_id,
    )
    environment = settings.environment
    addresses = MOCK_ADDRESSES if environment is Environment.MOCK else REAL_ADDRESSES
    folder = _private(home / f"{environment.value}-{settings.account_tail}")
    limits = KisLimits(settings.kis_calls_per_second) if settings.kis_calls_per_second else None
    async with KIS(credentials, addresses, environment, clock, folder, limits) as kis:
        yield Venue(
            environment,
            clock,
            calendar,
            kis,
            folder,
            "KIS",
            settings.account_tail,
            None,
            calendar.next_day,
        )


@asynccontextmanager
async def _simulated(choice: MarketChoice, home: Path) -> AsyncIterator[Venue]:
    calendar = TradingCalendar()
    tape, first_day = open_tape(choice, calendar)
    name = f"replay-{first_day:%Y%m%d}" if choice.replay else f"seed-{choice.seed}"
    if choice.day is not None and not choice.replay:
        name += f"-{first_day:%Y%m%d}"
    folder = _private(home / "simulator" / name)
    clock = SimulatedClock(morning_of(calendar, first_day), choice.speed)
    # A replay must give the source's bars: an interruption would merge their trades.
    settings = BrokerSettings(volatility_interruptions=choice.replay is None)
    simulator = Simulator(tape, clock, seed=choice.seed, calendar=calendar, settings=settings)
    try:
        resumed = simulator.keep_state(folder / "simulator.json")
    except SnapshotError as error:
        raise VenueError(str(error)) from error
    if resumed is not None:
        clock.restart(_awake(resumed, calendar, tape))
    clock.fence(clock.now() + OPENING_MARGIN)
    async with _running(clock.run) as background, simulator.serve(host="127.0.0.1", port=0) as addresses:
        credentials = KisCredentials(**REAL_SIMULATED_KEYS, account=SIMULATED_ACCOUNT, hts_id="hts1")
        async with KIS(
            credentials,
            KisAddresses(addresses.rest_url, addresses.ws_url),
            Environment.SIMULATOR,
            clock,
            folder,
            wire="real",
        ) as kis:

            def next_day(day: date) -> date | None:
                following = calendar.next_day(day)
                return following if tape.has_day(following) else None

            yield Venue(
                Environment.SIMULATOR,
                clock,
                calendar,
                kis,
                folder,
                tape.name,
                SIMULATED_ACCOUNT[-4:],
                TapeListing(tape, clock),
                next_day,
                choice.replay is None,
                simulator,
                tape,
                background,
            )


@asynccontextmanager
async def _running(*loops: Callable[[], Coroutine[None, None, None]]) -> AsyncIterator[tuple[asyncio.Task[None], ...]]:
    tasks = tuple(asyncio.create_task(loop()) for loop in loops)
    try:
        yield tasks
    finally:
        # The client's own closing still needs the clock; it is closed before this point.
        for task in tasks:
            task.cancel()
        for task in tasks:
            with contextlib.suppress(asyncio.CancelledError):
                await task


def _awake(resumed: datetime, calendar: TradingCalendar, tape: Tape) -> datetime:
    """Where a simulated market goes on: at the saved instant, or on the next morning if that day is over."""
    session = calendar.session(resumed.astimezone(KST).date())
    if session is not None and resumed < session.close + timedelta(minutes=2):
        return resumed
    following = calendar.next_day(resumed.date())
    return morning_of(calendar, following) if tape.has_day(following) else resumed


def _private(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    return folder
