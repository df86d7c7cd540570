"""The recommendation table: ten rows with sparkline, score and forecast badge."""

from __future__ import annotations

import numpy as np

from charts import Picture
from charts.canvas import MARGIN, SHORT, SMALL, TALL, WIDTH, Canvas, Plot
from charts.formatting import arrow, number, percent, shown_sign
from charts.lettering import wrap
from charts.parts import DISCLAIMER, NOTICE, title_header
from charts.theme import DARK, Theme
from engine.results import Prediction, Recommendation, RecommendationTable

ROWS = 10
_TOP = 180.0
_ROW = 90.0
_LINE_LEFT, _LINE_RIGHT = 470.0, 660.0
_SCORE_RIGHT = 800.0


def render_recommendations(table: RecommendationTable, theme: Theme = DARK) -> Picture:
    return build_recommendations(table, theme).picture()


def badge(prediction: Prediction | None) -> str:
    """``+3.8%↑``: the median of the forecast; a dash without one."""
    if prediction is None or not prediction.available:
        return "-"
    value = prediction.change_percent
    return percent(value, 1) + ("", "↑", "↓")[shown_sign(value, 1)]


def build_recommendations(table: RecommendationTable, theme: Theme = DARK) -> Canvas:
    report = table.report
    found = report.recommendations
    rows = min(len(found), ROWS)
    canvas = Canvas(theme, max(SHORT, round(TALL - (ROWS - rows) * _ROW)))
    reached = f"{number(table.entry_threshold)}점 이상 {number(report.reached_entry)}종목"
    title_header(
        canvas,
        "추천 종목",
        f"{number(report.evaluated)}종목 평가 · {reached}"
        + (f" · 제외 {number(len(report.excluded))}" if report.excluded else "")
        + (f" · 실패 {number(len(report.failed))}" if report.failed else ""),
        report.price_source,
    )
    canvas.footer(table.stamp)
    if not found:
        canvas.message(380, "추천할 종목이 없습니다", "평가할 수 있는 종목이 없었거나 모두 제외되었습니다.")
        canvas.alt = f"추천 종목 없음: {number(report.evaluated)}종목 평가."
        return canvas
    for x, word, align in (
        (_LINE_LEFT, "추이", "left"),
        (_SCORE_RIGHT, "점수", "right"),
        (WIDTH - MARGIN, "5일 예측", "right"),
    ):
        canvas.text(
            x, _TOP - 10, word, SMALL, theme.secondary, align="right" if align == "right" else "left", name="head"
        )
    for rank, row in enumerate(found[:ROWS]):
        _row(canvas, table, rank, row, _TOP + rank * _ROW)
    y = canvas.height - 226.0
    for line in (*wrap(NOTICE, SMALL, WIDTH - 2 * MARGIN, 3), DISCLAIMER):
        canvas.text(MARGIN, y, line, SMALL, theme.warning, name="notice")
        y += 36
    best = found[0]
    canvas.alt = (
        f"추천 {len(found[:ROWS])}종목: 1위 {best.stock.name} {number(best.score.total, 1)}점 "
        f"(예측 {badge(best.prediction)}), {number(report.evaluated)}종목 가운데 {reached}."
    )
    return canvas


def _row(canvas: Canvas, table: RecommendationTable, rank: int, row: Recommendation, top: float) -> None:
    theme = canvas.theme
    if rank % 2 == 0:
        canvas.panel(12, top, WIDTH - 12, top + _ROW, theme.panel, 10)
    ground = theme.panel if rank % 2 == 0 else theme.background
    canvas.text(MARGIN, top + 40, f"{rank + 1}", 36, theme.secondary, "bold", name="rank", on=ground)
    left = MARGIN + 50
    canvas.text(left, top + 40, row.stock.name, 38, weight="bold", width=_LINE_LEFT - left - 16, name="name", on=ground)
    if row.quote is not None and row.quote.price:
        rate = percent(row.quote.change_percent)
        text = f"{number(row.quote.price)} {arrow(row.quote.change) if row.quote.change else '보합 '}{rate}"
        colour = theme.signed(row.quote.change)
    else:
        text, colour = f"{row.stock.code} 시세 없음", theme.secondary
    canvas.text(left, top + 79, text, SMALL + 1, colour, name="quote", on=ground, width=_LINE_LEFT - left - 8)
    _spark(canvas, row, top)
    total = row.score.total
    strong = total >= table.entry_threshold
    canvas.centred(
        _SCORE_RIGHT,
        top + _ROW / 2,
        number(total, 1),
        46,
        colour=theme.up if strong else theme.text,
        weight="extra",
        align="right",
        name="score",
        on=ground,
    )
    forecast = badge(row.prediction)
    if row.prediction is not None and row.prediction.available:
        value = row.prediction.change_percent
        canvas.tag(
            WIDTH - MARGIN,
            top + _ROW / 2,
            forecast,
            theme.background,
            theme.signed(shown_sign(value, 1)),
            36,
            "right",
            name="forecast",
        )
    else:
        canvas.centred(
            WIDTH - MARGIN - 10,
            top + _ROW / 2,
            "예측 없음",
            SMALL,
            colour=theme.secondary,
            align="right",
            name="forecast",
            on=ground,
        )


def _spark(canvas: Canvas, row: Recommendation, top: float) -> None:
    theme = canvas.theme
    closes = np.array(row.closes[-30:], dtype=np.float64)
    if len(closes) < 2:
        canvas.centred(_LINE_LEFT, top + _ROW / 2, "-", 36, colour=theme.secondary, name="no spark")
        return
    low, high = float(closes.min()), float(closes.max())
    if high <= low:
        low, high = low - 1, high + 1
    plot = Plot(_LINE_LEFT, top + 16, _LINE_RIGHT, top + _ROW - 16, low, high, len(closes))
    canvas.plots[f"spark {row.stock.code}"] = plot
    colour = theme.signed(float(closes[-1] - closes[0]))
    canvas.line(plot.xs(np.arange(len(closes))), plot.ys(closes), colour, 4.0, name=f"spark {row.stock.code}")
