"""The Discord front end over sockets: real discord.py against the local Discord."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from bot.access import Permission
from bot.alerts import Alert, AlertKind
from bot.alerts_webhook import WebhookRefused, WebhookSink
from bot.discord.alerts import DiscordSink
from bot.discord.front import DiscordFrontEnd
from bot.discord.options import DiscordOptions
from bot.frontend import Fatal, NotConnected
from bot.reply import Button
from tests.chat.desk import Desk, open_desk, picture
from tests.servers.discord_server import OTHER_CHANNEL_ID, TEST_TOKEN, DiscordServer

NOW = datetime(2026, 7, 1, 10, 0, tzinfo=ZoneInfo("Asia/Seoul"))
REAL_SHAPED = "M" + "TA" * 11 + "x.GabcDE." + "a1" * 19


@dataclass
class Wired:
    server: DiscordServer
    desk: Desk
    front: DiscordFrontEnd
    task: asyncio.Task[None]
    folder: Path

    def alert(self, number: int, text: str, *, critical: bool = True, with_picture: bool = False) -> Alert:
        return Alert(number, AlertKind.SELL, NOW, text, critical, picture=picture() if with_picture else None)

    def person(self) -> DiscordSink:
        return next(sink for sink in self.front.sinks() if sink.name == f"discord:{self.server.owner.id}")


def options(server: DiscordServer, folder: Path, **more: object) -> DiscordOptions:
    values = {"guild_ready_seconds": 0.05, "first_pause": 0.05, "server_url": server.state.base_url, **more}
    return DiscordOptions(TEST_TOKEN, folder, **values)  # type: ignore[arg-type]


@contextlib.asynccontextmanager
async def running(
    server: DiscordServer, desk: Desk, folder: Path, *, up: bool = True
) -> AsyncIterator[tuple[DiscordFrontEnd, asyncio.Task[None]]]:
    front = DiscordFrontEnd(options(server, folder), desk.dispatcher, desk.registry, desk.access)
    task = asyncio.create_task(front.run())
    try:
        if up:
            await server.until(lambda: front.status.connected)
        yield front, task
    finally:
        await end(task)


async def end(task: asyncio.Task[None]) -> None:
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await asyncio.wait_for(task, 5)


@pytest.fixture
async def wired(tmp_path: Path) -> AsyncIterator[Wired]:
    async with (
        DiscordServer() as server,
        open_desk(tmp_path) as desk,
        running(server, desk, tmp_path) as (front, task),
    ):
        yield Wired(server, desk, front, task, tmp_path)


async def test_login_synchronises_korean_commands_with_english_names(wired: Wired) -> None:
    chart = wired.server.command("차트")
    assert chart["name"] == "차트"
    assert chart["name_localizations"] == {"en-US": "chart", "en-GB": "chart"}
    stock, interval = chart["options"]
    assert (stock["name"], stock["autocomplete"], stock["required"]) == ("종목", True, True)
    assert [choice["name"] for choice in interval["choices"]] == ["일봉", "15분"]
    assert wired.server.command("주문")["options"][1]["type"] == 4, "a quantity is a whole number"
    assert len(wired.server.state.commands[None]) == len(wired.desk.registry.commands())


async def test_a_restart_with_the_same_definitions_synchronises_nothing(wired: Wired) -> None:
    await end(wired.task)
    assert wired.server.state.syncs == 1
    async with running(wired.server, wired.desk, wired.folder):
        assert wired.server.state.syncs == 1


async def test_a_command_answers_with_text_picture_and_buttons(wired: Wired) -> None:
    shown = await wired.server.slash("차트", {"종목": "삼성전자", "간격": "15분"})
    assert wired.desk.done == ["chart 005930 15m"]
    message = shown.message
    assert message is not None
    assert shown.deferred
    assert not message.ephemeral
    assert message.content.startswith("삼성전자 71,900원 ▲1.84%")
    assert message.attachments[0].description == "삼성전자 일봉 차트, 71,900원"
    assert list(message.buttons()) == ["일봉", "15분"]
    assert message.allowed_mentions == {"parse": []}


async def test_a_button_edits_the_message_in_place_and_outlives_a_restart(wired: Wired) -> None:
    shown = await wired.server.slash("차트", {"종목": "005930"})
    before = shown.message.image if shown.message else None
    pressed = await wired.server.press(shown.message, "15분")
    assert pressed.message is shown.message
    assert pressed.message is not None
    assert pressed.message.image != before
    assert len(pressed.message.attachments) == 1, "the old picture is replaced, not joined"
    assert len(wired.server.messages()) == 1
    await end(wired.task)
    async with running(wired.server, wired.desk, wired.folder):
        await wired.server.press(shown.message, "일봉")
        assert wired.desk.done[-1] == "pressed 005930:1d"


async def test_autocomplete_finds_by_initial_consonants(wired: Wired) -> None:
    choices = await wired.server.autocomplete("차트", "종목", "ㅅㅅㅈㅈ")
    assert choices[0]["value"] == "005930"
    assert choices[0]["name"].startswith("삼성전자")


async def test_a_form_button_opens_a_modal_and_its_answer_edits_the_ticket(wired: Wired) -> None:
    ticket = await wired.server.slash("주문", {"종목": "005930", "수량": 3})
    assert ticket.message is not None
    assert ticket.message.ephemeral, "a ticket is for the asker's eyes only"
    key = f"{ticket.channel_id}/{ticket.message.id}"
    await wired.server.until(lambda: wired.desk.bound)
    assert wired.desk.bound == [("abc", key)]
    opened = await wired.server.press(ticket.message, "수량 입력")
    assert opened.modal is not None
    assert opened.modal["title"] == "주문 수량"
    sent = await wired.server.submit(opened, {"수량(주)": "10"})
    assert sent.message is ticket.message
    assert ticket.message.content == "수량 10"
    assert wired.desk.done[-1] == f"ticket abc:q {{'quantity': '10'}} on {key}"


async def test_a_notice_leaves_the_message_alone(wired: Wired) -> None:
    ticket = await wired.server.slash("주문", {"종목": "005930"})
    pressed = await wired.server.press(ticket.message, "주문")
    assert pressed.followups[0].content == "주문이 접수되었습니다"
    assert pressed.followups[0].ephemeral
    assert ticket.message is not None
    assert ticket.message.content == "삼성전자 주문"


async def test_a_command_that_needs_a_code_opens_the_modal_at_once(wired: Wired) -> None:
    asked = await wired.server.slash("무장")
    assert asked.modal is not None
    sent = await wired.server.submit(asked, {"일회용 코드": "123456"})
    assert sent.message is not None
    assert sent.message.ephemeral
    assert sent.message.content == "무장했습니다"


async def test_a_live_view_refreshes_itself_and_stops(wired: Wired) -> None:
    ticket = await wired.server.slash("주문", {"종목": "005930"})
    await wired.server.press(ticket.message, "호가")
    message = ticket.message
    assert message is not None
    await wired.server.until(lambda: message.content == "호가 4")
    await asyncio.sleep(0.2)
    assert wired.desk.refreshes == 4, "once pressed, then three times by itself"


async def test_long_texts_are_split_and_failures_are_one_line(wired: Wired) -> None:
    shown = await wired.server.slash("긴글")
    assert shown.message is not None
    await wired.server.until(lambda: shown.followups)
    whole = "\n".join([shown.message.content, *(part.content for part in shown.followups)])
    assert whole.splitlines() == [f"{n:04d} 줄입니다" for n in range(400)]
    failed = await wired.server.slash("고장")
    assert failed.message is not None
    assert "\n" not in failed.message.content


@pytest.mark.parametrize("kind", ["command", "button", "modal", "autocomplete", "form"])
@pytest.mark.parametrize("who", ["stranger", "other guild", "revoked", "viewer"])
async def test_every_kind_of_interaction_is_refused(wired: Wired, kind: str, who: str) -> None:
    server, desk = wired.server, wired.desk
    ticket = await server.slash("주문", {"종목": "005930"})
    opened = await server.press(ticket.message, "수량 입력")
    desk.done.clear()
    user, channel = server.owner, server.state.channel_id
    assert ticket.message is not None
    if who == "stranger":
        user = server.stranger
        ticket.message.visible_to = None  # a forged press: the platform itself would not let it through
    elif who == "other guild":
        channel = OTHER_CHANNEL_ID
    else:
        desk.set_roles(None if who == "revoked" else Permission.VIEWER)
    if kind == "command":
        refused = await server.slash("잔고", user=user, channel=channel)
    elif kind == "button":
        refused = await server.forge("a!tk:abc:go", ticket.message, user=user, channel=channel)
    elif kind == "form":
        refused = await server.forge("f!tk:abc:q", ticket.message, user=user, channel=channel)
        assert refused.modal is None
    elif kind == "modal":
        opened.channel_id = channel
        refused = await server.submit(opened, {"수량(주)": "10"}, user=user)
    else:
        choices = await server.autocomplete("주문", "종목", "삼성", user=user, channel=channel)
        assert choices == []
        assert desk.done == []
        return
    assert desk.done == []
    told = refused.followups[0] if refused.followups else refused.message
    assert told is not None
    assert told.ephemeral, "a refusal is no public matter"
    assert not told.attachments


async def test_answers_in_a_guild_are_hidden_unless_switched_public(tmp_path: Path) -> None:
    async with (
        DiscordServer() as server,
        open_desk(tmp_path, public=False) as desk,
        running(server, desk, tmp_path),
    ):
        in_guild = await server.slash("차트", {"종목": "005930"})
        alone = await server.slash("차트", {"종목": "005930"}, channel=server.private())
        assert in_guild.message is not None
        assert in_guild.message.ephemeral
        assert alone.message is not None
        assert not alone.message.ephemeral


async def test_a_cut_gateway_is_resumed_and_what_came_meanwhile_is_answered_once(wired: Wired) -> None:
    wired.server.gateway.cut()
    waiting = await wired.server.slash("차트", {"종목": "005930"}, settle=False)
    await wired.server.gateway.resumed.wait()
    await wired.server.settled(waiting)
    assert wired.server.gateway.identifies == 1
    assert wired.desk.done == ["chart 005930 1d"]
    assert wired.front.status.connected
    wired.server.gateway.resumed.clear()
    wired.server.gateway.ask_reconnect()
    await wired.server.gateway.resumed.wait()
    assert wired.server.gateway.resumes == 2


async def test_an_interaction_delivered_twice_acts_once(wired: Wired) -> None:
    first = await wired.server.slash("차트", {"종목": "005930"})
    wired.server.deliver(first)
    pressed = await wired.server.press(first.message, "15분")
    wired.server.deliver(pressed)
    wired.server.gateway.cut()
    await wired.server.slash("메모", {"메모": "끝"})
    assert wired.desk.done == ["chart 005930 1d", "pressed 005930:15m", "note 끝"]
    assert first.refusals == []


async def test_a_refused_acknowledgement_places_no_order_but_panic_is_obeyed(wired: Wired) -> None:
    ticket = await wired.server.slash("주문", {"종목": "005930"})
    wired.desk.done.clear()
    wired.server.state.first_answer_seconds = -1.0
    dead = await wired.server.press(ticket.message, "주문", settle=False)
    await wired.server.until(lambda: dead.refusals == [10062])
    panic = await wired.server.slash("비상", settle=False)
    await wired.server.until(lambda: panic.refusals == [10062])
    told = await wired.server.pushed(wired.server.private())
    assert told[0].content.startswith("비상 정지")
    assert wired.desk.done == ["panic"]


async def test_panic_is_not_delayed_by_a_slow_chart(wired: Wired) -> None:
    for _ in range(10):
        await wired.server.slash("느림", settle=False)
    panic = await wired.server.slash("비상")
    assert panic.message is not None
    assert panic.message.content.startswith("비상 정지")
    assert "slow" not in wired.desk.done
    wired.desk.slow_release.set()


async def test_panic_does_not_wait_for_an_acknowledgement(wired: Wired) -> None:
    wired.server.fail(r"/callback", 0, delay=0.5)
    panic = await wired.server.slash("비상", settle=False)
    await wired.server.until(lambda: wired.desk.done == ["panic"], 0.4)
    await wired.server.settled(panic)
    assert panic.message is not None
    assert panic.message.content.startswith("비상 정지")


async def test_a_picture_over_ten_megabytes_is_refused_before_sending(wired: Wired) -> None:
    wired.desk.padding = 11 * 1024 * 1024
    shown = await wired.server.slash("차트", {"종목": "005930"})
    assert shown.message is not None
    assert shown.message.attachments == []
    assert "10MB" in shown.message.content
    assert shown.refusals == []
    assert not any("413" in line for line in wired.server.transcript)


async def test_alerts_reach_the_person_and_the_channel(wired: Wired) -> None:
    server = wired.server
    await wired.person().deliver(wired.alert(1, "매도 체결 @everyone", with_picture=True))
    [pushed] = await server.pushed(server.private())
    assert pushed.content == "매도 체결 @everyone"
    assert pushed.allowed_mentions == {"parse": []}
    assert pushed.image is not None
    channel = next(s for s in wired.front.sinks(server.state.channel_id) if "channel" in s.name)
    await channel.deliver(wired.alert(2, "연결 끊김"))
    assert [m.content for m in await server.pushed(server.state.channel_id)] == ["연결 끊김"]


async def test_an_alarm_overtakes_what_waits_behind_a_rate_limit(wired: Wired) -> None:
    server, sink = wired.server, wired.person()
    server.fail(r"/channels/\d+/messages", 429, method="POST", retry_after=0.3)
    routine = [asyncio.create_task(sink.deliver(wired.alert(n, f"보통 {n}", critical=False))) for n in range(1, 5)]
    await server.until(lambda: any("/messages" in line for line in server.rest.requests))
    alarm = asyncio.create_task(sink.deliver(wired.alert(9, "손실 한도 경보")))
    await asyncio.gather(alarm, *routine)
    texts = [message.content for message in server.messages(server.private())]
    assert sorted(texts) == sorted(["손실 한도 경보", *(f"보통 {n}" for n in range(1, 5))])
    assert texts.index("손실 한도 경보") <= 1, texts


async def test_an_unreachable_discord_costs_nothing_but_the_front_end(wired: Wired) -> None:
    server = wired.server
    await server.stop()
    await server.until(lambda: not wired.front.status.connected)
    with pytest.raises((NotConnected, OSError)):
        await asyncio.wait_for(wired.person().deliver(wired.alert(1, "경보")), 20)
    assert not wired.task.done()
    async with open_desk(wired.folder / "other") as desk, running(server, desk, wired.folder, up=False) as (other, _):
        await server.until(lambda: other.status.restarts > 0)
    await server.start()
    server.gateway.resumable = False
    await server.until(lambda: wired.front.status.connected, 20)
    await wired.person().deliver(wired.alert(2, "다시 연결"))


async def test_a_wrong_token_stops_the_front_end_with_one_line(tmp_path: Path) -> None:
    async with DiscordServer(token="test.another") as server, open_desk(tmp_path) as desk:
        front = DiscordFrontEnd(options(server, tmp_path), desk.dispatcher, desk.registry, desk.access)
        await asyncio.wait_for(front.run(), 5)
        assert "DISCORD_TOKEN" in front.status.problem


@pytest.mark.parametrize(
    ("token", "url"), [(REAL_SHAPED, "http://127.0.0.1:1"), (TEST_TOKEN, "http://example.org"), ("x", "http://[::1]:1")]
)
async def test_another_address_is_refused_with_a_real_token(tmp_path: Path, token: str, url: str) -> None:
    with pytest.raises(Fatal):
        DiscordOptions(token, tmp_path, server_url=url).check()


async def test_no_token_reaches_the_logs(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    async with DiscordServer() as server, open_desk(tmp_path) as desk, running(server, desk, tmp_path):
        shown = await server.slash("차트", {"종목": "005930"})
        pressed = await server.press(shown.message, "15분")
        hook = server.create_webhook()
        for name in ("httpx", "httpcore"):
            logging.getLogger(name).setLevel(logging.DEBUG)
        sink = WebhookSink(hook, test_address=True)
        await sink.deliver(Alert(1, AlertKind.BUY, NOW, "매수", True))
        await sink.close()
        logging.getLogger("discord.client").warning("a real one: %s", REAL_SHAPED)
    logged = caplog.text
    assert logged.count("has returned") > 3, "the client's debug lines were captured"
    secrets = (TEST_TOKEN, REAL_SHAPED, shown.token, pressed.token, hook.rsplit("/", 1)[1])
    leaked = [line[:160] for line in logged.splitlines() for secret in secrets if secret in line]
    assert not leaked


async def test_a_webhook_address_alone_delivers_alerts() -> None:
    async with DiscordServer() as server:
        sink = WebhookSink(server.create_webhook(), test_address=True)
        alert = Alert(1, AlertKind.DAY, NOW, "하루 요약", True, picture=picture(), rows=((Button("x", "a:b"),),))
        server.fail("/webhooks/", 429, retry_after=0.25)
        with pytest.raises(WebhookRefused) as flood:
            await sink.deliver(alert)
        assert flood.value.retry_after is not None
        await sink.deliver(alert)
        [shown] = server.messages(server.state.channel_id)
        assert shown.content == "하루 요약"
        assert shown.image is not None
        assert not shown.components
        server.state.webhooks.clear()
        with pytest.raises(WebhookRefused) as refused:
            await sink.deliver(alert)
        assert "webhooks" not in str(refused.value)
        await sink.close()
