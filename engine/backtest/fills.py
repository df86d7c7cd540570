"""What an order gets in a bar. The numbers in brackets are those of docs/fills.md, each with a test.

Pure arithmetic: the engine decides when, this module at what price and how many.
"""

from __future__ import annotations

from dataclasses import dataclass

from engine.krx import PriceLimits, step_ticks
from engine.market import SecurityKind, Shares, Won


@dataclass(frozen=True, slots=True)
class FillRules:
    """``slippage_ticks`` on every order in continuous trading, none in the closing auction [8]."""

    slippage_ticks: int = 1
    volume_share: float = 0.10
    """Most of a bar's volume that one order may take [7]."""

    def __post_init__(self) -> None:
        if not 0 <= self.slippage_ticks <= 20 or not 0.0 < self.volume_share <= 1.0:
            raise ValueError("slippage_ticks 는 0~20, volume_share 는 0보다 크고 1 이하여야 합니다")


def ask_at_open(rules: FillRules, opening: float, limits: PriceLimits | None, kind: SecurityKind) -> Won:
    """The ask that a buy meets at a bar's open; 0 where the stock is locked at its upper limit [1, 5, 8]."""
    price = round(opening)
    if price <= 0 or (limits is not None and price >= limits.upper):
        return 0
    ask = step_ticks(price, rules.slippage_ticks, kind)
    return min(ask, limits.upper) if limits is not None else ask


def sell_price(
    rules: FillRules, trigger: float, limits: PriceLimits | None, kind: SecurityKind, *, auction: bool = False
) -> Won:
    """What a market sell gets when the price is at ``trigger`` [2, 8]; an auction has one price for all [9]."""
    price = round(trigger)
    if auction:
        return price
    price = step_ticks(price, -rules.slippage_ticks, kind)
    return max(price, limits.lower) if limits is not None else max(price, 1)


def locked_down(high: float, limits: PriceLimits | None) -> bool:
    """Every trade of the bar was at the lower limit: nobody was buying there [5]."""
    return limits is not None and high <= limits.lower


def most_shares(rules: FillRules, volume: int, *, known: bool) -> Shares:
    """The volume cap [7]; a source without volumes has none."""
    return int(volume * rules.volume_share) if known else 2**62
