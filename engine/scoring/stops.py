"""Where a trade is wrong: the stop under an unfilled gap."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from engine.krx import ceil_to_tick, step_ticks
from engine.market import Bars, SecurityKind, Won
from engine.results import ExitReason, Zone
from engine.smc import fair_value_gaps

FARTHEST, NEAREST, FIXED = 0.05, 0.005, 0.03


@dataclass(frozen=True, slots=True)
class StopChoice:
    """The stop price with the zone it rests on; ``zone`` is None for the fixed −3 %."""

    price: Won
    zone: Zone | None
    reason: ExitReason
    source: Literal["fifteen_fvg", "daily_fvg", "fixed"]


def structural_stop(
    fifteen: Bars,
    daily: Bars,
    entry_price: Won,
    *,
    kind: SecurityKind = SecurityKind.STOCK,
    fixed: float = FIXED,
    nearest: float = NEAREST,
    farthest: float = FARTHEST,
) -> StopChoice:
    """One tick below the nearest unfilled bullish gap under the entry: fifteen-minute, else daily.

    Where that is more than 5 % or less than 0.5 % away the stop is −3 %, rounded to the tick towards the entry; the
    three bounds are settings.
    """
    zone = _under(fifteen, entry_price, intraday=True)
    source: Literal["fifteen_fvg", "daily_fvg"] = "fifteen_fvg"
    if zone is None:
        zone, source = _under(daily, entry_price, intraday=False), "daily_fvg"
    if zone is not None:
        price = step_ticks(int(zone.bottom), -1, kind)
        if nearest <= 1.0 - price / entry_price <= farthest:
            return StopChoice(price, zone, ExitReason.STRUCTURE_STOP, source)
    fallback = ceil_to_tick(-(-entry_price * round(10_000 * (1 - fixed)) // 10_000), kind)
    if fallback >= entry_price:  # −3 % of a few won is less than a tick
        fallback = step_ticks(entry_price, -1, kind)
    return StopChoice(fallback, None, ExitReason.FIXED_STOP, "fixed")


def _under(bars: Bars, entry_price: Won, *, intraday: bool) -> Zone | None:
    """The live bullish gap with its bottom under the entry whose top is highest (the smallest distance)."""
    live = [
        zone
        for zone in fair_value_gaps(bars, intraday=intraday)
        if zone.bullish and zone.ended is None and zone.bottom < entry_price
    ]
    return max(live, key=lambda zone: (zone.top, zone.bottom), default=None)
