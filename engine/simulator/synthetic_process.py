"""The day-to-day process behind the synthetic market: one record per session, a pure function of (seed, day).

log return = overnight + intraday, each the sum of a market, a sector and a company part. Volatility clusters (a slow
and a fast component, the fast one fed by yesterday's surprise); a transitory part of the price fades over a few days,
which makes the short-term reversal of the exchange's large companies; a weak pull keeps a price near its level over
years.
The chain always starts at ``EPOCH``, so tapes of one seed agree on every day whatever day they were built for.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Final

import numpy as np
from numpy.typing import NDArray

from engine.calendar import TradingCalendar
from engine.clock import seeded
from engine.market import Index, Market, SecurityKind
from engine.simulator.synthetic_grid import TickGrid
from engine.simulator.synthetic_names import COMPANIES

EPOCH: Final = date(2019, 1, 2)

Floats = NDArray[np.float64]

MARKET, KOSDAQ_EXTRA, LARGE_EXTRA = 0, 1, 2
INDEX_LOADINGS: Final[dict[Index, tuple[float, float, float]]] = {
    Index.KOSPI: (1.0, 0.0, 0.0),
    Index.KOSDAQ: (1.05, 1.0, 0.0),
    Index.KOSPI200: (1.03, 0.0, 1.0),
}
INDEX_LEVELS: Final[dict[Index, float]] = {Index.KOSPI: 4200.0, Index.KOSDAQ: 930.0, Index.KOSPI200: 606.0}
"""Where the indices hover: the closes of 2025-12-30, rounded."""

_SECTORS: Final = tuple(sorted({company.stock.sector for company in COMPANIES}))
FACTORS: Final = 3 + len(_SECTORS)
_DRAWS: Final = 9

# Daily standard deviations of the factors: overnight and intraday. KOSPI, what KOSDAQ and KOSPI200 add, sectors.
_FACTOR_OVERNIGHT: Final = np.array([0.0066, 0.0020, 0.0009] + [0.0040] * len(_SECTORS))
_FACTOR_INTRADAY: Final = np.array([0.0087, 0.0080, 0.0014] + [0.0078] * len(_SECTORS))

_PULL = 1 / 300
_GAP_FADE = -0.15
_TRANSITORY_DECAY = 0.70
_TRANSITORY_SHARE = 0.015
_OVERNIGHT_DRIFT, _INTRADAY_DRIFT = 0.0010, -0.0003
_EVENT_BEYOND = 2.576  # of a normal draw: one day in a hundred
_SLOW_DECAY, _SLOW_SPREAD = 0.97, 0.32
_FAST_DECAY, _FAST_FEED = 0.55, 0.33
_DAY_SPREAD = 0.27
_FACTOR_DECAY, _FACTOR_SPREAD = 0.96, 0.42
_VOLUME_DECAY, _VOLUME_SPREAD = 0.80, 0.40


@dataclass(frozen=True, slots=True, eq=False)
class Companies:
    """What stays the same about each company for a seed, as columns in the order of ``COMPANIES``."""

    grid: TickGrid
    loadings: Floats
    """(companies, FACTORS)"""
    own_overnight: Floats
    own_intraday: Floats
    turnover: Floats
    """Typical shares traded a day."""
    level: Floats
    halted: NDArray[np.bool_]

    @classmethod
    def drawn(cls, seed: int) -> Companies:
        count = len(COMPANIES)
        normal = seeded("synthetic", seed, "companies").standard_normal((count, 5))
        kosdaq = np.array([c.stock.market is Market.KOSDAQ for c in COMPANIES])
        fund = np.array([c.stock.kind is not SecurityKind.STOCK for c in COMPANIES])
        spread = np.where(kosdaq, 0.0350, 0.0270) * np.exp(0.30 * normal[:, 0])
        spread = np.clip(spread, 0.013, 0.060)
        loadings = np.zeros((count, FACTORS))
        beta = np.clip(0.92 + 16.0 * (spread - 0.029) + 0.18 * normal[:, 1], 0.25, 1.8)
        loadings[:, MARKET] = beta
        loadings[:, KOSDAQ_EXTRA] = np.where(kosdaq, 0.7 * beta, 0.0)
        sector = np.array([_SECTORS.index(c.stock.sector) for c in COMPANIES])
        loadings[np.arange(count), 3 + sector] = np.clip(spread / 0.030, 0.5, 1.6)
        loadings[fund] = 0.0
        loadings[fund, MARKET] = 1.03
        loadings[fund, LARGE_EXTRA] = 1.0
        rate = np.exp(np.where(kosdaq, -5.1, -5.9) + 0.55 * normal[:, 2])
        return cls(
            grid=TickGrid(fund),
            loadings=loadings,
            own_overnight=np.where(fund, 0.0003, spread * 0.28),
            own_intraday=np.where(fund, 0.0003, spread * 0.77),
            turnover=np.array([c.stock.listed_shares for c in COMPANIES]) * rate,
            level=np.log([c.level for c in COMPANIES]),
            halted=np.array(["거래정지" in c.stock.flags for c in COMPANIES]),
        )


@dataclass(frozen=True, slots=True, eq=False)
class DayRecord:
    """One session of the whole market. Columns are companies, or factors where said; returns are logarithms."""

    day: date
    previous_log: Floats
    previous_close: NDArray[np.int64]
    gap: Floats
    move: Floats
    """Open to close."""
    close: NDArray[np.int64]
    own_scale: Floats
    """Intraday standard deviation of the company's own part."""
    volume: NDArray[np.int64]
    event: NDArray[np.bool_]
    factor_gap: Floats
    factor_move: Floats
    factor_scale: Floats
    index_previous: Floats
    """Logarithm of the previous index closes, in the order of ``Index``."""


class Chain:
    """The records from ``EPOCH`` on, extended when a later day is asked for."""

    def __init__(self, seed: int, companies: Companies, calendar: TradingCalendar) -> None:
        self._seed, self._companies, self._calendar = seed, companies, calendar
        self._records: list[DayRecord] = []
        self._row: dict[date, int] = {}
        self._next_year = EPOCH.year
        count = len(COMPANIES)
        self._log = companies.level + 0.25 * seeded("synthetic", seed, "start").standard_normal(count)
        self._close = companies.grid.rounded(np.exp(self._log))
        self._transitory = np.zeros(count)
        self._slow, self._fast = np.zeros(count), np.zeros(count)
        self._activity = np.zeros(count)
        self._last_return = np.zeros(count)
        self._factor_state = np.zeros(FACTORS)
        self._index_log = np.log([INDEX_LEVELS[index] for index in Index])

    def row(self, day: date) -> int | None:
        """The position of ``day`` among the records; None if it is no session."""
        while self._next_year <= day.year:
            self._extend(self._next_year)
            self._next_year += 1
        return self._row.get(day)

    def record(self, row: int) -> DayRecord:
        return self._records[row]

    def day_at(self, row: int) -> date:
        return self._records[row].day

    def _extend(self, year: int) -> None:
        # A row per day of the year, not per session: a holiday announced later shifts no other day's draws.
        shape = (366, len(COMPANIES) + FACTORS, _DRAWS)
        draws = seeded("synthetic", self._seed, "year", year).standard_normal(shape)
        for day in self._calendar.days(max(EPOCH, date(year, 1, 1)), date(year, 12, 31)):
            self._row[day] = len(self._records)
            self._records.append(self._next(day, draws[day.timetuple().tm_yday - 1]))

    def _factors(self, draws: Floats) -> tuple[Floats, Floats, Floats]:
        """This day's factor gap, move and intraday standard deviation."""
        self._factor_state = (
            _FACTOR_DECAY * self._factor_state + _FACTOR_SPREAD * (1 - _FACTOR_DECAY**2) ** 0.5 * (draws[:, 0])
        )
        heat = np.exp(self._factor_state + 0.30 * draws[:, 1] - 0.17)
        gap = _FACTOR_OVERNIGHT * heat * draws[:, 2] * np.exp(0.30 * draws[:, 4] - 0.06)
        scale = _FACTOR_INTRADAY * heat
        return gap, scale * draws[:, 3], scale

    def _next(self, day: date, draws: Floats) -> DayRecord:
        fixed = self._companies
        count = len(COMPANIES)
        factor_gap, factor_move, factor_scale = self._factors(draws[count:])
        own = draws[:count].T

        self._slow = _SLOW_DECAY * self._slow + _SLOW_SPREAD * (1 - _SLOW_DECAY**2) ** 0.5 * own[0]
        heat = self._slow + self._fast + _DAY_SPREAD * own[1]
        stretch = np.exp(heat - 0.16)
        own_scale = fixed.own_intraday * stretch
        event = np.abs(own[2]) > _EVENT_BEYOND
        surprise = np.where(event, np.where(own[3] > -0.45, 1.0, -1.0) * np.exp(0.5 + 0.6 * np.abs(own[3])), 0.0)

        gap = fixed.loadings @ factor_gap + fixed.own_overnight * (
            np.exp(0.6 * heat + 0.50 * own[4] - 0.30) * own[5] + 2.8 * surprise
        )
        gap += np.where(fixed.halted, 0.0, _OVERNIGHT_DRIFT) + 0.02 * self._last_return
        pulse = own[6] + 0.10 * (own[6] ** 2 - 1.0)
        shock = own_scale * pulse + 0.8 * fixed.own_intraday * surprise
        settled = (_TRANSITORY_DECAY - 1.0) * self._transitory
        move = fixed.loadings @ factor_move + shock + settled + _INTRADAY_DRIFT
        move += _PULL * (fixed.level - self._log) + _GAP_FADE * gap

        opening = np.clip(gap, np.log(0.7005), np.log(1.2995))
        total = np.clip(opening + move, np.log(0.7005), np.log(1.2995))
        total = np.where(fixed.halted, 0.0, total)
        opening = np.where(fixed.halted, 0.0, opening)
        log = self._log + total
        close = fixed.grid.rounded(np.exp(log))
        lower, upper = fixed.grid.limits(self._close)
        close = np.where(total > np.log(1.297), upper, np.where(total < np.log(0.703), lower, close))
        close = np.clip(close, lower, upper)

        share = np.abs(total) / (fixed.own_intraday * 1.3)
        self._activity = _VOLUME_DECAY * self._activity + _VOLUME_SPREAD * (1 - _VOLUME_DECAY**2) ** 0.5 * own[7]
        size = 1.10 * heat + 0.36 * np.minimum(share, 6.0) + self._activity + 0.12 * own[8] - 0.5
        volume = np.maximum(fixed.turnover * np.exp(size), 300.0).astype(np.int64)
        record = DayRecord(
            day,
            self._log,
            self._close,
            opening,
            total - opening,
            close,
            own_scale,
            np.where(fixed.halted, 0, volume),
            event,
            factor_gap,
            factor_move,
            factor_scale,
            self._index_log,
        )
        self._transitory = _TRANSITORY_DECAY * self._transitory + _TRANSITORY_SHARE**0.5 * shock
        self._fast = _FAST_DECAY * self._fast + _FAST_FEED * (np.minimum(np.abs(pulse + surprise), 4.0) - 0.80)
        self._last_return = total
        self._log, self._close = log, close
        self._index_log = self._index_log + self.index_gap(record) + self.index_move(record)
        return record

    @staticmethod
    def index_gap(record: DayRecord) -> Floats:
        return np.array([np.dot(INDEX_LOADINGS[index], record.factor_gap[:3]) for index in Index]) + 0.0004

    @staticmethod
    def index_move(record: DayRecord) -> Floats:
        move = np.array([np.dot(INDEX_LOADINGS[index], record.factor_move[:3]) for index in Index])
        pull = _PULL * (np.log([INDEX_LEVELS[index] for index in Index]) - record.index_previous)
        return move + pull - 0.0002
