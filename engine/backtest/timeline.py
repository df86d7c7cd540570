"""The past of one stock as the backtest walks it: bars that can be traded, when decisions fall, what limits held.

Two kinds of price meet here. Fifteen-minute bars are as traded; daily bars are adjusted backwards. A session's
``factor`` (as traded / adjusted) brings daily bars to the scale of that day, which is the scale the live service sees.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime, time
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from engine.calendar import Session, TradingCalendar
from engine.krx import PriceLimits, price_limits
from engine.market import KST, Bars, Code, Stock
from engine.scoring.inputs import FIFTEEN_SESSIONS

Whole = NDArray[np.int64]
Floats = NDArray[np.float64]
Times = NDArray[np.datetime64]

SPLIT = 0.03
"""A factor that moves by more than this between two sessions is a split; less is the rounding of adjusted prices."""
_BAR = np.timedelta64(900, "s")
BARS_PER_SESSION = 26


@dataclass(frozen=True, eq=False)
class StockHistory:
    """What is known of one stock, oldest first. ``fifteen`` empty: only daily bars, so decisions fall at each open."""

    stock: Stock
    daily: Bars
    """Adjusted completed daily bars, halted days included; may begin earlier than what is tested."""
    fifteen: Bars = field(default_factory=Bars.empty)
    """As traded, bars with trades only, starting on the session grid."""
    first_prices: dict[date, float] = field(default_factory=dict)
    """As-traded opening price by date where it is known apart from ``fifteen``; for the factor of the day."""
    volume_known: bool = True
    survivor_only: bool = False

    @property
    def code(self) -> Code:
        return self.stock.code


_CALENDAR = TradingCalendar()


@lru_cache(maxsize=8_192)
def session_of(day: date) -> Session:
    """The session of a day on which the data show trades: that of the calendar, else the ordinary hours."""
    known = _CALENDAR.session(day)
    if known is not None:
        return known

    def at(hour: int, minute: int) -> datetime:
        return datetime.combine(day, time(hour, minute), KST)

    return Session(day, at(8, 30), at(9, 0), at(15, 20), at(15, 30))


@lru_cache(maxsize=8_192)
def oldest_kept(day: date) -> date:
    """The oldest date whose fifteen-minute bars the live store still holds on ``day``."""
    try:
        return _CALENDAR.last_days(day, FIFTEEN_SESSIONS)[0]
    except LookupError:
        return date(day.year - 1, day.month, 1)


def _wall(moment: datetime) -> np.datetime64:
    return np.datetime64(moment.replace(tzinfo=None), "s")


@dataclass(frozen=True, eq=False)
class Timeline:
    """Bars in the order of trading. Row k is filled by decisions made before it opened, at ``decided_at[k]``."""

    history: StockHistory
    daily_only: bool
    bars: Bars
    session: Whole
    """Number of the session of each bar."""
    slot: Whole
    """Place of each bar on the fifteen-minute grid of its session; 0 in daily mode."""
    end: Times
    decided_at: Times
    enterable: NDArray[np.bool_]
    """Whether an entry decided before this bar meets it: the session's first grid bar, or the next one on the grid."""
    last: NDArray[np.bool_]
    """The last bar of its session: the closing auction is in it."""
    days: tuple[date, ...]
    firsts: Whole
    """Row of the first bar of each session."""
    factor: Floats
    """As traded / adjusted, one per session."""
    opens: Floats
    """Today's open of each session, as traded."""
    limits: tuple[PriceLimits | None, ...]
    """Daily price band of each session; None without a previous close."""

    def __len__(self) -> int:
        return len(self.bars)

    def session_end(self, number: int) -> int:
        return int(self.firsts[number + 1]) if number + 1 < len(self.firsts) else len(self.bars)

    def held(self, entry: int, row: int) -> int:
        """Holding bars counted as the live service does at the close of ``row``: a session before counts 26."""
        if self.session[row] == self.session[entry]:
            return int(self.slot[row] - self.slot[entry])
        return int(self.slot[row]) + 1 + BARS_PER_SESSION * int(self.session[row] - self.session[entry])

    def daily_before(self, number: int) -> Bars:
        """Completed daily bars before the session, in its prices."""
        bars = self.history.daily.before(self.days[number])
        return scaled(bars, float(self.factor[number]))


def scaled(bars: Bars, factor: float) -> Bars:
    if factor == 1.0:
        return bars
    return Bars(bars.start, bars.open * factor, bars.high * factor, bars.low * factor, bars.close * factor, bars.volume)


def make_timeline(
    history: StockHistory, first: date | None = None, last: date | None = None, *, daily_only: bool = False
) -> Timeline:
    """The timeline between two dates inclusive. Fifteen-minute bars are used where there are any."""
    daily_only = daily_only or not len(history.fifteen)
    bars = _traded_days(history.daily) if daily_only else history.fifteen
    low = np.datetime64(first, "s") if first else None
    high = np.datetime64(last, "s") + np.timedelta64(1, "D") if last else None
    begin = int(np.searchsorted(bars.start, low)) if low is not None else 0
    stop = int(np.searchsorted(bars.start, high)) if high is not None else len(bars)
    bars = bars[begin:stop]
    dates = bars.dates()
    change = np.flatnonzero(np.r_[True, dates[1:] != dates[:-1]]) if len(bars) else np.empty(0, np.int64)
    days = tuple(moment.item() for moment in dates[change])
    lengths = np.diff(np.r_[change, len(bars)])
    number = np.repeat(np.arange(len(days)), lengths)
    factor, opens = _factors(history, days, bars, change, daily_only)
    limits = _limits(history, days, factor)
    open_at = np.array([_wall(session_of(day).open) for day in days], "datetime64[s]")
    close_at = np.array([_wall(session_of(day).close) for day in days], "datetime64[s]")
    is_last = np.r_[number[1:] != number[:-1], True] if len(bars) else np.empty(0, bool)
    if daily_only:
        slot = np.zeros(len(bars), np.int64)
        end, decided = close_at, open_at
        enterable = np.ones(len(bars), bool)
    else:
        slot = (bars.start - open_at[number]).astype(np.int64) // 900
        end = np.minimum(bars.start + _BAR, close_at[number])
        decided = np.r_[end[:1], end[:-1]]
        decided[change] = open_at
        enterable = np.r_[False, slot[1:] == slot[:-1] + 1] if len(bars) else np.empty(0, bool)
        enterable[change] = slot[change] == 0
    return Timeline(
        history, daily_only, bars, number, slot, end, decided, enterable, is_last, days, change.astype(np.int64),
        factor, opens, limits,
    )  # fmt: skip


def _traded_days(daily: Bars) -> Bars:
    from engine.scoring.quality import traded

    return traded(daily)


def _factors(
    history: StockHistory, days: tuple[date, ...], bars: Bars, firsts: Whole, daily_only: bool
) -> tuple[Floats, Floats]:
    """(factor, today's open) of each session. A factor holds until it moves by more than SPLIT."""
    if daily_only:
        return np.ones(len(days)), np.asarray(bars.open)
    known = dict(zip(history.daily.dates().tolist(), history.daily.open.tolist(), strict=True))
    factors, opens = np.ones(len(days)), np.empty(len(days))
    current: float | None = None
    for number, day in enumerate(days):
        row = int(firsts[number])
        as_traded = history.first_prices.get(day)
        if as_traded is None and bars.start[row] == _wall(session_of(day).open):
            as_traded = float(bars.open[row])
        adjusted = known.get(day, 0.0)
        if as_traded and adjusted > 0.0:
            seen = as_traded / adjusted
            if current is None:
                current = 1.0 if abs(seen - 1.0) <= SPLIT else seen
            elif abs(seen / current - 1.0) > SPLIT:
                current = seen
        factors[number] = current or 1.0
        opens[number] = round(as_traded or adjusted * factors[number] or float(bars.open[row]))
    return factors, opens


def _limits(history: StockHistory, days: tuple[date, ...], factor: Floats) -> tuple[PriceLimits | None, ...]:
    """From the close before each session. A halt carries its last close in the daily bars, which is the base then."""
    starts, closes = history.daily.start, history.daily.close
    found: list[PriceLimits | None] = []
    before = np.searchsorted(starts, np.array(days, "datetime64[s]")) if days else np.empty(0, np.int64)
    for number, row in enumerate(before):
        base = round(float(closes[row - 1]) * float(factor[number])) if row else 0
        found.append(price_limits(base, history.stock.kind) if base > 0 else None)
    return tuple(found)
