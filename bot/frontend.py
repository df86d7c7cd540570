"""What the chat front ends share: supervision with back-off, views that refresh themselves, ids seen before.

A front end runs beside the engine and outside its tasks. Whatever happens in it ends here, as a log line and a later
attempt; nothing of it reaches trading.
"""

from __future__ import annotations

import asyncio
import ipaddress
import json
import logging
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from bot.commands.registry import Action, Command, Registry, UnknownCommand
from bot.dispatch import AGAIN
from bot.reply import LiveView, Reply
from engine import clock

logger = logging.getLogger(__name__)

FIRST_PAUSE = 1.0
LONGEST_PAUSE = 300.0
HEALTHY_SECONDS = 60.0


class Fatal(Exception):
    """Trying again cannot help (a wrong token, a missing intent). The message is one Korean line with the remedy."""


class NotConnected(Exception):
    """The chat cannot be reached at this moment."""


class ViewGone(Exception):
    """The message of a live view cannot be edited any more (deleted, or its token has expired): its normal end."""


@dataclass(slots=True)
class FrontEndStatus:
    """For 점검: whether people can reach the bot here, and since when."""

    connected: bool = False
    since: datetime | None = None
    restarts: int = 0
    problem: str = ""

    def up(self) -> None:
        if not self.connected:
            self.connected, self.since, self.problem = True, clock.wall_now(), ""

    def down(self, problem: str) -> None:
        if self.connected or self.since is None:
            self.since = clock.wall_now()
        self.connected, self.problem = False, problem


async def supervise(
    name: str,
    attempt: Callable[[], Awaitable[None]],
    status: FrontEndStatus,
    *,
    first_pause: float = FIRST_PAUSE,
    longest_pause: float = LONGEST_PAUSE,
) -> None:
    """Run ``attempt`` for ever, pausing longer after each failure (Discord resets the token after 1000 identifies a
    day). Returns after Fatal; only cancelling ends it otherwise."""
    pause = first_pause
    while True:
        began = clock.monotonic()
        try:
            await attempt()
            status.down("연결이 끝났습니다")
        except Fatal as problem:
            status.down(str(problem))
            logger.error("%s: %s", name, problem)
            return
        except Exception as problem:
            # The boundary of the whole front end: whatever a chat library raises must not reach the engine's tasks.
            status.down(f"{type(problem).__name__}: {problem}")
            logger.warning("%s failed, next attempt in %.1f s", name, pause, exc_info=problem)
        if clock.monotonic() - began >= HEALTHY_SECONDS:
            pause = first_pause
        jitter = float(clock.seeded(name, status.restarts).uniform(0.8, 1.2))
        status.restarts += 1
        await clock.wall_sleep(pause * jitter)
        pause = min(longest_pause, pause * 2)


class DefinitionMemory:
    """The hash of the command definitions a platform has, so that nothing is sent that it knows."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def known(self, bot: str) -> str:
        """Empty when never sent, or unreadable: sending once more is harmless."""
        try:
            return str(json.loads(self._path.read_text(encoding="utf-8")).get(bot, ""))
        except (OSError, ValueError, AttributeError):
            return ""

    def remember(self, bot: str, digest: str) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._path.write_text(json.dumps({bot: digest}), encoding="utf-8")


class Seen:
    """The last ``capacity`` ids; ``first`` is true once for each."""

    def __init__(self, capacity: int = 10_000) -> None:
        self._ids: OrderedDict[str, None] = OrderedDict()
        self._capacity = capacity

    def first(self, identifier: str) -> bool:
        if identifier in self._ids:
            return False
        self._ids[identifier] = None
        if len(self._ids) > self._capacity:
            self._ids.popitem(last=False)
        return True


class Tasks:
    """Tasks with an owner: kept until they end, cancelled together."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[Any]] = set()

    def start(self, work: Coroutine[Any, Any, Any], name: str) -> asyncio.Task[Any]:
        task = asyncio.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (problem := task.exception()) is not None:
            logger.warning("%s failed", task.get_name(), exc_info=problem)

    async def close(self) -> None:
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        for task in tasks:
            with suppress(asyncio.CancelledError, Exception):
                await task


class LiveViews:
    """Messages that refresh themselves; one loop a message, ended by any other answer that takes the message over."""

    def __init__(self, tasks: Tasks) -> None:
        self._tasks = tasks
        self._loops: dict[str, asyncio.Task[Any]] = {}

    def start(
        self,
        message: str,
        live: LiveView,
        refresh: Callable[[str], Awaitable[Reply]],
        edit: Callable[[Reply], Awaitable[None]],
    ) -> None:
        """``refresh`` makes the next Reply for an action, ``edit`` shows it and may raise when it cannot."""
        self.stop(message)
        task = self._tasks.start(self._loop(message, live, refresh, edit), f"live view {message}")
        self._loops[message] = task

    def stop(self, message: str) -> None:
        task = self._loops.pop(message, None)
        if task is not None and task is not asyncio.current_task():
            task.cancel()

    def __len__(self) -> int:
        return len(self._loops)

    async def _loop(
        self,
        message: str,
        live: LiveView,
        refresh: Callable[[str], Awaitable[Reply]],
        edit: Callable[[Reply], Awaitable[None]],
    ) -> None:
        try:
            left, current = live.times, live
            while left > 0:
                await clock.wall_sleep(current.seconds)
                reply = await refresh(current.action)
                if reply.text or reply.picture is not None:
                    await edit(reply)
                if reply.live is None:
                    return
                left, current = left - 1, reply.live
        except ViewGone as gone:
            logger.debug("live view %s ended: %s", message, gone)
        finally:
            if self._loops.get(message) is asyncio.current_task():
                del self._loops[message]


def target_of(registry: Registry, action: str) -> Command | Action | None:
    """What a button's action leads to: an action, or the command it runs again. None for an unknown one."""
    prefix, *parts = action.split(":")
    try:
        if prefix == AGAIN and parts:
            return registry.find(parts[0])
        return registry.find_action(action)[0]
    except UnknownCommand:
        return None  # the dispatcher says so, and writes it down


def check_test_address(address: str, *, test_token: bool) -> None:
    """A chat API address other than the real one is for tests. Raises Fatal unless it is loopback and the token is no
    real one: a configurable address is a way to steal a token, and to forge orders."""
    host = urlsplit(address).hostname or ""
    try:
        loopback = ipaddress.ip_address(host).is_loopback
    except ValueError:
        loopback = host == "localhost"
    if not loopback:
        raise Fatal("채팅 API 주소는 시험용(127.0.0.1)만 바꿀 수 있습니다")
    if not test_token:
        raise Fatal("실제 토큰으로는 채팅 API 주소를 바꿀 수 없습니다. 주소 설정을 지우세요")
