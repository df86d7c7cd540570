"""Histories from a folder of parquet files: ``krx_daily.parquet``, optional minutes, indices, listing, delisted."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any, Final

import numpy as np

from engine.backtest.timeline import StockHistory, session_of
from engine.candles import aggregate
from engine.market import Bars, Code, Market, SecurityKind, Stock

_DAILY: Final = ["code", "date", "open", "high", "low", "close", "volume"]
_FUNDS: Final = ("KODEX", "TIGER", "KBSTAR", "ARIRANG", "HANARO", "ACE ", "SOL ", "RISE ", "PLUS ")


class NoHistory(ValueError):
    """The folder has nothing to test on; the message is one Korean line."""


@dataclass(frozen=True, eq=False)
class FolderHistory:
    """What a folder holds. ``benchmark`` is the daily KOSPI where the folder has it."""

    stocks: dict[Code, StockHistory]
    benchmark: Bars | None
    name: str


def read_folder(
    folder: Path, codes: Collection[Code] | None = None, *, minutes: bool = True, delisted: bool = False
) -> FolderHistory:
    """Histories of ``codes`` (None: all). Raises NoHistory."""
    path = folder / "krx_daily.parquet"
    if not path.is_file():
        raise NoHistory(f"자료 폴더에 krx_daily.parquet 이 없습니다: {folder}")
    names = _stocks(folder)
    found: dict[Code, StockHistory] = {}
    for code, rows in _groups(path, codes, _DAILY):
        stock = names.get(code) or Stock(code, code, Market.KOSPI)
        found[code] = StockHistory(stock, _bars(rows, "date"), survivor_only=True)
    if minutes and (folder / "krx_minute.parquet").is_file():
        for code, rows in _groups(folder / "krx_minute.parquet", codes, None):
            stock = names.get(code) or Stock(code, code, Market.KOSPI)
            history = found.get(code)
            fifteen, first_prices = _fifteen(rows)
            if not len(fifteen):
                continue
            daily = history.daily if history is not None and _overlaps(history.daily, fifteen) else _sessions(fifteen)
            base = history or StockHistory(stock, daily)
            found[code] = replace(base, daily=daily, fifteen=fifteen, first_prices=first_prices)
    if delisted and (folder / "krx_delisted_ohlc.parquet").is_file():
        for code, rows in _groups(folder / "krx_delisted_ohlc.parquet", codes, None):
            if code not in found:
                rows = rows.assign(volume=1)
                stock = Stock(code, str(rows["name"].iloc[-1]), Market.KOSDAQ)
                found[code] = StockHistory(stock, _bars(rows, "date"), volume_known=False)
    if not found:
        wanted = f" ({', '.join(sorted(codes)[:5])})" if codes else ""
        raise NoHistory(f"자료 폴더에 그 종목의 봉이 없습니다{wanted}: {folder}")
    return FolderHistory(found, _benchmark(folder), folder.name)


def _groups(path: Path, codes: Collection[Code] | None, columns: list[str] | None) -> list[tuple[Code, Any]]:
    import pyarrow as pa
    import pyarrow.parquet as parquet

    filters = [("code", "in", sorted(codes))] if codes is not None else None
    try:
        frame: Any = parquet.read_table(path, columns=columns, filters=filters).to_pandas()
    except (pa.ArrowException, OSError, KeyError) as error:
        raise NoHistory(f"{path.name} 파일을 읽을 수 없습니다: {error}") from error
    stamp = "ts_start" if "ts_start" in frame.columns else "date"
    frame = frame.sort_values(["code", stamp], kind="stable")
    return [(str(code), rows) for code, rows in frame.groupby("code", sort=True)]


def _bars(rows: Any, time: str) -> Bars:
    columns = [rows[name].to_numpy(np.float64) for name in ("open", "high", "low", "close")]
    volume = rows["volume"].to_numpy(np.int64)
    return Bars(rows[time].to_numpy("datetime64[s]"), columns[0], columns[1], columns[2], columns[3], volume)


def _fifteen(rows: Any) -> tuple[Bars, dict[date, float]]:
    """(fifteen-minute bars, as-traded first price of each date), by the aggregation of the live service.

    A day that several sources hold is taken from the one with most bars.
    """
    rows = rows.assign(day=rows["ts_start"].to_numpy("datetime64[D]"))
    if "source" in rows.columns and rows["source"].nunique() > 1:
        counts = rows.groupby(["day", "source"]).size().sort_index().groupby(level=0).idxmax()
        best = {day: source for day, source in counts.to_list()}
        rows = rows[rows["source"] == rows["day"].map(best)]
    candles = []
    first_prices: dict[date, float] = {}
    for moment, day_rows in rows.groupby("day", sort=True):
        day = moment.date()
        bars = _bars(day_rows, "ts_start")
        session = session_of(day)
        if bars.open[0] > 0 and bars.start[0] == np.datetime64(session.open.replace(tzinfo=None), "s"):
            first_prices[day] = float(bars.open[0])
        candles += aggregate(bars, session)
    return Bars.of(candles), first_prices


def _overlaps(daily: Bars, fifteen: Bars) -> bool:
    return bool(np.isin(fifteen.dates(), daily.dates()).mean() > 0.8)


def _sessions(fifteen: Bars) -> Bars:
    """Daily bars of a code that the daily file lacks, made of its own fifteen-minute bars."""
    dates = fifteen.dates()
    first = np.flatnonzero(np.r_[True, dates[1:] != dates[:-1]])
    last = np.r_[first[1:], len(dates)] - 1
    return Bars(
        dates[first].astype("datetime64[s]"),
        fifteen.open[first],
        np.maximum.reduceat(fifteen.high, first),
        np.minimum.reduceat(fifteen.low, first),
        fifteen.close[last],
        np.add.reduceat(fifteen.volume, first),
    )


def _stocks(folder: Path) -> dict[Code, Stock]:
    import csv

    found: dict[Code, Stock] = {}
    known = {market.value for market in Market}
    for name in ("krx_daily_tickers.csv", "krx_listing.csv"):
        path = folder / name
        if not path.is_file():
            continue
        with path.open(encoding="utf-8-sig", newline="") as file:
            for row in csv.DictReader(file):
                if row["market"] in known:
                    kind = SecurityKind.ETF if row["name"].startswith(_FUNDS) else SecurityKind.STOCK
                    found[row["code"]] = Stock(row["code"], row["name"], Market(row["market"]), kind=kind)
    return found


def _benchmark(folder: Path) -> Bars | None:
    import pyarrow.parquet as parquet

    path = folder / "krx_index_daily.parquet"
    if not path.is_file():
        return None
    frame: Any = parquet.read_table(path, filters=[("index", "=", "KOSPI")]).to_pandas().sort_values("date")
    return _bars(frame, "date") if len(frame) else None
