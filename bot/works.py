"""Long work: it shows its progress, and the person who asked for it can cancel it."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from dataclasses import replace

from bot.context import Context, Declined
from bot.reply import Button, Reply
from bot.walltime import WallTime
from engine.clock import new_secret

logger = logging.getLogger(__name__)

SHOW_EVERY_SECONDS = 2.0
WORKS_PER_PERSON = 3


class Works:
    def __init__(self, wall: WallTime) -> None:
        self._wall = wall
        self._running: dict[str, tuple[str, asyncio.Task[Reply]]] = {}

    async def run(
        self,
        context: Context,
        body: Callable[[Context], Awaitable[Reply]],
        show: Callable[[Reply], Awaitable[None]],
    ) -> Reply:
        """The body's Reply, or one that says it was cancelled."""
        if sum(1 for owner, _ in self._running.values() if owner == context.user.key) >= WORKS_PER_PERSON:
            raise Declined("work_enough", most=WORKS_PER_PERSON)
        identity = new_secret(12)
        shown_at = -SHOW_EVERY_SECONDS

        async def progress(share: float, word: str) -> None:
            nonlocal shown_at
            if self._wall.monotonic() - shown_at < SHOW_EVERY_SECONDS:
                return
            shown_at = self._wall.monotonic()
            text = context.say("working", word=word, percent=round(100 * min(max(share, 0.0), 1.0)))
            button = Button(context.say("cancel_work"), f"k:{identity}")
            try:
                await show(Reply(text=text, rows=((button,),), edit=True))
            except Exception as problem:  # a chat that cannot show progress must not stop the work
                logger.warning("progress could not be shown: %s", problem)

        async def work() -> Reply:
            return await body(replace(context, progress=progress))

        task = asyncio.create_task(work(), name=f"work-{identity[:6]}")
        self._running[identity] = (context.user.key, task)
        try:
            await asyncio.wait({task})
            if task.cancelled():
                return Reply(text=context.say("work_cancelled"), edit=True)
            return task.result()
        finally:
            del self._running[identity]
            if not task.done():
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await task

    def cancel(self, identity: str, user: str) -> bool:
        """False when there is no such work of this person."""
        found = self._running.get(identity)
        if found is None or found[0] != user:
            return False
        found[1].cancel()
        return True
