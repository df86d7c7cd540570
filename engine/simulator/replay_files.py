"""The files of a replay folder as columns per code: read once, checked, every refusal in Korean."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from engine.market import Code, Index, InvalidCode, Market, Stock, parse_code
from engine.simulator.tape import TapeError

if TYPE_CHECKING:
    import pandas as pd

_DAILY: Final = ("code", "date", "open", "high", "low", "close", "volume")
_MINUTE: Final = ("code", "ts_start", "interval_min", "open", "high", "low", "close", "volume")
_INDEX: Final = ("index", "date", "open", "high", "low", "close", "volume")
_LISTING: Final = ("code", "name", "market")

Whole = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class DailyColumns:
    """Daily bars of one code that traded, oldest first; ``day`` is datetime64[D]."""

    day: NDArray[np.datetime64]
    price: NDArray[np.float64]
    """(days, 4): open, high, low, close."""
    volume: Whole


@dataclass(frozen=True, slots=True, eq=False)
class MinuteColumns:
    """Minute bars of one code on one day that traded; ``second`` from midnight, ``length`` of each bar in seconds."""

    second: Whole
    length: Whole
    price: Whole
    """(bars, 4): open, high, low, close."""
    volume: Whole


@dataclass(slots=True, eq=False)
class ReplayFiles:
    daily: dict[Code, DailyColumns]
    minute: dict[Code, dict[date, MinuteColumns]]
    index: dict[Index, DailyColumns]
    stocks: dict[Code, Stock]
    left_out: Counter[str] = field(default_factory=Counter)
    """Reason → number of rows left out."""


def _read(path: Path, columns: tuple[str, ...]) -> pd.DataFrame:
    import pandas as pd
    import pyarrow as pa
    import pyarrow.parquet

    if not path.is_file():
        raise TapeError(f"재생 폴더에 {path.name} 파일이 없습니다: {path.parent}")
    try:
        present = pa.parquet.read_schema(path).names
        if missing := [name for name in columns if name not in present]:
            raise TapeError(f"{path.name} 파일에 열이 없습니다: {', '.join(missing)}")
        return pd.read_parquet(path, columns=list(columns), use_threads=False)
    except (pa.ArrowException, OSError, ValueError) as error:
        raise TapeError(f"{path.name} 파일을 읽을 수 없습니다(깨진 파일): {error}") from error


def _checked(frame: pd.DataFrame, name: str, stamp: str, key: str, left_out: Counter[str]) -> pd.DataFrame:
    """Rows that traded and make sense, sorted by code and time; the others are counted."""
    import pandas as pd

    prices = ["open", "high", "low", "close"]
    try:
        frame = frame.assign(**{stamp: pd.to_datetime(frame[stamp])})
        numbers = frame[[*prices, "volume"]].astype(float)
    except (ValueError, TypeError) as error:
        raise TapeError(f"{name} 파일의 값이 시각이나 숫자가 아닙니다: {error}") from error
    body = numbers[["open", "close"]]
    sane = (numbers.high >= body.max(axis=1)) & (numbers.low <= body.min(axis=1)) & (numbers[prices] > 0).all(axis=1)
    traded = numbers.volume > 0
    left_out[f"{name}: 거래량 0"] += int((~traded).sum())
    left_out[f"{name}: 값이 어긋난 봉"] += int((traded & ~sane).sum())
    frame = frame[traded & sane].sort_values([key, stamp], kind="stable")
    repeated = frame.duplicated([key, stamp])
    left_out[f"{name}: 겹친 봉"] += int(repeated.sum())
    return frame[~repeated]


def _daily_columns(frame: pd.DataFrame) -> DailyColumns:
    return DailyColumns(
        frame.date.to_numpy().astype("datetime64[D]"),
        frame[["open", "high", "low", "close"]].to_numpy(np.float64),
        frame.volume.to_numpy(np.float64).astype(np.int64),
    )


def _minute_days(frame: pd.DataFrame) -> dict[date, MinuteColumns]:
    stamp = frame.ts_start.to_numpy().astype("datetime64[s]")
    days = stamp.astype("datetime64[D]")
    second = (stamp - days.astype("datetime64[s]")).astype(np.int64)
    length = frame.interval_min.to_numpy(np.int64) * 60
    price = frame[["open", "high", "low", "close"]].to_numpy(np.float64).astype(np.int64)
    volume = frame.volume.to_numpy(np.float64).astype(np.int64)
    first = np.flatnonzero(np.append(True, days[1:] != days[:-1]))
    ends = np.append(first[1:], len(days))
    return {
        days[a].item(): MinuteColumns(second[a:b], length[a:b], price[a:b], volume[a:b])
        for a, b in zip(first, ends, strict=True)
    }


def _listing(path: Path) -> dict[Code, Stock]:
    """Names, markets and sectors; an absent file is no error."""
    import pandas as pd

    if not path.is_file():
        return {}
    try:
        frame = pd.read_csv(path, dtype=str, keep_default_na=False)
    except (OSError, ValueError) as error:
        raise TapeError(f"{path.name} 파일을 읽을 수 없습니다: {error}") from error
    missing = [name for name in _LISTING if name not in frame.columns]
    if missing:
        raise TapeError(f"{path.name} 파일에 열이 없습니다: {', '.join(missing)}")
    stocks = {}
    known = {market.value for market in Market}
    for row in frame.to_dict("records"):
        if row["market"] in known:
            sector = row.get("krx_sector") or row.get("sector") or ""
            shares = row.get("shares") or "0"
            listed = int(float(shares)) if shares.replace(".", "", 1).isdigit() else 0
            stocks[row["code"]] = Stock(row["code"], row["name"], Market(row["market"]), sector, listed_shares=listed)
    return stocks


def _codes(frame: pd.DataFrame, name: str) -> pd.DataFrame:
    frame = frame.assign(code=frame.code.astype(str))
    for code in frame.code.unique():
        try:
            parse_code(code)
        except InvalidCode as error:
            raise TapeError(f"{name}: {error}") from error
    return frame


def load_files(folder: Path) -> ReplayFiles:
    """Read a replay folder. Raises TapeError: missing, empty or broken files, unknown columns, no bars."""
    if not folder.is_dir():
        raise TapeError(f"재생 폴더가 없습니다: {folder}")
    if not any(folder.iterdir()):
        raise TapeError(f"재생 폴더가 비어 있습니다: {folder} (krx_daily.parquet, krx_minute.parquet 가 필요합니다)")
    left_out: Counter[str] = Counter()
    minute = _codes(_read(folder / "krx_minute.parquet", _MINUTE), "krx_minute.parquet")
    daily = _codes(_read(folder / "krx_daily.parquet", _DAILY), "krx_daily.parquet")
    minute = _checked(minute, "krx_minute.parquet", "ts_start", "code", left_out)
    if minute.empty:
        raise TapeError("krx_minute.parquet 에 거래된 분봉이 하나도 없습니다.")
    daily = _checked(daily, "krx_daily.parquet", "date", "code", left_out)
    # Two years before the first minute day are all that a replay can show.
    oldest = minute.ts_start.min().normalize() - timedelta(days=800)
    daily = daily[daily.date >= oldest]
    index: dict[Index, DailyColumns] = {}
    if (path := folder / "krx_index_daily.parquet").is_file():
        frame = _checked(_read(path, _INDEX), path.name, "date", "index", left_out)
        frame = frame[frame.date >= oldest]
        index = {which: _daily_columns(rows) for which in Index if len(rows := frame[frame["index"] == which.name])}
    files = ReplayFiles(
        {str(code): _daily_columns(rows) for code, rows in daily.groupby("code", sort=True)},
        {str(code): _minute_days(rows) for code, rows in minute.groupby("code", sort=True)},
        index,
        _listing(folder / "krx_listing.csv"),
        left_out,
    )
    _release_memory()
    return files


def _release_memory() -> None:
    """Hand the readers' buffers back: they are larger than what the tape keeps."""
    import pyarrow as pa

    pa.default_memory_pool().release_unused()


def ranges(days: list[date]) -> str:
    """Days as a short text: runs without a gap of more than ten days are joined."""
    parts: list[list[date]] = []
    for day in sorted(days):
        if parts and (day - parts[-1][-1]).days <= 10:
            parts[-1].append(day)
        else:
            parts.append([day])
    return ", ".join(f"{run[0]}~{run[-1]} ({len(run)}일)" if len(run) > 1 else f"{run[0]}" for run in parts)
