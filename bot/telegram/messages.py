"""A Reply as Telegram shows it: escaped HTML, captions, inline keyboards, the home keyboard."""

from __future__ import annotations

import html
from collections.abc import Sequence
from dataclasses import dataclass

from telegram import BotCommand, InlineKeyboardButton, InlineKeyboardMarkup, KeyboardButton, ReplyKeyboardMarkup

from bot.commands.registry import Registry, UnknownCommand
from bot.reply import (
    ACTION_BYTES,
    FIELD_PLACEHOLDER,
    PICTURE_BYTES,
    TELEGRAM_CAPTION,
    TELEGRAM_TEXT,
    Button,
    ButtonKind,
    Reply,
    Row,
    shorten,
    split_text,
)
from bot.texts.frontends import front_text

ORIGINAL = "!original"
"""Callback data of the adapter's own button; an action never begins with "!"."""
FORM_MARK = "?"
DOCUMENT_BYTES = 50 * 1024 * 1024
HOME = ("status", "balance", "recommend", "orders", "start", "panic")
HOME_WIDTH = 3
_MARGIN = 64
"""Telegram counts UTF-16 units, of which a few signs take two."""


def to_html(text: str) -> str:
    """Escaped, the first of several lines as a heading."""
    first, newline, rest = text.partition("\n")
    heading = (
        f"<b>{html.escape(first, quote=False)}</b>" if newline and first.strip() else html.escape(first, quote=False)
    )
    return heading + newline + html.escape(rest, quote=False)


def data_of(button: Button) -> str:
    """Callback data of at most 64 bytes. A form's mark is left off where there is no room for it: whoever handles
    the press then asks the dispatcher."""
    marked = button.kind is ButtonKind.FORM and len(button.action) < ACTION_BYTES
    return FORM_MARK + button.action if marked else button.action


def keyboard(rows: Sequence[Row], *, original: str = "") -> InlineKeyboardMarkup | None:
    """Disabled buttons are left out: Telegram has none. ``original`` is the label of the button for the full picture."""
    shown = [
        [InlineKeyboardButton(button.label, callback_data=data_of(button)) for button in row if not button.disabled]
        for row in rows
    ]
    if original:
        shown.append([InlineKeyboardButton(original, callback_data=ORIGINAL)])
    shown = [row for row in shown if row]
    return InlineKeyboardMarkup(shown) if shown else None


def home_keyboard(registry: Registry, language: str) -> ReplyKeyboardMarkup | None:
    """The home menu: words that are typed for the person."""
    words = []
    for name in HOME:
        try:
            words.append(registry.find(name).name(language))
        except UnknownCommand:
            continue  # a service without that part
    if not words:
        return None
    rows = [[KeyboardButton(word) for word in words[n : n + HOME_WIDTH]] for n in range(0, len(words), HOME_WIDTH)]
    placeholder = shorten(front_text(language, "welcome_placeholder"), FIELD_PLACEHOLDER)
    return ReplyKeyboardMarkup(rows, resize_keyboard=True, is_persistent=True, input_field_placeholder=placeholder)


def menu(registry: Registry, language: str) -> list[BotCommand]:
    return [BotCommand(command.name_en, command.description(language)) for command in registry.commands()][:100]


@dataclass(frozen=True, slots=True)
class Shape:
    """A Reply cut to Telegram's measure. ``photo`` None: it is a text message."""

    text: str
    more: tuple[str, ...]
    photo: bytes | None
    photo_name: str
    document: tuple[str, bytes] | None
    markup: InlineKeyboardMarkup | None

    @property
    def html(self) -> str:
        return to_html(self.text)


def shape(reply: Reply, language: str) -> Shape:
    """Check sizes before anything is sent: what is too large is left out, and the text says so."""
    text, picture, document = reply.text, reply.picture, reply.document
    if picture is not None and len(picture.data) > PICTURE_BYTES:
        text = f"{text}\n{front_text(language, 'picture_too_large', limit=PICTURE_BYTES // 1024**2)}".strip()
        picture = None
    if document is not None and len(document.data) > DOCUMENT_BYTES:
        text = f"{text}\n{front_text(language, 'file_too_large', limit=DOCUMENT_BYTES // 1024**2)}".strip()
        document = None
    limit = (TELEGRAM_TEXT if picture is None else TELEGRAM_CAPTION) - _MARGIN
    first = split_text(text, limit)[0]
    rest = text[len(first) :].lstrip("\n ")
    more = tuple(split_text(rest, TELEGRAM_TEXT - _MARGIN)) if rest else ()
    if not first and picture is None:
        first = front_text(language, "nothing")
    original = front_text(language, "original_button") if picture is not None and reply.live is None else ""
    return Shape(
        first,
        more,
        picture.data if picture else None,
        picture.name if picture else "",
        (document.name, document.data) if document else None,
        keyboard(reply.rows, original=original),
    )
