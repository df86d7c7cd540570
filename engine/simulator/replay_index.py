"""An invented path of an index through the open, high, low and close of its daily bar."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from engine.calendar import Session
from engine.simulator.tape import IndexPrints
from engine.simulator.tape_bars import seconds_of_day

_STEP: Final = 10


def bridged_index(bar: NDArray[np.float64], session: Session, rng: np.random.Generator) -> IndexPrints:
    """Values every ten seconds whose open, high, low and close are ``bar``'s: Brownian bridges between four anchors."""
    opening, high, low, close = (float(x) for x in bar)
    start, end = seconds_of_day(session)
    length = int((session.close_out - session.open).total_seconds())
    second = np.arange(0, length + 1, _STEP)
    count = len(second)
    first, last = np.sort(rng.choice(np.arange(count // 20, count - count // 20), size=2, replace=False))
    extremes = (low, high) if close >= opening else (high, low)
    places = np.array([0, first, last, count - 1])
    line = np.interp(np.arange(count), places, (opening, *extremes, close))
    walk = np.cumsum(rng.standard_normal(count)) * (high - low) * 0.6 / np.sqrt(count)
    bridge = walk - np.interp(np.arange(count), places, walk[places])
    value = np.clip(np.round(line + bridge, 2), low, high)
    value[places[:3]] = (opening, *extremes)
    return IndexPrints(np.append(start + second, end).astype(np.int32), np.append(value, close))
