"""Candles with volume, averages or Bollinger bands, zones, structure breaks, levels and own trades."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from charts import Picture
from charts.annotations import Room, events, marks, slot_of, zone_legend, zones
from charts.canvas import MARGIN, SHORT, SMALL, TALL, WIDTH, Box, Canvas, Plot
from charts.formatting import number, percent, shares
from charts.lettering import text_width
from charts.parts import (
    HEADER,
    candles,
    gutter_for,
    level_tags,
    padded,
    price_axis,
    stock_header,
    time_axis,
    time_labels,
    volume_bars,
)
from charts.theme import DARK, Theme
from engine.market import Bars, Interval
from engine.results import CandleChart

SHOWN_BARS = 100
"""More candles than this cannot be told apart on a phone; averages still use every bar given."""
_AVERAGES = (5, 20, 60)


def render_candles(chart: CandleChart, theme: Theme = DARK) -> Picture:
    return build_candles(chart, theme).picture()


def rolling_mean(values: NDArray[np.float64], length: int) -> NDArray[np.float64]:
    """Mean of the last ``length`` values, NaN before there are as many."""
    result = np.full(len(values), np.nan)
    if len(values) >= length:
        result[length - 1 :] = np.lib.stride_tricks.sliding_window_view(values, length).mean(axis=1)
    return result


def bollinger(values: NDArray[np.float64], length: int = 20, width: float = 2.0) -> tuple[NDArray[np.float64], ...]:
    """Lower, middle and upper band (population deviation)."""
    middle = rolling_mean(values, length)
    deviation = np.full(len(values), np.nan)
    if len(values) >= length:
        deviation[length - 1 :] = np.lib.stride_tricks.sliding_window_view(values, length).std(axis=1)
    return middle - width * deviation, middle, middle + width * deviation


def _limit_badge(chart: CandleChart, last: float) -> str:
    if chart.upper_limit and last >= chart.upper_limit:
        return "상한가"
    if chart.lower_limit and last <= chart.lower_limit:
        return "하한가"
    return ""


def build_candles(chart: CandleChart, theme: Theme = DARK) -> Canvas:
    full = chart.bars
    canvas = Canvas(theme, TALL if len(full) else SHORT)
    interval = chart.interval.label if chart.interval.value == 1440 else f"{chart.interval.label}봉"
    traded = full.close[full.close > 0] if len(full) else full.close
    last = float(traded[-1]) if len(traded) else None
    previous = chart.previous_close
    if previous is None and len(full) > 1:
        previous = float(full.close[-2])
    shown = full[max(0, len(full) - SHOWN_BARS) :]
    stock_header(
        canvas, chart.stock, last, previous, f"{interval} {len(shown)}개", _limit_badge(chart, last) if last else ""
    )
    canvas.footer(chart.stamp)
    if not len(full) or last is None:
        canvas.message(400, "보여 줄 봉이 없습니다", chart.note or "거래가 없었거나 자료를 아직 받지 못했습니다.")
        canvas.alt = f"{chart.stock.name} {interval} 차트: 자료 없음. {chart.note}".strip()
        return canvas
    first = len(full) - len(shown)
    low, high = _range(chart, shown)
    ticks = [low, high, *(v for v in (chart.stop_price, chart.target_price) if v)]
    # Labels of zones that are still open stand in free air, not over the newest candles.
    air = round(0.13 * len(shown)) if any(zone.ended is None for zone in chart.zones) else 0
    right = WIDTH - MARGIN - max(gutter_for(ticks), text_width("목표 ", SMALL, "bold"))
    bottom = canvas.height - 70
    note_room = 44 if chart.note else 0
    plot = Plot(MARGIN, HEADER + 54, right, bottom - 260 - note_room, low, high, max(len(shown) + air, 20))
    canvas.plots["price"] = plot
    volumes = Plot(
        MARGIN,
        plot.bottom + 70,
        right,
        bottom - 16 - note_room,
        0.0,
        max(float(shown.volume.max()), 1.0) * 1.02,
        plot.count,
    )
    canvas.plots["volume"] = volumes
    room = Room(canvas, plot, shown)
    seen = zones(room, chart)
    _overlays(canvas, plot, full, first, chart)
    sign = candles(canvas, plot, shown)
    volume_bars(canvas, volumes, shown.volume, sign)
    _levels(canvas, plot, chart, last, previous)
    price_axis(canvas, plot)
    time_axis(canvas, plot, time_labels(shown.start, chart.interval), plot.bottom + 40, volumes.bottom)
    top = shares(float(shown.volume.max()))
    canvas.text(right + 12, volumes.top + 26, top, SMALL, theme.secondary, width=WIDTH - right - 20, name="volume axis")
    canvas.text(
        right + 12, volumes.bottom, "거래량", SMALL, theme.secondary, width=WIDTH - right - 12, name="volume label"
    )
    marks(room, chart)
    events(room, chart)
    zone_legend(canvas, seen, HEADER + 28)
    if chart.note:
        canvas.text(MARGIN, bottom - 12, chart.note, SMALL, theme.warning, width=WIDTH - 2 * MARGIN, name="note")
    move = f" {percent(100 * (last / previous - 1))}" if previous else ""
    extra = "".join(
        f" · {word} {number(value)}원"
        for word, value in (("손절", chart.stop_price), ("목표", chart.target_price))
        if value
    )
    canvas.alt = (
        f"{chart.stock.name} {interval} 차트: {number(last)}원{move}, 고가 {number(float(shown.high.max()))} "
        f"저가 {number(float(shown.low.min()))}{extra}. {chart.note}"
    ).strip()
    return canvas


def _range(chart: CandleChart, shown: Bars) -> tuple[float, float]:
    values = [float(shown.low.min()), float(shown.high.max())]
    span = max(values[1] - values[0], 0.02 * values[1])
    # A level far outside would flatten the candles; its tag then says where it is.
    for level in (chart.stop_price, chart.target_price, chart.upper_limit, chart.lower_limit):
        if level and values[0] - 0.35 * span <= level <= values[1] + 0.35 * span:
            values.append(level)
    values.extend(price for at, price, *_ in chart.marks if slot_of(shown, at) is not None)
    return padded(min(values), max(values), 0.07)


def _overlays(canvas: Canvas, plot: Plot, full: Bars, first: int, chart: CandleChart) -> None:
    theme = canvas.theme
    overlays, daily = chart.overlays, chart.interval is Interval.DAY
    shown = len(full) - first
    y = HEADER + 28
    x: float = MARGIN
    if overlays == "none" or len(full) < 2:
        return
    if overlays == "bollinger":
        lower, middle, upper = (band[first:] for band in bollinger(full.close))
        known = np.flatnonzero(~np.isnan(middle))
        if not len(known):
            canvas.text(x, y, "볼린저밴드: 봉이 20개보다 적습니다", SMALL, theme.secondary, name="legend")
            return
        xs = plot.xs(known)
        lows, highs = (np.clip(plot.ys(band[known]), plot.top, plot.bottom) for band in (lower, upper))
        ring = np.concatenate((np.stack((xs, highs), 1), np.stack((xs, lows), 1)[::-1]))
        canvas.polygons([ring], theme.averages[1], "bollinger band", 1, 0.12)
        for name, band in (("lower", lower), ("middle", middle), ("upper", upper)):
            colour = theme.averages[0] if name == "middle" else theme.averages[1]
            _curve(canvas, plot, band, colour, f"bollinger {name}", shown)
        canvas.text(
            x,
            y,
            f"볼린저 20·2  {number(float(lower[-1]))} ~ {number(float(upper[-1]))}",
            SMALL,
            theme.averages[1],
            "bold",
            name="legend",
        )
        return
    unit = "일선" if daily else "봉선"
    for length, colour in zip(_AVERAGES, theme.averages, strict=True):
        values = rolling_mean(full.close, length)[first:]
        if np.isnan(values).all():
            continue
        _curve(canvas, plot, values, colour, f"average {length}", shown)
        x += canvas.text(x, y, f"{length}{unit} {number(float(values[-1]))}", SMALL, colour, "bold", name="legend") + 30


def _curve(canvas: Canvas, plot: Plot, values: NDArray[np.float64], colour: str, name: str, shown: int) -> None:
    ys = plot.ys(values)
    ys[(ys < plot.top) | (ys > plot.bottom)] = np.nan
    canvas.line(plot.xs(np.arange(shown)), ys, colour, 3.0, name=name, zorder=6)


def _levels(canvas: Canvas, plot: Plot, chart: CandleChart, last: float, previous: float | None) -> None:
    theme = canvas.theme
    tags = [(last, number(last), theme.background, theme.signed(last - previous) if previous else theme.text)]
    strokes: list[tuple[float, str]] = [(last, tags[0][3])]
    inside: Box = (plot.left, plot.top, plot.right, plot.bottom)
    for word, level, colour in (
        ("손절", chart.stop_price, theme.warning),
        ("목표", chart.target_price, theme.averages[1]),
    ):
        if not level:
            continue
        tags.append((min(max(level, plot.low), plot.high), number(level), theme.background, colour))
        if plot.low <= level <= plot.high:
            strokes.append((level, colour))
        y = min(max(plot.y(level), plot.top + 22), plot.bottom - 22)
        canvas.tag(plot.left + 10, y, word, theme.background, colour, force=False, inside=inside, name="level word")
    for word, level, colour in (("상한가", chart.upper_limit, theme.up), ("하한가", chart.lower_limit, theme.down)):
        if level and plot.low <= level <= plot.high:
            strokes.append((level, colour))
            canvas.tag(
                plot.left + 10,
                min(max(plot.y(level), plot.top + 22), plot.bottom - 22),
                f"{word} {number(level)}",
                theme.background,
                colour,
                force=False,
                inside=inside,
                name="limit",
            )
    for level, colour in strokes:
        y = plot.y(level)
        canvas.segments(np.array([[[plot.left, y], [plot.right, y]]]), colour, 2.0, "level line", 6, dash=True)
    level_tags(canvas, plot, tags)
