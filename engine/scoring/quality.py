"""What bars may be scored. Bad data is named, never repaired by guessing."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from engine.market import Bars

LARGEST_MOVE = 0.305
"""The price limit is 30 %; a larger close-to-close move is a split or a capital change that was not adjusted."""


def untraded(bars: Bars) -> int:
    """How many bars hold no trade (halts, days without one)."""
    return int(np.count_nonzero(_untraded_rows(bars)))


def _untraded_rows(bars: Bars) -> NDArray[np.bool_]:
    idle: NDArray[np.bool_] = (bars.volume == 0) & (bars.high == bars.low) & (bars.open == bars.high)
    return idle


def traded(bars: Bars) -> Bars:
    """The bars with trades in them: a halt leaves rows of zeros or of one repeated price."""
    idle = _untraded_rows(bars)
    if not idle.any():
        return bars
    keep = ~idle
    return Bars(bars.start[keep], bars.open[keep], bars.high[keep], bars.low[keep], bars.close[keep], bars.volume[keep])


def defect(bars: Bars, *, daily: bool = True) -> str:
    """Why these (traded) bars cannot be scored, in Korean; empty if they can."""
    if not len(bars):
        return ""
    prices = np.stack((bars.open, bars.high, bars.low, bars.close))
    if not np.isfinite(prices).all():
        return f"빈 값(NaN) {int(np.count_nonzero(~np.isfinite(prices).all(axis=0)))}개"
    if (prices <= 0).any():
        return f"0 이하의 가격 {int(np.count_nonzero((prices <= 0).any(axis=0)))}개"
    if np.isnat(bars.start).any():
        return "시각이 없는 봉"
    steps = np.diff(bars.dates() if daily else bars.start)
    if (steps == np.timedelta64(0)).any():
        return f"같은 날짜가 {int(np.count_nonzero(steps == np.timedelta64(0)))}번 겹침"
    if (steps < np.timedelta64(0)).any():
        return "날짜 순서가 뒤섞임"
    body_high = np.maximum(bars.open, bars.close)
    body_low = np.minimum(bars.open, bars.close)
    if ((bars.high < body_high) | (bars.low > body_low)).any():
        return "고가·저가가 시가·종가를 벗어남"
    if daily and len(bars) > 1:
        moves = bars.close[1:] / bars.close[:-1] - 1.0
        worst = int(np.argmax(np.abs(moves)))
        if abs(moves[worst]) > LARGEST_MOVE:
            day = bars.start[worst + 1].astype("datetime64[D]")
            return f"{day} 하루 변동 {100.0 * moves[worst]:+.1f}% (수정되지 않은 주가로 보임)"
    return ""
