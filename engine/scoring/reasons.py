"""The words for each factor, built from its numbers. Korean first, English second."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np

from engine.market import Won
from engine.scoring.inputs import DirectionInput

Words: TypeAlias = tuple[str, str]
Facts: TypeAlias = "np.ndarray[tuple[int], np.dtype[np.float64]]"

_KOREAN_AGO = ("마지막 날", "하루 전", "이틀 전", "사흘 전", "나흘 전")
"""Counted from the last completed day."""


def missing(what: str, what_en: str) -> Words:
    return f"자료 부족 ({what})", f"not enough data ({what_en})"


def rsi(values: Facts, points: float) -> Words:
    """``values``: the last five RSI, newest first."""
    now = values[0]
    if points > 0:
        low = float(values.min())
        if low < now - 0.5:
            return (
                f"RSI가 최근 5일 안에 {low:.0f}까지 눌렸다가 {now:.0f}입니다 (과매도 기억)",
                f"RSI fell to {low:.0f} within 5 days and is {now:.0f} (oversold memory)",
            )
        return f"RSI가 {now:.0f}로 눌려 있습니다 (과매도 쪽)", f"RSI is low at {now:.0f}"
    if points < 0:
        high = float(values.max())
        if high > now + 0.5:
            return (
                f"RSI가 최근 5일 안에 {high:.0f}까지 올랐다가 {now:.0f}입니다 (과열 기억)",
                f"RSI rose to {high:.0f} within 5 days and is {now:.0f} (overbought memory)",
            )
        return f"RSI가 {now:.0f}로 올라 있습니다 (과열 쪽)", f"RSI is high at {now:.0f}"
    return f"RSI {now:.0f}: 어느 쪽도 아닙니다", f"RSI {now:.0f}: neutral"


def macd(line: float, histogram: float, atr: float, points: float) -> Words:
    numbers = f"MACD {line:+,.0f}, 히스토그램 {histogram:+,.0f}, ATR {atr:,.0f}"
    english = f"MACD {line:+,.0f}, histogram {histogram:+,.0f}, ATR {atr:,.0f}"
    if points > 0:
        return f"0선 아래에서 골든크로스가 났습니다 ({numbers})", f"golden cross below zero ({english})"
    if points < 0:
        return f"0선 위에서 데드크로스가 났습니다 ({numbers})", f"dead cross above zero ({english})"
    return f"MACD에 되돌림 신호가 없습니다 ({numbers})", f"no turning MACD cross ({english})"


def bollinger(values: Facts, points: float) -> Words:
    """``values``: the last five band positions, newest first; -1 is the lower band."""
    now = float(values[0])
    if points == 0:
        return f"볼린저밴드 중앙입니다 (위치 {now:+.2f})", f"at the middle of the bands ({now:+.2f})"
    below = points > 0
    extreme = int(np.argmin(values) if below else np.argmax(values))
    value = float(values[extreme])
    edge, edge_en = ("하단", "lower") if below else ("상단", "upper")
    reached = "밖까지 나갔" if abs(value) > 1.0 else "가까이 갔" if abs(value) >= 0.6 else "쪽으로 갔"
    if extreme == 0:
        state = "밖에" if abs(now) > 1.0 else "가까이" if abs(now) >= 0.6 else "쪽에"
        return (
            f"볼린저 {edge} 밴드 {state} 있습니다 (위치 {now:+.2f})",
            f"near the {edge_en} band ({now:+.2f})",
        )
    return (
        f"{_KOREAN_AGO[extreme]} {edge} 밴드 {reached}다가 되돌아오는 중입니다 ({value:+.2f} → {now:+.2f})",
        f"{extreme} sessions earlier at the {edge_en} band, coming back ({value:+.2f} to {now:+.2f})",
    )


def breakout(last: float, today_open: Won, day_range: float, band: float, points: float) -> Words:
    target = today_open + 0.5 * day_range
    progress = (last - today_open) / (0.5 * day_range)
    if points >= 0:
        if progress >= 1.0:
            ko, en = f"오늘 목표가 {target:,.0f}원을 넘었습니다", f"today's target {target:,.0f} is passed"
        elif progress > 0:
            ko = f"오늘 목표가 {target:,.0f}원의 {100 * progress:.0f}%까지 올라왔습니다"
            en = f"{100 * progress:.0f}% of the way to today's target {target:,.0f}"
        else:
            ko, en = f"오늘 시가 {today_open:,}원 아래입니다", f"below today's open {today_open:,}"
        if points == 0 and progress >= 0.5:
            ko += f" (어제 밴드 위치 {band:+.2f}라 점수는 없습니다)"
            en += f" (no points: yesterday's band position {band:+.2f})"
        return ko, en
    floor = today_open - 0.5 * day_range
    if progress <= -1.0:
        return f"오늘 하방 목표가 {floor:,.0f}원을 깼습니다", f"below today's lower target {floor:,.0f}"
    return (
        f"오늘 하방 목표가 {floor:,.0f}원의 {-100 * progress:.0f}%까지 내려왔습니다",
        f"{-100 * progress:.0f}% of the way to today's lower target {floor:,.0f}",
    )


def zone(kind: str, bullish: float, bearish: float, points: float) -> Words:
    """``kind`` "fvg" or "order_block"; distances in ATR, NaN where there is no zone."""
    up, down = ("상승 갭", "하락 갭") if kind == "fvg" else ("매수 오더블록", "매도 오더블록")
    up_en, down_en = ("bullish gap", "bearish gap") if kind == "fvg" else ("bullish order block", "bearish order block")
    unfilled = "메워지지 않은 " if kind == "fvg" else ""
    if points > 0:
        if bullish <= 0:
            return f"{unfilled}일봉 {up} 안에 있습니다", f"inside a daily {up_en}"
        return f"{unfilled}일봉 {up} {bullish:.1f} ATR 위에 있습니다", f"{bullish:.1f} ATR above a daily {up_en}"
    if points < 0:
        if bearish <= 0:
            return f"{unfilled}일봉 {down} 안에 있습니다", f"inside a daily {down_en}"
        return f"{unfilled}일봉 {down} {bearish:.1f} ATR 아래에 있습니다", f"{bearish:.1f} ATR below a daily {down_en}"
    if bullish == bullish or bearish == bearish:
        nearest = min(d for d in (bullish, bearish) if d == d)
        if nearest <= 0.8:
            return f"일봉 {up}과 {down}이 서로 지웁니다", f"daily {up_en} and {down_en} cancel out"
        return (
            f"가까운 일봉 {up}·{down}이 없습니다 (최근접 {nearest:.1f} ATR)",
            f"nearest daily zone {nearest:.1f} ATR off",
        )
    return f"살아 있는 일봉 {up}·{down}이 없습니다", f"no live daily {up_en} or {down_en}"


def retest(gap: Facts, points: float) -> Words:
    """``gap``: eight columns of ``gap_facts``."""
    if points == 0:
        return "가까운 15분봉 갭이 없습니다", "no fifteen-minute gap nearby"
    side = gap[:4] if points > 0 else gap[4:]
    name, name_en = ("상승 갭", "bullish gap") if points > 0 else ("하락 갭", "bearish gap")
    touch, birth = float(side[2]), float(side[3])
    touched = 1.0 - touch / 8.0 if touch == touch else 0.0
    distance = max(float(side[0]), 0.0)
    if touched >= 1.0 - birth / 12.0:
        when = "방금" if touch == 0 else f"{touch * 15:.0f}분 전"
        when_en = "just now" if touch == 0 else f"{touch * 15:.0f} minutes ago"
        held, held_en = ("지켰습니다", "held") if points > 0 else ("막혔습니다", "was held back")
        return (
            f"{when} 15분봉 {name}을 되짚고 {held} (거리 {distance:.1f} ATR)",
            f"retested a fifteen-minute {name_en} {when_en} and {held_en} ({distance:.1f} ATR away)",
        )
    when = "방금" if birth == 0 else f"{birth * 15:.0f}분 전"
    when_en = "just now" if birth == 0 else f"{birth * 15:.0f} minutes ago"
    return (
        f"{when} 15분봉 {name}이 생겼습니다 (거리 {distance:.1f} ATR)",
        f"a fifteen-minute {name_en} formed {when_en} ({distance:.1f} ATR away)",
    )


def structure(up: tuple[float, float], down: tuple[float, float], points: float) -> Words:
    """Each side: (kind 1 BOS or 2 CHoCH, age in bars), NaN where there was none."""
    if points == 0:
        if up[1] != up[1] and down[1] != down[1]:
            return "15분봉 구조 돌파가 아직 없습니다", "no fifteen-minute break of structure yet"
        return "최근 26봉 안에 힘 있는 구조 돌파가 없습니다", "no telling break of structure within 26 bars"
    kind, age = up if points > 0 else down
    word, word_en = ("상승", "up") if points > 0 else ("하락", "down")
    when = "방금" if age == 0 else f"{age:.0f}봉 전"
    if kind == 2:
        return (
            f"15분봉 추세가 {when} {word}으로 바뀌었습니다 (CHoCH)",
            f"fifteen-minute trend turned {word_en} {age:.0f} bars ago (CHoCH)",
        )
    return (
        f"15분봉 {word} 추세가 {when} 이어졌습니다 (BOS)",
        f"fifteen-minute trend continued {word_en} {age:.0f} bars ago (BOS)",
    )


def direction(given: DirectionInput, points: float) -> Words:
    if given.gate <= 0:
        return "예측 모델의 실력이 증명되지 않아 0점입니다", "no points: the model has shown no skill"
    share = 100.0 * (1.0 - given.rank) if given.rank >= 0.5 else 100.0 * given.rank
    side, side_en = ("상위", "top") if given.rank >= 0.5 else ("하위", "bottom")
    ko, en = f"5일 예측이 시장 {side} {share:.0f}%입니다", f"5-day forecast is in the {side_en} {share:.0f}%"
    if given.gate < 1:
        ko += f" (실력 반영 {given.gate:.2f})"
        en += f" (skill gate {given.gate:.2f})"
    return ko, en
