"""What command handlers need, as narrow protocols. ``bot.app`` joins them to the engine; tests give fakes.

Optional parts may be None; ``Services.off`` then says why in one Korean line, and so does the command.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time
from typing import Literal, Protocol, TypeAlias

from bot.reply import Picture
from engine.broker import Buyable, OrderType
from engine.calendar import TradingCalendar
from engine.clock import MarketClock
from engine.events import EventBus
from engine.krx import CostModel
from engine.market import Balance, Bars, Code, Environment, Index, IndexQuote, Interval, OrderBook, Quote, Side, Won
from engine.ports import DailyHistory, Forecasts, Listing
from engine.results import (
    BacktestReport,
    BookChart,
    CandleChart,
    DayReport,
    DaySummary,
    Heatmap,
    IndexPanel,
    IntradayChart,
    LabelledNews,
    NewsCard,
    OrderLine,
    PastForecast,
    PortfolioView,
    PositionView,
    PredictionChart,
    RecommendationTable,
    ReportCard,
    Score,
    ScoreCard,
    ScreeningReport,
    Signal,
    SignalCard,
    SkillSummary,
    StructureEvent,
    TicketPreview,
    Trade,
    Zone,
)

OffPart = Literal[
    "screener", "forecasts", "analysis", "backtest", "model", "health", "settings", "structure", "indices", "charts"
]


# ---------------------------------------------------------------- reading the market


class Quotes(Protocol):
    """Reads, cached and rate-limited by the client. Every method raises engine.broker.BrokerError."""

    async def quote(self, code: Code) -> Quote: ...
    async def quotes(self, codes: Sequence[Code]) -> Mapping[Code, Quote]: ...
    async def order_book(self, code: Code) -> OrderBook: ...
    async def index_quote(self, index: Index) -> IndexQuote: ...
    async def minute_bars(self, code: Code, day: date, until: time | None = None) -> Bars: ...


class Account(Protocol):
    """The account side, reading only. Raises engine.broker.BrokerError."""

    async def balance(self) -> Balance: ...
    async def buyable(self, code: Code, price: Won | None) -> Buyable: ...


class Candles(Protocol):
    def bars(self, code: Code, interval: Interval) -> Bars:
        """Completed bars, oldest first; empty when none are kept."""

    async def backfill(self, code: Code) -> None:
        """Fetch the minute bars that are missing. Raises engine.broker.BrokerError."""


class Structure(Protocol):
    """Smart-money zones and structure breaks for chart overlays."""

    def zones(self, bars: Bars, *, intraday: bool) -> Sequence[Zone]: ...
    def events(self, bars: Bars) -> Sequence[StructureEvent]: ...


# ---------------------------------------------------------------- pictures


ChartInput: TypeAlias = (
    CandleChart
    | IntradayChart
    | BookChart
    | Heatmap
    | IndexPanel
    | PredictionChart
    | TicketPreview
    | PortfolioView
    | BacktestReport
    | ScoreCard
    | RecommendationTable
    | NewsCard
    | SignalCard
    | ReportCard
)


class RenderFailed(Exception):
    """No picture in time; the message says why, in Korean. The text answer stands alone and says so."""


class Pictures(Protocol):
    async def render(self, view: ChartInput) -> Picture:
        """Raises RenderFailed."""


# ---------------------------------------------------------------- research


class Research(Protocol):
    """The screener."""

    async def screen(self) -> ScreeningReport:
        """The recommendation of now (cached for ten minutes of market time)."""

    async def score_one(self, code: Code) -> Score:
        """Raises engine.ports.HistoryUnavailable, engine.broker.BrokerError."""


class Analysis(Protocol):
    async def signal(self, code: Code) -> Signal: ...
    async def news(self, code: Code) -> Sequence[LabelledNews]:
        """Newest first. Raises engine.ports.NewsUnavailable."""

    async def report(self, day: date) -> DayReport: ...


class ModelInfo(Protocol):
    """What is known of the forecasting model."""

    def skill(self) -> SkillSummary | None: ...
    def past(self, code: Code) -> Sequence[PastForecast]: ...
    def describe(self) -> Mapping[str, str]:
        """Label → value in Korean: model id, trained until, parameters."""


@dataclass(frozen=True, slots=True)
class BacktestRequest:
    code: Code | None
    """None: the whole recommendation universe as a portfolio."""
    days: int
    take_profit_percent: float | None = None
    maximum_hold_bars: int | None = None


Progress: TypeAlias = Callable[[float, str], Awaitable[None]]
"""Share done 0..1, and a Korean word on what is being done."""


class Backtests(Protocol):
    async def run(self, request: BacktestRequest, progress: Progress) -> BacktestReport:
        """Cancelling the call stops the work. Raises ValueError with a Korean line."""


# ---------------------------------------------------------------- orders


@dataclass(frozen=True, slots=True)
class ManualOrder:
    """An order a person confirmed. ``ticket`` makes it unique: the same ticket is never sent twice."""

    ticket: str
    code: Code
    side: Side
    type: OrderType
    quantity: int
    price: Won
    by: str


@dataclass(frozen=True, slots=True)
class OrderAnswer:
    """What became of a submission: at most 접수 (accepted). A fill is never said here."""

    state: Literal["accepted", "denied", "rejected", "not_sent", "unknown"]
    order_id: str
    message: str = ""
    """The risk gate's or the broker's own words."""


@dataclass(frozen=True, slots=True)
class LimitUse:
    """One limit of the risk gate as an order would use it. ``share`` above 1 is refused."""

    name: str
    share: float


@dataclass(frozen=True, slots=True)
class Checked:
    """The risk gate's opinion of an order that is not sent."""

    allowed: bool
    reason: str
    limits: tuple[LimitUse, ...]


@dataclass(frozen=True, slots=True)
class Latch:
    rule: str
    message: str
    at: datetime


class OrderDesk(Protocol):
    """The only door to the broker, and its journal."""

    async def submit(self, order: ManualOrder) -> OrderAnswer: ...
    async def check(self, order: ManualOrder) -> Checked:
        """What the gate would say now; nothing is written or sent."""

    async def cancel(self, order_id: str, by: str) -> OrderAnswer: ...
    async def positions(self) -> Sequence[PositionView]: ...
    async def open_orders(self, code: Code | None = None) -> Sequence[OrderLine]: ...
    async def order_lines(self, day: date) -> Sequence[OrderLine]: ...
    async def trades(self, first: date, last: date) -> Sequence[Trade]: ...
    async def equity_curve(self, first: date, last: date) -> Sequence[tuple[datetime, Won]]: ...
    async def latches(self) -> Sequence[Latch]: ...
    async def unlatch(self, rule: str, by: str) -> None: ...
    async def differences(self) -> Sequence[tuple[Code, int, int]]:
        """Frozen codes: (code, shares in the journal, shares at the broker)."""

    async def adopt(self, code: Code, by: str) -> None:
        """Take the broker's word for a frozen code."""

    async def stop_entries(self, by: str, reason: str) -> None:
        """At once; survives a restart."""

    async def allow_entries(self, by: str) -> None: ...
    async def panic(self, by: str) -> int:
        """Stop entries, cancel every open order; returns how many cancels were sent. Sells nothing."""

    async def flatten(self, by: str) -> int:
        """Sell everything; returns how many sell orders were handed in."""

    async def record_audit(self, entry: Mapping[str, object]) -> None:
        """Append-only; raises when it cannot be written."""


# ---------------------------------------------------------------- the bot


@dataclass(frozen=True, slots=True)
class BotStatus:
    running: bool
    entries_allowed: bool
    entries_reason: str
    """Why no entries are made, in Korean; empty when they are."""
    started_by: str
    started_at: datetime | None
    armed_until: datetime | None
    """실전 only: until when the one-time code holds."""
    positions: int
    maximum_positions: int
    last_screening: datetime | None
    stocks_evaluated: int
    reached_entry: int
    stream_connected: bool
    last_tick: datetime | None
    notes: tuple[str, ...] = ()


class ArmingRefused(Exception):
    """Wrong or reused one-time code, wrong account digits, too many tries: the message says which, in Korean."""


class Trader(Protocol):
    async def start(self, by: str) -> str:
        """A Korean note, or empty. Raises ArmingRefused where 실전 is not armed, ValueError with a Korean line."""

    async def stop(self, by: str) -> None: ...
    async def pause(self, by: str) -> None: ...
    async def resume(self, by: str) -> None: ...
    def status(self) -> BotStatus: ...
    async def day_summary(self, day: date) -> DaySummary | None: ...
    def want_book(self, code: Code, wanted: bool) -> None:
        """An open ticket shows this order book: stream it while a slot is free."""


class Arming(Protocol):
    """실전 needs intent: the account's last digits once per installation, a one-time code per trading day."""

    @property
    def account_confirmed(self) -> bool: ...
    async def confirm_account(self, digits: str, by: str) -> None:
        """Raises ArmingRefused."""

    async def arm(self, one_time_code: str, by: str) -> datetime:
        """Until when entries are armed. Raises ArmingRefused."""

    async def check_code(self, one_time_code: str, by: str) -> None:
        """A second factor for raising limits and un-latching. Raises ArmingRefused."""

    async def disarm(self, by: str) -> None: ...


# ---------------------------------------------------------------- the house


@dataclass(frozen=True, slots=True)
class Check:
    """One line of 점검. ``advice`` says what to do when it is not well."""

    name: str
    well: bool
    detail: str
    advice: str = ""


class Health(Protocol):
    async def checks(self) -> Sequence[Check]: ...


@dataclass(frozen=True, slots=True)
class Setting:
    """One adjustable strategy or risk setting. ``loosens(new)`` says whether a change needs the second factor."""

    name: str
    label: str
    value: str
    minimum: float
    maximum: float
    unit: str = ""
    higher_is_riskier: bool = True
    adjustable: bool = True


class SettingsDesk(Protocol):
    def list(self) -> Sequence[Setting]: ...
    async def change(self, name: str, value: str, by: str) -> Setting:
        """Durable before it holds. Raises ValueError with a Korean line."""


@dataclass(frozen=True)
class Services:
    """Everything a handler may touch."""

    environment: Environment
    clock: MarketClock
    calendar: TradingCalendar
    events: EventBus
    costs: CostModel
    listing: Listing
    quotes: Quotes
    account: Account
    candles: Candles
    history: DailyHistory
    orders: OrderDesk
    trader: Trader
    pictures: Pictures
    account_tail: str = ""
    source: str = "KIS"
    entry_threshold: float = 55.0
    exit_threshold: float = -40.0
    research: Research | None = None
    forecasts: Forecasts | None = None
    model: ModelInfo | None = None
    analysis: Analysis | None = None
    backtests: Backtests | None = None
    structure: Structure | None = None
    arming: Arming | None = None
    health: Health | None = None
    settings: SettingsDesk | None = None
    index_points: Callable[[], Mapping[Index, tuple[tuple[datetime, float], ...]]] | None = None
    """Today's course of the indices, from the stream."""
    off: Mapping[str, str] = field(default_factory=dict)
    """Part → why it is off, one Korean line."""
