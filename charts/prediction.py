"""The forecast: sixty days, a fan of five, what earlier forecasts came to, and what the model has shown."""

from __future__ import annotations

import numpy as np

from charts import Picture
from charts.canvas import MARGIN, SHORT, SMALL, TALL, WIDTH, Box, Canvas, Plot
from charts.formatting import number, percent, shown_sign
from charts.lettering import wrap
from charts.parts import (
    DISCLAIMER,
    HEADER,
    gutter_for,
    level_tags,
    padded,
    price_axis,
    stock_header,
    time_axis,
    time_labels,
)
from charts.theme import DARK, Theme
from engine.market import Interval
from engine.results import Band, PastForecast, PredictionChart

SHOWN_DAYS = 60
_WORDS = {"stronger": "시장보다 강함", "weaker": "시장보다 약함", "neutral": "시장과 비슷함"}


def render_prediction(chart: PredictionChart, theme: Theme = DARK) -> Picture:
    return build_prediction(chart, theme).picture()


def place(rank: float) -> str:
    """Where a percentile (0 worst, 1 best) stands, counted from the nearer end."""
    word, share = ("상위", 1 - rank) if rank >= 0.5 else ("하위", rank)
    return f"시장 {word} {max(1, round(100 * share))}%"


def build_prediction(chart: PredictionChart, theme: Theme = DARK) -> Canvas:
    bars, forecast = chart.bars, chart.prediction
    canvas = Canvas(theme, TALL if forecast.available and len(bars) else SHORT)
    shown = bars[max(0, len(bars) - SHOWN_DAYS) :]
    last = float(shown.close[-1]) if len(shown) else forecast.last_close or None
    previous = float(shown.close[-2]) if len(shown) > 1 else None
    stock_header(canvas, chart.stock, last, previous, f"{forecast.horizon}일 예측")
    canvas.footer(chart.stamp)
    canvas.text(MARGIN, canvas.height - 82, DISCLAIMER, SMALL, theme.warning, name="notice")
    band = forecast.band
    if band is None or not len(shown):
        reason = forecast.absent or "예측에 쓸 일봉이 없습니다."
        canvas.message(400, "예측 없음", reason)
        canvas.alt = f"{chart.stock.name} 예측 없음: {reason}"
        return canvas
    move = forecast.change_percent
    colour = theme.signed(move)
    words = f"{_WORDS[forecast.direction]} · {place(forecast.rank)}"
    canvas.text(MARGIN, HEADER + 44, words, 42, weight="bold", name="direction", width=WIDTH - 2 * MARGIN - 190)
    canvas.tag(
        WIDTH - MARGIN,
        HEADER + 30,
        f"{percent(move, 1)}{('', '↑', '↓')[shown_sign(move, 1)]}",
        theme.background,
        colour,
        44,
        "right",
        name="median change",
    )
    canvas.text(
        MARGIN,
        HEADER + 96,
        f"80% 구간 {number(band.p10)} ~ {number(band.p90)}원"
        f" · 시장 중앙값을 이길 확률 {100 * forecast.probability:.0f}%",
        32,
        theme.secondary,
        name="interval",
        width=WIDTH - 2 * MARGIN,
    )
    low, high = padded(min(float(shown.close.min()), band.p10), max(float(shown.close.max()), band.p90), 0.08)
    right = WIDTH - MARGIN - gutter_for([low, high])
    slots = len(shown) + 2 * forecast.horizon  # a day ahead gets twice the room of a past one
    plot = Plot(MARGIN, HEADER + 124, right, 806, low, high, slots)
    canvas.plots["price"] = plot
    _fan(canvas, plot, chart, len(shown))
    closes = shown.close
    canvas.line(plot.xs(np.arange(len(shown))), plot.ys(closes), theme.text, 4.0, name="closes", zorder=6)
    level_tags(
        canvas,
        plot,
        [
            (band.p90, number(band.p90), theme.text, theme.grid),
            (band.p50, number(band.p50), theme.background, colour),
            (band.p10, number(band.p10), theme.text, theme.grid),
        ],
    )
    inside: Box = (plot.left, plot.top, plot.right, plot.bottom)
    x = plot.right - 14
    for y in (plot.y(band.p90) - 30, plot.y(band.p10) + 30, plot.top + 24, plot.bottom - 24):
        if canvas.tag(
            x,
            y,
            "중앙 경로(참고)",
            theme.secondary,
            theme.background,
            align="right",
            inside=inside,
            force=False,
            name="reference",
        ):
            break
    price_axis(canvas, plot)
    time_axis(canvas, plot, time_labels(shown.start, Interval.DAY), plot.bottom + 40)
    _track(canvas, chart.past)
    _skill(canvas, chart)
    canvas.alt = (
        f"{chart.stock.name} {forecast.horizon}일 예측: 중앙값 {number(band.p50)}원 ({percent(move, 1)}), "
        f"80% 구간 {number(band.p10)}~{number(band.p90)}원, {_WORDS[forecast.direction]}. "
        f"{forecast.skill.verdict if forecast.skill else '모델 성적 없음.'}"
    )
    return canvas


def _fan(canvas: Canvas, plot: Plot, chart: PredictionChart, count: int) -> None:
    theme, forecast = canvas.theme, chart.prediction
    band = forecast.band
    assert band is not None
    last = float(chart.bars.close[-1])
    steps = np.linspace(0.0, 1.0, forecast.horizon + 1)
    xs = np.array([plot.x(count - 1 + 2 * day) for day in range(forecast.horizon + 1)])
    # Only the last day is forecast as a band; towards today it narrows like a random walk.
    width = np.sqrt(steps)
    for name, low, high, alpha in (("p10 p90", band.p10, band.p90, 0.20), ("p25 p75", band.p25, band.p75, 0.32)):
        lows = last + (band.p50 - last) * steps + (low - band.p50) * width
        highs = last + (band.p50 - last) * steps + (high - band.p50) * width
        ring = np.concatenate((np.stack((xs, plot.ys(lows)), 1), np.stack((xs, plot.ys(highs)), 1)[::-1]))
        canvas.polygons([ring], theme.accent, f"band {name}", 3, alpha)
    path = np.array([last, *forecast.path]) if forecast.path else np.array([last, band.p50])
    at = xs[: len(path)] if forecast.path else xs[[0, -1]]
    canvas.line(at, plot.ys(path), theme.signed(forecast.change_percent), 4.5, name="path", zorder=7, dash=True)
    x = plot.x(count - 1)
    canvas.segments(np.array([[[x, plot.top], [x, plot.bottom]]]), theme.secondary, 2.0, "today", 2, dash=True)


def inside_band(past: PastForecast) -> bool:
    return past.realised is not None and past.band.p10 <= past.realised <= past.band.p90


def _track(canvas: Canvas, past: tuple[PastForecast, ...]) -> None:
    """Each earlier forecast as its 80 % band, scaled to one height, with a dot for what came."""
    theme = canvas.theme
    known = [item for item in past if item.realised is not None][-20:]
    top, bottom = 914.0, 1040.0
    if not known:
        canvas.text(MARGIN, top + 4, "지난 예측: 결과가 나온 것이 아직 없습니다", 34, theme.secondary, name="track")
        return
    hits = sum(inside_band(item) for item in known)
    canvas.text(
        MARGIN,
        top + 4,
        f"지난 예측 {len(known)}회: 구간 안 {hits}회 ({100 * hits / len(known):.0f}%)",
        34,
        weight="bold",
        name="track",
    )
    canvas.text(
        WIDTH - MARGIN, top + 4, "막대 80% 구간 · 점 실제", SMALL, theme.secondary, align="right", name="track legend"
    )
    plot = Plot(MARGIN, top + 28, WIDTH - MARGIN, bottom + 14, -1.6, 1.6, max(len(known), 8))
    canvas.plots["track"] = plot

    def scaled(band: Band, value: float) -> float:
        middle, half = (band.p10 + band.p90) / 2, max((band.p90 - band.p10) / 2, 1e-9)
        return min(max((value - middle) / half, -1.5), 1.5)

    xs = plot.xs(np.arange(len(known)))
    half = min(0.22 * plot.slot, 12.0)
    canvas.boxes(
        np.stack((xs - half, np.full(len(xs), plot.y(1.0)), xs + half, np.full(len(xs), plot.y(-1.0))), 1),
        theme.grid,
        "track bands",
    )
    for x, item in zip(xs, known, strict=True):
        assert item.realised is not None
        y = plot.y(scaled(item.band, item.realised))
        colour = theme.averages[1] if inside_band(item) else theme.warning
        canvas.panel(x - 8, y - 8, x + 8, y + 8, colour, 8, zorder=6, name="track dot")


def _skill(canvas: Canvas, chart: PredictionChart) -> None:
    theme, forecast = canvas.theme, chart.prediction
    y = 1104.0
    if forecast.skill is None:
        canvas.text(MARGIN, y, "모델 성적이 없어 점수에 0점으로 반영됩니다", 34, theme.warning, name="skill")
        return
    skill = forecast.skill
    for line in wrap(skill.verdict, 34, WIDTH - 2 * MARGIN, 2, "bold"):
        canvas.text(MARGIN, y, line, 34, weight="bold", name="skill")
        y += 44
    baseline = f"저변동성 {skill.low_volatility_rank_ic:.3f}"
    figures = f"순위 상관 {skill.rank_ic:.3f} ({baseline}) · 구간 적중 {100 * skill.coverage:.0f}%"
    canvas.text(MARGIN, y, figures, SMALL, theme.secondary, width=WIDTH - 2 * MARGIN, name="skill figures")
    trained = f" · 학습 {forecast.trained_until:%Y-%m-%d}까지" if forecast.trained_until else ""
    text = f"검증 {skill.window}{trained}"
    if y + 38 < TALL - 106:
        canvas.text(MARGIN, y + 38, text, SMALL, theme.secondary, width=WIDTH - 2 * MARGIN, name="skill window")
