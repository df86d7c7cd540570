"""The Backtests service: gathers the bars that the service has or the broker gives, and runs them in a process."""

from __future__ import annotations

import asyncio
import csv
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Protocol

from bot.services import BacktestRequest, Progress
from engine.backtest.engine import Conditions
from engine.backtest.process import run_in_process
from engine.backtest.report import Job
from engine.backtest.timeline import StockHistory
from engine.broker import BrokerError
from engine.calendar import TradingCalendar
from engine.candles import aggregate
from engine.clock import MarketClock
from engine.krx import CostModel
from engine.market import KST, Bars, Candle, Code, Environment, Index
from engine.ports import DailyHistory, HistoryUnavailable, Listing
from engine.results import BacktestReport
from engine.scorer import DAILY_BARS
from engine.strategy import StrategySettings

logger = logging.getLogger(__name__)

MINUTE_SESSIONS = 40
"""Sessions for which minutes are fetched: about four calls each, shared with the trading service."""
KEPT_DAYS = 20_000
Runner = Callable[[Job, Progress], Awaitable[BacktestReport]]


class MinuteSource(Protocol):
    async def minute_bars(self, code: Code, day: date) -> Bars: ...
    async def index_daily_bars(self, index: Index, first: date, last: date) -> Bars: ...


class BacktestService:
    """Fulfils bot.services.Backtests. ``candle_folder`` is that of the CandleStore; ``universe`` the stocks of "all"."""

    def __init__(
        self,
        *,
        listing: Listing,
        history: DailyHistory,
        market_data: MinuteSource,
        candle_folder: Path,
        calendar: TradingCalendar,
        clock: MarketClock,
        environment: Environment,
        settings: Callable[[], StrategySettings],
        costs: CostModel,
        universe: Callable[[], Sequence[Code]] = tuple,
        minute_sessions: int = MINUTE_SESSIONS,
        runner: Runner = run_in_process,
    ) -> None:
        self._listing = listing
        self._history = history
        self._market_data = market_data
        self._folder = candle_folder
        self._calendar = calendar
        self._clock = clock
        self._environment = environment
        self._settings = settings
        self._costs = costs
        self._universe = universe
        self._minute_sessions = minute_sessions
        self._runner = runner
        self._days: dict[tuple[Code, date], tuple[Candle, ...]] = {}

    async def run(self, request: BacktestRequest, progress: Progress) -> BacktestReport:
        """Raises ValueError with a Korean line."""
        days = self._completed(request.days)
        settings = self._settings()
        if request.take_profit_percent is not None:
            settings = replace(settings, take_profit=request.take_profit_percent / 100.0)
        if request.maximum_hold_bars is not None:
            settings = replace(settings, holding_bars=request.maximum_hold_bars)
        notes: list[str] = []
        if request.code is not None:
            histories = [await self._stock(request.code, days, progress, notes)]
        else:
            histories = await self._many(days, progress, notes)

        async def later(share: float, word: str) -> None:
            await progress(0.4 + 0.6 * share, word)

        return await self._runner(
            Job(
                histories=tuple(histories),
                conditions=Conditions(settings, self._costs),
                first=days[0],
                last=days[-1],
                benchmark=await self._benchmark(days),
                source="증권사 일봉·분봉",
                environment=self._environment,
                notes=tuple(notes),
            ),
            later,
        )

    def _completed(self, count: int) -> list[date]:
        """The last ``count`` sessions that have ended."""
        now = self._clock.now()
        session = self._calendar.session(now.date())
        ended = session is not None and now >= session.close
        return self._calendar.last_days(now.date() + timedelta(days=1 if ended else 0), count)

    async def _stock(self, code: Code, days: list[date], progress: Progress, notes: list[str]) -> StockHistory:
        stock = self._listing.get(code)
        if stock is None:
            raise ValueError(f"{code} 은(는) 목록에 없는 종목입니다")
        await progress(0.0, "일봉 읽기")
        try:
            daily = (await self._history.daily(code, len(days) + DAILY_BARS)).bars
        except HistoryUnavailable as error:
            raise ValueError(f"{stock.name}: 일봉을 받을 수 없습니다 ({error})") from error
        candles = await self._fifteen(code, days, progress, notes)
        tested = sorted({candle.start.date() for candle in candles})
        if tested and len(tested) < len(days):
            notes.append(
                f"15분봉이 있는 {len(tested)}일({tested[0]} ~ {tested[-1]})만 시험했습니다: 요청한 {len(days)}일 전부의 분봉은 없습니다"
            )
        return StockHistory(stock, daily, Bars.of(candles))

    async def _many(self, days: list[date], progress: Progress, notes: list[str]) -> list[StockHistory]:
        found, codes = [], list(self._universe())
        for number, code in enumerate(codes):
            stock = self._listing.get(code)
            if stock is None:
                continue
            try:
                daily = (await self._history.daily(code, len(days) + DAILY_BARS)).bars
            except HistoryUnavailable as error:
                logger.info("%s left out of the backtest: %s", code, error)
                continue
            found.append(StockHistory(stock, daily, survivor_only=True))
            await progress(0.4 * (number + 1) / len(codes), f"일봉 읽기 {number + 1}/{len(codes)}종목")
        if not found:
            raise ValueError("시험할 종목이 없습니다")
        if len(found) < len(codes):
            notes.append(f"{len(codes) - len(found)}종목은 일봉이 없어 뺐습니다")
        return found

    async def _fifteen(self, code: Code, days: list[date], progress: Progress, notes: list[str]) -> list[Candle]:
        """From minutes of the broker, newest day first until it has no more; else from the bars we recorded."""
        recorded = await asyncio.to_thread(self._recorded, code, set(days))
        fetched: dict[date, tuple[Candle, ...]] = {}
        wanted = days[-self._minute_sessions :][::-1]
        for number, day in enumerate(wanted):
            if (code, day) not in self._days:
                try:
                    minutes = await self._market_data.minute_bars(code, day)
                except BrokerError as error:
                    notes.append(f"{day} 이전의 분봉은 받을 수 없었습니다 ({error})")
                    break
                session = self._calendar.session(day)
                assert session is not None
                self._days[code, day] = tuple(aggregate(minutes, session))
                while len(self._days) > KEPT_DAYS:
                    self._days.pop(next(iter(self._days)))
            if not self._days[code, day]:
                break
            fetched[day] = self._days[code, day]
            await progress(0.05 + 0.35 * (number + 1) / len(wanted), f"분봉 읽기 {number + 1}/{len(wanted)}일")
        # A recorded day may have holes where the stock was not streamed: it counts only where nothing better is.
        best = {day: list(candles) for day, candles in recorded.items()} | {d: list(c) for d, c in fetched.items()}
        return [candle for day in sorted(best) for candle in best[day]]

    def _recorded(self, code: Code, days: set[date]) -> dict[date, list[Candle]]:
        found: dict[date, list[Candle]] = {}
        for path in sorted((self._folder / code).glob("*.csv")):
            try:
                day = date.fromisoformat(path.stem)
                if day not in days:
                    continue
                with path.open(newline="", encoding="utf-8") as file:
                    found[day] = [
                        Candle(
                            datetime.fromisoformat(row["start"]).replace(tzinfo=KST),
                            int(row["open"]),
                            int(row["high"]),
                            int(row["low"]),
                            int(row["close"]),
                            int(row["volume"]),
                        )
                        for row in csv.DictReader(file)
                    ]
            except (ValueError, KeyError, TypeError, OSError) as error:
                logger.warning("분봉 파일을 읽지 못해 뺐습니다: %s (%s)", path, error)
        return {day: candles for day, candles in found.items() if candles}

    async def _benchmark(self, days: list[date]) -> Bars | None:
        try:
            return await self._market_data.index_daily_bars(Index.KOSPI, days[0] - timedelta(days=14), days[-1])
        except BrokerError as error:
            logger.info("no KOSPI beside the backtest: %s", error)
            return None
