"""Joins the engine's parts into what the command handlers may touch."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from bot.adapters.backtests import BacktestService
from bot.adapters.desk import PeoplesDesk
from bot.adapters.health import EngineHealth
from bot.adapters.market import CachedQuotes, ScorerStructure, ScreenerResearch, WorkerPictures
from bot.adapters.settings_desk import StrategyDesk
from bot.adapters.trader import PeoplesTrader
from bot.app import STRATEGY_FILE, Engine
from bot.services import Analysis, Services
from charts.worker import Renderer
from engine.market import Index


def build_services(engine: Engine, renderer: Renderer, analysis: Analysis | None = None) -> Services:
    venue = engine.venue

    def index_points() -> Mapping[Index, tuple[tuple[datetime, float], ...]]:
        return engine.market.index_course()

    return Services(
        environment=venue.environment,
        clock=venue.clock,
        calendar=venue.calendar,
        events=engine.events,
        costs=engine.costs,
        listing=engine.listing,
        quotes=CachedQuotes(venue.kis, engine.market, venue.clock),
        account=venue.kis,
        candles=engine.candles,
        history=engine.history,
        orders=PeoplesDesk(
            desk=engine.desk,
            journal=engine.journal,
            days=engine.days,
            market=engine.market,
            market_data=venue.kis,
            clock=venue.clock,
            calendar=venue.calendar,
            limits=lambda: engine.desk.limits,
            costs=engine.costs,
        ),
        trader=PeoplesTrader(
            trader=engine.trader,
            desk=engine.desk,
            days=engine.days,
            feed=engine.feed,
            market=engine.market,
            clock=venue.clock,
            environment=venue.environment,
        ),
        pictures=WorkerPictures(renderer),
        account_tail=venue.account_tail,
        source=venue.source,
        entry_threshold=engine.options.strategy.entry_score,
        exit_threshold=engine.options.strategy.exit_score,
        research=ScreenerResearch(engine.screener),
        analysis=analysis,
        backtests=BacktestService(
            listing=engine.listing,
            history=engine.history,
            market_data=venue.kis,
            candle_folder=venue.data_folder / "candles",
            calendar=venue.calendar,
            clock=venue.clock,
            environment=venue.environment,
            settings=lambda: engine.trader.settings,
            costs=engine.costs,
            universe=lambda: (
                [r.stock.code for r in report.recommendations] if (report := engine.trader.last_report) else []
            ),
        ),
        forecasts=engine.predictor,
        model=engine.predictor,
        structure=ScorerStructure(engine.scorer),
        health=EngineHealth(engine),
        settings=StrategyDesk(
            venue.data_folder / STRATEGY_FILE,
            lambda: engine.trader.settings,
            lambda: engine.desk.limits,
            engine.apply_settings,
            engine.desk,
        ),
        index_points=index_points,
        off={} if analysis is not None else {"analysis": "분석이 켜져 있지 않습니다"},
    )
