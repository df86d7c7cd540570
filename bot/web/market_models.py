"""What the market and research endpoints answer. Money is whole won; times are aware KST."""

from __future__ import annotations

from datetime import date, datetime
from typing import Literal

from pydantic import Field

from bot.web.models import Answer, Point

CODE_PATTERN = r"^([0-9][0-9A-Z]{5}|Q[0-9]{6})$"


class Dated(Answer):
    """What every answer about the market carries."""

    at: datetime = Field(description="자료 시각 (KST)", examples=["2026-03-03T10:31:05+09:00"])
    source: str = Field(examples=["시뮬레이터"])
    environment: Literal["real", "mock", "simulator"] = Field(examples=["simulator"])
    fictional: bool = Field(description="참이면 가상의 시세", examples=[True])


class StockRow(Answer):
    code: str = Field(examples=["005930"])
    name: str = Field(examples=["삼성전자"])
    market: str = Field(examples=["KOSPI"])
    sector: str = Field(examples=["반도체"])
    market_cap: int = Field(examples=[430_000_000_000_000])
    flags: list[str] = Field(description="신규 진입을 막는 사유", examples=[[]])
    price: int | None = Field(description="마지막으로 본 가격. 아직 없으면 null", examples=[71_900])
    change_percent: float | None = Field(examples=[1.84])
    price_at: datetime | None


class StockPage(Answer):
    total: int = Field(examples=[2_700])
    page: int = Field(examples=[1])
    size: int = Field(examples=[50])
    source: str
    as_of: datetime | None
    items: list[StockRow]


class Price(Dated):
    code: str = Field(examples=["005930"])
    name: str = Field(examples=["삼성전자"])
    price: int = Field(description="한 번도 거래되지 않았으면 0", examples=[71_900])
    previous_close: int = Field(examples=[70_600])
    change: int = Field(examples=[1_300])
    change_percent: float = Field(examples=[1.84])
    open: int
    high: int
    low: int
    volume: int
    value: int
    upper_limit: int
    lower_limit: int
    halted: bool
    vi_active: bool
    flags: list[str]


class Bar(Answer):
    date: date
    open: int
    high: int
    low: int
    close: int
    volume: int


class DailyBars(Dated):
    code: str
    bars: list[Bar] = Field(description="완성된 수정주가 일봉, 오래된 것부터, 최대 60개", max_length=60)


class Level(Answer):
    price: int
    quantity: int


class Book(Dated):
    code: str
    asks: list[Level] = Field(description="낮은 가격부터", max_length=10)
    bids: list[Level] = Field(description="높은 가격부터", max_length=10)
    total_ask: int
    total_bid: int
    expected_price: int = Field(description="단일가 시간 밖에서는 0")
    expected_volume: int


class FactorPoints(Answer):
    factor: str = Field(examples=["rsi"])
    label: str = Field(examples=["RSI"])
    points: float
    maximum: int
    reason: str
    defined: bool


class ScoreModel(Answer):
    total: float
    daily_points: float = Field(description="준비 점수 (65점 만점)")
    live_points: float = Field(description="진입 점수 (35점 만점)")
    factors: list[FactorPoints]


class PredictionModel(Answer):
    horizon: int = Field(description="며칠 뒤 종가인가", examples=[5])
    last_close: float
    change_percent: float = Field(description="중앙값의 변동률", examples=[2.1])
    band: dict[str, float] | None = Field(description="종가 분위수 (원)", examples=[{"p10": 66_000.0, "p50": 73_000.0}])
    path: list[float]
    rank: float
    direction: Literal["stronger", "weaker", "neutral"]
    probability: float
    skill: str = Field(description="표본 밖에서 보인 실력, 한 문장")
    gate: float = Field(description="0이면 점수에 반영하지 않음")
    model_id: str
    as_of: date | None
    trained_until: date | None
    absent: str = Field(description="예측이 없으면 그 이유")


class Prediction(Dated):
    code: str
    name: str
    prediction: PredictionModel
    disclaimer: str


class RecommendationRow(Answer):
    code: str
    name: str
    market: str
    sector: str
    score: ScoreModel
    price: int | None
    change_percent: float | None
    prediction: PredictionModel | None


class Recommendations(Dated):
    evaluated: int = Field(description="평가한 종목 수")
    reached_entry: int = Field(description="매수 기준 이상인 종목 수")
    entry_threshold: float
    items: list[RecommendationRow] = Field(max_length=20)
    excluded: int
    failed: int
    price_source: str
    disclaimer: str


class NewsRow(Answer):
    at: datetime
    title: str
    publisher: str
    link: str
    sentiment: Literal["positive", "neutral", "negative"]
    reason: str
    by: str = Field(description="규칙, 또는 AI 모델 이름")
    fictional: bool


class News(Dated):
    code: str
    name: str
    positive: int
    neutral: int
    negative: int
    items: list[NewsRow]


class SignalModel(Dated):
    code: str
    name: str
    verdict: Literal["buy", "hold", "sell"]
    verdict_label: str = Field(examples=["관망"])
    confidence: float
    reasons: list[str]
    risks: list[str]
    score: ScoreModel | None
    news: list[NewsRow]
    by: str
    disclaimer: str


class SectorReturn(Answer):
    sector: str
    change: float


class ReportModel(Dated):
    day: date
    account_text: str
    market_text: str
    plan_text: str
    by: str
    trades: int
    realised: int
    fees: int
    taxes: int
    equity_start: int
    equity_end: int
    sector_returns: list[SectorReturn]


class IndexRow(Answer):
    code: str = Field(examples=["0001"])
    name: str = Field(examples=["코스피"])
    at: datetime
    value: float
    change: float
    change_percent: float
    course: list[Point] = Field(description="오늘의 흐름 (최대 120점)")


class Indices(Answer):
    source: str
    environment: str
    fictional: bool
    items: list[IndexRow]
    missing: dict[str, str] = Field(description="읽지 못한 지수와 이유")
