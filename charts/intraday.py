"""The day as a line: each stretch red above and blue below the previous close."""

from __future__ import annotations

from datetime import datetime, time

import numpy as np
from numpy.typing import NDArray

from charts import Picture
from charts.canvas import MARGIN, SHORT, SMALL, WIDTH, Box, Canvas, Plot
from charts.formatting import number, percent, shares
from charts.lettering import text_width
from charts.parts import HEADER, gutter_for, level_tags, padded, price_axis, stock_header
from charts.theme import DARK, Theme
from engine.market import KST
from engine.results import IntradayChart

HEIGHT = 1180
_MINUTES = 391
"""09:00 to 15:30, both ends."""


def render_intraday(chart: IntradayChart, theme: Theme = DARK) -> Picture:
    return build_intraday(chart, theme).picture()


def coloured_runs(
    xs: NDArray[np.float64], values: NDArray[np.float64], base: float
) -> tuple[NDArray[np.float64], NDArray[np.int8]]:
    """The line as strokes that never cross ``base``: shape (n, 2, 2) of x, value; and the side of each (−1, 0, +1)."""
    strokes: list[tuple[tuple[float, float], tuple[float, float]]] = []
    for x0, v0, x1, v1 in zip(xs[:-1], values[:-1], xs[1:], values[1:], strict=True):
        if (v0 - base) * (v1 - base) < 0:
            cross = x0 + (x1 - x0) * (base - v0) / (v1 - v0)
            strokes += [((x0, v0), (cross, base)), ((cross, base), (x1, v1))]
        else:
            strokes.append(((x0, v0), (x1, v1)))
    result = np.array(strokes, dtype=np.float64).reshape(-1, 2, 2)
    return result, np.sign(result[:, :, 1].sum(axis=1) - 2 * base).astype(np.int8)


def _minute(at: datetime) -> float:
    local = at.astimezone(KST)
    opening = datetime.combine(local.date(), time(9), KST)
    return (local - opening).total_seconds() / 60.0


def build_intraday(chart: IntradayChart, theme: Theme = DARK) -> Canvas:
    base = chart.previous_close
    points = [point for point in chart.points if 0 <= _minute(point[0]) < _MINUTES and point[1] > 0]
    canvas = Canvas(theme, HEIGHT if points else SHORT)
    last = points[-1][1] if points else None
    badge = ""
    if last and chart.upper_limit and last >= chart.upper_limit:
        badge = "상한가"
    elif last and chart.lower_limit and last <= chart.lower_limit:
        badge = "하한가"
    stock_header(canvas, chart.stock, last, base or None, "당일", badge)
    canvas.footer(chart.stamp)
    if not points or last is None:
        canvas.message(400, "오늘 체결이 없습니다", chart.note or "첫 체결이 들어오면 그려집니다.")
        canvas.alt = f"{chart.stock.name} 당일 차트: 체결 없음. {chart.note}".strip()
        return canvas
    minutes = np.array([_minute(at) for at, *_ in points])
    prices = np.array([price for _, price, _ in points])
    volume = np.array([amount for *_, amount in points], dtype=np.float64)
    anchors = [float(prices.min()), float(prices.max()), *([base] if base else [])]
    low, high = padded(min(anchors), max(anchors), 0.10)
    right = WIDTH - MARGIN - max(gutter_for([low, high]), 100.0)
    bottom = HEIGHT - 70 - (44 if chart.note else 0)
    plot = Plot(MARGIN, HEADER + 10, right, bottom - 240, low, high, _MINUTES)
    volumes = Plot(MARGIN, plot.bottom + 66, right, bottom - 16, 0.0, max(float(volume.max()), 1.0), _MINUTES)
    canvas.plots |= {"price": plot, "volume": volumes}
    _line(canvas, plot, minutes, prices, base or last)
    move = np.sign(np.diff(prices, prepend=base or prices[0])).astype(int)
    colours = {1: theme.up, -1: theme.down, 0: theme.flat}
    xs, tops = plot.xs(minutes), volumes.ys(volume)
    canvas.boxes(
        np.stack((xs - 1.1, tops, xs + 1.1, np.full(len(xs), volumes.bottom)), 1),
        [colours[int(m)] for m in move],
        name="volume",
    )
    tags = [(last, number(last), theme.background, theme.signed(last - base) if base else theme.text)]
    inside: Box = (plot.left, plot.top, plot.right, plot.bottom)
    if base:
        y = plot.y(base)
        canvas.segments(np.array([[[plot.left, y], [plot.right, y]]]), theme.secondary, 2.0, "previous close", 3, True)
        if base != last:
            tags.append((base, number(base), theme.text, theme.grid))
    level_tags(canvas, plot, tags)
    for word, index, below in (("고가", int(prices.argmax()), False), ("저가", int(prices.argmin()), True)):
        text = f"{word} {number(float(prices[index]))}"
        half = text_width(text, SMALL, "bold") / 2 + 16
        x = min(max(plot.x(minutes[index]), plot.left + half), plot.right - half)
        y = plot.y(float(prices[index])) + (32 if below else -32)
        colour = theme.signed(float(prices[index]) - base) if base else theme.text
        canvas.tag(x, y, text, colour, theme.panel, align="center", inside=inside, force=False, name="extreme")
    if base:
        y = plot.y(base)
        for middle in (y - 26, y + 26):
            x = plot.right - 12
            if canvas.tag(
                x, middle, "전일 종가", theme.secondary, theme.background, align="right", inside=inside, force=False
            ):
                break
    price_axis(canvas, plot)
    for hour in range(9, 16):
        x = plot.x((hour - 9) * 60)
        canvas.segments(np.array([[[x, plot.top], [x, volumes.bottom]]]), theme.grid, 1.2, zorder=1)
        canvas.text(
            max(x, plot.left + 28), plot.bottom + 40, f"{hour}시", SMALL, theme.secondary, align="center", name="time"
        )
    canvas.text(
        right + 12,
        volumes.top + 26,
        shares(float(volume.max())),
        SMALL,
        theme.secondary,
        width=WIDTH - right - 16,
        name="volume axis",
    )
    canvas.text(right + 12, volumes.bottom, "거래량", SMALL, theme.secondary, name="volume label")
    if chart.note:
        canvas.text(MARGIN, bottom + 22, chart.note, SMALL, theme.warning, width=WIDTH - 2 * MARGIN, name="note")
    change = f" {percent(100 * (last / base - 1))}" if base else ""
    canvas.alt = (
        f"{chart.stock.name} 당일 차트: {number(last)}원{change}, 고가 {number(float(prices.max()))} "
        f"저가 {number(float(prices.min()))}, 거래량 {shares(float(volume.sum()))}주. {chart.note}"
    ).strip()
    return canvas


def _line(canvas: Canvas, plot: Plot, minutes: NDArray[np.float64], prices: NDArray[np.float64], base: float) -> None:
    theme = canvas.theme
    xs = plot.xs(minutes)
    if len(xs) == 1:
        y = plot.y(float(prices[0]))
        canvas.panel(
            xs[0] - 7, y - 7, xs[0] + 7, y + 7, theme.signed(float(prices[0]) - base), 7, zorder=6, name="point"
        )
        return
    strokes, side = coloured_runs(xs, prices, base)
    strokes[:, :, 1] = plot.ys(strokes[:, :, 1])
    level = plot.y(base)
    for value, colour, name in ((1, theme.up, "above"), (-1, theme.down, "below"), (0, theme.flat, "flat")):
        rows = side == value
        if not rows.any():
            continue
        canvas.segments(strokes[rows], colour, 4.0, f"line {name}", 6)
    # One outline a side: neighbouring slices would show seams.
    ends = strokes.reshape(-1, 2)
    for value, colour, name in ((1, theme.up, "above"), (-1, theme.down, "below")):
        ys = np.minimum(ends[:, 1], level) if value > 0 else np.maximum(ends[:, 1], level)
        if not (ys != level).any():
            continue
        ring = np.concatenate((np.stack((ends[:, 0], ys), 1), [[ends[-1, 0], level], [ends[0, 0], level]]))
        canvas.polygons([ring], colour, f"area {name}", 2, 0.16)
