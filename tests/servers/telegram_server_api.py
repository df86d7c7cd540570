"""The method side of the local Bot API: what the bot calls, answered and refused as Telegram does."""

from __future__ import annotations

import asyncio
import re
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson
from aiohttp import web

from engine.clock import monotonic, wall_now, wall_sleep
from tests.servers.telegram_server_limits import (
    TelegramError,
    bad,
    check_caption,
    check_commands,
    check_document,
    check_markup,
    check_photo,
    check_text,
    parsed,
)

OWNER_ID = 5_000_001
STRANGER_ID = 5_000_002
GROUP_ID = -1_000_777
BOT_ID = 7_777_777
# A real one begins with digits.
TEST_TOKEN = "test:loopback-telegram-0123456789abcdefgh"


@dataclass(frozen=True, slots=True)
class Person:
    id: int
    name: str
    bot: bool = False

    def payload(self) -> dict[str, Any]:
        return {"id": self.id, "is_bot": self.bot, "first_name": self.name, "language_code": "ko"}


@dataclass(slots=True)
class Shown:
    """A message as the person sees it now."""

    id: int
    chat: int
    text: str = ""
    photo: bytes | None = None
    document: tuple[str, bytes] | None = None
    markup: dict[str, Any] = field(default_factory=dict)
    silent: bool = False
    protected: bool = False
    deleted: bool = False
    edits: int = 0
    group: str = ""
    reply_to: int | None = None
    from_person: bool = False
    signature: tuple[Any, ...] = ()

    def buttons(self) -> dict[str, str]:
        return {b["text"]: b.get("callback_data", "") for row in self.markup.get("inline_keyboard") or [] for b in row}

    def keys(self) -> list[str]:
        return [k["text"] if isinstance(k, dict) else k for row in self.markup.get("keyboard") or [] for k in row]


@dataclass(slots=True)
class Press:
    """A pressed inline button, and the bot's answer to it."""

    id: str
    at: float
    answer: str | None = None
    alert: bool = False
    answered: asyncio.Event = field(default_factory=asyncio.Event)


@dataclass(slots=True)
class Fault:
    method: re.Pattern[str]
    code: int
    description: str
    times: int
    retry_after: int | None = None
    delay: float = 0.0


class TelegramApi:
    """State and methods. ``chat_rate`` is (messages, seconds) before the flood answer."""

    def __init__(self, *, token: str = TEST_TOKEN) -> None:
        self.token = token
        self.owner = Person(OWNER_ID, "개미")
        self.stranger = Person(STRANGER_ID, "베짱이")
        self.bot = Person(BOT_ID, "gaemi", bot=True)
        self.port = 0
        self.shown: dict[int, Shown] = {}
        self.presses: dict[str, Press] = {}
        self.commands: dict[tuple[str, str], list[dict[str, Any]]] = {}
        self.actions: list[tuple[int, str]] = []
        self.calls: list[str] = []
        self.transcript: list[str] = []
        self.faults: list[Fault] = []
        self.blocked: set[int] = set()
        self.chat_rate: tuple[int, float] | None = None
        self.query_seconds = 15.0
        self.files: dict[str, bytes] = {}
        self._updates: list[dict[str, Any]] = []
        self._update_id = 1000
        self._message_id = 0
        self._changed = asyncio.Event()
        self._polling = 0
        self._sent: dict[int, deque[float]] = {}
        self._runner: web.AppRunner | None = None

    # --- the API ---------------------------------------------------------------------------------------------------

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        method = request.match_info["method"]
        try:
            if request.match_info["token"] != self.token:
                raise TelegramError(401, "Unauthorized")
            fields, files = await self._read(request)
            self.calls.append(method)
            await self._fault(method)
            handler = getattr(self, f"_do_{method.lower()}", None)
            if handler is None:
                raise TelegramError(404, "Not Found")
            result = await handler(fields, files)
        except TelegramError as refused:
            self._note(f"  ✗ {method} {refused.code} {refused.description}")
            return web.Response(body=orjson.dumps(refused.body()), status=refused.code, content_type="application/json")
        return web.Response(body=orjson.dumps({"ok": True, "result": result}), content_type="application/json")

    async def _fault(self, method: str) -> None:
        for fault in self.faults:
            if fault.times > 0 and fault.method.search(method):
                fault.times -= 1
                if fault.delay:
                    await wall_sleep(fault.delay)
                if fault.code:
                    raise TelegramError(fault.code, fault.description, fault.retry_after)
                return

    @staticmethod
    async def _read(request: web.Request) -> tuple[dict[str, str], dict[str, tuple[str, bytes]]]:
        fields: dict[str, str] = {}
        files: dict[str, tuple[str, bytes]] = {}
        for name, value in (await request.post()).items():
            if isinstance(value, str):
                fields[name] = value
            else:
                files[name] = (value.filename, value.file.read())  # type: ignore[union-attr]
        return fields, files

    async def _file(self, request: web.Request) -> web.Response:
        data = self.files.get(request.match_info["path"])
        return web.Response(status=404) if data is None else web.Response(body=data)

    async def _do_getme(self, fields: Mapping[str, str], files: Mapping[str, Any]) -> dict[str, Any]:
        me = {**self.bot.payload(), "username": "gaemi_bot"}
        me |= {"can_join_groups": False, "can_read_all_group_messages": False, "supports_inline_queries": False}
        return me

    async def _do_deletewebhook(self, fields: Mapping[str, str], files: Mapping[str, Any]) -> bool:
        if fields.get("drop_pending_updates") == "true":
            self._updates.clear()
        return True

    async def _do_getupdates(self, fields: Mapping[str, str], files: Mapping[str, Any]) -> list[dict[str, Any]]:
        if self._polling:
            raise TelegramError(
                409, "Conflict: terminated by other getUpdates request; make sure that only one bot instance is running"
            )
        offset = int(fields.get("offset") or 0)
        if offset > 0:
            self._updates = [update for update in self._updates if update["update_id"] >= offset]
        elif offset < 0:
            self._updates = self._updates[offset:]
        self._polling += 1
        try:
            deadline = monotonic() + float(fields.get("timeout") or 0)
            while not self._updates and monotonic() < deadline:
                changed = self._changed
                try:
                    async with asyncio.timeout(max(0.0, min(0.5, deadline - monotonic()))):
                        await changed.wait()
                except TimeoutError:
                    continue
        finally:
            self._polling -= 1
        allowed = orjson.loads(fields["allowed_updates"]) if fields.get("allowed_updates") else []
        chosen = [u for u in self._updates if not allowed or any(kind in u for kind in allowed)]
        return chosen[: int(fields.get("limit") or 100)]

    def _target(self, fields: Mapping[str, str], cost: int = 1) -> int:
        chat = int(fields["chat_id"])
        if chat in self.blocked:
            raise TelegramError(403, "Forbidden: bot was blocked by the user")
        if chat not in (self.owner.id, self.stranger.id) and chat > 0:
            raise bad("chat not found")
        if self.chat_rate is not None:
            count, seconds = self.chat_rate
            sent = self._sent.setdefault(chat, deque())
            now = monotonic()
            while sent and sent[0] <= now - seconds:
                sent.popleft()
            if len(sent) + cost > count:
                wait = max(1, round(sent[0] + seconds - now)) if sent else 1
                raise TelegramError(429, f"Too Many Requests: retry after {wait}", wait)
            sent.extend([now] * cost)
        return chat

    @staticmethod
    def _markup(fields: Mapping[str, str]) -> dict[str, Any]:
        markup: dict[str, Any] = orjson.loads(fields["reply_markup"]) if fields.get("reply_markup") else {}
        check_markup(markup)
        return markup

    def _add(self, chat: int, fields: Mapping[str, str], **content: Any) -> Shown:
        self._message_id += 1
        shown = Shown(self._message_id, chat, **content)
        shown.silent = fields.get("disable_notification") == "true"
        shown.protected = fields.get("protect_content") == "true"
        shown.signature = self._signature(shown)
        self.shown[shown.id] = shown
        self._note_shown(shown, "→")
        return shown

    async def _do_sendmessage(self, fields: Mapping[str, str], files: Mapping[str, Any]) -> dict[str, Any]:
        text = parsed(fields.get("text", ""), fields.get("parse_mode"))
        check_text(text)
        markup = self._markup(fields)
        return self._payload(self._add(self._target(fields), fields, text=text, markup=markup))

    def _caption(self, fields: Mapping[str, str]) -> str:
        caption = parsed(fields.get("caption", ""), fields.get("parse_mode"))
        check_caption(caption)
        return caption

    def _upload(
        self, name: str, fields: Mapping[str, str], files: Mapping[str, tuple[str, bytes]]
    ) -> tuple[str, bytes]:
        """An uploaded part, ``attach://part``, or a ``file_id`` known from before."""
        if name in files:
            return files[name]
        reference = fields.get(name, "")
        if reference.startswith("attach://") and reference.removeprefix("attach://") in files:
            return files[reference.removeprefix("attach://")]
        if reference in self.files:
            return reference, self.files[reference]
        raise bad("wrong file identifier/HTTP URL specified")

    async def _do_sendphoto(self, fields: Mapping[str, str], files: Mapping[str, tuple[str, bytes]]) -> dict[str, Any]:
        _, data = self._upload("photo", fields, files)
        check_photo(data)
        caption, markup = self._caption(fields), self._markup(fields)
        return self._payload(self._add(self._target(fields), fields, text=caption, photo=data, markup=markup))

    async def _do_senddocument(
        self, fields: Mapping[str, str], files: Mapping[str, tuple[str, bytes]]
    ) -> dict[str, Any]:
        name, data = self._upload("document", fields, files)
        check_document(data)
        caption, markup = self._caption(fields), self._markup(fields)
        return self._payload(
            self._add(self._target(fields), fields, text=caption, document=(name, data), markup=markup)
        )

    async def _do_sendmediagroup(
        self, fields: Mapping[str, str], files: Mapping[str, tuple[str, bytes]]
    ) -> list[dict[str, Any]]:
        media = orjson.loads(fields["media"])
        if not 2 <= len(media) <= 10:
            raise bad("wrong number of items in the media group")
        chat = self._target(fields, cost=len(media))
        shown = []
        for item in media:
            _, data = self._upload("media", {"media": item["media"]}, files)
            check_photo(data)
            caption = parsed(item.get("caption") or "", item.get("parse_mode"))
            check_caption(caption)
            shown.append(self._add(chat, fields, text=caption, photo=data, group=f"g{self._message_id}"))
        return [self._payload(item) for item in shown]

    def _editable(self, fields: Mapping[str, str]) -> Shown:
        shown = self.shown.get(int(fields["message_id"]))
        if shown is None or shown.deleted or shown.chat != int(fields["chat_id"]):
            raise bad("message to edit not found")
        if shown.from_person:
            raise bad("message can't be edited")
        self._target(fields)
        return shown

    @staticmethod
    def _signature(shown: Shown) -> tuple[Any, ...]:
        return (shown.text, shown.photo, shown.document, orjson.dumps(shown.markup))

    def _edited(self, shown: Shown) -> dict[str, Any]:
        signature = self._signature(shown)
        if signature == shown.signature:
            raise bad(
                "message is not modified: specified new message content and reply markup are exactly the same "
                "as a current content and reply markup of the message"
            )
        shown.signature = signature
        shown.edits += 1
        self._note_shown(shown, "✎")
        return self._payload(shown)

    async def _do_editmessagetext(self, fields: Mapping[str, str], files: Mapping[str, Any]) -> dict[str, Any]:
        text, markup = parsed(fields.get("text", ""), fields.get("parse_mode")), self._markup(fields)
        check_text(text)
        shown = self._editable(fields)
        if shown.photo is not None or shown.document is not None:
            raise bad("there is no text in the message to edit")
        shown.text, shown.markup = text, markup
        return self._edited(shown)

    async def _do_editmessagecaption(self, fields: Mapping[str, str], files: Mapping[str, Any]) -> dict[str, Any]:
        caption, markup = self._caption(fields), self._markup(fields)
        shown = self._editable(fields)
        if shown.photo is None and shown.document is None:
            raise bad("there is no caption in the message to edit")
        shown.text, shown.markup = caption, markup
        return self._edited(shown)

    async def _do_editmessagereplymarkup(self, fields: Mapping[str, str], files: Mapping[str, Any]) -> dict[str, Any]:
        markup, shown = self._markup(fields), self._editable(fields)
        shown.markup = markup
        return self._edited(shown)

    async def _do_editmessagemedia(
        self, fields: Mapping[str, str], files: Mapping[str, tuple[str, bytes]]
    ) -> dict[str, Any]:
        media, markup = orjson.loads(fields["media"]), self._markup(fields)
        shown = self._editable(fields)
        _, data = self._upload("media", {"media": media["media"]}, files)
        caption = parsed(media.get("caption") or "", media.get("parse_mode"))
        check_caption(caption)
        if media["type"] == "photo":
            check_photo(data)
            shown.photo, shown.document = data, None
        else:
            check_document(data)
            shown.photo, shown.document = None, ("document", data)
        shown.text, shown.markup = caption, markup
        return self._edited(shown)

    async def _do_answercallbackquery(self, fields: Mapping[str, str], files: Mapping[str, Any]) -> bool:
        press = self.presses.get(fields["callback_query_id"])
        if press is None or monotonic() - press.at > self.query_seconds:
            raise bad("query is too old and response timeout expired or query ID is invalid")
        text = fields.get("text", "")
        if len(text) > 200:
            raise bad("MESSAGE_TOO_LONG")
        press.answer, press.alert = text, fields.get("show_alert") == "true"
        press.answered.set()
        self._note(f"  • {text}" if text else "  •")
        return True

    async def _do_setmycommands(self, fields: Mapping[str, str], files: Mapping[str, Any]) -> bool:
        commands = orjson.loads(fields["commands"])
        check_commands(commands)
        scope = orjson.loads(fields["scope"])["type"] if fields.get("scope") else "default"
        self.commands[scope, fields.get("language_code", "")] = commands
        return True

    async def _do_deletemycommands(self, fields: Mapping[str, str], files: Mapping[str, Any]) -> bool:
        scope = orjson.loads(fields["scope"])["type"] if fields.get("scope") else "default"
        self.commands.pop((scope, fields.get("language_code", "")), None)
        return True

    async def _do_setchatmenubutton(self, fields: Mapping[str, str], files: Mapping[str, Any]) -> bool:
        return True

    async def _do_sendchataction(self, fields: Mapping[str, str], files: Mapping[str, Any]) -> bool:
        self.actions.append((int(fields["chat_id"]), fields["action"]))
        self._change()
        return True

    async def _do_deletemessage(self, fields: Mapping[str, str], files: Mapping[str, Any]) -> bool:
        shown = self.shown.get(int(fields["message_id"]))
        if shown is None or shown.deleted:
            raise bad("message to delete not found")
        shown.deleted = True
        self._note(f"  🗑 {shown.id}")
        return True

    async def _do_getfile(self, fields: Mapping[str, str], files: Mapping[str, Any]) -> dict[str, Any]:
        if fields["file_id"] not in self.files:
            raise bad("invalid file_id")
        return {"file_id": fields["file_id"], "file_unique_id": fields["file_id"], "file_path": fields["file_id"]}

    # --- shapes ----------------------------------------------------------------------------------------------------

    def _chat(self, chat: int) -> dict[str, Any]:
        if chat < 0:
            return {"id": chat, "type": "supergroup", "title": "개미굴"}
        return {"id": chat, "type": "private", "first_name": "사람"}

    def _payload(self, shown: Shown) -> dict[str, Any]:
        message: dict[str, Any] = {
            "message_id": shown.id,
            "date": int(wall_now().timestamp()),
            "chat": self._chat(shown.chat),
        }
        message["from"] = {**self.bot.payload(), "username": "gaemi_bot"}
        if shown.photo is not None:
            width, height = check_photo(shown.photo)
            name = f"photo{shown.id}-{shown.edits}"
            self.files[name] = shown.photo
            message["photo"] = [
                {
                    "file_id": name,
                    "file_unique_id": name,
                    "width": width,
                    "height": height,
                    "file_size": len(shown.photo),
                }
            ]
            message["caption"] = shown.text
        elif shown.document is not None:
            name = f"document{shown.id}"
            self.files[name] = shown.document[1]
            message["document"] = {
                "file_id": name,
                "file_unique_id": name,
                "file_name": shown.document[0],
                "file_size": len(shown.document[1]),
            }
            message["caption"] = shown.text
        else:
            message["text"] = shown.text
        if "inline_keyboard" in shown.markup:
            message["reply_markup"] = {"inline_keyboard": shown.markup["inline_keyboard"]}
        if shown.group:
            message["media_group_id"] = shown.group
        return message

    # --- transcript ------------------------------------------------------------------------------------------------

    def _note_shown(self, shown: Shown, mark: str) -> None:
        picture = f" [그림 {len(shown.photo) // 1024}kB]" if shown.photo is not None else ""
        document = f" [파일 {shown.document[0]}]" if shown.document is not None else ""
        buttons = " ".join(f"⟨{label}⟩" for label in shown.buttons())
        text = shown.text.replace("\n", "\n      ")
        self._note(f"  {mark}{picture}{document} {text}" + (f"\n      {buttons}" if buttons else ""))

    def _note(self, line: str) -> None:
        self.transcript.append(line)
        self._change()

    def _change(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()
