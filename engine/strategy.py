"""The rules of entry, exit and size: one pure function for live trading, the simulator and the backtester.

No I/O, no clock, no randomness: the same situation gives the same decision. Exits in order of priority: structural or
fixed stop, take profit, sell score, trail after the holding limit, close-out of the day.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, time
from typing import TypeAlias

from engine.krx import CostModel, ceil_to_tick, floor_to_tick, step_ticks
from engine.market import Bars, Code, Phase, SecurityKind, Shares, Won
from engine.results import ExitReason, Score
from engine.scorer import StopChoice, structural_stop


@dataclass(frozen=True, slots=True)
class StrategySettings:
    """Defaults of the product. Live trading and backtests read the same object."""

    entry_score: float = 55.0
    exit_score: float = -40.0
    cash_share: float = 0.30
    """Share of orderable cash per entry."""
    maximum_positions: int = 3
    entry_ticks: int = 2
    """Ticks above the best ask for the buy limit."""
    take_profit: float = 0.05
    fixed_stop: float = 0.03
    nearest_stop: float = 0.005
    farthest_stop: float = 0.05
    holding_bars: int = 52
    trail: float = 0.02
    close_out: bool = True
    overnight: bool = False
    last_entry: time = time(15, 0)
    """No entry after this market time: it would be closed out minutes later."""
    volatility_sizing: bool = False
    """Shrink the stake where the stop is far, so that a stop costs at most ``risk_share`` of the cash."""
    risk_share: float = 0.01

    def __post_init__(self) -> None:
        for name in ("cash_share", "take_profit", "fixed_stop", "nearest_stop", "farthest_stop", "trail", "risk_share"):
            value = getattr(self, name)
            if not 0.0 < value <= 1.0:
                raise ValueError(f"{name}: 0보다 크고 1 이하여야 합니다 (지금 {value})")
        if not 0 < self.maximum_positions <= 50 or self.holding_bars <= 0 or not 0 <= self.entry_ticks <= 20:
            raise ValueError("maximum_positions, holding_bars, entry_ticks 값이 범위를 벗어났습니다")


@dataclass(frozen=True, slots=True)
class HeldPosition:
    """What the exit rules know of a position; the prices were fixed at its entry or moved up since (0: none set)."""

    quantity: Shares
    average_price: float
    stop_price: Won
    stop_reason: ExitReason
    target_price: Won
    highest_price: Won
    bars_held: int


@dataclass(frozen=True, slots=True)
class EntrySituation:
    """A decision on a scored stock without a position."""

    code: Code
    at: datetime
    phase: Phase
    score: Score
    ask: Won
    """Best ask; in a backtest the next bar's open."""
    kind: SecurityKind
    orderable_cash: Won
    positions_open: int
    """Held or ordered, this one not included."""
    fifteen: Bars
    daily: Bars
    upper_limit: Won = 0
    exited_today: bool = False


@dataclass(frozen=True, slots=True)
class ExitSituation:
    """A decision on a held stock, at any tick. ``score`` is given at decision points only."""

    code: Code
    at: datetime
    phase: Phase
    price: Won
    position: HeldPosition
    close_out_due: bool
    kind: SecurityKind = SecurityKind.STOCK
    score: float | None = None


@dataclass(frozen=True, slots=True)
class Enter:
    quantity: Shares
    limit_price: Won
    stop: StopChoice
    target_price: Won


@dataclass(frozen=True, slots=True)
class Exit:
    reason: ExitReason
    trigger_price: Won


@dataclass(frozen=True, slots=True)
class RaiseStop:
    """After the holding limit the stop follows the high; it never moves down."""

    stop_price: Won


@dataclass(frozen=True, slots=True)
class Stay:
    """Do nothing; ``why`` is Korean and shown to the owner."""

    why: str


Decision: TypeAlias = Enter | Exit | RaiseStop | Stay


def decide(settings: StrategySettings, situation: EntrySituation | ExitSituation, costs: CostModel) -> Decision:
    """The one decision function."""
    if isinstance(situation, EntrySituation):
        return _entry(settings, situation, costs)
    return _exit(settings, situation)


def _entry(settings: StrategySettings, situation: EntrySituation, costs: CostModel) -> Decision:
    total = situation.score.total
    if total < settings.entry_score:
        return Stay(f"점수 {total:+.1f}점: 매수 기준 {settings.entry_score:g}점 미만")
    if situation.phase is not Phase.CONTINUOUS:
        return Stay(f"{situation.phase.label}이라 신규 진입하지 않음")
    if situation.at.time() > settings.last_entry and not settings.overnight:
        return Stay(f"{settings.last_entry:%H:%M} 이후에는 신규 진입하지 않음")
    if situation.exited_today:
        return Stay("오늘 이미 청산한 종목은 다시 사지 않음")
    if situation.positions_open >= settings.maximum_positions:
        return Stay(f"보유 한도 {settings.maximum_positions}종목이 찼음")
    if situation.ask <= 0:
        return Stay("매도 호가가 없음 (상한가 잠김 또는 호가 공백)")
    limit = step_ticks(ceil_to_tick(situation.ask, situation.kind), settings.entry_ticks, situation.kind)
    if situation.upper_limit:
        limit = min(limit, situation.upper_limit)
    stop = structural_stop(
        situation.fifteen,
        situation.daily,
        situation.ask,
        kind=situation.kind,
        fixed=settings.fixed_stop,
        nearest=settings.nearest_stop,
        farthest=settings.farthest_stop,
    )
    stake = int(situation.orderable_cash * settings.cash_share)
    if settings.volatility_sizing:
        distance = max(1, situation.ask - stop.price)
        stake = min(stake, int(situation.orderable_cash * settings.risk_share / distance * situation.ask))
    quantity = costs.affordable(stake, limit, situation.kind)
    if quantity <= 0:
        return Stay(f"예수금의 {settings.cash_share:.0%}({stake:,}원)로 1주({limit:,}원)를 살 수 없음")
    return Enter(quantity, limit, stop, target_price(settings, situation.ask, situation.kind))


def target_price(settings: StrategySettings, entry_price: float, kind: SecurityKind) -> Won:
    """The take-profit price, on the grid and not below the promised gain."""
    return ceil_to_tick(-int(-entry_price * (1.0 + settings.take_profit) // 1), kind)


def _exit(settings: StrategySettings, situation: ExitSituation) -> Decision:
    position, price = situation.position, situation.price
    if price > 0:
        if position.stop_price > 0 and price <= position.stop_price:
            trailing = position.bars_held >= settings.holding_bars and position.stop_price == _trail(
                settings, position.highest_price, situation.kind
            )
            return Exit(ExitReason.TRAILING if trailing else position.stop_reason, position.stop_price)
        if 0 < position.target_price <= price:
            return Exit(ExitReason.TAKE_PROFIT, position.target_price)
    if situation.score is not None and situation.score <= settings.exit_score:
        return Exit(ExitReason.SCORE, price)
    if situation.close_out_due and settings.close_out and not settings.overnight:
        return Exit(ExitReason.CLOSE_OUT, price)
    if position.bars_held >= settings.holding_bars and price > 0:
        trail = _trail(settings, max(position.highest_price, price), situation.kind)
        if price <= trail:
            return Exit(ExitReason.TRAILING, trail)
        if trail > position.stop_price:
            return RaiseStop(trail)
    return Stay("청산 조건 아님")


def _trail(settings: StrategySettings, highest: Won, kind: SecurityKind) -> Won:
    return floor_to_tick(int(highest * (1.0 - settings.trail)), kind)
