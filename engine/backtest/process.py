"""A backtest in its own process, seen from the event loop: told of its progress, killed when the caller is cancelled."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import pickle
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

from engine.backtest.report import Job
from engine.backtest.worker import FRAME
from engine.clock import wall_timeout
from engine.results import BacktestReport

logger = logging.getLogger(__name__)

_ROOT = str(Path(__file__).resolve().parent.parent.parent)
COMMAND = (sys.executable, "-m", "engine.backtest.worker")
LIMIT_SECONDS = 900.0


class BacktestFailed(ValueError):
    """One Korean line; the log holds the rest."""


async def run_in_process(
    job: Job,
    progress: Callable[[float, str], Awaitable[None]],
    *,
    limit: float = LIMIT_SECONDS,
    command: tuple[str, ...] = COMMAND,
) -> BacktestReport:
    """Raises BacktestFailed, also for what the backtest itself refuses."""
    payload = await asyncio.to_thread(pickle.dumps, job)
    path = os.pathsep.join(filter(None, (_ROOT, os.environ.get("PYTHONPATH", ""))))
    try:
        child = await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            env=os.environ | {"PYTHONPATH": path, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
            start_new_session=True,
        )
    except OSError as error:
        raise BacktestFailed(f"백테스트 작업을 시작하지 못했습니다 ({error.strerror})") from error
    try:
        async with wall_timeout(limit):
            return await _talk(child, payload, progress)
    except TimeoutError:
        raise BacktestFailed(
            f"백테스트가 {limit / 60:.0f}분 안에 끝나지 않아 그만두었습니다. 기간을 줄이세요"
        ) from None
    except (asyncio.IncompleteReadError, OSError) as error:
        raise BacktestFailed("백테스트 작업이 중단되었습니다. 다시 시도하세요") from error
    finally:
        if child.returncode is None:
            try:
                child.kill()
            except ProcessLookupError:
                logger.debug("backtest %s had already gone", child.pid)
        await asyncio.shield(child.wait())


async def _talk(
    child: asyncio.subprocess.Process, payload: bytes, progress: Callable[[float, str], Awaitable[None]]
) -> BacktestReport:
    assert child.stdin is not None
    assert child.stdout is not None
    child.stdin.write(payload)
    await child.stdin.drain()
    child.stdin.close()
    while True:
        kind, length = FRAME.unpack(await child.stdout.readexactly(FRAME.size))
        body = await child.stdout.readexactly(length)
        if kind == b"P":
            share, word = json.loads(body)
            await progress(float(share), str(word))
        elif kind == b"A":
            report = await asyncio.to_thread(pickle.loads, body)
            assert isinstance(report, BacktestReport)
            return report
        elif kind == b"R":
            raise BacktestFailed(body.decode())
        else:
            logger.error("백테스트가 실패했습니다:\n%s", body.decode())
            raise BacktestFailed("백테스트가 실패했습니다 (자세한 내용은 로그에 있습니다)")
