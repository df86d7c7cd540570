"""One HTTP exchange under the market clock, with the one fact that decides about orders: did a byte leave?"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import httpx
import orjson

from engine.clock import MarketClock, new_secret
from engine.kis.errors import AnswerLost, NotDelivered

IDLE_CONNECTION_SECONDS = 30.0
WALL_BACKSTOP = httpx.Timeout(connect=5.0, read=60.0, write=10.0, pool=5.0)
"""Only for a dead peer; time-outs that matter are market time."""


@dataclass(frozen=True, slots=True)
class RawAnswer:
    """What came back, unjudged."""

    status: int
    content: bytes
    paging: str = ""

    def body(self) -> dict[str, Any] | None:
        """The JSON object, or None where the content is anything else."""
        try:
            parsed = orjson.loads(self.content.decode("utf-8", errors="replace"))
        except orjson.JSONDecodeError:
            return None
        return parsed if isinstance(parsed, dict) else None


def new_client(base_url: str) -> httpx.AsyncClient:
    """A client without retries, redirects or proxies. Its pool has no bound.

    A bound would let a call wait for a connection of another call that waits for market time, while the first keeps
    market time from moving; the rate limiter is what bounds the number of calls.
    """
    # Their INFO line holds the account number, their DEBUG lines every header.
    for name in ("httpx", "httpcore"):
        logger = logging.getLogger(name)
        logger.setLevel(max(logger.level, logging.WARNING))
    return httpx.AsyncClient(
        base_url=base_url.rstrip("/"),
        timeout=WALL_BACKSTOP,
        limits=httpx.Limits(
            max_connections=None, max_keepalive_connections=20, keepalive_expiry=IDLE_CONNECTION_SECONDS
        ),
        transport=None,
        trust_env=False,
        follow_redirects=False,
    )


async def exchange(
    client: httpx.AsyncClient,
    clock: MarketClock,
    method: Literal["GET", "POST"],
    path: str,
    *,
    headers: Mapping[str, str],
    label: str,
    time_out: float,
    query: Mapping[str, str] | None = None,
    content: Mapping[str, str] | None = None,
) -> RawAnswer:
    """Send one request and read its whole answer within ``time_out`` seconds of market time.

    Raises NotDelivered when no byte was written, AnswerLost in every other failure. The messages name the kind of
    failure only: texts of the HTTP library can hold headers.
    """
    sent = False

    async def watch(event: str, _: Mapping[str, Any]) -> None:
        nonlocal sent
        if event.endswith("send_request_headers.started"):
            sent = True

    async with clock.hold(label) as hold:
        try:
            async with clock.timeout(time_out):
                answer = await client.request(
                    method,
                    path,
                    headers={
                        **headers,
                        "content-type": "application/json; charset=utf-8",
                        "gt_uid": hold.id or new_secret(),
                    },
                    params=query,
                    content=None if content is None else orjson.dumps(dict(content)),
                    extensions={"trace": watch},
                )
        except (TimeoutError, httpx.RequestError) as error:
            reason = "시간 초과" if isinstance(error, TimeoutError | httpx.TimeoutException) else "연결 끊김"
            if sent:
                raise AnswerLost(f"{label}: 응답을 받지 못했습니다 ({reason})") from None
            raise NotDelivered(f"{label}: 한국투자증권에 연결하지 못했습니다 ({reason})") from None
    return RawAnswer(answer.status_code, answer.content, answer.headers.get("tr_cont", "").strip().upper())
