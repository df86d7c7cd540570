"""The order desk for people: manual orders in, answers and lists out. Every order goes through the same door."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime, time

from bot.services import Checked, Latch, LimitUse, ManualOrder, OrderAnswer
from engine.broker import BrokerError, MarketData, OrderType
from engine.calendar import TradingCalendar
from engine.clock import MarketClock
from engine.day import DayKeeper
from engine.krx import CostModel
from engine.live_market import LiveMarket
from engine.market import KST, Code, Side, Won
from engine.orders import (
    Allow,
    Journal,
    OrderDesk,
    OrderIntent,
    OrderRecord,
    OrderState,
    Origin,
    Purpose,
    RiskLimits,
    evaluate,
)
from engine.results import ExitReason, OrderLine, PositionView, Trade

_ANSWERS = {
    OrderState.DENIED: "denied",
    OrderState.REJECTED: "rejected",
    OrderState.NOT_SENT: "not_sent",
    OrderState.UNKNOWN: "unknown",
}


class PeoplesDesk:
    """Fulfils ``bot.services.OrderDesk`` over ``engine.orders.OrderDesk``."""

    def __init__(
        self,
        *,
        desk: OrderDesk,
        journal: Journal,
        days: DayKeeper,
        market: LiveMarket,
        market_data: MarketData,
        clock: MarketClock,
        calendar: TradingCalendar,
        limits: Callable[[], RiskLimits],
        costs: CostModel,
    ) -> None:
        self._desk = desk
        self._journal = journal
        self._days = days
        self._market = market
        self._market_data = market_data
        self._clock = clock
        self._calendar = calendar
        self._limits = limits
        self._costs = costs

    # -- orders

    async def submit(self, order: ManualOrder) -> OrderAnswer:
        await self._refresh_quote(order.code)
        return _answer(await self._desk.submit(self._intent(order)))

    async def check(self, order: ManualOrder) -> Checked:
        await self._refresh_quote(order.code)
        intent = self._intent(order)
        state = self._desk.risk_state(intent)
        allowed_by = self._limits()
        decision = evaluate(allowed_by, state, intent)
        price = order.price or self._price(order.code)
        value = price * order.quantity
        limits: list[LimitUse] = []
        if order.side is Side.BUY:
            equity = max(1, state.equity)
            held = sum(state.holding_values.values())
            limits = [
                LimitUse("1회 주문 금액", value / allowed_by.order_value),
                LimitUse("자산 대비 1회 주문", value / (equity * allowed_by.order_share)),
                LimitUse("총 보유 비중", (held + value) / (equity * allowed_by.exposure_share)),
                LimitUse("주문 가능 현금", self._costs.buy_cost(price, order.quantity) / max(1, state.cash)),
            ]
        limits.append(LimitUse("하루 주문 수", (len(state.sent) + 1) / allowed_by.orders_per_day))
        allowed = isinstance(decision, Allow)
        reason = "" if isinstance(decision, Allow) else decision.reason_ko
        return Checked(allowed, reason, tuple(limits))

    async def cancel(self, order_id: str, by: str) -> OrderAnswer:
        return _answer(await self._desk.cancel(order_id, by))

    async def panic(self, by: str) -> int:
        report = await self._desk.panic(by)
        return len(report.cancelled) + len(report.remaining)

    async def flatten(self, by: str) -> int:
        return len((await self._desk.flatten(by)).sold)

    # -- lists

    async def positions(self) -> Sequence[PositionView]:
        return self._days.position_views()

    async def open_orders(self, code: Code | None = None) -> Sequence[OrderLine]:
        return [
            record.line(self._name(record.intent.code))
            for record in self._desk.open_orders()
            if code is None or record.intent.code == code
        ]

    async def order_lines(self, day: date) -> Sequence[OrderLine]:
        if day == self._clock.today():
            return self._desk.order_lines(day)
        return [record.line(self._name(record.intent.code)) for record in await self._journal.orders(day)]

    async def trades(self, first: date, last: date) -> Sequence[Trade]:
        return await self._journal.trades(first, last)

    async def equity_curve(self, first: date, last: date) -> Sequence[tuple[datetime, Won]]:
        return [
            (datetime.combine(day, time(15, 30), KST), end)
            for day, _, end in await self._journal.equity_curve(first, last)
        ]

    # -- protections

    async def latches(self) -> Sequence[Latch]:
        return [Latch(latch.name, latch.reason, latch.since) for latch in self._desk.latches()]

    async def unlatch(self, rule: str, by: str) -> None:
        await self._desk.release_latch(rule, by)

    async def differences(self) -> Sequence[tuple[Code, int, int]]:
        return [(d.code, d.journal, d.broker) for d in self._desk.frozen_codes()]

    async def adopt(self, code: Code, by: str) -> None:
        await self._desk.confirm_difference(code, by)

    async def stop_entries(self, by: str, reason: str) -> None:
        await self._desk.stop_entries(by, reason)

    async def allow_entries(self, by: str) -> None:
        await self._desk.allow_entries(by)

    async def record_audit(self, entry: Mapping[str, object]) -> None:
        known = {name: str(entry.get(name, "")) for name in ("user", "verb", "decision", "result")}
        platform = known["user"].partition(":")[0]
        arguments = entry.get("arguments", {})
        await self._desk.record_audit(
            known["user"],
            platform,
            known["verb"],
            arguments if isinstance(arguments, Mapping) else {"text": json.dumps(arguments, default=str)},
            known["decision"],
            known["result"],
        )

    # -- inside

    def _intent(self, order: ManualOrder) -> OrderIntent:
        selling = order.side is Side.SELL
        return OrderIntent(
            signal_key=f"ticket:{order.ticket}",
            code=order.code,
            side=order.side,
            type=order.type,
            quantity=order.quantity,
            price=0 if order.type is OrderType.MARKET else order.price,
            origin=Origin.MANUAL,
            purpose=Purpose.EXIT if selling else Purpose.ENTRY,
            actor=order.by,
            exit_reason=ExitReason.MANUAL if selling else None,
        )

    async def _refresh_quote(self, code: Code) -> None:
        """The gate wants a price that was confirmed just now."""
        try:
            self._market.on_quote(await self._market_data.quote(code))
        except BrokerError:
            return  # the gate sees the age of the last price and refuses

    def _price(self, code: Code) -> Won:
        last = self._market.last(code)
        return last[0] if last else 0

    def _name(self, code: Code) -> str:
        stock = self._market.stock(code)
        return stock.name if stock else code


def _answer(record: OrderRecord) -> OrderAnswer:
    state = _ANSWERS.get(record.state, "accepted")
    return OrderAnswer(state, record.order_id, record.reason)  # type: ignore[arg-type]
