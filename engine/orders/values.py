"""What the order desk takes in and shows: intents, records, positions, reports. Frozen values, no I/O."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum
from typing import Protocol

from engine.broker import OrderKey, OrderType
from engine.krx import PriceLimits
from engine.market import Code, Phase, Shares, Side, Stock, StockFlag, Won
from engine.results import ExitReason, OrderLine


class Origin(StrEnum):
    """Who wants an order. EXTERNAL orders came from elsewhere (the owner's phone): shown, never touched."""

    BOT = "bot"
    MANUAL = "manual"
    PANIC = "panic"
    EXTERNAL = "external"

    @property
    def label(self) -> str:
        return {"bot": "자동", "manual": "수동", "panic": "비상", "external": "외부"}[self.value]


class Purpose(StrEnum):
    """ENTRY buys, EXIT sells what is held. There is no short selling."""

    ENTRY = "entry"
    EXIT = "exit"


class OrderState(StrEnum):
    PREPARED = "prepared"
    SENDING = "sending"
    ACCEPTED = "accepted"
    PARTIALLY_FILLED = "partially_filled"
    FILLED = "filled"
    CANCELLED = "cancelled"
    REJECTED = "rejected"
    DENIED = "denied"
    NOT_SENT = "not_sent"
    UNKNOWN = "unknown"

    @property
    def label(self) -> str:
        return _STATE_LABELS[self]

    @property
    def open(self) -> bool:
        """True while the order can still take cash or shares."""
        return self in _OPEN

    @property
    def resting(self) -> bool:
        """True while the broker is known to have it in its book."""
        return self in (OrderState.ACCEPTED, OrderState.PARTIALLY_FILLED)


_STATE_LABELS = {
    OrderState.PREPARED: "준비",
    OrderState.SENDING: "전송 중",
    OrderState.ACCEPTED: "접수",
    OrderState.PARTIALLY_FILLED: "일부 체결",
    OrderState.FILLED: "체결",
    OrderState.CANCELLED: "취소",
    OrderState.REJECTED: "거부(증권사)",
    OrderState.DENIED: "거절(위험 한도)",
    OrderState.NOT_SENT: "전송 안 됨",
    OrderState.UNKNOWN: "확인 중",
}
_OPEN = frozenset(
    {
        OrderState.PREPARED,
        OrderState.SENDING,
        OrderState.ACCEPTED,
        OrderState.PARTIALLY_FILLED,
        OrderState.UNKNOWN,
    }
)


@dataclass(frozen=True, slots=True)
class OrderIntent:
    """What somebody wants. ``price`` is 0 for a market order.

    ``signal_key`` names the wish: a key that was sent once is never sent again. For an entry ``exit_reason`` says
    what kind its stop is (FVG structure or fixed); for an exit it says why.
    """

    signal_key: str
    code: Code
    side: Side
    type: OrderType
    quantity: Shares
    price: Won
    origin: Origin
    purpose: Purpose
    actor: str
    exit_reason: ExitReason | None = None
    stop_price: Won = 0
    target_price: Won = 0
    score: float | None = None
    input_digest: str = ""
    reasons: tuple[str, ...] = ()
    note: str = ""


@dataclass(frozen=True, slots=True)
class OrderRecord:
    """One logical order through its life. ``key`` is the newest of its broker keys (an amend makes a new one)."""

    order_id: str
    intent: OrderIntent
    state: OrderState
    created_at: datetime
    updated_at: datetime
    key: OrderKey | None = None
    price: Won = 0
    """The present price: the intent's, or that of the last amend."""
    reserve_price: Won = 0
    """Won per share set aside for a buy (the upper limit for a market order)."""
    filled: Shares = 0
    filled_value: Won = 0
    cancelled: Shares = 0
    fees: Won = 0
    taxes: Won = 0
    reason: str = ""
    sent_at: datetime | None = None
    unknown_at: datetime | None = None
    fence: frozenset[str] = frozenset()
    """Broker orders (branch-number) that were known before it was sent."""
    needs_person: bool = False
    """Several broker orders fit this unknown one: only a person can tell."""

    @property
    def day(self) -> date:
        return self.created_at.date()

    @property
    def remaining(self) -> Shares:
        return self.intent.quantity - self.filled - self.cancelled if self.state.open else 0

    @property
    def average_fill_price(self) -> float:
        return self.filled_value / self.filled if self.filled else 0.0

    @property
    def cancellable(self) -> bool:
        return self.state.resting and self.intent.origin is not Origin.EXTERNAL

    def line(self, name: str) -> OrderLine:
        return OrderLine(
            self.order_id,
            self.intent.code,
            name,
            self.intent.side,
            self.price,
            self.intent.quantity,
            self.filled,
            self.state.label,
            self.created_at,
            self.cancellable,
        )


@dataclass(frozen=True, slots=True)
class Position:
    """What the journal says we hold, from confirmed fills (or adopted after a person confirmed it)."""

    code: Code
    name: str
    quantity: Shares
    average_price: float
    opened_at: datetime
    stop_price: Won = 0
    target_price: Won = 0
    highest_price: Won = 0
    stop_reason: ExitReason = ExitReason.FIXED_STOP
    entry_score: float | None = None
    entry_reasons: tuple[str, ...] = ()
    origin: Origin = Origin.BOT
    bars_held: int = 0
    fees: Won = 0
    entry_order_id: str = ""
    taxes: Won = 0
    bought: Shares = 0
    bought_value: Won = 0
    sold: Shares = 0
    sold_value: Won = 0
    adopted: bool = False
    """True where shares came from the broker's balance, not from our fills."""
    position_id: str = ""
    exit_reason: ExitReason | None = None
    """Why the last sale was made."""


class CommandKind(StrEnum):
    CANCEL = "cancel"
    AMEND = "amend"


class CommandState(StrEnum):
    SENDING = "sending"
    ACCEPTED = "accepted"
    REJECTED = "rejected"
    NOT_SENT = "not_sent"
    UNKNOWN = "unknown"

    @property
    def open(self) -> bool:
        return self in (CommandState.SENDING, CommandState.UNKNOWN)


@dataclass(frozen=True, slots=True)
class OrderCommand:
    """A cancel or amend that was sent for an order. Its outcome can be unknown too."""

    command_id: str
    order_id: str
    kind: CommandKind
    state: CommandState
    price: Won
    actor: str
    sent_at: datetime
    fence: frozenset[str]
    """Broker orders (branch-number) that were known before it was sent."""
    unknown_at: datetime | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Difference:
    """Journal and broker disagree about a holding."""

    code: Code
    journal: Shares
    broker: Shares


@dataclass(frozen=True, slots=True)
class ReconcileReport:
    """What a comparison of broker and journal found. ``complete`` False: the broker could not be read in full."""

    at: datetime
    complete: bool
    reason: str = ""
    fills: int = 0
    bound: tuple[str, ...] = ()
    """Orders whose unknown outcome was cleared up."""
    external: tuple[OrderKey, ...] = ()
    differences: tuple[Difference, ...] = ()
    unknown: tuple[str, ...] = ()
    seconds: float = 0.0

    @property
    def clean(self) -> bool:
        return self.complete and not self.differences and not self.unknown


@dataclass(frozen=True, slots=True)
class Latch:
    """A protection that stays on until a person releases it; it survives a restart."""

    name: str
    reason: str
    since: datetime
    actor: str


@dataclass(frozen=True, slots=True)
class PanicReport:
    """``remaining`` are orders whose cancel is not confirmed yet, with the reason."""

    cancelled: tuple[OrderRecord, ...]
    remaining: tuple[OrderRecord, ...]
    sold: tuple[OrderRecord, ...] = ()
    notes: tuple[str, ...] = ()


class MarketView(Protocol):
    """The live quotes, read without waiting."""

    def last(self, code: Code) -> tuple[Won, datetime] | None:
        """The price and the market time of its last *confirmation* (a trade, a book update or a REST quote)."""

    def band(self, code: Code) -> PriceLimits | None: ...
    def flags(self, code: Code) -> frozenset[StockFlag]: ...
    def vi_active(self, code: Code) -> bool: ...
    def halted(self, code: Code) -> bool: ...
    def phase(self) -> Phase: ...
    def stock(self, code: Code) -> Stock | None: ...


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """Who did what through which front end, and what came of it."""

    actor: str
    platform: str
    verb: str
    arguments: Mapping[str, str] = field(default_factory=dict)
    decision: str = ""
    reason: str = ""
