"""Alerts: the right words, to those who want them, critical ones once and in order whatever the chat does."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from bot.access import AccessControl, AccessList, Permission, Platform
from bot.alert_texts import AlertWriter, follow, stock_buttons
from bot.alerts import OUTBOX_KEPT, Alert, AlertCenter, AlertKind, Level, alert_levels, level_preference
from bot.store import ControlStore
from bot.texts import Texts
from bot.walltime import HostTime
from engine import events as e
from engine.events import EventBus
from engine.market import Environment, Side
from engine.results import ExitReason
from tests.bot.fakes import NOW, FakeWall, score, summary, trade

ORDER: dict[str, Any] = {
    "at": NOW,
    "order_id": "A1",
    "code": "005930",
    "name": "삼성전자",
    "quantity": 100,
    "price": 93_000,
}
BUY: dict[str, Any] = {**ORDER, "side": Side.BUY}
SELL: dict[str, Any] = {**ORDER, "side": Side.SELL}
FILL: dict[str, Any] = {"filled_total": 100, "average_price": 93_000.0, "complete": True}

EVENTS: list[tuple[e.Event, AlertKind, str]] = [
    (e.OrderFilled(**BUY, **FILL), AlertKind.BUY, "체결 · 삼성전자 매수 100주 @93,000"),
    (
        e.OrderFilled(**SELL, **FILL, reason="익절"),
        AlertKind.SELL,
        "체결 · 삼성전자 매도 100주 @93,000 (익절)",
    ),
    (
        e.OrderFilled(**BUY, filled_total=40, average_price=1.0, complete=False),
        AlertKind.BUY,
        "일부 체결, 누적 40주",
    ),
    (e.PositionClosed(at=NOW, trade=trade(4_836)), AlertKind.SELL, "삼성전자 익절 +4.96% 매도 · 손익 +461,400원"),
    (e.OrderAccepted(**BUY), AlertKind.ACCEPTED, "접수 · 삼성전자 매수 100주 93,000원"),
    (e.OrderCancelled(**BUY, cancelled=60), AlertKind.ACCEPTED, "취소됨"),
    (e.OrderDenied(**BUY, reason="주문 한도"), AlertKind.REJECTED, "주문하지 않음"),
    (
        e.OrderRejected(**BUY, broker_message="주문가능금액이 부족합니다"),
        AlertKind.REJECTED,
        "증권사: 주문가능금액이 부족합니다",
    ),
    (e.OrderUnknown(**BUY, reason="시간 초과"), AlertKind.UNKNOWN, "결과 모름"),
    (e.OrderResolved(**BUY, exists=True), AlertKind.UNKNOWN, "주문이 증권사에 있습니다"),
    (e.OrderResolved(**BUY, exists=False), AlertKind.UNKNOWN, "주문이 증권사에 없습니다"),
    (
        e.StopRaised(at=NOW, code="005930", name="삼성전자", old=90_000, new=91_000, reason="추적"),
        AlertKind.STOP_RAISED,
        "90,000원 → 91,000원 (추적)",
    ),
    (
        e.StopRaised(at=NOW, code="005930", name="삼성전자", old=0, new=91_000, reason=""),
        AlertKind.STOP_RAISED,
        "손절가 설정 · 삼성전자 91,000원",
    ),
    (
        e.ExitPending(
            at=NOW, code="005930", name="삼성전자", exit_reason=ExitReason.FIXED_STOP, obstacle="하한가 잠김"
        ),
        AlertKind.EXIT_PENDING,
        "하한가 잠김",
    ),
    (e.ProtectionLatched(at=NOW, rule="daily_loss", message="일일 손실 −3%"), AlertKind.LATCHED, "일일 손실 −3%"),
    (
        e.PositionDiffers(at=NOW, code="005930", name="삼성전자", journal=10, broker=7),
        AlertKind.LATCHED,
        "일지 10주, 증권사 7주",
    ),
    (e.ConnectionLost(at=NOW, what="실시간 시세", reason="끊김"), AlertKind.CONNECTION, "연결 끊김"),
    (e.ConnectionRestored(at=NOW, what="실시간 시세"), AlertKind.CONNECTION, "연결 복구"),
    (e.ErrorRaised(at=NOW, where="선별", message="자료 없음"), AlertKind.ERROR, "선별 · 자료 없음"),
    (e.BotStarted(at=NOW, by="discord:2"), AlertKind.BOT, "자동매매 시작 (discord:2)"),
    (e.BotStarted(at=NOW, by="discord:2", resumed=True), AlertKind.BOT, "이어서 시작"),
    (e.BotStopped(at=NOW, by="discord:2"), AlertKind.BOT, "자동매매 중지"),
    (e.DayEnded(at=NOW, summary=summary()), AlertKind.DAY, "실현 +77,800원 (수수료 2,700원, 세금 19,500원)"),
]


def writer(language: str = "ko") -> AlertWriter:
    return AlertWriter(Texts(language), Environment.SIMULATOR, FakeWall().monotonic)


@pytest.mark.parametrize(
    ("event", "kind", "words"), EVENTS, ids=[f"{type(x).__name__}{n}" for n, (x, *_) in enumerate(EVENTS)]
)
def test_each_event_has_its_words(event: e.Event, kind: AlertKind, words: str) -> None:
    told = writer().text_of(event)
    assert told is not None
    assert told[0] is kind
    assert told[1].startswith("[10:31:05 시뮬레이터] ")
    assert words in told[1]
    confirmed = isinstance(event, e.OrderFilled)
    assert ("체결" in told[1]) == confirmed
    english = writer("en").text_of(event)
    assert english is not None
    assert english[1].startswith("[10:31:05")


def test_a_bought_alert_tells_the_score_it_was_bought_on() -> None:
    """Scenario A of the brief: name, score, quantity, price; then the exit with its percentage."""
    told = writer()
    decided = e.EntryDecided(
        at=NOW, code="005930", name="삼성전자", score=score(points=67 / 9), price=93_000, quantity=100
    )
    assert told.text_of(decided) is None
    bought = told.text_of(e.OrderFilled(**BUY, **FILL))
    assert bought is not None
    assert bought[1].endswith("체결 · 삼성전자 +67.0점 매수 100주 @93,000")


def test_the_same_error_is_told_once_in_ten_minutes() -> None:
    wall = FakeWall()
    told = AlertWriter(Texts("ko"), Environment.SIMULATOR, wall.monotonic)
    error = e.ErrorRaised(at=NOW, where="선별", message="자료 없음")
    assert told.text_of(error) is not None
    assert all(told.text_of(error) is None for _ in range(100))
    assert told.text_of(e.ErrorRaised(at=NOW, where="선별", message="다른 오류")) is not None
    wall.pass_(601)
    assert told.text_of(error) is not None


def test_a_hostile_message_stays_one_line() -> None:
    told = writer().text_of(e.OrderRejected(**BUY, broker_message="\x1b[31m거부\n체결 · 가짜" + "x" * 5_000))
    assert told is not None
    assert "\n" not in told[1]
    assert "\x1b" not in told[1]
    assert len(told[1]) < 400


# ---------------------------------------------------------------- delivery


class Asked(Exception):
    def __init__(self, retry_after: float) -> None:
        super().__init__("429")
        self.retry_after = retry_after


@dataclass
class Sink:
    name: str = "discord:2"
    down: bool = False
    problem: Exception = field(default_factory=lambda: ConnectionError("down"))
    got: list[Alert] = field(default_factory=list)
    tries: int = 0

    async def deliver(self, alert: Alert) -> None:
        self.tries += 1
        if self.down:
            raise self.problem
        self.got.append(alert)


@pytest.fixture
async def store(tmp_path: Path):  # type: ignore[no-untyped-def]
    opened = await ControlStore.open(tmp_path / "control.db")
    yield opened
    await opened.close()


async def until(condition: object, rounds: int = 2_000) -> None:
    for _ in range(rounds):
        if condition():  # type: ignore[operator]
            return
        await asyncio.sleep(0.001)
    raise AssertionError("never happened")


async def push(center: AlertCenter, text: str, *, critical: bool = True, kind: AlertKind = AlertKind.LATCHED) -> None:
    await center.push(kind, NOW, text, critical=critical)


async def test_critical_alerts_survive_an_outage_and_a_restart_in_order_and_once(store: ControlStore) -> None:
    sink, wall = Sink(down=True), FakeWall()
    center = AlertCenter(store, wall)
    center.add(sink)
    running = asyncio.create_task(center.run())
    for number in range(5):
        await push(center, f"alarm {number}")
    await until(lambda: sink.tries >= 2)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert sink.got == []
    assert await center.waiting(sink.name) == 5

    fresh = Sink()
    again = AlertCenter(store, wall)
    again.add(fresh)
    running = asyncio.create_task(again.run())
    await push(again, "alarm 5")
    await until(lambda: len(fresh.got) == 6)
    await asyncio.sleep(0.02)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert [alert.text for alert in fresh.got] == [f"alarm {n}" for n in range(6)]
    assert await again.waiting(sink.name) == 0


async def test_a_critical_alert_goes_before_routine_ones_that_came_first(store: ControlStore) -> None:
    sink, wall = Sink(down=True, problem=Asked(7.0)), FakeWall()
    center = AlertCenter(store, wall)
    center.add(sink)
    for number in range(20):
        await push(center, f"routine {number}", critical=False, kind=AlertKind.BOT)
    running = asyncio.create_task(center.run())
    await until(lambda: sink.tries >= 2)
    before = wall.seconds
    await push(center, "the alarm")
    sink.down = False
    await until(lambda: len(sink.got) >= 2)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert sink.got[0].text == "the alarm"
    assert sink.got[0].critical
    assert "routine 0" in sink.got[1].text
    assert wall.seconds >= before  # the platform's own retry time was waited for, on the wall clock


async def test_routine_alerts_are_collapsed_into_one_message(store: ControlStore) -> None:
    sink = Sink()
    center = AlertCenter(store, FakeWall())
    center.add(sink)
    for number in range(10):
        await push(center, f"routine {number}", critical=False, kind=AlertKind.BOT)
    running = asyncio.create_task(center.run())
    await until(lambda: sink.got)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert len(sink.got) == 1
    assert sink.got[0].text.splitlines() == [*(f"routine {n}" for n in range(6)), "… +4"]


async def test_on_silent_and_off_are_per_person_and_kind(store: ControlStore) -> None:
    loud, quiet, deaf = Sink("discord:1"), Sink("discord:2"), Sink("discord:3")
    await store.prefer("discord:2", level_preference(AlertKind.BUY), Level.SILENT.value)
    await store.prefer("discord:3", level_preference(AlertKind.BUY), Level.OFF.value)
    center = AlertCenter(store, FakeWall())
    for sink in (loud, quiet, deaf):
        center.add(sink)
    running = asyncio.create_task(center.run())
    await push(center, "bought", kind=AlertKind.BUY)
    await push(center, "latched")
    await until(lambda: len(loud.got) == 2 and len(quiet.got) == 2 and len(deaf.got) == 1)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert [a.silent for a in loud.got] == [False, False]
    assert [a.silent for a in quiet.got] == [True, False]
    assert [a.text for a in deaf.got] == ["latched"]
    assert (await alert_levels(store, "discord:9"))[AlertKind.ACCEPTED] is Level.SILENT


async def test_one_chat_that_is_down_holds_up_no_other_and_no_one_who_pushes(store: ControlStore) -> None:
    broken, well = Sink("discord:1", down=True), Sink("telegram:1")
    center = AlertCenter(store, FakeWall())
    center.add(broken)
    center.add(well)
    running = asyncio.create_task(center.run())
    async with asyncio.timeout(5):
        for number in range(30):
            await push(center, f"alarm {number}")
    await until(lambda: len(well.got) == 30)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert broken.got == []


async def test_people_get_what_their_role_may_see_when_it_is_delivered(store: ControlStore) -> None:
    access = AccessControl(
        {Platform.DISCORD: AccessList({1: Permission.VIEWER, 2: Permission.TRADER, 3: Permission.ADMIN})}
    )
    viewer, trader, revoked = Sink("discord:1"), Sink("discord:2"), Sink("discord:3")
    hook, gone = Sink("webhook"), Sink("telegram:9")
    center = AlertCenter(store, FakeWall(), access, stock_buttons(Texts("ko")))
    for sink in (viewer, trader, revoked, hook, gone):
        center.add(sink)
    await center.push(AlertKind.BUY, NOW, "bought", critical=True, code="005930")
    await push(center, "lost", kind=AlertKind.CONNECTION)
    access.replace(Platform.DISCORD, AccessList({1: Permission.VIEWER, 2: Permission.TRADER}))
    running = asyncio.create_task(center.run())
    await until(lambda: len(trader.got) == 2 and len(viewer.got) == 1 and len(hook.got) == 2)
    await asyncio.sleep(0.02)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert [alert.text for alert in viewer.got] == ["lost"]
    assert [b.action for b in trader.got[0].rows[0]] == ["c:chart:005930:15m", "c:ticket:005930", "c:orders"]
    assert trader.got[1].rows == ()
    assert revoked.got == gone.got == []
    assert await center.waiting("discord:3") == 0


async def test_the_outbox_is_bounded(store: ControlStore) -> None:
    center = AlertCenter(store, FakeWall())
    center.add(Sink(down=True))
    for number in range(OUTBOX_KEPT + 20):
        await push(center, f"alarm {number}")
    assert await center.waiting("discord:2") == OUTBOX_KEPT


async def test_events_of_the_engine_reach_a_person(store: ControlStore) -> None:
    bus, sink = EventBus(), Sink()
    center = AlertCenter(store, HostTime())
    center.add(sink)
    tasks = [asyncio.create_task(center.run()), asyncio.create_task(follow(bus, center, writer()))]
    await asyncio.sleep(0)
    bus.publish(e.OrderAccepted(**BUY))
    bus.publish(e.OrderFilled(**BUY, **FILL))
    bus.publish(e.TicksLost(at=NOW + timedelta(seconds=1), codes=("005930",), count=3))
    await until(lambda: sink.got)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert sink.got[0].text.endswith("체결 · 삼성전자 매수 100주 @93,000")
    assert sink.got[0].critical
