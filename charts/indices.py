"""The indices: value, change, the day as a line, advancing and declining issues."""

from __future__ import annotations

import numpy as np

from charts import Picture
from charts.canvas import FOOTER, MARGIN, SMALL, WIDTH, Canvas, Plot
from charts.formatting import change, number, percent
from charts.intraday import coloured_runs
from charts.parts import padded, title_header
from charts.theme import DARK, Theme
from engine.market import KST, IndexQuote
from engine.results import IndexPanel

_ROW = 330.0


def render_indices(panel: IndexPanel, theme: Theme = DARK) -> Picture:
    return build_indices(panel, theme).picture()


def build_indices(panel: IndexPanel, theme: Theme = DARK) -> Canvas:
    height = 1200 if len(panel.indices) > 2 else 880
    canvas = Canvas(theme, height)
    title_header(canvas, "지수")
    canvas.footer(panel.stamp)
    if not panel.indices:
        canvas.message(
            height / 2 - 40, "지수를 받지 못했습니다", "이 연결에서는 지수를 제공하지 않거나 아직 받지 못했습니다."
        )
        canvas.alt = "지수를 받지 못했습니다."
        return canvas
    top = 116.0
    row = (height - FOOTER - top) / max(len(panel.indices), 2)
    for i, quote in enumerate(panel.indices):
        _index(canvas, panel, quote, top + i * row, min(row, _ROW + 40))
    canvas.alt = "지수: " + ", ".join(
        f"{quote.index.label} {number(quote.value, 2)} {percent(quote.change_percent)}" for quote in panel.indices
    )
    return canvas


def _index(canvas: Canvas, panel: IndexPanel, quote: IndexQuote, top: float, row: float) -> None:
    theme = canvas.theme
    colour = theme.signed(quote.change)
    canvas.panel(16, top, WIDTH - 16, top + row - 14, theme.panel, 14)
    canvas.text(MARGIN + 8, top + 56, quote.index.label, 42, weight="bold", name="label", on=theme.panel)
    canvas.text(MARGIN + 8, top + 136, number(quote.value, 2), 66, colour, "extra", name="value", on=theme.panel)
    canvas.text(
        MARGIN + 8,
        top + 190,
        change(quote.change, quote.change_percent, 2),
        38,
        colour,
        "bold",
        name="change",
        on=theme.panel,
    )
    if quote.rising or quote.falling:
        x = MARGIN + 8.0
        y = top + 244
        for text, shade in (
            (f"▲{number(quote.rising)}", theme.up),
            (f"보합 {number(quote.unchanged)}", theme.secondary),
            (f"▼{number(quote.falling)}", theme.down),
        ):
            x += canvas.text(x, y, text, 36, shade, name="breadth", on=theme.panel) + 24
    points = panel.intraday.get(quote.index, ())
    left = 520.0
    if len(points) < 2:
        canvas.centred(
            (left + WIDTH - MARGIN) / 2,
            top + row / 2,
            "당일 흐름 없음",
            34,
            colour=theme.secondary,
            align="center",
            name="no line",
            on=theme.panel,
        )
        return
    values = np.array([value for _, value in points])
    base = quote.previous_close
    low, high = padded(min(float(values.min()), base), max(float(values.max()), base), 0.05)
    plot = Plot(left, top + 24, WIDTH - MARGIN - 8, top + row - 76, low, high, 391)
    canvas.plots[quote.index.label] = plot
    minutes = np.array([60 * at.astimezone(KST).hour + at.astimezone(KST).minute - 540 for at, _ in points], np.float64)
    strokes, side = coloured_runs(plot.xs(minutes), values, base)
    strokes[:, :, 1] = plot.ys(strokes[:, :, 1])
    for value, shade in ((1, theme.up), (-1, theme.down), (0, theme.flat)):
        if (side == value).any():
            canvas.segments(strokes[side == value], shade, 4.0, f"line {quote.index.label}", 5)
    y = plot.y(base)
    canvas.segments(np.array([[[plot.left, y], [plot.right, y]]]), theme.secondary, 2.0, "previous close", 3, dash=True)
    canvas.text(
        plot.left,
        top + row - 34,
        f"고 {number(quote.high, 2)}",
        SMALL + 2,
        theme.secondary,
        name="high",
        on=theme.panel,
    )
    canvas.text(
        plot.right,
        top + row - 34,
        f"저 {number(quote.low, 2)}",
        SMALL + 2,
        theme.secondary,
        align="right",
        name="low",
        on=theme.panel,
    )
