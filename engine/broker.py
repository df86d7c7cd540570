"""What the service and a broker say to each other: orders, outcomes, notices, and the protocols a broker fulfils.

An order command has three outcomes (accepted, rejected, unknown) plus "not sent", which is a proof that no byte left.
Nothing here knows a TR id.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from enum import StrEnum
from typing import Protocol, TypeAlias

from engine.market import Balance, Bars, Code, Environment, Index, IndexQuote, OrderBook, Quote, Shares, Side, Tick, Won


class OrderType(StrEnum):
    LIMIT = "limit"
    MARKET = "market"

    @property
    def label(self) -> str:
        return "지정가" if self is OrderType.LIMIT else "시장가"


@dataclass(frozen=True, slots=True)
class NewOrder:
    """An order to send. ``price`` is 0 exactly when the type is MARKET."""

    code: Code
    side: Side
    type: OrderType
    quantity: Shares
    price: Won = 0

    def __post_init__(self) -> None:
        if self.quantity <= 0:
            raise ValueError(f"quantity was {self.quantity}")
        if (self.price == 0) != (self.type is OrderType.MARKET) or self.price < 0:
            raise ValueError(f"price was {self.price} for a {self.type} order")


@dataclass(frozen=True, slots=True)
class OrderKey:
    """A broker's order number is unique only within a day and a branch."""

    day: date
    branch: str
    number: str
    """Leading zeros stripped: the wire pads it or not."""


@dataclass(frozen=True, slots=True)
class Accepted:
    """The broker took the order. It says nothing about a fill."""

    key: OrderKey
    at: datetime


@dataclass(frozen=True, slots=True)
class Rejected:
    """The broker refused the order: a definite answer."""

    code: str
    message: str


@dataclass(frozen=True, slots=True)
class NotSent:
    """No byte reached the broker, or its gateway refused before the order desk; sending again is safe."""

    reason: str
    retry_after: float = 0.0


@dataclass(frozen=True, slots=True)
class Unknown:
    """The order may or may not exist. Never send it again; resolve it from the broker's lists."""

    reason: str


Outcome: TypeAlias = Accepted | Rejected | NotSent | Unknown


@dataclass(frozen=True, slots=True)
class BrokerOrder:
    """One order of the day as the broker lists it. filled + cancelled + rejected + remaining = quantity."""

    key: OrderKey
    original: OrderKey | None
    """The order that a modify or cancel refers to."""
    code: Code
    side: Side
    type: OrderType
    quantity: Shares
    price: Won
    at: datetime
    filled: Shares
    average_fill_price: float
    filled_value: Won
    cancelled: Shares
    rejected: Shares
    remaining: Shares
    is_cancel: bool = False
    """True for the row of a cancel request itself."""


@dataclass(frozen=True, slots=True)
class OrderList:
    """Every order of a day. ``complete`` is False when a page failed: then absence proves nothing."""

    orders: tuple[BrokerOrder, ...]
    complete: bool
    at: datetime


class NoticeKind(StrEnum):
    RECEIVED = "received"
    CONFIRMED = "confirmed"
    CANCELLED = "cancelled"
    REJECTED = "rejected"
    FILL = "fill"


@dataclass(frozen=True, slots=True)
class ExecutionNotice:
    """A pushed hint about one of our orders. It may be repeated, late, lost or unordered; the lists are the truth."""

    key: OrderKey
    original: OrderKey | None
    kind: NoticeKind
    code: Code
    side: Side
    quantity: Shares
    """Filled shares for a FILL, else the order's shares."""
    price: Won
    order_quantity: Shares
    at: datetime
    account: str


@dataclass(frozen=True, slots=True)
class StreamLost:
    at: datetime
    reason: str


@dataclass(frozen=True, slots=True)
class StreamRestored:
    at: datetime
    gap_from: datetime
    """Frames between this instant and ``at`` may be missing."""


@dataclass(frozen=True, slots=True)
class IndexTick:
    index: Index
    at: datetime
    value: float
    change: float
    change_percent: float


StreamEvent: TypeAlias = Tick | OrderBook | IndexTick | ExecutionNotice | StreamLost | StreamRestored


class ChannelKind(StrEnum):
    TRADE = "trade"
    BOOK = "book"
    INDEX = "index"
    NOTICE = "notice"


@dataclass(frozen=True, slots=True, order=True)
class Channel:
    """One of the (41) registrations of a session. ``key`` is a code, an index code, or empty for notices."""

    kind: ChannelKind
    key: str = ""


@dataclass(frozen=True, slots=True)
class Buyable:
    """Buying power without credit (미수 없는 매수)."""

    cash: Won
    quantity: Shares
    unit_price: Won


@dataclass(frozen=True, slots=True)
class NewsTitle:
    at: datetime
    title: str
    source: str
    codes: tuple[Code, ...]


class BrokerError(Exception):
    """A read that failed. ``retryable`` says whether asking again can help."""

    retryable = False

    def __init__(self, message: str, *, code: str = "") -> None:
        super().__init__(message)
        self.code = code


class TemporaryError(BrokerError):
    retryable = True


class AuthenticationError(BrokerError):
    """Wrong key, secret or account."""


class NotOffered(BrokerError):
    """The environment does not have this call (모의 lacks about half of them)."""


class MarketData(Protocol):
    """Reads. Every method raises BrokerError."""

    environment: Environment

    async def quote(self, code: Code) -> Quote: ...
    async def quotes(self, codes: Sequence[Code]) -> Mapping[Code, Quote]:
        """Many quotes in sweeps of 30; a code that the broker does not know is absent. Raises NotOffered on 모의."""

    async def order_book(self, code: Code) -> OrderBook: ...
    async def daily_bars(self, code: Code, first: date, last: date, *, adjusted: bool = True) -> Bars:
        """Daily bars first..last inclusive, paged as far as needed; today's unfinished bar is included if asked for."""

    async def minute_bars(self, code: Code, day: date, until: time | None = None, since: time | None = None) -> Bars:
        """One-minute bars of ``day`` from ``since`` (None: the open) to ``until`` (None: now), oldest first."""

    async def index_quote(self, index: Index) -> IndexQuote: ...
    async def index_daily_bars(self, index: Index, first: date, last: date) -> Bars: ...
    async def open_days(self, first: date) -> Mapping[date, bool]:
        """Whether the exchange opens, from ``first`` forward (about 25 days)."""

    async def news_titles(self, code: Code | None = None) -> Sequence[NewsTitle]: ...


class Broker(Protocol):
    """The account side. Only engine/orders may call ``place``, ``amend`` and ``cancel``."""

    environment: Environment

    async def place(self, order: NewOrder) -> Outcome: ...
    async def amend(self, key: OrderKey, order: NewOrder) -> Outcome: ...
    async def cancel(self, key: OrderKey, order: NewOrder) -> Outcome:
        """Cancel the whole rest. ``order`` describes the original order."""

    async def orders(self, day: date, code: Code | None = None) -> OrderList: ...
    async def balance(self) -> Balance: ...
    async def buyable(self, code: Code, price: Won | None) -> Buyable:
        """``price`` None asks for a market order (reserved at the upper limit)."""


class Stream(Protocol):
    """The one WebSocket session. Reconnects and resubscribes by itself."""

    @property
    def channels(self) -> frozenset[Channel]: ...
    @property
    def connected(self) -> bool: ...
    async def set_channels(self, wanted: Sequence[Channel]) -> None:
        """Make the registrations equal ``wanted`` (most important first; what does not fit is left out)."""

    def events(self) -> AsyncIterator[StreamEvent]: ...
