"""A seeded world for the order desk: a market that walks, a broker that misbehaves, an owner with a phone."""

from __future__ import annotations

import heapq
import itertools
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta

import numpy as np

from engine.broker import (
    Accepted,
    ExecutionNotice,
    NewOrder,
    NotSent,
    OrderKey,
    OrderList,
    OrderType,
    Outcome,
    Rejected,
    TemporaryError,
    Unknown,
)
from engine.clock import SimulatedClock, seeded
from engine.krx import PriceLimits, floor_to_tick, price_limits, step_ticks
from engine.market import Balance, Code, Market, Phase, Side, Stock, StockFlag, Won
from tests.orders.fake_broker import FakeBroker

CODES: tuple[Code, ...] = ("005930", "000660", "247540", "011790", "035720", "068270")
STEP_SECONDS = 5.0


class SimulatedCrash(BaseException):
    """The process is gone at this instant."""


@dataclass(frozen=True)
class Rates:
    """Chances per call. Real ones are below a tenth of these."""

    lost_request: float = 0.06
    lost_reply: float = 0.10
    garbled: float = 0.03
    rejected: float = 0.03
    rate_limit: float = 0.05
    refused: float = 0.03
    list_fails: float = 0.05
    list_cut: float = 0.04
    balance_fails: float = 0.04
    balance_lags: float = 0.08
    notice_lost: float = 0.15
    notice_twice: float = 0.10
    phone: float = 0.01
    """Chance per order that the owner places an order of the same shape within the same seconds."""
    crash: float = 0.002
    """Chance at each boundary: before and after a commit, a send and a reply."""


QUIET = Rates(*([0.0] * 14))


class WalkingMarket:
    """Prices as seeded random walks; reading is free of effects."""

    def __init__(self, clock: SimulatedClock, random: np.random.Generator) -> None:
        self._clock = clock
        self._random = random
        self.base = {code: floor_to_tick(int(random.integers(5_000, 200_000))) for code in CODES}
        self.prices = dict(self.base)
        self.phase_now = Phase.CONTINUOUS

    def step(self) -> None:
        for code in CODES:
            moved = step_ticks(self.prices[code], int(self._random.integers(-2, 3)))
            limits = price_limits(self.base[code])
            self.prices[code] = min(max(moved, limits.lower), limits.upper)

    def last(self, code: Code) -> tuple[Won, datetime] | None:
        return self.prices[code], self._clock.now()

    def band(self, code: Code) -> PriceLimits | None:
        return price_limits(self.base[code])

    def flags(self, code: Code) -> frozenset[StockFlag]:
        return frozenset()

    def vi_active(self, code: Code) -> bool:
        return False

    def halted(self, code: Code) -> bool:
        return False

    def phase(self) -> Phase:
        return self.phase_now

    def stock(self, code: Code) -> Stock | None:
        return Stock(code, code, Market.KOSPI) if code in self.prices else None


@dataclass
class Arrival:
    left_at: datetime
    at: datetime
    order_id: str
    signal_key: str
    key: OrderKey
    order: NewOrder


@dataclass
class SimulatedBroker(FakeBroker):
    """The fake broker with a seeded will of its own."""

    market: WalkingMarket = None  # type: ignore[assignment]
    random: np.random.Generator = None  # type: ignore[assignment]
    rates: Rates = field(default_factory=Rates)
    boundary: Callable[[str], None] = lambda name: None
    sender: Callable[[], tuple[str, str]] = lambda: ("", "")
    """(order id, signal key) of the order that is being sent."""
    states: Callable[[], list[str]] = list
    log: list[Arrival] = field(default_factory=list)
    phone_keys: set[OrderKey] = field(default_factory=set)
    faults_seen: Counter[tuple[str, str]] = field(default_factory=Counter)
    ambiguous: int = 0
    pending_notices: list[tuple[datetime, int, ExecutionNotice]] = field(default_factory=list)
    truths: list[tuple[datetime, Balance]] = field(default_factory=list)
    _sequence: itertools.count[int] = field(default_factory=itertools.count)

    def _chance(self, probability: float) -> bool:
        return bool(self.random.random() < probability)

    def _saw(self, fault: str) -> None:
        for state in self.states() or ["none"]:
            self.faults_seen[fault, state] += 1

    async def _perform(self, verb: str, order: NewOrder, act: Callable[[], Outcome]) -> Outcome:
        rates = self.rates
        self.boundary(f"before {verb}")
        left_at = self.clock.now()
        order_id, signal_key = self.sender() if verb == "place" else ("", "")
        async with self.clock.hold(f"sim {verb}"):
            if self._chance(rates.refused):
                self._saw("refused connection")
                return NotSent("연결이 거부되었습니다")
            if self._chance(rates.rate_limit):
                self._saw("rate limit")
                return NotSent("초당 거래건수를 초과하였습니다", retry_after=1.0)
            await self.clock.sleep(float(self.random.uniform(0.02, 0.3)))
            if self._chance(rates.lost_request):
                self._saw("request lost")
                self.ambiguous += 1
                await self.clock.sleep(self.timeout)
                return Unknown("응답 시간이 지났습니다")
            if self._chance(rates.rejected):
                self._saw("rejected")
                return Rejected("APBK0919", "주문 가능 시간이 아닙니다")
            if verb == "place" and self._chance(rates.phone):
                self._saw("same order by phone")
                self.phone_keys.add(self.elsewhere(order))
            self.visibility = float(self.random.choice([0, 0, 0, 1, 5, 25])) if rates.lost_reply else 0.0
            outcome = act()
            if verb == "place" and isinstance(outcome, Accepted):
                self.log.append(Arrival(left_at, self.clock.now(), order_id, signal_key, outcome.key, order))
            self.boundary(f"after {verb}")
            if self._chance(rates.lost_reply):
                self._saw("reply lost")
                self.ambiguous += 1
                await self.clock.sleep(self.timeout)
                return Unknown("응답 시간이 지났습니다")
            if self._chance(rates.garbled):
                self._saw("reply garbled")
                self.ambiguous += 1
                return Unknown("응답을 읽을 수 없습니다")
            return outcome

    async def orders(self, day: date, code: Code | None = None) -> OrderList:
        self.boundary("before list")
        async with self.clock.hold("sim orders"):
            await self.clock.sleep(float(self.random.uniform(0.02, 0.3)))
            if self._chance(self.rates.list_fails):
                self._saw("list fails")
                raise TemporaryError("HTTP 502")
            now = self.clock.now()
            rows = [
                e.row
                for e in self.entries.values()
                if e.row.key.day == day and e.visible_at <= now and code in (None, e.row.code)
            ]
            cut = self._chance(self.rates.list_cut)
            if cut:
                self._saw("list cut short")
                rows = rows[: len(rows) // 2]
            return OrderList(tuple(rows), not cut, now)

    async def balance(self) -> Balance:
        async with self.clock.hold("sim balance"):
            await self.clock.sleep(float(self.random.uniform(0.02, 0.3)))
            if self._chance(self.rates.balance_fails):
                self._saw("balance fails")
                raise TemporaryError("HTTP 500")
            if self.truths and self._chance(self.rates.balance_lags):
                self._saw("balance lags")
                when = self.clock.now() - timedelta(seconds=float(self.random.uniform(0, 20)))
                old = [truth for at, truth in self.truths if at <= when]
                return replace(old[-1] if old else self.truths[0][1], at=self.clock.now())
            return self.truth()

    # -- the exchange

    def match(self) -> None:
        """Fill what the walk has reached, often in parts."""
        for entry in list(self.entries.values()):
            row = entry.row
            if not row.remaining or row.is_cancel or row.key in self.phone_keys:
                continue
            price = self.market.prices[row.code]
            if row.type is OrderType.LIMIT and (price > row.price if row.side is Side.BUY else price < row.price):
                continue
            if not self._chance(0.5):
                continue
            part = int(self.random.integers(1, row.remaining + 1)) if self._chance(0.5) else row.remaining
            self.fill(row.key, part, price)
        now = self.clock.now()
        self.truths.append((now, self.truth()))
        del self.truths[:-12]
        while self.notices:
            notice = self.notices.popleft()
            if self._chance(self.rates.notice_lost):
                self._saw("notice lost")
                continue
            for _ in range(2 if self._chance(self.rates.notice_twice) else 1):
                due = now + timedelta(seconds=float(self.random.exponential(0.5)))
                heapq.heappush(self.pending_notices, (due, next(self._sequence), notice))

    def cancel_phone(self) -> None:
        for key in self.phone_keys:
            row = self.entries[key].row
            if row.remaining:
                self.entries[key].row = replace(row, cancelled=row.remaining, remaining=0)


def world(seed: int, clock: SimulatedClock) -> tuple[WalkingMarket, SimulatedBroker]:
    market = WalkingMarket(clock, seeded("simulation market", seed))
    broker = SimulatedBroker(clock, market=market, random=seeded("simulation broker", seed), cash=30_000_000)
    return market, broker
