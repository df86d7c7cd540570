"""From the bars of one stock to what the model reads, or to the Korean reason why there is no forecast."""

from __future__ import annotations

from datetime import date
from typing import Final

import numpy as np
from numpy.typing import NDArray

from engine.market import Bars
from engine.predictor.features import MINIMUM_BARS, PATCH_DAYS, READ_BARS
from engine.predictor.panel import IDLE_ALLOWED, LARGEST_MOVE, traded_rows

STALE_DAYS: Final = 14
"""Calendar days; the longest closure of the exchange is shorter."""
_WORKDAYS_MISSING: Final = 12
"""More weekdays without a row among the last 60 than the year's fullest holiday season has."""


def why_absent(bars: Bars, today: date) -> str:
    """Why no forecast can be made from completed bars ``bars`` on ``today``; empty if one can."""
    if not len(bars):
        return "일봉이 없어 예측할 수 없습니다"
    dates = bars.dates()
    if (dates[1:] <= dates[:-1]).any():
        return "일봉의 날짜 순서가 어긋나 예측할 수 없습니다"
    age = int((np.datetime64(today, "D") - dates[-1]).astype(int))
    if age > STALE_DAYS:
        return f"마지막 일봉이 {dates[-1]}로 {age}일 전이라 예측할 수 없습니다"
    prices = (bars.open, bars.high, bars.low, bars.close)
    # A sum is finite only if all its parts are.
    if not np.isfinite([column.sum() for column in prices]).all() or bars.close.min() <= 0:
        return "일봉에 빈 값이 있어 예측할 수 없습니다"
    traded = traded_rows(bars)
    count = int(traded.sum())
    if count < MINIMUM_BARS:
        return f"거래된 일봉이 {count}개뿐이라 예측할 수 없습니다 ({MINIMUM_BARS}개부터 가능)"
    idle = int((~traded[-PATCH_DAYS:]).sum())
    if idle > IDLE_ALLOWED:
        return f"최근 {PATCH_DAYS}일 가운데 {idle}일 거래가 없어 예측할 수 없습니다"
    recent = dates[-PATCH_DAYS:]
    missing = int(np.busday_count(recent[0], recent[-1])) + 1 - len(recent)
    if missing > _WORKDAYS_MISSING:
        return f"최근 {PATCH_DAYS}개 일봉 사이에 빠진 날이 {missing}일 있어 예측할 수 없습니다"
    close = bars.close[traded][-READ_BARS:]
    moves = np.abs(close[1:] / close[:-1] - 1.0)
    if (moves > LARGEST_MOVE).any():
        when = dates[traded][-READ_BARS:][1:][moves > LARGEST_MOVE][-1]
        return f"{when} 하루 변동이 가격제한폭을 넘어(수정되지 않은 주가) 예측할 수 없습니다"
    if not (moves[-PATCH_DAYS:] > 0).any():
        return f"최근 {PATCH_DAYS}일 동안 가격이 그대로라 예측할 수 없습니다"
    return ""


def window_of(bars: Bars, end: int | None = None) -> NDArray[np.float64]:
    """The last 241 traded bars before row ``end`` as (5, 241): open, high, low, close, volume.

    NaN before a younger stock's first bar.
    """
    end = len(bars) if end is None else end
    columns = (bars.open, bars.high, bars.low, bars.close, bars.volume)
    out = np.full((5, READ_BARS), np.nan)
    first = end - READ_BARS
    if first >= 0 and (bars.volume[first:end] > 0).all() and bars.low[first:end].min() > 0:
        for row, column in zip(out, columns, strict=True):  # the usual case, without looking for halts
            row[:] = column[first:end]
        return out
    rows = np.flatnonzero(traded_rows(bars)[:end])[-READ_BARS:]
    if len(rows):
        for row, column in zip(out, columns, strict=True):
            row[-len(rows) :] = column[rows]
    return out
