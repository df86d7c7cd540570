"""How often the model may be asked: a count per day (kept on disk) and a pace per minute."""

from __future__ import annotations

import json
import logging
import os
from collections import deque
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from engine.clock import monotonic, wall_now

logger = logging.getLogger(__name__)

PROVIDER_TIME = ZoneInfo("America/Los_Angeles")
"""The provider's day begins at midnight there: 16:00 or 17:00 in Korea."""


class QuotaSpent(Exception):
    """No request is left; the message says until when, in Korean."""


class Quota:
    """``spend`` counts a request before it is sent; a count that cannot be kept is an error, not a free request."""

    def __init__(
        self,
        path: Path,
        per_day: int,
        per_minute: int,
        *,
        now: Callable[[], datetime] = wall_now,
        elapsed: Callable[[], float] = monotonic,
    ) -> None:
        self._path = path
        self._per_day = per_day
        self._per_minute = per_minute
        self._now = now
        self._elapsed = elapsed
        self._recent: deque[float] = deque()
        self._day, self._used = self._read()

    @property
    def left_today(self) -> int:
        self._roll()
        return max(0, self._per_day - self._used)

    def spend(self) -> None:
        """Raises QuotaSpent, OSError."""
        self._roll()
        if self._used >= self._per_day:
            raise QuotaSpent(f"오늘의 AI 요청 {self._per_day}회를 다 썼습니다")
        now = self._elapsed()
        while self._recent and now - self._recent[0] >= 60.0:
            self._recent.popleft()
        if len(self._recent) >= self._per_minute:
            raise QuotaSpent(f"AI 요청이 1분에 {self._per_minute}회를 넘습니다")
        self._used += 1
        self._write()
        self._recent.append(now)

    def exhaust(self) -> None:
        """The provider says that the day's quota is spent."""
        self._roll()
        self._used = max(self._used, self._per_day)
        self._write()

    def _today(self) -> str:
        return f"{self._now().astimezone(PROVIDER_TIME):%Y-%m-%d}"

    def _roll(self) -> None:
        if self._day != (today := self._today()):
            self._day, self._used = today, 0

    def _read(self) -> tuple[str, int]:
        try:
            kept = json.loads(self._path.read_text(encoding="utf-8"))
            return str(kept["day"]), int(kept["used"])
        except FileNotFoundError:
            return self._today(), 0
        except (ValueError, KeyError, TypeError):
            logger.warning("AI 요청 횟수 파일을 읽지 못해 오늘 몫을 다 쓴 것으로 봅니다: %s", self._path.name)
            return self._today(), self._per_day

    def _write(self) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        temporary = self._path.with_name(self._path.name + ".part")
        temporary.write_text(json.dumps({"day": self._day, "used": self._used}), encoding="utf-8")
        os.replace(temporary, self._path)
