"""The trader for people: start, stop, status."""

from __future__ import annotations

import asyncio
from datetime import date

from bot.services import ArmingRefused, BotStatus
from engine.clock import MarketClock
from engine.day import DayKeeper
from engine.feed import MarketFeed
from engine.live_market import LiveMarket
from engine.market import Code, Environment, Phase
from engine.orders import OrderDesk
from engine.results import DaySummary
from engine.trader import Trader


class PeoplesTrader:
    """Fulfils ``bot.services.Trader``."""

    def __init__(
        self,
        *,
        trader: Trader,
        desk: OrderDesk,
        days: DayKeeper,
        feed: MarketFeed,
        market: LiveMarket,
        clock: MarketClock,
        environment: Environment,
    ) -> None:
        self._trader = trader
        self._desk = desk
        self._days = days
        self._feed = feed
        self._market = market
        self._clock = clock
        self._environment = environment
        self._refresh: asyncio.Task[None] | None = None

    async def start(self, by: str) -> str:
        if self._environment is Environment.REAL and not self._desk.armed:
            raise ArmingRefused("실전 매매는 시동(일회용 코드)이 필요합니다. 봇시작 명령의 안내를 따르세요")
        await self._trader.start(by)
        phase = self._market.phase()
        return "" if phase is Phase.CONTINUOUS else f"지금은 {phase.label}입니다. 정규장에서 매수를 시작합니다."

    async def stop(self, by: str) -> None:
        await self._trader.stop(by)

    async def pause(self, by: str) -> None:
        self._trader.pause()
        await self._desk.record_audit(by, "trader", "pause", {}, "allowed", "")

    async def resume(self, by: str) -> None:
        self._trader.resume()
        await self._desk.record_audit(by, "trader", "resume", {}, "allowed", "")

    def status(self) -> BotStatus:
        trader, report = self._trader, self._trader.last_report
        why = self._why_no_entries()
        last = [at for code in self._feed.streamed_codes() if (found := self._market.last(code)) for at in [found[1]]]
        notes = [f"{reason}: {code} 청산 진행 중" for code, reason in trader.exits.pursuing.items()]
        return BotStatus(
            running=trader.running,
            entries_allowed=not why,
            entries_reason=why,
            started_by=trader.started_by,
            started_at=trader.started_at,
            armed_until=None,
            positions=len(self._desk.positions()),
            maximum_positions=trader.settings.maximum_positions,
            last_screening=report.at if report else None,
            stocks_evaluated=report.evaluated if report else 0,
            reached_entry=report.reached_entry if report else 0,
            stream_connected=self._feed.connected,
            last_tick=max(last, default=None),
            notes=tuple(notes),
        )

    def _why_no_entries(self) -> str:
        if not self._trader.running:
            return "봇이 멈춰 있습니다"
        if self._trader.paused:
            return "일시정지 중입니다"
        if latches := self._desk.latches():
            return latches[0].reason
        return self._desk.trouble()

    async def day_summary(self, day: date) -> DaySummary | None:
        if day in self._days.summaries:
            return self._days.summaries[day]
        return await self._days.summarise(day) if day == self._clock.today() else None

    def want_book(self, code: Code, wanted: bool) -> None:
        before = set(self._trader.books_wanted)
        if wanted:
            self._trader.books_wanted.add(code)
        else:
            self._trader.books_wanted.discard(code)
        if before != self._trader.books_wanted:
            self._refresh = asyncio.create_task(self._trader.refresh_subscriptions(), name="ticket books")
