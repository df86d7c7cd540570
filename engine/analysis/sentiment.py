"""Sentiment of Korean headlines without any service: word rules first, a small character model where they are silent."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from engine.analysis import grams, rules
from engine.results import LabelledNews, NewsItem, Sentiment

RULES = "규칙"
"""``by`` of everything that is said without an AI model."""

SURE = 1.1
"""One strong word. Below it the rules speak from a weak one, and the character model may say that it means nothing."""


@dataclass(frozen=True, slots=True)
class Label:
    sentiment: Sentiment
    reason: str


def classify(headline: str) -> Label:
    """Neutral when unsure. The reason names the words that decided.

    The character model tells a headline that says nothing from one that does; which way, only words decide.
    """
    reading = rules.read(headline)
    if reading.settled:
        return Label(Sentiment.NEUTRAL, "방향을 말하지 않는 제목")
    if reading.speaks and not reading.mixed and abs(reading.score) >= SURE:
        return Label(reading.sentiment, _words(reading))
    guess = grams.guess(headline)
    if guess is not None and guess.sentiment is Sentiment.NEUTRAL and guess.certainty >= grams.SPEAKS:
        return Label(Sentiment.NEUTRAL, f"문구가 중립 제목과 닮음 ({100 * guess.certainty:.0f}%)")
    if reading.speaks:
        return Label(reading.sentiment, _words(reading))
    return Label(Sentiment.NEUTRAL, "좋고 나쁨이 엇갈림" if reading.mixed else "뚜렷한 낱말 없음")


def _words(reading: rules.Reading) -> str:
    return "낱말: " + ", ".join(f"'{word[:14]}'" for word in reading.words[:2])


def label_news(items: Iterable[NewsItem], note: str = "") -> tuple[LabelledNews, ...]:
    """``note`` says why the rules answer where a model was expected."""
    prefix = f"{note} · " if note else ""
    labelled = []
    for item in items:
        label = classify(item.title)
        labelled.append(LabelledNews(item, label.sentiment, prefix + label.reason, RULES))
    return tuple(labelled)
