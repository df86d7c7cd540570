"""The warm render process: pictures are drawn outside the event loop's process.

One child process holds matplotlib. Requests wait in a bounded queue; equal requests (by content) share one drawing; the
last pictures are kept. A drawing that takes too long, or a crash, costs that request only: the child is replaced and
the caller is told, so that it can answer in words.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import os
import pickle
import struct
import sys
from collections import OrderedDict, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, is_dataclass
from datetime import date
from enum import Enum
from pathlib import Path
from typing import Final

from charts import Picture, RenderRequest
from engine.clock import monotonic, wall_sleep, wall_timeout
from engine.market import Bars

logger = logging.getLogger(__name__)

_ROOT: Final = str(Path(__file__).resolve().parent.parent)
HEADER: Final = struct.Struct(">IB")
"""Length of the body, kind of the frame."""
READY, REQUEST, PICTURE, ERROR = range(4)

_SLOW = "그림을 그리는 데 시간이 너무 걸려 글로 대신합니다."
_CRASHED = "그림을 그리지 못해 글로 대신합니다."
_FULL = "그림 요청이 밀려 있어 글로 대신합니다. 잠시 뒤 다시 시도하세요."
_CLOSED = "그림 그리기가 꺼져 있어 글로 대신합니다."


class RenderFailed(Exception):
    """No picture. The text is one Korean line for the user; callers answer in words and say so with it."""


def content_digest(value: object) -> str:
    """A hash of the content: equal values, equal digest, in every process."""
    state = hashlib.blake2b(digest_size=16)
    _feed(state, value)
    return state.hexdigest()


def _feed(state: hashlib.blake2b, value: object) -> None:
    if isinstance(value, Bars):
        state.update(b"B" + value.digest.encode())
    elif is_dataclass(value) and not isinstance(value, type):
        state.update(b"D" + type(value).__qualname__.encode() + b"(")
        for item in fields(value):
            _feed(state, getattr(value, item.name))
        state.update(b")")
    elif isinstance(value, Enum):
        state.update(f"E{type(value).__qualname__}.{value.name};".encode())
    elif isinstance(value, Mapping):
        pairs = sorted((content_digest(key), content_digest(item)) for key, item in value.items())
        state.update(b"M" + repr(pairs).encode())
    elif isinstance(value, (set, frozenset)):
        state.update(b"S" + repr(sorted(content_digest(item) for item in value)).encode())
    elif isinstance(value, (tuple, list)):
        state.update(b"L%d[" % len(value))
        for item in value:
            _feed(state, item)
        state.update(b"]")
    elif value is None or isinstance(value, (str, bytes, int, float, date)):
        state.update(f"{type(value).__name__}:{value!r};".encode())
    else:
        raise TypeError(f"그림 입력이 될 수 없는 값입니다: {type(value).__name__}")


def _prepare(request: RenderRequest) -> tuple[str, bytes]:
    return content_digest(request), pickle.dumps(request, protocol=pickle.HIGHEST_PROTOCOL)


@dataclass(eq=False)
class _Job:
    key: str
    body: bytes
    done: asyncio.Future[Picture]
    waiting: int = 0


@dataclass(slots=True)
class RenderStatistics:
    """Counts since the start, for the health view."""

    drawn: int = 0
    cached: int = 0
    shared: int = 0
    refused: int = 0
    failed: int = 0
    restarts: int = 0
    last_seconds: float = 0.0


@dataclass(eq=False)
class Renderer:
    """Draw in the child process. ``await start()`` first; ``close()`` ends the child.

    ``queue_limit`` counts drawings that wait; ``cache_size`` pictures are kept; ``draw_limit`` seconds is the most one
    drawing may take before the child is killed.
    """

    queue_limit: int = 16
    cache_size: int = 32
    draw_limit: float = 15.0
    start_limit: float = 60.0
    command: Sequence[str] = (sys.executable, "-m", "charts.render_process")
    statistics: RenderStatistics = field(default_factory=RenderStatistics)
    _queue: deque[_Job] = field(default_factory=deque, repr=False)
    _jobs: dict[str, _Job] = field(default_factory=dict, repr=False)
    _cache: OrderedDict[str, Picture] = field(default_factory=OrderedDict, repr=False)
    _child: asyncio.subprocess.Process | None = field(default=None, repr=False)
    _task: asyncio.Task[None] | None = field(default=None, repr=False)
    _wake: asyncio.Event = field(default_factory=asyncio.Event, repr=False)

    async def start(self) -> None:
        """Start the child and wait until it is warm. Raises RenderFailed where it does not come up."""
        if self._task is not None:
            return
        await self._spawn()
        self._task = asyncio.create_task(self._serve(), name="render worker")

    async def render(self, request: RenderRequest, *, timeout: float = 5.0) -> Picture:
        """The picture, or RenderFailed with a line for the user. ``timeout`` covers waiting in the queue as well."""
        if self._task is None or self._task.done():
            raise RenderFailed(_CLOSED)
        try:
            async with wall_timeout(timeout):
                # Hashing and pickling a year of bars takes milliseconds: not on the loop.
                key, body = await asyncio.to_thread(_prepare, request)
                if (kept := self._cache.get(key)) is not None:
                    self._cache.move_to_end(key)
                    self.statistics.cached += 1
                    return kept
                return await self._wait(self._job(key, body))
        except TimeoutError:
            self.statistics.failed += 1
            raise RenderFailed(_SLOW) from None

    async def close(self) -> None:
        """End the child; whoever still waits is told."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        for job in list(self._jobs.values()):
            self._finish(job, RenderFailed(_CLOSED))
        self._queue.clear()
        await self._kill()

    @property
    def process_id(self) -> int | None:
        return self._child.pid if self._child is not None and self._child.returncode is None else None

    # ---------------------------------------------------------------- requests

    def _job(self, key: str, body: bytes) -> _Job:
        job = self._jobs.get(key)
        if job is not None:
            self.statistics.shared += 1
            return job
        if len(self._queue) >= self.queue_limit:
            self.statistics.refused += 1
            raise RenderFailed(_FULL)
        job = _Job(key, body, asyncio.get_running_loop().create_future())
        self._jobs[key] = job
        self._queue.append(job)
        self._wake.set()
        return job

    async def _wait(self, job: _Job) -> Picture:
        job.waiting += 1
        try:
            return await asyncio.shield(job.done)
        finally:
            job.waiting -= 1
            if not job.waiting and job in self._queue:  # nobody wants it any more
                self._queue.remove(job)
                self._jobs.pop(job.key, None)
                job.done.cancel()

    def _finish(self, job: _Job, outcome: Picture | RenderFailed) -> None:
        self._jobs.pop(job.key, None)
        if isinstance(outcome, Picture):
            self.statistics.drawn += 1
            self._cache[job.key] = outcome
            while len(self._cache) > self.cache_size:
                self._cache.popitem(last=False)
        else:
            self.statistics.failed += 1
        if job.done.done():
            return
        if isinstance(outcome, Picture):
            job.done.set_result(outcome)
        else:
            job.done.set_exception(outcome)
            job.done.exception()  # seen, even where every waiter has left

    # ---------------------------------------------------------------- the child

    async def _serve(self) -> None:
        pause = 0.0
        while True:
            if self.process_id is None:
                await wall_sleep(pause)
                try:
                    await self._spawn()
                    self.statistics.restarts += 1
                    pause = 0.0
                except RenderFailed as error:
                    pause = min(max(1.0, 2 * pause), 60.0)
                    logger.warning("그림 작업 프로세스를 다시 시작하지 못했습니다. %.0f초 뒤 다시 시도합니다.", pause)
                    while self._queue:
                        self._finish(self._queue.popleft(), error)
                    continue
            if not self._queue:
                self._wake.clear()
                await self._wake.wait()
                continue
            job = self._queue.popleft()
            began = monotonic()
            outcome = await self._draw(job)
            self.statistics.last_seconds = monotonic() - began
            self._finish(job, outcome)

    async def _draw(self, job: _Job) -> Picture | RenderFailed:
        child = self._child
        assert child is not None
        assert child.stdin is not None
        try:
            async with wall_timeout(self.draw_limit):
                child.stdin.write(HEADER.pack(len(job.body), REQUEST) + job.body)
                await child.stdin.drain()
                kind, body = await self._read(child)
        except TimeoutError:
            logger.warning("그림 하나가 %.0f초 안에 끝나지 않아 작업 프로세스를 바꿉니다.", self.draw_limit)
            await self._kill()
            return RenderFailed(_SLOW)
        except (OSError, asyncio.IncompleteReadError, pickle.UnpicklingError):
            await self._kill()
            logger.warning("그림 작업 프로세스가 죽었습니다 (종료 코드 %s). 다시 시작합니다.", child.returncode)
            return RenderFailed(_CRASHED)
        if kind == PICTURE:
            picture: Picture = pickle.loads(body)
            return picture
        logger.error("그림을 그리지 못했습니다:\n%s", body.decode())
        return RenderFailed(_CRASHED)

    @staticmethod
    async def _read(child: asyncio.subprocess.Process) -> tuple[int, bytes]:
        assert child.stdout is not None
        length, kind = HEADER.unpack(await child.stdout.readexactly(HEADER.size))
        return kind, await child.stdout.readexactly(length)

    async def _spawn(self) -> None:
        environment = os.environ | {
            # One drawing at a time: numeric threads would only take cores from the trading loop.
            "OPENBLAS_NUM_THREADS": "1",
            "OMP_NUM_THREADS": "1",
            "PYTHONPATH": os.pathsep.join(filter(None, (_ROOT, os.environ.get("PYTHONPATH", "")))),
        }
        try:
            self._child = await asyncio.create_subprocess_exec(
                *self.command,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                env=environment,
                limit=2**20,
                start_new_session=True,  # Ctrl-C is for the service, which then closes the child
            )
            async with wall_timeout(self.start_limit):
                kind, _ = await self._read(self._child)
        except (OSError, asyncio.IncompleteReadError, TimeoutError) as error:
            await self._kill()
            raise RenderFailed(_CRASHED) from error
        if kind != READY:
            await self._kill()
            raise RenderFailed(_CRASHED)

    async def _kill(self) -> None:
        child, self._child = self._child, None
        if child is None:
            return
        if child.returncode is None:
            try:
                child.kill()
            except ProcessLookupError:
                logger.debug("render child %s had already gone", child.pid)
        await child.wait()
        transport = getattr(child, "_transport", None)
        if transport is not None:
            transport.close()  # the pipes would otherwise stay open until collected
