"""The gate every front end goes through: access, age, once-only, audit, then the handler.

Adapters: acknowledge FIRST (defer, answerCallbackQuery …); when that fails, do not call this. Then call one of the
methods, show the Reply, and call ``delivered`` when it has a binding.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import TypeAlias

from bot.access import Incoming
from bot.commands.arguments import Suggestion
from bot.reply import Form, Reply

ProgressSink: TypeAlias = Callable[[Reply], Awaitable[None]]
"""Shows an interim Reply (progress with a cancel button) in place of the placeholder; may fail harmlessly."""


class Dispatcher:
    """``run``, ``run_line``, ``act``, ``refresh``, ``suggest``, ``form_of``, ``delivered``: see each. None of them
    raises for what a person did; an unexpected failure is logged, audited and answered with one Korean line."""

    async def run(
        self, incoming: Incoming, command: str, arguments: Mapping[str, str], progress: ProgressSink | None = None
    ) -> Reply:
        """A command with raw texts by argument name (Korean or English)."""
        raise NotImplementedError

    async def run_line(self, incoming: Incoming, text: str, progress: ProgressSink | None = None) -> Reply:
        """A typed line: "차트 삼성전자 15분", "/chart 005930 15m"."""
        raise NotImplementedError

    async def act(
        self,
        incoming: Incoming,
        action: str,
        answers: Mapping[str, str] | None = None,
        progress: ProgressSink | None = None,
    ) -> Reply:
        """A pressed button, or a filled form (``answers`` by field name)."""
        raise NotImplementedError

    async def refresh(self, incoming: Incoming, action: str) -> Reply:
        """The next picture of a live view; not audited, not deduplicated. ``live`` None in the answer ends it."""
        raise NotImplementedError

    async def suggest(self, incoming: Incoming, command: str, argument: str, text: str) -> list[Suggestion]:
        """At most 25 lines from memory; empty for strangers."""
        raise NotImplementedError

    async def form_of(self, incoming: Incoming, action: str) -> Form | None:
        """What to ask before ``act`` for a button of kind FORM; None when the person may not, or nothing is asked."""
        raise NotImplementedError

    async def delivered(self, binding: str, message: str) -> None:
        """Reply.binding is now shown as ``message`` (``place/message-id``)."""
        raise NotImplementedError
