"""Exits that do not give up: every tick of a held stock is held against the exit rules, and an exit that is due is
pursued until the broker has confirmed it, or the owner has been told truthfully why it cannot be done now.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from datetime import datetime

from engine.broker import OrderType
from engine.clock import MarketClock, monotonic
from engine.events import EventBus, ExitPending
from engine.krx import CostModel
from engine.live_market import LiveMarket
from engine.market import Code, Phase, Side, Tick, Won
from engine.orders import OrderDesk, OrderIntent, OrderState, Origin, Position, Purpose
from engine.results import ExitReason
from engine.strategy import Exit, ExitSituation, HeldPosition, RaiseStop, StrategySettings, decide

logger = logging.getLogger(__name__)

RETRY_SECONDS = (2.0, 5.0, 10.0, 20.0, 30.0)
FILL_PATIENCE_SECONDS = 15.0


def held(position: Position, highest: Won) -> HeldPosition:
    return HeldPosition(
        position.quantity,
        position.average_price,
        position.stop_price,
        position.stop_reason,
        position.target_price,
        max(position.highest_price, highest),
        position.bars_held,
    )


class ExitWatcher:
    """One pursuing task per code at most; ``tasks`` belong to the caller's task group."""

    def __init__(
        self,
        *,
        desk: OrderDesk,
        market: LiveMarket,
        clock: MarketClock,
        events: EventBus,
        settings: Callable[[], StrategySettings],
        costs: CostModel,
    ) -> None:
        self._desk = desk
        self._market = market
        self._clock = clock
        self._events = events
        self._settings = settings
        self._costs = costs
        self._group: asyncio.TaskGroup | None = None
        self._pursuing: dict[Code, ExitReason] = {}
        self._highest: dict[Code, Won] = {}
        self._raising: set[Code] = set()
        self.on_answer: Callable[[float], None] = lambda seconds: None
        """Told the wall seconds from a decision to the broker's answer."""
        self.checked_at: datetime | None = None
        """Market time of the last check of any held stock: the watcher's own health."""

    def attach(self, group: asyncio.TaskGroup) -> None:
        self._group = group

    @property
    def pursuing(self) -> dict[Code, ExitReason]:
        return dict(self._pursuing)

    def highest(self, code: Code) -> Won:
        return self._highest.get(code, 0)

    def forget(self, code: Code) -> None:
        self._highest.pop(code, None)

    def on_tick(self, tick: Tick) -> None:
        """Synchronous and cheap: called for each tick of the market."""
        position = self._desk.position(tick.code)
        if position is None or position.quantity <= 0 or tick.code in self._pursuing:
            return
        if position.origin is Origin.EXTERNAL:
            return  # the owner bought it elsewhere: it is shown, never sold on our own
        self.check(position, tick.price, tick.at)

    def check(self, position: Position, price: Won, at: datetime, score: float | None = None) -> None:
        """Hold one position against the rules now and act on the answer."""
        code = position.code
        if price > 0:
            self._highest[code] = max(self._highest.get(code, 0), price)
        self.checked_at = at
        situation = ExitSituation(
            code,
            at,
            self._market.phase(),
            price,
            held(position, self._highest.get(code, 0)),
            close_out_due=self._market.phase() is Phase.CLOSING_AUCTION,
            kind=self._market.kind(code),
            score=score,
        )
        decision = decide(self._settings(), situation, self._costs)
        if isinstance(decision, Exit):
            self.pursue(code, decision.reason, f"trigger {decision.trigger_price}")
        elif isinstance(decision, RaiseStop) and code not in self._raising and self._group is not None:
            self._raising.add(code)
            self._group.create_task(self._raise_stop(position, decision.stop_price))

    def pursue(self, code: Code, reason: ExitReason, note: str = "", actor: str = "bot") -> None:
        """Start selling the whole position; does nothing if that is under way."""
        if code in self._pursuing or self._group is None:
            return
        self._pursuing[code] = reason
        self._group.create_task(self._sell(code, reason, note, actor), name=f"exit-{code}")

    async def _raise_stop(self, position: Position, stop_price: Won) -> None:
        try:
            await self._desk.update_plan(
                position.code,
                stop_price=stop_price,
                highest_price=self._highest.get(position.code),
                reason="보유 기한이 지나 고점을 따라 올림",
            )
        finally:
            self._raising.discard(position.code)

    async def _sell(self, code: Code, reason: ExitReason, note: str, actor: str) -> None:
        """Try until the position is gone or the market has closed."""
        told = ""
        attempt = 0
        try:
            while (position := self._desk.position(code)) is not None and position.quantity > 0:
                obstacle = self._obstacle(code)
                if obstacle:
                    if obstacle != told:
                        self._tell(position, reason, obstacle)
                        told = obstacle
                    if self._market.phase() in (Phase.CLOSED, Phase.AFTER_CLOSE):
                        return
                    await self._clock.sleep(5.0)
                    continue
                selling = [order for order in self._desk.open_orders() if order.intent.code == code]
                for order in selling:
                    if order.intent.side is Side.BUY or order.intent.purpose is not Purpose.EXIT:
                        await self._desk.cancel(order.order_id, actor)
                if any(o.intent.side is Side.SELL and o.intent.purpose is Purpose.EXIT for o in selling):
                    await self._clock.sleep(FILL_PATIENCE_SECONDS)
                    continue
                attempt += 1
                decided_at = monotonic()
                record = await self._desk.submit(
                    OrderIntent(
                        signal_key=f"{self._clock.now():%Y%m%d}:{code}:exit:{reason}:{position.entry_order_id}:{attempt}",
                        code=code,
                        side=Side.SELL,
                        type=OrderType.MARKET,
                        quantity=position.quantity,
                        price=0,
                        origin=Origin.PANIC if reason is ExitReason.PANIC else Origin.BOT,
                        purpose=Purpose.EXIT,
                        actor=actor,
                        exit_reason=reason,
                        stop_price=position.stop_price,
                        target_price=position.target_price,
                        note=note,
                    )
                )
                self.on_answer(monotonic() - decided_at)
                if record.state in (OrderState.REJECTED, OrderState.DENIED, OrderState.NOT_SENT):
                    self._tell(position, reason, f"{record.state.label}: {record.reason}")
                    await self._clock.sleep(RETRY_SECONDS[min(attempt - 1, len(RETRY_SECONDS) - 1)])
                elif record.state is not OrderState.FILLED:
                    await self._clock.sleep(1.0)
        finally:
            self._pursuing.pop(code, None)

    def _obstacle(self, code: Code) -> str:
        """Why a sell cannot be executed at this moment, in Korean; empty when it can."""
        phase = self._market.phase()
        if phase in (Phase.CLOSED, Phase.AFTER_CLOSE):
            return "장이 끝나 매도할 수 없습니다. 다음 거래일에 다시 시도합니다"
        if phase is Phase.OPENING_AUCTION:
            return "시가 단일가 시간이라 장이 열리면 매도합니다"
        if self._market.halted(code):
            return "거래정지 중이라 풀리면 매도합니다"
        if self._market.vi_active(code):
            return "VI(변동성완화장치) 발동 중이라 해제되면 매도합니다"
        return ""

    def _tell(self, position: Position, reason: ExitReason, obstacle: str) -> None:
        self._events.publish(
            ExitPending(
                at=self._clock.now(),
                code=position.code,
                name=position.name,
                exit_reason=reason,
                obstacle=obstacle,
            )
        )
