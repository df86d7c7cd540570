"""The seeded synthetic market: invented prices under real company names, the same for one seed on every machine."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from datetime import date
from typing import Final, TypeVar

import numpy as np
from numpy.typing import NDArray

from engine.calendar import Session, TradingCalendar
from engine.market import Bars, Code, Index, Shares, Stock, Won
from engine.results import NewsItem
from engine.simulator.synthetic_day import (
    DayBars,
    DayPaths,
    day_bars,
    day_paths,
    empty_prints,
    index_prints_of,
    prints_of,
)
from engine.simulator.synthetic_names import COMPANIES
from engine.simulator.synthetic_news import market_news, stock_news
from engine.simulator.synthetic_process import EPOCH, Chain, Companies
from engine.simulator.tape import IndexPrints, Prints, TapeError
from engine.simulator.tape_bars import bars_of_prints

HISTORY: Final = 490
"""Sessions of daily history: two years."""

DEFAULT_SEED: Final = 7

_Key = TypeVar("_Key")
_Value = TypeVar("_Value")


class _Recent(OrderedDict[_Key, _Value]):
    """The last ``size`` values computed."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self._size = size

    def of(self, key: _Key, compute: Callable[[], _Value]) -> _Value:
        if key in self:
            self.move_to_end(key)
            return self[key]
        value = self[key] = compute()
        if len(self) > self._size:
            self.popitem(last=False)
        return value


class SyntheticTape:
    """A market of some 220 stocks. ``day`` is the first day to be played; later days continue the same process.

    Every answer depends on (seed, code, day) only. Raises TapeError for a day that is no session or lies before
    ``EPOCH`` and two years.
    """

    def __init__(self, seed: int, day: date, calendar: TradingCalendar | None = None) -> None:
        self.seed = seed
        self.name = f"합성 시장 (시드 {seed})"
        self._calendar = calendar or TradingCalendar()
        self._companies = Companies.drawn(seed)
        self._chain = Chain(seed, self._companies, self._calendar)
        self._stocks = tuple(company.stock for company in COMPANIES)
        self._column = {stock.code: column for column, stock in enumerate(self._stocks)}
        self._bars: dict[int, DayBars] = {}
        self._history: _Recent[int, tuple[NDArray[np.datetime64], NDArray[np.int64]]] = _Recent(3)
        self._paths: _Recent[int, DayPaths] = _Recent(8)
        self._prints: _Recent[tuple[Code, date], Prints] = _Recent(512)
        self._minutes: _Recent[tuple[Code, date], Bars] = _Recent(512)
        self._index_prints: _Recent[tuple[Index, date], IndexPrints] = _Recent(12)
        row = self._chain.row(day) if day >= EPOCH else None
        if row is None or row < HISTORY:
            if self._calendar.is_open(day):
                raise TapeError(f"합성 시장은 {self.first_day()}부터 재생할 수 있습니다: {day}")
            raise TapeError(f"{day}은(는) 거래일이 아닙니다. 다음 거래일은 {self._calendar.next_day(day)}입니다.")
        self.day = day

    @property
    def stocks(self) -> Sequence[Stock]:
        return self._stocks

    def first_day(self) -> date:
        self._chain.row(date(EPOCH.year + 2, 12, 31))
        return self._chain.day_at(HISTORY)

    def has_day(self, day: date) -> bool:
        return day >= self.first_day() and self._calendar.is_open(day)

    def _row(self, day: date) -> int:
        row = self._chain.row(day)
        if row is None:
            raise TapeError(f"{day}은(는) 합성 시장의 거래일이 아닙니다.")
        return row

    def _session(self, day: date) -> Session:
        session = self._calendar.session(day)
        if session is None:
            raise TapeError(f"{day}은(는) 거래일이 아닙니다.")
        return session

    def _day_paths(self, row: int) -> DayPaths:
        def compute() -> DayPaths:
            record = self._chain.record(row)
            return day_paths(self.seed, self._companies, record, self._session(record.day))

        return self._paths.of(row, compute)

    def _day_bars(self, row: int) -> DayBars:
        if row not in self._bars:
            self._bars[row] = day_bars(self._companies, self._day_paths(row))
        return self._bars[row]

    def _rows_before(self, before: date) -> range:
        """Positions of the last ``HISTORY`` sessions before a day (a session or not)."""
        last = self._calendar.previous_day(before)
        end = self._row(last) + 1
        return range(max(0, end - HISTORY), end)

    def _columns(self, before: date) -> tuple[NDArray[np.datetime64], NDArray[np.int64]]:
        """Dates and (field, session, company) of the history before a day."""
        rows = self._rows_before(before)

        def compute() -> tuple[NDArray[np.datetime64], NDArray[np.int64]]:
            bars = [self._day_bars(row) for row in rows]
            fields = ("open", "high", "low", "close", "volume")
            table = np.stack([np.stack([getattr(bar, field) for bar in bars]) for field in fields])
            return np.array([bar.day for bar in bars], dtype="datetime64[s]"), table

        return self._history.of(rows.stop, compute)

    def _company(self, code: Code) -> int:
        try:
            return self._column[code]
        except KeyError:
            raise TapeError(f"합성 시장에 없는 종목입니다: {code}") from None

    def previous_close(self, code: Code, day: date) -> Won:
        return int(self._chain.record(self._row(day)).previous_close[self._company(code)])

    def daily(self, code: Code, before: date) -> Bars:
        column = self._company(code)
        start, table = self._columns(before)
        return Bars(start, *(table[field, :, column] for field in range(5)))  # type: ignore[arg-type]

    def index_daily(self, index: Index, before: date) -> Bars:
        position = list(Index).index(index)
        bars = [self._day_bars(row) for row in self._rows_before(before)]
        values = np.array([bar.index[position] for bar in bars])
        volume = np.array([bar.index_volume[position] for bar in bars], dtype=np.int64)
        start = np.array([bar.day for bar in bars], dtype="datetime64[s]")
        return Bars(start, values[:, 0], values[:, 1], values[:, 2], values[:, 3], volume)

    def prints(self, code: Code, day: date) -> Prints:
        return self._prints.of((code, day), lambda: self._drawn(code, day))

    def _drawn(self, code: Code, day: date) -> Prints:
        column, row = self._company(code), self._row(day)
        bars = self._day_bars(row)
        if not bars.volume[column]:
            return empty_prints()
        return prints_of(self.seed, self._companies, self._day_paths(row), bars, column, self._session(day))

    def index_prints(self, index: Index, day: date) -> IndexPrints:
        row = self._row(day)
        return self._index_prints.of(
            (index, day),
            lambda: index_prints_of(self.seed, self._day_paths(row), self._day_bars(row), index, self._session(day)),
        )

    def minute_bars(self, code: Code, day: date, as_of: date | None = None) -> Bars:
        # Trades of past days are asked for as bars only: they need no place among the trades kept.
        return self._minutes.of(
            (code, day),
            lambda: bars_of_prints(self._prints.get((code, day)) or self._drawn(code, day), self._session(day), 1),
        )

    def spread_volume(self, code: Code, day: date) -> Shares:
        self._row(day)
        return max(1, int(self._companies.turnover[self._company(code)] * 0.002))

    def news(self, code: Code | None, day: date) -> Sequence[NewsItem]:
        record = self._chain.record(self._row(day))
        earlier = self._chain.record(self._row(self._calendar.previous_day(day)))
        if code is None:
            move = float(Chain.index_gap(earlier)[0] + Chain.index_move(earlier)[0])
            return market_news(self.seed, day, self._session(earlier.day), 100.0 * move)
        column = self._company(code)
        gap = 100.0 * float(np.expm1(record.gap[column]))
        previous = 100.0 * float(np.expm1(earlier.gap[column] + earlier.move[column]))
        return stock_news(self.seed, self._stocks[column], self._session(day), gap, previous)


def load_tape(day: date, seed: int = DEFAULT_SEED, calendar: TradingCalendar | None = None) -> SyntheticTape:
    """The synthetic market of ``seed``, ready to play from ``day``."""
    return SyntheticTape(seed, day, calendar)
