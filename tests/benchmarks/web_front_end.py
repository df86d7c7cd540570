"""Requests a second and broadcasts of the web front end, beside a bare Starlette echo in the same run.

    python -m tests.benchmarks.web_front_end [--clients 200,1000] [--json]

The server runs in this process, as it does in the service; the clients run in a second one, so that their work does not
count as the server's lag.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import multiprocessing
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx
import uvicorn
import websockets
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from bot.access import AccessControl, AccessList, Permission, Platform
from bot.control import ControlPlane
from bot.dispatch import Dispatcher
from bot.web.security import Rate
from bot.web.server import WebFrontEnd
from engine.clock import cpu_seconds, monotonic, wall_sleep
from engine.health import LoopLag, resident_megabytes
from engine.market import Code, Market, Quote, Stock
from tests.bot.fakes import FakeListing, quote, services

STOCKS = 2_700
WORKERS = 16
REQUESTS = 3_200


class Everything:
    """A live market in which every stock has a price, and each look finds a new one."""

    def __init__(self, codes: list[Code]) -> None:
        self.quotes = {code: quote(code, 70_000 + 10 * n) for n, code in enumerate(codes)}

    def move(self) -> None:
        self.quotes = {code: replace(q, price=q.price + 10) for code, q in self.quotes.items()}

    def tick(self, code: Code) -> None:
        return None

    def quote(self, code: Code) -> Quote | None:
        return self.quotes.get(code)


def percentile(samples: list[float], share: float) -> float:
    ordered = sorted(samples)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else 0.0


async def _requests(address: str, count: int) -> tuple[float, float]:
    """(requests a second, p99 in milliseconds) with sixteen connections."""
    host, _, path = address.removeprefix("http://").partition("/")
    request = f"GET /{path} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode()
    waits: list[float] = []

    async def work() -> None:
        # Bytes by hand: a client library would cost more than the server and hide what is measured.
        reader, writer = await asyncio.open_connection(*host.split(":"))
        for _ in range(count // WORKERS):
            began = monotonic()
            writer.write(request)
            head = (await reader.readuntil(b"\r\n\r\n")).lower()
            length = int(head.partition(b"content-length:")[2].partition(b"\r\n")[0])
            await reader.readexactly(length)
            waits.append(monotonic() - began)
            if not head.startswith(b"http/1.1 200"):
                raise RuntimeError(f"{address}: {head[:60]!r}")
        writer.close()

    began = monotonic()
    await asyncio.gather(*(work() for _ in range(WORKERS)))
    return len(waits) / (monotonic() - began), 1_000 * percentile(waits, 0.99)


async def _listen(address: str, clients: int, rounds: int, ready: Any) -> list[float]:
    """Seconds from the first client's to the last client's copy, for each broadcast."""
    arrivals: dict[int, list[float]] = {}
    opened: list[int] = []
    gate = asyncio.Semaphore(10)

    async def one() -> None:
        async with gate:
            socket = await websockets.connect(
                address, compression=None, max_size=None, ping_interval=None, open_timeout=60
            )
            await socket.recv()
            opened.append(1)
        # A client that lags gets the newest copy alone, so that nobody can count on seeing every one.
        async with socket:
            with contextlib.suppress(TimeoutError, websockets.ConnectionClosed):  # too slow: dropped, which is right
                while True:
                    text = await asyncio.wait_for(socket.recv(), 4.0)
                    head = str(text[:200])
                    if '"type":"all"' in head:
                        number = int(head.partition('"seq":')[2].partition(",")[0])
                        arrivals.setdefault(number, []).append(monotonic())

    async with asyncio.TaskGroup() as group:
        for _ in range(clients):
            group.create_task(one())
        while len(opened) < clients:
            await asyncio.sleep(0.02)
        ready.set()
    return [max(times) - min(times) for times in arrivals.values()]


def _client(job: str, address: str, count: int, rounds: int, ready: Any, answer: Any) -> None:
    if job == "requests":
        answer.put(asyncio.run(_requests(address, count)))
    else:
        answer.put(asyncio.run(_listen(address, count, rounds, ready)))


async def in_other_process(job: str, address: str, count: int, rounds: int = 0, during: Any = None) -> Any:
    context = multiprocessing.get_context("spawn")
    ready, answer = context.Event(), context.Queue()
    process = context.Process(target=_client, args=(job, address, count, rounds, ready, answer))
    process.start()
    if during is not None:
        await asyncio.to_thread(ready.wait)
        await during()
    found = await asyncio.to_thread(answer.get)
    await asyncio.to_thread(process.join)
    return found


@dataclass
class Bare:
    """The yardstick: one route that answers the same JSON with nothing around it."""

    body: dict[str, Any]

    async def run(self, port: list[int]) -> None:
        async def echo(request: Request) -> JSONResponse:
            return JSONResponse(self.body)

        config = uvicorn.Config(
            Starlette(routes=[Route("/echo", echo)]), port=0, loop="none", http="h11", log_config=None, access_log=False
        )
        server = uvicorn.Server(config)
        task = asyncio.create_task(server.serve())
        while not server.started:
            await wall_sleep(0.01)
        port.append(server.servers[0].sockets[0].getsockname()[1])
        try:
            await asyncio.Event().wait()
        finally:
            server.should_exit = True
            await task


async def measure(counts: list[int]) -> dict[str, Any]:
    stocks = [Stock(f"{n:06d}", f"종목{n}", Market.KOSPI, "업종", market_cap=n + 1) for n in range(STOCKS)]
    live = Everything([stock.code for stock in stocks])
    found: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        access = AccessControl({Platform.CONSOLE: AccessList({1: Permission.ADMIN})})
        plane = await ControlPlane.open(services(listing=FakeListing(stocks)), access, home)
        front = WebFrontEnd(
            plane=plane, dispatcher=Dispatcher(plane), home=home, port=0, rate=Rate(1e6, 1e6), live=live
        )
        front.bind()
        lag = LoopLag()
        tasks = [asyncio.create_task(front.run()), asyncio.create_task(lag.run())]
        port: list[int] = []
        price = (await _first(front.address + "api/stocks/000001/price")).json()
        tasks.append(asyncio.create_task(Bare(price).run(port)))
        while not port:
            await wall_sleep(0.01)
        echo = await in_other_process("requests", f"http://127.0.0.1:{port[0]}/echo", REQUESTS)
        for name in ("price", "orderbook"):
            rate, slowest = await in_other_process("requests", f"{front.address}api/stocks/000001/{name}", REQUESTS)
            found[name] = {"per_second": rate, "p99_ms": slowest, "of_bare_echo": rate / echo[0]}
        found["bare_echo"] = {"per_second": echo[0], "p99_ms": echo[1]}
        address = front.address.replace("http", "ws") + "ws/prices"
        for clients in counts:
            found[f"broadcast_{clients}"] = await _broadcasts(front, live, lag, address, clients)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await plane.close()
    return found


async def _first(address: str) -> httpx.Response:
    async with httpx.AsyncClient(trust_env=False) as client:
        while True:
            try:
                return await client.get(address)
            except httpx.TransportError:
                await wall_sleep(0.05)


async def _broadcasts(
    front: WebFrontEnd, live: Everything, lag: LoopLag, address: str, clients: int, rounds: int = 5
) -> dict[str, Any]:
    memory = resident_megabytes()
    spent = {"cpu": 0.0, "peak": 0.0}

    async def during() -> None:
        lag.reset()
        began = cpu_seconds()
        for _ in range(rounds):
            live.move()
            await front.prices.broadcast()
            await wall_sleep(1.5)
            spent["peak"] = max(spent["peak"], resident_megabytes())
        spent["cpu"] = (cpu_seconds() - began) / rounds

    spreads = await in_other_process("listen", address, clients, rounds, during)
    return {
        "clients": clients,
        "stocks": STOCKS,
        "message_kilobytes": sum(len(f) + 1 for f in front.prices._fragments.values()) / 1_000,
        "first_to_last_client_ms": 1_000 * percentile(spreads, 0.5),
        "loop_lag_p99_ms": lag.percentile(0.99),
        "loop_lag_worst_ms": lag.percentile(1.0),
        "cpu_seconds_a_broadcast": spent["cpu"],
        "memory_grown_mb": spent["peak"] - memory,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clients", default="200,1000")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    found = asyncio.run(measure([int(count) for count in arguments.clients.split(",")]))
    if arguments.json:
        print(json.dumps(found))
        return
    for name, figures in found.items():
        print(name, {key: round(value, 2) for key, value in figures.items()})


if __name__ == "__main__":
    main()
