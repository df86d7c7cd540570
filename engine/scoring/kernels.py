"""Compiled kernels over the bars of one stock. Importing this module imports numba: do it lazily.

Every kernel is one forward pass, so a value at bar t uses bars 0..t only. Arrays are float64, oldest first; NaN means
undefined. ``emit_from`` names the first row to write: the passes before it keep state only, which is what
makes the last row of thousands of stocks cheap. Definitions: docs/factors.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar, cast

import numba
import numpy as np
from numpy.typing import NDArray

from engine.scoring import compiled_cache

compiled_cache.use(numba)

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
P = ParamSpec("P")
R = TypeVar("R")


def compiled(function: Callable[P, R]) -> Callable[P, R]:
    """Compile on first use, keep the result on disk, run without the interpreter lock."""
    jit: Any = numba.njit(cache=True, nogil=True, error_model="numpy")
    return cast("Callable[P, R]", jit(function))


# ---------------------------------------------------------------- data checks

CLEAN, NOT_A_NUMBER, NOT_POSITIVE, REPEATED, UNORDERED, OUTSIDE, TORN = range(7)
"""What ``first_defect`` can find."""


@compiled
def traded_rows(opens: Floats, high: Floats, low: Floats, volume: Integers) -> Integers:
    """Rows with a trade: a halt leaves rows of zeros or of one repeated price, without volume."""
    kept = np.empty(len(opens), np.int64)
    count = 0
    for t in range(len(opens)):
        if volume[t] == 0 and high[t] == low[t] and opens[t] == high[t]:
            continue
        kept[count] = t
        count += 1
    return kept[:count]


@compiled
def sessions_begin(seconds: Integers, sessions: int) -> int:
    """The row at which the last ``sessions`` dates begin; ``seconds`` since 1970 in wall time."""
    seen = 0
    for t in range(len(seconds) - 1, -1, -1):
        if t == len(seconds) - 1 or seconds[t] // 86_400 != seconds[t + 1] // 86_400:
            seen += 1
            if seen > sessions:
                return t + 1
    return 0


@compiled
def first_defect(
    time: Integers,
    opens: Floats,
    high: Floats,
    low: Floats,
    close: Floats,
    volume: Integers,
    largest_move: float,
) -> tuple[int, int]:
    """(defect, row) of the gravest kind found. Rows without a trade need only a time and a finite price.

    ``largest_move`` 0 skips the test for torn prices. It does look at the close that a halt carries along: the first
    trade after one shows whether prices were adjusted.
    """
    count = len(close)
    for t in range(count):
        if not np.isfinite(opens[t] + high[t] + low[t] + close[t]):
            return NOT_A_NUMBER, t
    for t in range(1, count):
        if time[t] == time[t - 1]:
            return REPEATED, t
        if time[t] < time[t - 1]:
            return UNORDERED, t
    before = 0.0
    for t in range(count):
        if not (volume[t] == 0 and high[t] == low[t] and opens[t] == high[t]):
            if min(min(opens[t], close[t]), min(high[t], low[t])) <= 0.0:
                return NOT_POSITIVE, t
            if high[t] < max(opens[t], close[t]) or low[t] > min(opens[t], close[t]):
                return OUTSIDE, t
        if close[t] > 0.0:
            if largest_move > 0.0 and before > 0.0 and abs(close[t] / before - 1.0) > largest_move:
                return TORN, t
            before = close[t]
    return CLEAN, 0


# ---------------------------------------------------------------- indicators


@compiled
def rsi(close: Floats, period: int) -> Floats:
    count = len(close)
    out = np.full(count, np.nan)
    if count <= period:
        return out
    gain = 0.0
    loss = 0.0
    for t in range(1, count):
        change = close[t] - close[t - 1]
        up = max(change, 0.0)
        down = max(-change, 0.0)
        if change != change:
            up = change
            down = change
        if t < period:
            gain += up
            loss += down
            continue
        if t == period:
            gain = (gain + up) / period
            loss = (loss + down) / period
        else:
            gain = (gain * (period - 1) + up) / period
            loss = (loss * (period - 1) + down) / period
        total = gain + loss
        if total > 0.0:
            out[t] = 100.0 * gain / total
    return out


@compiled
def average_true_range(high: Floats, low: Floats, close: Floats, period: int) -> Floats:
    count = len(close)
    out = np.full(count, np.nan)
    if count <= period:
        return out
    value = 0.0
    for t in range(1, count):
        before = close[t - 1]
        true_range = max(high[t], before) - min(low[t], before)
        if t < period:
            value += true_range
        elif t == period:
            value = (value + true_range) / period
        else:
            value = (value * (period - 1) + true_range) / period
        if t >= period:
            out[t] = value
    return out


@compiled
def macd(close: Floats, fast: int, slow: int, signal: int) -> tuple[Floats, Floats]:
    """(MACD, histogram) with TA-Lib's seeding: both averages start at bar slow-1; both defined from slow+signal-2."""
    count = len(close)
    line = np.full(count, np.nan)
    histogram = np.full(count, np.nan)
    first = slow + signal - 2
    if count <= first:
        return line, histogram
    quick = 0.0
    steady = 0.0
    for t in range(slow):
        steady += close[t]
        if t >= slow - fast:
            quick += close[t]
    quick /= fast
    steady /= slow
    quick_step = 2.0 / (fast + 1)
    steady_step = 2.0 / (slow + 1)
    signal_step = 2.0 / (signal + 1)
    average = quick - steady
    for t in range(slow, count):
        quick += quick_step * (close[t] - quick)
        steady += steady_step * (close[t] - steady)
        value = quick - steady
        if t < first:
            average += value
        elif t == first:
            average = (average + value) / signal
        else:
            average += signal_step * (value - average)
        if t >= first:
            line[t] = value
            histogram[t] = value - average
    return line, histogram


@compiled
def bands(close: Floats, period: int, emit_from: int) -> tuple[Floats, Floats]:
    """(mean, population deviation). Each window is summed as distances from its last close: running sums, and sums of
    squares of whole prices, lose digits at won prices.
    """
    count = len(close)
    middle = np.full(count, np.nan)
    deviation = np.full(count, np.nan)
    for t in range(max(period - 1, emit_from), count):
        base = close[t]
        total = 0.0
        squares = 0.0
        for k in range(t - period + 1, t):
            distance = close[k] - base
            total += distance
            squares += distance * distance
        mean = total / period
        middle[t] = base + mean
        deviation[t] = np.sqrt(max(squares / period - mean * mean, 0.0))
    return middle, deviation


# ---------------------------------------------------------------- fair value gaps

GAP_DISTANCE, GAP_EDGE, GAP_TOUCH, GAP_BIRTH = range(4)
GAP_FAR, GAP_COLUMNS = 8, 10
"""Columns of one side of ``gap_facts``: distance/ATR and edge of the nearest gap, ages of youngest touch and birth."""


@compiled
def gap_facts(
    high: Floats,
    low: Floats,
    close: Floats,
    atr: Floats,
    session: Integers,
    smallest: float,
    oldest: int,
    most: int,
    emit_from: int,
) -> Floats:
    """Rows of (bullish 4, bearish 4, far edges of both) facts, see GAP_*. ``session`` equal everywhere turns the overnight rule off.

    The bearish side is the bullish one on mirrored prices, which is how it is computed.
    """
    count = len(close)
    out = np.full((count, GAP_COLUMNS), np.nan)
    bottom = np.empty(most + 1)
    top = np.empty(most + 1)
    born = np.empty(most + 1, np.int64)
    touched = np.empty(most + 1, np.int64)
    for side in range(2):
        sign = 1.0 if side == 0 else -1.0
        upper = high if side == 0 else low
        lower = low if side == 0 else high
        live = 0
        for t in range(count):
            dip = sign * lower[t]
            kept = 0
            for j in range(live):
                if dip < bottom[j] or t - born[j] > oldest:
                    continue
                if kept != j:
                    bottom[kept] = bottom[j]
                    top[kept] = top[j]
                    born[kept] = born[j]
                    touched[kept] = touched[j]
                if dip <= top[kept]:
                    touched[kept] = t
                kept += 1
            live = kept
            if t >= 2 and session[t] == session[t - 2] and dip - sign * upper[t - 2] > smallest * atr[t]:
                bottom[live] = sign * upper[t - 2]
                top[live] = dip
                born[live] = t
                touched[live] = -1
                live += 1
                if live > most:
                    for j in range(1, live):
                        bottom[j - 1] = bottom[j]
                        top[j - 1] = top[j]
                        born[j - 1] = born[j]
                        touched[j - 1] = touched[j]
                    live -= 1
            if t < emit_from or live == 0:
                continue
            highest = top[0]
            far = bottom[0]
            youngest = born[0]
            last_touch = touched[0]
            for j in range(1, live):
                if top[j] > highest or (top[j] == highest and bottom[j] > far):
                    highest = top[j]
                    far = bottom[j]
                youngest = max(youngest, born[j])
                last_touch = max(last_touch, touched[j])
            out[t, 4 * side] = (sign * close[t] - highest) / atr[t]
            out[t, 4 * side + 1] = sign * highest
            out[t, 8 + side] = sign * far
            if last_touch >= 0:
                out[t, 4 * side + 2] = t - last_touch
            out[t, 4 * side + 3] = t - youngest
    return out


@compiled
def gap_list(high: Floats, low: Floats, atr: Floats, session: Integers, smallest: float) -> tuple[Integers, Floats]:
    """Every gap of the bars: (known at, direction, first touch, half fill, full fill; -1 = not) and (bottom, top)."""
    count = len(high)
    marks = np.empty((2 * count, 5), np.int64)
    edges = np.empty((2 * count, 2))
    found = 0
    for t in range(2, count):
        if session[t] != session[t - 2]:
            continue
        least = smallest * atr[t] if smallest > 0.0 else 0.0
        for side in range(2):
            sign = 1.0 if side == 0 else -1.0
            below = high[t - 2] if side == 0 else -low[t - 2]
            above = low[t] if side == 0 else -high[t]
            if not above - below > least:
                continue
            touch = -1
            half = -1
            full = -1
            for later in range(t + 1, count):
                dip = low[later] if side == 0 else -high[later]
                if touch < 0 and dip <= above:
                    touch = later
                if half < 0 and dip <= 0.5 * (above + below):
                    half = later
                if dip < below:
                    full = later
                    break
            marks[found, 0] = t
            marks[found, 1] = int(sign)
            marks[found, 2] = touch
            marks[found, 3] = half
            marks[found, 4] = full
            edges[found, 0] = min(sign * below, sign * above)
            edges[found, 1] = max(sign * below, sign * above)
            found += 1
    return marks[:found], edges[:found]


# ---------------------------------------------------------------- structure


@compiled
def swing_at(values: Floats, pivot: int, width: int, sign: float) -> bool:
    """Whether sign*values[pivot] is strictly above its ``width`` neighbours on each side."""
    if pivot < width or pivot + width >= len(values):
        return False
    centre = sign * values[pivot]
    for k in range(1, width + 1):
        if sign * values[pivot - k] >= centre or sign * values[pivot + k] >= centre:
            return False
    return True


@compiled
def structure(high: Floats, low: Floats, close: Floats, width: int) -> Integers:
    """Breaks of structure in time order: rows of (bar, +1/-1, 1 BOS or 2 CHoCH, broken pivot)."""
    count = len(close)
    events = np.empty((2 * count, 4), np.int64)
    found = 0
    trend = 0
    peak = -1
    trough = -1
    for t in range(count):
        # Breaks come before the swing that this very bar confirms.
        if peak >= 0 and close[t] > high[peak]:
            events[found, 0] = t
            events[found, 1] = 1
            events[found, 2] = 2 if trend < 0 else 1
            events[found, 3] = peak
            found += 1
            trend = 1
            peak = -1
        if trough >= 0 and close[t] < low[trough]:
            events[found, 0] = t
            events[found, 1] = -1
            events[found, 2] = 2 if trend > 0 else 1
            events[found, 3] = trough
            found += 1
            trend = -1
            trough = -1
        pivot = t - width
        if swing_at(high[: t + 1], pivot, width, 1.0):
            peak = pivot
        if swing_at(low[: t + 1], pivot, width, -1.0):
            trough = pivot
    return events[:found]


@compiled
def block_candle(high: Floats, low: Floats, event: Integers) -> int:
    """The lowest-low bar (highest-high for a break down) from the broken pivot to the bar before the break."""
    best = event[3]
    for k in range(event[3], event[0]):
        if event[1] > 0:
            if low[k] <= low[best]:
                best = k
        elif high[k] >= high[best]:
            best = k
    return int(best)


@compiled
def block_facts(
    high: Floats,
    low: Floats,
    close: Floats,
    atr: Floats,
    events: Integers,
    oldest: int,
    most: int,
    emit_from: int,
) -> Floats:
    """Rows of (bullish distance/ATR, bullish edge, bearish distance/ATR, bearish edge) of the nearest live block."""
    count = len(close)
    out = np.full((count, 4), np.nan)
    bottom = np.empty(most + 1)
    top = np.empty(most + 1)
    born = np.empty(most + 1, np.int64)
    for side in range(2):
        sign = 1.0 if side == 0 else -1.0
        live = 0
        following = 0
        for t in range(count):
            price = sign * close[t]
            kept = 0
            for j in range(live):
                if price < bottom[j] or t - born[j] > oldest:
                    continue
                bottom[kept] = bottom[j]
                top[kept] = top[j]
                born[kept] = born[j]
                kept += 1
            live = kept
            while following < len(events) and events[following, 0] <= t:
                event = events[following]
                following += 1
                if event[1] * sign < 0:
                    continue
                bar = block_candle(high, low, event)
                bottom[live] = low[bar] if side == 0 else -high[bar]
                top[live] = high[bar] if side == 0 else -low[bar]
                born[live] = t
                live += 1
                if live > most:
                    for j in range(1, live):
                        bottom[j - 1] = bottom[j]
                        top[j - 1] = top[j]
                        born[j - 1] = born[j]
                    live -= 1
            if t < emit_from or live == 0:
                continue
            highest = top[0]
            for j in range(1, live):
                highest = max(highest, top[j])
            out[t, 2 * side] = (price - highest) / atr[t]
            out[t, 2 * side + 1] = sign * highest
    return out
