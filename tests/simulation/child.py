"""The process that gets killed: an order desk that trades a fixed list of wishes against a broker over a socket."""

from __future__ import annotations

import asyncio
import os
import pickle
import signal
import sys
from collections import Counter
from collections.abc import Sequence
from datetime import date, datetime
from pathlib import Path
from typing import Any

from engine.broker import Buyable, NewOrder, OrderKey, OrderList, OrderType, Outcome, TemporaryError, Unknown
from engine.clock import ScaledMarketClock, monotonic, seeded
from engine.events import EventBus
from engine.krx import CostModel
from engine.market import KST, Balance, Code, Environment, Side, Won
from engine.orders import Journal, OrderDesk, OrderIntent, Origin, Purpose, RiskLimits
from engine.store import AsyncStore, Statement
from tests.simulation.world import CODES, WalkingMarket

SPEED = 60.0
START_AT = datetime(2026, 3, 10, 9, 30, tzinfo=KST)
WISHES = 8


class Killer:
    """Ends this process by SIGKILL at the n-th passage of a boundary."""

    def __init__(self, plan: str) -> None:
        self._name, _, count = plan.partition(":")
        self._left = int(count) if count else 0

    def __call__(self, name: str) -> None:
        if name == self._name and self._left:
            self._left -= 1
            if not self._left:
                os.kill(os.getpid(), signal.SIGKILL)


class SocketBroker:
    environment = Environment.SIMULATOR

    def __init__(self, port: int, killer: Killer) -> None:
        self._port = port
        self._killer = killer
        self._turn = asyncio.Lock()
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        self.label = ""

    async def _ask(self, verb: str, *arguments: Any) -> Any:
        async with self._turn:
            if self._streams is None:
                self._streams = await asyncio.open_connection("127.0.0.1", self._port)
            reader, writer = self._streams
            data = pickle.dumps((verb, arguments, self.label))
            if verb == "place":
                self._killer("before send")
            writer.write(len(data).to_bytes(4, "big") + data)
            await writer.drain()
            if verb == "place":
                self._killer("after send")
            answer = pickle.loads(await reader.readexactly(int.from_bytes(await reader.readexactly(4), "big")))
            if verb == "place":
                self._killer("after reply")
            return answer

    async def place(self, order: NewOrder) -> Outcome:
        return await self._order("place", order)

    async def amend(self, key: OrderKey, order: NewOrder) -> Outcome:
        return await self._order("amend", key, order)

    async def cancel(self, key: OrderKey, order: NewOrder) -> Outcome:
        return await self._order("cancel", key, order)

    async def _order(self, verb: str, *arguments: Any) -> Outcome:
        try:
            answer: Outcome = await self._ask(verb, *arguments)
        except (OSError, asyncio.IncompleteReadError) as error:
            return Unknown(str(error))
        return answer

    async def orders(self, day: date, code: Code | None = None) -> OrderList:
        return await self._read("orders", day, code)  # type: ignore[no-any-return]

    async def balance(self) -> Balance:
        return await self._read("balance")  # type: ignore[no-any-return]

    async def buyable(self, code: Code, price: Won | None) -> Buyable:
        return await self._read("buyable", code, price)  # type: ignore[no-any-return]

    async def _read(self, verb: str, *arguments: Any) -> Any:
        try:
            return await self._ask(verb, *arguments)
        except (OSError, asyncio.IncompleteReadError) as error:
            raise TemporaryError(str(error)) from error


def wishes(seed: int, market: WalkingMarket) -> list[OrderIntent]:
    """The same list in every life of the process: a trader that decides the same again."""
    random = seeded("kill wishes", seed)
    made = []
    for number in range(WISHES):
        code = CODES[int(random.integers(len(CODES)))]
        quantity = int(random.integers(1, 20))
        made.append(
            OrderIntent(
                f"{seed}:{number}",
                code,
                Side.BUY,
                OrderType.LIMIT,
                quantity,
                market.prices[code],
                Origin.MANUAL,
                Purpose.ENTRY,
                "test",
            )
        )
    return made


async def main(path: Path, port: int, origin: float, seed: int, plan: str) -> None:
    started = monotonic()
    killer = Killer(plan)
    clock = ScaledMarketClock(START_AT, SPEED)
    clock._origin = origin
    market = WalkingMarket(clock, seeded("kill market", seed))  # type: ignore[arg-type]
    write = AsyncStore._write

    async def watched(store: AsyncStore, statements: tuple[Statement, ...], guard: Statement | None) -> None:
        killer("before commit")
        await write(store, statements, guard)
        killer("after commit")

    AsyncStore._write = watched  # type: ignore[method-assign]
    broker = SocketBroker(port, killer)
    limits = RiskLimits(code_interval_seconds=0.1, orders_per_window=100, order_value=30_000_000)
    journal = await Journal.open(path, clock)
    desk = OrderDesk(
        broker=broker,
        journal=journal,
        clock=clock,
        events=EventBus(),
        market=market,
        limits=limits,
        costs=CostModel(),
        environment=Environment.SIMULATOR,
        account="12345678-01",
    )
    await desk.start()
    seconds = monotonic() - started
    background = asyncio.create_task(desk.run())
    for wish in wishes(seed, market):
        broker.label = wish.signal_key
        await desk.submit(wish)
    if plan == "finish":
        await settle(desk, clock)
        report = await desk.reconcile()
        records: Sequence[Any] = desk.orders(desk._ledger.day)
        answer = {
            "seconds": seconds,
            "complete": report.complete,
            "open_doubts": [o.order_id for o in records if o.state in ("prepared", "sending", "unknown")],
            "keys": {o.intent.signal_key: o.key.number for o in records if o.key},
            "positions": {position.code: position.quantity for position in desk.positions()},
            "cash": desk._ledger.cash(),
            "states": Counter(str(o.state) for o in records),
        }
        sys.stdout.buffer.write(pickle.dumps(answer))
    else:
        await clock.sleep(120)
    background.cancel()
    await asyncio.gather(background, return_exceptions=True)
    await desk.close()


async def settle(desk: OrderDesk, clock: ScaledMarketClock) -> None:
    """Two market minutes for what is unknown, as the liveness phase of a simulated day."""
    for _ in range(40):
        if not desk.unknown_orders():
            return
        await clock.sleep(4)


if __name__ == "__main__":
    file, port_text, origin_text, seed_text = sys.argv[1:]
    asyncio.run(
        main(Path(file), int(port_text), float(origin_text), int(seed_text), os.environ.get("GAEMI_KILL_AT", ""))
    )
