"""Where the simulated prices come from. A tape is a pure function of (seed or files, code, day): lazy, cached.

Our orders consume the tape's volume; they never add to or move the tape.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from engine.market import Bars, Code, Index, Shares, Stock, Won
from engine.results import NewsItem


@dataclass(frozen=True, slots=True, eq=False)
class Prints:
    """Every trade of one stock on one day, oldest first, as columns of one length.

    ``second`` counts from midnight KST (int32). ``side`` is +1 buyer-initiated, −1 seller-initiated, 0 auction.
    The opening auction prints at the session's open, the closing auction at its close.
    """

    second: NDArray[np.int32]
    price: NDArray[np.int64]
    volume: NDArray[np.int64]
    side: NDArray[np.int8]
    synthetic_close: bool = False
    """True where the last print was added to end at the source's daily close."""

    def __len__(self) -> int:
        return len(self.second)


@dataclass(frozen=True, slots=True, eq=False)
class IndexPrints:
    second: NDArray[np.int32]
    value: NDArray[np.float64]


class TapeError(Exception):
    """The tape cannot be built or lacks the day asked for; the message says why, in Korean."""


class Tape(Protocol):
    name: str
    """Shown to users, e.g. "합성 시장 (시드 7)"."""

    @property
    def stocks(self) -> Sequence[Stock]: ...

    def first_day(self) -> date:
        """The first trading day that can be played."""

    def has_day(self, day: date) -> bool: ...

    def previous_close(self, code: Code, day: date) -> Won:
        """The base price of ``day`` (yesterday's adjusted close), on or off the tick grid."""

    def daily(self, code: Code, before: date) -> Bars:
        """Daily bars strictly before ``before`` (up to two years), adjusted, oldest first."""

    def index_daily(self, index: Index, before: date) -> Bars: ...

    def prints(self, code: Code, day: date) -> Prints:
        """Empty for a stock that does not trade that day."""

    def index_prints(self, index: Index, day: date) -> IndexPrints: ...

    def minute_bars(self, code: Code, day: date, as_of: date | None = None) -> Bars:
        """One-minute bars of a whole day, in the price scale of ``as_of`` (default: the day played first).

        For past days they need not come from ``prints``.
        """

    def spread_volume(self, code: Code, day: date) -> Shares:
        """Typical quantity resting at a book level, for drawing the book around the tape."""

    def news(self, code: Code | None, day: date) -> Sequence[NewsItem]:
        """Invented headlines (marked fictional), newest first; none for replays."""
