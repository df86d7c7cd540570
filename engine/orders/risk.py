"""The risk gate: one pure function between a wish and the broker.

Rules R1–R17 follow the list that grew out of SEC 15c3-5 and the FIA guide. Entries pass all of them; an exit (a sale
of what the journal holds) passes only those that also hold for reducing risk.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from typing import Final, TypeAlias

from engine.broker import OrderType
from engine.krx import PriceLimits, on_tick
from engine.market import Code, Environment, Phase, SecurityKind, Shares, Side, StockFlag, Won
from engine.orders.values import OrderIntent, Origin, Purpose

NO_ENTRY_FLAGS: Final = frozenset(
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


@dataclass(frozen=True, slots=True, kw_only=True)
class RiskLimits:
    """Every limit is a positive number: none can be switched off. Shares of equity are fractions."""

    order_share: float = 0.35
    order_value: Won = 10_000_000
    order_quantity: Shares = 100_000
    code_share: float = 0.35
    exposure_share: float = 0.95
    positions: int = 3
    """Held or being bought, for entries of the bot."""
    collar: float = 0.03
    quote_age_seconds: float = 5.0
    code_interval_seconds: float = 10.0
    window_seconds: float = 10.0
    orders_per_window: int = 5
    orders_per_day: int = 100
    exits_per_code_and_minute: int = 12
    repeat_minutes: float = 10.0
    repeated_entries: int = 6
    daily_loss: float = 0.03
    drawdown: float = 0.10
    code_rejects: int = 3
    unknown_orders: int = 2
    consecutive_losses: int = 6

    def __post_init__(self) -> None:
        for item in fields(self):
            value = getattr(self, item.name)
            if not value > 0 or value == float("inf"):
                raise ValueError(f"위험 한도 {item.name}은(는) 0보다 큰 유한한 수여야 합니다: {value}")
        for name in ("order_share", "code_share", "exposure_share", "collar", "daily_loss", "drawdown"):
            if getattr(self, name) > 1:
                raise ValueError(f"위험 한도 {name}은(는) 1(100%) 이하여야 합니다: {getattr(self, name)}")


@dataclass(frozen=True, slots=True)
class Resting:
    """An open order, ours or the owner's own. ``price`` 0 is a market order."""

    code: Code
    side: Side
    price: Won
    remaining: Shares
    reserve_price: Won
    external: bool = False
    settled: bool = True
    """False while it is being sent or its outcome is unknown."""


@dataclass(frozen=True, slots=True)
class Sent:
    """An order that left today, for the rates."""

    at: datetime
    code: Code
    origin: Origin
    purpose: Purpose


@dataclass(frozen=True, slots=True, kw_only=True)
class RiskState:
    """Everything the gate looks at, at one instant."""

    now: datetime
    environment_matches: bool
    environment: Environment
    armed: bool
    writer: bool
    """This process holds the journal (lease and fence)."""
    ready: bool
    """Start-up self-test and first reconciliation are done."""
    stop_file: bool
    latches: Mapping[str, str]
    phase: Phase
    equity: Won
    cash: Won
    """Settled cash before reserves."""
    holdings: Mapping[Code, Shares]
    """What the journal holds, cut to what the broker last confirmed where they differ."""
    holding_values: Mapping[Code, Won]
    resting: tuple[Resting, ...]
    sent: tuple[Sent, ...]
    """Today's, oldest first."""
    known_signals: frozenset[str]
    frozen: frozenset[Code]
    code_rejects: int
    unknown_codes: frozenset[Code]
    unknown_count: int
    consecutive_losses: int
    quote: tuple[Won, datetime] | None
    band: PriceLimits | None
    flags: frozenset[StockFlag]
    vi_active: bool
    halted: bool
    kind: SecurityKind
    known_stock: bool


@dataclass(frozen=True, slots=True)
class Allow:
    reserve_price: Won
    """Won a share to set aside for a buy, without commission; 0 for a sale."""


@dataclass(frozen=True, slots=True)
class Deny:
    rule: str
    reason_ko: str


Decision: TypeAlias = Allow | Deny
Rule: TypeAlias = Callable[[RiskLimits, RiskState, OrderIntent], "str | None"]


def reserve_price(state: RiskState, intent: OrderIntent) -> Won:
    """What a share of a buy may cost at most: its limit, or the day's upper limit for a market order."""
    if intent.type is OrderType.LIMIT:
        return intent.price
    return state.band.upper if state.band else 0


def sizing_price(limits: RiskLimits, state: RiskState, intent: OrderIntent) -> Won:
    """The price a buy is measured at: its limit, or the last price plus the collar for a market order."""
    if intent.type is OrderType.LIMIT:
        return intent.price
    assert state.quote is not None
    return int(state.quote[0] * (1 + limits.collar)) + 1


# ---------------------------------------------------------------- rules for every order


def _shape(limits: RiskLimits, state: RiskState, intent: OrderIntent) -> str | None:
    if intent.origin is Origin.EXTERNAL:
        return "외부 주문은 여기서 낼 수 없습니다"
    if (intent.purpose is Purpose.ENTRY) != (intent.side is Side.BUY):
        return "진입은 매수, 청산은 매도만 됩니다(공매도 없음)"
    if intent.quantity <= 0:
        return f"수량이 {intent.quantity}주입니다"
    if intent.price < 0 or (intent.price == 0) != (intent.type is OrderType.MARKET):
        return f"{intent.type.label} 주문의 가격이 {intent.price:,}원입니다"
    if not intent.signal_key or not intent.actor:
        return "주문에 신호 열쇠나 요청자가 없습니다"
    return None


def _writer(limits: RiskLimits, state: RiskState, intent: OrderIntent) -> str | None:
    return None if state.writer else "다른 프로그램이 주문 기록을 쓰고 있어 주문을 내지 않습니다"


def _ready(limits: RiskLimits, state: RiskState, intent: OrderIntent) -> str | None:
    return None if state.ready else "시작 점검과 잔고 대조가 끝나지 않았습니다"


def _environment(limits: RiskLimits, state: RiskState, intent: OrderIntent) -> str | None:
    if not state.environment_matches:
        return "설정과 증권사 연결의 환경(실전·모의)이 다릅니다"
    if state.environment is Environment.REAL and not state.armed and intent.purpose is Purpose.ENTRY:
        return "실전 매매가 켜져 있지 않습니다. 계좌 끝자리와 일회용 코드로 먼저 켜십시오"
    return None


def _duplicate(limits: RiskLimits, state: RiskState, intent: OrderIntent) -> str | None:
    return "같은 신호의 주문이 이미 있습니다" if intent.signal_key in state.known_signals else None


def _in_flight(limits: RiskLimits, state: RiskState, intent: OrderIntent) -> str | None:
    for order in state.resting:
        if not order.settled and order.code == intent.code and order.side is intent.side:
            return f"이 종목의 {intent.side.label} 주문 하나가 아직 확인 중입니다"
    return None


def _halted(limits: RiskLimits, state: RiskState, intent: OrderIntent) -> str | None:
    return "거래정지 종목입니다" if state.halted else None


def _price(limits: RiskLimits, state: RiskState, intent: OrderIntent) -> str | None:
    if intent.type is OrderType.MARKET:
        return None
    if not on_tick(intent.price, state.kind):
        return f"{intent.price:,}원은 호가 단위에 맞지 않습니다"
    if state.band is not None and intent.price not in state.band:
        return f"{intent.price:,}원은 상·하한가({state.band.lower:,}~{state.band.upper:,}원) 밖입니다"
    return None


def _self_trade(limits: RiskLimits, state: RiskState, intent: OrderIntent) -> str | None:
    for order in state.resting:
        if order.code != intent.code or order.side is intent.side:
            continue
        if intent.side is Side.SELL and order.external:
            continue  # the owner's own buy cannot be withdrawn here, and must not trap an exit
        either_market = order.price == 0 or intent.price == 0
        crosses = intent.price >= order.price if intent.side is Side.BUY else intent.price <= order.price
        if either_market or crosses:
            return f"걸려 있는 내 {order.side.label} 주문과 맞부딪힙니다"
    return None


# ---------------------------------------------------------------- rules for entries


def _stopped(limits: RiskLimits, state: RiskState, intent: OrderIntent) -> str | None:
    if state.stop_file:
        return "정지 파일(STOP)이 있어 새로 사지 않습니다"
    return None


def _latched(limits: RiskLimits, state: RiskState, intent: OrderIntent) -> str | None:
    for name in sorted(state.latches):
        return f"보호 장치가 켜져 있습니다: {state.latches[name]}"
    return None


def _session(limits: RiskLimits, state: RiskState, intent: OrderIntent) -> str | None:
    if intent.origin is Origin.BOT and state.phase is not Phase.CONTINUOUS:
        return f"지금은 {state.phase.label}입니다. 자동 진입은 정규장에서만 합니다"
    return _market_open(limits, state, intent)


def _market_open(limits: RiskLimits, state: RiskState, intent: OrderIntent) -> str | None:
    if state.phase in (Phase.OPENING_AUCTION, Phase.CONTINUOUS, Phase.CLOSING_AUCTION):
        return None
    return f"주문을 받는 시간이 아닙니다({state.phase.label})"


def _listed(limits: RiskLimits, state: RiskState, intent: OrderIntent) -> str | None:
    if not state.known_stock:
        return "종목 목록에 없는 코드입니다"
    named = sorted(flag.value for flag in state.flags & NO_ENTRY_FLAGS)
    if named:
        return f"{'·'.join(named)} 종목은 사지 않습니다"
    return "변동성완화장치(VI)가 발동 중입니다" if state.vi_active else None


def _fresh(limits: RiskLimits, state: RiskState, intent: OrderIntent) -> str | None:
    if state.quote is None or state.quote[0] <= 0:
        return "시세가 없습니다"
    if state.band is None:
        return "상·하한가를 알 수 없습니다"
    age = (state.now - state.quote[1]).total_seconds()
    if age > limits.quote_age_seconds:
        return f"시세가 {age:.0f}초 전 것입니다(한도 {limits.quote_age_seconds:g}초)"
    return None


def _collar(limits: RiskLimits, state: RiskState, intent: OrderIntent) -> str | None:
    if intent.type is OrderType.MARKET or state.quote is None:
        return None
    last = state.quote[0]
    off = intent.price / last - 1
    if abs(intent.price - last) > last * limits.collar:
        return f"현재가 {last:,}원과 {100 * off:+.1f}% 떨어져 있습니다(한도 ±{100 * limits.collar:g}%)"
    return None


def _market_entry(limits: RiskLimits, state: RiskState, intent: OrderIntent) -> str | None:
    if intent.type is OrderType.MARKET and intent.origin is not Origin.MANUAL:
        return "자동 진입은 지정가로만 합니다"
    return None


def _order_size(limits: RiskLimits, state: RiskState, intent: OrderIntent) -> str | None:
    value = sizing_price(limits, state, intent) * intent.quantity
    if intent.quantity > limits.order_quantity:
        return f"한 번에 {limits.order_quantity:,}주까지입니다"
    if value > limits.order_value:
        return f"주문 금액 {value:,}원이 한도 {limits.order_value:,}원을 넘습니다"
    if value > limits.order_share * state.equity:
        return f"주문 금액 {value:,}원이 자산의 {100 * limits.order_share:g}%를 넘습니다"
    return None


def _buying(state: RiskState, code: Code | None = None) -> Won:
    return sum(
        order.remaining * order.reserve_price
        for order in state.resting
        if order.side is Side.BUY and code in (None, order.code)
    )


def _exposure(limits: RiskLimits, state: RiskState, intent: OrderIntent) -> str | None:
    value = sizing_price(limits, state, intent) * intent.quantity
    in_code = state.holding_values.get(intent.code, 0) + _buying(state, intent.code) + value
    if in_code > limits.code_share * state.equity:
        return f"이 종목에 {in_code:,}원: 자산의 {100 * limits.code_share:g}%를 넘습니다"
    total = sum(state.holding_values.values()) + _buying(state) + value
    if total > limits.exposure_share * state.equity:
        return f"주식 {total:,}원: 자산의 {100 * limits.exposure_share:g}%를 넘습니다"
    return None


def _positions(limits: RiskLimits, state: RiskState, intent: OrderIntent) -> str | None:
    if intent.origin is not Origin.BOT:
        return None
    taken = {code for code, quantity in state.holdings.items() if quantity > 0}
    taken |= {order.code for order in state.resting if order.side is Side.BUY and not order.external}
    if len(taken | {intent.code}) > limits.positions:
        return f"보유 종목이 {limits.positions}개까지입니다"
    return None


def _cash(limits: RiskLimits, state: RiskState, intent: OrderIntent) -> str | None:
    needed = reserve_price(state, intent) * intent.quantity
    needed += needed // 1_000  # room for the commission, whatever the account pays
    free = state.cash - _buying(state) - _buying(state) // 1_000
    if needed > free:
        return f"주문 가능 현금 {max(0, free):,}원보다 큽니다({needed:,}원 필요)"
    return None


def _rates(limits: RiskLimits, state: RiskState, intent: OrderIntent) -> str | None:
    if len(state.sent) >= limits.orders_per_day:
        return f"하루 {limits.orders_per_day}건까지입니다"
    window = state.now - timedelta(seconds=limits.window_seconds)
    if sum(order.at > window for order in state.sent) >= limits.orders_per_window:
        return f"{limits.window_seconds:g}초에 {limits.orders_per_window}건까지입니다"
    interval = state.now - timedelta(seconds=limits.code_interval_seconds)
    if any(order.code == intent.code and order.at > interval for order in state.sent):
        return f"같은 종목은 {limits.code_interval_seconds:g}초에 한 건입니다"
    return None


def _repeats(limits: RiskLimits, state: RiskState, intent: OrderIntent) -> str | None:
    if intent.origin is not Origin.BOT:
        return None
    since = state.now - timedelta(minutes=limits.repeat_minutes)
    entries = sum(
        order.at > since and order.origin is Origin.BOT and order.purpose is Purpose.ENTRY for order in state.sent
    )
    if entries >= limits.repeated_entries:
        return f"자동 진입이 {limits.repeat_minutes:g}분에 {entries}번입니다. 사람이 살필 때까지 쉽니다"
    return None


def _trouble(limits: RiskLimits, state: RiskState, intent: OrderIntent) -> str | None:
    if intent.code in state.frozen:
        return "증권사 잔고와 기록이 달라 이 종목을 멈췄습니다. 차이를 확인하십시오"
    if intent.code in state.unknown_codes:
        return "이 종목의 주문 하나가 확인 중입니다"
    if state.unknown_count >= limits.unknown_orders:
        return f"확인 중인 주문이 {state.unknown_count}건이라 새로 사지 않습니다"
    if state.code_rejects >= limits.code_rejects:
        return f"이 종목의 주문이 오늘 {state.code_rejects}번 거부되었습니다"
    if intent.origin is Origin.BOT and state.consecutive_losses >= limits.consecutive_losses:
        return f"{state.consecutive_losses}번 이어서 손실이 났습니다. 오늘은 자동으로 사지 않습니다"
    return None


# ---------------------------------------------------------------- rules for exits


def sellable(state: RiskState, code: Code) -> Shares:
    """Shares held less those that open sales already claim."""
    claimed = sum(order.remaining for order in state.resting if order.side is Side.SELL and order.code == code)
    return max(0, state.holdings.get(code, 0) - claimed)


def _holding(limits: RiskLimits, state: RiskState, intent: OrderIntent) -> str | None:
    free = sellable(state, intent.code)
    if intent.quantity > free:
        return f"팔 수 있는 수량은 {free:,}주입니다"
    return None


def _manual_collar(limits: RiskLimits, state: RiskState, intent: OrderIntent) -> str | None:
    """A typing error must not sell far below the market; a sale above it only waits, and rules sell at any price."""
    if intent.origin is not Origin.MANUAL or intent.type is OrderType.MARKET or state.quote is None:
        return None
    last = state.quote[0]
    if intent.price < last * (1 - limits.collar):
        return f"현재가 {last:,}원보다 {100 * limits.collar:g}% 넘게 낮습니다. 급하면 시장가로 파십시오"
    return None


def _exit_rate(limits: RiskLimits, state: RiskState, intent: OrderIntent) -> str | None:
    if intent.origin is Origin.PANIC:
        return None
    since = state.now - timedelta(minutes=1)
    tries = sum(o.at > since and o.code == intent.code and o.purpose is Purpose.EXIT for o in state.sent)
    if tries >= limits.exits_per_code_and_minute:
        return f"이 종목의 매도를 1분에 {tries}번 시도했습니다. 잠시 뒤 다시 합니다"
    return None


COMMON: Final[tuple[tuple[str, Rule], ...]] = (
    ("R14", _writer),
    ("R16", _ready),
    ("R13", _environment),
    ("R17", _shape),
    ("R5", _duplicate),
    ("R9", _in_flight),
    ("R12", _halted),
    ("R3", _price),
    ("R7", _self_trade),
)
ENTRY: Final[tuple[tuple[str, Rule], ...]] = (
    ("R15", _stopped),
    ("R8", _latched),
    ("R12", _session),
    ("R12", _listed),
    ("R9", _trouble),
    ("R4", _fresh),
    ("R3", _collar),
    ("R1", _market_entry),
    ("R1", _order_size),
    ("R2", _exposure),
    ("R2", _positions),
    ("R10", _cash),
    ("R6", _rates),
    ("R7", _repeats),
)
EXIT: Final[tuple[tuple[str, Rule], ...]] = (
    ("R12", _market_open),
    ("R11", _holding),
    ("R3", _manual_collar),
    ("R6", _exit_rate),
)


def evaluate(limits: RiskLimits, state: RiskState, intent: OrderIntent) -> Decision:
    """Allow or deny. The first rule that objects speaks."""
    for rule, check in COMMON + (ENTRY if intent.purpose is Purpose.ENTRY else EXIT):
        if (reason := check(limits, state, intent)) is not None:
            return Deny(rule, reason)
    return Allow(reserve_price(state, intent) if intent.side is Side.BUY else 0)


def losses(limits: RiskLimits, equity: Won, day_start: Won, peak: Won) -> tuple[tuple[str, str], ...]:
    """(latch name, Korean reason) of each loss limit that ``equity`` breaks."""
    broken = []
    if day_start > 0 and equity <= day_start * (1 - limits.daily_loss):
        change = 100 * (equity / day_start - 1)
        broken.append(("daily_loss", f"일일 손실 한도 -{100 * limits.daily_loss:g}% (지금 {change:+.2f}%)"))
    if peak > 0 and equity <= peak * (1 - limits.drawdown):
        change = 100 * (equity / peak - 1)
        broken.append(("drawdown", f"최고점 대비 손실 한도 -{100 * limits.drawdown:g}% (지금 {change:+.2f}%)"))
    return tuple(broken)
