"""Market values: frozen, timezone-aware, money in whole won.

A stock code is text (``0126Z0`` is a code); nothing here converts one to a number.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from enum import Enum, StrEnum
from typing import Final, Literal, TypeAlias
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

Won: TypeAlias = int
Shares: TypeAlias = int
Code: TypeAlias = str

KST: Final = ZoneInfo("Asia/Seoul")

_CODE = re.compile(r"^(?:[0-9][0-9A-Z]{5}|Q[0-9]{6})$")


class InvalidCode(ValueError):
    """The text cannot be a Korean stock code."""


def parse_code(text: str) -> Code:
    """Return a stock code as the exchange writes it.

    Accepts lower case and surrounding blanks, nothing else (full-width digits are refused, not guessed).
    The master list decides whether the code exists.
    """
    code = text.strip().upper()
    if not code.isascii() or not _CODE.match(code):
        raise InvalidCode(f"종목 코드가 아닙니다: {text!r}")
    return code


class Environment(StrEnum):
    """Which broker the service talks to."""

    REAL = "real"
    MOCK = "mock"
    SIMULATOR = "simulator"

    @property
    def label(self) -> str:
        return {"real": "실전", "mock": "모의", "simulator": "시뮬레이터"}[self.value]


class Market(StrEnum):
    KOSPI = "KOSPI"
    KOSDAQ = "KOSDAQ"
    KONEX = "KONEX"


class SecurityKind(StrEnum):
    STOCK = "stock"
    ETF = "etf"
    ETN = "etn"


class StockFlag(StrEnum):
    """Reasons for which no position is opened; selling is always allowed."""

    ADMINISTRATIVE = "관리종목"
    RISK = "투자위험"
    WARNING = "투자경고"
    CAUTION = "투자주의"
    HALTED = "거래정지"
    OVERHEATED = "단기과열"
    LIQUIDATION = "정리매매"
    SPAC = "스팩"


@dataclass(frozen=True, slots=True)
class Stock:
    code: Code
    name: str
    market: Market
    sector: str = ""
    kind: SecurityKind = SecurityKind.STOCK
    listed_shares: Shares = 0
    market_cap: Won = 0
    flags: frozenset[StockFlag] = frozenset()


class Side(StrEnum):
    BUY = "buy"
    SELL = "sell"

    @property
    def label(self) -> str:
        return "매수" if self is Side.BUY else "매도"

    @property
    def opposite(self) -> Side:
        return Side.SELL if self is Side.BUY else Side.BUY


class Index(Enum):
    """Indices by their KIS codes."""

    KOSPI = "0001"
    KOSDAQ = "1001"
    KOSPI200 = "2001"

    @property
    def label(self) -> str:
        return {"0001": "코스피", "1001": "코스닥", "2001": "코스피200"}[self.value]


class Phase(StrEnum):
    """What the exchange is doing at an instant."""

    CLOSED = "closed"
    OPENING_AUCTION = "opening_auction"
    CONTINUOUS = "continuous"
    CLOSING_AUCTION = "closing_auction"
    AFTER_CLOSE = "after_close"

    @property
    def label(self) -> str:
        return {
            "closed": "장 마감",
            "opening_auction": "시가 단일가",
            "continuous": "정규장",
            "closing_auction": "종가 단일가",
            "after_close": "장 종료",
        }[self.value]


@dataclass(frozen=True, slots=True)
class Tick:
    """One trade print. ``price`` may lie off the tick grid (midpoint fills)."""

    code: Code
    at: datetime
    price: Won
    volume: Shares
    cumulative_volume: Shares
    cumulative_value: Won = 0
    side: Side | None = None
    """Who initiated it; None in auctions."""
    ask: Won = 0
    bid: Won = 0
    open: Won = 0
    high: Won = 0
    low: Won = 0
    change: Won = 0
    """Signed change against the previous close."""
    vi_reference: Won = 0
    halted: bool = False

    @property
    def previous_close(self) -> Won:
        return self.price - self.change


@dataclass(frozen=True, slots=True)
class BookLevel:
    price: Won
    quantity: Shares


@dataclass(frozen=True, slots=True)
class OrderBook:
    """Ten levels a side, best first. ``expected_price`` is 0 outside auctions."""

    code: Code
    at: datetime
    asks: tuple[BookLevel, ...]
    bids: tuple[BookLevel, ...]
    total_ask: Shares = 0
    total_bid: Shares = 0
    expected_price: Won = 0
    expected_volume: Shares = 0

    @property
    def best_ask(self) -> Won:
        return self.asks[0].price if self.asks else 0

    @property
    def best_bid(self) -> Won:
        return self.bids[0].price if self.bids else 0


@dataclass(frozen=True, slots=True)
class Quote:
    """A snapshot of one stock. ``price`` is 0 only for a stock that never traded."""

    code: Code
    at: datetime
    price: Won
    previous_close: Won
    open: Won
    high: Won
    low: Won
    volume: Shares
    value: Won
    upper_limit: Won
    lower_limit: Won
    base_price: Won
    name: str = ""
    best_ask: Won = 0
    best_bid: Won = 0
    halted: bool = False
    vi_active: bool = False
    flags: frozenset[StockFlag] = frozenset()
    per: float | None = None
    pbr: float | None = None
    market_cap: Won = 0

    @property
    def change(self) -> Won:
        return self.price - self.previous_close

    @property
    def change_percent(self) -> float:
        return 100.0 * self.change / self.previous_close if self.previous_close else 0.0


@dataclass(frozen=True, slots=True)
class IndexQuote:
    index: Index
    at: datetime
    value: float
    previous_close: float
    open: float
    high: float
    low: float
    rising: int = 0
    falling: int = 0
    unchanged: int = 0

    @property
    def change(self) -> float:
        return self.value - self.previous_close

    @property
    def change_percent(self) -> float:
        return 100.0 * self.change / self.previous_close if self.previous_close else 0.0


class Interval(Enum):
    """Bar lengths that the service keeps."""

    MINUTE = 1
    FIFTEEN = 15
    SIXTY = 60
    DAY = 1440

    @property
    def label(self) -> str:
        return {1: "1분", 15: "15분", 60: "60분", 1440: "일봉"}[self.value]

    @property
    def length(self) -> timedelta:
        return timedelta(minutes=self.value)


@dataclass(frozen=True, slots=True)
class Candle:
    """One bar. ``start`` is aware KST; a daily bar starts at midnight of its date."""

    start: datetime
    open: Won
    high: Won
    low: Won
    close: Won
    volume: Shares


BarOrigin: TypeAlias = Literal["stream", "minute_rest", "daily", "replay", "none"]


@dataclass(frozen=True, eq=False)
class Bars:
    """Bars of one stock as columns, oldest first.

    ``start`` is datetime64[s] in Korean wall time; prices float64, volume int64. Every column has one length.
    The arrays are made read-only, so a Bars can be shared and hashed.
    """

    start: NDArray[np.datetime64]
    open: NDArray[np.float64]
    high: NDArray[np.float64]
    low: NDArray[np.float64]
    close: NDArray[np.float64]
    volume: NDArray[np.int64]
    _digest: list[str] = field(default_factory=list, init=False, repr=False)

    def __post_init__(self) -> None:
        columns = (
            ("start", "datetime64[s]"),
            ("open", "float64"),
            ("high", "float64"),
            ("low", "float64"),
            ("close", "float64"),
            ("volume", "int64"),
        )
        length = len(self.start)
        for name, dtype in columns:
            column = np.ascontiguousarray(getattr(self, name), dtype=dtype)
            if column is getattr(self, name) and column.flags.writeable:
                column = column.copy()
            if len(column) != length:
                raise ValueError(f"column {name} has {len(column)} rows, start has {length}")
            column.flags.writeable = False
            object.__setattr__(self, name, column)

    @classmethod
    def empty(cls) -> Bars:
        nothing = np.empty(0)
        return cls(np.empty(0, "datetime64[s]"), nothing, nothing, nothing, nothing, np.empty(0, np.int64))

    @classmethod
    def of(cls, candles: list[Candle] | tuple[Candle, ...]) -> Bars:
        return cls(
            np.array([c.start.replace(tzinfo=None) for c in candles], dtype="datetime64[s]"),
            np.array([c.open for c in candles], dtype=np.float64),
            np.array([c.high for c in candles], dtype=np.float64),
            np.array([c.low for c in candles], dtype=np.float64),
            np.array([c.close for c in candles], dtype=np.float64),
            np.array([c.volume for c in candles], dtype=np.int64),
        )

    def __len__(self) -> int:
        return len(self.start)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Bars) and self.digest == other.digest

    def __hash__(self) -> int:
        return hash(self.digest)

    def __getitem__(self, rows: slice) -> Bars:
        return Bars(
            self.start[rows],
            self.open[rows],
            self.high[rows],
            self.low[rows],
            self.close[rows],
            self.volume[rows],
        )

    def candles(self) -> list[Candle]:
        return [
            Candle(s.item().replace(tzinfo=KST), int(o), int(h), int(low), int(c), int(v))
            for s, o, h, low, c, v in zip(
                self.start, self.open, self.high, self.low, self.close, self.volume, strict=True
            )
        ]

    def dates(self) -> NDArray[np.datetime64]:
        """The session date of each bar, datetime64[D]."""
        return self.start.astype("datetime64[D]")

    def before(self, day: date) -> Bars:
        """Bars that start before ``day``."""
        return self[: int(np.searchsorted(self.start, np.datetime64(day, "s")))]

    def joined(self, other: Bars) -> Bars:
        """These bars followed by those of ``other`` that start later."""
        if not len(self):
            return other
        rest = other[int(np.searchsorted(other.start, self.start[-1], side="right")) :]
        return Bars(
            np.concatenate((self.start, rest.start)),
            np.concatenate((self.open, rest.open)),
            np.concatenate((self.high, rest.high)),
            np.concatenate((self.low, rest.low)),
            np.concatenate((self.close, rest.close)),
            np.concatenate((self.volume, rest.volume)),
        )

    @property
    def digest(self) -> str:
        """A hash of the content: equal bars, equal digest."""
        if not self._digest:
            state = hashlib.blake2b(digest_size=16)
            for name in ("start", "open", "high", "low", "close", "volume"):
                state.update(getattr(self, name).tobytes())
            self._digest.append(state.hexdigest())
        return self._digest[0]


@dataclass(frozen=True, slots=True)
class Holding:
    """A position as the broker reports it."""

    code: Code
    name: str
    quantity: Shares
    sellable: Shares
    average_price: float
    price: Won

    @property
    def value(self) -> Won:
        return self.quantity * self.price

    @property
    def cost(self) -> Won:
        return round(self.quantity * self.average_price)


@dataclass(frozen=True, slots=True)
class Balance:
    """The account as the broker reports it. ``settled_cash`` is D+2: what is ours after settlement."""

    at: datetime
    deposit: Won
    settled_cash: Won
    holdings: tuple[Holding, ...]

    @property
    def equity(self) -> Won:
        return self.settled_cash + sum(h.value for h in self.holdings)
