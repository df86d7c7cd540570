"""The WebSocket endpoints."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable
from typing import Annotated

import orjson
from fastapi import APIRouter, Query, WebSocket
from pydantic import ValidationError
from starlette.websockets import WebSocketDisconnect

from bot.web.guard import CALLER
from bot.web.models import PriceWish
from bot.web.prices import PriceClient
from bot.web.security import Caller, Rate, RateLimiter
from bot.web.sockets import ENDED, FLOODED, Outbox, send_all
from bot.web.state import WebState, state_of
from engine.clock import wall_sleep

logger = logging.getLogger(__name__)
router = APIRouter()
MESSAGES_PER_SECOND = Rate(5.0, 40.0)

SESSION_CHECK_SECONDS = 30.0


@router.websocket("/ws/trades")
async def trades(
    socket: WebSocket, epoch: Annotated[str, Query()] = "", after: Annotated[int | None, Query()] = None
) -> None:
    """Order and trade events, numbered; ``?epoch=…&after=…`` goes on where a client left off."""
    await _follow(socket, trades_only=True, epoch=epoch, after=after)


@router.websocket("/ws/events")
async def events(
    socket: WebSocket, epoch: Annotated[str, Query()] = "", after: Annotated[int | None, Query()] = None
) -> None:
    """Everything that is worth telling, and the progress of one's own commands."""
    await _follow(socket, trades_only=False, epoch=epoch, after=after)


@router.websocket("/ws/prices")
async def prices(
    socket: WebSocket,
    epoch: Annotated[str, Query()] = "",
    after: Annotated[int | None, Query()] = None,
    codes: Annotated[str, Query()] = "",
    everything: Annotated[bool, Query(alias="all")] = True,
) -> None:
    """A snapshot (or, with ``?epoch=…&after=…``, what changed since), then all stocks every ten seconds and the changes
    of subscribed ones (``?codes=005930,247540``, or ``{"subscribe": ["005930"]}``) as they come."""
    state = state_of(socket)
    await socket.accept()
    client = PriceClient(Outbox(), everything=everything)
    hub = state.prices

    def wish(text: str) -> None:
        try:
            wanted = PriceWish.model_validate_json(text)
        except ValidationError:
            client.box.put(orjson.dumps({"type": "problem", "detail": "알 수 없는 요청입니다"}).decode(), "problem")
            return
        refused = hub.subscribe(client, wanted.subscribe)
        client.codes.difference_update(wanted.unsubscribe)
        if wanted.all is not None:
            client.everything = wanted.all
        answer = {"type": "subscribed", "codes": sorted(client.codes), "all": client.everything, "detail": refused}
        client.box.put(orjson.dumps(answer).decode())

    hub.join(client, epoch=epoch, after=after)
    if codes:
        hub.subscribe(client, codes.split(",")[:200])
    try:
        await serve_socket(socket, client.box, state, wish)
    finally:
        hub.leave(client)


async def _follow(socket: WebSocket, *, trades_only: bool, epoch: str, after: int | None) -> None:
    state = state_of(socket)
    caller: Caller = socket.scope[CALLER]
    await socket.accept()
    box = Outbox()
    state.events.join(box, caller.id, trades_only=trades_only, epoch=epoch, after=after)
    try:
        await serve_socket(socket, box, state)
    finally:
        state.events.leave(box)


async def serve_socket(
    socket: WebSocket, box: Outbox, state: WebState, on_text: Callable[[str], None] = lambda text: None
) -> None:
    """Send from ``box`` until the client leaves, falls behind, or its login ends."""
    caller: Caller | None = socket.scope[CALLER]

    flood = RateLimiter(state.plane.wall, MESSAGES_PER_SECOND)

    async def read() -> None:
        with contextlib.suppress(WebSocketDisconnect):
            while True:
                message = await socket.receive()
                if message["type"] == "websocket.disconnect":
                    return
                if flood.wait("messages") > 0:
                    await socket.close(FLOODED)
                    return
                on_text(message.get("text") or "")

    async def watch() -> None:
        while caller is None or caller.kind == "token" or state.sessions.alive(caller.id.removeprefix("session:")):
            await wall_sleep(SESSION_CHECK_SECONDS)
        with contextlib.suppress(RuntimeError):
            await socket.close(ENDED)

    await first_of(read(), send_all(socket, box), watch())


async def first_of(*works: object) -> None:
    """Run coroutines until the first ends, then end the others."""
    tasks = [asyncio.ensure_future(work) for work in works]  # type: ignore[call-overload]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
