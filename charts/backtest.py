"""The backtest on one page: figures, price with trades, equity against buy and hold, drawdown, months."""

from __future__ import annotations

from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from charts import Picture
from charts.canvas import MARGIN, SMALL, TALL, WIDTH, Canvas, Plot
from charts.formatting import amount, number, percent, signed
from charts.heatmap import cell_colour
from charts.lettering import first_fitting, wrap
from charts.parts import DISCLAIMER, gutter_for, padded, price_axis, title_header
from charts.portfolio import drawdown
from charts.theme import DARK, Theme
from engine.market import KST
from engine.results import BacktestReport

SHOWN_YEARS = 3
_LEFT_COLUMN = 96.0


def render_backtest(report: BacktestReport, theme: Theme = DARK) -> Picture:
    return build_backtest(report, theme).picture()


def monthly_returns(equity: tuple[tuple[datetime, float], ...]) -> dict[tuple[int, int], float]:
    """Percent per (year, month), from month end to month end; the first month counts from its start."""
    result: dict[tuple[int, int], float] = {}
    base = equity[0][1] if equity else 0.0
    ends: dict[tuple[int, int], float] = {}
    for at, value in equity:
        local = at.astimezone(KST)
        ends[local.year, local.month] = value
    for month, value in ends.items():
        result[month] = 100.0 * (value / base - 1.0) if base else 0.0
        base = value
    return result


def build_backtest(report: BacktestReport, theme: Theme = DARK) -> Canvas:
    canvas = Canvas(theme, TALL)
    title_header(
        canvas,
        report.title,
        f"{report.first:%Y-%m-%d} ~ {report.last:%Y-%m-%d} · {len(report.codes)}종목"
        f" · 거래 {number(report.metrics.trades)}회",
        "백테스트",
    )
    canvas.footer(report.stamp)
    canvas.text(MARGIN, TALL - 82, DISCLAIMER, SMALL, theme.warning, name="notice")
    _metrics(canvas, report, 146.0)
    if len(report.equity) < 2:
        canvas.message(640, "그릴 기록이 없습니다", "기간 안에 거래일이 없거나 자료가 모자랍니다.")
    else:
        months = monthly_returns(report.equity)
        years = sorted({year for year, _ in months})[-SHOWN_YEARS:]
        bottom = TALL - 118 - 50 * (len(years) + 1)
        if report.warnings:
            bottom -= 44
            line = wrap(f"주의: {report.warnings[0]}", SMALL, WIDTH - 2 * MARGIN, 1)[0]
            more = f" 외 {len(report.warnings) - 1}건" if len(report.warnings) > 1 else ""
            line = wrap(f"주의: {report.warnings[0]}", SMALL, WIDTH - 2 * MARGIN - 110, 1)[0] + more if more else line
            canvas.text(MARGIN, TALL - 122, line, SMALL, theme.warning, name="warning")
        _curves(canvas, report, 356.0, bottom - 18)
        _months(canvas, months, years, bottom)
    metrics = report.metrics
    canvas.alt = (
        f"백테스트 {report.title}: 수익률 {percent(100 * metrics.total_return)} "
        f"(매수 후 보유 {percent(100 * metrics.buy_and_hold)}), "
        f"최대 낙폭 {number(-abs(100 * metrics.maximum_drawdown), 1)}%, "
        f"거래 {number(metrics.trades)}회, 승률 {100 * metrics.win_rate:.0f}%."
    )
    return canvas


def _rate(value: float) -> str:
    """A percentage that is never cut: a shortened number reads as another number."""
    return first_fitting((percent(value, 1), percent(value, 0), "999,999%↑"), 39, 232, "bold")


def _metrics(canvas: Canvas, report: BacktestReport, top: float) -> None:
    """Eight figures in two rows of four."""
    theme, metrics = canvas.theme, report.metrics
    total, hold = 100 * metrics.total_return, 100 * metrics.buy_and_hold
    figures = (
        ("수익률", _rate(total), theme.signed(total)),
        ("보유만 했다면", _rate(hold), theme.signed(hold)),
        ("최대 낙폭", f"{number(-abs(100 * metrics.maximum_drawdown), 1)}%", theme.text),
        ("승률", f"{100 * metrics.win_rate:.0f}%" if metrics.trades else "-", theme.text),
        ("연 수익률", _rate(100 * metrics.annual_return), theme.signed(metrics.annual_return)),
        ("샤프", number(metrics.sharpe, 2), theme.text),
        ("손익비", number(metrics.payoff_ratio, 2) if np.isfinite(metrics.payoff_ratio) else "-", theme.text),
        ("비용", f"{amount(metrics.costs)}원", theme.text),
    )
    wide = (WIDTH - 2 * MARGIN) / 4
    for i, (word, value, colour) in enumerate(figures):
        x = MARGIN + (i % 4) * wide
        y = top + (i // 4) * 102
        canvas.panel(x, y, x + wide - 10, y + 94, theme.panel, 10)
        canvas.text(x + 14, y + 38, word, SMALL, theme.secondary, width=wide - 30, name="figure word", on=theme.panel)
        canvas.text(x + 14, y + 80, value, 39, colour, "bold", width=wide - 24, name=f"figure {word}", on=theme.panel)


def _curves(canvas: Canvas, report: BacktestReport, top: float, bottom: float) -> None:
    theme = canvas.theme
    start = np.datetime64(report.equity[0][0].astimezone(KST).replace(tzinfo=None), "s")
    end = np.datetime64(report.equity[-1][0].astimezone(KST).replace(tzinfo=None), "s")
    span = max(float((end - start).astype(int)), 1.0)

    def places(times: NDArray[np.datetime64]) -> NDArray[np.float64]:
        share: NDArray[np.float64] = (times.astype("datetime64[s]") - start).astype(np.float64) / span
        return share

    def moments(curve: tuple[tuple[datetime, float], ...]) -> NDArray[np.datetime64]:
        return np.array([at.astimezone(KST).replace(tzinfo=None) for at, _ in curve], dtype="datetime64[s]")

    equity = np.array([value for _, value in report.equity])
    held = np.array([value for _, value in report.buy_and_hold_equity])
    own = 100.0 * (equity / equity[0] - 1.0)
    other = 100.0 * (held / held[0] - 1.0) if len(held) > 1 else np.zeros(0)
    low, high = padded(min(own.min(), other.min(initial=0.0)), max(own.max(), other.max(initial=0.0)))
    bars = report.bars if report.bars is not None and len(report.bars) > 1 else None
    right = (
        WIDTH
        - MARGIN
        - max(gutter_for([low, high], suffix="%"), gutter_for(bars.close[-1:].tolist()) if bars else 0.0, 90.0)
    )
    height = bottom - top
    if bars is not None:
        prices = Plot(
            MARGIN, top, right, top + 0.32 * height, *padded(float(bars.low.min()), float(bars.high.max())), 1
        )
        canvas.plots["price"] = prices
        xs = prices.left + places(bars.start) * (prices.right - prices.left)
        keep = (xs >= prices.left) & (xs <= prices.right)
        canvas.line(xs[keep], prices.ys(bars.close[keep]), theme.text, 2.6, name="price")
        _trades(canvas, report, prices, start, span)
        price_axis(canvas, prices, 3)
        top = prices.bottom + 22
    canvas.text(MARGIN, top + 30, "전략", SMALL, theme.accent, "bold", name="legend")
    canvas.text(MARGIN + 82, top + 30, "매수 후 보유", SMALL, theme.secondary, "bold", name="legend")
    canvas.text(MARGIN + 292, top + 30, "낙폭", SMALL, theme.down, "bold", name="legend")
    fall = drawdown(equity)
    plot = Plot(MARGIN, top + 44, right, bottom - 0.2 * height - 40, low, high, 1)
    below = Plot(MARGIN, plot.bottom + 8, right, bottom - 40, min(float(fall.min()) * 1.1, -1.0), 0.0, 1)
    canvas.plots |= {"equity": plot, "drawdown": below}
    room = plot.right - plot.left
    xs = plot.left + places(moments(report.equity)) * room
    if len(other):
        canvas.line(
            plot.left + np.clip(places(moments(report.buy_and_hold_equity)), 0, 1) * room,
            plot.ys(other),
            theme.secondary,
            3.0,
            name="hold",
        )
    canvas.line(xs, plot.ys(own), theme.accent, 4.5, name="equity", zorder=5)
    ring = np.concatenate((np.stack((xs, below.ys(fall)), 1), [[xs[-1], below.top], [xs[0], below.top]]))
    canvas.polygons([ring], theme.down, "drawdown", 3, 0.5)
    price_axis(canvas, plot, 3, suffix="%")
    canvas.centred(
        right + 12,
        below.bottom - 12,
        f"{number(float(fall.min()), 1)}%",
        SMALL,
        colour=theme.secondary,
        name="axis",
        width=WIDTH - right - 14,
    )
    canvas.text(MARGIN, bottom - 4, f"{report.first:%Y-%m-%d}", SMALL, theme.secondary, name="time")
    canvas.text(right, bottom - 4, f"{report.last:%Y-%m-%d}", SMALL, theme.secondary, align="right", name="time")


def _trades(canvas: Canvas, report: BacktestReport, plot: Plot, start: np.datetime64, span: float) -> None:
    theme = canvas.theme
    for side, colour in (("buy", theme.up), ("sell", theme.down)):
        shapes = []
        for trade in report.trades:
            at, price = (trade.entry_at, trade.entry_price) if side == "buy" else (trade.exit_at, trade.exit_price)
            moment = np.datetime64(at.astimezone(KST).replace(tzinfo=None), "s")
            x = plot.left + float((moment - start).astype(int)) / span * (plot.right - plot.left)
            y = min(max(plot.y(price), plot.top), plot.bottom)
            if plot.left <= x <= plot.right:
                step = 18 if side == "buy" else -18
                shapes.append(np.array([[x, y], [x - 10, y + step], [x + 10, y + step]]))
        if shapes:
            canvas.polygons(shapes, colour, f"trades {side}", 7, edge=theme.background)


def _months(canvas: Canvas, months: dict[tuple[int, int], float], years: list[int], top: float) -> None:
    theme = canvas.theme
    wide = (WIDTH - 2 * MARGIN - _LEFT_COLUMN) / 12
    for month in range(1, 13):
        x = MARGIN + _LEFT_COLUMN + (month - 0.5) * wide
        canvas.text(x, top + 36, f"{month}월", SMALL, theme.secondary, align="center", name="month head")
    canvas.text(MARGIN, top + 36, "월별 %", SMALL, theme.secondary, name="month head")
    for row, year in enumerate(years):
        y = top + 50 + row * 50
        canvas.centred(MARGIN, y + 22, f"{year}", SMALL, colour=theme.secondary, name="year")
        for month in range(1, 13):
            value = months.get((year, month))
            if value is None:
                continue
            x = MARGIN + _LEFT_COLUMN + (month - 1) * wide
            fill = cell_colour(value / 2, theme)
            canvas.panel(x + 1, y, x + wide - 1, y + 46, fill)
            text = first_fitting((signed(value, 1) if abs(value) < 9.95 else signed(value), "999↑"), SMALL, wide - 4)
            canvas.centred(
                x + wide / 2,
                y + 23,
                text,
                SMALL,
                colour=theme.cell_text,
                align="center",
                name=f"month {year}-{month}",
                on=fill,
            )
