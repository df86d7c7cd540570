"""Discord's published limits, enforced with its real error codes. Source: docs.discord.com/developers."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

MEBIBYTE = 1024 * 1024
FILE_LIMIT = 10 * MEBIBYTE
REQUEST_LIMIT = 25 * MEBIBYTE
COMMAND_NAME = re.compile(r"[-_'\w]{1,32}")
COMPONENTS_V2 = 32768
EPHEMERAL = 64
LOADING = 128

ROW, BUTTON, STRING_SELECT, TEXT_INPUT = 1, 2, 3, 4
SECTION, TEXT_DISPLAY, MEDIA_GALLERY, CONTAINER, LABEL, RADIO_GROUP = 9, 10, 12, 17, 18, 21


class DiscordError(Exception):
    """An answer with a Discord error body. ``code`` is the JSON error code, e.g. 10062 or 50035."""

    def __init__(self, status: int, code: int, message: str, errors: Mapping[str, Any] | None = None) -> None:
        super().__init__(f"{status} {code} {message} {errors or ''}")
        self.status = status
        self.code = code
        self.message = message
        self.errors = errors

    def body(self) -> dict[str, Any]:
        body: dict[str, Any] = {"code": self.code, "message": self.message}
        if self.errors:
            body["errors"] = self.errors
        return body


def unknown_interaction() -> DiscordError:
    return DiscordError(404, 10062, "Unknown interaction")


def already_acknowledged() -> DiscordError:
    return DiscordError(400, 40060, "Interaction has already been acknowledged.")


def unknown_message() -> DiscordError:
    return DiscordError(404, 10008, "Unknown Message")


def too_large() -> DiscordError:
    return DiscordError(413, 40005, "Request entity too large")


def invalid(path: str, reason: str, code: str = "BASE_TYPE_BAD_LENGTH") -> DiscordError:
    """50035 with the nested error object that Discord gives: ``data.embeds.0.title`` → nested dictionaries."""
    errors: dict[str, Any] = {"_errors": [{"code": code, "message": reason}]}
    for part in reversed(path.split(".")):
        errors = {part: errors}
    return DiscordError(400, 50035, "Invalid Form Body", errors)


def _length(value: object, low: int, high: int, path: str) -> None:
    if not isinstance(value, str):
        raise invalid(path, "Could not interpret as string.", "STRING_TYPE_CONVERT")
    # Discord counts UTF-16 units no differently for BMP text; Hangul is one each.
    if not low <= len(value) <= high:
        raise invalid(path, f"Must be between {low} and {high} in length.")


def _optional(value: object, high: int, path: str, low: int = 0) -> None:
    if value is not None:
        _length(value, low, high, path)


def check_embeds(embeds: Sequence[Mapping[str, Any]]) -> None:
    if len(embeds) > 10:
        raise invalid("embeds", "Must be 10 or fewer in length.")
    total = 0
    for index, embed in enumerate(embeds):
        path = f"embeds.{index}"
        fields = embed.get("fields") or []
        if len(fields) > 25:
            raise invalid(f"{path}.fields", "Must be 25 or fewer in length.")
        texts: list[tuple[object, int, str]] = [
            (embed.get("title"), 256, f"{path}.title"),
            (embed.get("description"), 4096, f"{path}.description"),
            ((embed.get("footer") or {}).get("text"), 2048, f"{path}.footer.text"),
            ((embed.get("author") or {}).get("name"), 256, f"{path}.author.name"),
        ]
        for number, field in enumerate(fields):
            texts.append((field.get("name", ""), 256, f"{path}.fields.{number}.name"))
            texts.append((field.get("value", ""), 1024, f"{path}.fields.{number}.value"))
        for text, high, where in texts:
            _optional(text, high, where)
            total += len(text) if isinstance(text, str) else 0
    if total > 6000:
        raise invalid("embeds", "Embed size exceeds maximum size of 6000", "MAX_EMBED_SIZE_EXCEEDED")


def walk(components: Sequence[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    """Every component, nested ones included, parents first."""
    for component in components:
        yield component
        yield from walk(component.get("components") or [])
        for key in ("component", "accessory"):
            if component.get(key):
                yield from walk([component[key]])


def check_components(components: Sequence[Mapping[str, Any]], *, v2: bool) -> None:
    if v2:
        if sum(1 for _ in walk(components)) > 40:
            raise invalid("components", "Must be 40 or fewer in length.")
        for component in walk(components):
            if component["type"] == MEDIA_GALLERY and not 1 <= len(component.get("items") or []) <= 10:
                raise invalid("components.items", "Must be between 1 and 10 in length.")
    else:
        if len(components) > 5:
            raise invalid("components", "Must be 5 or fewer in length.")
        for index, row in enumerate(components):
            if row.get("type") != ROW:
                raise invalid(f"components.{index}.type", "Value must be one of {1}.", "BASE_TYPE_CHOICES")
    identifiers: set[str] = set()
    for component in walk(components):
        _check_component(component, identifiers)


def _check_component(component: Mapping[str, Any], identifiers: set[str]) -> None:
    kind = component.get("type")
    if kind == ROW:
        children = component.get("components") or []
        buttons = sum(child.get("type") == BUTTON for child in children)
        if not children or len(children) > 5 or (buttons not in (0, len(children))):
            raise invalid("components.components", "Must be between 1 and 5 in length.")
        if buttons == 0 and len(children) > 1:
            raise invalid("components.components", "A row holds one select.")
    if kind == BUTTON:
        _optional(component.get("label"), 80, "components.label")
        if not component.get("label") and not component.get("emoji"):
            raise invalid("components.label", "A button must have a label or an emoji.", "BUTTON_LABEL_REQUIRED")
        if component.get("style") == 5:
            _length(component.get("url"), 1, 512, "components.url")
    custom_id = component.get("custom_id")
    needs_id = kind in (STRING_SELECT, TEXT_INPUT, RADIO_GROUP) or (kind == BUTTON and component.get("style") != 5)
    if needs_id or custom_id is not None:
        _length(custom_id, 1, 100, "components.custom_id")
        if custom_id in identifiers:
            raise invalid(
                "components.custom_id", "Component custom id cannot be duplicated", "COMPONENT_CUSTOM_ID_DUPLICATED"
            )
        identifiers.add(str(custom_id))
    if kind in (STRING_SELECT, RADIO_GROUP):
        options = component.get("options") or []
        low, high = (1, 25) if kind == STRING_SELECT else (2, 10)
        if not low <= len(options) <= high:
            raise invalid("components.options", f"Must be between {low} and {high} in length.")
        _optional(component.get("placeholder"), 150, "components.placeholder")
        values = [option.get("value") for option in options]
        if len(set(values)) != len(values):
            raise invalid(
                "components.options.value",
                "The specified option value is already used",
                "SELECT_OPTION_VALUE_DUPLICATED",
            )
        for option in options:
            _length(option.get("label"), 1, 100, "components.options.label")
            _length(option.get("value"), 1, 100, "components.options.value")
            _optional(option.get("description"), 100, "components.options.description")


def check_message(payload: Mapping[str, Any], files: Mapping[int, tuple[str, bytes]], *, editing: bool = False) -> None:
    """Validate a message body; ``files`` maps the index of ``files[n]`` to (name, bytes)."""
    if sum(len(data) for _, data in files.values()) > REQUEST_LIMIT or any(
        len(data) > FILE_LIMIT for _, data in files.values()
    ):
        raise too_large()
    content, embeds = payload.get("content"), payload.get("embeds") or []
    components = payload.get("components") or []
    v2 = bool((payload.get("flags") or 0) & COMPONENTS_V2)
    _optional(content, 2000, "content")
    if v2 and (content or embeds):
        raise invalid("content", "The 'content' field cannot be used when using MessageFlags.IS_COMPONENTS_V2")
    check_embeds(embeds)
    check_components(components, v2=v2)
    attachments = payload.get("attachments") or []
    if len(attachments) > 10:
        raise invalid("attachments", "Must be 10 or fewer in length.")
    for index, attachment in enumerate(attachments):
        _optional(attachment.get("description"), 1024, f"attachments.{index}.description")
    if not editing and not (content or embeds or components or files or payload.get("sticker_ids")):
        raise DiscordError(400, 50006, "Cannot send an empty message")


def check_modal(data: Mapping[str, Any]) -> None:
    _length(data.get("title"), 1, 45, "data.title")
    _length(data.get("custom_id"), 1, 100, "data.custom_id")
    components = data.get("components") or []
    if not 1 <= len(components) <= 5:
        raise invalid("data.components", "Must be between 1 and 5 in length.")
    identifiers: set[str] = set()
    for component in walk(components):
        kind = component.get("type")
        if kind == ROW:
            continue
        if kind == LABEL:
            _length(component.get("label"), 1, 45, "data.components.label")
            _optional(component.get("description"), 100, "data.components.description")
            continue
        if kind == TEXT_INPUT:
            _optional(component.get("placeholder"), 100, "data.components.placeholder")
            _optional(component.get("value"), 4000, "data.components.value")
            _optional(component.get("label"), 45, "data.components.label")
        _check_component(component, identifiers)


def check_choices(choices: Sequence[Mapping[str, Any]], path: str = "data.choices") -> None:
    if len(choices) > 25:
        raise invalid(path, "Must be 25 or fewer in length.")
    for choice in choices:
        _length(choice.get("name"), 1, 100, f"{path}.name")
        if isinstance(choice.get("value"), str):
            _length(choice["value"], 0, 100, f"{path}.value")


def check_commands(commands: Sequence[Mapping[str, Any]]) -> None:
    if sum(command.get("type", 1) == 1 for command in commands) > 100:
        raise DiscordError(400, 30032, "Maximum number of application commands reached (100)")
    names = [command.get("name") for command in commands]
    if len(set(names)) != len(names):
        raise invalid("name", "Application command names must be unique", "APPLICATION_COMMANDS_DUPLICATE_NAME")
    for index, command in enumerate(commands):
        path = str(index)
        used: set[str] = set()
        total = _check_named(command, path, used=set())
        options = command.get("options") or []
        if len(options) > 25:
            raise invalid(f"{path}.options", "Must be 25 or fewer in length.")
        optional_seen = False
        for number, option in enumerate(options):
            where = f"{path}.options.{number}"
            total += _check_named(option, where, used)
            check_choices(option.get("choices") or [], f"{where}.choices")
            total += sum(len(choice["name"]) + len(str(choice["value"])) for choice in option.get("choices") or [])
            if option.get("choices") and option.get("autocomplete"):
                raise invalid(f"{where}.autocomplete", "autocomplete may not be set if choices are present")
            if option.get("required") and optional_seen:
                raise invalid(
                    where,
                    "Required options must be placed before non-required options",
                    "APPLICATION_COMMAND_OPTIONS_REQUIRED_INVALID",
                )
            optional_seen = optional_seen or not option.get("required")
        if total > 8000:
            raise invalid(path, "Command exceeds maximum size (8000)", "APPLICATION_COMMAND_TOO_LARGE")


def _check_named(item: Mapping[str, Any], path: str, used: set[str]) -> int:
    names = [item.get("name"), *(item.get("name_localizations") or {}).values()]
    for name in names:
        if not isinstance(name, str) or not COMMAND_NAME.fullmatch(name) or name != name.lower():
            raise invalid(f"{path}.name", "String value did not match validation regex.", "STRING_TYPE_REGEX")
    for name in set(names):
        if name in used:
            raise invalid(f"{path}.name", "Option name must be unique", "APPLICATION_COMMAND_OPTIONS_NAME_INVALID")
        used.add(name)
    descriptions = [item.get("description"), *(item.get("description_localizations") or {}).values()]
    for description in descriptions:
        _length(description, 1, 100, f"{path}.description")
    # Of each localised field Discord counts the longest toward the 8000.
    return max(len(name) for name in names) + max(len(text) for text in descriptions)
