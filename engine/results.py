"""Results that cross folders: scores, forecasts, signals, reports, view data for charts. Values only."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum
from typing import Literal, TypeAlias

from engine.market import (
    Bars,
    Code,
    Environment,
    Index,
    IndexQuote,
    Interval,
    OrderBook,
    Quote,
    Shares,
    Side,
    Stock,
    Won,
)


@dataclass(frozen=True, slots=True)
class Stamp:
    """What every image and reply carries: data time, source, environment."""

    at: datetime
    source: str
    environment: Environment
    account_tail: str = ""
    """Last digits of the account where the content is about it."""

    @property
    def fictional(self) -> bool:
        """Prices of real names in the simulator are marked 가상."""
        return self.environment is Environment.SIMULATOR


# ---------------------------------------------------------------- scoring


class Factor(StrEnum):
    RSI = "rsi"
    MACD = "macd"
    BOLLINGER = "bollinger"
    BREAKOUT = "breakout"
    DAILY_FVG = "daily_fvg"
    ORDER_BLOCK = "order_block"
    FIFTEEN_FVG = "fifteen_fvg"
    STRUCTURE = "structure"
    DIRECTION = "direction"

    @property
    def label(self) -> str:
        return {
            "rsi": "RSI",
            "macd": "MACD",
            "bollinger": "볼린저밴드",
            "breakout": "변동성 돌파",
            "daily_fvg": "일봉 FVG",
            "order_block": "오더블록",
            "fifteen_fvg": "15분봉 FVG",
            "structure": "구조(BOS/CHoCH)",
            "direction": "예측 방향",
        }[self.value]

    @property
    def maximum(self) -> int:
        return {
            "rsi": 15,
            "macd": 15,
            "bollinger": 10,
            "breakout": 12,
            "daily_fvg": 8,
            "order_block": 7,
            "fifteen_fvg": 15,
            "structure": 8,
            "direction": 10,
        }[self.value]

    @property
    def daily(self) -> bool:
        """Daily factors make the 준비 점수 (of 65); the others the 진입 점수 (of 35)."""
        return self not in (Factor.BREAKOUT, Factor.FIFTEEN_FVG, Factor.STRUCTURE)


@dataclass(frozen=True, slots=True)
class FactorScore:
    """Points in [−maximum, +maximum] with the reason, holding its numbers, in both languages."""

    factor: Factor
    points: float
    reason: str
    reason_en: str
    defined: bool = True
    """False where the input is missing: 0 points, and the reason says so."""


@dataclass(frozen=True, slots=True)
class Score:
    code: Code
    at: datetime
    factors: tuple[FactorScore, ...]
    input_digest: str

    @property
    def total(self) -> float:
        return sum(f.points for f in self.factors)

    @property
    def daily_points(self) -> float:
        return sum(f.points for f in self.factors if f.factor.daily)

    @property
    def live_points(self) -> float:
        return sum(f.points for f in self.factors if not f.factor.daily)


@dataclass(frozen=True, slots=True)
class Recommendation:
    """One row of the recommendation table."""

    stock: Stock
    score: Score
    quote: Quote | None
    prediction: Prediction | None
    closes: tuple[float, ...] = ()
    """Recent daily closes for a sparkline, oldest first."""


@dataclass(frozen=True, slots=True)
class ScreeningReport:
    at: datetime
    recommendations: tuple[Recommendation, ...]
    evaluated: int
    reached_entry: int
    """How many scored at or above the entry threshold."""
    excluded: dict[Code, str]
    """Stocks left out before scoring (warnings, bad data), with the reason."""
    failed: dict[Code, str]
    price_source: str
    seconds: float
    market_seconds: float = 0.0
    totals: dict[Code, float] = field(default_factory=dict)
    """Total of every stock that was scored with its fifteen-minute bars."""


# ---------------------------------------------------------------- forecast


@dataclass(frozen=True, slots=True)
class Band:
    """Quantiles of the close ``horizon`` trading days ahead, in won."""

    p10: float
    p25: float
    p50: float
    p75: float
    p90: float


@dataclass(frozen=True, slots=True)
class SkillSummary:
    """What the model has shown out of sample, against naive baselines. ``gate`` in 0..1 multiplies the points."""

    rank_ic: float
    residual_rank_ic: float
    null_deviation: float
    low_volatility_rank_ic: float
    coverage: float
    window: str
    gate: float
    verdict: str
    """One plain Korean sentence."""


@dataclass(frozen=True, slots=True)
class Prediction:
    """A forecast 5 trading days ahead, or the reason why there is none (``absent``)."""

    code: Code
    last_close: float = 0.0
    horizon: int = 5
    band: Band | None = None
    path: tuple[float, ...] = ()
    """Median path of the closes of days 1..horizon (참고)."""
    rank: float = 0.5
    """Percentile among the market, 0 worst, 1 best."""
    direction: Literal["stronger", "weaker", "neutral"] = "neutral"
    probability: float = 0.5
    """P(beats the market median)."""
    skill: SkillSummary | None = None
    trained_until: date | None = None
    model_id: str = ""
    as_of: date | None = None
    absent: str = ""

    @property
    def available(self) -> bool:
        return self.band is not None

    @property
    def change_percent(self) -> float:
        """Median change, percent."""
        if self.band is None or not self.last_close:
            return 0.0
        return 100.0 * (self.band.p50 / self.last_close - 1.0)


@dataclass(frozen=True, slots=True)
class PastForecast:
    made_on: date
    band: Band
    rank: float
    realised: float | None


# ---------------------------------------------------------------- news and words


class Sentiment(StrEnum):
    POSITIVE = "positive"
    NEUTRAL = "neutral"
    NEGATIVE = "negative"

    @property
    def label(self) -> str:
        return {"positive": "긍정", "neutral": "중립", "negative": "부정"}[self.value]


@dataclass(frozen=True, slots=True)
class NewsItem:
    at: datetime
    title: str
    publisher: str
    link: str
    codes: tuple[Code, ...] = ()
    fictional: bool = False


@dataclass(frozen=True, slots=True)
class LabelledNews:
    item: NewsItem
    sentiment: Sentiment
    reason: str
    by: str
    """Model name, or "규칙"."""


class Verdict(StrEnum):
    BUY = "buy"
    HOLD = "hold"
    SELL = "sell"

    @property
    def label(self) -> str:
        return {"buy": "매수", "hold": "관망", "sell": "매도"}[self.value]


@dataclass(frozen=True, slots=True)
class Signal:
    """The analysis of one stock (분석): never an order."""

    stock: Stock
    verdict: Verdict
    confidence: float
    reasons: tuple[str, ...]
    risks: tuple[str, ...]
    score: Score | None
    news: tuple[LabelledNews, ...]
    by: str
    dropped_sentences: int = 0


@dataclass(frozen=True, slots=True)
class DayReport:
    """The daily report: the account part is written locally by template, the market part may be AI text."""

    day: date
    summary: DaySummary
    account_text: str
    market_text: str
    plan_text: str
    by: str
    sector_returns: tuple[tuple[str, float], ...] = ()
    dropped_sentences: int = 0


# ---------------------------------------------------------------- trading views


class ExitReason(StrEnum):
    STRUCTURE_STOP = "structure_stop"
    FIXED_STOP = "fixed_stop"
    TAKE_PROFIT = "take_profit"
    SCORE = "score"
    TRAILING = "trailing"
    CLOSE_OUT = "close_out"
    MANUAL = "manual"
    PANIC = "panic"

    @property
    def label(self) -> str:
        return {
            "structure_stop": "FVG 구조 손절",
            "fixed_stop": "고정 손절 -3%",
            "take_profit": "익절",
            "score": "매도 점수",
            "trailing": "보유 만기 추적 청산",
            "close_out": "장 마감 청산",
            "manual": "수동",
            "panic": "비상 청산",
        }[self.value]


@dataclass(frozen=True, slots=True)
class Trade:
    """A closed round trip with its costs; every figure comes from fills the broker confirmed."""

    code: Code
    name: str
    quantity: Shares
    entry_at: datetime
    entry_price: float
    exit_at: datetime
    exit_price: float
    fees: Won
    taxes: Won
    reason: ExitReason
    entry_score: float | None = None
    entry_reasons: tuple[str, ...] = ()

    @property
    def profit(self) -> Won:
        return round(self.quantity * (self.exit_price - self.entry_price)) - self.fees - self.taxes

    @property
    def profit_percent(self) -> float:
        cost = self.quantity * self.entry_price
        return 100.0 * self.profit / cost if cost else 0.0


@dataclass(frozen=True, slots=True)
class DaySummary:
    day: date
    environment: Environment
    trades: tuple[Trade, ...]
    open_positions: tuple[PositionView, ...]
    buys: int
    sells: int
    rejected: int
    fees: Won
    taxes: Won
    realised: Won
    equity_start: Won
    equity_end: Won
    evaluated: int
    evaluations_at_entry: int
    """How many evaluations reached the entry threshold."""
    highest_score: float
    notes: tuple[str, ...] = ()
    explanations: dict[Code, str] = field(default_factory=dict)
    """Why each stock that was looked at was not bought."""
    speed: float = 0.0
    loop_lag_p99_ms: float = 0.0
    memory_mb: float = 0.0
    parity: str = ""
    journal_hash: str = ""
    """Hash over decisions, orders and fills with their market times: equal days, equal hash."""


@dataclass(frozen=True, slots=True)
class PositionView:
    stock: Stock
    quantity: Shares
    average_price: float
    price: Won
    previous_close: Won
    stop_price: Won = 0
    target_price: Won = 0
    entry_at: datetime | None = None
    bars_held: int = 0

    @property
    def value(self) -> Won:
        return self.quantity * self.price

    @property
    def profit(self) -> Won:
        return round(self.quantity * (self.price - self.average_price))

    @property
    def profit_percent(self) -> float:
        return 100.0 * (self.price / self.average_price - 1.0) if self.average_price else 0.0

    @property
    def day_percent(self) -> float:
        return 100.0 * (self.price / self.previous_close - 1.0) if self.previous_close else 0.0


@dataclass(frozen=True, slots=True)
class PortfolioView:
    stamp: Stamp
    cash: Won
    equity: Won
    positions: tuple[PositionView, ...]
    equity_curve: tuple[tuple[datetime, Won], ...] = ()
    realised_today: Won = 0


@dataclass(frozen=True, slots=True)
class OrderLine:
    """One of our orders, for lists and for marks in the order book."""

    order_id: str
    code: Code
    name: str
    side: Side
    price: Won
    quantity: Shares
    filled: Shares
    state: str
    """Korean state label."""
    at: datetime
    cancellable: bool = False


# ---------------------------------------------------------------- chart inputs


Mark: TypeAlias = tuple[datetime, float, Literal["buy", "sell"], str]


@dataclass(frozen=True, slots=True)
class Zone:
    """A price zone on a chart: FVG or order block, with its fill state."""

    kind: Literal["fvg", "order_block"]
    bullish: bool
    bottom: float
    top: float
    born: datetime
    ended: datetime | None = None
    fill: Literal["open", "touched", "half", "filled"] = "open"


@dataclass(frozen=True, slots=True)
class StructureEvent:
    kind: Literal["BOS", "CHoCH"]
    up: bool
    at: datetime
    pivot_at: datetime
    level: float


@dataclass(frozen=True, slots=True)
class CandleChart:
    stock: Stock
    interval: Interval
    bars: Bars
    stamp: Stamp
    previous_close: float | None = None
    overlays: Literal["moving_averages", "bollinger", "none"] = "moving_averages"
    zones: tuple[Zone, ...] = ()
    events: tuple[StructureEvent, ...] = ()
    marks: tuple[Mark, ...] = ()
    stop_price: float | None = None
    target_price: float | None = None
    upper_limit: float | None = None
    lower_limit: float | None = None
    vi_times: tuple[datetime, ...] = ()
    note: str = ""
    """A line about the data shown in the picture: halted, gaps, delayed, why there are no bars."""


@dataclass(frozen=True, slots=True)
class IntradayChart:
    stock: Stock
    points: tuple[tuple[datetime, float, int], ...]
    """(time, price, volume since the last point), oldest first."""
    previous_close: float
    stamp: Stamp
    upper_limit: float | None = None
    lower_limit: float | None = None
    note: str = ""


@dataclass(frozen=True, slots=True)
class BookChart:
    stock: Stock
    book: OrderBook
    quote: Quote
    stamp: Stamp
    own_orders: tuple[OrderLine, ...] = ()


@dataclass(frozen=True, slots=True)
class ScoreCard:
    """The score of one stock as a picture; thresholds come from the strategy settings in force."""

    stock: Stock
    score: Score
    stamp: Stamp
    quote: Quote | None = None
    entry_threshold: float = 55.0
    exit_threshold: float = -40.0


@dataclass(frozen=True, slots=True)
class RecommendationTable:
    report: ScreeningReport
    stamp: Stamp
    entry_threshold: float = 55.0


@dataclass(frozen=True, slots=True)
class NewsCard:
    """Labelled headlines of one stock, or of the market where ``stock`` is None."""

    news: tuple[LabelledNews, ...]
    stamp: Stamp
    stock: Stock | None = None


@dataclass(frozen=True, slots=True)
class SignalCard:
    signal: Signal
    stamp: Stamp


@dataclass(frozen=True, slots=True)
class ReportCard:
    """The daily report as a picture."""

    report: DayReport
    stamp: Stamp


@dataclass(frozen=True, slots=True)
class HeatmapCell:
    name: str
    code: Code
    sector: str
    weight: float
    change_percent: float


@dataclass(frozen=True, slots=True)
class Heatmap:
    title: str
    cells: tuple[HeatmapCell, ...]
    stamp: Stamp


@dataclass(frozen=True, slots=True)
class IndexPanel:
    indices: tuple[IndexQuote, ...]
    intraday: dict[Index, tuple[tuple[datetime, float], ...]]
    stamp: Stamp


@dataclass(frozen=True, slots=True)
class PredictionChart:
    stock: Stock
    bars: Bars
    prediction: Prediction
    past: tuple[PastForecast, ...]
    stamp: Stamp


@dataclass(frozen=True, slots=True)
class TicketPreview:
    """What a person is about to confirm."""

    stock: Stock
    side: Side
    price: Won
    """0 for a market order."""
    quantity: Shares
    estimated_cost: Won
    fees: Won
    taxes: Won
    orderable_cash: Won
    position_after: Shares
    limits: tuple[tuple[str, float], ...]
    """(limit name in Korean, share used 0..1)."""
    stamp: Stamp
    target_price: Won = 0
    target_profit: Won = 0
    stop_price: Won = 0
    stop_loss: Won = 0


# ---------------------------------------------------------------- backtest


@dataclass(frozen=True, slots=True)
class BacktestMetrics:
    total_return: float
    annual_return: float
    maximum_drawdown: float
    win_rate: float
    profit_factor: float
    """Gross profit / gross loss."""
    payoff_ratio: float
    """Average win / average loss (손익비)."""
    sharpe: float
    sortino: float
    calmar: float
    exposure: float
    turnover: float
    costs: Won
    trades: int
    buy_and_hold: float
    benchmark: float | None = None
    intervals: dict[str, tuple[float, float]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class BacktestReport:
    title: str
    codes: tuple[Code, ...]
    first: date
    last: date
    metrics: BacktestMetrics
    trades: tuple[Trade, ...]
    equity: tuple[tuple[datetime, float], ...]
    buy_and_hold_equity: tuple[tuple[datetime, float], ...]
    bars: Bars | None
    """Prices of the stock for a single-stock run."""
    warnings: tuple[str, ...]
    stamp: Stamp
    settings: dict[str, str] = field(default_factory=dict)
