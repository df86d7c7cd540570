"""A small market for the screener tests: rate-limited reads on the simulated clock."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import date, datetime, time, timedelta

import numpy as np

from engine.broker import NewsTitle, NotOffered, TemporaryError
from engine.calendar import TradingCalendar
from engine.clock import SimulatedClock, seeded
from engine.market import (
    KST,
    BarOrigin,
    Bars,
    Code,
    Environment,
    Index,
    IndexQuote,
    Market,
    OrderBook,
    Quote,
    Stock,
    StockFlag,
)
from engine.results import Band, Prediction, SkillSummary

from .helpers import GRID, random_walk

TODAY = date(2024, 6, 4)
CALENDAR = TradingCalendar()
SKILL = SkillSummary(0.05, 0.02, 0.01, 0.03, 0.8, "2023", 1.0, "시험")


def calendar_bars(code: Code, days: list[date]) -> Bars:
    walk = random_walk(len(days), "market", code, price=30_000.0)
    start = np.array([datetime.combine(day, time()) for day in days], "datetime64[s]")
    return Bars(start, walk.open, walk.high, walk.low, walk.close, walk.volume)


class SmallMarket:
    """MarketData with a price list; ``per_second`` calls a second of market time, one after the other."""

    def __init__(self, clock: SimulatedClock, count: int, *, environment: Environment = Environment.REAL) -> None:
        self.environment = environment
        self.clock = clock
        self.per_second = 1.0 if environment is Environment.MOCK else 18.0
        self._gate = asyncio.Lock()
        self.days = CALENDAR.last_days(TODAY, 330)
        self.codes = [f"{10 * n:06d}" for n in range(1, count + 1)]
        self.bars = {code: calendar_bars(code, self.days) for code in self.codes}
        self.flags: dict[Code, frozenset[StockFlag]] = {}
        self.broken: set[Code] = set()
        self.calls: dict[str, int] = {}

    async def _call(self, name: str, code: Code = "") -> None:
        self.calls[name] = self.calls.get(name, 0) + 1
        async with self._gate:
            await self.clock.sleep(1.0 / self.per_second)
        if code in self.broken:
            raise TemporaryError("응답 없음")

    def quote_of(self, code: Code) -> Quote:
        close = int(self.bars[code].close[-1])
        rng = seeded("quote", code)
        price = round(close * float(np.exp(rng.normal(0, 0.02))))
        first = round(close * float(np.exp(rng.normal(0, 0.01))))
        high, low = max(price, first) + 100, min(price, first) - 100
        return Quote(
            code, self.clock.now(), price, close, first, high, low, 1_000, 1_000 * price, 2 * close, close // 2, close
        )

    async def quote(self, code: Code) -> Quote:
        await self._call("quote", code)
        return replace(self.quote_of(code), flags=self.flags.get(code, frozenset()))

    async def quotes(self, codes: Sequence[Code]) -> Mapping[Code, Quote]:
        if self.environment is Environment.MOCK:
            raise NotOffered("모의투자에는 없습니다")
        for _ in range(0, len(codes), 30):
            await self._call("quotes")
        return {code: replace(self.quote_of(code), flags=self.flags.get(code, frozenset())) for code in codes}

    async def daily_bars(self, code: Code, first: date, last: date, *, adjusted: bool = True) -> Bars:
        await self._call("daily_bars", code)
        bars = self.bars[code]
        return bars[int(np.searchsorted(bars.start, np.datetime64(first, "s"))) :].before(last + timedelta(days=1))

    async def minute_bars(self, code: Code, day: date, until: time | None = None, since: time | None = None) -> Bars:
        raise NotOffered("not in this market")

    async def order_book(self, code: Code) -> OrderBook:
        raise NotOffered("not in this market")

    async def index_quote(self, index: Index) -> IndexQuote:
        raise NotOffered("not in this market")

    async def index_daily_bars(self, index: Index, first: date, last: date) -> Bars:
        raise NotOffered("not in this market")

    async def open_days(self, first: date) -> Mapping[date, bool]:
        return {}

    async def news_titles(self, code: Code | None = None) -> Sequence[NewsTitle]:
        return ()


class SmallListing:
    source = "시험"
    as_of: datetime | None = None

    def __init__(self, stocks: Sequence[Stock]) -> None:
        self._stocks = {stock.code: stock for stock in stocks}

    def stocks(self) -> Sequence[Stock]:
        return list(self._stocks.values())

    def get(self, code: Code) -> Stock | None:
        return self._stocks.get(code)


class SmallCandles:
    """Fifteen-minute bars that appear once they were asked for, one call each."""

    def __init__(self, market: SmallMarket) -> None:
        self._market = market
        self.asked: list[Code] = []

    async def backfill(self, code: Code) -> None:
        self.asked.append(code)
        await self._market._call("minute_bars", code)

    def fifteen(self, code: Code) -> tuple[Bars, BarOrigin]:
        if code not in self.asked:
            return Bars.empty(), "none"
        sessions = [*self._market.days[-4:], TODAY]
        walk = random_walk(GRID * 5, "live", code, price=float(self._market.bars[code].close[-1]), spread=0.004)
        start = [datetime.combine(day, time(9)) + timedelta(minutes=15 * n) for day in sessions for n in range(GRID)]
        bars = Bars(np.array(start, "datetime64[s]"), walk.open, walk.high, walk.low, walk.close, walk.volume)
        done = np.datetime64(self._market.clock.now().replace(tzinfo=None) - timedelta(minutes=15), "s")
        return bars[: int(np.searchsorted(bars.start, done, side="right"))], "minute_rest"


class SmallForecasts:
    def __init__(self, clock: SimulatedClock) -> None:
        self._clock = clock
        self.running = 0
        self.most = 0
        self.asked = 0

    async def predict(self, code: Code) -> Prediction:
        self.running += 1
        self.asked += 1
        self.most = max(self.most, self.running)
        await self._clock.sleep(0.1)
        self.running -= 1
        rank = float(seeded("rank", code).random())
        return Prediction(code, 100.0, band=Band(90, 95, 100, 105, 110), rank=rank, skill=SKILL, model_id="m")

    async def predict_many(self, codes: Sequence[Code]) -> dict[Code, Prediction]:
        return {code: await self.predict(code) for code in codes}


@asynccontextmanager
async def running_clock(at: time = time(9, 45)) -> AsyncIterator[SimulatedClock]:
    clock = SimulatedClock(datetime.combine(TODAY, at, KST), float("inf"))
    task = asyncio.create_task(clock.run())
    try:
        yield clock
    finally:
        task.cancel()


def stocks_of(market: SmallMarket) -> list[Stock]:
    return [Stock(code, f"종목{code}", Market.KOSPI, "시험") for code in market.codes]
