"""Putting messages into a chat and changing them: in order of importance, in place where that is possible."""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, TypeVar

from telegram import InputMediaPhoto, Message
from telegram.constants import ParseMode
from telegram.error import BadRequest, RetryAfter, TelegramError
from telegram.ext import ExtBot

from bot.outgoing import FloodWait, Importance, Outgoing, Superseded
from bot.reply import Picture, Reply
from bot.telegram.messages import Shape, shape

logger = logging.getLogger(__name__)

T = TypeVar("T")
ORIGINALS_KEPT = 40
REPLACED_KEPT = 1_000
NOTICE_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Slot:
    """Where an answer goes: a new message of ``chat``, or in place of ``message``.

    ``stands_for`` is the key of the message that this one replaced: tickets and confirmations are tied to that one,
    and for the person it is still the same message.
    """

    chat: int
    message: int = 0
    photo: bool = False
    stands_for: str = ""

    @property
    def key(self) -> str:
        return self.stands_for or self.actual

    @property
    def actual(self) -> str:
        return f"{self.chat}/{self.message}"


def flood_seconds(problem: RetryAfter) -> float:
    value: Any = problem.retry_after
    return value.total_seconds() if isinstance(value, timedelta) else float(value)


def _unchanged(problem: BadRequest) -> bool:
    return "message is not modified" in str(problem).lower()


class Delivery:
    def __init__(self, bot: ExtBot[Any], outgoing: Outgoing, language: str) -> None:
        self.bot = bot
        self._outgoing = outgoing
        self._language = language
        self._originals: OrderedDict[str, Picture] = OrderedDict()
        self._replaced: OrderedDict[str, str] = OrderedDict()

    async def queued(
        self, chat: int, importance: Importance, call: Callable[[], Awaitable[T]], *, key: object = None
    ) -> T:
        """One API call in its turn. A flood answer stops every chat, as Telegram itself does."""

        async def attempt() -> T:
            try:
                return await call()
            except RetryAfter as flood:
                raise FloodWait(flood_seconds(flood), everything=True) from flood

        return await self._outgoing.send(chat, importance, attempt, key=key)

    async def show(
        self, slot: Slot, reply: Reply, importance: Importance = Importance.ANSWER, *, live: bool = False
    ) -> Slot:
        """Send or edit, and say where it is now. Raises TelegramError, FloodWait, QueueFull, Superseded."""
        shaped = shape(reply, self._language)
        if slot.message and (shaped.photo is not None or not slot.photo):
            shown = await self._edit(slot, shaped, importance, live=live)
        else:
            shown = await self._send(slot.chat, shaped, reply, importance)
            if slot.message:
                # A photo cannot become a text: the new message takes the old one's place, and its name.
                self._replaced[shown.actual] = slot.key
                shown = replace(shown, stands_for=slot.key)
                await self.remove(slot.chat, slot.message)
        if reply.picture is not None and shaped.photo is not None:
            self._keep(shown.key, reply.picture)
        for part in shaped.more:
            await self.queued(slot.chat, importance, lambda part=part: self.bot.send_message(slot.chat, part))  # type: ignore[misc]
        if shaped.document is not None:
            await self.send_document(slot.chat, *shaped.document, importance=importance, protect=reply.ephemeral)
        return shown

    async def _send(self, chat: int, shaped: Shape, reply: Reply, importance: Importance) -> Slot:
        common: dict[str, Any] = {
            "reply_markup": shaped.markup,
            "parse_mode": ParseMode.HTML,
            "disable_notification": reply.silent,
            # What is for one person's eyes cannot be forwarded.
            "protect_content": reply.ephemeral,
        }

        async def send() -> Message:
            if shaped.photo is None:
                return await self.bot.send_message(chat, shaped.html, **common)
            return await self.bot.send_photo(
                chat, shaped.photo, caption=shaped.html, filename=shaped.photo_name, **common
            )

        message = await self.queued(chat, importance, send)
        return Slot(chat, message.message_id, shaped.photo is not None)

    async def _edit(self, slot: Slot, shaped: Shape, importance: Importance, *, live: bool) -> Slot:
        where: dict[str, Any] = {"chat_id": slot.chat, "message_id": slot.message, "reply_markup": shaped.markup}

        async def edit() -> None:
            try:
                if shaped.photo is None:
                    await self.bot.edit_message_text(shaped.html, parse_mode=ParseMode.HTML, **where)
                else:
                    media = InputMediaPhoto(
                        shaped.photo, shaped.html, parse_mode=ParseMode.HTML, filename=shaped.photo_name
                    )
                    await self.bot.edit_message_media(media, **where)
            except BadRequest as problem:
                if not _unchanged(problem):
                    raise

        await self.queued(slot.chat, importance, edit, key=("live", slot.key) if live else None)
        return replace(slot, photo=shaped.photo is not None)

    async def send_document(
        self, chat: int, name: str, data: bytes, *, importance: Importance, caption: str = "", protect: bool = False
    ) -> None:
        await self.queued(
            chat,
            importance,
            lambda: self.bot.send_document(chat, data, filename=name, caption=caption, protect_content=protect),
        )

    async def say(self, chat: int, text: str, **more: Any) -> Message:
        return await self.queued(chat, Importance.ANSWER, lambda: self.bot.send_message(chat, text, **more))

    async def remove(self, chat: int, message: int) -> None:
        """Best effort: a message may be gone, or too old to delete."""
        with suppress(TelegramError, FloodWait, Superseded):
            await self.queued(chat, Importance.ROUTINE, lambda: self.bot.delete_message(chat, message))

    def slot(self, chat: int, message: int, *, photo: bool) -> Slot:
        """A message that people see, under the name by which tickets know it."""
        plain = Slot(chat, message, photo)
        return replace(plain, stands_for=self._replaced.get(plain.actual, ""))

    def original(self, key: str) -> Picture | None:
        return self._originals.get(key)

    def _keep(self, key: str, picture: Picture) -> None:
        self._originals[key] = picture
        self._originals.move_to_end(key)
        while len(self._originals) > ORIGINALS_KEPT:
            self._originals.popitem(last=False)
        while len(self._replaced) > REPLACED_KEPT:
            self._replaced.popitem(last=False)
