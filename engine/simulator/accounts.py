"""Cash and shares: reservations, fills, fees and taxes, T+2 settlement. ``Ledger.check`` proves conservation."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import date, datetime

from engine.krx import CostModel
from engine.market import Code, Environment, Shares, Side, Stock, Won
from engine.simulator.identity import AccountSpec, AppKey
from engine.simulator.orders import Fill, Order


class ConservationError(AssertionError):
    """Money or shares appeared or vanished: a defect of the simulator."""


@dataclass(slots=True)
class Position:
    """A holding. ``cost`` is its purchase value without fees; ``reserved`` shares stand in open sell orders."""

    stock: Stock
    quantity: Shares = 0
    cost: Won = 0
    reserved: Shares = 0
    touched: date | None = None

    @property
    def average_price(self) -> float:
        return self.cost / self.quantity if self.quantity else 0.0

    @property
    def sellable(self) -> Shares:
        return self.quantity - self.reserved


@dataclass(frozen=True, slots=True)
class Execution:
    """One fill as the ledger booked it."""

    day: date
    at: datetime
    order_number: int
    stock: Stock
    side: Side
    quantity: Shares
    price: Won
    commission: Won
    tax: Won
    realised: Won
    """Proceeds less purchase value of what was sold, before costs; 0 for a buy."""
    cost: Won
    """Purchase value of what was sold; 0 for a buy."""

    @property
    def value(self) -> Won:
        return self.quantity * self.price


@dataclass(eq=False)
class Account:
    spec: AccountSpec
    environment: Environment
    deposit: Won
    opening_cash: Won
    settling: dict[date, Won] = field(default_factory=dict)
    """Net won that arrive (or leave) on a later day."""
    positions: dict[Code, Position] = field(default_factory=dict)
    executions: list[Execution] = field(default_factory=list)
    orders: list[Order] = field(default_factory=list)
    opening_shares: dict[Code, Shares] = field(default_factory=dict)
    opening_equity: dict[date, Won] = field(default_factory=dict)

    @property
    def mock(self) -> bool:
        return self.environment is Environment.MOCK

    @property
    def reserved_cash(self) -> Won:
        return sum(order.reserved_cash for order in self.orders if order.reserved_cash)

    def cash_on(self, day: date) -> Won:
        """Deposit once everything due up to ``day`` has settled."""
        return self.deposit + sum(amount for due, amount in self.settling.items() if due <= day)

    @property
    def settled_cash(self) -> Won:
        """Deposit once everything has settled (D+2)."""
        return self.deposit + sum(self.settling.values())

    @property
    def buying_power(self) -> Won:
        return self.settled_cash - self.reserved_cash

    def position(self, stock: Stock) -> Position:
        if stock.code not in self.positions:
            self.positions[stock.code] = Position(stock)
        return self.positions[stock.code]

    def sellable(self, code: Code) -> Shares:
        position = self.positions.get(code)
        return position.sellable if position else 0

    def executions_on(self, day: date) -> list[Execution]:
        return [execution for execution in self.executions if execution.day == day]


class Ledger:
    """All accounts. The rest of the market is the other side of every fill and is booked too."""

    def __init__(
        self,
        keys: Iterable[AppKey],
        stock: Callable[[Code], Stock | None],
        costs: CostModel,
        settlement_day: Callable[[date], date],
    ) -> None:
        self.costs = costs
        self._settlement_day = settlement_day
        self.accounts: dict[tuple[Environment, str, str], Account] = {}
        self.market_cash: Won = 0
        self.market_shares: dict[Code, Shares] = {}
        self.commissions: Won = 0
        self.taxes: Won = 0
        for key in keys:
            spec = key.account
            identity = (key.environment, spec.number, spec.product)
            if identity in self.accounts:
                continue
            account = Account(spec, key.environment, spec.cash, spec.cash)
            for holding in spec.holdings:
                known = stock(holding.code)
                if known is None:
                    raise ValueError(f"계좌 {spec.number}의 보유 종목이 시장에 없습니다: {holding.code}")
                account.positions[holding.code] = Position(
                    known, holding.quantity, holding.quantity * holding.average_price
                )
                account.opening_shares[holding.code] = holding.quantity
            self.accounts[identity] = account

    def account(self, key: AppKey) -> Account:
        return self.accounts[(key.environment, key.account.number, key.account.product)]

    # -- reservations

    def reserve(self, order: Order) -> None:
        """Set aside what the rest of a live order may need; nothing for a dead one."""
        if order.side is Side.BUY:
            order.reserved_cash = self.reservation(order, order.remaining if order.live else 0)

    def reservation(self, order: Order, rest: Shares) -> Won:
        """Cash that ``rest`` shares of a buy order may still need; a sell order holds shares instead."""
        value = rest * order.reserve_price
        return value + self._commission_due(order, value) if rest and order.side is Side.BUY else 0

    def hold_shares(self, order: Order, quantity: Shares) -> None:
        order.account.position(order.stock).reserved += quantity

    def _commission_due(self, order: Order, more: Won) -> Won:
        kind = order.stock.kind
        return self.costs.commission(order.filled_value + more, kind) - order.charged_commission

    def needed(self, stock: Stock, price: Won, quantity: Shares) -> Won:
        return self.costs.buy_cost(price, quantity, stock.kind)

    # -- booking

    def book(self, order: Order, quantity: Shares, price: Won, at: datetime) -> Execution:
        """Book one fill: shares move at once, cash at T+2. Fees and taxes are cut once per order, not per fill."""
        account, stock = order.account, order.stock
        value = quantity * price
        commission = self._commission_due(order, value)
        position = account.position(stock)
        tax = realised = cost = 0
        if order.side is Side.BUY:
            position.quantity += quantity
            position.cost += value
            cash = -(value + commission)
        else:
            costs = self.costs.sell_costs(order.filled_value + value, order.day, stock.market, stock.kind)
            tax = costs[1] - order.charged_tax
            cost = position.cost * quantity // position.quantity
            realised = value - cost
            position.quantity -= quantity
            position.cost -= cost
            position.reserved -= quantity
            cash = value - commission - tax
        position.touched = order.day
        due = self._settlement_day(order.day)
        account.settling[due] = account.settling.get(due, 0) + cash
        order.filled += quantity
        order.filled_value += value
        order.charged_commission += commission
        order.charged_tax += tax
        order.fills.append(Fill(at, price, quantity))
        self.market_cash -= cash + commission + tax
        self.commissions += commission
        self.taxes += tax
        signed = quantity if order.side is Side.BUY else -quantity
        self.market_shares[stock.code] = self.market_shares.get(stock.code, 0) - signed
        execution = Execution(
            order.day, at, order.number, stock, order.side, quantity, price, commission, tax, realised, cost
        )
        account.executions.append(execution)
        self.reserve(order)
        return execution

    def settle(self, today: date) -> None:
        """Move what is due into the deposits."""
        for account in self.accounts.values():
            for due in [day for day in account.settling if day <= today]:
                account.deposit += account.settling.pop(due)
            for code in [c for c, p in account.positions.items() if not p.quantity and not p.reserved]:
                touched = account.positions[code].touched
                if touched is None or self._settlement_day(touched) <= today:
                    del account.positions[code]

    # -- proof

    def check(self) -> None:
        """Raise ConservationError unless every won and every share is accounted for."""
        opening = sum(account.opening_cash for account in self.accounts.values())
        held = sum(account.settled_cash for account in self.accounts.values())
        if held + self.market_cash + self.commissions + self.taxes != opening:
            raise ConservationError("cash is not conserved")
        codes = set(self.market_shares)
        for account in self.accounts.values():
            codes.update(account.positions, account.opening_shares)
            if account.buying_power < 0:
                raise ConservationError(f"buying power of {account.spec.number} is {account.buying_power}")
            self._check_account(account)
        for code in codes:
            opened = sum(account.opening_shares.get(code, 0) for account in self.accounts.values())
            kept = sum(a.positions[code].quantity for a in self.accounts.values() if code in a.positions)
            if kept + self.market_shares.get(code, 0) != opened:
                raise ConservationError(f"shares of {code} are not conserved")

    def _check_account(self, account: Account) -> None:
        for order in account.orders:
            parts = (order.filled, order.cancelled, order.rejected, order.remaining)
            if min(parts) < 0 or sum(parts) != order.quantity:
                raise ConservationError(f"order {order.number} does not add up: {parts}")
            if not order.live and order.reserved_cash:
                raise ConservationError(f"dead order {order.number} still reserves cash")
            if sum(fill.quantity for fill in order.fills) != order.filled:
                raise ConservationError(f"fills of order {order.number} do not add up")
        for code, position in account.positions.items():
            selling = sum(o.remaining for o in account.orders if o.live and o.code == code and o.side is Side.SELL)
            if selling != position.reserved or not 0 <= position.reserved <= position.quantity or position.cost < 0:
                raise ConservationError(f"position {code}: {position}, selling {selling}")
        booked = sum(
            (e.value - e.commission - e.tax) if e.side is Side.SELL else -(e.value + e.commission)
            for e in account.executions
        )
        if account.opening_cash + booked != account.settled_cash:
            raise ConservationError(f"cash of {account.spec.number} does not follow from its executions")
