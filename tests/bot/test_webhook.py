"""Alerts through a webhook address alone, against a local server that answers as Discord does."""

from __future__ import annotations

import json

import httpx
import pytest

from bot.alerts import Alert, AlertKind
from bot.alerts_webhook import SUPPRESS_NOTIFICATIONS, BadWebhook, WebhookRefused, WebhookSink
from bot.reply import Picture
from tests.bot.fakes import NOW

GOOD = "https://discord.com/api/webhooks/123456789012345678/" + "a" * 68


def alert(text: str = "알림 @everyone", **more: object) -> Alert:
    return Alert(1, AlertKind.BUY, NOW, text, True, **more)  # type: ignore[arg-type]


def sink(handler: object) -> WebhookSink:
    client = httpx.AsyncClient(transport=httpx.MockTransport(handler))  # type: ignore[arg-type]
    return WebhookSink(GOOD, client=client)


async def test_a_message_mentions_nobody_and_is_cut_to_the_limit() -> None:
    seen: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(200, json={"id": "1"})

    target = sink(answer)
    await target.deliver(alert("가" * 3_000, silent=True))
    await target.close()
    body = json.loads(seen[0].content)
    assert len(body["content"]) == 2_000
    assert body["allowed_mentions"] == {"parse": []}
    assert body["flags"] == SUPPRESS_NOTIFICATIONS


async def test_a_picture_goes_along_with_its_alt_text() -> None:
    seen: list[bytes] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request.read())
        return httpx.Response(204)

    target = sink(answer)
    await target.deliver(alert(picture=Picture(b"\x89PNG", "차트", "a.png")))
    await target.close()
    assert b'name="files[0]"; filename="a.png"' in seen[0]
    assert '"description": "차트"'.encode() in seen[0]


@pytest.mark.parametrize("status", [400, 401, 404, 500, 502])
async def test_a_refusal_is_no_delivery_and_does_not_repeat_the_address(status: int) -> None:
    target = sink(lambda request: httpx.Response(status))
    with pytest.raises(WebhookRefused) as problem:
        await target.deliver(alert())
    await target.close()
    assert "aaaa" not in str(problem.value)
    assert "aaaa" not in repr(target)
    assert problem.value.retry_after is None


@pytest.mark.parametrize(
    ("response", "seconds"),
    [
        (httpx.Response(429, headers={"Retry-After": "2.5"}), 2.5),
        (httpx.Response(429, json={"retry_after": 0.7}), 0.7),
        (httpx.Response(429, text="<html>"), 1.0),
    ],
)
async def test_flood_control_is_obeyed(response: httpx.Response, seconds: float) -> None:
    target = sink(lambda request: response)
    with pytest.raises(WebhookRefused) as problem:
        await target.deliver(alert())
    await target.close()
    assert problem.value.retry_after == seconds


@pytest.mark.parametrize(
    "address",
    [
        "",
        "http://discord.com/api/webhooks/123456789012345678/" + "a" * 68,
        "https://discord.com.evil.example/api/webhooks/123456789012345678/" + "a" * 68,
        "https://evil.example/?https://discord.com/api/webhooks/123456789012345678/" + "a" * 68,
        "https://discord.com@evil.example/api/webhooks/123456789012345678/" + "a" * 68,
        "https://discord.com/api/webhooks/../123456789012345678/" + "a" * 68,
        GOOD + "/../../x",
        "http://127.0.0.1:8000/",
    ],
)
def test_any_other_address_is_refused_without_repeating_it(address: str) -> None:
    with pytest.raises(BadWebhook) as problem:
        WebhookSink(address)
    assert "aaaa" not in str(problem.value)
