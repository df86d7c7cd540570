"""The one registry: Discord, Telegram, console, help, permission checks and docs/commands.md all come from it.

Adding a command is one file in this folder with a handler under ``@command(...)``; ``load()`` finds it. Buttons are
handled by ``@action(prefix, ...)`` in the same files.
"""

from __future__ import annotations

import importlib
import pkgutil
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any, TypeAlias

from bot.access import Permission
from bot.commands.arguments import Argument, ChoiceArgument, StockArgument, StockLookup
from bot.inputs import BadArgument
from bot.reply import Form, Reply

if TYPE_CHECKING:
    from bot.context import Context

Handler: TypeAlias = Callable[..., Awaitable[Reply]]
"""``async (context, **arguments) -> Reply``; one keyword per argument."""
ActionHandler: TypeAlias = "Callable[[Context, Sequence[str], Mapping[str, str]], Awaitable[Reply]]"
"""``async (context, parts, answers) -> Reply``: the parts of the action after its prefix, the answers of its form."""
ConfirmedHandler: TypeAlias = "Callable[[Context, Mapping[str, str]], Awaitable[Reply]]"
"""``async (context, payload) -> Reply``; the payload is what was kept when the question was asked."""
FormMaker: TypeAlias = "Callable[[Sequence[str], Context], Form | None]"

_TELEGRAM_NAME = re.compile(r"[a-z][a-z0-9_]{0,31}")
_KOREAN_NAME = re.compile(r"[가-힣]{1,32}")


class Group(StrEnum):
    """Headings of the help text and of the docs page, in this order."""

    QUOTES = "quotes"
    RESEARCH = "research"
    ORDERS = "orders"
    ACCOUNT = "account"
    BOT = "bot"
    SYSTEM = "system"


@dataclass(frozen=True, slots=True)
class Command:
    """One capability. ``name_en`` is also the Telegram name (ASCII)."""

    name_ko: str
    name_en: str
    description_ko: str
    description_en: str
    permission: Permission
    group: Group
    handler: Handler
    arguments: tuple[Argument, ...] = ()
    aliases: tuple[str, ...] = ()
    """Other words that a typed line may begin with."""
    ephemeral: bool = False
    """Answers are for the asker's eyes only; Discord must know before it defers."""
    slow: bool = False
    """May take longer than a few seconds: it reports progress and can be cancelled."""
    any_age: bool = False
    """Obeyed however old the message is (비상 alone)."""
    answers_with_form: bool = False
    """The first answer asks for fields: Discord must not defer it."""
    examples: tuple[str, ...] = ()
    module: str = ""

    def argument(self, name: str) -> Argument | None:
        return next((a for a in self.arguments if name in (a.name, a.name_ko)), None)

    def name(self, language: str) -> str:
        return self.name_ko if language == "ko" else self.name_en

    def description(self, language: str) -> str:
        return self.description_ko if language == "ko" else self.description_en

    def usage(self, language: str = "ko") -> str:
        """For instance ``차트 <종목> [간격]``."""
        parts = [self.name(language)]
        parts += [f"<{a.label(language)}>" if a.required else f"[{a.label(language)}]" for a in self.arguments]
        return " ".join(parts)


@dataclass(frozen=True, slots=True)
class Action:
    """What the buttons under one prefix do. Verbs may need more than ``permission``: ``stricter`` says which."""

    prefix: str
    permission: Permission
    handler: ActionHandler
    form: FormMaker | None = None
    any_age: bool = False
    ephemeral: bool = False
    stricter: Mapping[str, Permission] = field(default_factory=dict)
    """Any part of the action that equals a key raises what is needed to that permission."""

    def needs(self, parts: Sequence[str]) -> Permission:
        return max([self.permission, *(self.stricter[part] for part in parts if part in self.stricter)])


@dataclass(frozen=True, slots=True)
class Confirmed:
    """What happens once a person has confirmed something of this kind."""

    kind: str
    permission: Permission
    handler: ConfirmedHandler
    second_factor: bool = False
    """A one-time code is asked for with the confirmation."""


@dataclass(frozen=True, slots=True)
class Line:
    """A typed line taken apart: the command and its raw argument texts by argument name."""

    command: Command
    arguments: dict[str, str]


class UnknownCommand(LookupError):
    """No command has that name."""


class Registry:
    def __init__(self) -> None:
        self._commands: dict[str, Command] = {}
        self._words: dict[str, Command] = {}
        self._actions: dict[str, Action] = {}
        self._confirmed: dict[str, Confirmed] = {}

    # -- registering

    def add(self, command: Command) -> None:
        if not _TELEGRAM_NAME.fullmatch(command.name_en) or not _KOREAN_NAME.fullmatch(command.name_ko):
            raise ValueError(f"command names were {command.name_ko!r}, {command.name_en!r}")
        if len(command.description_ko) > 100 or len(command.description_en) > 100:
            raise ValueError(f"{command.name_en}: description longer than 100")
        optional = False
        for argument in command.arguments:
            if len(argument.description_ko) > 100 or len(argument.description_en) > 100:
                raise ValueError(f"{command.name_en}.{argument.name}: description longer than 100")
            if argument.required and optional:
                raise ValueError(f"{command.name_en}: required argument {argument.name} after an optional one")
            optional = optional or not argument.required
        for word in (command.name_ko, command.name_en, *command.aliases):
            if word.casefold() in self._words:
                raise ValueError(f"command word {word!r} is taken")
            self._words[word.casefold()] = command
        self._commands[command.name_en] = command

    def add_action(self, action: Action) -> None:
        if action.prefix in self._actions:
            raise ValueError(f"action prefix {action.prefix!r} is taken")
        self._actions[action.prefix] = action

    def add_confirmed(self, confirmed: Confirmed) -> None:
        if confirmed.kind in self._confirmed:
            raise ValueError(f"confirmation kind {confirmed.kind!r} is taken")
        self._confirmed[confirmed.kind] = confirmed

    # -- reading

    def confirmed(self, kind: str) -> Confirmed:
        return self._confirmed[kind]

    def confirmation_kinds(self) -> list[Confirmed]:
        return list(self._confirmed.values())

    def commands(self) -> list[Command]:
        """All commands in the order of help."""
        order = list(Group)
        return sorted(self._commands.values(), key=lambda c: (order.index(c.group), c.permission, c.name_ko))

    def actions(self) -> list[Action]:
        return list(self._actions.values())

    def find(self, word: str) -> Command:
        """By Korean name, English name or alias; a leading "/" and Telegram's "@bot" are allowed. Raises
        UnknownCommand."""
        cleaned = word.strip().removeprefix("/").partition("@")[0].casefold()
        try:
            return self._words[cleaned]
        except KeyError:
            raise UnknownCommand(word) from None

    def find_action(self, action: str) -> tuple[Action, list[str]]:
        """The handler of a button and the parts after the prefix. Raises UnknownCommand."""
        prefix, *parts = action.split(":")
        try:
            return self._actions[prefix], parts
        except KeyError:
            raise UnknownCommand(action) from None

    # -- parsing

    def parse_line(self, text: str, stocks: StockLookup) -> Line:
        """ "차트 삼성전자 15분" → command and raw arguments. Raises UnknownCommand, BadArgument.

        Words go to the arguments in order; an optional choice that a word does not fit is skipped when a later argument
        takes it (``관심 삼성전자``, ``종목 에코``). A number that does not fit is never taken for another one.
        """
        words = text.strip().split()
        if not words:
            raise UnknownCommand(text)
        command = self.find(words[0])
        rest = words[1:]
        found: dict[str, str] = {}
        for position, argument in enumerate(command.arguments):
            if not rest:
                break
            if argument.rest:
                found[argument.name] = " ".join(rest)
                rest = []
                break
            taken = 1
            if isinstance(argument, StockArgument):
                taken = _stock_words(rest, argument, command.arguments[position + 1 :], stocks)
            candidate = " ".join(rest[:taken])
            if isinstance(argument, ChoiceArgument) and not argument.required and not argument.fits(candidate, stocks):
                later = command.arguments[position + 1 :]
                if any(other.rest or other.fits(candidate, stocks) for other in later):
                    continue
            found[argument.name] = candidate
            rest = rest[taken:]
        if rest:
            raise BadArgument("too_many_words", text=" ".join(rest), usage=command.usage())
        return Line(command, found)

    def values(self, command: Command, raw: Mapping[str, str], stocks: StockLookup) -> dict[str, object]:
        """Typed argument values for the handler. Raises BadArgument (unknown, missing or unusable argument)."""
        values: dict[str, object] = {}
        known = {name for argument in command.arguments for name in (argument.name, argument.name_ko)}
        for name in raw:
            if name not in known:
                raise BadArgument("unknown_argument", name=name, usage=command.usage())
        for argument in command.arguments:
            text = raw.get(argument.name, raw.get(argument.name_ko, "")).strip()
            if text:
                values[argument.name] = argument.parse(text, stocks)
            elif argument.required:
                raise BadArgument("missing_argument", name=argument.name_ko, usage=command.usage())
            else:
                values[argument.name] = argument.default
        return values


def _stock_words(words: list[str], argument: StockArgument, later: Sequence[Argument], stocks: StockLookup) -> int:
    """How many words name the stock: as many as still do, and one at least."""
    if not later:
        return len(words)
    needed = sum(1 for other in later if other.required)
    for count in range(max(1, len(words) - needed), 1, -1):
        if argument.fits(" ".join(words[:count]), stocks):
            return count
    return 1


registry = Registry()
"""Filled by the modules of this folder when ``load()`` is called."""


def command(
    name_ko: str,
    name_en: str,
    *,
    description_ko: str,
    description_en: str,
    permission: Permission,
    group: Group,
    arguments: Sequence[Argument] = (),
    **more: Any,
) -> Callable[[Handler], Handler]:
    """Register the decorated coroutine function as a command."""

    def decorate(handler: Handler) -> Handler:
        registry.add(
            Command(
                name_ko,
                name_en,
                description_ko,
                description_en,
                permission,
                group,
                handler,
                tuple(arguments),
                module=handler.__module__,
                **more,
            )
        )
        return handler

    return decorate


def action(
    prefix: str,
    *,
    permission: Permission,
    form: FormMaker | None = None,
    any_age: bool = False,
    ephemeral: bool = False,
    stricter: Mapping[str, Permission] | None = None,
) -> Callable[[ActionHandler], ActionHandler]:
    """Register the decorated coroutine function for the buttons of ``prefix``."""

    def decorate(handler: ActionHandler) -> ActionHandler:
        registry.add_action(Action(prefix, permission, handler, form, any_age, ephemeral, stricter or {}))
        return handler

    return decorate


def confirmed(
    kind: str, *, permission: Permission, second_factor: bool = False
) -> Callable[[ConfirmedHandler], ConfirmedHandler]:
    """Register the decorated coroutine function as what follows a confirmation of ``kind``."""

    def decorate(handler: ConfirmedHandler) -> ConfirmedHandler:
        registry.add_confirmed(Confirmed(kind, permission, handler, second_factor))
        return handler

    return decorate


def load() -> Registry:
    """Import every module of this folder once and return the filled registry."""
    package = importlib.import_module("bot.commands")
    for module in pkgutil.iter_modules(package.__path__):
        if module.name not in ("registry", "arguments"):
            importlib.import_module(f"bot.commands.{module.name}")
    return registry


__all__ = [
    "Action",
    "ChoiceArgument",
    "Command",
    "Confirmed",
    "Group",
    "Line",
    "Registry",
    "UnknownCommand",
    "action",
    "command",
    "confirmed",
    "load",
    "registry",
]
