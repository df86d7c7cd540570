"""Orders as the simulated exchange holds them, and the order types (ORD_DVSN) that it knows."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Literal, TypeAlias

from engine.market import Code, Shares, Side, Stock, Won

if TYPE_CHECKING:
    from engine.simulator.accounts import Account

Pricing: TypeAlias = Literal["limit", "market", "conditional", "best", "priority", "midpoint", "stop"]
Condition: TypeAlias = Literal["", "IOC", "FOK"]


@dataclass(frozen=True, slots=True)
class Division:
    """One ORD_DVSN: how it is priced, its condition, and whether call auctions take it."""

    code: str
    name: str
    pricing: Pricing
    condition: Condition = ""
    in_auction: bool = False
    on_mock: bool = True

    @property
    def needs_price(self) -> bool:
        return self.pricing in ("limit", "conditional", "stop")


DIVISIONS: dict[str, Division] = {
    division.code: division
    for division in (
        Division("00", "지정가", "limit", in_auction=True),
        Division("01", "시장가", "market", in_auction=True),
        Division("02", "조건부지정가", "conditional", in_auction=True),
        Division("03", "최유리지정가", "best"),
        Division("04", "최우선지정가", "priority"),
        Division("11", "IOC지정가", "limit", "IOC"),
        Division("12", "FOK지정가", "limit", "FOK"),
        Division("13", "IOC시장가", "market", "IOC"),
        Division("14", "FOK시장가", "market", "FOK"),
        Division("15", "IOC최유리", "best", "IOC"),
        Division("16", "FOK최유리", "best", "FOK"),
        Division("21", "중간가", "midpoint", on_mock=False),
        Division("22", "스톱지정가", "stop", on_mock=False),
        Division("23", "중간가IOC", "midpoint", "IOC", on_mock=False),
        Division("24", "중간가FOK", "midpoint", "FOK", on_mock=False),
    )
}
OTHER_SESSIONS: dict[str, str] = {
    "05": "장전 시간외",
    "06": "장후 시간외",
    "07": "시간외 단일가",
    "27": "NXT 프리마켓 지정가",
    "28": "NXT 프리마켓 최유리",
    "29": "NXT 프리마켓 최우선",
    "41": "애프터마켓 지정가",
    "42": "애프터마켓 지정가 IOC",
    "43": "애프터마켓 지정가 FOK",
    "44": "애프터마켓 최유리",
    "45": "애프터마켓 최유리 IOC",
    "46": "애프터마켓 최유리 FOK",
    "47": "애프터마켓 최우선",
}
"""Known types of sessions and venues that are not played; they are refused with their own reason."""


class RequestKind(StrEnum):
    NEW = "new"
    MODIFY = "modify"
    CANCEL = "cancel"


class EventKind(StrEnum):
    RECEIVED = "received"
    CONFIRMED = "confirmed"
    FILLED = "filled"
    CANCELLED = "cancelled"
    REJECTED = "rejected"


@dataclass(frozen=True, slots=True)
class Fill:
    at: datetime
    price: Won
    quantity: Shares


@dataclass(eq=False, slots=True)
class Order:
    """One request that got an order number. ``limit`` None takes any price."""

    number: int
    day: date
    at: datetime
    account: Account
    stock: Stock
    side: Side
    division: Division
    quantity: Shares
    price: Won
    kind: RequestKind = RequestKind.NEW
    original: Order | None = None
    stop_price: Won = 0
    exchange: str = "KRX"
    limit: Won | None = None
    filled: Shares = 0
    filled_value: Won = 0
    cancelled: Shares = 0
    rejected: Shares = 0
    queue_ahead: Shares = 0
    waiting_stop: bool = False
    reserve_price: Won = 0
    reserved_cash: Won = 0
    charged_commission: Won = 0
    charged_tax: Won = 0
    fills: list[Fill] = field(default_factory=list)
    visible_at: datetime | None = None
    """Lists show the order only from this instant on (a fault)."""

    @property
    def code(self) -> Code:
        return self.stock.code

    @property
    def remaining(self) -> Shares:
        return self.quantity - self.filled - self.cancelled - self.rejected

    @property
    def live(self) -> bool:
        return self.kind is not RequestKind.CANCEL and self.remaining > 0

    @property
    def average_price(self) -> float:
        return self.filled_value / self.filled if self.filled else 0.0

    def takes(self, price: Won) -> bool:
        """Whether the order may trade at ``price``."""
        if self.limit is None:
            return True
        return price <= self.limit if self.side is Side.BUY else price >= self.limit


@dataclass(frozen=True, slots=True)
class OrderEvent:
    """Something that the broker tells the owner of an order. ``quantity`` and ``price`` are the fill's for FILLED."""

    kind: EventKind
    order: Order
    quantity: Shares
    price: Won
    at: datetime
