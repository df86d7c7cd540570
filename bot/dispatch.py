"""The gate every front end goes through: access, age, once-only, audit, then the handler.

Adapters: acknowledge FIRST (defer, answerCallbackQuery …); when that fails, do not call this: the person was shown a
failure and will press again. Then call one of the methods, show the Reply, and call ``delivered`` when it has a binding.
A Reply without text, picture and notice is shown as nothing at all.
"""

from __future__ import annotations

import contextlib
import json
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from typing import TypeAlias

from bot.access import Decision, Incoming, Permission, Platform, User
from bot.commands.arguments import (
    MAXIMUM_CHOICES,
    Argument,
    ChoiceArgument,
    StockArgument,
    Suggestion,
    TextArgument,
)
from bot.commands.registry import Action, Command, UnknownCommand
from bot.context import Context
from bot.control import ControlPlane
from bot.inputs import BadArgument, printable
from bot.problems import problem_reply
from bot.reply import Button, Form, LiveView, Reply, grid, shorten
from bot.texts import Texts
from bot.works import Works
from engine import clock
from engine.broker import TemporaryError

logger = logging.getLogger(__name__)

ProgressSink: TypeAlias = Callable[[Reply], Awaitable[None]]
"""Shows an interim Reply (progress with a cancel button) in place of the placeholder; may fail harmlessly."""
Body: TypeAlias = Callable[[Context], Awaitable[Reply]]

FRESH_SECONDS = 60.0
AUDIT_PATIENCE_SECONDS = 0.2
"""How long the answer to a panic may wait for its audit entry."""
REFUSALS_PER_MINUTE = 3
REQUESTS_PER_SPAN, SPAN_SECONDS = 60, 10.0
AGAIN, CANCEL_WORK = "c", "k"
"""Action prefixes of the dispatcher's own: run a command again, cancel long work."""


class Dispatcher:
    """None of the methods raises for what a person did; an unexpected failure is logged and answered with one line."""

    def __init__(self, plane: ControlPlane) -> None:
        self._plane = plane
        self._works = Works(plane.wall)
        self._refused: dict[tuple[str, int], list[float]] = {}
        self._pace: dict[str, deque[float]] = {}

    # -- entrances

    async def run(
        self, incoming: Incoming, command: str, arguments: Mapping[str, str], progress: ProgressSink | None = None
    ) -> Reply:
        """A command with raw texts by argument name (Korean or English)."""
        say = self._texts(incoming)
        try:
            found = self._plane.registry.find(command)
        except UnknownCommand:
            return await self._unknown(incoming, say, command)
        return await self._command(incoming, say, found, arguments, progress)

    async def run_line(self, incoming: Incoming, text: str, progress: ProgressSink | None = None) -> Reply:
        """A typed line: "차트 삼성전자 15분", "/chart 005930 15m"."""
        say = self._texts(incoming)
        try:
            found = self._plane.registry.find((text.split() or [""])[0])
        except UnknownCommand:
            return await self._unknown(incoming, say, text)
        refusal = await self._refusal(incoming, say, found.permission, found.name_en)
        if refusal is not None:
            return refusal
        try:
            line = self._plane.registry.parse_line(text, self._plane.stocks)
        except BadArgument as problem:
            await self._audit(incoming, found.name_en, {"text": printable(text)}, "refused", problem.key)
            return problem_reply(problem, say)
        return await self._command(incoming, say, line.command, line.arguments, progress)

    async def act(
        self,
        incoming: Incoming,
        action: str,
        answers: Mapping[str, str] | None = None,
        progress: ProgressSink | None = None,
    ) -> Reply:
        """A pressed button, or a filled form (``answers`` by field name; ``incoming.message`` is the message with the
        button in both cases)."""
        say = self._texts(incoming)
        prefix, *parts = action.split(":")
        if prefix == AGAIN and parts:
            return await self._again(incoming, say, parts, progress)
        if prefix == CANCEL_WORK and parts:
            return await self._cancel_work(incoming, say, parts[0])
        try:
            found, parts = self._plane.registry.find_action(action)
        except UnknownCommand:
            return await self._unknown(incoming, say, action)
        given = dict(answers or {})
        shown = {"action": printable(action, 64), **_masked(given)}

        async def body(context: Context) -> Reply:
            return await found.handler(context, parts, given)

        return await self._guarded(incoming, say, found.needs(parts), found.prefix, shown, body, any_age=found.any_age)

    async def refresh(self, incoming: Incoming, action: str) -> Reply:
        """The next picture of a live view; not audited, not deduplicated. ``live`` None in the answer ends it; one with
        ``live`` alone leaves the message as it is for this round."""
        say = self._texts(incoming)
        try:
            found, parts = self._plane.registry.find_action(action)
        except UnknownCommand:
            return Reply()
        user, _ = self._plane.access.identify(incoming.sender, found.needs(parts))
        if user is None:
            return Reply()
        try:
            return await found.handler(Context(user, incoming, self._plane, say), parts, {})
        except (TemporaryError, TimeoutError):
            # The picture stays as it is, with its own time on it; the next round may succeed.
            return Reply(live=LiveView(action))
        except Exception as problem:  # the boundary: told to the person, logged when it is our fault
            return problem_reply(problem, say, pressed=True)

    async def suggest(self, incoming: Incoming, command: str, argument: str, text: str) -> list[Suggestion]:
        """At most 25 lines from memory; empty for strangers."""
        try:
            found = self._plane.registry.find(command)
        except UnknownCommand:
            return []
        user, decision = self._plane.access.identify(incoming.sender, found.permission)
        if user is None:
            if self._tolerated(incoming):
                await self._audit(incoming, f"suggest {found.name_en}", {}, decision.value, "")
            return []
        typed = found.argument(argument)
        if typed is None:
            return []
        return typed.suggest(text, self._plane.stocks, self._texts(incoming).language)[:MAXIMUM_CHOICES]

    async def form_of(self, incoming: Incoming, action: str) -> Form | None:
        """What to ask before ``act`` for a button of kind FORM; None when the person may not, or nothing is asked."""
        try:
            found, parts = self._plane.registry.find_action(action)
        except UnknownCommand:
            return None
        user, _ = self._plane.access.identify(incoming.sender, found.needs(parts))
        if user is None or found.form is None:
            return None
        return found.form(parts, Context(user, incoming, self._plane, self._texts(incoming)))

    async def delivered(self, binding: str, message: str) -> None:
        """Reply.binding is now shown as ``message`` (``place/message-id``)."""
        await self._plane.tickets.bind(binding, message)
        await self._plane.confirmations.bind(binding, message)

    def ephemeral(self, incoming: Incoming, target: Command | Action) -> bool:
        """Whether the answer is for the asker's eyes only; to be known before deferring."""
        own = target.ephemeral or target.permission >= Permission.TRADER
        return not incoming.sender.private and (own or self._plane.access.hides(incoming.sender))

    # -- the gate

    async def _command(
        self,
        incoming: Incoming,
        say: Texts,
        command: Command,
        raw: Mapping[str, str],
        progress: ProgressSink | None,
    ) -> Reply:
        secret = {a.name for a in command.arguments if isinstance(a, TextArgument) and a.secret}
        shown = {name: "***" if name in secret else printable(text) for name, text in raw.items()}

        async def body(context: Context) -> Reply:
            try:
                values = self._plane.registry.values(command, raw, self._plane.stocks)
            except BadArgument as problem:
                return _with_options(problem, context, command, raw)
            if not command.slow or progress is None:
                return await command.handler(context, **values)
            return await self._works.run(context, lambda inner: command.handler(inner, **values), progress)

        reply = await self._guarded(
            incoming, say, command.permission, command.name_en, shown, body, any_age=command.any_age
        )
        hidden = command.ephemeral or command.permission >= Permission.TRADER
        return replace(reply, ephemeral=reply.ephemeral or hidden)

    async def _guarded(
        self,
        incoming: Incoming,
        say: Texts,
        needed: Permission,
        verb: str,
        shown: Mapping[str, str],
        body: Body,
        *,
        any_age: bool = False,
    ) -> Reply:
        refusal = await self._refusal(incoming, say, needed, verb)
        if refusal is not None:
            return refusal
        user, _ = self._plane.access.identify(incoming.sender, needed)
        if user is None:  # the list changed while the refusal was checked
            return Reply()
        context = Context(user, incoming, self._plane, say)
        if any_age:
            # The kill switch waits for nothing of ours: neither for the age check nor for a database.
            return await self._obey(context, verb, shown, body)
        if not self._fresh(incoming):
            await self._audit(incoming, verb, shown, "expired", "")
            return Reply(text=say("too_old"), error=True)
        if not self._paced(context.user):
            return Reply(notice=say("too_fast"), error=True)
        try:
            if incoming.id and not await self._plane.store.first_time(f"{incoming.sender.platform}:{incoming.id}"):
                return Reply(notice=say("already_handled"))
            await self._audit(incoming, verb, shown, Decision.ALLOWED.value, "", strict=needed > Permission.VIEWER)
        except Exception as problem:
            logger.exception("control.db cannot be written")
            if needed > Permission.VIEWER:
                return Reply(text=say("no_record", reason=printable(str(problem), 120)), error=True)
        reply = await self._result(context, body)
        if needed > Permission.VIEWER:
            await self._done(context, verb, shown, reply)
        return self._private(incoming, reply)

    async def _obey(self, context: Context, verb: str, shown: Mapping[str, str], body: Body) -> Reply:
        reply = await self._result(context, body)
        with contextlib.suppress(TimeoutError):
            async with clock.wall_timeout(AUDIT_PATIENCE_SECONDS):
                await self._done(context, verb, shown, reply)
        return self._private(context.incoming, reply)

    async def _done(self, context: Context, verb: str, shown: Mapping[str, str], reply: Reply) -> None:
        """What a trader or admin did, with its outcome: in our own audit and in the order journal's."""
        result = printable((reply.text or reply.notice).partition("\n")[0], 200)
        await self._audit(context.incoming, verb, shown, "done", result)
        entry: dict[str, object] = {
            "user": context.user.key,
            "verb": verb,
            "arguments": dict(shown),
            "decision": "done",
            "result": result,
        }
        try:
            await context.services.orders.record_audit(entry)
        except Exception:  # what was done is done; our own audit has it
            logger.exception("the journal did not take the audit entry for %s", verb)

    async def _result(self, context: Context, body: Body) -> Reply:
        try:
            return await body(context)
        except Exception as problem:  # the boundary: told to the person, logged when it is our fault
            return problem_reply(problem, context.say, pressed=bool(context.incoming.message))

    def _private(self, incoming: Incoming, reply: Reply) -> Reply:
        return replace(reply, ephemeral=reply.ephemeral or self._plane.access.hides(incoming.sender))

    async def _refusal(self, incoming: Incoming, say: Texts, needed: Permission, verb: str) -> Reply | None:
        """None when the sender may; else one fixed line. Strangers are answered three times a minute, then with
        silence; and no more refusals than that fill the audit."""
        user, decision = self._plane.access.identify(incoming.sender, needed)
        if user is not None:
            return None
        tolerated = self._tolerated(incoming)
        if tolerated:
            await self._audit(incoming, verb, {}, decision.value, "")
        elif decision is Decision.STRANGER:
            return Reply()
        return Reply(text=say(f"refused_{decision.value}"), ephemeral=True, error=True)

    def _tolerated(self, incoming: Incoming) -> bool:
        """False once a refused sender has been answered (and audited) three times within a minute."""
        key = (incoming.sender.platform.value, incoming.sender.id)
        now = self._plane.wall.monotonic()
        recent = [at for at in self._refused.get(key, []) if now - at < 60.0]
        if len(recent) >= REFUSALS_PER_MINUTE:
            return False
        if len(self._refused) > 1_000:
            self._refused = {k: times for k, times in self._refused.items() if now - times[-1] < 60.0}
        self._refused[key] = [*recent, now]
        return True

    def _paced(self, user: User) -> bool:
        """False for a chat user with more than 60 requests in 10 seconds; the console is this machine's own."""
        if user.platform is Platform.CONSOLE:
            return True
        now = self._plane.wall.monotonic()
        times = self._pace.setdefault(user.key, deque(maxlen=REQUESTS_PER_SPAN))
        if len(times) == REQUESTS_PER_SPAN and now - times[0] < SPAN_SECONDS:
            return False
        times.append(now)
        return True

    def _fresh(self, incoming: Incoming) -> bool:
        return abs((self._plane.wall.now() - incoming.sent_at).total_seconds()) <= FRESH_SECONDS

    async def _unknown(self, incoming: Incoming, say: Texts, text: str) -> Reply:
        refusal = await self._refusal(incoming, say, Permission.VIEWER, "unknown")
        if refusal is not None:
            return refusal
        if not self._fresh(incoming):
            return Reply(text=say("too_old"), error=True)
        return Reply(text=say("unknown_command", text=printable(text)), error=True)

    async def _again(
        self, incoming: Incoming, say: Texts, parts: Sequence[str], progress: ProgressSink | None
    ) -> Reply:
        name, *given = parts
        try:
            command = self._plane.registry.find(name)
        except UnknownCommand:
            return await self._unknown(incoming, say, name)
        raw = {argument.name: text for argument, text in zip(command.arguments, given, strict=False) if text}
        return await self._command(incoming, say, command, raw, progress)

    async def _cancel_work(self, incoming: Incoming, say: Texts, work: str) -> Reply:
        refusal = await self._refusal(incoming, say, Permission.VIEWER, "cancel-work")
        if refusal is not None:
            return refusal
        user: User | None = self._plane.access.identify(incoming.sender, Permission.VIEWER)[0]
        stopped = user is not None and self._works.cancel(work, user.key)
        return Reply(notice=say("work_cancelling" if stopped else "work_gone"))

    def _texts(self, incoming: Incoming) -> Texts:
        spoken = incoming.sender.language.split("-")[0].lower()
        return Texts(spoken if spoken in ("ko", "en") else self._plane.language)

    async def _audit(
        self,
        incoming: Incoming,
        verb: str,
        arguments: Mapping[str, str],
        decision: str,
        result: str,
        *,
        strict: bool = False,
    ) -> None:
        """Append to the audit. Only ``strict`` entries stop what they describe when they cannot be written."""
        sender = incoming.sender
        try:
            await self._plane.store.record(
                self._plane.wall.now().isoformat(),
                f"{sender.platform.value}:{sender.id}",
                printable(sender.place, 60),
                printable(incoming.id, 60),
                verb,
                json.dumps(dict(arguments), ensure_ascii=False),
                decision,
                result,
            )
        except Exception:
            if strict:
                raise
            logger.exception("audit entry for %s could not be written", verb)


PUBLIC_ANSWERS = frozenset({"price", "quantity", "target", "value"})
"""Form fields that the audit may hold; every other one may be a secret."""


def _masked(answers: Mapping[str, str]) -> dict[str, str]:
    return {name: printable(text) if name in PUBLIC_ANSWERS else "***" for name, text in answers.items()}


def _with_options(problem: BadArgument, context: Context, command: Command, raw: Mapping[str, str]) -> Reply:
    """The line that says what is wrong; where several stocks fit, with a button for each that runs the command on."""
    reply = problem_reply(problem, context.say, pressed=bool(context.incoming.message))
    options = problem.values.get("options")
    if not isinstance(options, tuple) or reply.notice:
        return reply
    buttons = []
    for stock in options:
        texts = [_carried(argument, raw, context, stock.code) for argument in command.arguments]
        try:
            buttons.append(Button(shorten(stock.name, 40), ":".join([AGAIN, command.name_en, *texts]).rstrip(":")))
        except ValueError:  # an argument that a button cannot carry: the line alone must do
            return reply
    return replace(reply, rows=grid(buttons, 2))


def _carried(argument: Argument, raw: Mapping[str, str], context: Context, code: str) -> str:
    """An argument as a button carries it: the chosen stock, the value of a choice, else what was typed."""
    if isinstance(argument, StockArgument):
        return code
    given = raw.get(argument.name, raw.get(argument.name_ko, ""))
    if isinstance(argument, ChoiceArgument) and given:
        try:
            return argument.parse(given, context.plane.stocks)
        except BadArgument:
            return given
    return given
