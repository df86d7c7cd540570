"""What both adapters stand on: the outgoing queue, supervision, redaction, and texts as each platform shows them."""

from __future__ import annotations

import asyncio
import contextlib
import html
import itertools
import logging

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.discord.messages import plain
from bot.discord.messages import shape as discord_shape
from bot.frontend import Fatal, FrontEndStatus, LiveViews, Seen, Tasks, ViewGone, supervise
from bot.outgoing import FloodWait, Importance, Outgoing, QueueFull, Superseded
from bot.redaction import Redactor
from bot.reply import LiveView, Reply
from bot.telegram.messages import shape as telegram_shape
from bot.telegram.messages import to_html
from tests.chat.desk import picture
from tests.servers.discord_server_limits import check_message
from tests.servers.telegram_server_limits import check_caption, check_text, parsed


class Sent:
    def __init__(self, outgoing: Outgoing) -> None:
        self.outgoing = outgoing
        self.order: list[str] = []

    def start(
        self, name: str, importance: Importance, *, seconds: float = 0.0, key: object = None
    ) -> asyncio.Task[None]:
        async def call() -> None:
            await asyncio.sleep(seconds)
            self.order.append(name)

        return asyncio.create_task(self.outgoing.send("chat", importance, call, key=key))


async def test_the_most_important_goes_first_and_alarms_wait_for_no_upload() -> None:
    sent = Sent(Outgoing(per_second=1000.0))
    tasks = [sent.start("큰 그림", Importance.ANSWER, seconds=0.2)]
    await asyncio.sleep(0.01)
    tasks += [sent.start("갱신", Importance.ROUTINE), sent.start("답", Importance.ANSWER)]
    tasks += [sent.start("경보", Importance.ALARM)]
    await asyncio.gather(*tasks)
    assert sent.order == ["경보", "큰 그림", "답", "갱신"]


async def test_the_pace_is_kept_after_the_burst() -> None:
    sent = Sent(Outgoing(burst=2, per_second=20.0))
    loop = asyncio.get_running_loop()
    began = loop.time()
    await asyncio.gather(*(sent.start(str(n), Importance.ANSWER) for n in range(6)))
    assert loop.time() - began >= 0.19, "four of six waited 50 ms each"
    assert sent.order == [str(n) for n in range(6)]


async def test_a_newer_refresh_supersedes_the_one_that_waits_and_the_queue_is_bounded() -> None:
    sent = Sent(Outgoing(per_second=1000.0, most_waiting=3))
    first = sent.start("앞", Importance.ANSWER, seconds=0.1)
    await asyncio.sleep(0.01)
    old = sent.start("옛것", Importance.ROUTINE, key="view")
    new = sent.start("새것", Importance.ROUTINE, key="view")
    with pytest.raises(Superseded):
        await old
    more = [sent.start(str(n), Importance.ROUTINE) for n in range(3)]
    results = await asyncio.gather(*more, return_exceptions=True)
    assert [type(result) for result in results].count(QueueFull) == 1
    alarm = sent.start("경보", Importance.ALARM)
    await asyncio.gather(first, new, alarm)
    assert "경보" in sent.order


async def test_a_flood_that_never_ends_is_given_up() -> None:
    outgoing = Outgoing(burst=100, per_second=1000.0)
    calls = 0

    async def flooded() -> None:
        nonlocal calls
        calls += 1
        raise FloodWait(0.005, everything=True)

    with pytest.raises(FloodWait):
        await outgoing.send("chat", Importance.ANSWER, flooded)
    assert calls == 6


async def test_supervision_backs_off_and_stops_only_when_it_is_hopeless() -> None:
    status = FrontEndStatus()
    attempts: list[float] = []
    loop = asyncio.get_running_loop()

    async def attempt() -> None:
        attempts.append(loop.time())
        if len(attempts) == 4:
            raise Fatal("토큰이 맞지 않습니다")
        raise RuntimeError("끊김")

    await asyncio.wait_for(supervise("시험", attempt, status, first_pause=0.05), 5)
    gaps = [later - earlier for earlier, later in itertools.pairwise(attempts)]
    least = [0.8 * 0.05 * 2**number for number in range(3)]
    assert [gap >= pause for gap, pause in zip(gaps, least, strict=True)] == [True, True, True], gaps
    assert status.problem == "토큰이 맞지 않습니다"
    assert status.restarts == 3


async def test_a_live_view_ends_when_its_message_is_gone_and_when_another_takes_over() -> None:
    tasks = Tasks()
    views = LiveViews(tasks)
    edits: list[str] = []

    async def refresh(action: str) -> Reply:
        return Reply(text=action, live=LiveView(action, seconds=0.01))

    async def gone(reply: Reply) -> None:
        edits.append(reply.text)
        raise ViewGone("deleted")

    async def fine(reply: Reply) -> None:
        edits.append(reply.text)

    views.start("1", LiveView("a:1", seconds=0.01), refresh, gone)
    await asyncio.sleep(0.1)
    assert edits == ["a:1"]
    assert len(views) == 0
    views.start("1", LiveView("a:1", seconds=30), refresh, fine)
    views.start("1", LiveView("a:2", seconds=0.01, times=2), refresh, fine)
    await asyncio.sleep(0.2)
    assert set(edits[1:]) == {"a:2"}
    assert len(views) <= 1
    await tasks.close()


def test_ids_are_seen_once_within_their_memory() -> None:
    seen = Seen(capacity=2)
    assert [seen.first(name) for name in ("a", "a", "b", "c", "a")] == [True, False, True, True, True]


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        ("POST https://api.telegram.org/bot1234567890:" + "a" * 35 + "/getMe", "a" * 35),
        ("PATCH https://discord.com/api/v10/webhooks/123/aW50ZXJhY3Rpb246abc.def/messages/@original", "aW50ZXJ"),
        ("POST https://discord.com/api/v10/interactions/1/xyz-secret/callback", "xyz-secret"),
        ("{'t': 'INTERACTION_CREATE', 'd': {'token': 'abc.def', 'id': '1'}}", "abc.def"),
        ("Bot " + "M" * 24 + ".Gabcde." + "x" * 38, "x" * 38),
        ("known: hunter2-hunter2", "hunter2-hunter2"),
    ],
)
def test_secrets_are_struck_out(text: str, secret: str) -> None:
    redactor = Redactor()
    redactor.add(["hunter2-hunter2"])
    assert secret in text
    assert secret not in redactor.clean(text)


def test_a_traceback_is_cleaned_too() -> None:
    redactor = Redactor()
    redactor.add(["hunter2-hunter2"])
    try:
        raise ValueError("refused for hunter2-hunter2")
    except ValueError as problem:
        info = (type(problem), problem, problem.__traceback__)
    record = redactor.clean_record(logging.LogRecord("x", logging.ERROR, "f", 1, "failed", (), info))
    shown = logging.Formatter().format(record)
    assert "hunter2" not in shown
    assert "ValueError" in shown


def test_only_what_would_change_the_look_is_escaped() -> None:
    assert plain("범위 3% ~ 5% · KODEX_200 · a|b · −1.2%") == "범위 3% ~ 5% · KODEX_200 · a|b · −1.2%"
    assert plain("**굵게** `코드` ||숨김||\n# 제목") == r"\*\*굵게\*\* \`코드\` \||숨김\||" + "\n\\# 제목"


@settings(max_examples=60)
@given(st.text(alphabet=st.characters(exclude_categories=("Cs", "Cc")), max_size=300))
def test_telegram_shows_any_text_as_it_is(text: str) -> None:
    assert parsed(to_html(text + "\n끝"), "HTML") == html.unescape(html.escape(text)) + "\n끝"


@settings(max_examples=40, deadline=None)
@given(st.text(alphabet="가나 \n*<&.", max_size=9000), st.booleans())
def test_no_text_is_too_long_for_either_platform(text: str, pictured: bool) -> None:
    reply = Reply(text=text, picture=picture() if pictured else None)
    shaped = discord_shape(reply, "ko")
    for part in (shaped.first, *shaped.more):
        check_message({"content": part}, {0: ("a.png", b"1")})
    told = telegram_shape(reply, "ko")
    shown = parsed(told.html, "HTML")
    if pictured:
        check_caption(shown)
    elif shown.strip():
        check_text(shown)
    for part in told.more:
        assert len(part) <= 4096


async def test_tasks_are_cancelled_together() -> None:
    tasks = Tasks()
    task = tasks.start(asyncio.Event().wait(), "forever")
    await tasks.close()
    with contextlib.suppress(asyncio.CancelledError):
        await task
    assert task.cancelled()
