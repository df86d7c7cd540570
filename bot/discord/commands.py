"""Slash commands made from the registry: Korean names with English localisation, typed options, autocomplete."""

from __future__ import annotations

import hashlib
import inspect
import json
import logging
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from typing import Any, Optional, TypeAlias

import discord
from discord import app_commands

from bot.commands.arguments import (
    MAXIMUM_CHOICES,
    Argument,
    ChoiceArgument,
    IntegerArgument,
    QuantityArgument,
    TextArgument,
)
from bot.commands.registry import Command, Registry
from bot.frontend import DefinitionMemory
from bot.inputs import MAXIMUM_SHARES
from bot.reply import shorten

logger = logging.getLogger(__name__)

CHOICE_TEXT = 100
Run: TypeAlias = Callable[[discord.Interaction[Any], Command, Mapping[str, str]], Awaitable[None]]
Suggest: TypeAlias = Callable[[discord.Interaction[Any], Command, Argument, str], Awaitable[list[tuple[str, str]]]]

_ENGLISH = (discord.Locale.american_english, discord.Locale.british_english)


class RegistryTranslator(app_commands.Translator):
    """Gives the English of a text that carries it."""

    async def translate(
        self, string: app_commands.locale_str, locale: discord.Locale, context: app_commands.TranslationContextTypes
    ) -> str | None:
        return string.extras.get("english") if locale in _ENGLISH else None


def _text(korean: str, english: str) -> app_commands.locale_str:
    return app_commands.locale_str(korean, english=english)


def build(registry: Registry, run: Run, suggest: Suggest) -> list[app_commands.Command[Any, ..., None]]:
    """One slash command for each of the registry. ``run`` gets raw texts by argument name."""
    return [_slash(command, run, suggest) for command in registry.commands()]


def _slash(command: Command, run: Run, suggest: Suggest) -> app_commands.Command[Any, ..., None]:
    names = {argument.name_ko: argument for argument in command.arguments}

    async def callback(interaction: discord.Interaction[Any], **options: object) -> None:
        raw = {names[key].name: str(value) for key, value in options.items() if value is not None}
        await run(interaction, command, raw)

    parameters = [
        inspect.Parameter("interaction", inspect.Parameter.POSITIONAL_OR_KEYWORD),
        *(
            inspect.Parameter(
                argument.name_ko,
                inspect.Parameter.POSITIONAL_OR_KEYWORD,
                annotation=_annotation(argument),
                default=inspect.Parameter.empty if argument.required else None,
            )
            for argument in command.arguments
        ),
    ]
    callback.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    if command.arguments:
        described = {a.name_ko: _text(a.description_ko, a.description_en) for a in command.arguments}
        callback = app_commands.describe(**described)(callback)
    choices = {a.name_ko: _choices(a) for a in command.arguments if _fixed(a)}
    if choices:
        callback = app_commands.choices(**choices)(callback)
    completed = {
        a.name_ko: _completion(command, a, suggest) for a in command.arguments if not _fixed(a) and _suggests(a)
    }
    if completed:
        callback = app_commands.autocomplete(**completed)(callback)
    made: app_commands.Command[Any, ..., None] = app_commands.Command(
        name=_text(command.name_ko, command.name_en),
        description=_text(command.description_ko, command.description_en),
        callback=callback,
    )
    made.allowed_contexts = app_commands.AppCommandContext(guild=True, dm_channel=True)
    return made


def _annotation(argument: Argument) -> Any:
    kind: Any = str
    if isinstance(argument, IntegerArgument):
        kind = app_commands.Range[int, argument.minimum, argument.maximum]
    elif isinstance(argument, QuantityArgument):
        kind = app_commands.Range[int, 1, MAXIMUM_SHARES]
    elif isinstance(argument, TextArgument):
        kind = app_commands.Range[str, 1, argument.maximum]
    # A Range is no class: "Range | None" would be refused where it is evaluated.
    return kind if argument.required else Optional[kind]  # noqa: UP045


def _fixed(argument: Argument) -> bool:
    return isinstance(argument, ChoiceArgument) and len(argument.choices) <= MAXIMUM_CHOICES


def _suggests(argument: Argument) -> bool:
    return argument.autocompleted or isinstance(argument, ChoiceArgument)


def _choices(argument: Argument) -> list[app_commands.Choice[str]]:
    assert isinstance(argument, ChoiceArgument)
    return [
        app_commands.Choice(name=_text(choice.label_ko, choice.label_en), value=choice.value)
        for choice in argument.choices
    ]


def _completion(
    command: Command, argument: Argument, suggest: Suggest
) -> Callable[[discord.Interaction[Any], str], Coroutine[Any, Any, list[app_commands.Choice[str]]]]:
    async def complete(interaction: discord.Interaction[Any], current: str) -> list[app_commands.Choice[str]]:
        found = await suggest(interaction, command, argument, current)
        return [
            app_commands.Choice(name=shorten(label, CHOICE_TEXT), value=value[:CHOICE_TEXT])
            for label, value in found[:MAXIMUM_CHOICES]
        ]

    return complete


async def definition_hash(tree: app_commands.CommandTree[Any]) -> str:
    """Of the payload that synchronising would send, translations included."""
    translator = tree.translator
    payload = [
        await command.get_translated_payload(tree, translator) if translator else command.to_dict(tree)
        for command in tree.get_commands()
    ]
    return hashlib.sha256(json.dumps(payload, sort_keys=True, ensure_ascii=False).encode()).hexdigest()


async def synchronise(tree: app_commands.CommandTree[Any], application: int, memory: DefinitionMemory) -> bool:
    """Send the definitions if they changed since the last time (Discord allows 200 creations a day); whether they
    were sent."""
    digest = await definition_hash(tree)
    if memory.known(str(application)) == digest:
        return False
    commands = await tree.sync()
    memory.remember(str(application), digest)
    logger.info("%d slash commands synchronised", len(commands))
    return True
