"""Order commands: sent once, answered with one of four outcomes.

There is no client order id: an order that was sent twice is two orders. Only proof counts as "not sent" (no byte left,
or the gateway refused before the order desk) and only a known refusal as "rejected"; all else is unknown.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from engine.broker import (
    Accepted,
    BrokerError,
    NewOrder,
    NotOffered,
    NotSent,
    OrderKey,
    OrderType,
    Outcome,
    Rejected,
    Unknown,
)
from engine.kis import wire
from engine.kis.errors import (
    BUSINESS_REFUSALS,
    INPUT_REFUSALS,
    RATE_CODES,
    REFUSAL_TEXTS,
    TOKEN_CODES,
    AnswerLost,
    NotDelivered,
    TokenUnavailable,
)
from engine.kis.rest import Rest
from engine.kis.transport import RawAnswer
from engine.kis.values import order_number, time_of
from engine.market import KST, Side

RATE_REFUSAL = "호출 한도"
TOKEN_REFUSAL = "접근토큰 거절"


def outcome_of(answer: RawAnswer, now: datetime) -> Outcome:
    """Judge the answer to an order. ``NotSent.reason`` is RATE_REFUSAL or TOKEN_REFUSAL."""
    body = answer.body()
    if body is None:
        return Unknown(f"주문 응답을 읽을 수 없습니다 (HTTP {answer.status})")
    code = str(body.get("msg_cd", "")).strip()
    message = str(body.get("msg1", "")).strip()
    if body.get("rt_cd") == "0":
        return _taken(answer.status, body, now)
    if code in RATE_CODES:
        return NotSent(RATE_REFUSAL)
    if code in TOKEN_CODES:
        return NotSent(TOKEN_REFUSAL)
    if body.get("rt_cd") in ("1", "2", "7") and (
        code in BUSINESS_REFUSALS or code in INPUT_REFUSALS or any(text in message for text in REFUSAL_TEXTS)
    ):
        return Rejected(code, message or "주문이 거절되었습니다")
    return Unknown(f"뜻을 모르는 주문 응답입니다: {message} ({code or f'HTTP {answer.status}'})")


def _taken(status: int, body: Mapping[str, object], now: datetime) -> Outcome:
    output = body.get("output")
    if isinstance(output, list) and len(output) == 1:
        output = output[0]
    fields = {key.upper(): value for key, value in output.items()} if isinstance(output, dict) else {}
    number, branch, at = (fields.get(key) for key in ("ODNO", "KRX_FWDG_ORD_ORGNO", "ORD_TMD"))
    try:
        key = OrderKey(now.date(), str(branch or "").strip(), order_number(number if isinstance(number, str) else ""))
    except ValueError:
        return Unknown("접수되었다는 응답에 주문번호가 없습니다")
    if status != 200:
        return Unknown(f"접수되었다는 응답의 상태가 HTTP {status} 입니다 (주문번호 {key.number})")
    try:
        return Accepted(key, datetime.combine(now.date(), time_of(at if isinstance(at, str) else ""), KST))
    except ValueError:
        return Accepted(key, now)


class OrderCommands:
    """The sending half of Broker. Only engine/orders may call it."""

    _rest: Rest

    async def place(self, order: NewOrder) -> Outcome:
        body = {
            "PDNO": order.code,
            "ORD_DVSN": _division(order),
            "ORD_QTY": str(order.quantity),
            "ORD_UNPR": str(order.price),
            "EXCG_ID_DVSN_CD": "KRX",
        }
        if order.side is Side.SELL:
            body["SLL_TYPE"] = "01"
        return await self._submit(wire.BUY if order.side is Side.BUY else wire.SELL, body)

    async def amend(self, key: OrderKey, order: NewOrder) -> Outcome:
        """Give ``order.quantity`` shares of the rest the price of ``order``. The accepted key is a new number."""
        return await self._submit(
            wire.AMEND_OR_CANCEL,
            {
                **_target(key),
                "ORD_DVSN": _division(order),
                "RVSE_CNCL_DVSN_CD": "01",
                "ORD_QTY": str(order.quantity),
                "ORD_UNPR": str(order.price),
                # A number, not "all": the broker then refuses when fewer shares are left than the caller believes.
                "QTY_ALL_ORD_YN": "N",
                "EXCG_ID_DVSN_CD": "KRX",
            },
        )

    async def cancel(self, key: OrderKey, order: NewOrder) -> Outcome:
        return await self._submit(
            wire.AMEND_OR_CANCEL,
            {
                **_target(key),
                "ORD_DVSN": _division(order),
                "RVSE_CNCL_DVSN_CD": "02",
                "ORD_QTY": "0",
                "ORD_UNPR": "0",
                "QTY_ALL_ORD_YN": "Y",
                "EXCG_ID_DVSN_CD": "KRX",
            },
        )

    async def _submit(self, call: wire.Call, body: Mapping[str, str]) -> Outcome:
        rest = self._rest
        try:
            token = await rest.access.token()
        except BrokerError as problem:
            return _no_token(problem)
        outcome = await self._send(call, token, body)
        if not (isinstance(outcome, NotSent) and outcome.reason == TOKEN_REFUSAL):
            return outcome
        # The gateway refused the token before the order desk saw the order: with a new token it is sent once more.
        rest.access.refuse(token)
        try:
            token = await rest.access.token()
        except BrokerError as problem:
            return _no_token(problem)
        if rest.access.refused(token):
            return NotSent(TOKEN_REFUSAL, rest.access.seconds_to_issue)
        outcome = await self._send(call, token, body)
        if isinstance(outcome, NotSent) and outcome.reason == TOKEN_REFUSAL:
            rest.access.refuse(token)
            return NotSent(TOKEN_REFUSAL, rest.access.seconds_to_issue)
        return outcome

    async def _send(self, call: wire.Call, token: str, body: Mapping[str, str]) -> Outcome:
        rest = self._rest
        try:
            answer = await rest.send(call, token, {**rest.account, **body})
        except NotOffered as problem:
            return NotSent(str(problem))
        except NotDelivered as problem:
            return NotSent(str(problem), 1.0)
        except AnswerLost as problem:
            return Unknown(str(problem))
        outcome = outcome_of(answer, rest.clock.now())
        if isinstance(outcome, NotSent) and outcome.reason == RATE_REFUSAL:
            return NotSent(RATE_REFUSAL, rest.limiter.refused())
        rest.limiter.served()
        return outcome


def _division(order: NewOrder) -> str:
    return "01" if order.type is OrderType.MARKET else "00"


def _target(key: OrderKey) -> dict[str, str]:
    return {"KRX_FWDG_ORD_ORGNO": key.branch, "ORGN_ODNO": key.number.zfill(10)}


def _no_token(problem: BrokerError) -> NotSent:
    after = problem.retry_after if isinstance(problem, TokenUnavailable) else 1.0 if problem.retryable else 0.0
    return NotSent(f"접근토큰이 없어 보내지 않았습니다: {problem}", after)
