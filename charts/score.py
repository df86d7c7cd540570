"""The score card: total, thresholds, nine signed bars, each with its reason."""

from __future__ import annotations

import numpy as np

from charts import Picture
from charts.canvas import MARGIN, SMALL, TALL, WIDTH, Canvas, Plot
from charts.formatting import change, number, signed
from charts.lettering import text_width, wrap
from charts.parts import DISCLAIMER, NOTICE
from charts.theme import DARK, Theme
from engine.results import Factor, FactorScore, ScoreCard

_ROWS_TOP = 392.0
_ROW = 82.0
_BAR_LEFT, _BAR_RIGHT = 330.0, 890.0


def render_score(card: ScoreCard, theme: Theme = DARK) -> Picture:
    return build_score(card, theme).picture()


def verdict(card: ScoreCard) -> str:
    total = card.score.total
    if not card.score.factors:
        return "점수 없음"
    if total >= card.entry_threshold:
        return "매수 기준 이상"
    if total <= card.exit_threshold:
        return "매도 기준 이하"
    return "관망"


def build_score(card: ScoreCard, theme: Theme = DARK) -> Canvas:
    canvas = Canvas(theme, TALL)
    score = card.score
    code = f"{card.stock.code} {card.stock.market.value}"
    canvas.text(
        MARGIN,
        82,
        card.stock.name,
        58,
        weight="extra",
        width=WIDTH - 3 * MARGIN - text_width(code, SMALL),
        name="stock name",
    )
    canvas.text(WIDTH - MARGIN, 78, code, SMALL, theme.secondary, align="right", name="code")
    canvas.footer(card.stamp)
    word = verdict(card)
    total = score.total
    tone = theme.up if total >= card.entry_threshold else theme.down if total <= card.exit_threshold else theme.text
    drawn = canvas.text(MARGIN, 204, number(total, 1) if score.factors else "-", 112, tone, "extra", name="total")
    canvas.text(MARGIN + drawn + 16, 204, "점", 44, theme.secondary, name="unit")
    canvas.text(MARGIN + drawn + 84, 204, word, 44, tone, "bold", name="verdict")
    if card.quote is not None and card.quote.price:
        shade = theme.signed(card.quote.change)
        canvas.text(
            WIDTH - MARGIN, 150, f"{number(card.quote.price)}원", 42, shade, "bold", align="right", name="price"
        )
        canvas.text(
            WIDTH - MARGIN,
            204,
            change(card.quote.change, card.quote.change_percent),
            34,
            shade,
            align="right",
            name="change",
        )
    _gauge(canvas, card)
    _parts(canvas, card)
    by_factor = {part.factor: part for part in score.factors}
    canvas.plots["factors"] = Plot(_BAR_LEFT, _ROWS_TOP, _BAR_RIGHT, _ROWS_TOP + 9 * _ROW, 0, 1, 1)
    for row, factor in enumerate(Factor):
        _factor(canvas, factor, by_factor.get(factor), _ROWS_TOP + row * _ROW)
    y = _ROWS_TOP + 9 * _ROW + 30
    for line in (*wrap(NOTICE, SMALL, WIDTH - 2 * MARGIN, 3), DISCLAIMER):
        canvas.text(MARGIN, y, line, SMALL, theme.warning, name="notice")
        y += 36
    canvas.alt = (
        f"{card.stock.name} 점수 {number(total, 1)}점 ({word}): 준비 {number(score.daily_points, 1)}/65, "
        f"진입 {number(score.live_points, 1)}/35. 매수 기준 {number(card.entry_threshold)}, "
        f"매도 기준 {number(card.exit_threshold)}."
    )
    return canvas


def _gauge(canvas: Canvas, card: ScoreCard) -> None:
    """−100 … +100 with both thresholds."""
    theme = canvas.theme
    left, right, top, bottom = float(MARGIN), float(WIDTH - MARGIN), 232.0, 258.0
    plot = Plot(left, 0, right, 1, 0, 1, 200)
    canvas.plots["gauge"] = plot

    def x(points: float) -> float:
        return left + (min(max(points, -100.0), 100.0) + 100.0) / 200.0 * (right - left)

    canvas.panel(left, top, right, bottom, theme.grid, radius=8, name="gauge")
    zero, end = x(0.0), x(card.score.total)
    if abs(end - zero) > 1:
        box = np.array([[min(zero, end), top, max(zero, end), bottom]])
        canvas.boxes(box, theme.signed(card.score.total), "gauge value", 3)
    for points, label in (
        (card.exit_threshold, f"매도 {number(card.exit_threshold)}"),
        (0.0, "0"),
        (card.entry_threshold, f"매수 {number(card.entry_threshold)}"),
    ):
        at = x(points)
        canvas.segments(np.array([[[at, top - 8], [at, bottom + 8]]]), theme.text, 4.0, "threshold", 5)
        canvas.text(at, bottom + 38, label, SMALL, theme.secondary, align="center", name="threshold")


def _parts(canvas: Canvas, card: ScoreCard) -> None:
    theme = canvas.theme
    middle = WIDTH / 2
    y = 362.0
    for left, right, word, points, maximum in (
        (float(MARGIN), middle - 20, "준비 점수", card.score.daily_points, 65),
        (middle + 20, float(WIDTH - MARGIN), "진입 점수", card.score.live_points, 35),
    ):
        canvas.panel(left, y - 44, right, y + 20, theme.panel, radius=12)
        canvas.text(left + 18, y, word, 34, theme.secondary, name="part", on=theme.panel)
        canvas.text(
            right - 18,
            y,
            f"{signed(points, 1)} / {maximum}",
            38,
            theme.signed(points),
            "bold",
            "right",
            name=f"part {maximum}",
            on=theme.panel,
        )


def _factor(canvas: Canvas, factor: Factor, part: FactorScore | None, top: float) -> None:
    theme = canvas.theme
    zero = (_BAR_LEFT + _BAR_RIGHT) / 2
    scale = (_BAR_RIGHT - _BAR_LEFT) / 2 / 15  # one scale for all: a long bar is many points
    defined = part is not None and part.defined
    points = part.points if part is not None else 0.0
    canvas.text(MARGIN, top + 34, factor.label, 34, weight="bold", name="factor", width=_BAR_LEFT - MARGIN - 10)
    reach = factor.maximum * scale
    canvas.boxes(np.array([[zero - reach, top + 12, zero + reach, top + 38]]), theme.panel, "reach", 1)
    canvas.segments(np.array([[[zero, top + 6], [zero, top + 44]]]), theme.secondary, 2.0, zorder=4)
    if points:
        end = zero + points * scale
        canvas.boxes(
            np.array([[min(zero, end), top + 12, max(zero, end), top + 38]]),
            theme.signed(points),
            f"bar {factor.value}",
            3,
        )
    value = f"{signed(points, 1)}" if defined else "없음"
    canvas.text(
        WIDTH - MARGIN,
        top + 38,
        value,
        38,
        theme.signed(points) if defined else theme.secondary,
        "bold",
        "right",
        name=f"points {factor.value}",
    )
    reason = part.reason if part is not None else "계산하지 않았습니다"
    canvas.text(MARGIN, top + 71, reason, 31, theme.secondary, width=WIDTH - 2 * MARGIN, name="reason")
