"""Who gets in: deny by default, on every command, button, form, refresh and autocomplete, in every place."""

from __future__ import annotations

import json
from typing import Any

import pytest

from bot.access import AccessControl, AccessList, Decision, Incoming, Permission, Platform, Sender
from bot.commands.registry import load
from bot.reply import Reply
from tests.bot.conftest import ADMIN, STRANGER, TRADER, VIEWER, Desk, button

REGISTRY = load()
ROLES = {VIEWER: Permission.VIEWER, TRADER: Permission.TRADER, ADMIN: Permission.ADMIN, STRANGER: None}


@pytest.mark.parametrize("user", list(ROLES))
@pytest.mark.parametrize("name", [command.name_en for command in REGISTRY.commands()])
async def test_permission_matrix_of_commands(desk: Desk, name: str, user: int) -> None:
    command = REGISTRY.find(name)
    given = {a.name: "삼성전자" for a in command.arguments if a.required}
    reply = await desk.dispatcher.run(desk.incoming(user), name, given)
    role = ROLES[user]
    refused = "권한이 없습니다" in reply.text
    assert refused == (role is None or role < command.permission)
    if refused:
        assert reply.picture is None
        assert reply.rows == ()
        assert reply.ephemeral


ACTIONS = {"t": "t:x:buy", "o": "o:A1", "a": "a:code", "y": "y:x", "yc": "yc:x", "n": "n:x"}


def test_every_action_prefix_is_in_the_matrix() -> None:
    assert {action.prefix for action in REGISTRY.actions()} == set(ACTIONS)


@pytest.mark.parametrize("user", list(ROLES))
@pytest.mark.parametrize("action", list(ACTIONS.values()))
async def test_permission_matrix_of_buttons_forms_and_refreshes(desk: Desk, action: str, user: int) -> None:
    found, _ = REGISTRY.find_action(action)
    role = ROLES[user]
    reply = await desk.press(action, "c1/1", user, {"code": "1"})
    refused = "권한이 없습니다" in reply.text
    assert refused == (role is None or role < found.permission)
    if refused:
        assert await desk.dispatcher.form_of(desk.incoming(user, "c1/1"), action) is None
        assert await desk.dispatcher.refresh(desk.incoming(user, "c1/1"), action) == Reply()
    assert desk.orders.sent == []


@pytest.mark.parametrize("user", list(ROLES))
@pytest.mark.parametrize("name", [c.name_en for c in REGISTRY.commands() if c.argument("stock")])
async def test_autocomplete_is_guarded_too(desk: Desk, name: str, user: int) -> None:
    role = ROLES[user]
    found = await desk.dispatcher.suggest(desk.incoming(user), name, "종목", "삼성")
    assert bool(found) == (role is not None and role >= REGISTRY.find(name).permission)


@pytest.mark.parametrize("user", [VIEWER, STRANGER])
async def test_rerunning_a_command_by_button_needs_its_permission(desk: Desk, user: int) -> None:
    for action in ("c:balance", "c:start", "c:buy:005930:10:71900", "c:settings", "c:panic"):
        assert "권한이 없습니다" in (await desk.press(action, "c1/1", user)).text or user == STRANGER
    assert desk.orders.calls == []
    assert desk.trader.calls == []


KINDS = [kind.kind for kind in REGISTRY.confirmation_kinds()]


@pytest.mark.parametrize("kind", KINDS)
async def test_a_confirmation_needs_the_permission_of_what_it_does(desk: Desk, kind: str) -> None:
    needed = REGISTRY.confirmed(kind).permission
    for user, role in ((VIEWER, Permission.VIEWER), (TRADER, Permission.TRADER)):
        kept = await desk.plane.confirmations.ask(kind, f"discord:{user}", {})
        prefix = "yc" if REGISTRY.confirmed(kind).second_factor else "y"
        reply = await desk.press(f"{prefix}:{kept.id}", "c1/1", user)
        if role < needed:
            assert "권한이 없습니다" in reply.notice
    assert "flatten" not in desk.orders.calls or needed <= Permission.TRADER


def sender(platform: Platform = Platform.DISCORD, identity: int = 2, **more: object) -> Sender:
    return Sender(platform, identity, **more)  # type: ignore[arg-type]


LISTS = {2: Permission.TRADER}


@pytest.mark.parametrize(
    ("who", "needed", "expected"),
    [
        (sender(), Permission.TRADER, Decision.ALLOWED),
        (sender(identity=5), Permission.VIEWER, Decision.STRANGER),
        (sender(identity=0), Permission.VIEWER, Decision.STRANGER),
        (sender(identity=-2), Permission.VIEWER, Decision.STRANGER),
        (sender(anonymous=True), Permission.VIEWER, Decision.STRANGER),
        (sender(), Permission.ADMIN, Decision.ROLE),
        (sender(guild=777, private=False, place="10"), Permission.TRADER, Decision.ALLOWED),
        (sender(guild=778, private=False, place="10"), Permission.VIEWER, Decision.PLACE),
        (sender(guild=777, private=False, place="11"), Permission.VIEWER, Decision.PLACE),
        (sender(guild=778, private=True), Permission.VIEWER, Decision.PLACE),
        (sender(Platform.TELEGRAM), Permission.TRADER, Decision.ALLOWED),
        (sender(Platform.TELEGRAM, private=False, place="-100"), Permission.VIEWER, Decision.PLACE),
        (sender(Platform.CONSOLE), Permission.VIEWER, Decision.STRANGER),
    ],
)
def test_people_and_places(who: Sender, needed: Permission, expected: Decision) -> None:
    control = AccessControl(
        {
            Platform.DISCORD: AccessList(LISTS, guilds=(777,), places=("10",)),
            Platform.TELEGRAM: AccessList(LISTS),
        }
    )
    user, decision = control.identify(who, needed)
    assert decision is expected
    assert (user is not None) == (expected is Decision.ALLOWED)


def test_a_public_telegram_group_shows_quotes_but_never_trades() -> None:
    control = AccessControl({Platform.TELEGRAM: AccessList(LISTS, places=("-100",), public=True)})
    group = sender(Platform.TELEGRAM, private=False, place="-100")
    assert control.identify(group, Permission.VIEWER)[1] is Decision.ALLOWED
    assert control.identify(group, Permission.TRADER)[1] is Decision.PLACE


def test_an_empty_list_is_nobody() -> None:
    control = AccessControl({Platform.DISCORD: AccessList({})})
    assert control.empty(Platform.DISCORD)
    assert control.identify(sender(), Permission.VIEWER) == (None, Decision.STRANGER)


async def test_strangers_get_one_fixed_line_three_times_and_then_silence(desk: Desk) -> None:
    replies = [await desk.say("시세 삼성전자", STRANGER) for _ in range(50)]
    assert [reply.text for reply in replies[:3]] == ["이용 권한이 없습니다."] * 3
    assert all(reply == Reply() for reply in replies[3:])
    audited = await desk.plane.store.audited()
    assert len(audited) == 3
    desk.wall.pass_(61)
    assert (await desk.say("시세 삼성전자", STRANGER)).text == "이용 권한이 없습니다."


async def test_a_stranger_learns_nothing_from_commands_that_do_not_exist(desk: Desk) -> None:
    assert (await desk.say("없는명령", STRANGER)).text == "이용 권한이 없습니다."
    assert (await desk.press("zz:1", "c1/1", STRANGER)).text == "이용 권한이 없습니다."


async def test_in_a_guild_answers_are_for_the_asker_alone_unless_public(desk: Desk) -> None:
    more: dict[str, Any] = {"guild": 777, "private": False}
    reply = await desk.say("시세 삼성전자", VIEWER, **more)
    assert reply.ephemeral
    command = desk.plane.registry.find("price")
    assert desk.dispatcher.ephemeral(desk.incoming(VIEWER, **more), command)
    desk.plane.access.replace(
        Platform.DISCORD, AccessList({VIEWER: Permission.VIEWER, TRADER: Permission.TRADER}, guilds=(777,), public=True)
    )
    assert not (await desk.say("시세 삼성전자", VIEWER, **more)).ephemeral
    assert (await desk.say("잔고", TRADER, **more)).ephemeral
    assert desk.dispatcher.ephemeral(desk.incoming(TRADER, **more), desk.plane.registry.find("balance"))
    assert "여기서는 쓸 수 없습니다" in (await desk.say("시세 삼성전자", VIEWER, guild=778, private=False)).text


@pytest.mark.parametrize("age", [61.0, 7_200.0, -61.0])
async def test_commands_older_than_a_minute_do_nothing_but_panic(desk: Desk, age: float) -> None:
    for line in ("봇시작", "매수 삼성전자 10 71900", "시세 삼성전자", "없는명령"):
        reply = await desk.say(line, age=age)
        assert "60초가 지난 명령" in reply.text
    assert "60초가 지난 명령" in (await desk.press("o:A1", "c1/1", age=age)).text
    assert desk.trader.calls == []
    assert desk.pictures.drawn == []
    reply = await desk.say("비상", age=age)
    assert "진입을 막고" in reply.text
    assert desk.orders.calls == ["panic"]


async def test_every_decision_is_audited_and_secrets_are_not(desk: Desk) -> None:
    await desk.say("시세 삼성전자", VIEWER)
    await desk.say("잔고", VIEWER)
    await desk.say("잔고", TRADER)
    await desk.say("봇시작", TRADER, age=100)
    await desk.press("a:code", "c1/1", TRADER, {"code": "424242"})
    entries = await desk.plane.store.audited()
    seen = [(entry["user"], entry["verb"], entry["decision"]) for entry in reversed(entries)]
    assert ("discord:1", "price", "allowed") in seen
    assert ("discord:1", "balance", "role") in seen
    assert ("discord:2", "balance", "allowed") in seen
    assert ("discord:2", "balance", "done") in seen
    assert ("discord:2", "start", "expired") in seen
    assert ("discord:2", "a", "allowed") in seen
    assert [entry["verb"] for entry in desk.orders.audited] == ["balance", "a"]  # in the order journal as well
    assert "424242" not in json.dumps(entries)


async def test_log_injection_stays_one_line(desk: Desk) -> None:
    reply = await desk.say("시세 \x1b[31m삼\n성\r")
    assert "\x1b" not in reply.text
    assert "\n" not in reply.text
    entries = await desk.plane.store.audited()
    assert all(value.isprintable() for entry in entries for value in entry.values())


async def test_a_flood_of_requests_is_slowed_but_never_the_kill_switch(desk: Desk) -> None:
    replies = [await desk.say("상태", TRADER) for _ in range(70)]
    assert [bool(reply.text) for reply in replies] == [True] * 60 + [False] * 10
    assert "너무 잦습니다" in replies[-1].notice
    assert "진입을 막고" in (await desk.say("비상", TRADER)).text
    assert (await desk.say("상태", ADMIN)).text
    desk.wall.pass_(11)
    assert (await desk.say("상태", TRADER)).text


async def test_two_platforms_with_one_id_are_two_people(desk: Desk) -> None:
    await desk.say("관심 추가 삼성전자", TRADER)
    other = Incoming(desk.sender(TRADER, Platform.TELEGRAM), "u1", desk.wall.now())
    assert "관심 종목 0개" in (await desk.dispatcher.run_line(other, "관심")).text


async def test_a_button_of_one_platform_means_nothing_on_another(desk: Desk) -> None:
    preview = await desk.say("매수 삼성전자 10 71900")
    action = button(preview, "매수 확정").action
    other = Incoming(desk.sender(TRADER, Platform.TELEGRAM), "u2", desk.wall.now(), "c1/1")
    reply = await desk.dispatcher.act(other, action)
    assert reply.notice == "다른 사람의 요청입니다."
    assert desk.orders.sent == []
