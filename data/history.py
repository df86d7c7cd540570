"""Daily bars from outside the broker: FinanceDataReader, then yfinance. Adjusted for splits, not for dividends."""

from __future__ import annotations

from datetime import timedelta

import numpy as np

from data.fetcher import Fetcher, FetchFailed
from engine.clock import MarketClock
from engine.market import Bars, Code
from engine.ports import DailyHistory, HistoryAnswer, HistoryUnavailable

_CALENDAR_DAYS_PER_BAR = 1.55


class FetchedHistory:
    """One outside source as ports.DailyHistory."""

    def __init__(self, name: str, what: str, fetcher: Fetcher, clock: MarketClock) -> None:
        self.name = name
        self._what = what
        self._fetcher = fetcher
        self._clock = clock

    async def daily(self, code: Code, count: int) -> HistoryAnswer:
        last = self._clock.today() - timedelta(days=1)
        first = last - timedelta(days=int(count * _CALENDAR_DAYS_PER_BAR) + 10)
        try:
            rows = await self._fetcher.ask(self._what, code=code, first=first.isoformat(), last=last.isoformat())
        except FetchFailed as error:
            raise HistoryUnavailable(f"{self.name}: {error}") from error
        if not rows:
            raise HistoryUnavailable(f"{self.name}: 일봉이 없습니다")
        columns = list(zip(*rows, strict=True))
        prices = [np.array(column, float) for column in columns[1:5]]
        bars = Bars(
            np.array(columns[0], "datetime64[s]"),
            prices[0],
            prices[1],
            prices[2],
            prices[3],
            np.array(columns[5], np.int64),
        ).before(self._clock.today())
        return HistoryAnswer(code, bars[-count:], self.name, self._clock.now())


def market_histories(clock: MarketClock, fetcher: Fetcher | None = None) -> list[DailyHistory]:
    """The outside sources in order of preference, sharing one child process."""
    shared = fetcher or Fetcher()
    return [
        FetchedHistory("FinanceDataReader", "fdr", shared, clock),
        FetchedHistory("yfinance", "yahoo", shared, clock),
    ]
