"""The one argument of a score: everything it depends on, frozen and hashed."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import numpy as np

from engine.market import KST, BarOrigin, Bars, Code, Interval, Won

DAILY_BARS = 280
"""A score reads at most this many daily bars, so that a longer history changes nothing. More than the 250 bars that a zone
lives plus the 14 of its ATR; three pages of the broker."""
FIFTEEN_SESSIONS = 5


@dataclass(frozen=True, slots=True)
class DirectionInput:
    """The forecast made after the last completed day: percentile in the market 0..1 and the skill gate 0..1."""

    rank: float
    gate: float
    model_id: str
    absent: str = ""
    """Why there is none, in Korean; then the other fields do not matter."""


class LookAhead(ValueError):
    """The input holds a bar that was not complete at the decision."""


@dataclass(frozen=True)
class ScoreInput:
    """Completed bars only: a bar of the decision day among ``daily``, or an unfinished one, raises LookAhead."""

    code: Code
    at: datetime
    daily: Bars
    today_open: Won | None
    fifteen: Bars
    fifteen_origin: BarOrigin
    direction: DirectionInput | None
    _digest: list[str] = field(default_factory=list, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        now = np.datetime64(self.wall, "s")
        if len(self.daily) and self.daily.start.max() >= now.astype("datetime64[D]"):
            raise LookAhead(f"{self.code}: daily bars reach {self.daily.start.max()}, the decision is at {now}")
        if len(self.fifteen) and self.fifteen.start.max() + np.timedelta64(_FIFTEEN, "s") > now:
            raise LookAhead(f"{self.code}: a 15-minute bar starts {self.fifteen.start.max()}, the decision is at {now}")

    @property
    def wall(self) -> datetime:
        """``at`` in Korean wall time without a zone, as bars carry it."""
        return self.at.astimezone(KST).replace(tzinfo=None)

    @property
    def digest(self) -> str:
        """A hash of all content."""
        if not self._digest:
            parts = (
                self.code,
                self.at.isoformat(),
                self.daily.digest,
                self.today_open,
                self.fifteen.digest,
                self.fifteen_origin,
                self.direction,
            )
            self._digest.append(hashlib.blake2b(repr(parts).encode(), digest_size=16).hexdigest())
        return self._digest[0]


_FIFTEEN = int(Interval.FIFTEEN.length / timedelta(seconds=1))


def last_sessions(bars: Bars, sessions: int = FIFTEEN_SESSIONS) -> Bars:
    """The bars of the last ``sessions`` session dates."""
    from engine.scoring import kernels

    begin = kernels.sessions_begin(bars.start.view(np.int64), sessions)
    return bars[begin:] if begin else bars
