"""What was found out about stocks: scores, forecasts, news and signals. Values only."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum
from typing import Literal

from engine.market import (
    Code,
    Environment,
    Quote,
    Stock,
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
    facts: tuple[str, ...] = ()
    """What the opinion rests on, one fact a line."""
