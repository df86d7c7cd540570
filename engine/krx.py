"""Exchange arithmetic: tick sizes, price limits, fees and taxes by date. Integers only.

Sources: KRX rules in force since 2023-01-25 (ticks), 2015-06-15 (±30 %), the sell-tax table of 2023–2026. Checks apply
to orders we send; fills, candles and base prices may lie off the grid (midpoint trades).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from engine.market import Market, SecurityKind, Shares, Side, Won

_LADDER: tuple[tuple[Won, Won], ...] = (
    (2_000, 1),
    (5_000, 5),
    (20_000, 10),
    (50_000, 50),
    (200_000, 100),
    (500_000, 500),
)
_TOP_TICK = 1_000


def tick_size(price: Won, kind: SecurityKind = SecurityKind.STOCK) -> Won:
    """The tick at ``price`` (ETF and ETN: 1 won below 2,000, else 5)."""
    if kind is not SecurityKind.STOCK:
        return 1 if price < 2_000 else 5
    for below, tick in _LADDER:
        if price < below:
            return tick
    return _TOP_TICK


def on_tick(price: Won, kind: SecurityKind = SecurityKind.STOCK) -> bool:
    return price > 0 and price % tick_size(price, kind) == 0


def floor_to_tick(price: Won, kind: SecurityKind = SecurityKind.STOCK) -> Won:
    return price - price % tick_size(price, kind)


def ceil_to_tick(price: Won, kind: SecurityKind = SecurityKind.STOCK) -> Won:
    return price + -price % tick_size(price, kind)


def never_worse(price: Won, side: Side, kind: SecurityKind = SecurityKind.STOCK) -> Won:
    """Round an order price in the owner's favour: a buy down, a sell up."""
    return floor_to_tick(price, kind) if side is Side.BUY else ceil_to_tick(price, kind)


def step_ticks(price: Won, ticks: int, kind: SecurityKind = SecurityKind.STOCK) -> Won:
    """Walk ``ticks`` up (or down when negative) tick by tick, since the tick changes at band edges."""
    for _ in range(abs(ticks)):
        if ticks > 0:
            price = floor_to_tick(price, kind) + tick_size(price, kind)
        else:
            below = price - 1
            price = floor_to_tick(below, kind) if below > 0 else price
    return price


@dataclass(frozen=True, slots=True)
class PriceLimits:
    upper: Won
    lower: Won

    def __contains__(self, price: object) -> bool:
        return isinstance(price, int) and self.lower <= price <= self.upper


def price_limits(base: Won, kind: SecurityKind = SecurityKind.STOCK, percent: int = 30) -> PriceLimits:
    """The daily band around the base price. The broker's own limits come first; this is the cross-check."""
    width = base * percent // 100
    width -= width % tick_size(base, kind)
    upper = base + width
    upper -= upper % tick_size(upper, kind)
    lower = base - width
    lower += -lower % tick_size(lower, kind)
    return PriceLimits(upper, lower)


# Sell tax in parts per 100,000 of the trade value: (securities tax, farm tax) for KOSPI, total for the others.
_SELL_TAX: dict[int, tuple[int, int, int]] = {
    # year: (KOSPI tax, KOSPI farm tax, KOSDAQ total)
    2020: (100, 150, 250),
    2021: (80, 150, 230),
    2022: (80, 150, 230),
    2023: (50, 150, 200),
    2024: (30, 150, 180),
    2025: (0, 150, 150),
    2026: (50, 150, 200),
}
_KONEX_TAX = 100
_FIRST_TRADE_OF_RATE: dict[int, date] = {
    # The tax follows the settlement year: the last two sessions of a year pay the next year's rate.
    2021: date(2020, 12, 29),
    2022: date(2021, 12, 29),
    2023: date(2022, 12, 28),
    2024: date(2023, 12, 27),
    2025: date(2024, 12, 27),
    2026: date(2025, 12, 29),
}


def _tax_year(day: date) -> int:
    known = [year for year, first in _FIRST_TRADE_OF_RATE.items() if first <= day]
    return max(known, default=2020)


def sell_tax(value: Won, day: date, market: Market, kind: SecurityKind = SecurityKind.STOCK) -> Won:
    """Securities and farm tax of a sale, each cut below one won. Buying is free of tax; so are ETF and ETN."""
    if kind is not SecurityKind.STOCK:
        return 0
    securities, farm, kosdaq = _SELL_TAX[_tax_year(day)]
    if market is Market.KOSPI:
        return value * securities // 100_000 + value * farm // 100_000
    return value * (kosdaq if market is Market.KOSDAQ else _KONEX_TAX) // 100_000


@dataclass(frozen=True, slots=True)
class CostModel:
    """Commission in parts per ten million (BanKIS: 0.0140527 %); a setting, since accounts differ."""

    commission_ppm10: int = 1_405
    fund_commission_ppm10: int = 1_465

    def commission(self, value: Won, kind: SecurityKind = SecurityKind.STOCK) -> Won:
        rate = self.commission_ppm10 if kind is SecurityKind.STOCK else self.fund_commission_ppm10
        return value * rate // 10_000_000

    def buy_cost(self, price: Won, quantity: Shares, kind: SecurityKind = SecurityKind.STOCK) -> Won:
        """Cash that a buy takes: value and commission."""
        value = price * quantity
        return value + self.commission(value, kind)

    def sell_costs(
        self, value: Won, day: date, market: Market, kind: SecurityKind = SecurityKind.STOCK
    ) -> tuple[Won, Won]:
        """(commission, taxes) of a sale."""
        return self.commission(value, kind), sell_tax(value, day, market, kind)

    def affordable(self, cash: Won, price: Won, kind: SecurityKind = SecurityKind.STOCK) -> Shares:
        """Most shares that ``cash`` buys at ``price`` with the commission paid."""
        if price <= 0 or cash <= 0:
            return 0
        rate = self.commission_ppm10 if kind is SecurityKind.STOCK else self.fund_commission_ppm10
        quantity = cash * 10_000_000 // (price * (10_000_000 + rate))
        while self.buy_cost(price, quantity + 1, kind) <= cash:
            quantity += 1  # the commission is cut to whole won: there can be room for one more
        return quantity
