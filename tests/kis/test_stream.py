"""The session: registrations, reconnection, watchdog, busy keys, and the clock's bookkeeping."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from engine.broker import (
    Channel,
    ChannelKind,
    ExecutionNotice,
    StreamEvent,
    StreamLost,
    StreamRestored,
)
from engine.clock import SimulatedClock
from engine.kis import KIS, KisAddresses, KisCredentials, KisStream
from engine.kis.inbox import Inbox
from engine.market import Environment, OrderBook, Tick
from tests.kis.conftest import NOW
from tests.kis.test_frames import BOOK, NOTICE, TRADE, changed, plain, sealed
from tests.servers.kis_stub import KisStub

TRADES = Channel(ChannelKind.TRADE, "005930")
BOOKS = Channel(ChannelKind.BOOK, "005930")
NOTICES = Channel(ChannelKind.NOTICE)
TICK = plain("H0STCNT0", changed(TRADE, f1="095916"))


async def until(condition: Callable[[], object], seconds: float = 5.0) -> None:
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.002)


class Consumer:
    def __init__(self, stream: KisStream) -> None:
        self.events: list[StreamEvent] = []
        self._task = asyncio.create_task(self._run(stream))

    async def _run(self, stream: KisStream) -> None:
        async for event in stream.events():
            self.events.append(event)

    async def first(self, kind: type[StreamEvent]) -> StreamEvent:
        await until(lambda: any(isinstance(event, kind) for event in self.events))
        return next(event for event in self.events if isinstance(event, kind))

    async def ended(self) -> None:
        await asyncio.wait_for(self._task, 5)


@pytest.fixture
async def stream(kis: KIS) -> KisStream:
    return kis.stream()


async def test_ticks_books_and_notices_arrive(kis: KIS, stub: KisStub, stream: KisStream) -> None:
    consumer = Consumer(stream)
    await stream.set_channels([NOTICES, TRADES, BOOKS])
    await until(lambda: stream.channels == {NOTICES, TRADES, BOOKS})
    assert stub.registered() == [
        ("1", "H0STCNI0", "hts1"),
        ("1", "H0STCNT0", "005930"),
        ("1", "H0STASP0", "005930"),
    ]
    own = changed(NOTICE, f1="8765432101", f11="095916")
    await stub.send(TICK)
    await stub.send(plain("H0STASP0", changed(BOOK, f1="095916")))
    await stub.send(sealed(own))
    await until(lambda: len(consumer.events) == 3)
    assert [type(event) for event in consumer.events] == [Tick, OrderBook, ExecutionNotice]
    assert kis.stream() is stream
    await kis.close()
    await consumer.ended()
    assert stub.closings == [1000]


async def test_channels_change_by_difference_and_stop_at_41(kis: KIS, stub: KisStub, stream: KisStream) -> None:
    wanted = [Channel(ChannelKind.TRADE, f"{n:06d}") for n in range(60)]
    await stream.set_channels(wanted)
    await until(lambda: len(stream.channels) == 41, 10)
    assert stream.channels == set(wanted[:41])
    stub.messages.clear()
    await stream.set_channels([wanted[50], *wanted[2:41]])
    assert stub.registered() == [
        ("2", "H0STCNT0", "000000"),
        ("2", "H0STCNT0", "000001"),
        ("1", "H0STCNT0", "000050"),
    ]
    assert len(stream.channels) == 40


async def test_a_refused_channel_is_left_out(kis: KIS, stub: KisStub, stream: KisStream) -> None:
    stub.refuse_keys["000660"] = "OPSP0008"
    await stream.set_channels([Channel(ChannelKind.TRADE, "000660"), TRADES])
    await until(lambda: stream.channels == {TRADES})


async def test_pingpong_is_echoed(kis: KIS, stub: KisStub, stream: KisStream) -> None:
    await stream.set_channels([TRADES])
    await until(lambda: stream.channels)
    ping = '{"header":{"tr_id":"PINGPONG","datetime":"20261120100000"}}'
    await stub.send(ping)
    await until(lambda: stub.echoes == [ping])


async def test_a_cut_session_is_restored_with_its_channels(kis: KIS, stub: KisStub, stream: KisStream) -> None:
    consumer = Consumer(stream)
    await stream.set_channels([NOTICES, TRADES])
    await until(lambda: len(stream.channels) == 2)
    await stub.send(TICK)
    await consumer.first(Tick)
    stub.messages.clear()
    stub.abort()
    lost = await consumer.first(StreamLost)
    restored = await consumer.first(StreamRestored)
    assert isinstance(lost, StreamLost)
    assert isinstance(restored, StreamRestored)
    assert restored.gap_from <= lost.at < restored.at
    assert stream.connected
    assert stub.registered() == [("1", "H0STCNI0", "hts1"), ("1", "H0STCNT0", "005930")]
    assert stub.count("/oauth2/Approval") == 2
    await stub.send(TICK)
    await until(lambda: sum(isinstance(event, Tick) for event in consumer.events) == 2)


async def test_a_silent_session_is_closed_and_opened_again(
    kis: KIS, stub: KisStub, stream: KisStream, clock: SimulatedClock
) -> None:
    consumer = Consumer(stream)
    await stream.set_channels([TRADES])
    await until(lambda: stream.channels)
    lost = await consumer.first(StreamLost)
    assert isinstance(lost, StreamLost)
    assert 60 <= (lost.at - NOW).total_seconds() <= 95
    assert "소식" in lost.reason
    await consumer.first(StreamRestored)
    assert stub.closings[:1] == [1000]


async def test_a_busy_key_is_left_alone_for_twenty_seconds(
    kis: KIS, stub: KisStub, stream: KisStream, clock: SimulatedClock
) -> None:
    consumer = Consumer(stream)
    stub.refuse_sessions = "OPSP8996"
    await stream.set_channels([TRADES])
    lost = await consumer.first(StreamLost)
    assert isinstance(lost, StreamLost)
    assert "OPSP8996" in lost.reason
    stub.refuse_sessions = ""
    restored = await consumer.first(StreamRestored)
    assert isinstance(restored, StreamRestored)
    assert (restored.at - lost.at).total_seconds() >= 20


async def test_invalid_bytes_and_nonsense_do_not_end_the_session(kis: KIS, stub: KisStub, stream: KisStream) -> None:
    consumer = Consumer(stream)
    await stream.set_channels([TRADES])
    await until(lambda: stream.channels)
    for frame in (b"0|H0STCNT0|001|\xff\xfe^\x80", b"\xff", b"{}", b"[]", b'{"header":3}', b"", b"0|", b"nonsense"):
        await stub.send(frame)
    await stub.send(TICK.encode() + b"^\xff")  # a garbled field after the known ones
    await consumer.first(Tick)
    assert len(stub.sockets) == 1
    assert sum(stream.dropped.values()) == 8


async def test_an_unanswered_registration_is_asked_again(kis: KIS, stub: KisStub, stream: KisStream) -> None:
    stub.mute.add("005930")
    await stream.set_channels([TRADES])
    await until(lambda: stub.registered())
    await until(lambda: stream.connected)
    stub.mute.clear()
    await until(lambda: stream.channels == {TRADES}, 10)


async def test_a_mute_session_does_not_hold_the_market_for_every_channel(
    kis: KIS, stub: KisStub, stream: KisStream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engine.kis.stream.ANSWER_WALL_SECONDS", 0.05)
    codes = [f"{n:06d}" for n in range(10)]
    stub.mute.update(codes)
    await stream.set_channels([Channel(ChannelKind.TRADE, code) for code in codes])
    await until(lambda: len(stub.registered()) >= 3)
    await asyncio.sleep(0.1)
    assert len(stub.registered()) < 10


async def test_without_an_hts_id_there_are_no_notices(
    stub: KisStub, clock: SimulatedClock, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    credentials = KisCredentials("A" * 36, "S" * 180, "12345678")
    async with KIS(
        credentials, KisAddresses(stub.rest_url, stub.ws_url), Environment.SIMULATOR, clock, tmp_path
    ) as kis:
        await kis.stream().set_channels([NOTICES, TRADES])
        await until(lambda: kis.stream().channels == {TRADES})
    assert "HTS" in caplog.text


async def test_a_refused_approval_key_is_replaced(kis: KIS, stub: KisStub, stream: KisStream) -> None:
    stub.refuse_keys["005930"] = "OPSP0011"
    consumer = Consumer(stream)
    await stream.set_channels([TRADES])
    await consumer.first(StreamLost)
    stub.refuse_keys.clear()
    await until(lambda: stream.channels == {TRADES})
    assert stub.count("/oauth2/Approval") >= 2


async def test_the_clock_stands_still_until_the_consumer_asks_for_more(
    kis: KIS, stub: KisStub, stream: KisStream, clock: SimulatedClock
) -> None:
    await stream.set_channels([TRADES])
    await until(lambda: stream.channels)
    [port] = clock._frames
    clock.frame_sent(port)
    await stub.send(plain("H0STCNT0", *[changed(TRADE, f1="095916")] * 2))
    events = stream.events()
    first = await anext(events)
    await anext(events)
    assert isinstance(first, Tick)
    assert clock._frames[port] == 1
    before = clock.now()
    await asyncio.sleep(0.05)
    assert clock.now() == before
    asking = asyncio.ensure_future(anext(events))
    await until(lambda: clock._frames[port] == 0)
    await until(lambda: clock.now() > before)
    asking.cancel()
    await asyncio.gather(asking, return_exceptions=True)


async def test_closing_frees_the_clock(kis: KIS, stub: KisStub, stream: KisStream, clock: SimulatedClock) -> None:
    await stream.set_channels([TRADES])
    await until(lambda: stream.channels)
    [port] = clock._frames
    clock.frame_sent(port)
    await stub.send(TICK)
    await asyncio.sleep(0.02)
    await kis.close()
    assert clock._frames == {}
    assert not stream.connected


async def test_a_full_inbox_drops_the_oldest_tick_never_a_notice(clock: SimulatedClock) -> None:
    inbox = Inbox(clock, capacity=3)
    tick = Tick("005930", NOW, 100, 1, 1)
    lost = StreamLost(NOW, "x")
    inbox.put(lost)
    clock.channel_opened(7)
    for number in range(5):
        clock.frame_sent(7)
        inbox.put_frame([Tick(tick.code, tick.at, 100 + number, 1, 1)], 7)
    assert inbox.lost == 3
    assert clock._frames[7] == 2
    inbox.close()
    left = [event async for event in inbox.events()]
    assert left[0] is lost
    assert [event.price for event in left if isinstance(event, Tick)] == [103, 104]
    assert clock._frames[7] == 0
    clock.channel_closed(7)
