"""How the process itself is doing: event-loop lag and memory."""

from __future__ import annotations

import resource
import sys
from collections import deque

from engine.clock import monotonic, wall_sleep

SAMPLE_SECONDS = 0.02


class LoopLag:
    """Samples how late the event loop wakes a sleeper; keeps the last ``keep`` samples (milliseconds)."""

    def __init__(self, keep: int = 50_000) -> None:
        self._samples: deque[float] = deque(maxlen=keep)
        self.beat_at = monotonic()

    async def run(self) -> None:
        while True:
            started = monotonic()
            await wall_sleep(SAMPLE_SECONDS)
            self.beat_at = monotonic()
            self._samples.append(max(0.0, self.beat_at - started - SAMPLE_SECONDS) * 1000.0)

    def percentile(self, share: float) -> float:
        """Milliseconds; 0 before the first sample."""
        return _quantile(self._samples, share)

    def reset(self) -> None:
        self._samples.clear()


class Latency:
    """Wall seconds from a tick's arrival to the end of its decisions, and from a decision to the broker's answer."""

    def __init__(self, keep: int = 20_000) -> None:
        self._decisions: deque[float] = deque(maxlen=keep)
        self._answers: deque[float] = deque(maxlen=keep)

    def decided(self, seconds: float) -> None:
        self._decisions.append(seconds)

    def answered(self, seconds: float) -> None:
        self._answers.append(seconds)

    def tick_to_decision(self, share: float) -> float:
        return _quantile(self._decisions, share)

    def decision_to_acknowledgement(self, share: float) -> float:
        return _quantile(self._answers, share)


def _quantile(samples: deque[float], share: float) -> float:
    """0 before the first sample."""
    ordered = sorted(samples)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else 0.0


def resident_megabytes() -> float:
    """Resident memory of this process now, in MB."""
    try:
        with open("/proc/self/statm", encoding="ascii") as file:
            return int(file.read().split()[1]) * resource.getpagesize() / 1e6
    except OSError:
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak / 1e6 if sys.platform == "darwin" else peak / 1e3
