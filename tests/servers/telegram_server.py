"""A Telegram Bot API of one's own on loopback, and the person in front of it.

The real python-telegram-bot connects through ``base_url``. What Telegram refuses it refuses, with the same words::

    async with TelegramServer() as telegram:
        await telegram.say("/chart 005930")
        message = await telegram.reply()
        await telegram.press(message, "1일")
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any

from aiohttp import web

from engine.clock import monotonic, wall_now, wall_timeout
from tests.servers.telegram_server_api import GROUP_ID, OWNER_ID, TEST_TOKEN, Fault, Person, Press, Shown, TelegramApi

WAIT_SECONDS = 10.0


class TelegramServer(TelegramApi):
    """Private chat with ``owner`` by default."""

    # --- life ------------------------------------------------------------------------------------------------------

    async def __aenter__(self) -> TelegramServer:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    async def start(self) -> None:
        application = web.Application(client_max_size=80 * 1024 * 1024)
        application.add_routes(
            [web.post("/bot{token}/{method}", self._handle), web.get("/file/bot{token}/{path:.+}", self._file)]
        )
        self._runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1, handler_cancellation=True)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self.port)
        await site.start()
        self.port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    @property
    def server_url(self) -> str:
        """The client adds ``/bot`` and ``/file/bot``."""
        return f"http://127.0.0.1:{self.port}"

    # --- a person --------------------------------------------------------------------------------------------------

    async def say(
        self,
        text: str,
        *,
        user: Person | None = None,
        chat: int | None = None,
        age_seconds: float = 0.0,
        reply_to: Shown | None = None,
        anonymous: bool = False,
    ) -> int:
        """Type ``text``; returns the update id. A group is a negative ``chat``."""
        person = user or self.owner
        message = self._incoming(person, chat or person.id, text, age_seconds, reply_to, anonymous)
        return self.feed({"message": message})

    def _incoming(
        self, person: Person, chat: int, text: str, age: float, reply_to: Shown | None, anonymous: bool
    ) -> dict[str, Any]:
        self._message_id += 1
        self.shown[self._message_id] = Shown(self._message_id, chat, text, from_person=True)
        message: dict[str, Any] = {
            "message_id": self._message_id,
            "date": int(wall_now().timestamp() - age),
            "chat": self._chat(chat),
            "text": text,
        }
        if anonymous:
            message["sender_chat"] = self._chat(chat)
            message["from"] = {"id": 1087968824, "is_bot": True, "first_name": "Group", "username": "GroupAnonymousBot"}
        else:
            message["from"] = person.payload()
        if text.startswith("/"):
            message["entities"] = [{"type": "bot_command", "offset": 0, "length": len(text.split()[0])}]
        if reply_to is not None:
            message["reply_to_message"] = self._payload(reply_to)
        self._note(f"[{person.name}] {text}")
        return message

    async def press(self, message: Shown | None, label: str, *, user: Person | None = None, wait: bool = True) -> Press:
        """Press the inline button ``label`` (or one whose text begins so); ``wait`` until it was answered."""
        assert message is not None, "there is no message to press on"
        buttons = message.buttons()
        data = buttons.get(label) or next((d for text, d in buttons.items() if text.startswith(label)), None)
        if data is None:
            raise LookupError(f"no button {label!r}; there are {list(buttons)}")
        return await self.forge(message, data, user=user, wait=wait, label=label)

    async def forge(
        self, message: Shown, data: str, *, user: Person | None = None, wait: bool = True, label: str = ""
    ) -> Press:
        """Send a press with any data, as a hostile or old client can."""
        person = user or self.owner
        press = Press(f"{person.id}{self._update_id:08d}", monotonic())
        self.presses[press.id] = press
        self._note(f"[{person.name}] ⟨{label or data}⟩")
        query = {
            "id": press.id,
            "from": person.payload(),
            "chat_instance": "1",
            "message": self._payload(message),
            "data": data,
        }
        self.feed({"callback_query": query})
        if wait:
            await self.until(press.answered.is_set)
        return press

    def feed(self, update: Mapping[str, Any], *, update_id: int | None = None) -> int:
        """Queue an update; an earlier ``update_id`` is a redelivery."""
        if update_id is None:
            self._update_id += 1
            update_id = self._update_id
        self._updates.append({**update, "update_id": update_id})
        self._change()
        return update_id

    def messages(self, chat: int | None = None) -> list[Shown]:
        """The bot's messages in order."""
        found = [m for m in self.shown.values() if not m.from_person and not m.deleted]
        return found if chat is None else [m for m in found if m.chat == chat]

    def texts(self, chat: int | None = None) -> list[str]:
        return [message.text for message in self.messages(chat)]

    async def reply(self, chat: int | None = None, *, after: int = 0, seconds: float = WAIT_SECONDS) -> Shown:
        """The newest bot message with more than ``after`` before it in the chat."""
        where = chat or self.owner.id
        await self.until(lambda: len(self.messages(where)) > after, seconds)
        return self.messages(where)[-1]

    async def until(self, condition: Callable[[], Any], seconds: float = WAIT_SECONDS) -> None:
        try:
            async with wall_timeout(seconds):
                while not condition():
                    changed = self._changed
                    try:
                        async with asyncio.timeout(0.05):
                            await changed.wait()
                    except TimeoutError:
                        continue
        except TimeoutError:
            raise AssertionError(f"it did not happen within {seconds} s\n" + "\n".join(self.transcript)) from None

    def fail(
        self,
        method: str,
        code: int,
        description: str = "injected",
        *,
        times: int = 1,
        retry_after: int | None = None,
        delay: float = 0.0,
    ) -> Fault:
        """Refuse the next ``times`` calls of ``method`` (a pattern). Code 0 only delays."""
        fault = Fault(re.compile(method), code, description, times, retry_after, delay)
        self.faults.append(fault)
        return fault


__all__ = ["GROUP_ID", "OWNER_ID", "TEST_TOKEN", "Person", "Press", "Shown", "TelegramServer"]
