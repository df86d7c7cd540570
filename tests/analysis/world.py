"""A small market for the analysis tests: three stocks, a score, quotes, a day."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from pathlib import Path

from engine.analysis.pipeline import AIPipeline
from engine.analysis.writer import Writer
from engine.broker import BrokerError
from engine.calendar import TradingCalendar
from engine.clock import SimulatedClock
from engine.market import KST, Code, Environment, Index, IndexQuote, Market, Quote, Stock
from engine.ports import NewsUnavailable
from engine.results import (
    DaySummary,
    ExitReason,
    Factor,
    FactorScore,
    NewsItem,
    PositionView,
    Recommendation,
    Score,
    ScreeningReport,
    Trade,
)

DAY = date(2026, 3, 3)
NOON = datetime(2026, 3, 3, 12, 0, tzinfo=KST)
EVENING = datetime(2026, 3, 3, 15, 32, tzinfo=KST)
STOCKS = (
    Stock("005930", "삼성전자", Market.KOSPI, "반도체", market_cap=400_000),
    Stock("000660", "SK하이닉스", Market.KOSPI, "반도체", market_cap=100_000),
    Stock("247540", "에코프로비엠", Market.KOSDAQ, "이차전지", market_cap=20_000),
    Stock("086520", "에코프로", Market.KOSDAQ, "이차전지", market_cap=20_000),
    Stock("011790", "SKC", Market.KOSPI, "화학", market_cap=5_000),
)
CHANGES = {"005930": 2.0, "000660": -1.0, "247540": -3.0, "086520": -1.0, "011790": 5.0}


class Listing:
    source = "시험"
    as_of: datetime | None = None

    def stocks(self) -> Sequence[Stock]:
        return STOCKS

    def get(self, code: Code) -> Stock | None:
        return next((stock for stock in STOCKS if stock.code == code), None)


def quote(code: Code) -> Quote:
    previous = 100_000
    price = round(previous * (1 + CHANGES[code] / 100))
    return Quote(code, NOON, price, previous, previous, price, previous, 1_000, 10**8, 130_000, 70_000, previous)


def score_of(code: Code, scale: float = 0.3) -> Score:
    """Every factor at ``scale`` of its maximum, the MACD against it."""
    parts = tuple(
        FactorScore(
            factor,
            round((-1 if factor is Factor.MACD else 1) * scale * factor.maximum, 1),
            f"{factor.label} 값이 {31 + position}입니다",
            "reason",
        )
        for position, factor in enumerate(Factor)
    )
    return Score(code, NOON, parts, "digest")


def headline(title: str, minutes_ago: int = 10, code: Code = "005930", now: datetime = NOON) -> NewsItem:
    return NewsItem(now - timedelta(minutes=minutes_ago), title, "가상뉴스", f"gaemi://{minutes_ago}", (code,), True)


TRADE = Trade(
    "005930", "삼성전자", 10, NOON, 70_000.0, NOON + timedelta(hours=1), 73_500.0, 215, 1_470, ExitReason.TAKE_PROFIT,
    61.5, ("RSI가 28로 눌려 있습니다", "거래량이 늘었습니다"),
)  # fmt: skip


def summary_of(day: date = DAY, journal_hash: str = "hash-1") -> DaySummary:
    held = PositionView(STOCKS[4], 3, 98_000.0, 105_000, 100_000)
    return DaySummary(
        day, Environment.SIMULATOR, (TRADE,), (held,), 2, 1, 1, 315, 1_470, TRADE.profit,
        10_000_000, 10_054_321, 812, 3, 63.25, ("참고할 것이 있습니다",), {}, journal_hash=journal_hash,
    )  # fmt: skip


class World:
    def __init__(self, folder: Path, *, now: datetime = NOON, writer: Writer | None = None) -> None:
        self.clock = SimulatedClock(now, speed=float("inf"))
        self.items: list[NewsItem] = []
        self.news_fails = False
        self.score_fails = False
        self.market_fails = False
        self.scale = 0.3
        self.summaries: dict[date, DaySummary] = {DAY: summary_of()}
        self.pipeline = AIPipeline(
            environment=Environment.SIMULATOR,
            clock=self.clock,
            calendar=TradingCalendar(),
            listing=Listing(),
            news=self,
            market=self,
            score=self._score,
            day_summary=self._summary,
            recommendation=self._recommendation,
            folder=folder,
            writer=writer,
        )

    name = "시험 뉴스"

    async def headlines(self, stock: Stock | None, limit: int) -> Sequence[NewsItem]:
        await asyncio.sleep(0)
        if self.news_fails:
            raise NewsUnavailable("시험: 뉴스 없음")
        return [item for item in self.items if stock is None or stock.code in item.codes][:limit]

    async def quotes(self, codes: Sequence[Code]) -> Mapping[Code, Quote]:
        if self.market_fails:
            raise BrokerError("시험: 시세 없음")
        return {code: quote(code) for code in codes}

    async def index_quote(self, index: Index) -> IndexQuote:
        if self.market_fails:
            raise BrokerError("시험: 지수 없음")
        value = {Index.KOSPI: 2_512.5, Index.KOSDAQ: 845.25, Index.KOSPI200: 335.0}[index]
        return IndexQuote(
            index, self.clock.now(), value, 2_500.0 if index is Index.KOSPI else 850.0, 0, 0, 0, 510, 321, 70
        )

    async def _score(self, code: Code) -> Score:
        if self.score_fails:
            raise BrokerError("시험: 점수 없음")
        return score_of(code, self.scale)

    async def _summary(self, day: date) -> DaySummary | None:
        return self.summaries.get(day)

    async def _recommendation(self) -> ScreeningReport | None:
        rows = tuple(
            Recommendation(stock, score_of(stock.code, 0.3 + n / 10), None, None) for n, stock in enumerate(STOCKS[:3])
        )
        return ScreeningReport(self.clock.now(), rows, 200, 0, {}, {}, "시험", 1.0)
