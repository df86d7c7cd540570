"""The live loop: screening and entries at each 15-minute close, exits on every tick, and the close-out of the day.

It decides nothing itself: ``strategy.decide`` does, and ``OrderDesk.submit`` is the only way to the broker.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta

from engine.broker import Broker, BrokerError, Channel, ChannelKind, MarketData, OrderType
from engine.calendar import Session, TradingCalendar
from engine.clock import MarketClock, monotonic
from engine.events import (
    BotStarted,
    BotStopped,
    EntryDecided,
    ErrorRaised,
    EventBus,
    OrderFilled,
    PositionClosed,
    ScreeningFinished,
)
from engine.exits import ExitWatcher
from engine.feed import MarketFeed
from engine.health import Latency
from engine.krx import CostModel, floor_to_tick
from engine.live_market import LiveMarket
from engine.market import Code, Environment, Index, Phase, Side, StockFlag, Won
from engine.orders import OrderDesk, OrderIntent, OrderState, Origin, Purpose
from engine.results import ExitReason, Recommendation, ScreeningReport
from engine.screener import Screener
from engine.strategy import Enter, EntrySituation, StrategySettings, decide, target_price

logger = logging.getLogger(__name__)

ENTRY_PATIENCE_SECONDS = 60.0
"""How long a buy limit may rest before its unfilled rest is cancelled."""
STREAMED_CANDIDATES = 24
BLIND_SECONDS = 3.0
LEAST_DAILY_BARS = 60
"""With fewer the daily factors are undefined."""
OPENING_GRACE = timedelta(seconds=3)


@dataclass(slots=True)
class DayCounts:
    """What the day summary tells beside the journal."""

    day: date
    evaluated: int = 0
    reached_entry: int = 0
    highest_score: float = 0.0
    screenings: int = 0
    equity_start: Won = 0
    stays: dict[Code, str] = field(default_factory=dict)
    """Why stocks that reached the entry score were not bought, newest reason each."""
    best: dict[Code, tuple[float, str]] = field(default_factory=dict)
    """Highest total of each scored stock, and what was missing for its score."""
    excluded: dict[Code, str] = field(default_factory=dict)

    def explanations(self, threshold: float) -> dict[Code, str]:
        """One Korean line for each stock that was looked at and not bought."""
        lines = {code: f"제외: {why}" for code, why in self.excluded.items()}
        for code, (total, missing) in self.best.items():
            lines[code] = f"최고 {total:+.1f}점으로 기준 {threshold:g}점에 못 미침" + (
                f" ({missing})" if missing else ""
            )
        return lines | self.stays


class Trader:
    """Start, stop and status of automatic trading. Exits of held positions are watched even while stopped."""

    def __init__(
        self,
        *,
        environment: Environment,
        clock: MarketClock,
        calendar: TradingCalendar,
        events: EventBus,
        market: LiveMarket,
        market_data: MarketData,
        broker: Broker,
        desk: OrderDesk,
        feed: MarketFeed,
        screener: Screener,
        costs: CostModel,
        settings: StrategySettings,
        watched: Callable[[], Sequence[Code]] = tuple,
        screen_before_open: bool = True,
    ) -> None:
        self.environment = environment
        self._clock = clock
        self._calendar = calendar
        self._events = events
        self._market = market
        self._market_data = market_data
        self._broker = broker
        self._desk = desk
        self._feed = feed
        self._screener = screener
        self._costs = costs
        self.settings = settings
        self._watched = watched
        self._screen_before_open = screen_before_open
        self.running = False
        self.paused = False
        self.started_by = ""
        self.started_at: datetime | None = None
        self.last_report: ScreeningReport | None = None
        self.books_wanted: set[Code] = set()
        """Codes of open tickets: their order books are streamed."""
        self.counts = DayCounts(clock.today())
        self.exits = ExitWatcher(
            desk=desk, market=market, clock=clock, events=events, settings=lambda: self.settings, costs=costs
        )
        self.latency = Latency()
        self.exits.on_answer = self.latency.answered
        feed.queue.on_handled = self.latency.decided
        self._wake = asyncio.Event()
        self._deciding = asyncio.Lock()
        self._group: asyncio.TaskGroup | None = None
        feed.on_tick = self.exits.on_tick
        feed.on_notice = desk.on_notice
        feed.on_bar_close = self._bar_closed

    # -- what people do

    async def start(self, by: str) -> None:
        """Allow entries; the first screening starts at once when the market can be traded."""
        if self.running:
            return
        self.running = True
        self.paused = False
        self.started_by = by
        self.started_at = self._clock.now()
        self._events.publish(BotStarted(at=self.started_at, by=by))
        self._wake.set()

    async def stop(self, by: str, reason: str = "") -> None:
        """No more entries. Positions stay under watch; nothing is sold."""
        if not self.running:
            return
        self.running = False
        self._events.publish(BotStopped(at=self._clock.now(), by=by, reason=reason))

    def pause(self) -> None:
        self.paused = True

    def resume(self) -> None:
        self.paused = False
        self._wake.set()

    # -- running

    async def run(self) -> None:
        """Run until cancelled; an error inside one decision is reported and does not end the others."""
        async with asyncio.TaskGroup() as group:
            self._group = group
            self.exits.attach(group)
            group.create_task(self._follow_fills(), name="trader-fills")
            group.create_task(self._close_out(), name="trader-close-out")
            group.create_task(self._first_screening(), name="trader-start")
            group.create_task(self._opening_round(), name="trader-open")
            group.create_task(self._subscribe_first(), name="trader-subscribe")
            group.create_task(self._watch_blind(), name="trader-blind")

    async def _subscribe_first(self) -> None:
        await self._subscribe()

    async def _watch_blind(self) -> None:
        """While the stream is away, held stocks are watched by their quotes: exits never depend on one socket."""
        while True:
            closed = self._market.phase() in (Phase.CLOSED, Phase.AFTER_CLOSE)
            await self._clock.sleep(60.0 if closed else BLIND_SECONDS)
            if closed or self._feed.connected:
                continue
            for position in self._desk.positions():
                if position.origin is Origin.EXTERNAL or position.code in self.exits.pursuing:
                    continue
                try:
                    quote = await self._market_data.quote(position.code)
                except BrokerError as error:
                    logger.warning("보유 종목 시세를 읽지 못했습니다 %s: %s", position.code, error)
                    continue
                self._market.on_quote(quote)
                self.exits.check(position, quote.price, self._clock.now())

    async def _first_screening(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            session = self._calendar.session(self._clock.today())
            early = session is not None and self._clock.now() < session.open
            if self.running and (self._screen_before_open or not early):
                await self._guarded("선별", self._decide)

    async def _opening_round(self) -> None:
        """Right after the open: fetch the minutes of the best stocks, well before the first bar ends."""
        while True:
            now = self._clock.now()
            session = self._calendar.session(now.date())
            if session is None or now >= session.open:
                session = self._calendar.session(self._calendar.next_day(now.date()))
            assert session is not None
            await self._clock.sleep_until(session.open + OPENING_GRACE, priority=20)
            await self._guarded("개장 선별", self._decide)

    async def _bar_closed(self, end: datetime) -> None:
        await self._guarded("봉 마감 처리", lambda: self._after_bar(end))

    async def _after_bar(self, end: datetime) -> None:
        session = self._calendar.session(end.date())
        if session is None or end > session.close_out:
            return
        for position in self._desk.positions():
            held = sum(1 for start in session.grid(15) if position.opened_at <= start < end)
            earlier = self._calendar.days(position.opened_at.date(), end.date())[:-1]
            await self._desk.update_plan(
                position.code,
                bars_held=held + 26 * max(0, len(earlier) - 1) + (26 if earlier else 0),
                highest_price=self.exits.highest(position.code) or None,
            )
        await self._decide()

    async def _decide(self) -> None:
        """One decision round: scores of the market, sell scores of what is held, then entries."""
        if self._deciding.locked():
            return
        async with self._deciding:
            session = self._calendar.session(self._clock.today())
            if session is None or self._clock.now() >= session.close_out:
                return
            await self._screen_and_enter(session)

    async def _screen_and_enter(self, session: Session) -> None:
        held = [position.code for position in self._desk.positions()]
        if not self.running:
            for code in held:
                await self._judge_held(code)
            return
        open_now = self._clock.now() >= session.open
        report = await self._screener.screen(held, list(self._watched()), fetch_minutes=open_now)
        self.last_report = report
        self._count(report)
        self._events.publish(ScreeningFinished(at=self._clock.now(), report=report))
        await self._subscribe()
        for code in held:
            await self._judge_held(code)
        if self.paused:
            return
        for candidate in sorted(report.recommendations, key=_preference):
            await self._consider(candidate)

    def _count(self, report: ScreeningReport) -> None:
        counts = self.counts
        counts.screenings += 1
        counts.evaluated += report.evaluated
        counts.reached_entry += report.reached_entry
        counts.excluded |= report.excluded | report.failed
        for code, total in report.totals.items():
            if code not in counts.best or total > counts.best[code][0]:
                bars = len(self._screener.inputs(code).daily)
                missing = f"일봉 {bars}개로 자료 부족" if bars < LEAST_DAILY_BARS else ""
                counts.best[code] = (total, missing)
        counts.highest_score = max((total for total, _ in counts.best.values()), default=counts.highest_score)

    async def _judge_held(self, code: Code) -> None:
        position, last = self._desk.position(code), self._market.last(code)
        if position is None or last is None or position.origin is Origin.EXTERNAL:
            return
        score = await self._screener.score_one(code)
        self.exits.check(position, last[0], self._clock.now(), score.total)

    async def _consider(self, candidate: Recommendation) -> None:
        """Decide on one candidate and hand the order in; every refusal keeps its reason."""
        code, score, now = candidate.stock.code, candidate.score, self._clock.now()
        if score.total < self.settings.entry_score:
            return
        ordered = {order.intent.code for order in self._desk.open_orders() if order.intent.side is Side.BUY}
        owned = {position.code for position in self._desk.positions()}
        if code in ordered | owned:
            return
        phase = self._market.phase()
        ask, upper, cash = 0, 0, 0
        if phase is Phase.CONTINUOUS:
            book = await self._market_data.order_book(code)
            self._market.on_book(book)
            quote = await self._market_data.quote(code)
            self._market.on_quote(quote)
            if quote.halted or quote.flags & _NEVER_BOUGHT:
                self.counts.stays[code] = "거래정지·경고 종목"
                return
            ask, upper = book.best_ask, quote.upper_limit
            cash = (await self._broker.buyable(code, ask or quote.price)).cash
        inputs = self._screener.inputs(code)
        decision = decide(
            self.settings,
            EntrySituation(
                code,
                now,
                phase,
                score,
                ask,
                candidate.stock.kind,
                cash,
                len(ordered | owned),
                inputs.fifteen,
                inputs.daily,
                upper,
                exited_today=any(trade.code == code for trade in self._desk.trades(now.date())),
            ),
            self._costs,
        )
        await self._desk.record_decision(
            code,
            type(decision).__name__.lower(),
            score=score.total,
            input_digest=score.input_digest,
            detail={
                "ask": ask,
                "cash": cash,
                "positions": len(ordered | owned),
                "why": getattr(decision, "why", ""),
                "factors": {factor.factor.value: round(factor.points, 4) for factor in score.factors},
            },
        )
        if not isinstance(decision, Enter):
            self.counts.stays[code] = getattr(decision, "why", "")
            return
        self._events.publish(
            EntryDecided(
                at=now,
                code=code,
                name=candidate.stock.name,
                score=score,
                price=decision.limit_price,
                quantity=decision.quantity,
            )
        )
        decided_at = monotonic()
        record = await self._desk.submit(
            OrderIntent(
                signal_key=f"{now:%Y%m%d}:{code}:entry:{now:%H%M}",
                code=code,
                side=Side.BUY,
                type=OrderType.LIMIT,
                quantity=decision.quantity,
                price=decision.limit_price,
                origin=Origin.BOT,
                purpose=Purpose.ENTRY,
                actor="bot",
                exit_reason=decision.stop.reason,
                stop_price=decision.stop.price,
                target_price=decision.target_price,
                score=score.total,
                input_digest=score.input_digest,
                reasons=tuple(f"{f.factor.label} {f.points:+.1f} {f.reason}" for f in score.factors if f.points),
                note=decision.stop.source,
            )
        )
        self.latency.answered(monotonic() - decided_at)
        if record.state in (OrderState.ACCEPTED, OrderState.PARTIALLY_FILLED, OrderState.UNKNOWN):
            assert self._group is not None
            self._group.create_task(self._expire_entry(record.order_id), name=f"entry-{code}")
            await self._subscribe()
        elif record.state in (OrderState.DENIED, OrderState.REJECTED, OrderState.NOT_SENT):
            self.counts.stays[code] = f"{record.state.label}: {record.reason}"

    async def _expire_entry(self, order_id: str) -> None:
        await self._clock.sleep(ENTRY_PATIENCE_SECONDS)
        if any(order.order_id == order_id for order in self._desk.open_orders()):
            await self._desk.cancel(order_id, "bot")

    async def _follow_fills(self) -> None:
        """Fix stop and target of a new position from its fill; forget what was sold."""
        with self._events.subscribe(OrderFilled, PositionClosed) as fills:
            async for event in fills:
                if isinstance(event, PositionClosed):
                    self.exits.forget(event.trade.code)
                    continue
                if not isinstance(event, OrderFilled) or event.side is not Side.BUY or not event.complete:
                    continue
                position = self._desk.position(event.code)
                if position is None:
                    continue
                kind = self._market.kind(event.code)
                stop = position.stop_price
                if position.stop_reason is ExitReason.FIXED_STOP:
                    fixed = position.average_price * (1.0 - self.settings.fixed_stop)
                    stop = max(stop, floor_to_tick(int(fixed), kind))
                await self._desk.update_plan(
                    event.code,
                    stop_price=stop,
                    target_price=target_price(self.settings, position.average_price, kind),
                )
                await self._subscribe()

    async def _close_out(self) -> None:
        """At 15:20 cancel resting buys and sell everything into the closing auction."""
        while True:
            now = self._clock.now()
            session = self._calendar.session(now.date())
            if session is None or now >= session.close_out:
                session = self._calendar.session(self._calendar.next_day(now.date()))
            assert session is not None
            await self._clock.sleep_until(session.close_out + timedelta(seconds=1), priority=15)
            if not self.settings.close_out or self.settings.overnight:
                continue
            await self._guarded("장 마감 청산", self._sell_all)

    async def _sell_all(self) -> None:
        for order in self._desk.open_orders():
            if order.intent.side is Side.BUY and order.intent.origin is Origin.BOT:
                await self._desk.cancel(order.order_id, "bot")
        for position in self._desk.positions():
            if position.origin is not Origin.EXTERNAL:
                self.exits.pursue(position.code, ExitReason.CLOSE_OUT, "15:20")

    async def _subscribe(self) -> None:
        """Slots in order: notices, held, open tickets, best candidates."""
        held = [position.code for position in self._desk.positions()]
        ordered = [order.intent.code for order in self._desk.open_orders()]
        best = [r.stock.code for r in self.last_report.recommendations] if self.last_report else []
        first = list(dict.fromkeys([*held, *ordered, *sorted(self.books_wanted)]))
        trades = list(dict.fromkeys([*first, *best, *self._watched()]))[:STREAMED_CANDIDATES]
        indices: list[Channel] = []
        if self.environment is not Environment.MOCK:
            indices = [Channel(ChannelKind.INDEX, index.value) for index in Index]
        await self._feed.subscribe(trades, first, indices)

    async def refresh_subscriptions(self) -> None:
        await self._subscribe()

    async def finish_day(self) -> None:
        """After the close: today's bar joins every stored history. Raises BrokerError."""
        await self._screener.finish_day()

    def new_day(self, day: date, equity: Won) -> None:
        self.counts = DayCounts(day, equity_start=equity)
        self._market.new_day()

    async def _guarded(self, where: str, work: Callable[[], object]) -> None:
        """A failed decision round is told and logged; trading goes on with the next one."""
        try:
            result = work()
            if asyncio.iscoroutine(result):
                await result
        except (BrokerError, TimeoutError, LookupError, ValueError, ArithmeticError) as error:
            logger.exception("%s 중 오류", where)
            self._events.publish(ErrorRaised(at=self._clock.now(), where=where, message=str(error)))


_NEVER_BOUGHT = frozenset(
    {
        StockFlag.ADMINISTRATIVE,
        StockFlag.RISK,
        StockFlag.WARNING,
        StockFlag.HALTED,
        StockFlag.OVERHEATED,
        StockFlag.LIQUIDATION,
        StockFlag.SPAC,
    }
)


def _preference(candidate: Recommendation) -> tuple[float, int, Code]:
    """Rank by score, then by traded value."""
    value = candidate.quote.value if candidate.quote is not None else 0
    return (-candidate.score.total, -value, candidate.stock.code)
