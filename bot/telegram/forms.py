"""Forms in a chat: one forced reply after the other, forgotten after two minutes or at any command."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from telegram import ForceReply

from bot.reply import FIELD_PLACEHOLDER, Form, shorten
from bot.telegram.delivery import Delivery, Slot
from bot.texts.frontends import front_text
from engine import clock

FORM_SECONDS = 120.0
STOP_WORDS = ("그만", "stop", "/cancel_form")
SKIP = "-"


@dataclass(slots=True)
class Asked:
    """A form under way. ``origin`` is the message whose button was pressed."""

    form: Form
    origin: Slot
    answers: dict[str, str] = field(default_factory=dict)
    messages: list[int] = field(default_factory=list)
    deadline: float = 0.0

    @property
    def complete(self) -> bool:
        return len(self.answers) == len(self.form.fields)


class Forms:
    """At most one for each person in each chat."""

    def __init__(self, language: str) -> None:
        self._language = language
        self._asked: dict[tuple[int, int], Asked] = {}

    async def begin(self, delivery: Delivery, chat: int, user: int, form: Form, origin: Slot) -> None:
        await self.drop(delivery, chat, user)
        asked = Asked(form, origin, deadline=clock.monotonic() + FORM_SECONDS)
        self._asked[chat, user] = asked
        await self._prompt(delivery, chat, asked)

    def waiting(self, chat: int, user: int) -> Asked | None:
        asked = self._asked.get((chat, user))
        if asked is not None and clock.monotonic() > asked.deadline:
            del self._asked[chat, user]
            return None
        return asked

    async def answer(self, delivery: Delivery, chat: int, user: int, text: str, message: int) -> Asked | None:
        """Take the next answer; the form when it is complete. A secret leaves the chat at once."""
        asked = self._asked[chat, user]
        entry = asked.form.fields[len(asked.answers)]
        if entry.secret:
            await delivery.remove(chat, message)
        else:
            asked.messages.append(message)
        skipped = text.strip() == SKIP and not entry.required
        asked.answers[entry.name] = entry.value if skipped else text.strip()
        if not asked.complete:
            await self._prompt(delivery, chat, asked)
            return None
        await self.drop(delivery, chat, user)
        return replace(asked)

    async def drop(self, delivery: Delivery, chat: int, user: int) -> None:
        """Forget it and tidy up the questions."""
        asked = self._asked.pop((chat, user), None)
        for message in asked.messages if asked else ():
            await delivery.remove(chat, message)

    async def _prompt(self, delivery: Delivery, chat: int, asked: Asked) -> None:
        entry = asked.form.fields[len(asked.answers)]
        text = front_text(self._language, "form_prompt", title=asked.form.title, label=entry.label)
        if not entry.required:
            text += "\n" + front_text(self._language, "form_optional")
        placeholder = shorten(entry.placeholder, FIELD_PLACEHOLDER) or None
        prompt = await delivery.say(chat, text, reply_markup=ForceReply(input_field_placeholder=placeholder))
        asked.messages.append(prompt.message_id)
