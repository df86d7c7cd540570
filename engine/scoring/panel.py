"""Every stock-day of a replay folder with its points and what came after; for the score study only.

A row is a decision on the morning of its day: points from the bars before it, entry at that day's open.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.krx import sell_tax
from engine.market import Bars, Code, Market
from engine.scoring import curves
from engine.scoring.points import LEAST_DAILY, breakout_points, daily_states
from engine.scoring.quality import defect, traded
from engine.scoring.stops import FARTHEST, FIXED, NEAREST

Floats = NDArray[np.float64]
COMMISSION = 0.00014
TAKE_PROFIT = 0.05
HORIZONS = (5, 20)
MINUTE_LEAST_DAILY = 30
"""The minute file begins 31 sessions after the daily one; the product's 60 bars would leave nothing."""


@dataclass(frozen=True, eq=False)
class DailyPanel:
    """Rows in the order of code and day. ``after`` holds gross returns: same_day, exits, night, 5, 20."""

    codes: tuple[Code, ...]
    code: NDArray[np.int64]
    dates: NDArray[np.datetime64]
    day: NDArray[np.int64]
    points: Floats
    after: dict[str, Floats]
    cost: Floats
    kosdaq: NDArray[np.bool_]
    tick: Floats
    """One tick as a share of the entry price."""
    quarantined: dict[Code, str] = field(default_factory=dict)

    @property
    def total(self) -> Floats:
        return np.asarray(self.points.sum(axis=1))


def replay_daily(folder: Path) -> tuple[dict[Code, Bars], dict[Code, Market]]:
    """Daily bars by code from ``krx_daily.parquet``, with the market where the ticker file tells it."""
    import pyarrow.parquet as parquet

    frame: Any = parquet.read_table(folder / "krx_daily.parquet").to_pandas()
    frame = frame.sort_values(["code", "date"], kind="stable")
    bars = {str(code): _bars(rows, "date") for code, rows in frame.groupby("code", sort=True)}
    markets = dict.fromkeys(bars, Market.KOSPI)
    tickers = folder / "krx_daily_tickers.csv"
    if tickers.is_file():
        import csv

        with tickers.open(encoding="utf-8-sig") as file:
            markets |= {row["code"]: Market(row["market"]) for row in csv.DictReader(file) if row["code"] in bars}
    return bars, markets


def _bars(rows: Any, time: str) -> Bars:
    columns = [rows[name].to_numpy(np.float64) for name in ("open", "high", "low", "close")]
    volume = rows["volume"].to_numpy(np.int64)
    return Bars(rows[time].to_numpy("datetime64[s]"), columns[0], columns[1], columns[2], columns[3], volume)


def tax_rate(day: date, market: Market) -> float:
    """Sell tax as a share, in whole parts as the exchange charges it."""
    return sell_tax(1_000_000, day, market) / 1_000_000


def _tick_share(price: Floats) -> Floats:
    edges = np.array([2_000, 5_000, 20_000, 50_000, 200_000, 500_000])
    ticks = np.array([1, 5, 10, 50, 100, 500, 1_000])
    return np.asarray(ticks[np.searchsorted(edges, price, side="right")] / price)


def with_exits(entry: float, stop: float, high: Floats, low: Floats, close: Floats, opens: Floats) -> float:
    """Gross return of the product's exits over the bars from entry on; a bar that reaches both is stopped."""
    target = entry * (1.0 + TAKE_PROFIT)
    for k in range(len(close)):
        if low[k] <= stop:
            return (min(stop, opens[k]) if k else stop) / entry - 1.0
        if high[k] >= target:
            return (max(target, opens[k]) if k else target) / entry - 1.0
    return float(close[-1] / entry - 1.0)


def stop_share(entry: Floats, far_edge: Floats) -> Floats:
    """Stop as a share of the entry: the far edge of the nearest gap below where it is 0.5-5 % away, else -3 %."""
    away = 1.0 - far_edge / entry
    usable = np.isfinite(away) & (away >= NEAREST) & (away <= FARTHEST)
    return np.where(usable, 1.0 - away, 1.0 - FIXED)


def daily_panel(folder: Path, least_daily: int = LEAST_DAILY) -> DailyPanel:
    """Points and forward returns of every stock-day of the folder."""
    all_bars, markets = replay_daily(folder)
    quarantined: dict[Code, str] = {}
    parts: list[tuple[int, Bars, Floats, Floats]] = []
    codes: list[Code] = []
    for code, raw in all_bars.items():
        if bad := defect(raw):
            quarantined[code] = bad
            continue
        bars = traded(raw)
        if len(bars) <= least_daily:
            continue
        facts = curves.daily_facts(bars.high, bars.low, bars.close, 0)
        parts.append((len(codes), bars, facts, curves.daily_points(facts, least_daily)))
        codes.append(code)
    if not parts:
        raise ValueError(f"쓸 수 있는 일봉이 없습니다: {folder}")
    rows: dict[str, list[Any]] = {
        name: [] for name in ("code", "date", "points", "same_day", "exits", "night", "5", "20", "tax", "tick")
    }
    for number, bars, facts, points in parts:
        entry = bars.open[1:]
        good = np.isfinite(points[:-1]).all(axis=1)
        stops = stop_share(entry, facts[:-1, curves.GAP + 8]) * entry
        hit = bars.low[1:] <= stops
        won = ~hit & (bars.high[1:] >= entry * (1 + TAKE_PROFIT))
        exits = np.where(hit, stops / entry - 1, np.where(won, TAKE_PROFIT, bars.close[1:] / entry - 1))
        following = np.full(len(entry), np.nan)
        following[:-1] = bars.open[2:] / entry[:-1] - 1
        days = bars.dates()[1:]
        years = days.astype("datetime64[Y]").astype(int) + 1970
        rates = {year: tax_rate(date(int(year), 6, 1), markets[codes[number]]) for year in np.unique(years)}
        values = {
            "code": np.full(len(entry), number),
            "date": days,
            "points": points[:-1],
            "same_day": bars.close[1:] / entry - 1,
            "exits": exits,
            "night": following,
            "tax": np.array([rates[year] for year in years]),
            "tick": _tick_share(entry),
        }
        for horizon in HORIZONS:
            ahead = np.full(len(entry), np.nan)
            if len(entry) >= horizon:
                ahead[: len(entry) - horizon + 1] = bars.close[horizon:] / entry[: len(entry) - horizon + 1] - 1
            values[str(horizon)] = ahead
        for name, column in values.items():
            rows[name].append(column[good])
    joined = {name: np.concatenate(columns) for name, columns in rows.items()}
    dates, day = np.unique(joined["date"], return_inverse=True)
    kosdaq = np.array([markets[code] is Market.KOSDAQ for code in codes])[joined["code"]]
    after = {name: joined[name] for name in ("same_day", "exits", "night", "5", "20")}
    return DailyPanel(
        tuple(codes), joined["code"], dates, day, joined["points"], after, joined["tax"] + 2 * COMMISSION, kosdaq,
        joined["tick"], quarantined,
    )  # fmt: skip


def delisted_rows(folder: Path, last: int = 60) -> tuple[Floats, Floats, NDArray[np.bool_]] | None:
    """(daily points, same-day return before cost, within ``last`` bars of the end) of delisted companies, if any."""
    import pyarrow.parquet as parquet

    path = folder / "krx_delisted_ohlc.parquet"
    if not path.is_file():
        return None
    frame: Any = parquet.read_table(path).to_pandas().sort_values(["code", "date"], kind="stable")
    rows = []
    for _, stock in frame.groupby("code", sort=True):
        opens, high, low, close = (stock[name].to_numpy(np.float64) for name in ("open", "high", "low", "close"))
        if len(close) <= LEAST_DAILY + last or not (np.minimum(opens, low) > 0).all():
            continue
        points = curves.daily_points(curves.daily_facts(high, low, close, 0), LEAST_DAILY).sum(axis=1)[:-1]
        good = np.isfinite(points)
        near_end = np.arange(len(points)) >= len(points) - last
        rows.append((points[good], (close[1:] / opens[1:] - 1)[good], near_end[good]))
    if not rows:
        return None
    points, after, near_end = (np.concatenate(column) for column in zip(*rows, strict=True))
    return points, after, near_end


# ---------------------------------------------------------------- minutes


@dataclass(frozen=True, eq=False)
class MinutePanel:
    """One row per completed fifteen-minute bar: points of the eight technical factors, returns of an entry at the next
    bar's open (NaN after the last bar), and the same-bar mean they are compared with."""

    stock_day: NDArray[np.int64]
    day: NDArray[np.int64]
    bar: NDArray[np.int64]
    days: int
    points: Floats
    to_close: Floats
    exits: Floats
    cost: Floats

    @property
    def total(self) -> Floats:
        return np.asarray(np.nan_to_num(self.points).sum(axis=1))


def fifteen_of(rows: Any) -> Bars:
    """Fifteen-minute bars of one code's minute rows (with ``ts_start``); bars without volume are left out."""
    start = rows["ts_start"].to_numpy("datetime64[m]")
    keep = rows["volume"].to_numpy() > 0
    rows, start = rows[keep], start[keep]
    minute = start.astype(np.int64)
    minute = np.where(minute % 1440 >= 15 * 60 + 30, minute - 1, minute)  # the closing print joins the last bar
    slot = minute // 15
    first = np.flatnonzero(np.r_[True, slot[1:] != slot[:-1]])
    last = np.r_[first[1:], len(slot)] - 1
    high, low = rows["high"].to_numpy(float), rows["low"].to_numpy(float)
    return Bars(
        (slot[first] * 15).astype("datetime64[m]").astype("datetime64[s]"),
        rows["open"].to_numpy(float)[first],
        np.maximum.reduceat(high, first),
        np.minimum.reduceat(low, first),
        rows["close"].to_numpy(float)[last],
        np.add.reduceat(rows["volume"].to_numpy(np.int64), first),
    )


def sessions_of(bars: Bars) -> Bars:
    """Daily bars of a code that the daily file lacks, made of its own minutes."""
    dates = bars.dates()
    first = np.flatnonzero(np.r_[True, dates[1:] != dates[:-1]])
    last = np.r_[first[1:], len(dates)] - 1
    return Bars(
        dates[first].astype("datetime64[s]"),
        bars.open[first],
        np.maximum.reduceat(bars.high, first),
        np.minimum.reduceat(bars.low, first),
        bars.close[last],
        np.add.reduceat(bars.volume, first),
    )


def minute_panel(folder: Path, daily: dict[Code, Bars], markets: dict[Code, Market]) -> MinutePanel | None:
    """Scores at every fifteen-minute close of ``krx_minute.parquet``; None where the folder has no minutes."""
    import pyarrow.parquet as parquet

    path = folder / "krx_minute.parquet"
    if not path.is_file():
        return None
    frame: Any = parquet.read_table(path).to_pandas().sort_values(["code", "source", "ts_start"], kind="stable")
    found: list[tuple[Any, ...]] = []
    stock_days = 0
    for (code, _), rows in frame.groupby(["code", "source"], sort=True):
        bars = fifteen_of(rows)
        dates = bars.dates()
        history = daily.get(code) or sessions_of(bars)
        sessions = np.unique(dates)
        for number, session in enumerate(sessions):
            before = history.before(session.item())
            today = np.flatnonzero(history.dates() == session)
            if not len(today) or history.open[today[0]] <= 0:
                continue
            state = daily_states([before], MINUTE_LEAST_DAILY)[0]
            if state.defect or state.bars < MINUTE_LEAST_DAILY:
                continue
            found += _session(
                state, bars, dates, sessions[max(0, number - 4)], session, history.open[today[0]], stock_days,
                tax_rate(session.item(), markets.get(code, Market.KOSPI)) + 2 * COMMISSION,
            )  # fmt: skip
            stock_days += 1
    if not found:
        return None
    columns = list(zip(*found, strict=True))
    days, day = np.unique(np.array(columns[1], "datetime64[D]"), return_inverse=True)
    return MinutePanel(
        np.array(columns[0], np.int64), day, np.array(columns[2], np.int64), len(days), np.array(columns[3]),
        np.array(columns[4]), np.array(columns[5]), np.array(columns[6]),
    )  # fmt: skip


def _session(
    state: Any, bars: Bars, dates: Any, since: Any, session: Any, daily_open: float, stock_day: int, cost: float
) -> list[tuple[Any, ...]]:
    """Rows of one stock-day. Minute prices are raw, daily ones adjusted: they meet at the day's open."""
    begin = int(np.searchsorted(dates, since))
    first, end = int(np.searchsorted(dates, session)), int(np.searchsorted(dates, session, "right"))
    factor = daily_open / bars.open[first]
    count = end - first
    high, low, close, opens = (getattr(bars, name) * factor for name in ("high", "low", "close", "open"))
    ends = np.arange(first + 1, end + 1)
    facts = curves.fifteen_last(high, low, close, dates.astype(np.int64), np.full(count, begin), ends)
    live = curves.fifteen_points(facts)
    out = []
    for k in range(count):
        breakout = breakout_points(state, float(close[first + k]), daily_open, MINUTE_LEAST_DAILY)
        points = np.array([*state.points[:3], breakout, *state.points[3:], *live[k]])
        to_close = gross = float("nan")
        entry_at = first + k + 1
        if entry_at < end:
            entry = opens[entry_at]
            stop = float(stop_share(np.array([entry]), facts[k : k + 1, curves.F_GAP + 8])[0]) * entry
            to_close = close[end - 1] / entry - 1
            rest = slice(entry_at, end)
            gross = with_exits(entry, stop, high[rest], low[rest], close[rest], opens[rest])
        out.append((stock_day, session, k, points, to_close, gross, cost))
    return out
