"""Over random tapes and orders: nothing is created or lost, the book is never crossed, fills stay in range."""

from __future__ import annotations

import asyncio
import json
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.clock import SimulatedClock
from engine.krx import on_tick, price_limits, step_ticks
from engine.market import KST, Side
from engine.simulator.accounts import ConservationError
from engine.simulator.app import Simulator
from engine.simulator.envelope import Answer, Call, Refusal
from engine.simulator.formats import clock_text
from tests.simulator.driver import RawClient, stage
from tests.simulator.hand_tape import DAY, OPEN, HandTape, Print

BASE = 10_000
LIMITS = price_limits(BASE)
CLOSE = 15 * 3600 + 30 * 60


class ManualClock(SimulatedClock):
    """Moves when a test says so."""

    def move(self, second: int) -> None:
        self._now = datetime(DAY.year, DAY.month, DAY.day, tzinfo=KST) + timedelta(seconds=second)


@st.composite
def tapes(draw: st.DrawFn) -> HandTape:
    steps = draw(
        st.lists(
            st.tuples(st.integers(1, 60), st.integers(-30, 30), st.integers(1, 300), st.sampled_from((-1, 1))),
            min_size=1,
            max_size=25,
        )
    )
    prints: list[Print] = []
    second, price = OPEN, BASE
    if draw(st.booleans()):
        prints.append((OPEN, BASE, draw(st.integers(1, 500)), 0))
    for wait, ticks, volume, side in steps:
        second += wait
        price = min(max(step_ticks(price, ticks), LIMITS.lower), LIMITS.upper)
        prints.append((second, price, volume, side))
    if draw(st.booleans()):
        prints.append((CLOSE, price, draw(st.integers(1, 500)), 0))
    return HandTape({"005930": prints}, base=BASE, level=draw(st.integers(1, 400)))


actions = st.lists(
    st.tuples(
        st.sampled_from(("buy", "sell", "cancel", "modify", "wait", "wait")),
        st.booleans(),
        st.sampled_from(
            ("00", "00", "00", "01", "02", "03", "04", "11", "12", "13", "14", "15", "16", "21", "22", "23")
        ),
        st.integers(1, 400),
        st.integers(-25, 25),
    ),
    min_size=1,
    max_size=30,
)


class Play:
    def __init__(self, tape: HandTape, start: int) -> None:
        self.clock = ManualClock(datetime(DAY.year, DAY.month, DAY.day, tzinfo=KST))
        self.clock.move(start)
        self.second = start
        self.simulator = Simulator(tape, self.clock)
        self.desk = self.simulator.desk
        self.numbers: dict[bool, list[int]] = {True: [], False: []}

    def call(self, mock: bool, **parameters: str) -> Call:
        key = self.simulator.keys[1 if mock else 0]
        return Call("", "", "", key, {"CANO": "12345678", "ACNT_PRDT_CD": "01", "PDNO": "005930", **parameters})

    def act(self, kind: str, mock: bool, division: str, quantity: int, ticks: int) -> None:
        if kind == "wait":
            self.advance(self.second + quantity)
            return
        price = min(max(step_ticks(BASE, ticks), LIMITS.lower), LIMITS.upper)
        fields = {"ORD_DVSN": division, "ORD_QTY": str(quantity), "ORD_UNPR": str(price), "CNDT_PRIC": str(price)}
        try:
            if kind in ("buy", "sell"):
                answer = (self.desk.buy if kind == "buy" else self.desk.sell)(self.call(mock, **fields))
            else:
                numbers = self.numbers[mock]
                if not numbers:
                    return
                original = numbers[quantity % len(numbers)]
                answer = self.desk.revise(
                    self.call(
                        mock,
                        **fields,
                        ORGN_ODNO=str(original),
                        RVSE_CNCL_DVSN_CD="02" if kind == "cancel" else "01",
                        QTY_ALL_ORD_YN="Y" if ticks > 0 else "N",
                    )
                )
        except Refusal:
            return
        self.note(mock, answer)

    def note(self, mock: bool, answer: Answer) -> None:
        self.numbers[mock].append(int(answer.body["output"]["ODNO"]))

    def advance(self, second: int) -> None:
        self.second = second
        self.clock.move(second)
        self.simulator.exchange.catch_up("005930")

    def check(self) -> None:
        self.simulator.ledger.check()
        day = self.simulator.floor.day("005930")
        assert day is not None
        book = self.simulator.exchange.book(day)
        for levels, rising in ((book.asks, True), (book.bids, False)):
            prices = [level.price for level in levels]
            assert prices == sorted(set(prices), reverse=not rising)
            assert len(levels) <= 10
            assert all(level.quantity > 0 and level.price in day.limits for level in levels)
        assert not book.asks or not book.bids or book.best_bid < book.best_ask

    def check_fills(self) -> None:
        day = self.simulator.floor.day("005930")
        assert day is not None
        lowest, highest = min([BASE, *day.price.tolist()]), max([BASE, *day.price.tolist()])
        for account in self.simulator.ledger.accounts.values():
            for order in account.orders:
                for fill in order.fills:
                    assert fill.price in day.limits
                    assert step_ticks(lowest, -10) <= fill.price <= step_ticks(highest, 10), "beyond the drawn book"
                    if order.division.pricing == "limit":
                        better = fill.price <= order.price if order.side is Side.BUY else fill.price >= order.price
                        assert better
                    if order.division.pricing != "midpoint":
                        assert on_tick(fill.price)


@settings(max_examples=120)
@given(tapes(), actions, st.sampled_from((8 * 3600 + 1800, OPEN + 1, CLOSE - 900)))
def test_nothing_is_created_or_lost(tape: HandTape, todo: list[tuple[str, bool, str, int, int]], start: int) -> None:
    play = Play(tape, start)
    for step in todo:
        play.act(*step)
        play.check()
    play.advance(max(play.second, 15 * 3600 + 20 * 60))
    play.simulator.exchange.begin_closing_auction()
    play.check()
    play.advance(CLOSE + 1)
    play.simulator.exchange.expire()
    play.check()
    play.check_fills()
    assert all(not o.live for a in play.simulator.ledger.accounts.values() for o in a.orders)
    assert all(a.reserved_cash == 0 for a in play.simulator.ledger.accounts.values())


@settings(max_examples=60)
@given(tapes(), st.integers(1, 200))
def test_resting_orders_take_no_more_than_the_tape_traded(tape: HandTape, quantity: int) -> None:
    play = Play(tape, 8 * 3600 + 1800)
    for _ in range(3):
        play.act("buy", False, "00", quantity, 0)
    play.advance(CLOSE + 1)
    day = play.simulator.floor.day("005930")
    assert day is not None
    account = play.simulator.ledger.account(play.simulator.keys[0])
    by_time: dict[str, int] = {}
    for execution in account.executions:
        moment = clock_text(execution.at.hour * 3600 + execution.at.minute * 60 + execution.at.second)
        by_time[moment] = by_time.get(moment, 0) + execution.quantity
    for moment, taken in by_time.items():
        printed = sum(
            int(volume)
            for second, volume in zip(day.second, day.volume, strict=True)
            if clock_text(int(second)) == moment
        )
        assert taken <= printed


def test_the_check_notices_a_lost_share() -> None:
    play = Play(HandTape(), OPEN + 30)
    play.note(False, play.desk.buy(play.call(False, ORD_DVSN="01", ORD_QTY="5", ORD_UNPR="0")))
    account = play.simulator.ledger.account(play.simulator.keys[0])
    play.simulator.ledger.check()
    account.positions["005930"].quantity -= 1
    with pytest.raises(ConservationError):
        play.simulator.ledger.check()


async def conversation(seed: int) -> tuple[list[Any], list[str | bytes]]:
    """What a fixed script of calls hears back."""
    heard: list[Any] = []
    async with stage(start=(8, 58, 0), seed=seed) as play:
        client: RawClient = await play.client()
        heard.append(client.token)
        async with play.stream(client) as stream:
            for tr_id, key in (("H0STCNT0", "005930"), ("H0STASP0", "005930"), ("H0STCNI0", "hts1")):
                heard.append(await stream.register(tr_id, key))
            await play.until(9, 0, 30)
            heard.append(await client.order("buy", "005930", 7, 70_000))
            heard.append(await client.order("buy", "005930", 3))
            await play.until(9, 2, 30)
            heard += [await client.fills(), await client.balance()]
            await play.until(9, 4)
            return heard, list(stream.frames)


async def test_the_same_seed_and_messages_give_the_same_bodies_and_frames() -> None:
    first, second = await conversation(3), await conversation(3)
    assert first == second
    assert len(first[1]) > 20
    other = await conversation(4)
    assert json.dumps(other[0]) != json.dumps(first[0])
    await asyncio.sleep(0)
