"""A Reply as Discord shows it: content parts, attachments with alt text, persistent buttons, modals."""

from __future__ import annotations

import io
import re
from dataclasses import dataclass
from typing import Any, Protocol

import discord

from bot.reply import (
    ALT_TEXT,
    BUTTON_LABEL,
    DISCORD_TEXT,
    PICTURE_BYTES,
    Button,
    ButtonKind,
    ButtonStyle,
    Form,
    Reply,
    Row,
    shorten,
    split_text,
)
from bot.texts.frontends import front_text

MENTIONS = discord.AllowedMentions.none()
MODAL_PREFIX = "m!"
_STYLES = {
    ButtonStyle.PRIMARY: discord.ButtonStyle.primary,
    ButtonStyle.SECONDARY: discord.ButtonStyle.secondary,
    ButtonStyle.SUCCESS: discord.ButtonStyle.success,
    ButtonStyle.DANGER: discord.ButtonStyle.danger,
}
# Only what would change the look of a plain line; a lone "~" or "_" in "3% ~ 5%" or a name stays as it is.
_MARKUP = re.compile(r"[*`\\]|__|~~|\|\||^(?=#{1,3} |-# |>)", re.MULTILINE)


class PressHandler(Protocol):
    """What the client offers to the buttons: they outlive restarts, so they find their handler through it."""

    async def on_press(self, interaction: discord.Interaction[Any], asks: bool, action: str) -> None: ...


def plain(text: str) -> str:
    """``text`` with Discord's markdown taken literally."""
    return _MARKUP.sub(lambda found: "\\" + found[0], text)


class ActionButton(
    discord.ui.DynamicItem[discord.ui.Button[Any]], template=r"(?P<kind>[af])!(?P<action>[^#]+)(?:#\d+)?"
):
    """A button whose custom id is all there is to it: kind (action or form) and the action."""

    def __init__(self, item: discord.ui.Button[Any], kind: str, action: str) -> None:
        super().__init__(item)
        self.asks = kind == "f"
        self.action = action

    @classmethod
    def of(cls, button: Button, number: int = 0) -> ActionButton:
        kind = "f" if button.kind is ButtonKind.FORM else "a"
        # Discord refuses the same custom id twice in one message.
        suffix = f"#{number}" if number else ""
        item: discord.ui.Button[Any] = discord.ui.Button(
            label=shorten(button.label, BUTTON_LABEL),
            style=_STYLES[button.style],
            custom_id=f"{kind}!{button.action}{suffix}",
            disabled=button.disabled,
        )
        return cls(item, kind, button.action)

    @classmethod
    async def from_custom_id(
        cls, interaction: discord.Interaction[Any], item: discord.ui.Item[Any], match: re.Match[str], /
    ) -> ActionButton:
        assert isinstance(item, discord.ui.Button)
        return cls(item, match["kind"], match["action"])

    async def callback(self, interaction: discord.Interaction[Any]) -> None:
        handler: PressHandler = interaction.client
        await handler.on_press(interaction, self.asks, self.action)


def view_of(rows: tuple[Row, ...]) -> discord.ui.View | None:
    if not rows:
        return None
    view = discord.ui.View(timeout=None)
    used: dict[tuple[ButtonKind, str], int] = {}
    for number, row in enumerate(rows):
        for button in row:
            key = (button.kind, button.action)
            item = ActionButton.of(button, used.get(key, 0))
            used[key] = used.get(key, 0) + 1
            item.row = number
            view.add_item(item)
    return view


def modal_of(form: Form) -> discord.ui.Modal:
    """The fields with labels. Its submission is read from the raw interaction, so it needs no state here."""
    modal = discord.ui.Modal(title=form.title, custom_id=f"{MODAL_PREFIX}{form.action}", timeout=900)
    for entry in form.fields:
        text: discord.ui.TextInput[Any] = discord.ui.TextInput(
            custom_id=entry.name,
            placeholder=entry.placeholder or None,
            required=entry.required,
            default=entry.value or None,
            max_length=200,
        )
        modal.add_item(discord.ui.Label(text=entry.label, component=text))
    return modal


def answers_of(data: Any) -> dict[str, str]:
    """Field name → text of a submitted modal's raw data (labels, or the older rows)."""
    answers: dict[str, str] = {}
    for top in data.get("components") or []:
        inner = [top["component"]] if "component" in top else top.get("components") or []
        for entry in inner:
            if "value" in entry:
                answers[str(entry["custom_id"])] = str(entry["value"])
    return answers


@dataclass(frozen=True, slots=True)
class Shape:
    """A Reply cut to Discord's measure. ``files`` are made anew for each attempt: sending one closes it."""

    first: str
    more: tuple[str, ...]
    reply: Reply
    limit: int

    def files(self) -> list[discord.File]:
        found = []
        picture, document = self.reply.picture, self.reply.document
        if picture is not None and len(picture.data) <= self.limit:
            alternative = shorten(picture.alternative, ALT_TEXT)
            found.append(discord.File(io.BytesIO(picture.data), filename=picture.name, description=alternative))
        if document is not None and len(document.data) <= self.limit:
            found.append(discord.File(io.BytesIO(document.data), filename=document.name))
        return found

    def new(self) -> dict[str, Any]:
        """Keyword arguments for sending."""
        values: dict[str, Any] = {"content": self.first or None, "files": self.files(), "allowed_mentions": MENTIONS}
        view = view_of(self.reply.rows)
        if view is not None:
            values["view"] = view
        return values

    def edited(self) -> dict[str, Any]:
        """Keyword arguments for editing: the attachments are the complete new list, the buttons too."""
        return {
            "content": self.first or None,
            "attachments": self.files(),
            "view": view_of(self.reply.rows),
            "allowed_mentions": MENTIONS,
        }


def shape(reply: Reply, language: str, limit: int = PICTURE_BYTES) -> Shape:
    """Check sizes before anything is sent: a file over ``limit`` bytes is left out, and the text says so."""
    text = reply.text
    megabytes = limit // (1024 * 1024)
    if reply.picture is not None and len(reply.picture.data) > limit:
        text = f"{text}\n{front_text(language, 'picture_too_large', limit=megabytes)}".strip()
    if reply.document is not None and len(reply.document.data) > limit:
        text = f"{text}\n{front_text(language, 'file_too_large', limit=megabytes)}".strip()
    first, *more = split_text(plain(text), DISCORD_TEXT)
    if not first and reply.picture is None and reply.document is None and reply.rows:
        first = front_text(language, "nothing")
    return Shape(first, tuple(more), reply, limit)
