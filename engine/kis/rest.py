"""Reads over REST: token, rate limit, retries and paging; orders use its single ``send``."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Any

import httpx

from engine.broker import BrokerError, TemporaryError
from engine.clock import MarketClock, seeded
from engine.kis.auth import Access
from engine.kis.errors import AnswerLost, RateLimited, TokenRefused, TokenUnavailable, read_error
from engine.kis.limits import CallLimits, KisLimits, Priority
from engine.kis.settings import KisCredentials
from engine.kis.transport import RawAnswer, exchange
from engine.kis.wire import Call, Wire

FIRST_RETRY = 0.3
PAGE_CAP = 200


class Rest:
    """The REST side of one app key."""

    def __init__(
        self,
        clients: tuple[httpx.AsyncClient, httpx.AsyncClient],
        clock: MarketClock,
        access: Access,
        limiter: CallLimits,
        limits: KisLimits,
        credentials: KisCredentials,
        wire: Wire,
    ) -> None:
        self._reads, self._orders = clients
        self.clock = clock
        self.access = access
        self.limiter = limiter
        self.limits = limits
        self.credentials = credentials
        self.wire = wire
        self._retries = 0

    @property
    def account(self) -> dict[str, str]:
        return {"CANO": self.credentials.account, "ACNT_PRDT_CD": self.credentials.product}

    def _headers(self, token: str, tr_id: str, paging: str) -> dict[str, str]:
        return {
            "authorization": f"Bearer {token}",
            "appkey": self.credentials.app_key,
            "appsecret": self.credentials.app_secret,
            "tr_id": tr_id,
            "tr_cont": paging,
            "custtype": "P",
        }

    async def send(self, call: Call, token: str, body: Mapping[str, str]) -> RawAnswer:
        """Send an order once, in its turn. Raises NotOffered, NotDelivered, AnswerLost."""
        headers = self._headers(token, call.tr_id(self.wire), "")
        await self.limiter.slot(Priority.ORDER)
        return await exchange(
            self._orders,
            self.clock,
            "POST",
            call.path,
            headers=headers,
            label=call.label,
            time_out=self.limits.time_out,
            content=body,
        )

    async def _read_once(
        self, call: Call, query: Mapping[str, str], paging: str, priority: Priority
    ) -> tuple[dict[str, Any], str]:
        tr_id = call.tr_id(self.wire)
        token = await self.access.token()
        await self.limiter.slot(priority)
        answer = await exchange(
            self._reads,
            self.clock,
            "GET",
            call.path,
            headers=self._headers(token, tr_id, paging),
            label=call.label,
            time_out=self.limits.time_out,
            query=query,
        )
        body = answer.body()
        if body is None:
            raise AnswerLost(f"{call.label}: 응답을 읽을 수 없습니다 (HTTP {answer.status})")
        if answer.status == 200 and body.get("rt_cd") == "0":
            self.limiter.served()
            return body, answer.paging
        problem = read_error(answer.status, str(body.get("msg_cd", "")).strip(), str(body.get("msg1", "")))
        if isinstance(problem, RateLimited):
            self.limiter.refused()
        elif isinstance(problem, TokenRefused):
            self.access.refuse(token)
        raise problem

    async def read(
        self, call: Call, query: Mapping[str, str], *, paging: str = "", priority: Priority = Priority.QUOTE
    ) -> tuple[dict[str, Any], str]:
        """The body of a successful answer and its paging mark. Temporary failures are tried again.

        Raises BrokerError of the last attempt.
        """
        refreshed = False
        for attempt in range(1, self.limits.attempts + 1):
            try:
                return await self._read_once(call, query, paging, priority)
            except TokenUnavailable:
                raise
            except TokenRefused:
                # Once: a new token may help, a refusal of that one is not for us to repeat.
                if refreshed or attempt == self.limits.attempts:
                    raise
                refreshed = True
            except RateLimited:
                if attempt == self.limits.attempts:
                    raise
            except TemporaryError:
                if attempt == self.limits.attempts:
                    raise
                self._retries += 1
                jitter = float(seeded("kis-retry", self._retries).random())
                await self.clock.sleep(FIRST_RETRY * 3 ** (attempt - 1) * (1.0 + 0.25 * jitter))
        raise AssertionError("attempts was not positive")

    async def pages(
        self, call: Call, query: Mapping[str, str], *, cursor: str, priority: Priority = Priority.ACCOUNT
    ) -> AsyncIterator[dict[str, Any]]:
        """Every page of an account list. ``cursor`` is the suffix of the keys ("100").

        Raises BrokerError, also where the broker's cursor stops moving: a list cut short must not look whole.
        """
        first_key, next_key = f"CTX_AREA_FK{cursor}", f"CTX_AREA_NK{cursor}"
        search, position, mark = "", "", ""
        seen: set[str] = set()
        for _ in range(PAGE_CAP):
            body, state = await self.read(
                call, {**query, first_key: search, next_key: position}, paging=mark, priority=priority
            )
            yield body
            search = _cursor(body, first_key)
            position = _cursor(body, next_key)
            if state not in ("F", "M") or not position.strip("^! ") or not body.get("output1"):
                return
            if position in seen:
                raise BrokerError(f"{call.label}: 다음 쪽 표시가 되풀이됩니다")
            seen.add(position)
            mark = "N"
        raise BrokerError(f"{call.label}: 쪽이 너무 많습니다")


def _cursor(body: Mapping[str, Any], key: str) -> str:
    value = body.get(key.lower(), body.get(key, ""))
    return value.strip() if isinstance(value, str) else ""
