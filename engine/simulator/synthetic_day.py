"""Inside one synthetic session: five-minute paths of every company, then the trades of one company along its path.

The daily bar is read off the path, and the trades are drawn so that they re-assemble to exactly that bar.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Final

import numpy as np
from numpy.typing import NDArray

from engine.calendar import Session
from engine.clock import seeded
from engine.market import Index
from engine.simulator.synthetic_grid import nearest_ticks, tick_sizes
from engine.simulator.synthetic_names import COMPANIES
from engine.simulator.synthetic_process import FACTORS, INDEX_LOADINGS, Chain, Companies, DayRecord
from engine.simulator.tape import IndexPrints, Prints

Floats = NDArray[np.float64]

STEP_SECONDS: Final = 300
_FLUTTER, _FLUTTER_SECONDS = 0.60, 75.0

# Volatility and volume by quarter of an hour from the open, measured on krx_minute.parquet (docs/synthetic-market.md).
_VOLATILITY: Final[tuple[float, ...]] = (
    1.72,
    1.43,
    1.31,
    1.24,
    1.19,
    1.11,
    1.10,
    0.95,
    0.93,
    0.82,
    0.76,
    0.72,
    0.69,
    0.75,
    0.77,
    0.88,
    0.83,
    0.86,
    0.90,
    0.82,
    0.84,
    0.81,
    0.83,
    0.87,
    0.90,
    0.91,
)
_VOLUME: Final[tuple[float, ...]] = (
    72,
    69,
    53,
    47,
    46,
    42,
    39,
    37,
    36,
    32,
    28,
    25,
    24,
    24,
    28,
    33,
    32,
    36,
    43,
    43,
    46,
    48,
    53,
    58,
    50,
    59,
)


def profile(quarters: tuple[float, ...], steps: int) -> Floats:
    """A quarter-hour profile on ``steps`` steps of five minutes, whatever the session's length."""
    at = np.linspace(0, len(quarters) - 1, steps)
    return np.interp(at, np.arange(len(quarters)), np.array(quarters, dtype=np.float64))


@dataclass(frozen=True, slots=True, eq=False)
class DayPaths:
    """Logarithmic paths of a day relative to the open: knot 0 is the open, the last the close.

    ``stocks`` is (companies, knots), ``indices`` (3, knots); ``top`` and ``bottom`` the extremes of the stock paths.
    """

    record: DayRecord
    stocks: Floats
    indices: Floats
    noise: Floats
    """Standard deviation of the path in each step, (companies, steps)."""
    top: Floats
    bottom: Floats
    index_top: Floats
    index_bottom: Floats


@dataclass(frozen=True, slots=True, eq=False)
class DayBars:
    """The daily bars of all companies and indices."""

    day: date
    open: NDArray[np.int64]
    high: NDArray[np.int64]
    low: NDArray[np.int64]
    close: NDArray[np.int64]
    volume: NDArray[np.int64]
    index: Floats
    """(3, 4): open, high, low, close."""
    index_volume: NDArray[np.int64]


def _bridged(steps: Floats, variance: Floats, target: Floats) -> Floats:
    """Cumulated ``steps`` bent to end at ``target``, the correction spread by variance."""
    path = np.zeros((steps.shape[0], steps.shape[1] + 1))
    np.cumsum(steps, axis=1, out=path[:, 1:])
    share = np.zeros_like(path)
    np.cumsum(variance, axis=1, out=share[:, 1:])
    share /= share[:, -1:]
    path += share * (target - path[:, -1])[:, None]
    return path


def day_paths(seed: int, companies: Companies, record: DayRecord, session: Session) -> DayPaths:
    steps = int((session.close_out - session.open).total_seconds()) // STEP_SECONDS + 1  # the last: closing auction
    count = len(COMPANIES)
    rng = seeded("synthetic", seed, "paths", record.day)
    shape = profile(_VOLATILITY, steps)
    shape[-1] *= 0.45
    shape /= np.sqrt(np.sum(shape**2))

    normal = rng.standard_normal((count + FACTORS, steps))
    uneven = shape * np.exp(0.50 * rng.standard_normal((count, steps)) - 0.125)
    # An event day moves mostly within a few minutes: what trips a volatility interruption.
    rows = np.flatnonzero(record.event)
    uneven[rows, rng.integers(0, steps - 1, len(rows))] *= 4.0
    factor_scale = record.factor_scale[:, None] * shape
    factors = _bridged(normal[count:] * factor_scale, factor_scale**2, record.factor_move)
    common = companies.loadings @ factors
    own_noise = record.own_scale[:, None] * uneven
    own = _bridged(normal[:count] * own_noise, own_noise**2, record.move - common[:, -1])
    stocks = common + own

    total_noise = np.sqrt(own_noise**2 + (companies.loadings**2) @ factor_scale**2)
    overshoot = (0.05 + 0.73 * np.abs(rng.standard_normal((2, count)))) * total_noise.mean(axis=1)
    indices = np.array([INDEX_LOADINGS[index] for index in Index]) @ factors[:3]
    drift = Chain.index_move(record) - indices[:, -1]
    indices += drift[:, None] * np.linspace(0.0, 1.0, steps + 1)
    index_noise = np.abs(rng.standard_normal((2, len(indices)))) * 0.06 * record.factor_scale[0]
    return DayPaths(
        record,
        stocks,
        indices,
        total_noise,
        stocks.max(axis=1) + overshoot[0],
        stocks.min(axis=1) - overshoot[1],
        indices.max(axis=1) + index_noise[0],
        indices.min(axis=1) - index_noise[1],
    )


def day_bars(companies: Companies, paths: DayPaths) -> DayBars:
    record = paths.record
    lower, upper = companies.grid.limits(record.previous_close)
    base = record.previous_log + record.gap

    def priced(offset: Floats) -> NDArray[np.int64]:
        price: NDArray[np.int64] = np.clip(companies.grid.rounded(np.exp(base + offset)), lower, upper)
        price = np.where(companies.halted, record.previous_close, price)
        return price

    open_ = priced(np.zeros(len(base)))
    high = np.maximum(priced(paths.top), np.maximum(open_, record.close))
    low = np.minimum(priced(paths.bottom), np.minimum(open_, record.close))
    high = np.where(companies.halted, record.close, high)
    low = np.where(companies.halted, record.close, low)
    index_open = record.index_previous + Chain.index_gap(record)
    columns = (np.zeros(3), paths.index_top, paths.index_bottom, paths.indices[:, -1])
    index: Floats = np.round(np.exp(index_open[:, None] + np.stack(columns, axis=1)), 2).astype(np.float64)
    volume = np.array([int(record.volume.sum() * share) for share in (0.62, 0.38, 0.45)], dtype=np.int64)
    return DayBars(record.day, open_, high, low, record.close, record.volume, index, volume)


def _shares(total: int, weight: Floats) -> NDArray[np.int64]:
    """``total`` shares split by weight, at least one to each; total must be no less than the number of weights."""
    edges = np.floor(np.cumsum(weight) / weight.sum() * (total - len(weight))).astype(np.int64)
    edges[-1] = total - len(weight)
    shares: NDArray[np.int64] = np.diff(edges, prepend=0) + 1
    return shares


def _flutter(rng: np.random.Generator, count: int, spacing: float) -> Floats:
    """Noise that is gone after a minute or two: why a bar's range is wide beside its move, and gaps between bars rare."""
    length = int(np.clip(4 * _FLUTTER_SECONDS / spacing, 1, 64))
    kernel = np.exp(-np.arange(length) * spacing / _FLUTTER_SECONDS)
    kernel *= _FLUTTER / np.sqrt(np.sum(kernel**2))
    return np.convolve(rng.standard_normal(count + length - 1), kernel, mode="valid")


def prints_of(seed: int, companies: Companies, paths: DayPaths, bars: DayBars, row: int, session: Session) -> Prints:
    """The trades of company ``row``: they re-assemble to its bar in ``bars``."""
    volume = int(bars.volume[row])
    if volume == 0:
        return empty_prints()
    code = COMPANIES[row].stock.code
    rng = seeded("synthetic", seed, "prints", paths.record.day, code)
    fund = bool(companies.grid.fund[row])
    low, high = int(bars.low[row]), int(bars.high[row])
    open_, close = int(bars.open[row]), int(bars.close[row])
    base = float(paths.record.previous_log[row] + paths.record.gap[row])
    start = session.open.hour * 3600 + session.open.minute * 60
    steps = paths.noise.shape[1] - 1

    value = volume * close
    wanted = int(np.clip(330 * (value / 1e9) ** 0.45 * float(np.exp(0.15 * rng.standard_normal())), 60, 4000))
    count = max(3, min(wanted, volume // 3))
    busy = profile(_VOLUME, steps) * np.exp(0.35 * rng.standard_normal(steps))
    busy *= 1.0 + np.abs(np.diff(paths.stocks[row, :-1])) / (paths.noise[row, :-1] + 1e-12)
    chosen = rng.choice(steps, size=count, p=busy / busy.sum())
    second = np.sort(chosen * STEP_SECONDS + rng.integers(1, STEP_SECONDS, count))

    knots = np.arange(steps + 1, dtype=np.float64) * STEP_SECONDS
    at = second.astype(np.float64)
    path = np.interp(at, knots, paths.stocks[row, :-1])
    step = np.minimum(second // STEP_SECONDS, steps - 1)
    elapsed = np.diff(at, prepend=0.0) / STEP_SECONDS
    walk = np.cumsum(rng.standard_normal(count) * paths.noise[row, step] * np.sqrt(elapsed))
    path = path + walk - np.interp(at, knots, np.interp(knots, at, walk))

    path = path + paths.noise[row, step] * _flutter(rng, count, steps * STEP_SECONDS / count)

    # Runs of one side: a trade repeats the last initiator three times out of four.
    keep = rng.random(count) < 0.75
    fresh = np.where(rng.random(count) < 0.5, 1, -1)
    last_fresh = np.maximum.accumulate(np.where(keep, 0, np.arange(count)))
    side = fresh[last_fresh].astype(np.int8)
    price = np.exp(base + path)
    tick = tick_sizes(price.astype(np.int64), fund)
    price = nearest_ticks(price + 0.5 * tick * side, fund)
    top, bottom = int(np.argmax(path)), int(np.argmin(path))
    price = np.clip(price, low, high)
    price[top], price[bottom] = high, low
    if top == bottom:
        price[(top + 1) % count] = high

    weight = np.exp(0.9 * rng.standard_normal(count + 2))
    weight[0] = 0.03 * weight[1:-1].sum() * np.exp(0.4 * rng.standard_normal())
    weight[-1] = 0.06 * weight[1:-1].sum() * np.exp(0.4 * rng.standard_normal())
    closing = int((session.close - session.open).total_seconds())
    return Prints(
        second=(start + np.concatenate(([0], second, [closing]))).astype(np.int32),
        price=np.concatenate(([open_], price, [close])).astype(np.int64),
        volume=_shares(volume, weight),
        side=np.concatenate(([0], side, [0])).astype(np.int8),
    )


def empty_prints() -> Prints:
    return Prints(np.empty(0, np.int32), np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0, np.int8))


def index_prints_of(seed: int, paths: DayPaths, bars: DayBars, index: Index, session: Session) -> IndexPrints:
    """A value about every ten seconds from the open to the close; they re-assemble to the daily index bar."""
    row = list(Index).index(index)
    rng = seeded("synthetic", seed, "index", paths.record.day, index.value)
    start = session.open.hour * 3600 + session.open.minute * 60
    length = int((session.close_out - session.open).total_seconds())
    second = np.arange(0, length + 1, 10)
    knots = np.arange(0, length + 1, STEP_SECONDS, dtype=np.float64)
    at = second.astype(np.float64)
    scale = float(paths.record.factor_scale[0]) * 0.9 / np.sqrt(len(second))
    walk = np.cumsum(rng.standard_normal(len(second)) * scale)
    path = (
        np.interp(at, knots, paths.indices[row, : len(knots)]) + walk - np.interp(at, knots, np.interp(knots, at, walk))
    )
    opening, high, low, close = (float(x) for x in bars.index[row])
    value = np.clip(np.round(opening * np.exp(path), 2), low, high)
    value[int(np.argmax(path))], value[int(np.argmin(path))] = high, low
    value[0] = opening
    if high not in value or low not in value:
        value[1] = high if high not in value else low
    end = start + int((session.close - session.open).total_seconds())
    return IndexPrints(np.append(start + second, end).astype(np.int32), np.append(value, close))
