"""One stock's (or index's) day as running columns over the tape, so that any instant is a binary search away.

Volatility interruptions and halts are pure rewrites of the tape's prints: the trades inside are withheld and come out
as one auction print, so streams, quotes and bars agree.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from engine.calendar import Session
from engine.krx import PriceLimits, floor_to_tick, price_limits
from engine.market import Bars, Candle, Code, Shares, Stock, Won
from engine.simulator.formats import second_of_day
from engine.simulator.tape import IndexPrints, Prints

INTERRUPTION_SECONDS = 120
INTERRUPTION_PERCENT = 10


@dataclass(frozen=True, slots=True)
class Auction:
    """A call auction: from ``start`` to ``end`` (seconds of the day) towards ``target``."""

    start: int
    end: int
    origin: Won
    target: Won
    volume: Shares
    interruption: bool = False


@dataclass(frozen=True, slots=True)
class HaltWindow:
    """Trading of a stock stands from ``start`` to ``end``, seconds of the day."""

    start: int
    end: int


def _merge(prints: Prints, first: int, last: int, second: int) -> Prints:
    """Replace prints[first:last] by one auction print at ``second``."""
    middle = slice(first, last)

    def joined(column: NDArray[np.generic], value: int) -> NDArray[np.generic]:
        return np.concatenate((column[:first], np.array([value], column.dtype), column[last:]))

    return Prints(
        joined(prints.second, second),  # type: ignore[arg-type]
        joined(prints.price, int(prints.price[last - 1])),  # type: ignore[arg-type]
        joined(prints.volume, int(prints.volume[middle].sum())),  # type: ignore[arg-type]
        joined(prints.side, 0),  # type: ignore[arg-type]
        prints.synthetic_close,
    )


def withhold(prints: Prints, window: HaltWindow) -> tuple[Prints, Auction | None]:
    """Withhold the trades of ``window`` and release them as one print at its end."""
    first = int(np.searchsorted(prints.second, window.start))
    last = int(np.searchsorted(prints.second, window.end, side="right"))
    origin = int(prints.price[first - 1]) if first else 0
    if last == first:
        return prints, Auction(window.start, window.end, origin, origin, 0, True) if origin else None
    merged = _merge(prints, first, last, window.end)
    target, volume = int(merged.price[first]), int(merged.volume[first])
    return merged, Auction(window.start, window.end, origin or target, target, volume, True)


def interrupt(prints: Prints, session: Session) -> tuple[Prints, list[Auction]]:
    """Apply static volatility interruptions: a continuous trade ±10 % from the last single price opens a two-minute
    call auction."""
    close_out = second_of_day(session.close_out)
    auctions: list[Auction] = []
    if not len(prints):
        return prints, auctions
    reference, position = int(prints.price[0]), 1
    while position < len(prints):
        rest = prints.price[position:]
        away = np.abs(rest - reference) * 100 >= reference * INTERRUPTION_PERCENT
        away &= prints.second[position:] < close_out
        hits = np.flatnonzero(away)
        if not len(hits):
            break
        trigger = position + int(hits[0])
        start = int(prints.second[trigger])
        end = min(start + INTERRUPTION_SECONDS, close_out)
        first = trigger + 1
        last = int(np.searchsorted(prints.second, end, side="right"))
        origin = int(prints.price[trigger])
        if last > first:
            prints = _merge(prints, first, last, end)
            reference = int(prints.price[first])
            auctions.append(Auction(start, end, origin, reference, int(prints.volume[first]), True))
            position = first + 1
        else:
            reference = origin
            auctions.append(Auction(start, end, origin, origin, 0, True))
            position = first
    return prints, auctions


class StockDay:
    """A stock's day. Index −1 means "before the first trade"."""

    def __init__(
        self,
        stock: Stock,
        session: Session,
        base: Won,
        prints: Prints,
        level_volume: Shares,
        history: Bars,
        seed: int,
        *,
        interruptions: bool = True,
        halts: tuple[HaltWindow, ...] = (),
    ) -> None:
        self.stock = stock
        self.session = session
        self.base = base
        self.limits: PriceLimits = price_limits(base, stock.kind) if base > 0 else PriceLimits(0, 0)
        self.level_volume = max(1, level_volume)
        self.history = history
        self.seed = seed
        self.halts = halts
        self.auctions: list[Auction] = []
        for window in halts:
            prints, _ = withhold(prints, window)
        if interruptions:
            prints, self.auctions = interrupt(prints, session)
        self.second = prints.second
        self.price = prints.price
        self.volume = prints.volume
        self.side = prints.side
        self.cumulative_volume = np.cumsum(prints.volume)
        self.cumulative_value = np.cumsum(prints.volume * prints.price)
        self.high = np.maximum.accumulate(prints.price) if len(prints) else prints.price
        self.low = np.minimum.accumulate(prints.price) if len(prints) else prints.price
        self.open_second = second_of_day(session.open)
        self.close_out_second = second_of_day(session.close_out)
        self.close_second = second_of_day(session.close)
        self.order_start_second = second_of_day(session.order_start)

    @property
    def code(self) -> Code:
        return self.stock.code

    def __len__(self) -> int:
        return len(self.second)

    def at(self, second: int) -> int:
        """Index of the last print at or before ``second``; −1 before the first."""
        return int(self.second.searchsorted(second, "right")) - 1

    def last_price(self, index: int) -> Won:
        return int(self.price[index]) if index >= 0 else self.base

    def volume_until(self, index: int) -> Shares:
        return int(self.cumulative_volume[index]) if index >= 0 else 0

    def value_until(self, index: int) -> Won:
        return int(self.cumulative_value[index]) if index >= 0 else 0

    def open_price(self, index: int) -> Won:
        return int(self.price[0]) if index >= 0 else 0

    def high_price(self, index: int) -> Won:
        return int(self.high[index]) if index >= 0 else 0

    def low_price(self, index: int) -> Won:
        return int(self.low[index]) if index >= 0 else 0

    def side_at(self, index: int) -> int:
        return int(self.side[index]) if index >= 0 else 0

    @cached_property
    def previous_volume(self) -> Shares:
        return int(self.history.volume[-1]) if len(self.history) else 0

    @cached_property
    def sides(self) -> SideTotals:
        buys, sells = self.side > 0, self.side < 0
        return SideTotals(
            np.cumsum(buys, dtype=np.int32),
            np.cumsum(sells, dtype=np.int32),
            np.cumsum(np.where(buys, self.volume, 0)),
            np.cumsum(np.where(sells, self.volume, 0)),
        )

    @cached_property
    def high_second(self) -> NDArray[np.int32]:
        """When the running high was first reached."""
        return self._first_reached(self.high)

    @cached_property
    def low_second(self) -> NDArray[np.int32]:
        return self._first_reached(self.low)

    def _first_reached(self, running: NDArray[np.int64]) -> NDArray[np.int32]:
        if not len(running):
            return self.second
        fresh = np.concatenate(([True], running[1:] != running[:-1]))
        return self.second[np.maximum.accumulate(np.where(fresh, np.arange(len(running)), 0))]

    def halted(self, second: int) -> bool:
        return any(window.start <= second < window.end for window in self.halts)

    def interruption(self, second: int) -> Auction | None:
        """The volatility interruption that is open at ``second``."""
        return next((a for a in self.auctions if a.start <= second < a.end), None)

    def interruption_reference(self, second: int) -> Won:
        """Reference of the static interruption: the open, or the last single price after one."""
        if not len(self) or second < int(self.second[0]):
            return self.base
        passed = [a.target for a in self.auctions if a.end <= second]
        return passed[-1] if passed else int(self.price[0])

    def auction(self, second: int) -> Auction | None:
        """The call auction that is open at ``second``, volatility interruptions included."""
        if self.order_start_second <= second < self.open_second:
            opens = len(self) and int(self.second[0]) == self.open_second
            target, volume = (int(self.price[0]), int(self.volume[0])) if opens else (self.base, 0)
            return Auction(self.order_start_second, self.open_second, self.base, target, volume)
        if self.close_out_second <= second < self.close_second:
            before = self.at(self.close_out_second)
            origin = self.last_price(before)
            closes = len(self) and int(self.second[-1]) >= self.close_second
            target, volume = (int(self.price[-1]), int(self.volume[-1])) if closes else (origin, 0)
            return Auction(self.close_out_second, self.close_second, origin, target, volume)
        return self.interruption(second)

    def expected(self, second: int) -> tuple[Won, Shares]:
        """(price, volume) that the open call auction would match now; (0, 0) outside auctions."""
        auction = self.auction(second)
        if auction is None or not auction.origin:
            return 0, 0
        done = (second - auction.start) / max(1, auction.end - auction.start)
        wobble = mix(self.seed, second // 10) / 2**64 - 0.5
        price = auction.origin + (auction.target - auction.origin) * done
        price += auction.origin * 0.01 * wobble * (1.0 - done)
        ranged = min(max(round(price), self.limits.lower), self.limits.upper)
        return floor_to_tick(ranged, self.stock.kind), int(auction.volume * (0.2 + 0.8 * done))

    def minute_bars(self, until: int) -> list[Candle]:
        """One-minute bars of the trades up to second ``until``, oldest first; minutes without a trade are absent."""
        count = self.at(until) + 1
        if not count:
            return []
        minutes = self.second[:count] // 60
        starts = np.flatnonzero(np.concatenate(([True], minutes[1:] != minutes[:-1])))
        ends = np.concatenate((starts[1:], [count]))
        midnight = self.session.open.replace(hour=0, minute=0)
        highs = np.maximum.reduceat(self.price[:count], starts)
        lows = np.minimum.reduceat(self.price[:count], starts)
        volumes = np.add.reduceat(self.volume[:count], starts)
        return [
            Candle(
                midnight.replace(hour=int(minutes[first]) // 60, minute=int(minutes[first]) % 60),
                int(self.price[first]),
                int(high),
                int(low),
                int(self.price[end - 1]),
                int(volume),
            )
            for first, end, high, low, volume in zip(starts, ends, highs, lows, volumes, strict=True)
        ]


@dataclass(frozen=True, slots=True, eq=False)
class SideTotals:
    """Running counts and volumes of buyer- and seller-initiated trades."""

    buy_count: NDArray[np.int32]
    sell_count: NDArray[np.int32]
    buy_volume: NDArray[np.int64]
    sell_volume: NDArray[np.int64]


class IndexDay:
    """An index's day with running high and low."""

    def __init__(self, prints: IndexPrints, history: Bars) -> None:
        self.second = prints.second
        self.value = prints.value
        self.high = np.maximum.accumulate(prints.value) if len(prints.value) else prints.value
        self.low = np.minimum.accumulate(prints.value) if len(prints.value) else prints.value
        self.history = history
        self.previous_close = float(history.close[-1]) if len(history) else 0.0
        self.previous_volume = int(history.volume[-1]) if len(history) else 0

    def at(self, second: int) -> int:
        return int(self.second.searchsorted(second, "right")) - 1

    def volume_until(self, position: int) -> int:
        """Thousand shares traded up to a print: a full day trades as much as the day before."""
        share = (position + 1) / max(1, len(self.second))
        return round((self.previous_volume or 400_000) * share)


def mix(seed: int, value: int) -> int:
    """A 64-bit hash of two integers (SplitMix64's finaliser): cheap, the same everywhere."""
    state = (seed + value * 0x9E3779B97F4A7C15) & 0xFFFFFFFFFFFFFFFF
    state = ((state ^ (state >> 30)) * 0xBF58476D1CE4E5B9) & 0xFFFFFFFFFFFFFFFF
    state = ((state ^ (state >> 27)) * 0x94D049BB133111EB) & 0xFFFFFFFFFFFFFFFF
    return state ^ (state >> 31)
