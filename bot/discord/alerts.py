"""Pushes by the bot: to a person, or in a channel."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import discord

from bot.alerts import Alert
from bot.discord.messages import shape
from bot.outgoing import FloodWait, Importance, Outgoing
from bot.reply import Reply


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
