"""One door: the type of the input decides which picture is drawn."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from charts.candles import build_candles
from charts.canvas import Canvas
from charts.orderbook import build_book
from charts.score import build_score
from charts.theme import DARK, Theme
from engine.results import BookChart, CandleChart, ScoreCard

BUILDERS: Final[dict[type, Callable[[Any, Theme], Canvas]]] = {
    CandleChart: build_candles,
    BookChart: build_book,
    ScoreCard: build_score,
}


def build(view: object, theme: Theme = DARK) -> Canvas:
    """The laid-out picture, before it becomes bytes: tests read its artists."""
    builder = BUILDERS.get(type(view))
    if builder is None:
        raise TypeError(f"그림이 없는 형식입니다: {type(view).__name__}")
    return builder(view, theme)
