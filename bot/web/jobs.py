"""Long work with progress: backtests that run beside the requests."""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from bot.services import BacktestRequest, Backtests
from bot.web.problems import Problem
from engine.clock import new_secret
from engine.results import BacktestReport

logger = logging.getLogger(__name__)

AT_ONCE = 2
KEPT = 30


@dataclass(eq=False)
class RunningJob:
    id: str
    owner: str
    state: Literal["running", "done", "failed", "cancelled"] = "running"
    progress: float = 0.0
    word: str = "시작합니다"
    problem: str = ""
    report: BacktestReport | None = None
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    task: asyncio.Task[None] | None = None


class Jobs:
    """At most two at once; the last thirty are kept."""

    def __init__(self, changed: Callable[[RunningJob], None]) -> None:
        self._changed = changed
        self._jobs: OrderedDict[str, RunningJob] = OrderedDict()

    def start(self, backtests: Backtests, request: BacktestRequest, owner: str) -> RunningJob:
        """Raises Problem when two are running."""
        running = [job for job in self._jobs.values() if job.state == "running"]
        if len(running) >= AT_ONCE:
            raise Problem(429, "백테스트 두 개가 이미 돌고 있습니다", headers={"Retry-After": "10"})
        job = RunningJob(new_secret(9), owner)
        self._jobs[job.id] = job
        job.task = asyncio.create_task(self._run(job, backtests, request), name=f"backtest-{job.id[:6]}")
        finished = [known for known in self._jobs.values() if known.state != "running"]
        for old in finished[: max(0, len(self._jobs) - KEPT)]:
            del self._jobs[old.id]
        return job

    def get(self, identity: str) -> RunningJob:
        """Raises Problem."""
        job = self._jobs.get(identity)
        if job is None:
            raise Problem(404, "그런 작업이 없습니다")
        return job

    async def cancel(self, job: RunningJob) -> None:
        if job.task is not None and not job.task.done():
            job.task.cancel()
            await asyncio.gather(job.task, return_exceptions=True)

    async def close(self) -> None:
        for job in list(self._jobs.values()):
            await self.cancel(job)

    async def _run(self, job: RunningJob, backtests: Backtests, request: BacktestRequest) -> None:
        async def progress(share: float, word: str) -> None:
            job.progress, job.word = min(max(share, 0.0), 1.0), word
            self._changed(job)

        try:
            job.report = await backtests.run(request, progress)
            job.state, job.progress, job.word = "done", 1.0, "끝났습니다"
        except asyncio.CancelledError:
            job.state, job.word = "cancelled", "그만두었습니다"
            raise
        except ValueError as problem:
            job.state, job.problem = "failed", str(problem)
        except Exception as problem:  # told to the person in the job, logged for us
            logger.exception("a backtest failed")
            job.state, job.problem = "failed", f"백테스트가 실패했습니다 ({type(problem).__name__})"
        finally:
            job.ended.set()
            self._changed(job)
