"""The console's endpoints over a socket: login, commands, buttons, forms, pictures, events."""

from __future__ import annotations

import orjson
import websockets

from engine.events import BotStarted
from tests.bot.fakes import NOW
from tests.web.conftest import Site


async def test_page_and_its_files_are_served_without_login(site: Site) -> None:
    page = await site.client.get("/")
    assert page.status_code == 200
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert page.headers["x-content-type-options"] == "nosniff"
    for name in ("app.js", "api.js", "talk.js", "sockets.js", "suggest.js", "style.css", "icon.svg"):
        assert (await site.client.get(f"/static/{name}")).status_code == 200, name


async def test_a_login_link_works_once(site: Site) -> None:
    link = site.front.login_link()
    assert link.startswith(site.address + "#code=")
    code = link.partition("#code=")[2]
    first = await site.client.post("/api/session", json={"code": code})
    assert first.status_code == 200
    cookie = first.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=strict" in cookie
    again = await site.client.post("/api/session", json={"code": code})
    assert again.status_code == 401
    assert again.headers["content-type"] == "application/problem+json"


async def test_command_gives_text_picture_and_buttons_that_work(site: Site) -> None:
    csrf = await site.log_in()
    card = (await site.client.post("/api/command", json={"line": "차트 삼성전자"}, headers=csrf)).json()
    assert "삼성전자" in card["text"]
    assert card["message"] == "console/1"
    image = await site.client.get(card["image"]["url"])
    assert image.headers["content-type"] == "image/png"
    assert image.content.startswith(b"\x89PNG")
    button = next(b for row in card["rows"] for b in row if b["label"] == "15분")
    pressed = await site.client.post(
        "/api/action", json={"action": button["action"], "message": card["message"]}, headers=csrf
    )
    assert pressed.json()["message"] == card["message"]
    assert "15분" in pressed.json()["text"]


async def test_a_ticket_goes_from_preview_to_one_order(site: Site) -> None:
    csrf = await site.log_in()
    card = (await site.client.post("/api/command", json={"line": "매수 삼성전자 10 71900"}, headers=csrf)).json()
    confirm = card["rows"][0][0]
    body = {"action": confirm["action"], "message": card["message"]}
    first = (await site.client.post("/api/action", json=body, headers=csrf)).json()
    assert "접수" in first["text"]
    second = (await site.client.post("/api/action", json=body, headers=csrf)).json()
    assert len(site.services.orders.sent) == 1  # type: ignore[attr-defined]
    assert second["text"] or second["notice"]


async def test_a_card_of_someone_else_cannot_be_pressed(site: Site) -> None:
    csrf = await site.log_in()
    card = (await site.client.post("/api/command", json={"line": "차트 삼성전자"}, headers=csrf)).json()
    body = {"action": "c:chart:005930:15m", "message": card["message"]}
    other = await site.client.post("/api/action", json=body, headers=site.bearer)
    assert other.status_code == 409


async def test_form_buttons_ask_first(site: Site) -> None:
    csrf = await site.log_in()
    card = (await site.client.post("/api/command", json={"line": "주문 삼성전자"}, headers=csrf)).json()
    button = next(b for row in card["rows"] for b in row if b["kind"] == "form" and ":quantity" in b["action"])
    body = {"action": button["action"], "message": card["message"]}
    form = (await site.client.post("/api/form", json=body, headers=csrf)).json()
    assert form["fields"][0]["name"] == "quantity"
    done = await site.client.post(
        "/api/action", json={**body, "action": form["action"], "answers": {"quantity": "7"}}, headers=csrf
    )
    assert "7" in done.json()["text"]
    assert done.json()["live"]["seconds"] == 3.0


async def test_suggestions_complete_commands_and_stocks(site: Site) -> None:
    await site.log_in()
    found = (await site.client.get("/api/suggest", params={"line": "차"})).json()
    assert found[0]["value"] == "차트 "
    found = (await site.client.get("/api/suggest", params={"line": "차트 ㅅㅅㅈㅈ"})).json()
    assert "차트 005930 " in [row["value"] for row in found]


async def test_events_reach_the_socket_and_can_be_resumed(site: Site) -> None:
    address = site.address.replace("http", "ws") + "ws/events"
    async with websockets.connect(address, additional_headers=site.bearer) as socket:
        hello = orjson.loads(await socket.recv())
        assert hello["type"] == "hello"
        site.services.events.publish(BotStarted(at=NOW, by="시험"))
        first = orjson.loads(await socket.recv())
        assert first["kind"] == "bot"
    site.services.events.publish(BotStarted(at=NOW, by="둘째"))
    async with websockets.connect(
        f"{address}?epoch={hello['epoch']}&after={first['seq']}", additional_headers=site.bearer
    ) as socket:
        assert orjson.loads(await socket.recv())["resumed"] is True
        assert "둘째" in orjson.loads(await socket.recv())["text"]
