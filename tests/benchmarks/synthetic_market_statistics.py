"""Print the synthetic market's statistics beside real ones: ``python -m tests.benchmarks.synthetic_market_statistics``.

Real data: krx_daily.parquet (2024–2025), krx_minute.parquet and krx_index_daily.parquet of the shared folder
(GAEMI_SHARED_DATA). Medians over stocks unless a row says otherwise. docs/synthetic-market.md holds the table.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from engine.calendar import TradingCalendar
from engine.market import Index, SecurityKind
from engine.simulator.synthetic import SyntheticTape
from engine.simulator.tape_bars import bars_of_prints
from tests.shared_data import SHARED

Row = tuple[str, str]


def _quantiles(values: Any, digits: int = 3) -> str:
    return " / ".join(
        f"{x:.{digits}f}" for x in np.nanquantile(np.asarray(values, dtype=float), [0.05, 0.25, 0.5, 0.75, 0.95])
    )


def _log(values: pd.DataFrame) -> pd.DataFrame:
    return pd.DataFrame(np.log(values.to_numpy()), index=values.index, columns=values.columns)


def daily_rows(frame: pd.DataFrame) -> list[Row]:
    """Statistics of a frame with code, date, open, high, low, close, volume."""
    wide = {
        name: frame.pivot(index="date", columns="code", values=name).astype(float)
        for name in ("open", "high", "low", "close", "volume")
    }
    log = {name: _log(value.where(value > 0)) for name, value in wide.items()}
    close_before = log["close"].shift()
    total, gap, inside = log["close"] - close_before, log["open"] - close_before, log["close"] - log["open"]
    spread = log["high"] - log["low"]
    market = total.mean(axis=1)
    own = total.sub(market, axis=0)
    volume = log["volume"] - log["volume"].rolling(60, min_periods=20).mean()
    log_range = _log(spread.where(spread > 0))
    washed = total.rolling(5).sum().shift().rank(axis=1, pct=True)
    place = (wide["close"] - wide["low"]) / (wide["high"] - wide["low"]).where(lambda x: x > 0)

    def lagged(values: pd.DataFrame, lag: int) -> float:
        return float(values.corrwith(values.shift(lag)).median())

    return [
        ("daily return, sd % (5/25/50/75/95 % of stocks)", _quantiles(100 * total.std(), 2)),
        ("overnight gap, sd %", _quantiles(100 * gap.std(), 2)),
        ("open to close, sd %", _quantiles(100 * inside.std(), 2)),
        ("gap with open to close, correlation", _quantiles(gap.corrwith(inside), 2)),
        ("excess kurtosis of returns", _quantiles(total.kurt(), 1)),
        ("excess kurtosis of gaps", _quantiles(gap.kurt(), 1)),
        ("excess kurtosis of open to close", _quantiles(inside.kurt(), 1)),
        ("skewness of returns", _quantiles(total.skew(), 2)),
        ("days that move > 10 %", f"{100 * float((total.abs() > 0.10).to_numpy()[1:].mean()):.2f} %"),
        ("days near the limit (> 29 %)", f"{100 * float((total.abs() > 0.255).to_numpy()[1:].mean()):.3f} %"),
        ("return minus market, autocorrelation lags 1-5", " ".join(f"{lagged(own, k):+.3f}" for k in range(1, 6))),
        (
            "size of return minus market, autocorrelation lags 1 2 5 10 20",
            " ".join(f"{lagged(own.abs(), k):.3f}" for k in (1, 2, 5, 10, 20)),
        ),
        (
            "5-day return with the next day's open to close",
            f"{washed.corrwith(inside.rank(axis=1, pct=True), axis=1).mean():+.4f}",
        ),
        ("yesterday's return with today's gap", _quantiles(gap.corrwith(total.shift()), 2)),
        ("yesterday's return with today's open to close", _quantiles(inside.corrwith(total.shift()), 2)),
        ("R² on the market's mean", _quantiles(total.corrwith(market) ** 2, 2)),
        ("sd of the market's mean %", f"{100 * market.std():.2f}"),
        ("range / sd of return", _quantiles(spread.mean() / total.std(), 2)),
        ("range / sd of open to close", _quantiles(spread.mean() / inside.std(), 2)),
        ("log range, sd", _quantiles(log_range.std(), 2)),
        ("log range, autocorrelation lags 1 10", f"{lagged(log_range, 1):.2f} {lagged(log_range, 10):.2f}"),
        ("close within the range (all days)", _quantiles(place, 2)),
        ("log volume around its 60-day mean, sd", _quantiles(volume.std(), 2)),
        ("log volume, autocorrelation", f"{lagged(volume, 1):.2f}"),
        ("log volume with size of return", _quantiles(volume.corrwith(total.abs()), 2)),
        ("log volume with range", _quantiles(volume.corrwith(spread), 2)),
        (
            "mean gap, mean open to close, basis points",
            f"{1e4 * gap.mean().mean():+.0f} {1e4 * inside.mean().mean():+.0f}",
        ),
    ]


def intraday_rows(frame: pd.DataFrame) -> list[Row]:
    """Statistics of 15-minute bars with code, day, start, open, high, low, close, volume."""
    bars = frame.sort_values(["code", "start"]).copy()
    bars["move"] = np.log(bars.close / bars.open)
    bars["span"] = np.log(bars.high / bars.low)
    groups = bars.groupby(["code", "day"])
    days = groups.agg(high=("high", "max"), low=("low", "min"), sd=("move", "std"), bars=("move", "size"))
    days["span"] = np.log(days.high / days.low)
    full = days[(days.bars >= 15) & (days.span > 0)]
    usual = groups.move.transform("std")
    relative_to_day: Any = bars.move / usual
    clock = bars.start.dt.strftime("%H:%M")
    relative = bars.move / bars.groupby("code").move.transform("std")
    share = bars.volume / groups.volume.transform("sum")
    lag = bars.assign(before=groups.move.shift())
    earlier_high, earlier_low = groups.high.shift(2), groups.low.shift(2)
    known = earlier_high.notna()
    rising, falling = ((bars.low > earlier_high) & known).sum(), ((bars.high < earlier_low) & known).sum()

    def at(values: pd.Series, times: Iterable[str], scale: float = 1.0) -> str:
        return " ".join(f"{scale * values[clock == time].std():.2f}" for time in times)

    def mean_at(values: pd.Series, times: Iterable[str]) -> str:
        return " ".join(f"{100 * values[clock == time].mean():.1f}" for time in times)

    times = ("09:00", "09:30", "10:00", "11:00", "12:00", "13:00", "14:00", "14:30")
    return [
        ("15-minute sd / day's range", _quantiles(full.sd / full.span)),
        ("15-minute range / size of move", f"{bars.span.mean() / bars.move.abs().mean():.2f}"),
        ("15-minute autocorrelation within a day", f"{lag.move.corr(lag.before):+.3f}"),
        ("15-minute kurtosis within a day", f"{np.float64(relative_to_day.kurt()):.2f}"),
        ("relative sd at 9:00 9:30 10 11 12 13 14 14:30", at(relative, times)),
        ("volume share % at the same times", mean_at(share, times)),
        (
            "fair-value gaps per bar, up / down %",
            f"{100 * rising / known.sum():.1f} / {100 * falling / known.sum():.1f}",
        ),
    ]


def index_rows(closes: dict[str, pd.DataFrame]) -> list[Row]:
    rows = []
    for name, frame in closes.items():
        change = np.log(frame.close).diff()
        gap, inside = np.log(frame.open / frame.close.shift()), np.log(frame.close / frame.open)
        rows.append(
            (
                f"{name}: sd %, gap, inside, kurtosis, lag 1, range/sd",
                f"{100 * change.std():.2f} {100 * gap.std():.2f} {100 * inside.std():.2f} {change.kurt():.1f} "
                f"{change.autocorr(1):+.3f} {np.log(frame.high / frame.low).mean() / change.std():.2f}",
            )
        )
    changes = pd.DataFrame({name: np.log(frame.close).diff() for name, frame in closes.items()})
    rows.append(
        (
            "KOSPI with KOSDAQ, with KOSPI200",
            f"{changes.KOSPI.corr(changes.KOSDAQ):.2f} {changes.KOSPI.corr(changes.KOSPI200):.2f}",
        )
    )
    return rows


def real(folder: Path) -> list[Row]:
    daily = pd.read_parquet(folder / "krx_daily.parquet")
    daily["date"] = pd.to_datetime(daily.date)
    daily = daily[(daily.date >= "2024-01-01") & ~daily.halted & (daily.volume > 0)]
    minute = pd.read_parquet(folder / "krx_minute.parquet")
    minute = minute[minute.volume > 0].sort_values(["code", "ts_start"])
    minute["day"], minute["start"] = minute.ts_start.dt.normalize(), minute.ts_start.dt.floor("15min")
    quarter = (
        minute.groupby(["code", "day", "start"])
        .agg(
            open=("open", "first"),
            high=("high", "max"),
            low=("low", "min"),
            close=("close", "last"),
            volume=("volume", "sum"),
        )
        .reset_index()
    )
    index = pd.read_parquet(folder / "krx_index_daily.parquet")
    index = index[index.date >= "2020-01-01"].sort_values("date")
    closes = {name: index[index["index"] == name].reset_index(drop=True) for name in ("KOSPI", "KOSDAQ", "KOSPI200")}
    return daily_rows(daily) + intraday_rows(quarter) + index_rows(closes)


def synthetic(seed: int, day: date, intraday_days: int = 12) -> list[Row]:
    calendar = TradingCalendar()
    tape = SyntheticTape(seed, day, calendar)
    stocks = [s for s in tape.stocks if s.kind is SecurityKind.STOCK]
    parts, quarters = [], []
    for stock in stocks:
        bars = tape.daily(stock.code, day)
        if not bars.volume.any():
            continue
        parts.append(
            pd.DataFrame(
                {
                    "code": stock.code,
                    "date": bars.dates(),
                    "open": bars.open,
                    "high": bars.high,
                    "low": bars.low,
                    "close": bars.close,
                    "volume": bars.volume,
                }
            )
        )
    for played in calendar.last_days(day, intraday_days * 20)[::20]:
        session = calendar.session(played)
        assert session is not None
        for stock in stocks[::4]:
            bars = bars_of_prints(tape.prints(stock.code, played), session, 15)
            start = pd.Series(bars.start) - pd.Timedelta(hours=session.open.hour - 9)
            # The real minute bars stop at 14:55; the last half hour is left out here too.
            part = pd.DataFrame(
                {
                    "code": stock.code,
                    "day": np.datetime64(played),
                    "start": start,
                    "open": bars.open,
                    "high": bars.high,
                    "low": bars.low,
                    "close": bars.close,
                    "volume": bars.volume,
                }
            )
            quarters.append(part[part.start.dt.strftime("%H:%M") <= "14:45"])
    closes = {}
    for index in Index:
        bars = tape.index_daily(index, day)
        closes[index.name] = pd.DataFrame({"open": bars.open, "high": bars.high, "low": bars.low, "close": bars.close})
    return daily_rows(pd.concat(parts)) + intraday_rows(pd.concat(quarters)) + index_rows(closes)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--day", type=date.fromisoformat, default=date(2026, 1, 5))
    options = parser.parse_args()
    invented = synthetic(options.seed, options.day)
    if not SHARED.is_dir():
        print(f"실제 자료 폴더가 없습니다: {SHARED}", file=sys.stderr)
        measured = [(name, "") for name, _ in invented]
    else:
        measured = real(SHARED)
    print(f"| statistic | real | synthetic (seed {options.seed}, before {options.day}) |\n|---|---|---|")
    for (name, value), (_, other) in zip(measured, invented, strict=True):
        print(f"| {name} | {value} | {other} |")
    return 0


if __name__ == "__main__":
    sys.exit(main())
