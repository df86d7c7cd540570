"""Rate limits of the gateway and of the ledger behind it: sliding windows of one second per app key."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Callable
from datetime import datetime, timedelta

from engine.simulator.envelope import gateway_refusal
from engine.simulator.identity import AppKey
from engine.simulator.settings import BrokerSettings

_WINDOW = timedelta(seconds=1)


class SlidingWindow:
    """At most ``limit`` calls in any second."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._calls: deque[datetime] = deque()

    def take(self, now: datetime) -> bool:
        while self._calls and now - self._calls[0] >= _WINDOW:
            self._calls.popleft()
        if len(self._calls) >= self.limit:
            return False
        self._calls.append(now)
        return True


class RateLimits:
    """Raises the refusals EGW00201 (gateway) and EGW00215 (ledger). ``now`` is the service clock."""

    def __init__(self, settings: BrokerSettings, now: Callable[[], datetime]) -> None:
        self._settings = settings
        self._now = now
        self._gateway: dict[str, SlidingWindow] = {}
        self._ledger: dict[str, SlidingWindow] = {}
        self.refused: dict[str, int] = defaultdict(int)

    def take(self, key: AppKey, *, mock: bool, ledger: bool) -> None:
        now = self._now()
        if key.key not in self._gateway:
            self._gateway[key.key] = SlidingWindow(self._settings.calls_per_second(mock))
            self._ledger[key.key] = SlidingWindow(self._settings.ledger_calls_per_second)
        if not self._gateway[key.key].take(now):
            self.refused[key.key] += 1
            raise gateway_refusal("EGW00201", "초당 거래건수를 초과하였습니다.")
        if ledger and not self._ledger[key.key].take(now):
            self.refused[key.key] += 1
            raise gateway_refusal("EGW00215", "원장 초당 거래건수를 초과하였습니다.")
