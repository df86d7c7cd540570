"""Bars out of prints, on the session's own grid."""

from __future__ import annotations

import numpy as np

from engine.calendar import Session
from engine.market import Bars
from engine.simulator.tape import Prints


def seconds_of_day(session: Session) -> tuple[int, int]:
    """(open, close) in seconds from midnight."""
    opening, closing = session.open, session.close
    return opening.hour * 3600 + opening.minute * 60, closing.hour * 3600 + closing.minute * 60


def bars_of_prints(prints: Prints, session: Session, minutes: int) -> Bars:
    """Bars of ``minutes`` on the grid of ``Session.bar_start``; bars without a trade are absent."""
    if not len(prints):
        return Bars.empty()
    opening, closing = seconds_of_day(session)
    inside = np.clip(prints.second, opening, closing - 1) - opening
    slot = inside // (60 * minutes)
    first = np.flatnonzero(np.diff(slot, prepend=-1))
    last = np.append(first[1:], len(slot)) - 1
    midnight = np.datetime64(session.day, "s")
    return Bars(
        start=midnight + (opening + slot[first] * 60 * minutes).astype("timedelta64[s]"),
        open=prints.price[first].astype(np.float64),
        high=np.maximum.reduceat(prints.price, first).astype(np.float64),
        low=np.minimum.reduceat(prints.price, first).astype(np.float64),
        close=prints.price[last].astype(np.float64),
        volume=np.add.reduceat(prints.volume, first),
    )
