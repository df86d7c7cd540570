"""Candles with volume, averages or Bollinger bands, zones, structure breaks, levels and own trades."""

from __future__ import annotations

from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from charts import Picture
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
from engine.market import KST, Bars, Interval
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


def _slot(bars: Bars, at: datetime) -> int | None:
    """The bar that holds ``at``; None where it lies before the first one shown."""
    moment = np.datetime64(at.astimezone(KST).replace(tzinfo=None), "s")
    found = int(np.searchsorted(bars.start, moment, side="right")) - 1
    return found if found >= 0 else None


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
    right = WIDTH - MARGIN - max(gutter_for(ticks), text_width("목표 ", SMALL, "bold"))
    bottom = canvas.height - 70
    note_room = 44 if chart.note else 0
    plot = Plot(MARGIN, HEADER + 54, right, bottom - 260 - note_room, low, high, max(len(shown), 20))
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
    _zones(canvas, plot, chart, shown)
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
    _marks(canvas, plot, chart, shown)
    _events(canvas, plot, chart, shown)
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
    values.extend(price for at, price, *_ in chart.marks if _slot(shown, at) is not None)
    return padded(min(values), max(values), 0.07)


def _zones(canvas: Canvas, plot: Plot, chart: CandleChart, shown: Bars) -> None:
    theme = canvas.theme
    kinds: dict[str, str] = {}
    for zone in chart.zones:
        born = _slot(shown, zone.born)
        ended = _slot(shown, zone.ended) if zone.ended else len(shown) - 1
        if ended is None or zone.top < plot.low or zone.bottom > plot.high:
            continue
        left = plot.x((born or 0) - 0.5)
        right = plot.x(ended + 0.5) if zone.ended else plot.right
        if right - left < 3:
            continue
        colour = theme.up if zone.bullish else theme.down
        if zone.kind == "order_block":
            colour = theme.zone
        open_ = zone.fill != "filled"
        top, bottom = plot.y(min(zone.top, plot.high)), plot.y(max(zone.bottom, plot.low))
        canvas.panel(left, top, right, bottom, colour, alpha=0.26 if open_ else 0.10, name=f"zone {zone.kind}")
        canvas.panel(
            left, top, right, bottom, "none", edge=colour, dash=not open_, zorder=2, alpha=0.9 if open_ else 0.45
        )
        word = "FVG" if zone.kind == "fvg" else "OB"
        label = f"{word}{'▲' if zone.bullish else '▼'}"
        if open_:
            inside: Box = (plot.left, plot.top, plot.right, plot.bottom)
            for at in (bottom + 24, top - 24):
                if canvas.tag(
                    right - 10,
                    at,
                    label,
                    colour,
                    theme.background,
                    align="right",
                    inside=inside,
                    force=False,
                    name="zone label",
                ):
                    break
        kinds[f"{word} {'열림' if open_ else '채워짐'}"] = label


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


def _marks(canvas: Canvas, plot: Plot, chart: CandleChart, shown: Bars) -> None:
    theme = canvas.theme
    inside: Box = (plot.left - 10, plot.top, plot.right + 10, plot.bottom)
    for at, price, side, text in chart.marks:
        slot = _slot(shown, at)
        if slot is None:
            continue
        x, y = plot.x(slot), plot.y(price)
        buy = side == "buy"
        edge = plot.y(float(shown.low[slot])) + 10 if buy else plot.y(float(shown.high[slot])) - 10
        tip = max(y, edge) if buy else min(y, edge)
        base = tip + 26 if buy else tip - 26
        colour = theme.up if buy else theme.down
        canvas.polygons(
            [np.array([[x, tip], [x - 17, base], [x + 17, base]])], colour, f"mark {side}", 8, edge=theme.text
        )
        label = text or ("매수" if buy else "매도")
        half = text_width(label, SMALL, "bold") / 2 + 20
        centre = min(max(x, plot.left + half), plot.right - half)
        step = 44 if buy else -44
        spots = [(centre, base + step * share) for share in (0.6, 1.6, 2.6)]
        spots += [(x + half + 22, (tip + base) / 2), (x - half - 22, (tip + base) / 2)]
        for spot, middle in spots:
            if canvas.tag(
                spot,
                middle,
                label,
                theme.background,
                colour,
                align="center",
                inside=inside,
                force=False,
                name="mark label",
            ):
                break
    for at in chart.vi_times:
        slot = _slot(shown, at)
        if slot is None:
            continue
        x = plot.x(slot)
        canvas.segments(np.array([[[x, plot.top], [x, plot.bottom]]]), theme.warning, 2.5, "vi", 6, dash=True)
        canvas.tag(
            min(x, plot.right - 30),
            plot.top + 22,
            "VI",
            theme.background,
            theme.warning,
            align="center",
            force=False,
            name="vi label",
        )


def _events(canvas: Canvas, plot: Plot, chart: CandleChart, shown: Bars) -> None:
    theme = canvas.theme
    inside: Box = (plot.left, plot.top, plot.right, plot.bottom)
    for event in reversed(chart.events):  # the newest gets its label first
        end = _slot(shown, event.at)
        if end is None or not plot.low <= event.level <= plot.high:
            continue
        start = _slot(shown, event.pivot_at) or 0
        colour = theme.up if event.up else theme.down
        y = plot.y(event.level)
        x0, x1 = plot.x(start), plot.x(end)
        canvas.segments(np.array([[[x0, y], [x1, y]]]), colour, 3.0, f"structure {event.kind}", 6)
        label = f"{event.kind}{'▲' if event.up else '▼'}"
        for middle in (y - 24, y + 24) if event.up else (y + 24, y - 24):
            if canvas.tag(
                (x0 + x1) / 2,
                middle,
                label,
                colour,
                theme.panel,
                align="center",
                inside=inside,
                force=False,
                name="structure label",
            ):
                break
