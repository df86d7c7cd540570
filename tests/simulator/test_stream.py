"""The WebSocket's rules: registrations, errors, sessions, PINGPONG, record lengths."""

from __future__ import annotations

import asyncio
import json
from datetime import datetime

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from engine.market import KST, Market, Stock
from engine.simulator import wire
from engine.simulator.settings import BrokerSettings, WireEpoch
from tests.simulator.driver import MOCK, stage
from tests.simulator.hand_tape import SAMSUNG, HandTape


async def test_every_error_reply_has_its_code_and_no_output() -> None:
    async with stage() as play:
        client = await play.client()
        async with play.stream(client) as stream:
            assert (await stream.register("H0STCNT0", "005930"))["body"]["msg_cd"] == "OPSP0000"
            for tr_id, key, kind, code in (
                ("H0STCNT0", "005930", "1", "OPSP0002"),
                ("H0STASP0", "005930", "2", "OPSP0003"),
                ("H0STCNT0", "005930", "7", "OPSP8997"),
                ("H0NOPE00", "005930", "1", "OPSP8991"),
                ("H0STCNT0", "999999", "1", "OPSP8992"),
                ("H0STCNT0", "", "1", "OPSP9990"),
            ):
                answer = await stream.register(tr_id, key, kind)
                assert answer["body"]["msg_cd"] == code
                assert answer["body"]["rt_cd"] == "1"
                assert "output" not in answer["body"]
            assert (await stream.register("H0STCNT0", "005930", "2"))["body"]["msg_cd"] == "OPSP0001"
            with play.clock.hold("garbage"):
                await stream.socket.send("{not json")
                while "invalid json format" not in str(stream.frames[-1]):
                    await asyncio.sleep(0.001)


async def test_forty_one_registrations() -> None:
    stocks = tuple(Stock(f"{n:06d}", f"종목{n}", Market.KOSPI) for n in range(100, 145))
    async with stage(HandTape({}, known=stocks)) as play:
        client = await play.client()
        async with play.stream(client) as stream:
            codes = [(await stream.register("H0STCNT0", stock.code))["body"]["msg_cd"] for stock in stocks[:42]]
        assert codes == ["OPSP0000"] * 41 + ["OPSP0008"]


async def test_one_session_per_key_and_wrong_approvals() -> None:
    async with stage() as play:
        client = await play.client()
        async with play.stream(client) as stream:
            await stream.register("H0STCNT0", "005930")
            async with connect(play.addresses.ws_url + "/tryitout/H0STCNT0", ping_interval=None) as second:
                header = {"approval_key": await client.approval(), "custtype": "P", "tr_type": "1"}
                body = {"input": {"tr_id": "H0STASP0", "tr_key": "005930"}}
                with play.clock.hold("second session"):
                    await second.send(json.dumps({"header": header, "body": body}))
                    answer = json.loads(await second.recv())
                    assert answer["body"]["msg_cd"] == "OPSP8996"
                    assert answer["header"]["tr_id"] == "(null)"
                    with pytest.raises(ConnectionClosed) as closed:
                        await second.recv()
                    assert closed.value.rcvd is None, "no close frame"
            async with connect(play.addresses.ws_url, ping_interval=None) as third:
                with play.clock.hold("wrong approval"):
                    await third.send(json.dumps({"header": header | {"approval_key": "nope"}, "body": body}))
                    assert json.loads(await third.recv())["body"]["msg_cd"] == "OPSP0011"
                    with pytest.raises(ConnectionClosed):
                        await third.recv()
        async with play.stream(client) as again:
            assert (await again.register("H0STCNT0", "005930"))["body"]["msg_cd"] == "OPSP0000", "the slot is free"


@pytest.mark.parametrize(
    ("epoch", "trade", "book", "notice"), [("2024", 46, 59, 23), ("2025", 46, 59, 26), ("2026-09", 47, 63, 26)]
)
async def test_record_lengths_per_epoch(epoch: WireEpoch, trade: int, book: int, notice: int) -> None:
    async with stage(settings=BrokerSettings(wire_epoch=epoch)) as play:
        client = await play.client(MOCK)
        async with play.stream(client) as stream:
            for tr_id, key in (("H0STCNT0", "005930"), ("H0STASP0", "005930"), ("H0STCNI9", "hts1")):
                await stream.register(tr_id, key)
            await client.order("buy", "005930", 3)
            await play.until(9, 1, 30)
            assert {len(r) for r in stream.records("H0STCNT0")} == {trade}
            assert {len(r) for r in stream.records("H0STASP0")} == {book}
            notices = stream.records("H0STCNI9")
            assert {len(r) for r in notices} == {notice}
            assert int(notices[-1][-1]) == 0
            assert SAMSUNG.name in notices[-1]


async def test_pingpong_in_three_ways_keeps_the_session() -> None:
    async with stage(settings=BrokerSettings(pingpong_interval=10.0)) as play:
        client = await play.client()
        async with play.stream(client) as stream:
            await stream.register("H0STCNI0", "hts1")
            await play.until(9, 0, 41)
            pings = [frame for frame in stream.frames if "PINGPONG" in str(frame)]
            assert json.loads(pings[0])["header"]["datetime"] == "20260303090040"
            await stream.socket.send(pings[0])
            await stream.socket.pong(str(pings[0]).encode())
            await play.until(9, 3)
            assert len([frame for frame in stream.frames if "PINGPONG" in str(frame)]) == 15
            assert (await stream.register("H0STCNT0", "005930"))["body"]["msg_cd"] == "OPSP0000"


async def test_index_and_expected_match_are_for_real_keys_only() -> None:
    async with stage(start=(8, 50, 0)) as play:
        real, mock = await play.client(), await play.client(MOCK)
        async with play.stream(mock) as stream:
            for tr_id, key in (("H0UPCNT0", "0001"), ("H0STANC0", "005930"), ("H0STCNI0", "hts1")):
                assert (await stream.register(tr_id, key))["body"]["msg_cd"] == "OPSP8991"
        async with play.stream(real) as stream:
            for tr_id, key in (
                ("H0UPCNT0", "0001"),
                ("H0STANC0", "005930"),
                ("H0STMKO0", "005930"),
                ("H0UNCNT0", "005930"),
            ):
                assert (await stream.register(tr_id, key))["body"]["msg_cd"] == "OPSP0000"
            await play.until(9, 1)
            expected = stream.records("H0STANC0")
            index = stream.records("H0UPCNT0")
        assert {len(r) for r in expected} == {len(wire.EXPECTED_FIELDS)} == {45}
        assert all(r[43] == "B" for r in expected)
        assert {len(r) for r in index} == {30}
        assert [r[1] for r in index[:3]] == ["090000", "090010", "090020"]


async def test_registrations_go_on_the_next_day() -> None:
    async with stage(start=(15, 29, 0)) as play:
        client = await play.client()
        async with play.stream(client) as stream:
            await stream.register("H0STCNT0", "005930")
            await stream.register("H0UPCNT0", "0001")
            await play.clock.sleep_until(datetime(2026, 3, 4, 9, 0, 6, tzinfo=KST), priority=90)
            trades = [(t[33], t[1], t[13]) for t in stream.records("H0STCNT0")]
            index = stream.records("H0UPCNT0")
        assert trades[0] == ("20260303", "153000", "16780")
        assert trades[1:] == [
            ("20260304", "090000", "10000"),
            ("20260304", "090001", "10050"),
            ("20260304", "090001", "10080"),
            ("20260304", "090005", "10280"),
        ]
        assert index[-1][1] == "090000"
