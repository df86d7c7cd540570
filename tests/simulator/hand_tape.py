"""A tiny tape whose every print a test chooses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta

import numpy as np

from engine.calendar import TradingCalendar
from engine.market import KST, Bars, Candle, Code, Index, Market, Shares, Stock, Won
from engine.results import NewsItem
from engine.simulator.tape import IndexPrints, Prints

DAY = date(2026, 3, 3)
SAMSUNG = Stock("005930", "삼성전자", Market.KOSPI, "전기전자", listed_shares=5_969_782_550)
ECOPRO = Stock("247540", "에코프로비엠", Market.KOSDAQ, "화학", listed_shares=97_801_344)
OPEN = 9 * 3600

Print = tuple[int, Won, Shares, int]
"""(second of the day, price, volume, side)."""

DEFAULT: tuple[Print, ...] = (
    (OPEN, 70_000, 10_000, 0),
    (OPEN + 1, 70_100, 50, 1),
    (OPEN + 1, 70_000, 30, -1),
    (OPEN + 5, 70_100, 200, 1),
    (OPEN + 60, 70_200, 100, 1),
    (OPEN + 61, 70_000, 400, -1),
    (OPEN + 120, 69_800, 500, -1),
    (OPEN + 180, 70_500, 500, 1),
    (15 * 3600 + 30 * 60, 70_300, 5_000, 0),
)


@dataclass
class HandTape:
    """``prints_of`` maps a code to its trades of every day."""

    prints_of: dict[Code, Sequence[Print]] = field(default_factory=lambda: {SAMSUNG.code: DEFAULT, ECOPRO.code: ()})
    base: Won = 70_000
    level: Shares = 1_000
    name: str = "손으로 만든 시장"
    known: tuple[Stock, ...] = (SAMSUNG, ECOPRO)

    @property
    def stocks(self) -> Sequence[Stock]:
        return self.known

    def first_day(self) -> date:
        return date(2025, 1, 2)

    def has_day(self, day: date) -> bool:
        return TradingCalendar().is_open(day)

    def previous_close(self, code: Code, day: date) -> Won:
        return self.base

    def daily(self, code: Code, before: date) -> Bars:
        days = TradingCalendar().last_days(before, 260)
        return Bars.of(
            [
                Candle(
                    datetime(day.year, day.month, day.day, tzinfo=KST),
                    self.base,
                    self.base + 500,
                    self.base - 500,
                    self.base,
                    1_000_000 + n,
                )
                for n, day in enumerate(days)
            ]
        )

    def index_daily(self, index: Index, before: date) -> Bars:
        return self.daily("000000", before)

    def prints(self, code: Code, day: date) -> Prints:
        rows = self.prints_of.get(code, ())
        return Prints(
            np.array([row[0] for row in rows], np.int32),
            np.array([row[1] for row in rows], np.int64),
            np.array([row[2] for row in rows], np.int64),
            np.array([row[3] for row in rows], np.int8),
        )

    def index_prints(self, index: Index, day: date) -> IndexPrints:
        seconds = np.arange(OPEN, OPEN + 6 * 3600, 10, dtype=np.int32)
        return IndexPrints(seconds, 2_500 + np.sin(np.arange(len(seconds)) / 50))

    def minute_bars(self, code: Code, day: date, as_of: date | None = None) -> Bars:
        start = datetime(day.year, day.month, day.day, 9, tzinfo=KST)
        return Bars.of(
            [
                Candle(start + timedelta(minutes=n), self.base, self.base + 100, self.base - 100, self.base, 10 + n)
                for n in range(380)
            ]
        )

    def spread_volume(self, code: Code, day: date) -> Shares:
        return self.level

    def news(self, code: Code | None, day: date) -> Sequence[NewsItem]:
        at = datetime(day.year, day.month, day.day, 8, tzinfo=KST)
        return [NewsItem(at, "[가상] 삼성전자 신제품", "가상뉴스", "", ("005930",), True)]
