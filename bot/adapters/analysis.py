"""News, opinions and reports for people, joined from the broker's titles, public sources and, with a key, Gemini."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import date

import httpx

from bot.app import Engine
from bot.settings import Settings
from data.news_sources import news_feed
from engine.analysis.pipeline import AIPipeline
from engine.analysis.writer import Writer
from engine.broker import BrokerError
from engine.events import DayEnded, ErrorRaised, ReportReady
from engine.market import Code
from engine.ports import HistoryUnavailable, NewsUnavailable
from engine.results import DaySummary, Score, ScreeningReport

logger = logging.getLogger(__name__)


@asynccontextmanager
async def open_analysis(engine: Engine) -> AsyncIterator[AIPipeline]:
    """The pipeline with every source that is set up; public sources only outside the simulator."""
    settings, venue = engine.options.settings, engine.venue
    async with AsyncExitStack() as stack:
        http = await stack.enter_async_context(httpx.AsyncClient(timeout=10, follow_redirects=True))
        naver = None
        if settings.naver_client_id is not None and settings.naver_client_secret is not None:
            naver = settings.naver_client_id.get_secret_value(), settings.naver_client_secret.get_secret_value()

        def alert(line: str) -> None:
            engine.events.publish(ErrorRaised(at=venue.clock.now(), where="뉴스", message=line))

        async def score(code: Code) -> Score:
            return await engine.screener.score_one(code)

        async def summary(day: date) -> DaySummary | None:
            if day in engine.days.summaries:
                return engine.days.summaries[day]
            return await engine.days.summarise(day) if day == venue.clock.today() else None

        async def recommendation() -> ScreeningReport | None:
            return engine.trader.last_report

        yield AIPipeline(
            environment=venue.environment,
            clock=venue.clock,
            calendar=venue.calendar,
            listing=engine.listing,
            news=news_feed(
                environment=venue.environment,
                titles=venue.kis.news_titles,
                clock=venue.clock,
                alert=alert,
                http=http,
                naver=naver,
            ),
            market=venue.kis,
            score=score,
            day_summary=summary,
            recommendation=recommendation,
            folder=engine.options.home / "reports",
            writer=await _writer(stack, settings, engine),
            entry_threshold=engine.trader.settings.entry_score,
            exit_threshold=engine.trader.settings.exit_score,
        )


async def _writer(stack: AsyncExitStack, settings: Settings, engine: Engine) -> Writer | None:
    if settings.gemini_api_key is None:
        return None
    from engine.analysis.gemini import GeminiModel, GeminiSettings
    from engine.analysis.model_writer import ModelWriter

    model = GeminiModel(
        GeminiSettings(settings.gemini_api_key.get_secret_value(), settings.gemini_model, settings.gaemi_gemini_url),
        engine.options.home / "gemini-quota.json",
    )
    stack.push_async_callback(model.close)
    return ModelWriter(model, engine.listing)


def report_loop(engine: Engine, pipeline: AIPipeline) -> Callable[[], Awaitable[None]]:
    """After each close: write the day's report and tell that it is there."""

    async def follow() -> None:
        with engine.events.subscribe(DayEnded) as ended:
            async for event in ended:
                assert isinstance(event, DayEnded)
                with contextlib.suppress(BrokerError, HistoryUnavailable, NewsUnavailable):
                    report = await pipeline.report(event.summary.day)
                    engine.events.publish(ReportReady(at=engine.venue.clock.now(), report=report))

    return follow
