"""The score written slowly and plainly from its definitions, one bar at a time; nothing is shared with the engine."""

from __future__ import annotations

import itertools
from collections.abc import Sequence


def clip(x: float) -> float:
    return min(1.0, max(0.0, x))


def ramp(x: float, a: float, b: float) -> float:
    return clip((x - a) / (b - a))


def fade(n: int | None, life: int) -> float:
    return 0.0 if n is None else max(0.0, 1 - n / life)


def rsi(close: Sequence[float]) -> float | None:
    changes = [b - a for a, b in itertools.pairwise(close)]
    if len(changes) < 14:
        return None
    up = sum(max(c, 0) for c in changes[:14]) / 14
    down = sum(max(-c, 0) for c in changes[:14]) / 14
    for c in changes[14:]:
        up = (13 * up + max(c, 0)) / 14
        down = (13 * down + max(-c, 0)) / 14
    return None if up + down == 0 else 100 * up / (up + down)


def atr(high: Sequence[float], low: Sequence[float], close: Sequence[float]) -> float | None:
    ranges = [
        max(high[t] - low[t], abs(high[t] - close[t - 1]), abs(low[t] - close[t - 1])) for t in range(1, len(close))
    ]
    if len(ranges) < 14:
        return None
    value = sum(ranges[:14]) / 14
    for r in ranges[14:]:
        value = (13 * value + r) / 14
    return value


def macd(close: Sequence[float]) -> tuple[float, float] | None:
    if len(close) < 34:
        return None
    fast, slow = sum(close[14:26]) / 12, sum(close[:26]) / 26
    lines = [fast - slow]
    for c in close[26:]:
        fast += 2 / 13 * (c - fast)
        slow += 2 / 27 * (c - slow)
        lines.append(fast - slow)
    signal = sum(lines[:9]) / 9
    for line in lines[9:]:
        signal += 0.2 * (line - signal)
    return lines[-1], lines[-1] - signal


def band(close: Sequence[float]) -> float | None:
    last = close[-20:]
    if len(last) < 20:
        return None
    mean = sum(last) / 20
    deviation = (sum((c - mean) ** 2 for c in last) / 20) ** 0.5
    return None if len(set(last)) == 1 else (last[-1] - mean) / (2 * deviation)


def gaps(
    high: Sequence[float], low: Sequence[float], close: Sequence[float], sessions: Sequence[object], oldest: int
) -> list[tuple[float, float, int, int | None]]:
    """Live bullish gaps at the last bar: (bottom, top, born, last touch). Fewer than 64 at these lengths."""
    found = []
    for t in range(2, len(close)):
        value = atr(high[: t + 1], low[: t + 1], close[: t + 1])
        if value is None or sessions[t] != sessions[t - 2] or not low[t] - high[t - 2] > 0.1 * value:
            continue
        if any(low[k] < high[t - 2] for k in range(t + 1, len(close))) or len(close) - 1 - t > oldest:
            continue
        touches = [k for k in range(t + 1, len(close)) if low[k] <= low[t]]
        found.append((high[t - 2], low[t], t, touches[-1] if touches else None))
    return found


def structure(high: Sequence[float], low: Sequence[float], close: Sequence[float]) -> list[tuple[int, int, str, int]]:
    """(bar, direction, kind, pivot): at each bar look back for the newest confirmed swing that is not spent."""
    events: list[tuple[int, int, str, int]] = []
    trend = 0
    for t in range(len(close)):
        for side, values in ((1, high), (-1, low)):
            confirmed = [
                p
                for p in range(3, t - 3)
                if all(side * values[p] > side * values[q] for q in range(p - 3, p + 4) if q != p)
            ]
            if not confirmed or any(e[3] == confirmed[-1] and e[1] == side for e in events):
                continue
            pivot = confirmed[-1]
            if side * close[t] > side * values[pivot]:
                events.append((t, side, "CHoCH" if trend == -side else "BOS", pivot))
                trend = side
    return events


def blocks(high: Sequence[float], low: Sequence[float], close: Sequence[float]) -> list[tuple[float, float]]:
    """Live bullish order blocks at the last bar, as (bottom, top)."""
    live = []
    for t, side, _, pivot in structure(high, low, close):
        if side < 0 or len(close) - 1 - t > 250:
            continue
        candle = min(range(pivot, t), key=lambda k: (low[k], -k))
        if all(c >= low[candle] for c in close[t + 1 :]):
            live.append((low[candle], high[candle]))
    return live


def near(tops: list[float], price: float, scale: float, reach: float) -> float:
    return max((max(0.0, 1 - max((price - top) / scale, 0) / reach) for top in tops), default=0.0)


def turned(values: Sequence[float]) -> list[float]:
    return [-v for v in values]


def daily_long(high: Sequence[float], low: Sequence[float], close: Sequence[float]) -> list[float]:
    """Long side of RSI, MACD, Bollinger, daily gap, order block, each 0..1."""
    strengths = [rsi(close[: len(close) - k]) for k in range(5)]
    positions = [band(close[: len(close) - k]) for k in range(5)]
    lines, scale = macd(close), atr(high, low, close)
    assert lines is not None
    assert scale
    days = ["same"] * len(close)
    return [
        max((1 - k / 5) * ramp(50 - s, 0, 25) for k, s in enumerate(strengths) if s is not None),
        ramp(lines[1] / scale, 0, 0.10) * ramp(-lines[0] / scale, 0, 0.75),
        max((1 - k / 5) * ramp(-z, 0, 1.25) for k, z in enumerate(positions) if z is not None),
        near([g[1] for g in gaps(high, low, close, days, 250)], close[-1], scale, 0.8),
        near([b[1] for b in blocks(high, low, close)], close[-1], scale, 0.8),
    ]


def daily_points(high: Sequence[float], low: Sequence[float], close: Sequence[float]) -> list[float]:
    long = daily_long(high, low, close)
    short = daily_long(turned(low), turned(high), turned(close))
    return [m * (a - b) for m, a, b in zip((15, 15, 10, 8, 7), long, short, strict=True)]


def fifteen_long(
    high: Sequence[float], low: Sequence[float], close: Sequence[float], sessions: Sequence[object]
) -> list[float]:
    now, scale = len(close) - 1, atr(high, low, close)
    assert scale
    live = gaps(high, low, close, sessions, 130)
    touch = min((now - g[3] for g in live if g[3] is not None), default=None)
    birth = min((now - g[2] for g in live), default=None)
    ups = [e for e in structure(high, low, close) if e[1] > 0]
    kind = 0.0
    if ups:
        kind = (1.0 if ups[-1][2] == "CHoCH" else 0.4) * fade(now - ups[-1][0], 26)
    return [max(fade(touch, 8), fade(birth, 12)) * near([g[1] for g in live], close[-1], scale, 3.0), kind]


def fifteen_points(
    high: Sequence[float], low: Sequence[float], close: Sequence[float], sessions: Sequence[object]
) -> list[float]:
    long = fifteen_long(high, low, close, sessions)
    short = fifteen_long(turned(low), turned(high), turned(close), sessions)
    return [m * (a - b) for m, a, b in zip((15, 8), long, short, strict=True)]
