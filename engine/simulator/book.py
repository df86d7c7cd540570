"""The ten-level book drawn around the last print: a pure function, never crossed, best prices straddle the print."""

from __future__ import annotations

from dataclasses import dataclass

from engine.krx import PriceLimits, ceil_to_tick, floor_to_tick, on_tick, step_ticks, tick_size
from engine.market import BookLevel, SecurityKind, Shares, Won
from engine.simulator.day import StockDay, mix

LEVELS = 10
_BREATH_SECONDS = 20
"""Quantities away from the best price are redrawn this often."""


@dataclass(frozen=True, slots=True)
class DrawnBook:
    """Best first. A side is empty where the price stands at its daily limit."""

    asks: tuple[BookLevel, ...]
    bids: tuple[BookLevel, ...]

    @property
    def best_ask(self) -> Won:
        return self.asks[0].price if self.asks else 0

    @property
    def best_bid(self) -> Won:
        return self.bids[0].price if self.bids else 0

    @property
    def total_ask(self) -> Shares:
        return sum(level.quantity for level in self.asks)

    @property
    def total_bid(self) -> Shares:
        return sum(level.quantity for level in self.bids)

    @property
    def middle(self) -> Won:
        """The midpoint of the best prices, cut to whole won; 0 where a side is empty."""
        return (self.best_ask + self.best_bid) // 2 if self.asks and self.bids else 0


def best_prices(last: Won, side: int, limits: PriceLimits, kind: SecurityKind, coin: int) -> tuple[Won, Won]:
    """(ask, bid) around ``last``: a buyer-initiated print was at the ask, a seller-initiated one at the bid."""
    if not on_tick(last, kind):
        ask, bid = ceil_to_tick(last, kind), floor_to_tick(last, kind)
    elif side > 0 or (side == 0 and coin % 2):
        ask, bid = last, step_ticks(last, -1, kind)
    else:
        ask, bid = step_ticks(last, 1, kind), last
    if last >= limits.upper:
        return 0, limits.upper
    if last <= limits.lower:
        return limits.lower, 0
    return ask, bid


def draw(day: StockDay, index: int, second: int) -> DrawnBook:
    """The book after print ``index`` as it stands at ``second``."""
    last = day.last_price(index)
    auction = day.auction(second)
    if auction is not None:
        last = day.expected(second)[0] or last
    if last <= 0:
        return DrawnBook((), ())
    kind = day.stock.kind
    side = 0 if auction is not None else day.side_at(index)
    ask, bid = best_prices(last, side, day.limits, kind, mix(day.seed, index))
    breath = second // _BREATH_SECONDS
    locked = not ask or not bid
    return DrawnBook(
        _side(day, ask, 1, breath, index, locked=locked),
        _side(day, bid, -1, breath, index, locked=locked),
    )


def _side(day: StockDay, price: Won, step: int, breath: int, index: int, *, locked: bool) -> tuple[BookLevel, ...]:
    """Up to ten levels from ``price`` away from the middle, inside the day's limits."""
    kind, lower, upper = day.stock.kind, day.limits.lower, day.limits.upper
    levels: list[BookLevel] = []
    while len(levels) < LEVELS and price and lower <= price <= upper:
        number = len(levels)
        share = mix(day.seed ^ price, breath if number else index) % 1_000
        shape = 700 + 90 * number if number else 400
        quantity = day.level_volume * shape * (500 + share) // 1_000_000
        if locked and not number:
            quantity *= 8  # the queue at a limit price
        levels.append(BookLevel(price, quantity or 1))
        # The best price is on the grid, so one tick at a time stays on it across band edges.
        price += tick_size(price, kind) if step > 0 else -tick_size(price - 1, kind)
    return tuple(levels)
