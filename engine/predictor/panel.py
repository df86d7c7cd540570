"""Daily bars of many stocks made ready for training: features, windows and what followed, by calendar day."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from engine.market import Bars, Code
from engine.predictor.features import (
    CHANNELS,
    HORIZON,
    NAMES,
    PATCH_DAYS,
    READ_BARS,
    Columns,
    raw_channels,
    raw_features,
)

LARGEST_MOVE: Final = 0.305
"""Beyond the daily price limit of 30 %: prices that were not adjusted. Windows that hold one are not used."""
IDLE_ALLOWED: Final = 3
"""Days without a trade among the last 60 that a forecast tolerates."""
DAILY_FILE: Final = "krx_daily.parquet"


class NoTrainingData(ValueError):
    """The folder or the bars cannot be used for training; the message says why, in Korean."""


def traded_rows(bars: Bars) -> NDArray[np.bool_]:
    """Rows with a trade: a halt leaves rows of zeros or of one repeated price, without volume."""
    return (bars.volume > 0) & (bars.open > 0) & (bars.low > 0)


@dataclass(frozen=True)
class Panel:
    """``days`` (D,), sorted ``codes`` (N,). A cell is one stock on one day.

    ``features`` (N, D, 31) and ``forward`` (N, D), the return over the next 5 trading days, are NaN where not known;
    ``usable`` (N, D) says where a forecast could have been made. ``channels`` of stock i are its traded days only;
    ``position`` (N, D) is the row in them, −1 where there was no trade. ``digest`` names the content.
    """

    days: NDArray[np.datetime64]
    codes: tuple[Code, ...]
    markets: tuple[str, ...]
    features: NDArray[np.float32]
    forward: NDArray[np.float32]
    close: NDArray[np.float64]
    usable: NDArray[np.bool_]
    channels: tuple[NDArray[np.float32], ...]
    position: NDArray[np.int32]
    digest: str

    @property
    def known(self) -> NDArray[np.bool_]:
        """Usable cells whose outcome is known."""
        return self.usable & np.isfinite(self.forward)

    def windows(self, stocks: NDArray[np.int64], days: NDArray[np.int64]) -> NDArray[np.float32]:
        """Unscaled channels (n, 60, 5) that end on the given cells."""
        out = np.empty((len(stocks), PATCH_DAYS, CHANNELS), np.float32)
        rows = self.position[stocks, days]
        for stock in np.unique(stocks):
            mine = stocks == stock
            out[mine] = self.channels[stock][rows[mine, None] + np.arange(1 - PATCH_DAYS, 1)]
        return out


def build_panel(histories: Mapping[Code, Bars], markets: Mapping[Code, str] | None = None) -> Panel:
    """From daily bars by code, halted rows included. Raises NoTrainingData when there is nothing to use."""
    codes = tuple(sorted(code for code, bars in histories.items() if len(bars) > PATCH_DAYS))
    if not codes:
        raise NoTrainingData("일봉이 61개 이상인 종목이 없습니다")
    days = np.unique(np.concatenate([histories[code].dates() for code in codes]))
    shape = (len(codes), len(days))
    features = np.full((*shape, len(NAMES)), np.nan, np.float32)
    forward = np.full(shape, np.nan, np.float32)
    close = np.full(shape, np.nan)
    usable = np.zeros(shape, bool)
    position = np.full(shape, -1, np.int32)
    channels: list[NDArray[np.float32]] = []
    state = hashlib.blake2b(digest_size=16)
    for i, code in enumerate(codes):
        bars = histories[code]
        state.update(code.encode() + bars.digest.encode())
        columns = np.searchsorted(days, bars.dates())
        close[i, columns] = bars.close
        forward[i, columns[:-HORIZON]] = _forward(bars)
        traded = traded_rows(bars)
        where = columns[traded]
        kept = Columns(
            bars.open[traded],
            bars.high[traded],
            bars.low[traded],
            bars.close[traded],
            bars.volume[traded].astype(float),
        )
        count = len(where)
        channels.append(raw_channels(kept))
        if count <= PATCH_DAYS:
            continue
        position[i, where] = np.arange(count)
        features[i, where] = raw_features(kept, count)
        usable[i, where] = _usable(kept.close, traded)
    return Panel(
        days,
        codes,
        tuple((markets or {}).get(code, "") for code in codes),
        features,
        forward,
        close,
        usable,
        tuple(channels),
        position,
        state.hexdigest(),
    )


def _forward(bars: Bars) -> NDArray[np.float32]:
    """Returns over the next 5 rows, (T − 5,); NaN across a torn price."""
    close = bars.close
    with np.errstate(all="ignore"):
        out = close[HORIZON:] / close[:-HORIZON] - 1.0
        torn = np.abs(close[1:] / close[:-1] - 1.0) > LARGEST_MOVE
    bad = np.concatenate(([0], np.cumsum(torn)))
    out[bad[HORIZON:] != bad[:-HORIZON]] = np.nan
    return np.where(np.isfinite(out), out, np.nan).astype(np.float32)


def _usable(close: NDArray[np.float64], traded: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """For every traded row: enough bars, no torn price among those read, few idle days, and a price that moves."""
    count = len(close)
    rows = np.arange(count)
    moved = np.abs(close[1:] / close[:-1] - 1.0)
    torn = np.concatenate(([0, 0], np.cumsum(moved > LARGEST_MOVE)))  # torn[r + 1]: tears up to row r
    first = np.maximum(rows - READ_BARS + 1, 0)
    alive = np.concatenate(([0, 0], np.cumsum(moved > 0)))
    calendar = np.flatnonzero(traded)
    idle = np.concatenate(([0], np.cumsum(~traded)))
    recent_idle = idle[calendar] - idle[np.maximum(calendar - PATCH_DAYS + 1, 0)]
    start = np.maximum(rows - PATCH_DAYS + 1, 0)
    usable: NDArray[np.bool_] = (
        (rows >= PATCH_DAYS)
        & (torn[rows + 1] == torn[first + 1])
        & (recent_idle <= IDLE_ALLOWED)
        & (alive[rows + 1] > alive[start + 1])
    )
    return usable


def read_folder(folder: Path) -> tuple[dict[Code, Bars], dict[Code, str]]:
    """Bars and market by code from ``krx_daily.parquet`` (and ``krx_daily_tickers.csv``, if there).

    Raises NoTrainingData.
    """
    import pyarrow.parquet as parquet

    path = folder / DAILY_FILE
    if not path.is_file():
        raise NoTrainingData(f"{folder} 에 {DAILY_FILE} 파일이 없습니다")
    names = ("code", "date", "open", "high", "low", "close", "volume")
    try:
        table = parquet.read_table(path, columns=list(names)).sort_by([("code", "ascending"), ("date", "ascending")])
    except (OSError, ValueError, KeyError) as error:
        raise NoTrainingData(f"{path} 를 읽을 수 없습니다: {error}") from error
    columns = {name: table[name].to_numpy(zero_copy_only=False) for name in names}
    codes = columns["code"]
    starts = np.flatnonzero(np.r_[True, codes[1:] != codes[:-1]])
    histories: dict[Code, Bars] = {}
    for begin, end in zip(starts, np.r_[starts[1:], len(codes)], strict=True):
        rows = slice(int(begin), int(end))
        opens, highs, lows, closes = (
            columns[name][rows].astype(np.float64) for name in ("open", "high", "low", "close")
        )
        start = columns["date"][rows].astype("datetime64[s]")
        histories[str(codes[begin])] = Bars(start, opens, highs, lows, closes, columns["volume"][rows].astype(np.int64))
    return histories, _markets(folder / "krx_daily_tickers.csv")


def _markets(path: Path) -> dict[Code, str]:
    import csv

    if not path.is_file():
        return {}
    with path.open(encoding="utf-8-sig", newline="") as file:
        return {row["code"]: row["market"] for row in csv.DictReader(file)}
