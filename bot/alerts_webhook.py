"""Alerts through a Discord webhook address alone: no bot, no commands.

Whoever has the address can post there under our name, so people with a bot token should use the bot's own messages.
"""

from __future__ import annotations

import json
import re

import httpx

from bot.alerts import Alert
from bot.reply import DISCORD_TEXT, PICTURE_BYTES, shorten

SUPPRESS_NOTIFICATIONS = 1 << 12
TIMEOUT_SECONDS = 15.0
_ADDRESS = re.compile(
    r"https://(?:(?:canary|ptb)\.)?(?:discord|discordapp)\.com/api/(?:v\d{1,2}/)?webhooks/\d{15,25}/[A-Za-z0-9_-]{40,100}"
)


class BadWebhook(ValueError):
    """The address is no Discord webhook; it is not repeated, since it is a secret."""


class WebhookRefused(Exception):
    """Discord did not take the message. ``retry_after`` is what it asked for, or None."""

    def __init__(self, status: int, retry_after: float | None = None) -> None:
        super().__init__(f"webhook answered {status}")
        self.status = status
        self.retry_after = retry_after


class WebhookSink:
    """An AlertSink. ``test_address`` is for the local server of the tests and takes any address."""

    name = "webhook"

    def __init__(self, address: str, *, client: httpx.AsyncClient | None = None, test_address: bool = False) -> None:
        if not test_address and not _ADDRESS.fullmatch(address):
            raise BadWebhook("DISCORD_WEBHOOK_URL 이 디스코드 웹훅 주소가 아닙니다.")
        self._address = address
        self._client = client or httpx.AsyncClient(timeout=TIMEOUT_SECONDS, follow_redirects=False)

    def __repr__(self) -> str:
        return "WebhookSink(***)"

    async def close(self) -> None:
        await self._client.aclose()

    async def deliver(self, alert: Alert) -> None:
        payload: dict[str, object] = {
            "content": shorten(alert.text, DISCORD_TEXT),
            "allowed_mentions": {"parse": []},
        }
        if alert.silent:
            payload["flags"] = SUPPRESS_NOTIFICATIONS
        picture = alert.picture
        if picture is not None and len(picture.data) <= PICTURE_BYTES:
            payload["attachments"] = [{"id": 0, "filename": picture.name, "description": picture.alternative[:1024]}]
            answer = await self._client.post(
                self._address,
                params={"wait": "true"},
                data={"payload_json": json.dumps(payload, ensure_ascii=False)},
                files={"files[0]": (picture.name, picture.data, "image/png")},
            )
        else:
            answer = await self._client.post(self._address, params={"wait": "true"}, json=payload)
        if answer.status_code == 429:
            raise WebhookRefused(429, _retry_after(answer))
        if answer.status_code >= 300:
            raise WebhookRefused(answer.status_code)


def _retry_after(answer: httpx.Response) -> float:
    try:
        return float(answer.headers.get("Retry-After", "") or answer.json()["retry_after"])
    except (ValueError, KeyError, TypeError):
        return 1.0
