"""Autocomplete of a whole typed line: first the command, then its arguments."""

from __future__ import annotations

from bot.commands.registry import UnknownCommand
from bot.web.models import SuggestionModel
from bot.web.security import Caller
from bot.web.state import WebState

SHOWN = 12


async def suggest_line(state: WebState, caller: Caller, line: str) -> list[SuggestionModel]:
    """At most 12 lines; ``value`` is the whole line as it would be after the choice."""
    words = line.split()
    language = state.plane.language
    if not words or (len(words) == 1 and not line[-1].isspace()):
        start = words[0].removeprefix("/").casefold() if words else ""
        found = [
            command
            for command in state.plane.registry.commands()
            if any(name.startswith(start) for name in (command.name_ko, command.name_en, *command.aliases))
        ]
        return [
            SuggestionModel(label=f"{c.usage(language)} — {c.description(language)}", value=f"{c.name(language)} ")
            for c in found[:SHOWN]
        ]
    try:
        command = state.plane.registry.find(words[0])
    except UnknownCommand:
        return []
    typed = words[1:] if not line[-1].isspace() else [*words[1:], ""]
    position = min(len(typed), len(command.arguments)) - 1
    if position < 0:
        return []
    argument = command.arguments[position]
    text = " ".join(typed[position:])
    options = await state.cards.dispatcher.suggest(state.cards.incoming(caller), command.name_en, argument.name, text)
    before = " ".join([words[0], *typed[:position]])
    more = " " if position + 1 < len(command.arguments) else ""
    return [SuggestionModel(label=s.label, value=f"{before} {s.value}{more}") for s in options[:SHOWN]]
