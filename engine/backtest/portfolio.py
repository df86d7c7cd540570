"""Cash, positions and closed trades of one run: whole shares, whole won, every fee and tax on its date."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from engine.krx import CostModel
from engine.market import Shares, Stock, Won
from engine.results import ExitReason, Score, Trade
from engine.strategy import Enter, HeldPosition


@dataclass(slots=True, eq=False)
class OpenPosition:
    """``row`` is the bar of entry, ``seen`` the next bar whose high is not yet in ``highest``."""

    stock: Stock
    source: int
    row: int
    entry_at: datetime
    entry_price: float
    quantity: Shares
    bought: Shares
    stop_price: Won
    stop_reason: ExitReason
    target_price: Won
    highest: Won
    seen: int
    score: Score
    fees: Won
    factor: float
    """Price factor of the session whose prices the position is kept in."""
    taxes: Won = 0
    cost: Won = 0
    proceeds: Won = 0
    next_row: int = 0
    pending: ExitReason | None = None
    """A sale that was decided and not filled in full."""

    def held(self, bars: int, highest: Won) -> HeldPosition:
        return HeldPosition(
            self.quantity,
            self.entry_price,
            self.stop_price,
            self.stop_reason,
            self.target_price,
            max(self.highest, highest),
            bars,
        )


@dataclass(slots=True, eq=False)
class Flow:
    """A change at grid place ``place``: cash, and shares of one source."""

    place: int
    cash: Won
    source: int
    shares: Shares
    value: Won


@dataclass(slots=True, eq=False)
class Portfolio:
    cash: Won
    costs: CostModel
    positions: dict[int, OpenPosition] = field(default_factory=dict)
    trades: list[Trade] = field(default_factory=list)
    flows: list[Flow] = field(default_factory=list)
    fees: Won = 0
    taxes: Won = 0
    exited: dict[int, int] = field(default_factory=dict)
    """Source → session in which it was last sold."""

    def buy(
        self,
        stock: Stock,
        source: int,
        row: int,
        place: int,
        at: datetime,
        price: Won,
        order: Enter,
        score: Score,
        factor: float,
    ) -> OpenPosition:
        value, quantity = price * order.quantity, order.quantity
        fee = self.costs.commission(value, stock.kind)
        self.cash -= value + fee
        self.fees += fee
        self.flows.append(Flow(place, -value - fee, source, quantity, value))
        position = OpenPosition(
            stock, source, row, at, float(price), quantity, quantity, order.stop.price, order.stop.reason,
            order.target_price, price, row, score, fee, factor, cost=value, next_row=row,
        )  # fmt: skip
        self.positions[source] = position
        return position

    def sell(
        self, position: OpenPosition, place: int, at: datetime, price: Won, quantity: Shares, reason: ExitReason
    ) -> bool:
        """Sell ``quantity``; True when nothing is left."""
        stock = position.stock
        value = price * quantity
        fee, tax = self.costs.sell_costs(value, at.date(), stock.market, stock.kind)
        self.cash += value - fee - tax
        self.fees += fee
        self.taxes += tax
        position.fees += fee
        position.taxes += tax
        position.proceeds += value
        position.quantity -= quantity
        self.flows.append(Flow(place, value - fee - tax, position.source, -quantity, value))
        if position.quantity:
            return False
        del self.positions[position.source]
        self.trades.append(
            Trade(
                stock.code,
                stock.name,
                position.bought,
                position.entry_at,
                position.entry_price,
                at,
                position.proceeds / position.bought,
                position.fees,
                position.taxes,
                reason,
                position.score.total,
                tuple(f"{f.factor.label} {f.points:+.1f} {f.reason}" for f in position.score.factors if f.points),
            )
        )
        return True

    def split(self, position: OpenPosition, place: int, ratio: float, price: Won) -> None:
        """As-traded prices were multiplied by ``ratio``: shares by its inverse, the fraction is paid out in cash."""
        exact = position.quantity / ratio
        shares = round(exact) if abs(exact - round(exact)) < 1e-6 * exact else int(exact)
        rest = round(max(0.0, exact - shares) * price)
        self.cash += rest
        self.flows.append(Flow(place, rest, position.source, shares - position.quantity, 0))
        position.proceeds += rest
        position.bought = max(1, round(position.bought / ratio))
        position.quantity = shares
        position.entry_price *= ratio
        position.factor *= ratio
        position.stop_price = round(position.stop_price * ratio)
        position.target_price = round(position.target_price * ratio)
        position.highest = round(position.highest * ratio)
