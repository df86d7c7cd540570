"""``gaemi sim``: the simulated broker alone, for any KIS client.

Tokens, limits, PINGPONG and session slots live on the host's clock and the trading date is the host's KST date, because
foreign clients ask for today and compare expiry with their own clock. The session is open when the port opens and
starts again after the close.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path

from engine.calendar import Session, TradingCalendar
from engine.clock import ScaledMarketClock, WallMarketClock, wall_now
from engine.market import Environment
from engine.simulator.app import Addresses, Simulator
from engine.simulator.faults import FaultPlan
from engine.simulator.identity import AppKey, builtin_keys, read_accounts_file
from engine.simulator.settings import BrokerSettings, WireEpoch
from engine.simulator.tape import Tape, TapeError
from engine.simulator.timetable import OpenTodayCalendar

LEDGER_CALLS_PER_SECOND = 18
"""The ledger's real figure is unknown and few clients know its code: here the gateway's limit comes first."""
_PAUSE = timedelta(seconds=60)
"""Market time between the close and the next opening."""


@dataclass(frozen=True, slots=True)
class StandaloneOptions:
    """``environment`` is that of keys of the accounts file that name none. ``replay`` is a folder of real bars and
    ``date`` the day to play from it (default: its first)."""

    host: str = "127.0.0.1"
    port: int = 9443
    ws_port: int | None = None
    seed: int = 7
    speed: float = 60.0
    environment: Environment = Environment.MOCK
    wire_epoch: WireEpoch = "2026-09"
    replay: Path | None = None
    date: date | None = None
    accounts: Path | None = None
    faults: FaultPlan | None = None


def _tape(options: StandaloneOptions, today: date) -> tuple[Tape, date]:
    """The tape and the day of it that is played. Raises TapeError."""
    if options.replay is not None:
        from engine.simulator.replay import ReplayTape

        replayed = ReplayTape(options.replay, options.date)
        return replayed, replayed.day
    from engine.simulator.synthetic import load_tape

    calendar = TradingCalendar()
    wanted = options.date or today
    played = wanted if calendar.is_open(wanted) else calendar.previous_day(wanted)
    return load_tape(played, options.seed), played


def _regular_session(calendar: TradingCalendar, today: date) -> Session:
    session = calendar.session(today)
    if session is None:
        raise TapeError(f"{today}에는 장을 열 수 없습니다.")
    return session


async def run_standalone(options: StandaloneOptions, announce: Callable[[Addresses, Simulator], None]) -> None:
    """Serve until cancelled; ``announce`` is called once the ports are open.

    Raises AccountsFileError, TapeError, and OSError where a port is taken.
    """
    keys: tuple[AppKey, ...] = builtin_keys()
    if options.accounts is not None:
        extra = read_accounts_file(options.accounts, options.environment)
        named = {key.key for key in extra}
        keys = (*(key for key in keys if key.key not in named), *extra)
    today = wall_now().date()
    tape, played = _tape(options, today)
    calendar = OpenTodayCalendar(today)
    clock = ScaledMarketClock(_regular_session(calendar, today).open, options.speed)
    simulator = Simulator(
        tape,
        clock,
        keys=keys,
        settings=BrokerSettings(
            wire_epoch=options.wire_epoch,
            volatility_interruptions=options.replay is None,
            ledger_calls_per_second=LEDGER_CALLS_PER_SECOND,
        ),
        seed=options.seed,
        calendar=calendar,
        tape_day=lambda day: played if day >= calendar.today else min(day, played),
        service_clock=WallMarketClock(),
        faults=options.faults,
    )
    clock.restart(_regular_session(calendar, today).open)
    async with simulator.serve(options.host, options.port, options.ws_port) as addresses:
        announce(addresses, simulator)
        while True:
            session = _regular_session(calendar, calendar.today)
            await _close_of(clock, session.close + _PAUSE)
            calendar.today = wall_now().date()
            clock.restart(_regular_session(calendar, calendar.today).open)
            simulator.restart_session()


async def _close_of(clock: ScaledMarketClock, instant: datetime) -> None:
    await clock.sleep_until(instant)
