"""What bars may be scored. Bad data is named, never repaired by guessing."""

from __future__ import annotations

import numpy as np

from engine.market import Bars

LARGEST_MOVE = 0.305
"""The price limit is 30 %; a larger close-to-close move is a split or a capital change that was not adjusted."""


def traded(bars: Bars) -> Bars:
    """The bars with trades in them (the same object if all have): a halt leaves rows of zeros or of one price."""
    from engine.scoring import kernels

    rows = kernels.traded_rows(bars.open, bars.high, bars.low, bars.volume)
    if len(rows) == len(bars):
        return bars
    return Bars(bars.start[rows], bars.open[rows], bars.high[rows], bars.low[rows], bars.close[rows], bars.volume[rows])


def last_traded(bars: Bars, count: int) -> Bars:
    """The tail of ``bars``, idle days included, that holds the last ``count`` bars with a trade."""
    from engine.scoring import kernels

    if len(bars) <= count:
        return bars
    rows = kernels.traded_rows(bars.open, bars.high, bars.low, bars.volume)
    return bars[int(rows[-count]) :] if len(rows) > count else bars


def defect(bars: Bars, *, daily: bool = True) -> str:
    """Why these bars cannot be scored, in Korean; empty if they can. Days without a trade are no defect."""
    from engine.scoring import kernels

    if not len(bars):
        return ""
    time = bars.start.view(np.int64)
    if daily:
        time = time // 86_400
    largest = LARGEST_MOVE if daily else 0.0
    kind, row = kernels.first_defect(time, bars.open, bars.high, bars.low, bars.close, bars.volume, largest)
    if kind == kernels.CLEAN and not np.isnat(bars.start[0]):
        return ""
    if np.isnat(bars.start[row]):
        return f"시각이 없는 봉 ({row + 1}번째)"
    moment = bars.start[row].astype("datetime64[D]") if daily else bars.start[row]
    if kind == kernels.NOT_A_NUMBER:
        return f"{moment} 빈 값(NaN)"
    if kind == kernels.NOT_POSITIVE:
        return f"{moment} 0 이하의 가격"
    if kind == kernels.REPEATED:
        return f"{moment} 같은 날짜가 겹침"
    if kind == kernels.UNORDERED:
        return f"{moment} 날짜 순서가 뒤섞임"
    if kind == kernels.OUTSIDE:
        return f"{moment} 고가·저가가 시가·종가를 벗어남"
    before = bars.close[:row][bars.close[:row] > 0][-1]
    move = 100.0 * (bars.close[row] / before - 1.0)
    return f"{moment} 하루 변동 {move:+.1f}% (수정되지 않은 주가로 보임)"
