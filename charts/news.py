"""Headlines with their sentiment, and the analysis of one stock."""

from __future__ import annotations

import numpy as np

from charts import Picture
from charts.canvas import FOOTER, MARGIN, SHORT, SMALL, TALL, WIDTH, Align, Canvas
from charts.formatting import number
from charts.lettering import text_width, wrap
from charts.parts import DISCLAIMER, title_header
from charts.theme import DARK, Theme
from engine.market import KST
from engine.results import LabelledNews, NewsCard, Sentiment, SignalCard, Verdict

ROWS = 8
_TITLE_LEFT = MARGIN + 104.0
_AUTHORED = ("규칙", "")


def render_news(card: NewsCard, theme: Theme = DARK) -> Picture:
    return build_news(card, theme).picture()


def render_signal(card: SignalCard, theme: Theme = DARK) -> Picture:
    return build_signal(card, theme).picture()


def authored(by: str) -> str:
    """Who wrote it: AI text is marked as such."""
    return "규칙 기반" if by in _AUTHORED else f"AI 생성 · {by}"


def sentiment_colour(sentiment: Sentiment, theme: Theme) -> str:
    return {Sentiment.POSITIVE: theme.up, Sentiment.NEGATIVE: theme.down, Sentiment.NEUTRAL: theme.flat}[sentiment]


def build_news(card: NewsCard, theme: Theme = DARK) -> Canvas:
    canvas = Canvas(theme, TALL if len(card.news) > 5 else 1000 if len(card.news) > 3 else SHORT)
    subject = card.stock.name if card.stock else "시장"
    counts = {sentiment: sum(item.sentiment is sentiment for item in card.news) for sentiment in Sentiment}
    title_header(canvas, f"{subject} 뉴스", "", f"{len(card.news)}건" if card.news else "")
    canvas.footer(card.stamp)
    if not card.news:
        canvas.message(380, "뉴스가 없습니다", "최근 기사가 없거나 뉴스 원천에 연결되지 않았습니다.")
        canvas.alt = f"{subject} 뉴스 없음."
        return canvas
    _balance(canvas, counts, 112.0)
    # The room decides how many fit; the rest is counted, not squeezed in.
    y, end = 208.0, canvas.height - FOOTER - 52.0
    shown = []
    for item in card.news[:ROWS]:
        lines = wrap(item.item.title, 36, WIDTH - MARGIN - _TITLE_LEFT, 2, "bold")
        tall = 78.0 + 43 * len(lines)
        if y + tall > end:
            break
        _headline(canvas, item, lines, y)
        shown.append(item)
        y += tall
    left = len(card.news) - len(shown)
    fictional = any(item.item.fictional for item in card.news)
    words = [
        f"외 {left}건" if left else "",
        "가상 뉴스입니다" if fictional else "",
        *sorted({authored(n.by) for n in card.news}),
    ]
    canvas.text(
        MARGIN,
        canvas.height - FOOTER - 14,
        " · ".join(word for word in words if word),
        SMALL,
        theme.warning,
        width=WIDTH - 2 * MARGIN,
        name="by",
    )
    canvas.alt = (
        f"{subject} 뉴스 {len(card.news)}건: 긍정 {counts[Sentiment.POSITIVE]}, 중립 {counts[Sentiment.NEUTRAL]}, "
        f"부정 {counts[Sentiment.NEGATIVE]}. 최근: {card.news[0].item.title}{' (가상)' if fictional else ''}"
    )
    return canvas


def _balance(canvas: Canvas, counts: dict[Sentiment, int], top: float) -> None:
    theme = canvas.theme
    total = sum(counts.values())
    left = float(MARGIN)
    room = WIDTH - 2 * MARGIN
    for sentiment, count in counts.items():
        right = left + room * count / total
        if count:
            canvas.boxes(
                np.array([[left, top + 56, right, top + 76]]),
                sentiment_colour(sentiment, theme),
                f"balance {sentiment.value}",
                3,
            )
        left = right
    places: tuple[tuple[float, Align, Sentiment], ...] = (
        (float(MARGIN), "left", Sentiment.POSITIVE),
        (WIDTH / 2, "center", Sentiment.NEUTRAL),
        (float(WIDTH - MARGIN), "right", Sentiment.NEGATIVE),
    )
    for x, align, sentiment in places:
        text, colour = f"{sentiment.label} {counts[sentiment]}", sentiment_colour(sentiment, theme)
        canvas.text(x, top + 40, text, 38, colour, "bold", align, name=f"count {sentiment.value}")


def _headline(canvas: Canvas, labelled: LabelledNews, lines: list[str], top: float) -> None:
    theme = canvas.theme
    colour = sentiment_colour(labelled.sentiment, theme)
    canvas.rule(top)
    canvas.tag(MARGIN + 8, top + 36, labelled.sentiment.label, theme.background, colour, 32, name="sentiment")
    y = top + 48
    for line in lines:
        canvas.text(_TITLE_LEFT, y, line, 36, weight="bold", name="headline")
        y += 43
    at = labelled.item.at.astimezone(KST)
    source = f"{at:%m-%d %H:%M} · {labelled.item.publisher} · {labelled.reason}"
    room = WIDTH - MARGIN - _TITLE_LEFT
    canvas.text(_TITLE_LEFT, y + 2, source, SMALL, theme.secondary, width=room, name="source")


def build_signal(card: SignalCard, theme: Theme = DARK) -> Canvas:
    signal = card.signal
    sentences = (*signal.reasons, *signal.risks)
    line_count = sum(len(wrap(sentence, 36, WIDTH - 2 * MARGIN - 34, 3)) for sentence in sentences)
    canvas = Canvas(theme, int(min(TALL, max(810, 640 + 46 * line_count + 8 * len(sentences)))))
    code = f"{signal.stock.code} {signal.stock.market.value}"
    canvas.text(
        MARGIN,
        82,
        signal.stock.name,
        58,
        weight="extra",
        width=WIDTH - 3 * MARGIN - text_width(code, SMALL),
        name="stock name",
    )
    canvas.text(WIDTH - MARGIN, 78, code, SMALL, theme.secondary, align="right", name="code")
    canvas.footer(card.stamp)
    colour = {Verdict.BUY: theme.up, Verdict.SELL: theme.down, Verdict.HOLD: theme.text}[signal.verdict]
    drawn = canvas.text(MARGIN, 190, signal.verdict.label, 88, colour, "extra", name="verdict")
    canvas.text(
        MARGIN + drawn + 30, 186, f"확신 {100 * signal.confidence:.0f}%", 44, theme.secondary, name="confidence"
    )
    if signal.score is not None:
        canvas.text(
            WIDTH - MARGIN, 186, f"{number(signal.score.total, 1)}점", 56, weight="bold", align="right", name="score"
        )
    end = canvas.height - FOOTER - 84
    y = 262.0
    for title, lines, shade, share in (
        ("근거", signal.reasons, theme.averages[1], 0.55),
        ("위험", signal.risks, theme.warning, 1.0),
    ):
        stop = y + (end - y) * share
        canvas.text(MARGIN, y, title, 40, shade, "bold", name="section")
        y += 54
        if not lines:
            canvas.text(MARGIN, y, "없음", 36, theme.secondary, name="line")
            y += 50
        for position, sentence in enumerate(lines):
            rows = wrap(sentence, 36, WIDTH - 2 * MARGIN - 34, 3)
            if y + len(rows) * 46 > stop:
                canvas.text(MARGIN, y, f"외 {len(lines) - position}가지", 34, theme.secondary, name="more")
                y += 46
                break
            canvas.text(MARGIN, y, "·", 36, shade, "extra", name="bullet")
            for row in rows:
                canvas.text(MARGIN + 34, y, row, 36, name="line")
                y += 46
            y += 8
        y += 30
    dropped = f" · 근거 없는 문장 {signal.dropped_sentences}개 삭제" if signal.dropped_sentences else ""
    canvas.text(
        MARGIN,
        canvas.height - FOOTER - 50,
        f"{authored(signal.by)}{dropped}",
        SMALL,
        theme.secondary,
        name="by",
        width=WIDTH - 2 * MARGIN,
    )
    canvas.text(MARGIN, canvas.height - FOOTER - 12, DISCLAIMER, SMALL, theme.warning, name="notice")
    canvas.alt = (
        f"{signal.stock.name} 분석: {signal.verdict.label} (확신 {100 * signal.confidence:.0f}%). "
        f"{signal.reasons[0] if signal.reasons else '근거 없음'} [{authored(signal.by)}]"
    )
    return canvas
