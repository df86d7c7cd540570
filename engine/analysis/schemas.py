"""The shapes that a model must answer in. What does not fit is refused; extra fields are ignored."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, Field

from engine.results import Sentiment, Verdict


class HeadlineLabel(BaseModel):
    id: int
    sentiment: Literal["positive", "neutral", "negative"]
    reason: str = Field(max_length=400)

    @property
    def label(self) -> Sentiment:
        return Sentiment(self.sentiment)


class HeadlineLabels(BaseModel):
    labels: list[HeadlineLabel] = Field(max_length=200)


class Opinion(BaseModel):
    verdict: Literal["buy", "hold", "sell"]
    confidence: float = Field(ge=0.0, le=1.0)
    reasons: list[str] = Field(max_length=10)
    risks: list[str] = Field(max_length=10)

    @property
    def value(self) -> Verdict:
        return Verdict(self.verdict)


class DayWords(BaseModel):
    mood: str = Field(max_length=4000)
    plan: str = Field(max_length=4000)
