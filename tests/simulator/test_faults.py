"""Faults do what they say, and market time goes on meanwhile."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from websockets.exceptions import ConnectionClosed

from engine.simulator.faults import Fault, FaultKind, FaultPlan, weather
from tests.simulator.driver import RawClient, stage

STOCK = {"FID_COND_MRKT_DIV_CODE": "J", "FID_INPUT_ISCD": "005930"}


def plan(kind: FaultKind, call: str = "", **more: Any) -> FaultPlan:
    return FaultPlan((Fault(kind, call, **more),))


async def price(client: RawClient) -> httpx.Response:
    return await client.get("quotations/inquire-price", "FHKST01010100", **STOCK)


@pytest.mark.parametrize(
    ("kind", "acted"),
    [
        (FaultKind.DROP_REQUEST, False),
        (FaultKind.DROP_REPLY, True),
        (FaultKind.RESET_BEFORE, False),
        (FaultKind.RESET_AFTER, True),
    ],
)
async def test_lost_requests_and_lost_answers(kind: FaultKind, acted: bool) -> None:
    async with stage(faults=plan(kind, "order-cash", seconds=20.0)) as play:
        client = await play.client()
        before = play.clock.now()
        with pytest.raises(httpx.TransportError):
            await client.order("buy", "005930", 1)
        waited = (play.clock.now() - before).total_seconds()
        assert waited == (20.0 if "drop" in kind else 0.0), "the server waits on the market clock"
        assert len((await client.fills())["output1"]) == acted


async def test_delays_pass_on_the_market_clock() -> None:
    async with stage(faults=plan(FaultKind.DELAY, "inquire-price", seconds=7.0)) as play:
        client = await play.client()
        before = play.clock.now()
        assert (await price(client)).json()["rt_cd"] == "0"
        assert (play.clock.now() - before).total_seconds() == 7.0


@pytest.mark.parametrize(
    ("kind", "status", "readable", "acted"),
    [
        (FaultKind.GATEWAY_ERROR, 500, True, False),
        (FaultKind.GATEWAY_ERROR_AFTER, 500, True, True),
        (FaultKind.BAD_GATEWAY, 502, False, False),
        (FaultKind.HTML, 200, False, False),
        (FaultKind.EMPTY, 200, False, True),
        (FaultKind.CUT_JSON, 200, False, True),
        (FaultKind.EXTRA_FIELDS, 200, True, True),
    ],
)
async def test_broken_answers(kind: FaultKind, status: int, readable: bool, acted: bool) -> None:
    async with stage(faults=plan(kind, "order-cash", code="EGW00300")) as play:
        client = await play.client()
        answer = await client.post(
            "trading/order-cash",
            "TTTC0012U",
            CANO="12345678",
            ACNT_PRDT_CD="01",
            PDNO="005930",
            ORD_DVSN="00",
            ORD_QTY="1",
            ORD_UNPR="60000",
        )
        assert answer.status_code == status
        if readable:
            assert "rt_cd" in answer.json()
        else:
            with pytest.raises(json.JSONDecodeError):
                answer.json()
        assert len((await client.fills())["output1"]) == acted


async def test_storms_and_token_troubles_end() -> None:
    async with stage(faults=plan(FaultKind.GATEWAY_ERROR, "inquire-price", count=3)) as play:
        client = await play.client()
        assert [(await price(client)).json()["msg_cd"] for _ in range(4)] == ["EGW00201"] * 3 + ["MCA00000"]
    for kind, code in ((FaultKind.TOKEN_EXPIRED, "EGW00123"), (FaultKind.TOKEN_UNKNOWN, "EGW00121")):
        async with stage(faults=plan(kind, "inquire-price")) as play:
            client = await play.client()
            assert (await price(client)).json()["msg_cd"] == code
            await play.until(9, 2)
            await client.login()
            assert (await price(client)).json()["msg_cd"] == "MCA00000"


async def test_orders_hidden_from_lists_and_refused_by_the_exchange() -> None:
    faults = FaultPlan((Fault(FaultKind.HIDE_ORDER, seconds=10.0), Fault(FaultKind.REJECT_ORDER, skip=1)))
    async with stage(faults=faults) as play:
        client = await play.client()
        async with play.stream(client) as stream:
            await stream.register("H0STCNI0", "hts1")
            await client.order("buy", "005930", 1)
            assert (await client.order("buy", "005930", 2))["rt_cd"] == "0"
            assert [row["rjct_qty"] for row in (await client.fills())["output1"]] == ["2"]
            await play.until(9, 0, 41)
            rows = (await client.fills())["output1"]
            assert [(row["tot_ccld_qty"], row["rjct_qty"]) for row in rows] == [("1", "0"), ("0", "2")]
            assert [n[2] for n in stream.records("H0STCNI0") if n[12] == "1"] == ["0000000002"]


async def test_notices_lost_repeated_late_and_early() -> None:
    for kind, kinds in (
        (FaultKind.LOSE_NOTICE, ["1", "2"]),
        (FaultKind.DUPLICATE_NOTICE, ["1", "1", "2", "1"]),
        (FaultKind.DELAY_NOTICE, ["1", "2", "1"]),
    ):
        async with stage(faults=plan(kind, seconds=5.0)) as play:
            client = await play.client()
            async with play.stream(client) as stream:
                await stream.register("H0STCNI0", "hts1")
                await client.order("buy", "005930", 1)
                await play.until(9, 0, 40)
                assert [n[13] for n in stream.records("H0STCNI0")] == kinds
    async with stage(faults=plan(FaultKind.EARLY_NOTICE, count=None)) as play:
        client = await play.client()
        async with play.stream(client) as stream:
            await stream.register("H0STCNI0", "hts1")
            before = play.clock.now()
            await client.order("buy", "005930", 1)
            while len(stream.records("H0STCNI0")) < 3:
                await asyncio.sleep(0.001)
            assert play.clock.now() == before


async def test_frames_split_merged_lost_repeated_and_garbled() -> None:
    tick = "H0STCNT0"
    checks: tuple[tuple[FaultKind, Callable[[list[str | bytes]], bool]], ...] = (
        (FaultKind.SPLIT_FRAME, lambda frames: any(not str(f).startswith(("0|", "{")) for f in frames)),
        (FaultKind.MERGE_FRAME, lambda frames: any(str(f).count("0|H0STCNT0") == 2 for f in frames)),
        (FaultKind.DUPLICATE_FRAME, lambda frames: len(frames) != len(set(frames))),
        (FaultKind.LOSE_FRAME, lambda frames: "10380" not in str(frames)),
        (FaultKind.EXTRA_RECORD_FIELD, lambda frames: any(str(f).count("^") == 47 for f in frames)),
    )
    for kind, check in checks:
        async with stage(faults=plan(kind, tick)) as play:
            client = await play.client()
            async with play.stream(client) as stream:
                await stream.register(tick, "005930")
                await play.until(9, 1, 30)
                assert check(stream.frames), kind


async def test_invalid_utf8_and_abnormal_close_free_the_market_clock() -> None:
    async with stage(faults=plan(FaultKind.INVALID_UTF8, "H0STCNT0")) as play:
        client = await play.client()
        async with play.stream(client) as stream:
            await stream.register("H0STCNT0", "005930")
            await play.until(9, 0, 59)
            raw = asyncio.create_task(stream.socket.wait_closed())
            play.clock.channel_closed(stream.port)
            await play.until(9, 1, 30)
            await raw
            assert stream.socket.protocol.close_sent is not None
            assert stream.socket.protocol.close_sent.code == 1007
    async with stage(faults=plan(FaultKind.CLOSE_ABNORMALLY, "H0STCNT0", seconds=30.0)) as play:
        client = await play.client()
        async with play.stream(client) as stream:
            await stream.register("H0STCNT0", "005930")
            await play.until(9, 1, 1)
            await asyncio.wait_for(stream.socket.wait_closed(), 5)
            with pytest.raises(ConnectionClosed):
                await stream.socket.send("{}")
        async with play.stream(client) as again:
            assert (await again.register("H0STCNT0", "005930"))["body"]["msg_cd"] == "OPSP8996"
        await play.until(9, 1, 40)
        async with play.stream(client) as later:
            assert (await later.register("H0STCNT0", "005930"))["body"]["msg_cd"] == "OPSP0000"


async def test_a_silent_socket_stays_open() -> None:
    async with stage(faults=plan(FaultKind.SILENCE, "H0STCNT0")) as play:
        client = await play.client()
        async with play.stream(client) as stream:
            await stream.register("H0STCNT0", "005930")
            await play.until(9, 4)
            assert stream.records("H0STCNT0") == []
            await stream.socket.send("{}")


def test_the_same_seed_has_the_same_weather() -> None:
    def history(seed: int) -> list[list[FaultKind]]:
        plan = weather(seed, 0.2)
        return [[fault.kind for fault in plan.for_call("inquire-price", "FHKST01010100")] for _ in range(200)]

    assert history(1) == history(1)
    assert history(1) != history(2)
    assert sum(map(len, history(1))) > 100
