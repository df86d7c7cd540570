"""Pictures for the chat: typed results in, PNG bytes and alt text out.

Importing this package loads no drawing library; ``render`` does, so the service calls it in the worker process of
``charts.worker``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from engine.results import (
    BacktestReport,
    BookChart,
    CandleChart,
    Heatmap,
    IndexPanel,
    IntradayChart,
    NewsCard,
    PortfolioView,
    PredictionChart,
    RecommendationTable,
    ReportCard,
    ScoreCard,
    SignalCard,
    TicketPreview,
)

__all__ = ["Picture", "RenderRequest", "View", "render"]

View: TypeAlias = (
    CandleChart
    | IntradayChart
    | BookChart
    | ScoreCard
    | RecommendationTable
    | PredictionChart
    | Heatmap
    | PortfolioView
    | BacktestReport
    | IndexPanel
    | ReportCard
    | NewsCard
    | SignalCard
    | TicketPreview
)


@dataclass(frozen=True, slots=True)
class Picture:
    """``alt`` is Korean and holds the figures that matter: notifications and screen readers see only text."""

    png: bytes
    alt: str
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class RenderRequest:
    """``theme`` is a name of ``charts.theme.THEMES``."""

    view: View
    theme: str = "dark"


def render(request: RenderRequest) -> Picture:
    """Draw the picture for the type of ``request.view``. Raises TypeError for a type without one."""
    from charts.registry import build
    from charts.theme import theme_named

    return build(request.view, theme_named(request.theme)).picture()
