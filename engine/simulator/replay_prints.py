"""Real bars turned into trades that re-assemble to exactly those bars.

Inside a bar the path runs from the open over both extremes to the close (a rising bar dips first, a falling one rises
first); between these anchors prices are interpolated with noise on the day's own price grid.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from engine.calendar import Session
from engine.simulator.replay_files import MinuteColumns
from engine.simulator.tape import Prints
from engine.simulator.tape_bars import seconds_of_day

_PER_MINUTE: Final = 8
"""Trades drawn per minute of a bar at most."""

Whole = NDArray[np.int64]


def price_grid(price: Whole) -> int:
    """The coarsest grid that holds every price of a day: the tick of its time, without a table of old rules."""
    return max(1, int(np.gcd.reduce(price, axis=None)))


@dataclass(frozen=True, slots=True, eq=False)
class Closing:
    """The auction trade added after the last bar where the source has none."""

    price: int
    volume: int


def needed_trades(price: Whole) -> Whole:
    """The fewest trades that can make each bar: its open, its extremes where they differ, its close."""
    open_, high, low, close = price.T
    top = high > np.maximum(open_, close)
    bottom = low < np.minimum(open_, close)
    trades: Whole = 1 + top.astype(np.int64) + bottom + ((open_ != close) | top | bottom)
    return trades


def prints_of_bars(
    bars: MinuteColumns, session: Session, rng: np.random.Generator, closing: Closing | None = None
) -> tuple[Prints, dict[str, int]]:
    """The trades, and how many bars were left out by reason (outside the session, too few shares for their prices)."""
    opening, ending = seconds_of_day(session)
    auction = session.close_out.hour * 3600 + session.close_out.minute * 60
    inside = (bars.second >= opening) & (bars.second < ending)
    feasible = bars.volume >= needed_trades(bars.price)
    left_out = {
        "장 시간 밖의 분봉": int((~inside).sum()),
        "가격 수보다 거래량이 적은 분봉": int((inside & ~feasible).sum()),
    }
    keep = inside & feasible
    price, volume = bars.price[keep], bars.volume[keep]
    second, length = bars.second[keep], bars.length[keep]
    flat = price[:, 1] == price[:, 2]
    at_close = second >= auction

    need = needed_trades(price)
    wanted = np.maximum(need, np.minimum(volume, length * _PER_MINUTE // 60))
    # The more the bar trades beside its day, the more trades it shows.
    busy = np.sqrt(volume / max(1.0, float(np.max(volume, initial=1))))
    count = np.clip(np.rint(wanted * np.clip(0.25 + busy, 0.0, 1.0)).astype(np.int64), need, wanted)
    count = np.where(at_close & flat, 1, count)
    grid = price_grid(price) if len(price) else 1

    total = int(count.sum())
    noise, weight = rng.standard_normal(total), np.exp(0.9 * rng.standard_normal(total))
    turns = rng.random((len(price), 3))
    seconds, prices, volumes, auctions = [], [], [], []
    first = 0
    for row in range(len(price)):
        size = int(count[row])
        own = slice(first, first + size)
        first += size
        prices.append(_path(price[row].tolist(), grid, noise[own], turns[row].tolist()))
        volumes.append(_split(int(volume[row]), weight[own]))
        if at_close[row]:
            seconds.append(np.full(size, ending, dtype=np.int64))
        else:
            last = min(int(length[row]), auction - int(second[row]))
            seconds.append(second[row] + np.arange(size, dtype=np.int64) * last // size)
        auctions.append(np.full(size, bool(at_close[row])))
    if closing is not None:
        seconds.append(np.array([ending], dtype=np.int64))
        prices.append(np.array([closing.price], dtype=np.int64))
        volumes.append(np.array([closing.volume], dtype=np.int64))
        auctions.append(np.array([True]))
    if not seconds:
        return empty(), left_out
    at, paid = np.concatenate(seconds), np.concatenate(prices)
    is_auction = np.concatenate(auctions)
    is_auction[0] |= at[0] == opening
    return Prints(
        at.astype(np.int32),
        paid,
        np.concatenate(volumes),
        _sides(paid, is_auction),
        synthetic_close=closing is not None,
    ), left_out


def empty() -> Prints:
    return Prints(np.empty(0, np.int32), np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0, np.int8))


def _path(bar: list[int], grid: int, noise: NDArray[np.float64], turns: list[float]) -> Whole:
    """As many prices as ``noise`` from the open to the close, touching the high and the low and never leaving them.

    ``turns`` are three uniform numbers: which extreme comes first in a flat bar, and where the two lie.
    """
    open_, high, low, close = bar
    size = len(noise)
    extremes = (low, high) if close >= open_ else (high, low)
    if close == open_ and turns[0] < 0.5:
        extremes = (high, low)
    anchors = [open_, *(extreme for extreme in extremes if extreme not in (open_, close))]
    if len(anchors) > 1 or close != open_:
        anchors.append(close)
    if size <= len(anchors):
        return np.array(anchors, dtype=np.int64)
    places = [0]
    if len(anchors) == 3:
        places.append(1 + int(turns[1] * (size - 2)))
    elif len(anchors) == 4:
        places.append(1 + int(turns[1] * (size - 3)))
        places.append(places[1] + 1 + int(turns[2] * (size - 2 - places[1])))
    if len(anchors) > 1:
        places.append(size - 1)
    line = np.interp(np.arange(size), places, anchors)
    path = np.rint((line + 0.15 * (high - low) * noise) / grid).astype(np.int64) * grid
    path = np.minimum(np.maximum(path, low), high)
    path[places] = anchors
    if len(anchors) == 1:
        path[-1] = close
    return path


def _split(total: int, weight: NDArray[np.float64]) -> Whole:
    """``total`` shares over trades by weight, each at least one."""
    parts = len(weight)
    edges = np.floor(np.cumsum(weight) / weight.sum() * (total - parts)).astype(np.int64)
    edges[-1] = total - parts
    shares: Whole = np.diff(edges, prepend=0) + 1
    return shares


def _sides(price: Whole, auction: NDArray[np.bool_]) -> NDArray[np.int8]:
    """The tick rule: up is buyer-initiated, down seller-initiated, unchanged as before; 0 in auctions."""
    sign = np.sign(np.diff(price, prepend=price[0])).astype(np.int8)
    last = np.maximum.accumulate(np.where(sign != 0, np.arange(len(sign)), 0))
    side = sign[last]
    return np.where(auction, 0, np.where(side == 0, 1, side)).astype(np.int8)
