"""One look at the market for a command that ends: the engine is opened, nothing trades, the engine is closed.

In the simulator the engine lives in a folder of its own that is thrown away, so that the account and the market time of
a service under the same home stay as they are. With KIS keys it takes the account's journal, and is refused while the
service has it.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import re
import tempfile
from collections.abc import Awaitable, Callable
from datetime import datetime, time
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from bot.logs import set_up_logging
from bot.settings import Settings, load_settings
from bot.subcommands import UserError, add_home, add_json
from bot.subcommands.run import parse_day, prepare_home, secrets_of
from engine.market import KST, Environment

if TYPE_CHECKING:
    from bot.app import Engine

Result = TypeVar("Result")


def parse_time(text: str) -> time:
    found = re.fullmatch(r"([01]?\d|2[0-3]):([0-5]\d)", text)
    if found is None:
        raise argparse.ArgumentTypeError(f"시각은 10:30 처럼 적습니다: {text!r}")
    return time(int(found[1]), int(found[2]))


def add_look(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--at", type=parse_time, metavar="시:분", help="시뮬레이터의 시각 (기본 08:55, 개장 5분 전)")
    parser.add_argument("--seed", type=int, default=7, metavar="수", help="시뮬레이터: 합성 시장의 시드 (기본 7)")
    parser.add_argument("--date", type=parse_day, dest="day", metavar="날짜", help="시뮬레이터: 거래일")
    parser.add_argument("--replay", type=Path, metavar="폴더", help="시뮬레이터: 실제 봉이 든 폴더를 재생")
    add_home(parser)
    add_json(parser)
    parser.add_argument("--verbose", action="store_true", help="자세한 로그")


def look(arguments: argparse.Namespace, work: Callable[[Engine], Awaitable[Result]]) -> Result:
    """What ``work`` returns of an open engine. Raises UserError."""
    settings = load_settings(gaemi_home=arguments.home)
    set_up_logging(logging.DEBUG if arguments.verbose else logging.WARNING, secrets_of(settings))
    simulated = settings.environment is Environment.SIMULATOR
    if not simulated and (arguments.at or arguments.day or arguments.replay):
        raise UserError("--at, --date, --replay 는 시뮬레이터에서만 쓸 수 있습니다 (KIS 키가 설정되어 있음)")
    if not simulated:
        return asyncio.run(_look(settings, prepare_home(settings.gaemi_home), arguments, work))
    with tempfile.TemporaryDirectory(prefix="gaemi-look-") as folder:
        return asyncio.run(_look(settings, Path(folder), arguments, work))


async def _look(
    settings: Settings, home: Path, arguments: argparse.Namespace, work: Callable[[Engine], Awaitable[Result]]
) -> Result:
    from bot.app import RunOptions, open_engine
    from bot.venue import MarketChoice, VenueError
    from engine.broker import BrokerError
    from engine.orders import JournalUnavailable, LeaseHeld
    from engine.ports import HistoryUnavailable

    choice = MarketChoice(arguments.seed, arguments.day, arguments.replay)
    try:
        async with open_engine(RunOptions(settings, home, choice, autostart=False, front_ends=False)) as engine:
            if not engine.listing.stocks():
                raise UserError("종목 목록을 받지 못했습니다. 인터넷 연결을 확인하고 다시 하세요", 1)
            working = asyncio.ensure_future(_at(engine, arguments.at, work))
            watching = asyncio.ensure_future(engine.venue.watch())
            try:
                await asyncio.wait({working, watching}, return_when=asyncio.FIRST_COMPLETED)
                if not working.done():
                    watching.result()  # raises what ended the simulated market
                return await working
            finally:
                working.cancel()
                watching.cancel()
                await asyncio.gather(working, watching, return_exceptions=True)
    except LeaseHeld as error:
        raise UserError(f"{error}. 돌고 있는 개미의 콘솔이나 채팅에서 물어보세요") from error
    except (VenueError, JournalUnavailable) as error:
        raise UserError(str(error)) from error
    except (BrokerError, HistoryUnavailable) as error:
        raise UserError(f"시세를 받지 못했습니다: {error}", 1) from error


async def _at(engine: Engine, wanted: time | None, work: Callable[[Engine], Awaitable[Result]]) -> Result:
    from engine.clock import SimulatedClock

    clock = engine.venue.clock
    if isinstance(clock, SimulatedClock):
        clock.fence(None)
    if wanted is not None and isinstance(clock, SimulatedClock):
        instant = datetime.combine(clock.today(), wanted, KST)
        session = engine.venue.calendar.session(clock.today())
        if instant < clock.now() or session is None or instant > session.close:
            last = f"{session.close:%H:%M}" if session else "장 마감"
            raise UserError(f"--at 은 {clock.now():%H:%M} 에서 {last} 사이여야 합니다")
        clock.fast_until(instant)
        await clock.sleep_until(instant)
    return await work(engine)
