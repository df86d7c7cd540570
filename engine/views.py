"""What pictures are drawn from. Values only."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal, TypeAlias

from engine.accounts import (
    DayReport,
    OrderLine,
)
from engine.findings import (
    LabelledNews,
    PastForecast,
    Prediction,
    Score,
    ScreeningReport,
    Signal,
    Stamp,
)
from engine.market import (
    Bars,
    Code,
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
