"""The score curves: facts of a bar in, points out. Every constant of the score is here.

Source of formulae and parameters: docs/factors. Compiled; import lazily (see ``kernels``). NaN facts give NaN points,
which callers turn into 0 with the reason "자료 부족".
"""

from __future__ import annotations

import numpy as np

from engine.scoring.kernels import (
    GAP_COLUMNS,
    Floats,
    Integers,
    average_true_range,
    bands,
    block_facts,
    compiled,
    gap_facts,
    macd,
    rsi,
    structure,
)

MEMORY = 5
"""RSI and Bollinger look back this many bars, fading linearly."""
SWING = 3
SMALLEST_GAP = 0.1
MOST_ZONES = 64
DAILY_AGE = 250
FIFTEEN_AGE = 130

# Columns of daily facts.
RSI = 0
MACD = 5
HISTOGRAM = 6
ATR = 7
BAND = 8
GAP = 13
BLOCK = 23
HIGH, LOW, CLOSE, COUNT, MIDDLE, DEVIATION = 27, 28, 29, 30, 31, 32
DAILY_FACTS = 33
# Columns of fifteen-minute facts.
F_ATR, F_CLOSE, F_COUNT = 0, 1, 2
F_GAP = 3
UP_KIND, UP_AGE, DOWN_KIND, DOWN_AGE = 13, 14, 15, 16
FIFTEEN_FACTS = 17
# Columns of points.
P_RSI, P_MACD, P_BOLLINGER, P_DAILY_FVG, P_ORDER_BLOCK = range(5)
P_FIFTEEN_FVG, P_STRUCTURE = range(2)


@compiled
def ramp(x: float, start: float, end: float) -> float:
    """R(x; a, b) = clip((x-a)/(b-a), 0, 1)."""
    return min(1.0, max(0.0, (x - start) / (end - start)))


@compiled
def fade(age: float, life: float) -> float:
    """F(n; N) = max(0, 1-n/N); 0 where there was no event."""
    if age != age:
        return 0.0
    return max(0.0, 1.0 - age / life)


@compiled
def near(distance: float, reach: float) -> float:
    """1 at or inside the zone, falling to 0 ``reach`` ATR away; 0 where there is no zone."""
    if distance != distance:
        return 0.0
    return max(0.0, 1.0 - max(distance, 0.0) / reach)


@compiled
def rsi_share(values: Floats) -> float:
    """L - S of the last five RSI, newest first."""
    long = 0.0
    short = 0.0
    for k in range(5):
        if values[k] != values[k]:
            return np.nan
        weight = 1.0 - k / 5.0
        long = max(long, weight * ramp(50.0 - values[k], 0.0, 25.0))
        short = max(short, weight * ramp(values[k] - 50.0, 0.0, 25.0))
    return long - short


@compiled
def band_share(values: Floats) -> float:
    """L - S of the last five band positions z, newest first; -1 is the lower band."""
    long = 0.0
    short = 0.0
    for k in range(5):
        if values[k] != values[k]:
            return np.nan
        weight = 1.0 - k / 5.0
        long = max(long, weight * ramp(-values[k], 0.0, 1.25))
        short = max(short, weight * ramp(values[k], 0.0, 1.25))
    return long - short


@compiled
def macd_share(line: float, histogram: float, atr: float) -> float:
    """A golden cross below zero counts, its mirror counts against; both in units of ATR."""
    if not atr > 0.0 or line != line or histogram != histogram:
        return np.nan
    x = line / atr
    y = histogram / atr
    return ramp(y, 0.0, 0.10) * ramp(-x, 0.0, 0.75) - ramp(-y, 0.0, 0.10) * ramp(x, 0.0, 0.75)


@compiled
def zone_share(bullish: float, bearish: float, atr: float) -> float:
    """Distances in ATR to the nearest bullish zone below and bearish zone above."""
    if not atr > 0.0:
        return np.nan
    return near(bullish, 0.8) - near(bearish, 0.8)


@compiled
def breakout_share(progress: float, band: float) -> float:
    """``progress`` = (last - today's open)/yesterday's range, ``band`` = yesterday's z."""
    if progress != progress or band != band:
        return np.nan
    long = ramp(progress, 0.25, 0.50) * ramp(-band, -0.8, 0.2)
    short = ramp(-progress, 0.25, 0.50) * ramp(band, -0.8, 0.2)
    return long - short


@compiled
def retest_share(gap: Floats, atr: float) -> float:
    """``gap``: the eight columns of ``gap_facts``."""
    if not atr > 0.0:
        return np.nan
    long = max(fade(gap[2], 8.0), fade(gap[3], 12.0)) * near(gap[0], 3.0)
    short = max(fade(gap[6], 8.0), fade(gap[7], 12.0)) * near(gap[4], 3.0)
    return long - short


@compiled
def event_share(kind: float, age: float) -> float:
    return (1.0 if kind == 2.0 else 0.4) * fade(age, 26.0)


@compiled
def daily_facts(high: Floats, low: Floats, close: Floats, emit_from: int) -> Floats:
    """Facts of every bar from ``emit_from``, NaN before."""
    count = len(close)
    out = np.full((count, DAILY_FACTS), np.nan)
    strength = rsi(close, 14)
    line, histogram = macd(close, 12, 26, 9)
    middle, deviation = bands(close, 20, max(0, emit_from - MEMORY))
    atr = average_true_range(high, low, close, 14)
    one_session = np.zeros(count, np.int64)
    gaps = gap_facts(high, low, close, atr, one_session, SMALLEST_GAP, DAILY_AGE, MOST_ZONES, emit_from)
    events = structure(high, low, close, SWING)
    blocks = block_facts(high, low, close, atr, events, DAILY_AGE, MOST_ZONES, emit_from)
    for t in range(emit_from, count):
        for k in range(min(MEMORY, t + 1)):
            out[t, RSI + k] = strength[t - k]
            if deviation[t - k] > 0.0:
                out[t, BAND + k] = (close[t - k] - middle[t - k]) / (2.0 * deviation[t - k])
        out[t, MACD] = line[t]
        out[t, HISTOGRAM] = histogram[t]
        out[t, ATR] = atr[t]
        out[t, GAP : GAP + GAP_COLUMNS] = gaps[t]
        out[t, BLOCK : BLOCK + 4] = blocks[t]
        out[t, HIGH] = high[t]
        out[t, LOW] = low[t]
        out[t, CLOSE] = close[t]
        out[t, COUNT] = t + 1
        out[t, MIDDLE] = middle[t]
        out[t, DEVIATION] = deviation[t]
    return out


@compiled
def daily_points(facts: Floats, least_bars: int) -> Floats:
    """Points of the five daily technical factors; NaN where undefined."""
    rows = len(facts)
    out = np.full((rows, 5), np.nan)
    for i in range(rows):
        row = facts[i]
        if not row[COUNT] >= least_bars:
            continue
        out[i, P_RSI] = 15.0 * rsi_share(row[RSI : RSI + 5])
        out[i, P_MACD] = 15.0 * macd_share(row[MACD], row[HISTOGRAM], row[ATR])
        out[i, P_BOLLINGER] = 10.0 * band_share(row[BAND : BAND + 5])
        out[i, P_DAILY_FVG] = 8.0 * zone_share(row[GAP], row[GAP + 4], row[ATR])
        out[i, P_ORDER_BLOCK] = 7.0 * zone_share(row[BLOCK], row[BLOCK + 2], row[ATR])
    return out


@compiled
def fifteen_facts(high: Floats, low: Floats, close: Floats, session: Integers, emit_from: int) -> Floats:
    """Facts of completed fifteen-minute bars; ``session`` numbers the session of each bar."""
    count = len(close)
    out = np.full((count, FIFTEEN_FACTS), np.nan)
    atr = average_true_range(high, low, close, 14)
    gaps = gap_facts(high, low, close, atr, session, SMALLEST_GAP, FIFTEEN_AGE, MOST_ZONES, emit_from)
    events = structure(high, low, close, SWING)
    up = -1
    down = -1
    following = 0
    for t in range(count):
        while following < len(events) and events[following, 0] <= t:
            if events[following, 1] > 0:
                up = following
            else:
                down = following
            following += 1
        if t < emit_from:
            continue
        out[t, F_ATR] = atr[t]
        out[t, F_CLOSE] = close[t]
        out[t, F_COUNT] = t + 1
        out[t, F_GAP : F_GAP + GAP_COLUMNS] = gaps[t]
        if up >= 0:
            out[t, UP_KIND] = events[up, 2]
            out[t, UP_AGE] = t - events[up, 0]
        if down >= 0:
            out[t, DOWN_KIND] = events[down, 2]
            out[t, DOWN_AGE] = t - events[down, 0]
    return out


@compiled
def fifteen_points(facts: Floats) -> Floats:
    """Points of the fifteen-minute gap and of structure; NaN where undefined."""
    rows = len(facts)
    out = np.full((rows, 2), np.nan)
    for i in range(rows):
        row = facts[i]
        if not row[F_ATR] > 0.0:
            continue
        out[i, P_FIFTEEN_FVG] = 15.0 * retest_share(row[F_GAP : F_GAP + 8], row[F_ATR])
        long = event_share(row[UP_KIND], row[UP_AGE])
        short = event_share(row[DOWN_KIND], row[DOWN_AGE])
        out[i, P_STRUCTURE] = 8.0 * (long - short)
    return out


@compiled
def daily_last(high: Floats, low: Floats, close: Floats, begins: Integers, ends: Integers) -> Floats:
    """Facts of the last bar of each range begins[i]:ends[i] of the shared columns."""
    out = np.full((len(begins), DAILY_FACTS), np.nan)
    for i in range(len(begins)):
        a = begins[i]
        b = ends[i]
        if b > a:
            out[i] = daily_facts(high[a:b], low[a:b], close[a:b], b - a - 1)[b - a - 1]
    return out


@compiled
def fifteen_last(
    high: Floats, low: Floats, close: Floats, session: Integers, begins: Integers, ends: Integers
) -> Floats:
    """The same for fifteen-minute bars."""
    out = np.full((len(begins), FIFTEEN_FACTS), np.nan)
    for i in range(len(begins)):
        a = begins[i]
        b = ends[i]
        if b > a:
            out[i] = fifteen_facts(high[a:b], low[a:b], close[a:b], session[a:b], b - a - 1)[b - a - 1]
    return out


@compiled
def indicators_ragged(close: Floats, begins: Integers, ends: Integers) -> Floats:
    """Rows (RSI, MACD, histogram, middle, deviation) of every bar of every range; NaN outside the ranges."""
    out = np.full((len(close), 5), np.nan)
    for i in range(len(begins)):
        a = begins[i]
        b = ends[i]
        out[a:b, 0] = rsi(close[a:b], 14)
        line, histogram = macd(close[a:b], 12, 26, 9)
        middle, deviation = bands(close[a:b], 20, 0)
        out[a:b, 1] = line
        out[a:b, 2] = histogram
        out[a:b, 3] = middle
        out[a:b, 4] = deviation
    return out
