"""The screen through the KIS client against the simulated broker, at the limits of both kinds of account."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

from engine.broker import NotOffered
from engine.calendar import TradingCalendar
from engine.candles import CandleStore
from engine.clock import SimulatedClock
from engine.daily_store import BrokerHistory, DailyStore
from engine.kis import KIS, KisAddresses, KisCredentials
from engine.market import KST, BarOrigin, Bars, Code, Environment, SecurityKind
from engine.results import Factor
from engine.scorer import Scorer
from engine.screener import Screener, ScreenerSettings
from engine.simulator.app import Simulator
from engine.simulator.synthetic import load_tape

from .market import SmallListing

START = datetime(2026, 11, 20, 10, 16, tzinfo=KST)
KEYS = {Environment.REAL: ("A" * 36, "S" * 180), Environment.MOCK: ("V" * 36, "W" * 180)}


class PageCandles:
    """Fifteen-minute bars from the broker's minute pages, as the feed fetches them."""

    def __init__(self, folder: Path, kis: KIS, clock: SimulatedClock, calendar: TradingCalendar) -> None:
        self._store = CandleStore(folder, calendar)
        self._kis, self._clock = kis, clock

    def fifteen(self, code: Code) -> tuple[Bars, BarOrigin]:
        return self._store.fifteen(code, self._clock.now())

    async def backfill(self, code: Code) -> None:
        now = self._clock.now()
        for day in self._store.missing(code, now):
            since = self._store.first_missing(code, day, now)
            if since is None:
                continue
            try:
                minutes = await self._kis.minute_bars(code, day, since=since.time())
            except NotOffered:
                continue
            self._store.absorb(code, day, minutes, now, since)


class Place(NamedTuple):
    screener: Screener
    clock: SimulatedClock
    codes: list[Code]


@asynccontextmanager
async def place(environment: Environment, folder: Path, settings: ScreenerSettings) -> AsyncIterator[Place]:
    """A screener whose daily bars are on disk already, as on any day but the first."""
    clock = SimulatedClock(START, speed=math.inf)
    calendar = TradingCalendar()
    tape = load_tape(START.date())
    simulator = Simulator(tape, clock)
    driver = asyncio.create_task(clock.run())
    key, secret = KEYS[environment]
    async with (
        simulator.serve() as addresses,
        KIS(
            KisCredentials(key, secret, "12345678", "01", "hts1"),
            KisAddresses(addresses.rest_url, addresses.ws_url),
            environment,
            clock,
            folder,
        ) as kis,
    ):
        store = DailyStore(folder / "daily", [BrokerHistory(kis, clock)], clock, calendar)
        stocks = list(tape.stocks)
        for stock in stocks:
            store.remember(stock.code, tape.daily(stock.code, START.date()), "시험")
        screener = Screener(
            market_data=kis,
            listing=SmallListing(stocks),
            history=store,
            candles=PageCandles(folder / "candles", kis, clock, calendar),
            forecasts=None,
            clock=clock,
            scorer=Scorer(),
            settings=settings,
        )
        yield Place(screener, clock, [stock.code for stock in stocks if stock.kind is SecurityKind.STOCK])
    driver.cancel()


@pytest.mark.parametrize(
    ("environment", "words", "settings"),
    [
        (Environment.REAL, "멀티 시세", ScreenerSettings(live_candidates=6)),
        (Environment.MOCK, "개별 시세", ScreenerSettings(slow_candidates=4)),
    ],
)
async def test_screen_against_the_simulator(
    environment: Environment, words: str, settings: ScreenerSettings, tmp_path: Path
) -> None:
    async with place(environment, tmp_path, settings) as here:
        held = here.codes[0]
        report = await here.screener.screen([held])
        assert report.failed == {}
        assert words in report.price_source
        assert report.evaluated + len(report.excluded) == len(here.codes)
        assert 4 <= len(report.recommendations) <= 10
        for row in report.recommendations:
            assert row.quote is not None
            undefined = {part.factor: part.reason for part in row.score.factors if not part.defined}
            if environment is Environment.REAL:
                assert set(undefined) == {Factor.DIRECTION}
            else:  # 모의 keeps no minutes of past days: five bars of today are too few, and the factor says so
                assert set(undefined) == {Factor.DIRECTION, Factor.FIFTEEN_FVG, Factor.STRUCTURE}
                assert undefined[Factor.STRUCTURE] == "자료 부족 (15분봉 5개)"
            given = here.screener.inputs(row.stock.code)
            assert given.fifteen.start[-1] == np.datetime64("2026-11-20T10:00:00")
        again = await here.screener.screen([held])
        # With the minutes at hand a second pass is the price sweep and little else.
        assert again.market_seconds < report.market_seconds
        assert again.market_seconds <= (12.0 if environment is Environment.REAL else 40.0)
        score = await here.screener.score_one(held)
        assert Scorer().score(here.screener.inputs(held)) == score
