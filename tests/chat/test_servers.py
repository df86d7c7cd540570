"""The local servers refuse what the real platforms refuse, with their codes: a fake that takes everything proves nothing."""

from __future__ import annotations

import io
from typing import Any

import aiohttp
import pytest

from tests.chat.desk import png
from tests.servers.discord_server import DiscordServer
from tests.servers.discord_server_limits import (
    FILE_LIMIT,
    DiscordError,
    check_choices,
    check_commands,
    check_message,
    check_modal,
)
from tests.servers.telegram_server import TEST_TOKEN, TelegramServer


def button(custom_id: str = "a", label: str = "누름") -> dict[str, Any]:
    return {"type": 2, "style": 1, "label": label, "custom_id": custom_id}


def row(*items: dict[str, Any]) -> dict[str, Any]:
    return {"type": 1, "components": list(items)}


def select(count: int) -> dict[str, Any]:
    return {"type": 3, "custom_id": "s", "options": [{"label": str(n), "value": str(n)} for n in range(count)]}


@pytest.mark.parametrize(
    ("payload", "code"),
    [
        ({"content": "가" * 2001}, 50035),
        ({}, 50006),
        ({"embeds": [{"title": "가" * 257}]}, 50035),
        ({"embeds": [{"description": "가" * 4097}]}, 50035),
        ({"embeds": [{"description": "가" * 3001}, {"description": "나" * 3001}]}, 50035),
        ({"embeds": [{"title": "a"}] * 11}, 50035),
        ({"embeds": [{"fields": [{"name": "a", "value": "b"}] * 26}]}, 50035),
        ({"components": [row(button())] * 6}, 50035),
        ({"components": [row(*[button(str(n)) for n in range(6)])]}, 50035),
        ({"components": [row(button("a"), button("a"))]}, 50035),
        ({"components": [row(button("a" * 101))]}, 50035),
        ({"components": [row(button(label="가" * 81))]}, 50035),
        ({"components": [row(select(26))]}, 50035),
        ({"content": "a", "flags": 32768}, 50035),
        ({"content": "a", "attachments": [{"id": 0, "description": "a" * 1025}]}, 50035),
    ],
)
def test_discord_refuses_messages_over_its_limits(payload: dict[str, Any], code: int) -> None:
    with pytest.raises(DiscordError) as refused:
        check_message(payload, {})
    assert refused.value.code == code


def test_discord_takes_messages_at_its_limits() -> None:
    rows = [row(*[button(f"{r}{n}", "가" * 80) for n in range(5)]) for r in range(5)]
    embeds = [{"description": "가" * 4096}, {"description": "나" * 1904}]
    check_message({"content": "가" * 2000, "embeds": embeds, "components": rows}, {0: ("a.png", b"\0" * FILE_LIMIT)})


def test_discord_refuses_files_modals_choices_and_commands_over_its_limits() -> None:
    with pytest.raises(DiscordError) as refused:
        check_message({"content": "a"}, {0: ("a.png", b"\0" * (FILE_LIMIT + 1))})
    assert (refused.value.status, refused.value.code) == (413, 40005)
    entry = {"type": 18, "label": "수량", "component": {"type": 4, "custom_id": "q", "style": 1}}
    check_modal({"title": "가" * 45, "custom_id": "m", "components": [entry]})
    for wrong in (
        {"title": "가" * 46, "custom_id": "m", "components": [entry]},
        {"title": "a", "custom_id": "m", "components": [entry | {"label": "가" * 46}]},
        {"title": "a", "custom_id": "m", "components": []},
    ):
        with pytest.raises(DiscordError):
            check_modal(wrong)
    with pytest.raises(DiscordError):
        check_choices([{"name": str(n), "value": str(n)} for n in range(26)])
    for name in ("차 트", "Chart", "가" * 33, ""):
        with pytest.raises(DiscordError):
            check_commands([{"name": name, "description": "설명"}])
    with pytest.raises(DiscordError) as refused:
        check_commands([{"name": f"a{n}", "description": "설명"} for n in range(101)])
    assert refused.value.code == 30032
    options = [
        {"name": "a", "description": "b", "required": False},
        {"name": "c", "description": "d", "required": True},
    ]
    with pytest.raises(DiscordError):
        check_commands([{"name": "차트", "description": "설명", "options": options}])


async def test_discord_answers_a_wrong_token_a_late_answer_and_a_second_answer() -> None:
    async with DiscordServer() as server, aiohttp.ClientSession() as session:
        async with session.get(f"{server.api_url}/users/@me", headers={"Authorization": "Bot x"}) as response:
            assert response.status == 401
            assert response.headers["Content-Type"] == "application/json", "with a charset discord.py reads text"
        made = server.state.new_interaction(2, server.owner, server.state.channel_id, {"name": "차트"}, None)
        url = f"{server.api_url}/interactions/{made.id}/{made.token}/callback"
        async with session.post(url, json={"type": 4, "data": {"content": "가"}}) as response:
            assert response.status == 204
        async with session.post(url, json={"type": 5}) as response:
            assert (response.status, (await response.json())["code"]) == (400, 40060)
        late = server.state.new_interaction(2, server.owner, server.state.channel_id, {"name": "차트"}, None)
        server.state.first_answer_seconds = -1
        url = f"{server.api_url}/interactions/{late.id}/{late.token}/callback"
        async with session.post(url, json={"type": 5}) as response:
            assert (response.status, (await response.json())["code"]) == (404, 10062)
        server.fail("/users/@me", 429, retry_after=0.5)
        async with session.get(f"{server.api_url}/users/@me") as response:
            assert response.status == 429
            assert "Via" in response.headers
            assert (await response.json())["retry_after"] == 0.5


async def call(server: TelegramServer, method: str, **fields: Any) -> tuple[int, str]:
    form = aiohttp.FormData()
    for name, value in {"chat_id": str(server.owner.id), **fields}.items():
        if isinstance(value, bytes):
            form.add_field(name, io.BytesIO(value), filename="a.png")
        else:
            form.add_field(name, value)
    async with (
        aiohttp.ClientSession() as session,
        session.post(f"{server.server_url}/bot{TEST_TOKEN}/{method}", data=form) as response,
    ):
        body = await response.json()
        return response.status, body.get("description", "")


def inline(data: str) -> str:
    return '{"inline_keyboard":[[{"text":"a","callback_data":"' + data + '"}]]}'


async def test_telegram_refuses_what_is_over_its_limits() -> None:
    async with TelegramServer() as server:
        cases: list[tuple[str, dict[str, Any], int, str]] = [
            ("sendMessage", {"text": "가" * 4097}, 400, "message is too long"),
            ("sendMessage", {"text": " "}, 400, "message text is empty"),
            ("sendMessage", {"text": "1 < 2", "parse_mode": "HTML"}, 400, "can't parse entities"),
            ("sendMessage", {"text": "<b>가", "parse_mode": "HTML"}, 400, "can't parse entities"),
            ("sendMessage", {"text": "a", "reply_markup": inline("가" * 22)}, 400, "BUTTON_DATA_INVALID"),
            ("sendMessage", {"text": "a", "reply_markup": inline("")}, 400, "BUTTON_DATA_INVALID"),
            ("sendPhoto", {"photo": png(), "caption": "가" * 1025}, 400, "caption is too long"),
            ("sendPhoto", {"photo": png(padding=10 * 1024 * 1024)}, 413, "Request Entity Too Large"),
            ("sendPhoto", {"photo": png(2100, 100)}, 400, "PHOTO_INVALID_DIMENSIONS"),
            ("sendPhoto", {"photo": b"no picture"}, 400, "IMAGE_PROCESS_FAILED"),
            ("sendMediaGroup", {"media": "[]"}, 400, "wrong number of items"),
            ("answerCallbackQuery", {"callback_query_id": "1"}, 400, "query is too old"),
            ("editMessageText", {"message_id": "77", "text": "a"}, 400, "message to edit not found"),
            ("setMyCommands", {"commands": '[{"command":"차트","description":"a"}]'}, 400, "BOT_COMMAND_INVALID"),
            ("sendNothing", {}, 404, "Not Found"),
        ]
        for method, fields, status, words in cases:
            got = await call(server, method, **fields)
            assert got[0] == status, (method, got)
            assert words in got[1], (method, got)
        assert (await call(server, "sendMessage", text="가" * 4096, reply_markup=inline("가" * 21)))[0] == 200
        message = str(server.messages()[-1].id)
        same = await call(
            server, "editMessageText", message_id=message, text="가" * 4096, reply_markup=inline("가" * 21)
        )
        assert "message is not modified" in same[1]
        server.chat_rate = (1, 30.0)
        assert (await call(server, "sendMessage", text="a"))[0] == 200
        assert (await call(server, "sendMessage", text="b"))[1].startswith("Too Many Requests: retry after")
        server.blocked.add(server.owner.id)
        assert (await call(server, "sendMessage", text="c"))[0] == 403
