"""The service on its embedded broker, over real sockets and a real database."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, time
from pathlib import Path

import pytest

from bot.app import Engine, RunOptions, open_engine
from bot.settings import load_settings
from bot.venue import MarketChoice
from engine.broker import OrderType
from engine.candles import aggregate
from engine.market import KST, Side
from engine.orders import OrderIntent, OrderState, Origin, Purpose
from engine.results import ExitReason

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
CODE = "005930"


@asynccontextmanager
async def service(home: Path, speed: float = math.inf, *, autostart: bool = False) -> AsyncIterator[Engine]:
    home.mkdir(exist_ok=True)
    options = RunOptions(
        load_settings(None, gaemi_home=home), home, MarketChoice(speed=speed), autostart=autostart, front_ends=False
    )
    async with open_engine(options) as engine:
        running = asyncio.create_task(engine.run())
        try:
            yield engine
        finally:
            engine.finished.set()
            await running


def at(engine: Engine, text: str) -> datetime:
    return datetime.combine(engine.venue.clock.today(), time.fromisoformat(text), KST)


async def order(engine: Engine, side: Side, quantity: int, key: str) -> OrderState:
    quote = await engine.venue.kis.quote(CODE)
    engine.market.on_quote(quote)
    record = await engine.desk.submit(
        OrderIntent(
            signal_key=key,
            code=CODE,
            side=side,
            type=OrderType.MARKET,
            quantity=quantity,
            price=0,
            origin=Origin.MANUAL,
            purpose=Purpose.ENTRY if side is Side.BUY else Purpose.EXIT,
            actor="test",
            exit_reason=None if side is Side.BUY else ExitReason.MANUAL,
        )
    )
    return record.state


async def morning(home: Path, speed: float) -> tuple[str, str]:
    """Buy at 09:03, sell at 09:17; the journal's hash and the bars of the first quarter."""
    async with service(home, speed) as engine:
        clock = engine.venue.clock
        await clock.sleep_until(at(engine, "09:03"))
        assert await order(engine, Side.BUY, 5, "in") is OrderState.ACCEPTED
        await clock.sleep_until(at(engine, "09:04"))
        position = engine.desk.position(CODE)
        assert position is not None
        assert position.quantity == 5
        engine.trader.books_wanted.add(CODE)
        await engine.trader.refresh_subscriptions()
        await clock.sleep_until(at(engine, "09:17"))
        assert await order(engine, Side.SELL, 5, "out") is OrderState.ACCEPTED
        await clock.sleep_until(at(engine, "09:18"))
        assert engine.desk.position(CODE) is None
        (trade,) = engine.desk.trades(clock.today())
        balance = await engine.venue.kis.balance()
        assert balance.equity == 10_000_000 + trade.profit, "the broker's cash and our figures agree to the won"
        await engine.feed.backfill(CODE)
        bars, _ = engine.candle_store.fifteen(CODE, clock.now())
        return await engine.desk.journal_hash(clock.today()), bars.digest


async def test_the_speed_changes_nothing_in_the_journal(tmp_path: Path) -> None:
    answers = {speed: await morning(tmp_path / str(speed), speed) for speed in (150.0, 600.0, math.inf)}
    assert len(set(answers.values())) == 1, answers


async def test_a_position_and_its_orders_outlive_the_process(tmp_path: Path) -> None:
    async with service(tmp_path) as engine:
        await engine.venue.clock.sleep_until(at(engine, "09:03"))
        assert await order(engine, Side.BUY, 7, "in") is OrderState.ACCEPTED
        await engine.venue.clock.sleep_until(at(engine, "09:20"))
        before = engine.venue.clock.now()
    async with service(tmp_path) as engine:
        assert abs((engine.venue.clock.now() - before).total_seconds()) < 60
        position = engine.desk.position(CODE)
        assert position is not None
        assert position.quantity == 7
        assert engine.desk.last_report() is not None
        assert engine.desk.last_report().clean  # type: ignore[union-attr]
        assert await order(engine, Side.BUY, 7, "in") is OrderState.DENIED, (
            "one signal, one order, also after a restart"
        )
        balance = await engine.venue.kis.balance()
        assert [(h.code, h.quantity) for h in balance.holdings] == [(CODE, 7)]


async def test_streamed_bars_equal_the_brokers_minute_bars(tmp_path: Path) -> None:
    async with service(tmp_path) as engine:
        clock = engine.venue.clock
        engine.trader.books_wanted |= {CODE, "247540"}
        await engine.trader.refresh_subscriptions()
        await clock.sleep_until(at(engine, "09:46"))
        session = engine.venue.calendar.session(clock.today())
        assert session is not None
        for code in (CODE, "247540"):
            streamed, _ = engine.candle_store.fifteen(code, clock.now())
            minutes = await engine.venue.kis.minute_bars(code, clock.today())
            expected = [bar for bar in aggregate(minutes, session) if bar.start < at(engine, "09:45")]
            assert [c for c in streamed.candles() if c.start.date() == clock.today()] == expected
            assert len(expected) == 3
        assert engine.candle_store.gaps == engine.candle_store.repaired == 0, "the stream alone made them"
