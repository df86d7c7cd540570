"""The account: equity, allocation, positions with profit, equity curve and drawdown."""

from __future__ import annotations

from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from charts import Picture
from charts.canvas import FOOTER, MARGIN, SHORT, SMALL, TALL, WIDTH, Canvas, Plot
from charts.formatting import amount, arrow, number, percent, signed
from charts.lettering import text_width
from charts.parts import gutter_for, padded, price_axis
from charts.theme import DARK, Theme, contrast
from engine.market import KST
from engine.results import PortfolioView, PositionView

_ROW = 96.0
MAXIMUM_ROWS = 6
PALETTE = ("#5AA9E6", "#F4A259", "#8CB369", "#BC8DD6", "#E07A8B", "#4DB6AC", "#C9B458", "#8E9AAF")


def render_portfolio(view: PortfolioView, theme: Theme = DARK) -> Picture:
    return build_portfolio(view, theme).picture()


def drawdown(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Percent below the highest value so far, 0 or negative."""
    peak = np.maximum.accumulate(values)
    return np.where(peak > 0, 100.0 * (values / np.where(peak > 0, peak, 1) - 1.0), 0.0)


def build_portfolio(view: PortfolioView, theme: Theme = DARK) -> Canvas:
    rows = min(len(view.positions), MAXIMUM_ROWS)
    drawn = len(view.equity_curve) > 1
    canvas = Canvas(theme, TALL if drawn else round(max(SHORT, 560 + rows * _ROW)))
    canvas.text(MARGIN, 70, "포트폴리오", 48, weight="extra", name="title")
    canvas.text(WIDTH - MARGIN, 66, f"보유 {len(view.positions)}종목", 34, theme.secondary, align="right", name="count")
    canvas.footer(view.stamp)
    profit = sum(position.profit for position in view.positions)
    cost = sum(position.quantity * position.average_price for position in view.positions)
    canvas.text(MARGIN, 160, f"{number(view.equity)}원", 76, weight="extra", name="equity")
    figures = (
        ("평가손익", profit, percent(100 * profit / cost) if cost else ""),
        ("오늘 실현", view.realised_today, ""),
    )
    full = " ".join(f"{word} {signed(value)}원 {rate}" for word, value, rate in figures)
    compact = text_width(full, 36, "bold") > WIDTH - 2 * MARGIN - 60
    x: float = MARGIN
    for word, value, rate in figures:
        money = f"{'+' if value > 0 else ''}{amount(value)}" if compact else signed(value)
        x += canvas.text(x, 216, word, 34, theme.secondary, name="word") + 14
        x += canvas.text(x, 216, f"{money}원 {rate}".strip(), 36, theme.signed(value), "bold", name=word) + 36
    y = _allocation(canvas, view, 246.0)
    ranked = sorted(view.positions, key=lambda position: -position.value)
    y = _positions(canvas, ranked, y)
    _curve(canvas, view, y + 14, canvas.height - FOOTER - 8)
    best = f" 최대 보유 {ranked[0].stock.name} {percent(ranked[0].profit_percent)}." if ranked else " 보유 종목 없음."
    canvas.alt = (
        f"포트폴리오: 평가금액 {number(view.equity)}원, 평가손익 {signed(profit)}원"
        f"{f' ({percent(100 * profit / cost)})' if cost else ''}, 현금 {number(view.cash)}원.{best}"
    )
    return canvas


def _allocation(canvas: Canvas, view: PortfolioView, top: float) -> float:
    theme = canvas.theme
    ranked = sorted(view.positions, key=lambda position: -position.value)
    parts = [(position.stock.name, max(position.value, 0)) for position in ranked[:MAXIMUM_ROWS]]
    if len(ranked) > MAXIMUM_ROWS:
        parts.append(("기타", sum(max(position.value, 0) for position in ranked[MAXIMUM_ROWS:])))
    parts.append(("현금", max(view.cash, 0)))
    total = sum(value for _, value in parts)
    if not total:
        return top
    left, room = float(MARGIN), float(WIDTH - 2 * MARGIN)
    for i, (name, value) in enumerate(parts):
        colour = theme.grid if name == "현금" else PALETTE[i % len(PALETTE)]
        right = left + room * value / total
        canvas.boxes(np.array([[left, top, right, top + 56]]), colour, f"share {name}", 3)
        letters = "#101216" if contrast("#101216", colour) > contrast("#FFFFFF", colour) else "#FFFFFF"
        label = f"{100 * value / total:.0f}%"
        long = f"{name} {label}"
        for text in (long, label):
            if text_width(text, SMALL, "bold") + 12 <= right - left:
                canvas.centred(
                    (left + right) / 2,
                    top + 28,
                    text,
                    SMALL,
                    colour=letters,
                    weight="bold",
                    align="center",
                    name="share",
                    on=colour,
                )
                break
        left = right
    return top + 72


def _positions(canvas: Canvas, ranked: list[PositionView], top: float) -> float:
    theme = canvas.theme
    if not ranked:
        canvas.centred(
            WIDTH / 2, top + 60, "보유 종목이 없습니다", 40, colour=theme.secondary, align="center", name="message"
        )
        return top + 120
    for i, position in enumerate(ranked[:MAXIMUM_ROWS]):
        y = top + i * _ROW
        if i:
            canvas.rule(y)
        colour = theme.signed(position.profit)
        canvas.boxes(np.array([[MARGIN, y + 16, MARGIN + 10, y + _ROW - 14]]), PALETTE[i % len(PALETTE)], "swatch", 3)
        left = MARGIN + 26
        rate = f"{arrow(position.profit)}{percent(position.profit_percent)}"
        wide = text_width(rate, 40, "bold")
        canvas.text(WIDTH - MARGIN, y + 44, rate, 40, colour, "bold", "right", name="profit percent")
        canvas.text(
            left, y + 44, position.stock.name, 38, weight="bold", width=WIDTH - MARGIN - wide - left - 24, name="name"
        )
        gain = f"{signed(position.profit)}원"
        canvas.text(WIDTH - MARGIN, y + 84, gain, 34, colour, align="right", name="profit")
        detail = f"{number(position.quantity)}주 · 평균 {number(position.average_price)} → {number(position.price)}"
        canvas.text(
            left,
            y + 83,
            detail,
            31,
            theme.secondary,
            width=WIDTH - MARGIN - text_width(gain, 34) - left - 20,
            name="detail",
        )
    y = top + min(len(ranked), MAXIMUM_ROWS) * _ROW
    if len(ranked) > MAXIMUM_ROWS:
        rest = ranked[MAXIMUM_ROWS:]
        canvas.text(
            MARGIN,
            y + 34,
            f"외 {len(rest)}종목 {amount(sum(p.value for p in rest))}원",
            32,
            theme.secondary,
            name="more",
        )
        y += 48
    return y


def _curve(canvas: Canvas, view: PortfolioView, top: float, bottom: float) -> None:
    theme = canvas.theme
    canvas.rule(top)
    if len(view.equity_curve) < 2:
        canvas.centred(
            WIDTH / 2,
            (top + bottom) / 2,
            "평가금액 기록이 아직 없습니다",
            34,
            colour=theme.secondary,
            align="center",
            name="no curve",
        )
        return
    times = [at for at, _ in view.equity_curve]
    values = np.array([value for _, value in view.equity_curve], dtype=np.float64)
    fall = drawdown(values)
    move = 100 * (values[-1] / values[0] - 1) if values[0] else 0.0
    y = top + 44
    x = MARGIN + canvas.text(MARGIN, y, "평가금액 ", 34, theme.secondary, name="word")
    x += canvas.text(x, y, percent(move), 36, theme.signed(move), "bold", name="curve change") + 30
    x += canvas.text(x, y, "최대 낙폭 ", 34, theme.secondary, name="word")
    canvas.text(x, y, f"{number(float(fall.min()), 2)}%", 36, weight="bold", name="drawdown")
    low, high = padded(float(values.min()), float(values.max()))
    right = WIDTH - MARGIN - gutter_for([low / 1e4], suffix="만")
    depth = 0.24 * (bottom - top)
    plot = Plot(MARGIN, y + 24, right, bottom - 44 - depth, low / 1e4, high / 1e4, len(values))
    below = Plot(MARGIN, plot.bottom + 8, right, bottom - 44, min(float(fall.min()) * 1.1, -0.5), 0.0, len(values))
    canvas.plots |= {"equity": plot, "drawdown": below}
    xs = plot.xs(np.arange(len(values)))
    canvas.line(xs, plot.ys(values / 1e4), theme.signed(move), 4.0, name="equity")
    ring = np.concatenate((np.stack((xs, below.ys(fall)), 1), [[xs[-1], below.top], [xs[0], below.top]]))
    canvas.polygons([ring], theme.down, "drawdown", 3, 0.45)
    price_axis(canvas, plot, 3, suffix="만")
    canvas.centred(right + 12, (below.top + below.bottom) / 2, "낙폭", SMALL, colour=theme.secondary, name="axis")
    same_day = times[0].astimezone(KST).date() == times[-1].astimezone(KST).date()

    def label(at: datetime) -> str:
        local = at.astimezone(KST)
        return f"{local:%H:%M}" if same_day else f"{local:%Y-%m-%d}"

    canvas.text(MARGIN, bottom - 8, label(times[0]), SMALL, theme.secondary, name="time")
    canvas.text(right, bottom - 8, label(times[-1]), SMALL, theme.secondary, align="right", name="time")
