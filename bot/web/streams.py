"""The WebSocket endpoints."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Annotated

from fastapi import APIRouter, Query, WebSocket
from starlette.websockets import WebSocketDisconnect

from bot.web.guard import CALLER
from bot.web.security import Caller
from bot.web.sockets import ENDED, Outbox, send_all
from bot.web.state import WebState, state_of
from engine.clock import wall_sleep

router = APIRouter()

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


async def serve_socket(socket: WebSocket, box: Outbox, state: WebState) -> None:
    """Send from ``box`` until the client leaves, falls behind, or its login ends."""
    caller: Caller | None = socket.scope[CALLER]

    async def read() -> None:
        with contextlib.suppress(WebSocketDisconnect):
            while True:
                await socket.receive_text()

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
