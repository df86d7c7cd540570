"""A worker process seen from the event loop: started when needed, killed when late, started again after a crash."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import sys
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from engine.clock import monotonic, wall_timeout
from engine.predictor.channel import HEADER, Kind

FIRST_PAUSE, LONGEST_PAUSE = 5.0, 300.0
logger = logging.getLogger(__name__)

_ROOT: Final = str(Path(__file__).resolve().parent.parent.parent)
# The package imports a helper of the worker's module; running that module then is meant, and no reason to warn.
COMMAND: Final = (sys.executable, "-W", "ignore::RuntimeWarning:runpy", "-m", "engine.predictor.worker")


class WorkerFailed(Exception):
    """The worker gave no answer; the message is one Korean line for the user."""


@dataclass(eq=False)
class WorkerProcess:
    """One child. Calls take turns; ``arguments`` are those of engine.predictor.worker."""

    arguments: Sequence[str]
    start_limit: float = 60.0
    command: Sequence[str] = COMMAND
    starts: int = 0
    _child: asyncio.subprocess.Process | None = field(default=None, repr=False)
    _failures: int = field(default=0, repr=False)
    _again_at: float = field(default=0.0, repr=False)
    _turn: asyncio.Lock = field(default_factory=asyncio.Lock, repr=False)

    @property
    def process_id(self) -> int | None:
        return self._child.pid if self._child is not None and self._child.returncode is None else None

    async def start(self) -> None:
        """Have it warm before the first question. Raises WorkerFailed."""
        async with self._turn:
            await self._ensure()

    async def call(
        self,
        frame: bytes,
        limit: float,
        progress: Callable[[float, str], Awaitable[None]] | None = None,
    ) -> Any:
        """The JSON answer within ``limit`` wall seconds. Raises WorkerFailed.

        A child that had died while idle is replaced once; one that dies over this very question is not.
        """
        async with self._turn:
            child = await self._ensure()
            assert child.stdin is not None
            answered = False
            try:
                async with wall_timeout(limit):
                    child.stdin.write(frame)
                    await child.stdin.drain()
                    while True:
                        kind, content = await _read(child)
                        if kind is not Kind.PROGRESS:
                            break
                        if progress is not None:
                            await progress(float(content["share"]), str(content["word"]))
                answered = True
            except TimeoutError:
                logger.warning("예측 작업이 %.0f초 안에 끝나지 않아 작업 프로세스를 바꿉니다.", limit)
                raise WorkerFailed("예측 작업이 제시간에 끝나지 않았습니다. 잠시 뒤 다시 시도하세요") from None
            except (OSError, asyncio.IncompleteReadError) as error:
                logger.warning("예측 작업 프로세스가 죽었습니다 (종료 코드 %s). 다시 시작합니다.", child.returncode)
                raise WorkerFailed("예측 작업이 중단되었습니다. 잠시 뒤 다시 시도하세요") from error
            finally:
                if (
                    not answered
                ):  # also when the caller is cancelled: a half-read answer must not meet the next question
                    await self._kill()
        if kind is Kind.ANSWER:
            return content
        logger.error("예측 작업이 실패했습니다:\n%s", content.get("message", ""))
        raise WorkerFailed("예측 계산이 실패했습니다 (자세한 내용은 로그에 있습니다)")

    async def close(self) -> None:
        await self._kill()

    async def _ensure(self) -> asyncio.subprocess.Process:
        if self._child is not None and self._child.returncode is None:
            return self._child
        await self._kill()
        if monotonic() < self._again_at:
            raise WorkerFailed("예측 작업 프로세스를 시작하지 못해 잠시 쉬고 있습니다")
        environment = os.environ | {
            # One thread: the same bytes on every machine, and a core left to the trading loop.
            "OPENBLAS_NUM_THREADS": "1",
            "OMP_NUM_THREADS": "1",
            "MKL_NUM_THREADS": "1",
            "PYTHONPATH": os.pathsep.join(filter(None, (_ROOT, os.environ.get("PYTHONPATH", "")))),
        }
        started = False
        try:
            child = await asyncio.create_subprocess_exec(
                *self.command,
                *self.arguments,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                env=environment,
                limit=2**20,
                start_new_session=True,  # Ctrl-C is for the service, which then closes the child
            )
            self._child = child
            async with wall_timeout(self.start_limit):
                kind, content = await _read(child)
            if kind is not Kind.READY:
                raise WorkerFailed(f"예측 모델을 열 수 없습니다: {content.get('message', '')}")
            started = True
        except (OSError, asyncio.IncompleteReadError, TimeoutError) as error:
            raise WorkerFailed("예측 작업 프로세스를 시작하지 못했습니다") from error
        finally:
            if not started:
                await self._kill()
                # A model that cannot be opened now will not open a second later, and each try costs seconds.
                self._failures += 1
                self._again_at = monotonic() + min(LONGEST_PAUSE, FIRST_PAUSE * 2.0 ** (self._failures - 1))
        self.starts += 1
        self._failures, self._again_at = 0, 0.0
        return child

    async def _kill(self) -> None:
        child, self._child = self._child, None
        if child is None:
            return
        if child.returncode is None:
            try:
                child.kill()
            except ProcessLookupError:
                logger.debug("worker %s had already gone", child.pid)
        await asyncio.shield(child.wait())
        transport = getattr(child, "_transport", None)
        if transport is not None:
            transport.close()  # the pipes would otherwise stay open until collected


async def _read(child: asyncio.subprocess.Process) -> tuple[Kind, Any]:
    assert child.stdout is not None
    kind, text, raw = HEADER.unpack(await child.stdout.readexactly(HEADER.size))
    content = json.loads(await child.stdout.readexactly(text))
    if raw:
        await child.stdout.readexactly(raw)
    return Kind(kind), content
