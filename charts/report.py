"""The day in one picture: result, counts, trades, sectors, words."""

from __future__ import annotations

from charts import Picture
from charts.canvas import FOOTER, MARGIN, SHORT, SMALL, TALL, WIDTH, Canvas
from charts.formatting import amount, number, percent, signed
from charts.heatmap import cell_colour
from charts.lettering import first_fitting, shorten, text_width, wrap
from charts.news import authored
from charts.parts import title_header
from charts.theme import DARK, Theme
from engine.results import DayReport, DaySummary, ReportCard, Trade

_TRADE_ROW = 88.0
MAXIMUM_TRADES = 4
_WEEKDAYS = "월화수목금토일"


def render_report(card: ReportCard, theme: Theme = DARK) -> Picture:
    return build_report(card, theme).picture()


def build_report(card: ReportCard, theme: Theme = DARK) -> Canvas:
    canvas = Canvas(theme, _height(card.report))
    report, summary = card.report, card.report.summary
    title_header(canvas, "일일 리포트", "", f"{report.day:%Y-%m-%d} ({_WEEKDAYS[report.day.weekday()]})")
    canvas.footer(card.stamp)
    change = 100 * (summary.equity_end / summary.equity_start - 1) if summary.equity_start else 0.0
    colour = theme.signed(summary.realised)
    canvas.text(MARGIN, 134, "실현손익", 34, theme.secondary, name="word")
    compact = f"{'+' if summary.realised > 0 else ''}{amount(summary.realised)}원"
    realised = first_fitting((f"{signed(summary.realised)}원", compact), 76, 600, "extra")
    canvas.text(MARGIN, 216, realised, 76, colour, "extra", name="realised")
    canvas.text(
        WIDTH - MARGIN,
        160,
        f"평가금액 {percent(change)}",
        36,
        theme.signed(change),
        "bold",
        "right",
        name="equity change",
    )
    canvas.text(WIDTH - MARGIN, 212, f"{number(summary.equity_end)}원", 38, align="right", name="equity")
    y = _counts(canvas, summary, 240.0)
    y = _trades(canvas, summary.trades, y + 8)
    y = _sectors(canvas, report, y)
    _words(canvas, report, y)
    canvas.alt = (
        f"{report.day:%Y-%m-%d} 일일 리포트: 실현손익 {signed(summary.realised)}원, "
        f"평가금액 {number(summary.equity_end)}원 ({percent(change)}), 매수 {summary.buys} 매도 {summary.sells} 거부 {summary.rejected}."
    )
    return canvas


def _height(report: DayReport) -> int:
    """As tall as the content needs, within what a phone shows whole."""
    trades, sectors = len(report.summary.trades), len(report.sector_returns)
    rows = min(trades, MAXIMUM_TRADES) * _TRADE_ROW + (46 if trades > MAXIMUM_TRADES else 0) if trades else 70
    fields = 24 + 92 * ((min(sectors, 8) + 3) // 4) if sectors else 0
    texts = (report.account_text, report.market_text, report.plan_text)
    words = sum(43 * len(wrap(text, 33, WIDTH - 2 * MARGIN - 84, 3)) + 10 for text in texts if text.strip())
    return round(min(TALL, max(SHORT, 354 + rows + fields + words + 46 + FOOTER + 50)))


def _counts(canvas: Canvas, summary: DaySummary, top: float) -> float:
    theme = canvas.theme
    costs = summary.fees + summary.taxes
    figures = (
        ("매수·매도", f"{summary.buys}·{summary.sells}"),
        ("비용", first_fitting((f"{number(costs)}원", f"{amount(costs)}원"), 38, 216, "bold")),
        ("평가", f"{number(summary.evaluated)}회"),
        ("최고 점수", number(summary.highest_score, 1)),
    )
    wide = (WIDTH - 2 * MARGIN) / 4
    for i, (word, value) in enumerate(figures):
        x = MARGIN + i * wide
        canvas.panel(x, top, x + wide - 10, top + 98, theme.panel, 10)
        canvas.text(x + 14, top + 40, word, SMALL + 1, theme.secondary, name="figure word", on=theme.panel)
        canvas.text(x + 14, top + 84, value, 38, weight="bold", width=wide - 30, name=f"figure {word}", on=theme.panel)
    return top + 106


def _trades(canvas: Canvas, trades: tuple[Trade, ...], top: float) -> float:
    theme = canvas.theme
    if not trades:
        canvas.text(MARGIN, top + 48, "오늘 끝난 거래가 없습니다", 36, theme.secondary, name="no trades")
        return top + 70
    ranked = sorted(trades, key=lambda trade: -abs(trade.profit))
    for i, trade in enumerate(ranked[:MAXIMUM_TRADES]):
        y = top + i * _TRADE_ROW
        colour = theme.signed(trade.profit)
        gain = f"{signed(trade.profit)}원"
        canvas.text(WIDTH - MARGIN, y + 42, gain, 38, colour, "bold", "right", name="trade profit")
        canvas.text(
            MARGIN,
            y + 42,
            trade.name,
            38,
            weight="bold",
            width=WIDTH - 2 * MARGIN - text_width(gain, 38, "bold") - 20,
            name="trade name",
        )
        rate = percent(trade.profit_percent)
        canvas.text(WIDTH - MARGIN, y + 78, rate, 31, colour, align="right", name="trade percent")
        prices = f"{number(trade.entry_price)} → {number(trade.exit_price)}"
        detail = f"{number(trade.quantity)}주 {prices} · {trade.reason.label}"
        canvas.text(
            MARGIN,
            y + 78,
            detail,
            31,
            theme.secondary,
            width=WIDTH - 2 * MARGIN - text_width(rate, 31) - 20,
            name="trade detail",
        )
    y = top + min(len(ranked), MAXIMUM_TRADES) * _TRADE_ROW
    if len(ranked) > MAXIMUM_TRADES:
        rest = ranked[MAXIMUM_TRADES:]
        canvas.text(
            MARGIN,
            y + 36,
            f"외 {len(rest)}건 {signed(sum(t.profit for t in rest))}원",
            32,
            theme.secondary,
            name="more trades",
        )
        y += 46
    return y


def _sectors(canvas: Canvas, report: DayReport, top: float) -> float:
    """The four strongest and the four weakest sectors as coloured fields."""
    theme = canvas.theme
    ranked = sorted(report.sector_returns, key=lambda pair: -pair[1])
    if not ranked:
        return top
    shown = ranked if len(ranked) <= 8 else [*ranked[:4], *ranked[-4:]]
    wide = (WIDTH - 2 * MARGIN) / 4
    for i, (name, value) in enumerate(shown):
        x, y = MARGIN + (i % 4) * wide, top + 16 + (i // 4) * 92
        fill = cell_colour(value, theme)
        canvas.panel(x, y, x + wide - 8, y + 84, fill, 8, name="sector")
        canvas.text(
            x + 12,
            y + 36,
            shorten(name, SMALL, wide - 30, "bold"),
            SMALL,
            theme.cell_text,
            "bold",
            name="sector name",
            on=fill,
        )
        canvas.text(x + 12, y + 72, percent(value), SMALL + 2, theme.cell_text, name="sector change", on=fill)
    return top + 24 + 92 * ((len(shown) + 3) // 4)


def _words(canvas: Canvas, report: DayReport, top: float) -> None:
    theme = canvas.theme
    end = canvas.height - FOOTER - 56
    y = top + 46
    for title, text in (("계좌", report.account_text), ("시장", report.market_text), ("계획", report.plan_text)):
        if not text.strip() or y > end:
            continue
        room = int((end - y) // 43) + 1
        first, *rest = wrap(text, 33, WIDTH - 2 * MARGIN - 84, min(room, 3))
        canvas.text(MARGIN, y, title, 33, theme.accent, "bold", name="section")
        for line in (first, *rest):
            canvas.text(MARGIN + 84, y, line, 33, name="words")
            y += 43
        y += 10
    dropped = f" · 근거 없는 문장 {report.dropped_sentences}개 삭제" if report.dropped_sentences else ""
    canvas.text(
        MARGIN,
        canvas.height - FOOTER - 14,
        f"시장 설명: {authored(report.by)}{dropped}",
        SMALL,
        theme.secondary,
        name="by",
        width=WIDTH - 2 * MARGIN,
    )
