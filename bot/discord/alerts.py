"""Pushes on Discord: to a person, to a channel, or through the address of a webhook alone."""

from __future__ import annotations

import io
import json
import logging
import re
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import aiohttp
import discord

from bot.alerts import Alert
from bot.discord.messages import shape
from bot.frontend import Fatal, NotConnected, check_test_address
from bot.outgoing import FloodWait, Importance, Outgoing
from bot.reply import Reply

logger = logging.getLogger(__name__)

_WEBHOOK = re.compile(r"https://(?:\w+\.)?discord(?:app)?\.com/api/(?:v\d+/)?webhooks/\d+/[\w-]+")
_TEST_WEBHOOK = re.compile(r"http://[^/]+/api/(?:v\d+/)?webhooks/(?P<id>\d+)/(?P<secret>[\w-]+)")
WEBHOOK_SECONDS = 15.0
SUPPRESS_NOTIFICATIONS = 4096


def importance_of(alert: Alert) -> Importance:
    return Importance.ALARM if alert.critical else Importance.ROUTINE


def as_reply(alert: Alert) -> Reply:
    return Reply(text=alert.text, picture=alert.picture, rows=alert.rows, silent=alert.silent)


class DiscordSink:
    """One recipient: ``discord:<user id>`` by private message, ``discord:channel:<id>`` in a channel."""

    def __init__(
        self,
        name: str,
        outgoing: Outgoing,
        language: str,
        channel: Callable[[], Awaitable[discord.abc.Messageable]],
    ) -> None:
        self.name = name
        self._outgoing = outgoing
        self._language = language
        self._channel = channel

    async def deliver(self, alert: Alert) -> None:
        """Raises NotConnected, discord.HTTPException, bot.outgoing.QueueFull."""
        shaped = shape(as_reply(alert), self._language)

        async def send(values: dict[str, Any]) -> None:
            channel = await self._channel()
            try:
                await channel.send(**values, silent=alert.silent)
            except discord.RateLimited as limited:
                raise FloodWait(limited.retry_after) from limited

        await self._outgoing.send(self.name, importance_of(alert), lambda: send(shaped.new()))
        for part in shaped.more:
            await self._outgoing.send(self.name, importance_of(alert), partial(send, {"content": part}))


class DiscordWebhookSink:
    """Alerts through an incoming webhook: no bot, no commands, nothing can be pressed."""

    def __init__(self, url: str, language: str = "ko", name: str = "discord:webhook") -> None:
        """Raises Fatal when the address is none of Discord's (or of a loopback test server)."""
        if not _WEBHOOK.fullmatch(url):
            if not _TEST_WEBHOOK.fullmatch(url):
                raise Fatal("DISCORD_WEBHOOK_URL 이 Discord 웹훅 주소가 아닙니다")
            check_test_address(url, test_token=True)
        self.name = name
        self._url = url
        self._language = language
        self._outgoing = Outgoing(burst=5, per_second=0.5)

    async def deliver(self, alert: Alert) -> None:
        """Raises NotConnected, bot.outgoing.QueueFull."""
        shaped = shape(as_reply(alert), self._language)
        for number, content in enumerate((shaped.first, *shaped.more)):
            # Only the first part carries the picture.
            files = shaped.files() if number == 0 else []
            await self._outgoing.send(self.name, importance_of(alert), self._post(content, files, alert.silent))

    def _post(self, content: str, files: list[discord.File], silent: bool) -> Callable[[], Awaitable[None]]:
        payload: dict[str, Any] = {
            "content": content,
            "allowed_mentions": {"parse": []},
            "flags": 4096 if silent else 0,
        }
        blobs = [(file.filename, file.fp.read(), file.description) for file in files]
        payload["attachments"] = [
            {"id": number, "filename": name, "description": description}
            for number, (name, _, description) in enumerate(blobs)
        ]

        async def post() -> None:
            form = aiohttp.FormData(quote_fields=False)
            form.add_field("payload_json", json.dumps(payload), content_type="application/json")
            for number, (name, data, _) in enumerate(blobs):
                form.add_field(f"files[{number}]", io.BytesIO(data), filename=name, content_type="image/png")
            timeout = aiohttp.ClientTimeout(total=WEBHOOK_SECONDS)
            try:
                async with (
                    aiohttp.ClientSession(timeout=timeout) as session,
                    session.post(self._url, params={"wait": "true"}, data=form) as response,
                ):
                    if response.status == 429:
                        raise FloodWait(float((await response.json()).get("retry_after", 1)))
                    if response.status >= 300:
                        raise NotConnected(f"웹훅이 {response.status} 로 거절했습니다")
            except (aiohttp.ClientError, TimeoutError) as problem:
                # The exception's own text may hold the address, which is the secret.
                raise NotConnected(f"웹훅에 닿지 못했습니다 ({type(problem).__name__})") from None

        return post
