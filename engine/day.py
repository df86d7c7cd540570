"""The trading day's frame: new day, reconciliation after the close, the summary, and the night of the simulator."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from datetime import date, datetime, timedelta

from engine.broker import Broker, BrokerError
from engine.calendar import TradingCalendar
from engine.clock import MarketClock, SimulatedClock, monotonic
from engine.events import DayEnded, EventBus
from engine.health import LoopLag, resident_megabytes
from engine.live_market import LiveMarket
from engine.market import Environment, Market, Side, Stock, Won
from engine.orders import OrderDesk, OrderState
from engine.results import DaySummary, PositionView
from engine.trader import Trader

logger = logging.getLogger(__name__)

AFTER_CLOSE = timedelta(seconds=90)
"""The last fills and notices of the closing auction have arrived by then."""
MORNING = timedelta(minutes=5)
"""A simulated day starts this long before the open (08:55)."""


class DayKeeper:
    """Runs day after day. ``on_day_end`` may end the service (``--exit-at-close``)."""

    def __init__(
        self,
        *,
        environment: Environment,
        clock: MarketClock,
        calendar: TradingCalendar,
        events: EventBus,
        trader: Trader,
        desk: OrderDesk,
        broker: Broker,
        market: LiveMarket,
        lag: LoopLag,
        next_day: Callable[[date], date | None],
        on_day_end: Callable[[DaySummary], Awaitable[None]],
    ) -> None:
        self._environment = environment
        self._clock = clock
        self._calendar = calendar
        self._events = events
        self._trader = trader
        self._desk = desk
        self._broker = broker
        self._market = market
        self._lag = lag
        self._next_day = next_day
        self._on_day_end = on_day_end
        self._started = (monotonic(), clock.now())
        self.summaries: dict[date, DaySummary] = {}

    async def run(self) -> None:
        while True:
            session = self._calendar.session(self._clock.today())
            if session is not None and self._clock.now() < session.close + AFTER_CLOSE:
                self._started = (monotonic(), self._clock.now())
                self._lag.reset()
                if isinstance(self._clock, SimulatedClock):
                    self._clock.fast_until(session.open)  # nobody needs to watch five minutes without a trade
                self._trader.new_day(session.day, await self._equity())
                await self._trader.refresh_subscriptions()
                await self._clock.sleep_until(session.close + AFTER_CLOSE, priority=30)
                await self._finish(session.day)
            following = self._next_day(self._clock.today())
            if following is None:
                return
            next_session = self._calendar.session(following)
            assert next_session is not None
            wake = next_session.open - MORNING
            if isinstance(self._clock, SimulatedClock):
                self._clock.fast_until(wake)
            await self._clock.sleep_until(wake, priority=30)

    async def _finish(self, day: date) -> None:
        await self._desk.reconcile()
        await self._extend_histories()
        summary = await self.summarise(day)
        self.summaries[day] = summary
        self._events.publish(DayEnded(at=self._clock.now(), summary=summary))
        await self._on_day_end(summary)

    async def _extend_histories(self) -> None:
        """One sweep now saves a call per stock tomorrow morning."""
        try:
            await self._trader.finish_day()
        except BrokerError as error:
            logger.warning("오늘 일봉을 이어 붙이지 못했습니다 (내일 아침에 다시 받습니다): %s", error)

    async def summarise(self, day: date) -> DaySummary:
        """The day's figures so far, from the journal and the broker's balance; nothing is estimated."""
        records = self._desk.orders(day)
        trades = self._desk.trades(day)
        counts = self._trader.counts if self._trader.counts.day == day else None
        wall = monotonic() - self._started[0]
        market_seconds = (self._clock.now() - self._started[1]).total_seconds()
        notes: list[str] = []
        explanations = counts.explanations(self._trader.settings.entry_score) if counts is not None else {}
        if counts is not None and not any(r.filled for r in records):
            if counts.reached_entry == 0:
                notes.append(f"매수 기준에 이른 종목이 없었습니다 (최고 {counts.highest_score:+.1f}점)")
            for code, _ in sorted(counts.best.items(), key=lambda item: -item[1][0])[:5]:
                stock = self._market.stock(code)
                notes.append(f"{stock.name if stock else code}: {explanations[code]}")
        return DaySummary(
            day=day,
            environment=self._environment,
            trades=tuple(trades),
            open_positions=self.position_views(),
            buys=sum(1 for r in records if r.intent.side is Side.BUY and r.filled),
            sells=sum(1 for r in records if r.intent.side is Side.SELL and r.filled),
            rejected=sum(1 for r in records if r.state in (OrderState.REJECTED, OrderState.DENIED)),
            fees=sum(r.fees for r in records),
            taxes=sum(r.taxes for r in records),
            realised=sum(trade.profit for trade in trades),
            equity_start=counts.equity_start if counts else 0,
            equity_end=await self._equity(),
            evaluated=counts.evaluated if counts else 0,
            evaluations_at_entry=counts.reached_entry if counts else 0,
            highest_score=counts.highest_score if counts else 0.0,
            notes=tuple(notes),
            explanations=explanations,
            speed=market_seconds / wall if wall > 0 else 0.0,
            loop_lag_p99_ms=self._lag.percentile(0.99),
            memory_mb=resident_megabytes(),
            journal_hash=await self._desk.journal_hash(day),
        )

    def position_views(self) -> tuple[PositionView, ...]:
        views = []
        for position in self._desk.positions():
            last = self._market.last(position.code)
            stock = self._market.stock(position.code) or _unlisted(position.code, position.name)
            views.append(
                PositionView(
                    stock,
                    position.quantity,
                    position.average_price,
                    last[0] if last else round(position.average_price),
                    self._market.previous_close(position.code),
                    position.stop_price,
                    position.target_price,
                    position.opened_at,
                    position.bars_held,
                )
            )
        return tuple(views)

    async def _equity(self) -> Won:
        try:
            return (await self._broker.balance()).equity
        except BrokerError as error:
            logger.warning("평가금액을 읽지 못했습니다: %s", error)
            return 0


def _unlisted(code: str, name: str) -> Stock:
    return Stock(code, name or code, Market.KOSPI)


def morning_of(calendar: TradingCalendar, day: date) -> datetime:
    """When a simulated day begins."""
    session = calendar.session(day)
    if session is None:
        raise LookupError(f"{day} 은(는) 거래일이 아닙니다")
    return session.open - MORNING
