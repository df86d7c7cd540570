"""``AIPipeline``: the opinion on a stock, labelled headlines and the daily report.

Everything is first made by rules; a language model, where one is given, may replace the words (never the account's
part) when its answer passes the fact check. Nothing here can reach an order.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

from engine.analysis import words
from engine.analysis.facts import MarketReader, gather_market
from engine.analysis.keeping import ReportShelf
from engine.analysis.sentiment import RULES, label_news
from engine.analysis.writer import Writer
from engine.broker import BrokerError
from engine.cache import TimedCache
from engine.calendar import TradingCalendar
from engine.clock import MarketClock
from engine.market import Code, Environment, Quote, Stock
from engine.ports import HistoryUnavailable, Listing, NewsSource, NewsUnavailable
from engine.results import DayReport, DaySummary, LabelledNews, NewsItem, Score, ScreeningReport, Signal

logger = logging.getLogger(__name__)

HEADLINES = 30
OPINION_HEADLINES = 10
SIGNAL_SECONDS = 300.0
SETTLED = timedelta(seconds=60)
"""After the close the closing auction's prices are in by then, and the day's report is final."""


class ReportUnavailable(HistoryUnavailable):
    """Nothing is recorded of that day; the message says so, in Korean."""


class UnknownStock(HistoryUnavailable):
    """The code is not on the list."""


class AIPipeline:
    """Fulfils ``bot.services.Analysis``.

    ``writer`` None: everything is written by rules. ``folder`` is where reports are kept (HOME/reports).
    ``score``: raises HistoryUnavailable, BrokerError. ``recommendation``: None where there is none yet.
    """

    def __init__(
        self,
        *,
        environment: Environment,
        clock: MarketClock,
        calendar: TradingCalendar,
        listing: Listing,
        news: NewsSource,
        market: MarketReader,
        score: Callable[[Code], Awaitable[Score]],
        day_summary: Callable[[date], Awaitable[DaySummary | None]],
        recommendation: Callable[[], Awaitable[ScreeningReport | None]],
        folder: Path,
        writer: Writer | None = None,
        entry_threshold: float = 55.0,
        exit_threshold: float = -40.0,
    ) -> None:
        self._environment = environment
        self._clock = clock
        self._calendar = calendar
        self._listing = listing
        self._news = news
        self._market = market
        self._score = score
        self._day_summary = day_summary
        self._recommendation = recommendation
        self._shelf = ReportShelf(folder, environment)
        self._writer = writer
        self._entry = entry_threshold
        self._exit = exit_threshold
        self._signals: TimedCache[Code, Signal] = TimedCache(clock, SIGNAL_SECONDS)
        self._reporting = asyncio.Lock()

    # -- headlines

    async def news(self, code: Code) -> Sequence[LabelledNews]:
        """Labelled headlines of one stock, newest first. Raises NewsUnavailable."""
        return await self._labelled(await self._news.headlines(self._stock(code), HEADLINES))

    async def _labelled(self, items: Sequence[NewsItem]) -> tuple[LabelledNews, ...]:
        now = self._clock.now()
        past = [item for item in items if item.at <= now]
        if self._writer is None or not past:
            return label_news(past)
        return await self._writer.label(past)

    # -- one stock

    async def signal(self, code: Code) -> Signal:
        """Raises UnknownStock."""
        stock = self._stock(code)
        return (await self._signals.get(code, lambda: self._signal(stock))).value

    async def _signal(self, stock: Stock) -> Signal:
        notes: list[str] = []
        score: Score | None = None
        try:
            score = await self._score(stock.code)
        except (BrokerError, HistoryUnavailable) as error:
            notes.append(f"점수를 계산하지 못했습니다: {error}")
        news: tuple[LabelledNews, ...] = ()
        try:
            news = await self._labelled(await self._news.headlines(stock, OPINION_HEADLINES))
        except NewsUnavailable as error:
            notes.append(f"뉴스를 읽지 못했습니다: {error}")
        signal = words.rule_signal(
            stock, score, news, self._clock.now(), entry=self._entry, exit_=self._exit, notes=notes
        )
        if self._writer is None or score is None:
            return signal
        return await self._writer.improve_signal(signal, await self._quote(stock.code))

    async def _quote(self, code: Code) -> Quote | None:
        try:
            return (await self._market.quotes([code])).get(code)
        except BrokerError:
            return None  # a fact less for the model; the opinion stands without it

    # -- the day

    async def report(self, day: date) -> DayReport:
        """The kept report of a day that is over, else one made now. Raises ReportUnavailable."""
        async with self._reporting:
            summary = await self._day_summary(day)
            # Held, as every step until the day's prices are read: a simulated night passes in a blink.
            async with self._clock.hold("kept report"):
                kept = await self._shelf.find(day)
            if summary is None:
                if kept is None:
                    raise ReportUnavailable(f"{day:%Y-%m-%d}의 기록이 없습니다")
                return kept
            # A simulated day can be played again: a kept report counts only for the day that it tells of.
            if kept is not None and kept.summary.journal_hash == summary.journal_hash and self._final(day):
                return kept
            return await self._make(summary)

    async def after_close(self, summary: DaySummary) -> DayReport:
        """Make and keep the day's report; the account's figures are those of ``summary``."""
        async with self._reporting:
            return await self._make(summary)

    async def _make(self, summary: DaySummary) -> DayReport:
        day = summary.day
        own = words.account_text(summary)
        if day != self._clock.today():
            gone = "그날의 시장 자료가 남아 있지 않아 계좌 기록만 보여 드립니다."
            return DayReport(day, summary, own, gone, "", RULES)
        facts = await gather_market(day, self._market, self._listing)
        headlines: Sequence[NewsItem] = ()
        try:
            headlines = await self._news.headlines(None, OPINION_HEADLINES)
        except NewsUnavailable as error:
            facts = replace(facts, missing=(*facts.missing, f"시장 뉴스({error})"))
        plan = await self._recommended()
        if self._clock.today() != day:  # a simulated night passed meanwhile: these prices are another day's
            gone = "시장 자료를 모으는 동안 날이 바뀌어 계좌 기록만 보여 드립니다."
            return DayReport(day, summary, own, gone, "", RULES)
        final = self._final(day)
        facts = replace(facts, news=await self._labelled(headlines))  # a model may take its time from here on
        report = DayReport(
            day,
            summary,
            own,
            words.market_text(facts, self._environment) or "시장 자료를 읽지 못했습니다.",
            words.plan_text(plan, self._entry),
            RULES,
            sector_returns=facts.sectors,
        )
        if not final:
            return replace(report, market_text=f"장중 잠정 리포트입니다.\n{report.market_text}")
        if self._writer is not None:
            report = await self._writer.improve_report(report, facts, plan, self._entry)
        try:
            await self._shelf.keep(report)
        except OSError as error:
            logger.error("리포트를 저장하지 못했습니다: %s", error)
            report = replace(report, plan_text=f"{report.plan_text}\n(리포트 파일을 저장하지 못했습니다)")
        return report

    def _final(self, day: date) -> bool:
        session = self._calendar.session(day)
        return session is None or self._clock.now() >= session.close + SETTLED

    async def _recommended(self) -> ScreeningReport | None:
        try:
            return await self._recommendation()
        except (BrokerError, HistoryUnavailable) as error:
            logger.warning("추천 목록을 읽지 못했습니다: %s", error)
            return None

    def _stock(self, code: Code) -> Stock:
        stock = self._listing.get(code)
        if stock is None:
            raise UnknownStock(f"종목 목록에 없는 코드입니다: {code}")
        return stock
