"""What a handler answers, without any platform in it: text, picture, buttons, and how the message lives on.

Adapters translate these values and decide nothing. What a platform cannot show it leaves out; what is too long it
cuts with ``split_text`` or ``shorten``.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum

DISCORD_TEXT = 2_000
TELEGRAM_TEXT = 4_096
TELEGRAM_CAPTION = 1_024
BUTTON_LABEL = 80
ALT_TEXT = 1_024
ACTION_BYTES = 64
BUTTONS_PER_ROW = 5
ROWS = 5
FORM_TITLE = 45
FORM_FIELDS = 5
FIELD_LABEL = 45
FIELD_PLACEHOLDER = 64
"""Telegram's limit; Discord's is 100."""
PICTURE_BYTES = 10 * 1024 * 1024

_ACTION = re.compile(r"[a-z]{1,8}(:[A-Za-z0-9_.,+-]*)*")


class ButtonStyle(StrEnum):
    PRIMARY = "primary"
    SECONDARY = "secondary"
    SUCCESS = "success"
    DANGER = "danger"


class ButtonKind(StrEnum):
    ACTION = "action"
    """Pressing it calls ``Dispatcher.act``."""
    FORM = "form"
    """Pressing it first asks for the fields of ``Dispatcher.form_of(action)``; the answers come with the action."""


@dataclass(frozen=True, slots=True)
class Button:
    """``action`` is ASCII, at most 64 bytes with its prefix, and carries no order data: an opaque id and a verb."""

    label: str
    action: str
    style: ButtonStyle = ButtonStyle.SECONDARY
    kind: ButtonKind = ButtonKind.ACTION
    disabled: bool = False

    def __post_init__(self) -> None:
        if not _ACTION.fullmatch(self.action) or len(self.action) > ACTION_BYTES:
            raise ValueError(f"action was {self.action!r}")
        if not self.label or len(self.label) > BUTTON_LABEL:
            raise ValueError(f"button label was {self.label!r}")


Row = tuple[Button, ...]


@dataclass(frozen=True, slots=True)
class FormField:
    """One line of text that a person types. ``secret`` answers are deleted from the chat at once."""

    name: str
    label: str
    placeholder: str = ""
    required: bool = True
    secret: bool = False
    value: str = ""


@dataclass(frozen=True, slots=True)
class Form:
    """A modal on Discord, forced replies on Telegram, inputs in the console. ``action`` is called with the answers."""

    title: str
    fields: tuple[FormField, ...]
    action: str

    def __post_init__(self) -> None:
        if not 1 <= len(self.fields) <= FORM_FIELDS:
            raise ValueError(f"form had {len(self.fields)} fields")
        if len(self.title) > FORM_TITLE or any(len(f.label) > FIELD_LABEL for f in self.fields):
            raise ValueError(f"form title or label too long: {self.title!r}")


@dataclass(frozen=True, slots=True)
class Picture:
    """PNG bytes with the words that stand for them (alt text ≤ 1024)."""

    data: bytes = field(repr=False)
    alternative: str
    name: str = "gaemi.png"
    width: int = 0
    height: int = 0


@dataclass(frozen=True, slots=True)
class Document:
    """A file to keep: CSV, PNG original, report."""

    name: str
    data: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class LiveView:
    """The message refreshes itself: every ``seconds`` (wall) the adapter calls ``Dispatcher.refresh`` and edits.

    It ends when the answer has no ``live``, after ``times`` refreshes, when another answer took the message over, or
    when an edit fails (normal: the message is gone or its token has expired).
    """

    action: str
    seconds: float = 3.0
    times: int = 100


@dataclass(frozen=True, slots=True)
class Reply:
    """One answer. Adapters send ``text`` as the caption of ``picture`` where there is one.

    ``edit`` asks for the pressed message to be replaced in place (its old picture and buttons included); where there
    is no such message it is sent as a new one. ``ephemeral`` content is for the asker's eyes only.
    ``text`` is plain: adapters escape it. ``notice`` is a short line for the press itself (Telegram's callback answer,
    an ephemeral line on Discord) and leaves the message alone when ``text`` is empty.
    """

    text: str = ""
    picture: Picture | None = None
    rows: tuple[Row, ...] = ()
    ephemeral: bool = False
    edit: bool = False
    document: Document | None = None
    form: Form | None = None
    """Ask for these fields now (where no button was pressed: for instance a command that needs a one-time code)."""
    live: LiveView | None = None
    notice: str = ""
    binding: str = ""
    """An opaque id. When set, the adapter calls ``Dispatcher.delivered(binding, message)`` once the message is out,
    which ties tickets and confirmations to that very message."""
    silent: bool = False
    error: bool = False

    def __post_init__(self) -> None:
        if len(self.rows) > ROWS or any(not 1 <= len(row) <= BUTTONS_PER_ROW for row in self.rows):
            raise ValueError(f"button rows were {[len(row) for row in self.rows]}")

    def buttons(self) -> tuple[Button, ...]:
        return tuple(button for row in self.rows for button in row)


def shorten(text: str, limit: int) -> str:
    """``text`` cut to ``limit`` characters, the last one "…" when something is missing."""
    return text if len(text) <= limit else text[: max(0, limit - 1)].rstrip() + "…"


def split_text(text: str, limit: int = DISCORD_TEXT) -> list[str]:
    """Parts of at most ``limit`` characters, cut at line ends where possible, else at blanks. Nothing is lost but the
    line ends and blanks cut at."""
    parts = []
    rest = text
    while len(rest) > limit:
        cut = rest.rfind("\n", 1, limit + 1)
        if cut < limit // 4:
            cut = rest.rfind(" ", 1, limit + 1)
        if cut < limit // 4:
            parts.append(rest[:limit])
            rest = rest[limit:]
            continue
        parts.append(rest[:cut])
        rest = rest[cut + 1 :]
    if rest or not parts:
        parts.append(rest)
    return parts


def grid(buttons: Sequence[Button], width: int = BUTTONS_PER_ROW) -> tuple[Row, ...]:
    """Buttons laid out in rows of ``width``."""
    return tuple(tuple(buttons[n : n + width]) for n in range(0, len(buttons), width))
