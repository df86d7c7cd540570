"""Orders that come by API: the ticket's rules, the gate, then the one door. Once for each key, whatever is repeated."""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
import sqlite3
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from bot.access import Permission
from bot.confirmations import CONFIRM_SECONDS, Confirmation
from bot.context import Context
from bot.control import ControlPlane
from bot.inputs import printable
from bot.services import ManualOrder, OrderAnswer
from bot.texts import Texts
from bot.ticket_orders import PRICE_BAND, check_price
from bot.ticket_view import TicketScene, read_scene
from bot.web.cards import CardDesk
from bot.web.problems import Problem
from bot.web.security import Caller
from bot.web.trading_models import LimitUsed, OrderBody, OrderResult, PreviewModel
from bot.web.views import dated
from engine.broker import OrderType
from engine.market import Side

logger = logging.getLogger(__name__)

KIND = "api_order"
KEYS_KEPT = 5_000


@dataclass
class _Sent:
    fingerprint: str
    answer: asyncio.Future[OrderResult]


class ApiOrders:
    def __init__(self, plane: ControlPlane, cards: CardDesk) -> None:
        self._plane = plane
        self._cards = cards
        self._sent: OrderedDict[str, _Sent] = OrderedDict()

    # -- preview → confirm

    async def preview(self, caller: Caller, side: Side, body: OrderBody) -> PreviewModel:
        """What would be sent, and a confirmation to send exactly that. Raises Problem, Declined, BrokerError."""
        context = self._context(caller)
        scene = await read_scene(context, body.code)
        self._obey_ticket_rules(context, side, body, scene)
        checked = await context.services.orders.check(_order("preview", side, body, actor(caller)))
        price = body.price or (scene.book.best_ask if side is Side.BUY else scene.book.best_bid) or scene.quote.price
        value, stock, costs = price * body.quantity, scene.stock, context.services.costs
        if side is Side.BUY:
            fees, taxes = costs.commission(value, stock.kind), 0
            amount = value + fees
        else:
            fees, taxes = costs.sell_costs(value, context.services.clock.today(), stock.market, stock.kind)
            amount = value - fees - taxes
        confirmation = ""
        if checked.allowed:
            payload = {**_payload(side, body), "reference": str(scene.quote.price)}
            confirmation = (await self._plane.confirmations.ask(KIND, actor(caller), payload)).id
        return PreviewModel(
            **dated(context.services, scene.quote.at),
            code=stock.code,
            name=stock.name,
            side=side.value,
            type=body.type,
            quantity=body.quantity,
            price=price,
            amount=amount,
            fees=fees,
            taxes=taxes,
            allowed=checked.allowed,
            reason=checked.reason,
            limits=[LimitUsed(name=limit.name, share=limit.share) for limit in checked.limits],
            confirmation=confirmation,
            seconds=int(CONFIRM_SECONDS),
        )

    async def confirmed(self, caller: Caller, side: Side, body: OrderBody, identity: str) -> OrderResult:
        """Send what a preview showed: exactly that order, once. Raises Problem."""
        kept = await self._plane.confirmations.peek(identity)
        if kept is None or kept.kind != KIND:
            raise Problem(409, "그런 확인 번호가 없습니다. 미리보기를 다시 하세요")
        wanted = _payload(side, body)
        if {name: kept.payload.get(name) for name in wanted} != wanted:
            raise Problem(422, "미리보기와 다른 주문입니다")
        result = await self._plane.confirmations.consume(identity, actor(caller), "")
        if not isinstance(result, Confirmation):
            raise Problem(409, Texts(self._plane.language)(f"confirm_{result.value}"))
        quote = await self._plane.services.quotes.quote(body.code)
        reference = int(kept.payload["reference"])
        if abs(quote.price - reference) > PRICE_BAND * reference:
            raise Problem(
                409, f"미리보기 뒤 가격이 {reference:,}원에서 {quote.price:,}원으로 움직였습니다. 다시 하세요"
            )
        return await self._once(caller, f"confirmation:{identity}", side, body)

    # -- one call with a key

    async def keyed(self, caller: Caller, side: Side, body: OrderBody, key: str) -> OrderResult:
        """Send an order under an idempotency key; a repeated call gets the first one's answer. Raises Problem."""
        return await self._once(caller, f"key:{key}", side, body)

    async def _once(self, caller: Caller, key: str, side: Side, body: OrderBody) -> OrderResult:
        fingerprint = json.dumps(_payload(side, body), sort_keys=True)
        known = self._sent.get(key)
        if known is not None:
            if known.fingerprint != fingerprint:
                raise Problem(422, "같은 Idempotency-Key 로 다른 주문을 보냈습니다. 아무것도 보내지 않았습니다")
            return (await asyncio.shield(known.answer)).model_copy(update={"replayed": True})
        sent = self._sent[key] = _Sent(fingerprint, asyncio.get_running_loop().create_future())
        # A caller that hangs up must not leave the order half sent: the work goes on without him.
        work = asyncio.create_task(self._send(caller, key, side, body, sent), name="api-order")
        return await asyncio.shield(work)

    async def _send(self, caller: Caller, key: str, side: Side, body: OrderBody, sent: _Sent) -> OrderResult:
        try:
            result = await self._submit(caller, key, side, body)
        except BaseException as problem:
            # Nothing was sent: the same key may be tried again.
            self._sent.pop(key, None)
            sent.answer.set_exception(problem)
            sent.answer.exception()
            raise
        sent.answer.set_result(result)
        while len(self._sent) > KEYS_KEPT:
            self._sent.popitem(last=False)
        return result

    async def _submit(self, caller: Caller, key: str, side: Side, body: OrderBody) -> OrderResult:
        context = self._context(caller)
        scene = await read_scene(context, body.code)
        self._obey_ticket_rules(context, side, body, scene)
        order = _order(f"api-{hashlib.sha256(key.encode()).hexdigest()[:32]}", side, body, actor(caller))
        await self._record(caller, order, "allowed", "")
        try:
            answer = await context.services.orders.submit(order)
        except Exception:  # whatever happened, the order may be at the broker: never invite to send it again
            logger.exception("submission of an API order failed")
            answer = OrderAnswer("unknown", "", context.say("order_failed_inside"))
        await self._check_same_order(answer, order)
        try:
            await self._record(caller, order, "done", f"{answer.state} {answer.order_id}")
        except sqlite3.Error:
            logger.exception("the audit entry of order %s could not be written", answer.order_id)
        return OrderResult(
            state=answer.state,
            order_id=answer.order_id,
            message=answer.message,
            code=order.code,
            side=side.value,
            quantity=order.quantity,
            price=order.price,
            replayed=False,
        )

    async def _check_same_order(self, answer: OrderAnswer, order: ManualOrder) -> None:
        """A key from before a restart is known to the journal, which answers with the order it belonged to. Raises
        Problem when that was a different one."""
        lines = await self._plane.services.orders.order_lines(self._plane.services.clock.today())
        found = next((line for line in lines if line.order_id == answer.order_id), None)
        if found is None:
            return
        same = (found.code, found.side, found.quantity) == (order.code, order.side, order.quantity)
        if not same or (order.price and found.price != order.price):
            raise Problem(422, "같은 Idempotency-Key 로 다른 주문을 보냈습니다. 아무것도 보내지 않았습니다")

    # -- rules

    def _context(self, caller: Caller) -> Context:
        incoming = self._cards.incoming(caller)
        user, _ = self._plane.access.identify(incoming.sender, Permission.TRADER)
        if user is None:
            raise Problem(403, "주문할 권한이 없습니다")
        return Context(user, incoming, self._plane, Texts(self._plane.language))

    @staticmethod
    def _obey_ticket_rules(context: Context, side: Side, body: OrderBody, scene: TicketScene) -> None:
        """The same refusals as on a ticket. Raises Problem, Declined."""
        if context.services.listing.get(body.code) is None:
            raise Problem(404, f"{body.code} 은(는) 목록에 없는 종목입니다")
        if body.price is not None:
            check_price(context, body.price, scene.quote)
        if side is Side.SELL and scene.balance is not None:
            sellable = scene.holding.sellable if scene.holding else 0
            if body.quantity > sellable:
                raise Problem(422, context.say("ticket_too_many", sellable=f"{sellable:,}"))

    async def _record(self, caller: Caller, order: ManualOrder, decision: str, result: str) -> None:
        """The audit entry; an order that cannot be recorded is not sent."""
        arguments: Mapping[str, object] = {
            "code": order.code,
            "side": order.side.value,
            "type": order.type.value,
            "quantity": order.quantity,
            "price": order.price,
        }
        at: datetime = self._plane.wall.now()
        await self._plane.store.record(
            at.isoformat(),
            actor(caller),
            "api",
            order.ticket,
            "order",
            json.dumps(arguments, ensure_ascii=False),
            decision,
            printable(result, 200),
        )


def actor(caller: Caller) -> str:
    """The name under which a caller's doings are kept."""
    return "api" if caller.kind == "token" else "console:1"


def _order(ticket: str, side: Side, body: OrderBody, by: str) -> ManualOrder:
    return ManualOrder(ticket, body.code, side, OrderType(body.type), body.quantity, body.price or 0, by)


def _payload(side: Side, body: OrderBody) -> dict[str, str]:
    return {
        "code": body.code,
        "side": side.value,
        "type": body.type,
        "quantity": str(body.quantity),
        "price": str(body.price or 0),
    }
