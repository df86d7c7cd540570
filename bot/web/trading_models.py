"""What the trading and backtest endpoints take and answer. Money is whole won."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Literal

from pydantic import Field, StringConstraints, model_validator

from bot.web.market_models import CODE_PATTERN, Dated
from bot.web.models import Answer, Model, Point

OneCode = Annotated[str, StringConstraints(pattern=CODE_PATTERN)]
MAXIMUM_QUANTITY = 10_000_000
MAXIMUM_PRICE = 100_000_000


class OrderBody(Model):
    """지정가는 `price`가 필요하고, 시장가는 `price`를 비웁니다."""

    code: OneCode = Field(examples=["005930"])
    quantity: int = Field(ge=1, le=MAXIMUM_QUANTITY, examples=[10])
    type: Literal["limit", "market"] = Field("limit", description="지정가 또는 시장가")
    price: int | None = Field(None, ge=1, le=MAXIMUM_PRICE, examples=[71_900])

    @model_validator(mode="after")
    def _price(self) -> OrderBody:
        if (self.type == "limit") != (self.price is not None):
            raise ValueError("지정가에는 price 가 필요하고 시장가에는 price 를 비워야 합니다")
        return self


class OrderRequest(OrderBody):
    confirmation: Annotated[str, StringConstraints(max_length=60, pattern=r"^[A-Za-z0-9_-]*$")] = Field(
        "", description="미리보기에서 받은 확인 번호. 없으면 Idempotency-Key 머리말이 필요합니다"
    )


class PreviewRequest(OrderBody):
    side: Literal["buy", "sell"]


class LimitUsed(Answer):
    name: str = Field(examples=["1회 주문 금액"])
    share: float = Field(description="1을 넘으면 거절", examples=[0.21])


class PreviewModel(Dated):
    code: str
    name: str
    side: Literal["buy", "sell"]
    type: Literal["limit", "market"]
    quantity: int
    price: int = Field(description="시장가이면 지금의 최우선 호가")
    amount: int = Field(description="매수: 드는 돈, 매도: 받는 돈 (수수료·세금 포함)")
    fees: int
    taxes: int
    allowed: bool
    reason: str = Field(description="거절될 주문이면 그 까닭")
    limits: list[LimitUsed]
    confirmation: str = Field(description="60초 안에 한 번 쓸 수 있는 확인 번호. 거절될 주문이면 빈 글")
    seconds: int


class OrderResult(Answer):
    """접수(accepted)까지만 말합니다. 체결은 /ws/trades 와 주문 목록으로 알립니다."""

    state: Literal["accepted", "denied", "rejected", "not_sent", "unknown"]
    order_id: str
    message: str
    code: str
    side: Literal["buy", "sell"]
    quantity: int
    price: int = Field(description="0이면 시장가")
    replayed: bool = Field(description="같은 Idempotency-Key 로 이미 처리한 주문의 답")


class OrderRow(Answer):
    order_id: str
    code: str
    name: str
    side: Literal["buy", "sell"]
    price: int
    quantity: int
    filled: int
    state: str = Field(examples=["접수"])
    at: datetime
    cancellable: bool


class Orders(Answer):
    day: date
    items: list[OrderRow]


class HoldingRow(Answer):
    code: str
    name: str
    sector: str
    quantity: int
    sellable: int
    average_price: float
    price: int
    value: int
    profit: int
    profit_percent: float
    weight: float = Field(description="평가금액에서의 비중 0..1")
    stop_price: int = Field(description="봇이 지키는 손절가. 없으면 0")
    target_price: int
    day_percent: float | None


class Portfolio(Dated):
    account_tail: str
    cash: int = Field(description="D+2 예수금")
    deposit: int
    equity: int
    profit: int = Field(description="보유 종목의 평가손익")
    realised_today: int
    holdings: list[HoldingRow]
    equity_curve: list[Point]


class HeatCell(Answer):
    code: str
    name: str
    weight: float
    change_percent: float


class HeatSector(Answer):
    sector: str
    weight: float
    change_percent: float
    cells: list[HeatCell]


class HeatmapModel(Dated):
    scope: Literal["mine", "market"]
    sectors: list[HeatSector] = Field(description="비중이 큰 섹터부터")


class BotModel(Answer):
    running: bool
    entries_allowed: bool
    entries_reason: str
    started_by: str
    started_at: datetime | None
    armed_until: datetime | None
    positions: int
    maximum_positions: int
    last_screening: datetime | None
    stocks_evaluated: int
    reached_entry: int
    stream_connected: bool
    last_tick: datetime | None
    notes: list[str]
    note: str = ""
    market_time: datetime


class BacktestBody(Model):
    code: OneCode = Field(examples=["005930"])
    days: int = Field(120, ge=5, le=2_000, description="거래일 수", examples=[60])
    take_profit_pct: float | None = Field(None, gt=0, le=100, description="익절 %. 비우면 지금의 설정")
    max_hold_bars: int | None = Field(None, ge=1, le=2_000, description="최대 보유 15분봉 수. 비우면 지금의 설정")


class TradeRow(Answer):
    code: str
    name: str
    quantity: int
    entry_at: datetime
    entry_price: float
    exit_at: datetime
    exit_price: float
    profit: int
    profit_percent: float
    fees: int
    taxes: int
    reason: str


class BacktestResult(Dated):
    title: str
    codes: list[str]
    first: date
    last: date
    total_return: float
    annual_return: float
    maximum_drawdown: float
    win_rate: float
    payoff_ratio: float
    profit_factor: float
    sharpe: float
    trades_count: int
    costs: int
    buy_and_hold: float
    trades: list[TradeRow] = Field(description="최근 거래부터, 최대 200개")
    equity: list[Point] = Field(description="최대 300점")
    warnings: list[str]
    settings: dict[str, str]
    disclaimer: str


class Job(Answer):
    id: str
    state: Literal["running", "done", "failed", "cancelled"]
    progress: float = Field(description="0..1")
    word: str = Field(description="지금 하는 일")
    problem: str
    result: BacktestResult | None
