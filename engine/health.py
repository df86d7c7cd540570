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
        if not self._samples:
            return 0.0
        ordered = sorted(self._samples)
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))]

    def reset(self) -> None:
        self._samples.clear()


def resident_megabytes() -> float:
    """Resident memory of this process now, in MB."""
    try:
        with open("/proc/self/statm", encoding="ascii") as file:
            return int(file.read().split()[1]) * resource.getpagesize() / 1e6
    except OSError:
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak / 1e6 if sys.platform == "darwin" else peak / 1e3
