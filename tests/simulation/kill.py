"""Real processes and kill -9: the broker lives here, the order desk in a child over a loopback socket.

The child dies at a random instant, or at a named boundary (before or after a commit, before or after the bytes of an
order, after its reply). It is started again and must come to the same truth without a second order.
"""

from __future__ import annotations

import asyncio
import os
import pickle
import signal
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from engine.broker import Accepted, OrderKey
from engine.clock import ScaledMarketClock, monotonic, seeded
from tests.orders.fake_broker import FakeBroker
from tests.simulation.child import SPEED, START_AT

BOUNDARIES = ("before commit", "after commit", "before send", "after send", "after reply")
ROOT = Path(__file__).resolve().parents[2]


@dataclass
class KillResult:
    kills: int = 0
    orders: int = 0
    duplicates: int = 0
    differences: int = 0
    unresolved: int = 0
    slowest_restart: float = 0.0
    """Wall seconds from the start of the process to "reconciled", the longest."""
    boundaries: dict[str, int] = field(default_factory=dict)
    violations: list[str] = field(default_factory=list)


class Server:
    """The broker behind a socket: one pickled request and answer per line of length and bytes."""

    def __init__(self, broker: FakeBroker) -> None:
        self.broker = broker
        self.arrivals: Counter[str] = Counter()
        self.keys: dict[str, OrderKey] = {}
        self._server: asyncio.Server | None = None
        self.port = 0

    async def open(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        if self._server is not None:
            self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                size = int.from_bytes(await reader.readexactly(4), "big")
                verb, arguments, label = pickle.loads(await reader.readexactly(size))
                answer = await getattr(self.broker, verb)(*arguments)
                if verb == "place" and isinstance(answer, Accepted):
                    self.arrivals[label] += 1
                    self.keys[label] = answer.key
                data = pickle.dumps(answer)
                writer.write(len(data).to_bytes(4, "big") + data)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()


async def _session(seed: int, folder: Path, result: KillResult, boundary: str) -> None:
    random = seeded("kill", seed)
    clock = ScaledMarketClock(START_AT, SPEED)
    origin = monotonic()
    clock._origin = origin
    broker = FakeBroker(clock, cash=30_000_000, latency=0.5)
    server = Server(broker)
    await server.open()
    path = folder / f"kill-{seed}.db"
    arguments = [sys.executable, "-m", "tests.simulation.child", str(path), str(server.port), repr(origin)]

    async def start(plan: str) -> asyncio.subprocess.Process:
        environment = {**os.environ, "GAEMI_KILL_AT": plan, "PYTHONPATH": str(ROOT)}
        return await asyncio.create_subprocess_exec(
            *arguments, str(seed), env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=ROOT
        )

    try:
        plan = f"{boundary}:{int(random.integers(1, 7))}" if boundary != "random" else ""
        child = await start(plan)
        if boundary == "random":
            await asyncio.sleep(0.35 + float(random.uniform(0, 0.8)))
            if child.returncode is None:
                child.send_signal(signal.SIGKILL)
        await child.communicate()
        result.kills += child.returncode == -signal.SIGKILL
        result.boundaries[boundary] = result.boundaries.get(boundary, 0) + (child.returncode == -signal.SIGKILL)
        for key in list(broker.entries):
            if broker.entries[key].row.remaining and random.random() < 0.5:
                broker.fill(key)
        again = await start("finish")
        out, errors = await again.communicate()
        if again.returncode != 0:
            result.violations.append(f"seed {seed} {boundary}: restart failed: {errors.decode()[-400:]}")
            return
        told: dict[str, Any] = pickle.loads(out)
        _compare(seed, boundary, result, broker, server, told)
    finally:
        await server.close()


def _compare(
    seed: int, boundary: str, result: KillResult, broker: FakeBroker, server: Server, told: dict[str, Any]
) -> None:
    where = f"seed {seed} {boundary}"
    result.orders += sum(server.arrivals.values())
    result.slowest_restart = max(result.slowest_restart, told["seconds"])
    repeated = {label: count for label, count in server.arrivals.items() if count > 1}
    if repeated:
        result.duplicates += len(repeated)
        result.violations.append(f"{where}: sent twice {repeated}")
    if told["open_doubts"]:
        result.unresolved += 1
        result.violations.append(f"{where}: unresolved {told['open_doubts']}")
    for label, key in server.keys.items():
        if told["keys"].get(label) != key.number:
            result.differences += 1
            result.violations.append(f"{where}: {label} is {key.number}, the journal has {told['keys'].get(label)}")
    holdings = {code: quantity for code, (quantity, _) in broker.holdings.items() if quantity}
    if holdings != told["positions"] or broker.cash != told["cash"]:
        result.differences += 1
        result.violations.append(
            f"{where}: broker {holdings} {broker.cash}, journal {told['positions']} {told['cash']}"
        )


def run_kills(count: int, seed: int, folder: Path) -> KillResult:
    """Kill ``count`` processes, in turn at each boundary and at random instants."""
    result = KillResult()
    kinds = [*BOUNDARIES, "random"]

    async def all_of_them() -> None:
        for number in range(count):
            await _session(seed * 100_000 + number, folder, result, kinds[number % len(kinds)])

    asyncio.run(all_of_them())
    return result
