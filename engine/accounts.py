"""What happened in the account: trades, positions, orders, the day. Values only."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum

from engine.findings import (
    Stamp,
)
from engine.market import (
    Bars,
    Code,
    Environment,
    Shares,
    Side,
    Stock,
    Won,
)

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
