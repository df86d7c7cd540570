"""Smart-money zones and structure of one stock's bars, for charts and stops. Definitions: docs/factors.

Everything is known at the close of the bar it is dated with. An overnight jump is no intraday gap.
"""

from __future__ import annotations

from datetime import datetime
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from engine.indicators import average_true_range
from engine.market import KST, Bars
from engine.results import StructureEvent, Zone


def session_numbers(bars: Bars, *, intraday: bool) -> NDArray[np.int64]:
    """The session of each bar as a number; one number for all where the overnight rule does not apply."""
    if intraday:
        return bars.dates().astype(np.int64)
    return np.zeros(len(bars), np.int64)


def _time(bars: Bars, row: int) -> datetime:
    moment: datetime = bars.start[row].item()
    return moment.replace(tzinfo=KST)


def fair_value_gaps(bars: Bars, *, intraday: bool, smallest: float | None = None) -> tuple[Zone, ...]:
    """Every gap with its fill state, oldest first. ``smallest`` in ATR; None takes that of the score.

    ``ended`` is the bar whose low (high) passed the far edge, or the bar at which the zone grew too old.
    """
    from engine.scoring import curves, kernels

    if smallest is None:
        smallest = curves.SMALLEST_GAP
    oldest = curves.FIFTEEN_AGE if intraday else curves.DAILY_AGE
    atr = average_true_range(bars.high, bars.low, bars.close)
    marks, edges = kernels.gap_list(bars.high, bars.low, atr, session_numbers(bars, intraday=intraday), smallest)
    zones = []
    for (born, side, touch, half, full), (bottom, top) in zip(marks.tolist(), edges.tolist(), strict=True):
        fill: Literal["open", "touched", "half", "filled"] = "open"
        if full >= 0:
            fill = "filled"
        elif half >= 0:
            fill = "half"
        elif touch >= 0:
            fill = "touched"
        end = full if full >= 0 else len(bars)
        end = min(end, born + oldest + 1)
        ended = _time(bars, end) if end < len(bars) else None
        zones.append(Zone("fvg", side > 0, bottom, top, _time(bars, born), ended, fill))
    return tuple(zones)


def structure_events(bars: Bars) -> tuple[StructureEvent, ...]:
    """Breaks of structure (BOS, CHoCH) with the broken swing, oldest first."""
    from engine.scoring import curves, kernels

    events = []
    for bar, side, kind, pivot in kernels.structure(bars.high, bars.low, bars.close, curves.SWING).tolist():
        level = bars.high[pivot] if side > 0 else bars.low[pivot]
        name: Literal["BOS", "CHoCH"] = "CHoCH" if kind == 2 else "BOS"
        events.append(StructureEvent(name, side > 0, _time(bars, bar), _time(bars, pivot), float(level)))
    return tuple(events)


def order_blocks(bars: Bars) -> tuple[Zone, ...]:
    """The candle that each break of structure came from; ended by a close through its far edge. Oldest first."""
    from engine.scoring import curves, kernels

    zones = []
    for event in kernels.structure(bars.high, bars.low, bars.close, curves.SWING):
        bar, side = int(event[0]), int(event[1])
        candle = kernels.block_candle(bars.high, bars.low, event)
        bottom, top = float(bars.low[candle]), float(bars.high[candle])
        later = bars.close[bar + 1 :]
        through = np.flatnonzero(later < bottom if side > 0 else later > top)
        end = min(bar + 1 + int(through[0]) if len(through) else len(bars), bar + curves.DAILY_AGE + 1)
        reach = later[: end - bar - 1]
        touched = bool(((reach <= top) if side > 0 else (reach >= bottom)).any())
        fill: Literal["open", "touched", "filled"] = "touched" if touched else "open"
        ended = None
        if end < len(bars):
            ended = _time(bars, end)
            fill = "filled" if len(through) else fill
        zones.append(Zone("order_block", side > 0, bottom, top, _time(bars, bar), ended, fill))
    return tuple(zones)
