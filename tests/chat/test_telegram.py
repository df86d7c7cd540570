"""The Telegram front end over sockets: real python-telegram-bot against the local Bot API."""

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
from telegram.error import Forbidden

from bot.access import Permission
from bot.alerts import Alert, AlertKind
from bot.frontend import Fatal, NotConnected
from bot.reply import Button, ButtonKind
from bot.telegram.front import TelegramFrontEnd, TelegramSink
from bot.telegram.messages import data_of
from bot.telegram.options import TelegramOptions
from tests.chat.desk import Desk, open_desk, picture
from tests.servers.telegram_server import GROUP_ID, TEST_TOKEN, Shown, TelegramServer

NOW = datetime(2026, 7, 1, 10, 0, tzinfo=ZoneInfo("Asia/Seoul"))
REAL_SHAPED = "1234567890:" + "AbC-_12" * 5
TWO_HOURS = 7200.0


@dataclass
class Wired:
    server: TelegramServer
    desk: Desk
    front: TelegramFrontEnd
    task: asyncio.Task[None]

    def sink(self) -> TelegramSink:
        return self.front.sinks()[0]

    def alert(self, number: int, text: str, *, critical: bool = True) -> Alert:
        return Alert(number, AlertKind.SELL, NOW, text, critical)


@contextlib.asynccontextmanager
async def running(
    server: TelegramServer, desk: Desk, folder: Path, *, up: bool = True
) -> AsyncIterator[tuple[TelegramFrontEnd, asyncio.Task[None]]]:
    options = TelegramOptions(
        TEST_TOKEN, folder, server_url=server.server_url, poll_seconds=1, per_second=50.0, first_pause=0.05
    )
    front = TelegramFrontEnd(options, desk.dispatcher, desk.registry, desk.access)
    task = asyncio.create_task(front.run())
    try:
        if up:
            await server.until(lambda: front.status.connected)
        yield front, task
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.wait_for(task, 5)


@pytest.fixture
async def wired(tmp_path: Path) -> AsyncIterator[Wired]:
    async with (
        TelegramServer() as server,
        open_desk(tmp_path) as desk,
        running(server, desk, tmp_path) as (front, task),
    ):
        yield Wired(server, desk, front, task)


async def test_the_command_menu_is_korean_and_for_private_chats_only(wired: Wired) -> None:
    korean = wired.server.commands["all_private_chats", "ko"]
    assert {"command": "chart", "description": "차트 명령"} in korean
    assert {"command": "chart", "description": "The chart command"} in wired.server.commands["all_private_chats", "en"]
    assert not [scope for scope in wired.server.commands if scope[0] != "all_private_chats"]


async def test_a_restart_with_the_same_commands_publishes_nothing(wired: Wired, tmp_path: Path) -> None:
    wired.server.calls.clear()
    wired.task.cancel()
    await asyncio.wait({wired.task}, timeout=5)
    async with running(wired.server, wired.desk, tmp_path):
        assert "setMyCommands" not in wired.server.calls


@pytest.mark.parametrize("line", ["/chart 삼성전자 15m", "차트 삼성전자 15분", "/chart@gaemi_bot 005930 15m"])
async def test_commands_and_korean_words_answer_with_a_picture(wired: Wired, line: str) -> None:
    await wired.server.say(line)
    shown = await wired.server.reply()
    assert wired.desk.done == ["chart 005930 15m"]
    assert shown.photo is not None
    assert shown.text == "삼성전자 71,900원 ▲1.84% <b>&\n15m", "signs of HTML are shown as they are"
    assert list(shown.buttons()) == ["일봉", "15분", "원본"]
    assert (wired.server.owner.id, "upload_photo") in wired.server.actions


async def test_a_button_edits_in_place_and_is_always_answered(wired: Wired) -> None:
    await wired.server.say("차트 005930")
    shown = await wired.server.reply()
    before = shown.photo
    press = await wired.server.press(shown, "15분")
    assert press.answer == ""
    await wired.server.until(lambda: shown.edits == 1)
    assert shown.photo != before
    assert list(shown.buttons())[:2] == ["일봉", "15분"], "the keyboard is sent again with each edit"
    await wired.server.press(shown, "15분")
    await wired.server.until(lambda: any("message is not modified" in line for line in wired.server.transcript))
    assert len(wired.server.messages()) == 1
    assert wired.desk.done == ["chart 005930 1d", "pressed 005930:15m", "pressed 005930:15m"]


async def test_the_original_picture_comes_as_a_document(wired: Wired) -> None:
    await wired.server.say("차트 005930")
    shown = await wired.server.reply()
    await wired.server.press(shown, "원본")
    original = await wired.server.reply(after=1)
    assert original.document == ("chart.png", shown.photo)
    assert original.protected


async def test_start_shows_the_home_menu_and_starts_nothing(wired: Wired) -> None:
    await wired.server.say("/start")
    shown = await wired.server.reply()
    assert shown.keys() == ["잔고", "비상"]
    assert wired.desk.done == []
    await wired.server.say(shown.keys()[0])
    await wired.server.until(lambda: wired.desk.done == ["balance"])
    answer = await wired.server.reply(after=1)
    assert answer.protected, "what is for one person's eyes cannot be forwarded"
    document = await wired.server.reply(after=2)
    assert document.document == ("balance.csv", b"code,quantity\n")


async def test_a_form_asks_and_edits_the_ticket(wired: Wired) -> None:
    server = wired.server
    await server.say("주문 삼성전자 3")
    ticket = await server.reply()
    await server.until(lambda: wired.desk.bound == [("abc", f"{server.owner.id}/{ticket.id}")])
    await server.press(ticket, "수량 입력")
    prompt = await server.reply(after=1)
    assert prompt.text.startswith("주문 수량\n수량(주)")
    assert prompt.markup["force_reply"]
    await server.say("10")
    await server.until(lambda: ticket.edits == 1)
    assert ticket.text == "수량 10"
    assert wired.desk.done[-1] == f"ticket abc:q {{'quantity': '10'}} on {server.owner.id}/{ticket.id}"
    await server.until(lambda: prompt.deleted)


async def test_a_command_ends_an_open_form_and_a_stop_word_cancels_it(wired: Wired) -> None:
    server = wired.server
    await server.say("주문 삼성전자")
    ticket = await server.reply()
    await server.press(ticket, "수량 입력")
    await server.reply(after=1)
    await server.say("비상")
    await server.until(lambda: "panic" in wired.desk.done)
    await server.say("7")
    await server.until(lambda: len(server.texts()) >= 3)
    assert not any("quantity" in line for line in wired.desk.done)
    await server.press(ticket, "수량 입력")
    await server.until(lambda: any(text.startswith("주문 수량") for text in server.texts()))
    await server.say("그만")
    await server.until(lambda: any("그만두었습니다" in text for text in server.texts()))
    assert not any("quantity" in line for line in wired.desk.done)


async def test_a_secret_answer_leaves_the_chat_at_once(wired: Wired) -> None:
    await wired.server.say("무장")
    await wired.server.until(lambda: any("일회용 코드" in text for text in wired.server.texts()))
    await wired.server.say("123456")
    await wired.server.until(lambda: "무장했습니다" in wired.server.texts())
    assert wired.desk.done == ["arm asked", "armed with 6"]
    typed = [m for m in wired.server.shown.values() if m.from_person and m.text == "123456"]
    assert [m.deleted for m in typed] == [True]


async def test_a_live_view_refreshes_itself_and_a_notice_leaves_the_message_alone(wired: Wired) -> None:
    await wired.server.say("주문 삼성전자")
    ticket = await wired.server.reply()
    await wired.server.press(ticket, "주문")
    await wired.server.until(lambda: "주문이 접수되었습니다" in wired.server.texts())
    assert ticket.text == "삼성전자 주문"
    await wired.server.press(ticket, "호가")
    await wired.server.until(lambda: ticket.text == "호가 4")
    await asyncio.sleep(0.2)
    assert wired.desk.refreshes == 4
    assert ticket.photo is not None


async def test_a_photo_that_becomes_a_text_is_still_the_same_message_for_its_ticket(wired: Wired) -> None:
    server, desk = wired.server, wired.desk
    await server.say("주문 삼성전자")
    ticket = await server.reply()
    await server.press(ticket, "호가")
    await server.until(lambda: ticket.photo is not None)
    desk.done.clear()
    await server.forge(ticket, "tk:abc:text")
    await server.until(lambda: ticket.deleted)
    [text] = [m for m in server.messages() if m.text.startswith("수량")]
    await server.forge(text, "tk:abc:go")
    await server.until(lambda: len(desk.done) == 2)
    first = f"on {server.owner.id}/{ticket.id}"
    assert [line.endswith(first) for line in desk.done] == [True, True]


@pytest.mark.parametrize("kind", ["command", "button", "form", "answer", "original"])
@pytest.mark.parametrize("who", ["stranger", "group", "revoked", "viewer", "anonymous"])
async def test_every_kind_of_update_is_refused(wired: Wired, kind: str, who: str) -> None:
    server, desk = wired.server, wired.desk
    await server.say("주문 삼성전자")
    ticket = await server.reply()
    if kind == "answer":
        await server.press(ticket, "수량 입력")
        await server.reply(after=1)
    desk.done.clear()
    before = len(server.messages())
    user = server.stranger if who == "stranger" else server.owner
    chat = GROUP_ID if who in ("group", "anonymous") else user.id
    if who in ("revoked", "viewer"):
        desk.set_roles(None if who == "revoked" else Permission.VIEWER)
    if kind in ("command", "answer"):
        line = "/balance" if kind == "command" else "10"
        await server.say(line, user=user, chat=chat, anonymous=who == "anonymous")
    else:
        data = {"button": "tk:abc:go", "form": "?tk:abc:q", "original": "!original"}[kind]
        seen = ticket if who not in ("group", "anonymous") else await group_copy(server, ticket.text)
        await server.forge(seen, data, user=user)
    await server.say("/panic", user=server.stranger)
    await server.until(lambda: any(m.chat == server.stranger.id for m in server.messages()))
    assert desk.done == []
    told = [m.text for m in server.messages() if m.chat == GROUP_ID and m is not ticket]
    assert told in ([], ["삼성전자 주문"]), "a group is told nothing"
    assert not any(m.photo or m.document for m in server.messages()[before:])


async def group_copy(server: TelegramServer, text: str) -> Shown:
    """The ticket as a message of a group."""
    shown = server.messages()[-1]
    copy = type(shown)(90_000, GROUP_ID, text)
    server.shown[copy.id] = copy
    return copy


async def test_an_update_delivered_twice_counts_once(wired: Wired) -> None:
    number = await wired.server.say("메모 하나")
    await wired.server.reply()
    again = await wired.server.say("메모 하나")
    await wired.server.until(lambda: len(wired.desk.done) == 2)
    repeated = {"message": {"message_id": 5, "date": 1, "chat": {"id": 1, "type": "private"}, "text": "메모 둘"}}
    wired.server.feed(repeated, update_id=number)
    wired.server.feed(repeated, update_id=again)
    await wired.server.say("메모 끝")
    await wired.server.until(lambda: wired.desk.done[-1] == "note 끝")
    assert wired.desk.done == ["note 하나", "note 하나", "note 끝"]


async def test_after_two_hours_of_downtime_only_panic_is_obeyed(tmp_path: Path) -> None:
    async with TelegramServer() as server, open_desk(tmp_path) as desk:
        await server.say("주문 삼성전자 10", age_seconds=TWO_HOURS)
        await server.say("차트 삼성전자", age_seconds=61)
        await server.say("/panic", age_seconds=TWO_HOURS)
        server.query_seconds = -1.0  # a press of two hours ago cannot be acknowledged any more
        old = server.shown[1]
        await server.forge(old, "tk:abc:go", wait=False)
        async with running(server, desk, tmp_path):
            await server.until(lambda: any("query is too old" in line for line in server.transcript))
            await server.until(lambda: len(server.messages()) == 3)
    assert desk.done == ["panic"]


async def test_panic_is_not_delayed_by_slow_charts(wired: Wired) -> None:
    for _ in range(10):
        await wired.server.say("느림")
    await wired.server.until(lambda: wired.desk.done.count("slow began") == 10)
    await wired.server.say("비상")
    shown = await wired.server.reply(seconds=1.0)
    assert shown.text.startswith("비상 정지")
    wired.desk.slow_release.set()
    await wired.server.until(lambda: wired.desk.done.count("slow") == 10)


async def test_an_alarm_goes_first_after_a_flood_wait(wired: Wired) -> None:
    server = wired.server
    server.fail("sendMessage", 429, "Too Many Requests: retry after 1", retry_after=1)
    routine = [
        asyncio.create_task(wired.sink().deliver(wired.alert(n, f"보통 {n}", critical=False))) for n in range(1, 5)
    ]
    await server.until(lambda: any("429" in line for line in server.transcript))
    alarm = asyncio.create_task(wired.sink().deliver(wired.alert(9, "손실 한도 경보")))
    await asyncio.gather(alarm, *routine)
    assert server.texts()[0] == "손실 한도 경보"
    assert sorted(server.texts()[1:]) == [f"보통 {n}" for n in range(1, 5)]


async def test_a_burst_stays_under_the_flood_limit(tmp_path: Path) -> None:
    async with TelegramServer() as server, open_desk(tmp_path) as desk:
        server.chat_rate = (6, 0.5)
        options = TelegramOptions(TEST_TOKEN, tmp_path, server_url=server.server_url, poll_seconds=1, per_second=4.0)
        front = TelegramFrontEnd(options, desk.dispatcher, desk.registry, desk.access)
        task = asyncio.create_task(front.run())
        await server.until(lambda: front.status.connected)
        [sink] = front.sinks()
        await asyncio.gather(*(sink.deliver(Alert(n, AlertKind.BUY, NOW, f"{n}", False)) for n in range(8)))
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        assert sorted(server.texts()) == [str(n) for n in range(8)]
        assert not any("429" in line for line in server.transcript)


async def test_a_picture_over_ten_megabytes_is_refused_before_sending(wired: Wired) -> None:
    wired.desk.padding = 11 * 1024 * 1024
    await wired.server.say("차트 005930")
    shown = await wired.server.reply()
    assert shown.photo is None
    assert "10MB" in shown.text
    assert "sendPhoto" not in wired.server.calls


async def test_long_texts_are_split(wired: Wired) -> None:
    await wired.server.say("긴글")
    shown = await wired.server.reply()
    assert shown.text.splitlines()[-1] == "0399 줄입니다" or len(wired.server.messages()) > 1
    whole = "\n".join(wired.server.texts())
    assert whole.splitlines() == [f"{n:04d} 줄입니다" for n in range(400)]


async def test_polling_survives_an_outage(wired: Wired) -> None:
    await wired.server.stop()
    await wired.server.until(lambda: not wired.front.status.connected)
    assert not wired.task.done()
    await wired.server.start()
    await wired.server.until(lambda: wired.front.status.connected, 20)
    await wired.server.say("메모 다시")
    await wired.server.until(lambda: wired.desk.done == ["note 다시"])


async def test_an_api_that_is_down_from_the_start_is_tried_again(tmp_path: Path) -> None:
    async with TelegramServer() as server, open_desk(tmp_path) as desk:
        server.fail("getMe", 502, times=2)
        async with running(server, desk, tmp_path) as (front, _):
            assert front.status.restarts == 2
            server.blocked.add(server.owner.id)
            with pytest.raises(Forbidden):
                await front.sinks()[0].deliver(Alert(1, AlertKind.BUY, NOW, "매수", True))
        with pytest.raises(NotConnected):
            await front.sinks()[0].deliver(Alert(1, AlertKind.BUY, NOW, "매수", True))


async def test_a_wrong_token_stops_the_front_end_with_one_line(tmp_path: Path) -> None:
    async with TelegramServer(token="test:another") as server, open_desk(tmp_path) as desk:
        async with running(server, desk, tmp_path, up=False) as (front, task):
            await asyncio.wait_for(task, 5)
        assert "TELEGRAM_TOKEN" in front.status.problem


async def test_alerts_carry_pictures_buttons_and_silence(wired: Wired) -> None:
    alert = Alert(1, AlertKind.DAY, NOW, "하루 요약", True, True, picture(), ((Button("차트", "ch:005930:1d"),),))
    await wired.sink().deliver(alert)
    shown = await wired.server.reply()
    assert shown.photo is not None
    assert shown.silent
    await wired.server.press(shown, "차트")
    await wired.server.until(lambda: wired.desk.done == ["pressed 005930:1d"])


@pytest.mark.parametrize(
    ("token", "url"),
    [(REAL_SHAPED, "http://127.0.0.1:1"), (TEST_TOKEN, "https://example.org"), ("1", "http://[::1]:1")],
)
def test_another_address_is_refused_with_a_real_token(tmp_path: Path, token: str, url: str) -> None:
    with pytest.raises(Fatal):
        TelegramOptions(token, tmp_path, server_url=url).check()


def test_callback_data_never_exceeds_its_bytes() -> None:
    longest = Button("a", "tk:" + "x" * 61, kind=ButtonKind.FORM)
    assert len(data_of(longest).encode()) == 64
    assert data_of(Button("a", "tk:abc:q", kind=ButtonKind.FORM)) == "?tk:abc:q"


async def test_no_token_reaches_the_logs(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    async with TelegramServer() as server, open_desk(tmp_path) as desk:
        for name in ("httpx", "httpcore"):
            logging.getLogger(name).setLevel(logging.DEBUG)
        async with running(server, desk, tmp_path):
            await server.say("차트 005930")
            await server.press(await server.reply(), "15분")
            server.fail("sendMessage", 502)
            await server.say("메모 하나")
            logging.getLogger("httpx").warning("POST https://api.telegram.org/bot%s/getMe", REAL_SHAPED)
            await server.until(lambda: "note 하나" in desk.done)
    assert caplog.text.count("telegram") > 3
    leaked = [line[:160] for line in caplog.text.splitlines() for secret in (TEST_TOKEN, REAL_SHAPED) if secret in line]
    assert not leaked
