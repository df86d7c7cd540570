"""The composition root: settings and a market in, a running service out; one task group, one shutdown path."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

from bot.adapters.settings_desk import load_choices
from bot.settings import Settings
from bot.venue import MarketChoice, Venue, VenueError, open_venue
from engine.candles import CandleStore
from engine.clock import SimulatedClock, wall_now, wall_sleep
from engine.daily_store import BrokerHistory, DailyStore
from engine.day import DayKeeper
from engine.events import ErrorRaised, EventBus
from engine.feed import MarketFeed
from engine.health import LoopLag
from engine.krx import CostModel
from engine.live_market import LiveMarket
from engine.market import BarOrigin, Bars, Code, Environment, Interval
from engine.orders import Journal, OrderDesk, RiskLimits
from engine.ports import DailyHistory, Listing
from engine.predictor.service import Predictor
from engine.results import DaySummary
from engine.scorer import Scorer
from engine.screener import Screener
from engine.strategy import StrategySettings
from engine.trader import Trader

STRATEGY_FILE = "strategy.json"
logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class RunOptions:
    settings: Settings
    home: Path
    choice: MarketChoice = field(default_factory=MarketChoice)
    exit_at_close: bool = False
    autostart: bool | None = None
    front_ends: bool = True
    strategy: StrategySettings = field(default_factory=StrategySettings)
    limits: RiskLimits = field(default_factory=RiskLimits)


class LiveCandles:
    """The candle store as of the market clock's now."""

    def __init__(self, store: CandleStore, venue: Venue, feed: MarketFeed) -> None:
        self._store = store
        self._venue = venue
        self._feed = feed

    def bars(self, code: Code, interval: Interval) -> Bars:
        return self._store.bars(code, interval, self._venue.clock.now())

    def fifteen(self, code: Code) -> tuple[Bars, BarOrigin]:
        return self._store.fifteen(code, self._venue.clock.now())

    async def backfill(self, code: Code) -> None:
        await self._feed.backfill(code)


@dataclass
class Engine:
    """Everything that trades, joined. Front ends and the command line read it; none of its parts knows them."""

    options: RunOptions
    venue: Venue
    events: EventBus
    listing: Listing
    market: LiveMarket
    candle_store: CandleStore
    candles: LiveCandles
    feed: MarketFeed
    scorer: Scorer
    screener: Screener
    history: DailyStore
    predictor: Predictor
    journal: Journal
    desk: OrderDesk
    trader: Trader
    days: DayKeeper
    lag: LoopLag
    costs: CostModel
    finished: asyncio.Event
    last_summary: DaySummary | None = None
    first_tick_seconds: float | None = None

    def apply_settings(self, strategy: StrategySettings, limits: RiskLimits) -> None:
        """From the next decision on."""
        self.trader.settings = strategy
        self.desk.set_limits(limits)

    async def run(self, *more: Callable[[], Awaitable[None]]) -> None:
        """Run until ``finished`` is set or the task is cancelled."""
        loops: list[tuple[str, Callable[[], Awaitable[None]]]] = [
            ("venue", self.venue.watch),
            ("feed", self.feed.run),
            ("desk", self.desk.run),
            ("trader", self.trader.run),
            ("days", self._days),
            ("lag", self.lag.run),
            *((f"front-{i}", loop) for i, loop in enumerate(more)),
        ]
        if isinstance(self.venue.clock, SimulatedClock):
            self.venue.clock.fence(None)
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(_named(name, loop), name=name) for name, loop in loops]
            await self.finished.wait()
            for task in tasks:
                task.cancel()

    async def _days(self) -> None:
        await self.days.run()
        self.finished.set()


async def _named(name: str, loop: Callable[[], Awaitable[None]]) -> None:
    with contextlib.suppress(asyncio.CancelledError):
        await loop()
        logger.debug("%s ended", name)


@asynccontextmanager
async def open_engine(options: RunOptions) -> AsyncIterator[Engine]:
    """Open the market, the journal and all that trades; close them in reverse order."""
    async with AsyncExitStack() as stack:
        venue = await stack.enter_async_context(open_venue(options.settings, options.choice, options.home))
        events = EventBus()
        listing = venue.listing or await _listing(venue)
        market = LiveMarket(lambda: venue.calendar.phase(venue.clock.now()), listing.get)
        if venue.environment is Environment.REAL:
            await _learn_holidays(venue, events)
        candle_store = CandleStore(venue.data_folder / "candles", venue.calendar)
        candle_store.load(venue.clock.today())
        costs = CostModel()
        feed = MarketFeed(
            stream=venue.kis.stream(),
            market=market,
            candles=candle_store,
            market_data=venue.kis,
            calendar=venue.calendar,
            clock=venue.clock,
            events=events,
        )
        candles = LiveCandles(candle_store, venue, feed)
        scorer = Scorer()
        history = await _history(venue)
        predictor = Predictor(
            history=history,
            codes=lambda: [stock.code for stock in listing.stocks()],
            clock=venue.clock,
            home=venue.data_folder,
            market="SYNTHETIC" if venue.synthetic else "KRX",
        )
        stack.push_async_callback(predictor.close)
        warming = asyncio.create_task(predictor.start(), name="predictor start")
        stack.callback(warming.cancel)
        screener = Screener(
            market_data=venue.kis,
            listing=listing,
            history=history,
            candles=candles,
            forecasts=predictor,
            clock=venue.clock,
            scorer=scorer,
        )
        journal = await Journal.open(venue.data_folder / "journal.db", venue.clock)
        stack.push_async_callback(journal.close)
        try:
            strategy, limits = load_choices(venue.data_folder / STRATEGY_FILE, options.strategy, options.limits)
        except ValueError as error:
            raise VenueError(str(error)) from error
        desk = OrderDesk(
            broker=venue.kis,
            journal=journal,
            clock=venue.clock,
            events=events,
            market=market,
            limits=limits,
            costs=costs,
            environment=venue.environment,
            account=venue.account_tail,
        )
        stack.push_async_callback(desk.close)
        await desk.start()
        trader = Trader(
            environment=venue.environment,
            clock=venue.clock,
            calendar=venue.calendar,
            events=events,
            market=market,
            market_data=venue.kis,
            broker=venue.kis,
            desk=desk,
            feed=feed,
            screener=screener,
            costs=costs,
            settings=strategy,
            # In the simulator the minutes before the open pass at once; the first round is then at the open.
            screen_before_open=venue.environment is not Environment.SIMULATOR,
        )
        lag = LoopLag()
        finished = asyncio.Event()

        async def day_ended(summary: DaySummary) -> None:
            engine.last_summary = summary
            if options.exit_at_close:
                await wall_sleep(0.3)  # front ends still tell the day's last words
                finished.set()

        days = DayKeeper(
            environment=venue.environment,
            clock=venue.clock,
            calendar=venue.calendar,
            events=events,
            trader=trader,
            desk=desk,
            broker=venue.kis,
            market=market,
            lag=lag,
            next_day=venue.next_day,
            on_day_end=day_ended,
        )
        engine = Engine(
            options,
            venue,
            events,
            listing,
            market,
            candle_store,
            candles,
            feed,
            scorer,
            screener,
            history,
            predictor,
            journal,
            desk,
            trader,
            days,
            lag,
            costs,
            finished,
        )
        autostart = options.autostart
        if autostart is None:
            autostart = options.settings.gaemi_autostart
        if autostart is None:
            autostart = venue.environment is Environment.SIMULATOR
        if autostart:
            await trader.start("자동 시작")
        yield engine


async def _listing(venue: Venue) -> Listing:
    from data.listing import StockListing

    return await StockListing.open(venue.data_folder.parent / "listing")


async def _history(venue: Venue) -> DailyStore:
    """Daily bars from the broker, then from the public sources (never in the simulator)."""
    sources: list[DailyHistory] = [BrokerHistory(venue.kis, venue.clock)]
    if venue.environment is not Environment.SIMULATOR:
        from data.history import market_histories

        sources += market_histories(venue.clock)
    store = DailyStore(venue.data_folder / "daily", sources, venue.clock, venue.calendar)
    await store.open()
    return store


async def _learn_holidays(venue: Venue, events: EventBus) -> None:
    """Ask the broker's holiday list once; a day on which it disagrees with the table stays closed for entries."""
    from engine.broker import BrokerError

    today: date = venue.clock.today()
    try:
        wrong = venue.calendar.learn(await venue.kis.open_days(today))
    except BrokerError as error:
        events.publish(ErrorRaised(at=venue.clock.now(), where="휴장일 조회", message=str(error)))
        return
    if today in wrong:
        events.publish(
            ErrorRaised(
                at=venue.clock.now(), where="휴장일", message="휴장일 정보가 서로 달라 오늘은 신규 진입을 하지 않습니다"
            )
        )


async def serve(options: RunOptions, tell: Callable[[str], None]) -> DaySummary | None:
    """Run the service with its front ends until it is told to end; the last day's summary, if a day ended."""
    async with open_engine(options) as engine:
        venue = engine.venue
        tell(f"■ 개미 · {venue.environment.label} · {venue.source}")
        tell("  개인용 도구이며 투자 권유가 아닙니다. 손실 책임은 이용자에게 있습니다.")
        loops: list[Callable[[], Awaitable[None]]] = [lambda: _tell_first_tick(engine, tell)]
        async with AsyncExitStack() as stack:
            if options.front_ends:
                from bot.front_ends import open_front_ends

                loops += await stack.enter_async_context(open_front_ends(engine, tell))
            await engine.run(*loops)
        return engine.last_summary


async def _tell_first_tick(engine: Engine, tell: Callable[[str], None]) -> None:
    while engine.market.ticks_seen == 0:
        await wall_sleep(0.05)
    import psutil

    engine.first_tick_seconds = wall_now().timestamp() - psutil.Process().create_time()
    tell(f"  첫 체결 수신: 시작 {engine.first_tick_seconds:.1f}초 뒤")
