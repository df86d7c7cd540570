"""One door: the type of the input decides which picture is drawn."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from charts.backtest import build_backtest
from charts.candles import build_candles
from charts.canvas import Canvas
from charts.heatmap import build_heatmap
from charts.indices import build_indices
from charts.intraday import build_intraday
from charts.news import build_news, build_signal
from charts.orderbook import build_book
from charts.portfolio import build_portfolio
from charts.prediction import build_prediction
from charts.recommend import build_recommendations
from charts.report import build_report
from charts.score import build_score
from charts.theme import DARK, Theme
from charts.ticket import build_ticket
from engine import results

BUILDERS: Final[dict[type, Callable[[Any, Theme], Canvas]]] = {
    results.CandleChart: build_candles,
    results.IntradayChart: build_intraday,
    results.BookChart: build_book,
    results.ScoreCard: build_score,
    results.RecommendationTable: build_recommendations,
    results.PredictionChart: build_prediction,
    results.Heatmap: build_heatmap,
    results.PortfolioView: build_portfolio,
    results.BacktestReport: build_backtest,
    results.IndexPanel: build_indices,
    results.ReportCard: build_report,
    results.NewsCard: build_news,
    results.SignalCard: build_signal,
    results.TicketPreview: build_ticket,
}


def build(view: object, theme: Theme = DARK) -> Canvas:
    """The laid-out picture, before it becomes bytes: tests read its artists."""
    builder = BUILDERS.get(type(view))
    if builder is None:
        raise TypeError(f"그림이 없는 형식입니다: {type(view).__name__}")
    return builder(view, theme)
