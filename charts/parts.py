"""Parts that several pictures share: headers, price axes, time axes, candles."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from charts.canvas import HEADLINE, MARGIN, SMALL, WIDTH, Box, Canvas, Plot
from charts.formatting import arrow, change, number, percent
from charts.lettering import first_fitting, text_width
from engine.market import Bars, Interval, Stock, StockFlag

DISCLAIMER = "개인용 도구이며 투자 권유가 아닙니다. 손실 책임은 이용자에게 있습니다."
NOTICE = (
    "55점은 수익을 보장하지 않습니다. 과거 자료에서 점수가 높은 종목은 다음 날 시장 평균보다 약 0.15 % 나았지만, "
    "당일 청산 비용(약 0.22~0.28 %)을 넘지 못했습니다."
)
"""Shown wherever a score is shown, in these words."""
HEADER: float = 214
"""Where the content under a stock header begins."""


def stock_header(
    canvas: Canvas,
    stock: Stock,
    price: float | None,
    previous_close: float | None,
    subtitle: str = "",
    badge: str = "",
) -> None:
    """Name, code, market, last price and change. ``badge`` is a word such as 상한가."""
    theme = canvas.theme
    right = WIDTH - MARGIN
    code = f"{stock.code} {stock.market.value}"
    side = max(text_width(code, SMALL), text_width(subtitle, SMALL))
    canvas.text(MARGIN, 84, stock.name, HEADLINE, weight="extra", width=right - MARGIN - side - 24, name="stock name")
    canvas.text(right, 58, code, SMALL, theme.secondary, align="right", name="code")
    if subtitle:
        canvas.text(right, 98, subtitle, SMALL, theme.secondary, align="right", name="subtitle")
    if not price:
        canvas.text(MARGIN, 172, "가격 없음", 56, theme.secondary, weight="bold", name="price")
        return
    move = price - previous_close if previous_close else 0.0
    colour = theme.signed(move) if previous_close else theme.text
    x = MARGIN + canvas.text(MARGIN, 176, number(price), 76, colour, "extra", name="price") + 26
    if previous_close:
        rate = 100.0 * move / previous_close
        choices = (change(move, rate), f"{arrow(move)}{percent(rate, 0)}", arrow(move))
        x += canvas.text(x, 174, first_fitting(choices, 44, right - x, "bold"), 44, colour, "bold", name="change")
    word = badge or ("거래정지" if StockFlag.HALTED in stock.flags else "")
    if word:
        fill = theme.up if word == "상한가" else theme.down if word == "하한가" else theme.warning
        wide = text_width(word, 36, "bold") + 24
        if x + 20 + wide < right:
            canvas.tag(right, 160, word, theme.background, fill, 36, "right", name="badge")


def title_header(canvas: Canvas, title: str, subtitle: str = "", right: str = "") -> None:
    """A headline with one line under it; content begins at 150."""
    theme = canvas.theme
    side = text_width(right, SMALL) + 24 if right else 0.0
    canvas.text(MARGIN, 82, title, HEADLINE, weight="extra", width=WIDTH - 2 * MARGIN - side, name="title")
    if right:
        canvas.text(WIDTH - MARGIN, 78, right, SMALL, theme.secondary, align="right", name="title right")
    if subtitle:
        canvas.text(MARGIN, 128, subtitle, SMALL, theme.secondary, width=WIDTH - 2 * MARGIN, name="subtitle")


def nice_ticks(low: float, high: float, wanted: int = 5) -> list[float]:
    """Round values inside the range, about ``wanted`` of them."""
    rough = (high - low) / max(wanted, 1)
    if not rough > 0 or not math.isfinite(rough):
        return []
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * factor for factor in (1, 2, 2.5, 5, 10) if power * factor >= rough)
    first = math.ceil(low / step - 1e-9)
    return [step * i for i in range(first, math.floor(high / step + 1e-9) + 1)]


def padded(low: float, high: float, share: float = 0.06) -> tuple[float, float]:
    """A range with air, never empty: a flat series gets ±1 %."""
    if high - low <= 1e-9 * max(abs(high), 1.0):
        room = max(abs(high) * 0.01, 0.5)
        return low - room, high + room
    room = (high - low) * share
    return low - room, high + room


def gutter_for(values: Sequence[float], digits: int = 0, suffix: str = "") -> float:
    """Pixels for axis labels on the right."""
    return max((text_width(number(v, digits) + suffix, SMALL) for v in values), default=0.0) + 26


def price_axis(canvas: Canvas, plot: Plot, wanted: int = 5, digits: int = 0, suffix: str = "") -> None:
    """Grid lines with labels at the right; a label gives way to tags placed before."""
    theme = canvas.theme
    ticks = nice_ticks(plot.low, plot.high, wanted)
    if not digits and any(abs(t - round(t)) > 1e-6 for t in ticks):
        ticks = [t for t in ticks if abs(t - round(t)) <= 1e-6]
    canvas.segments(
        np.array([[[plot.left, plot.y(t)], [plot.right, plot.y(t)]] for t in ticks]).reshape(-1, 2, 2),
        theme.grid,
        1.5,
        zorder=1,
    )
    for tick in ticks:
        label = number(tick, digits) + suffix
        y = plot.y(tick)
        wide = text_width(label, SMALL)
        box = (plot.right + 10, y - 0.6 * SMALL, plot.right + 10 + wide, y + 0.6 * SMALL)
        if canvas.free(box, (0, plot.top - 8, WIDTH, plot.bottom + 8)):
            canvas.centred(plot.right + 12, y, label, SMALL, colour=theme.secondary, name="axis")


def level_tags(canvas: Canvas, plot: Plot, levels: Sequence[tuple[float, str, str, str]]) -> None:
    """Values in the right gutter as (value, text, letter colour, fill); they move apart where they would overlap."""
    placed = sorted(levels, key=lambda level: -level[0])
    height = SMALL * 1.3
    ys = [plot.y(value) for value, *_ in placed]
    for _ in range(8):
        for i in range(1, len(ys)):
            if (short := height - (ys[i] - ys[i - 1])) > 0:
                ys[i - 1] -= short / 2
                ys[i] += short / 2
    for i in range(len(ys)):
        ys[i] = min(max(ys[i], plot.top + height / 2), plot.bottom - height / 2)
    for i in range(1, len(ys)):
        ys[i] = max(ys[i], ys[i - 1] + height)
    for (_, text, colour, fill), y in zip(placed, ys, strict=True):
        canvas.tag(plot.right + 2, y, text, colour, fill, name="level")


def time_labels(times: NDArray[np.datetime64], interval: Interval | None) -> list[tuple[int, str]]:
    """(slot, label) where a date or an hour begins; the caller drops those that collide."""
    moments: list[datetime] = times.astype("datetime64[s]").tolist()
    daily = interval is Interval.DAY
    found: list[tuple[int, str]] = []
    for i, at in enumerate(moments):
        before = moments[i - 1] if i else None
        if daily:
            if before is None or at.month != before.month:
                found.append(
                    (i, f"{at:%y}년 {at.month}월" if before is None or at.year != before.year else f"{at.month}월")
                )
        elif before is None or at.date() != before.date():
            found.append((i, f"{at.month}/{at.day}"))
        elif at.hour != before.hour:
            found.append((i, f"{at.hour}시"))
    if daily and len(found) < 3:
        step = max(1, len(moments) // 4)
        found = [(i, f"{moments[i].month}/{moments[i].day}") for i in range(0, len(moments), step)]
    return found


def time_axis(
    canvas: Canvas, plot: Plot, labels: Sequence[tuple[int, str]], y: float, bottom: float | None = None
) -> None:
    """Write those labels that fit, days before hours, with thin grid lines."""
    theme = canvas.theme
    strokes = []
    inside: Box = (plot.left - 4, 0, WIDTH, canvas.height)
    for strong in (True, False):
        for index, label in labels:
            if ("시" in label) is strong:
                continue
            x = plot.x(index)
            half = text_width(label, SMALL) / 2
            x_text = max(x, plot.left + half)
            box = (x_text - half - 14, y - SMALL, x_text + half + 14, y + 8)
            if x_text + half <= plot.right + 60 and canvas.free(box, inside):
                canvas.text(x_text, y, label, SMALL, theme.secondary, align="center", name="time")
                strokes.append([[x, plot.top], [x, bottom or plot.bottom]])
    canvas.segments(np.array(strokes).reshape(-1, 2, 2), theme.grid, 1.2, zorder=1)


def candles(canvas: Canvas, plot: Plot, bars: Bars) -> NDArray[np.int8]:
    """Wicks and bodies; returns −1, 0, +1 per bar. A bar that closes where it opened takes the colour of its gap."""
    theme = canvas.theme
    before = np.concatenate((bars.open[:1], bars.close[:-1]))
    sign = np.sign(bars.close - bars.open)
    sign = np.where(sign == 0, np.sign(bars.close - before), sign).astype(np.int8)
    xs = plot.xs(np.arange(len(bars)))
    half = max(1.0, min(0.36 * plot.slot, 26.0))
    tops, bottoms = plot.ys(np.maximum(bars.open, bars.close)), plot.ys(np.minimum(bars.open, bars.close))
    thin = bottoms - tops < 2.0
    tops, bottoms = np.where(thin, tops - 1.0, tops), np.where(thin, bottoms + 1.0, bottoms)
    highs, lows = plot.ys(bars.high), plot.ys(bars.low)
    for value, colour, name in ((1, theme.up, "up"), (-1, theme.down, "down"), (0, theme.flat, "flat")):
        rows = sign == value
        if not rows.any():
            continue
        x = xs[rows]
        wicks = np.stack((np.stack((x, highs[rows]), 1), np.stack((x, lows[rows]), 1)), 1)
        canvas.segments(wicks, colour, 2.0, name=f"wicks {name}", zorder=4)
        canvas.boxes(
            np.stack((x - half, tops[rows], x + half, bottoms[rows]), 1), colour, name=f"bodies {name}", zorder=5
        )
    return sign


def volume_bars(canvas: Canvas, plot: Plot, volume: NDArray[np.int64], sign: NDArray[np.int8]) -> None:
    theme = canvas.theme
    xs = plot.xs(np.arange(len(volume)))
    half = max(1.0, min(0.36 * plot.slot, 26.0))
    tops = plot.ys(volume.astype(np.float64))
    colours = {1: theme.up, -1: theme.down, 0: theme.flat}
    canvas.boxes(
        np.stack((xs - half, tops, xs + half, np.full(len(xs), plot.bottom)), 1),
        [colours[int(s)] for s in sign],
        name="volume",
    )
