"""Telegram's published limits, enforced with its real wordings. Sources: core.telegram.org/bots/api, /bots/faq."""

from __future__ import annotations

import html
import re
import struct
from collections.abc import Mapping
from html.parser import HTMLParser
from typing import Any

PHOTO_BYTES = 10 * 1024 * 1024
DOCUMENT_BYTES = 50 * 1024 * 1024
TEXT, CAPTION = 4096, 1024
_COMMAND = re.compile(r"[a-z0-9_]{1,32}")
_TAGS = frozenset({"b", "i", "u", "s", "code", "pre", "a", "blockquote", "tg-spoiler", "strong", "em", "ins", "del"})


class TelegramError(Exception):
    """An answer ``ok: false``."""

    def __init__(self, code: int, description: str, retry_after: int | None = None) -> None:
        super().__init__(description)
        self.code = code
        self.description = description
        self.retry_after = retry_after

    def body(self) -> dict[str, Any]:
        body: dict[str, Any] = {"ok": False, "error_code": self.code, "description": self.description}
        if self.retry_after is not None:
            body["parameters"] = {"retry_after": self.retry_after}
        return body


def bad(description: str) -> TelegramError:
    return TelegramError(400, f"Bad Request: {description}")


class _Entities(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.text: list[str] = []
        self.count = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in _TAGS:
            raise bad(f'can\'t parse entities: Unsupported start tag "{tag}" at byte offset 0')
        self.open.append(tag)
        self.count += 1

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            raise bad("can't parse entities: Unexpected end tag at byte offset 0")

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def parsed(text: str, parse_mode: str | None) -> str:
    """The text as shown, after entities. Raises for what Telegram cannot parse."""
    if parse_mode is None:
        return text
    if parse_mode != "HTML":
        raise bad("unsupported parse_mode")
    # A bare "<" that opens no known tag is refused by Telegram; Python's parser would let it pass as text.
    if re.search(r"<(?!/?[a-z])", text):
        raise bad('can\'t parse entities: Unsupported start tag "" at byte offset 0')
    parser = _Entities()
    parser.feed(text)
    parser.close()
    if parser.open:
        raise bad(f"can't parse entities: Can't find end tag corresponding to start tag \"{parser.open[-1]}\"")
    if parser.count > 100:
        raise bad("too many entities")
    return html.unescape("".join(parser.text))


def check_text(text: str) -> None:
    if not text.strip():
        raise bad("message text is empty")
    if len(text) > TEXT:
        raise bad("message is too long")


def check_caption(caption: str) -> None:
    if len(caption) > CAPTION:
        raise bad("message caption is too long")


def check_markup(markup: Mapping[str, Any]) -> None:
    rows = markup.get("inline_keyboard")
    if rows is not None:
        buttons = [button for row in rows for button in row]
        if len(buttons) > 100 or any(len(row) > 8 for row in rows):
            raise bad("inline keyboard is too long")
        for button in buttons:
            if not button.get("text"):
                raise bad("text buttons are unallowed in the inline keyboard")
            if "callback_data" in button and not 1 <= len(button["callback_data"].encode()) <= 64:
                raise bad("BUTTON_DATA_INVALID")
            if not {"callback_data", "url"} & set(button):
                raise bad("text buttons are unallowed in the inline keyboard")
    placeholder = markup.get("input_field_placeholder")
    if placeholder is not None and not 1 <= len(placeholder) <= 64:
        raise bad("input field placeholder is invalid")


def check_photo(data: bytes) -> tuple[int, int]:
    """Width and height. Raises as Telegram does."""
    if len(data) > PHOTO_BYTES:
        raise TelegramError(413, "Request Entity Too Large")
    if data[:8] == b"\x89PNG\r\n\x1a\n" and len(data) >= 24:
        width, height = struct.unpack(">II", data[16:24])
    else:
        raise bad("IMAGE_PROCESS_FAILED")
    if width + height > 10_000 or max(width, height) > 20 * min(width, height):
        raise bad("PHOTO_INVALID_DIMENSIONS")
    return width, height


def check_document(data: bytes) -> None:
    if not data:
        raise bad("file must be non-empty")
    if len(data) > DOCUMENT_BYTES:
        raise TelegramError(413, "Request Entity Too Large")


def check_commands(commands: list[Mapping[str, Any]]) -> None:
    if len(commands) > 100:
        raise bad("BOT_COMMANDS_TOO_MUCH")
    for command in commands:
        if not _COMMAND.fullmatch(command["command"]):
            raise bad("BOT_COMMAND_INVALID")
        if not 1 <= len(command["description"]) <= 256:
            raise bad("BOT_COMMAND_DESCRIPTION_INVALID")
