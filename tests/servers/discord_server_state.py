"""What the local Discord server remembers: users, channels, messages, interactions and a transcript."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from engine.clock import monotonic, new_secret, wall_now
from tests.servers.discord_server_limits import COMPONENTS_V2, EPHEMERAL, LOADING, walk

DISCORD_EPOCH = 1_420_070_400_000


@dataclass(frozen=True, slots=True)
class User:
    id: int
    name: str
    permissions: int = 2147483648  # use application commands
    bot: bool = False

    def payload(self) -> dict[str, Any]:
        return {
            "id": str(self.id),
            "username": self.name,
            "global_name": None if self.bot else self.name,
            "discriminator": "0",
            "avatar": None,
            "bot": self.bot,
            "public_flags": 0,
        }


@dataclass(frozen=True, slots=True)
class Attachment:
    id: int
    name: str
    data: bytes
    description: str | None
    url: str
    ephemeral: bool

    def payload(self) -> dict[str, Any]:
        body: dict[str, Any] = {
            "id": str(self.id),
            "filename": self.name,
            "size": len(self.data),
            "url": self.url,
            "proxy_url": self.url,
            "ephemeral": self.ephemeral,
        }
        if self.description is not None:
            body["description"] = self.description
        if self.name.endswith(".png"):
            body["content_type"] = "image/png"
            if self.data[:8] == b"\x89PNG\r\n\x1a\n":
                body["width"], body["height"] = struct.unpack(">II", self.data[16:24])
        return body


@dataclass(slots=True)
class Message:
    """One message as people see it now; ``revisions`` keeps what it showed before each edit."""

    id: int
    channel_id: int
    author: User
    content: str = ""
    embeds: list[dict[str, Any]] = field(default_factory=list)
    components: list[dict[str, Any]] = field(default_factory=list)
    attachments: list[Attachment] = field(default_factory=list)
    flags: int = 0
    visible_to: int | None = None
    allowed_mentions: Mapping[str, Any] | None = None
    deleted: bool = False
    edits: int = 0
    revisions: list[str] = field(default_factory=list)
    interaction: Interaction | None = None
    nonce: str | None = None
    version: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def ephemeral(self) -> bool:
        return bool(self.flags & EPHEMERAL)

    @property
    def loading(self) -> bool:
        return bool(self.flags & LOADING)

    @property
    def image(self) -> bytes | None:
        return next((item.data for item in self.attachments if item.name.endswith(".png")), None)

    @property
    def text(self) -> str:
        """All that can be read: content, embeds and text displays."""
        parts = [self.content]
        for embed in self.embeds:
            parts += [embed.get("title") or "", embed.get("description") or ""]
            parts += [f"{item['name']} {item['value']}" for item in embed.get("fields") or []]
            parts.append((embed.get("footer") or {}).get("text") or "")
        parts += [str(item["content"]) for item in walk(self.components) if item["type"] == 10]
        return "\n".join(part for part in parts if part)

    def buttons(self) -> dict[str, dict[str, Any]]:
        """Label → button, of those that can be pressed."""
        return {
            str(item.get("label") or (item.get("emoji") or {}).get("name")): dict(item)
            for item in walk(self.components)
            if item["type"] == 2 and not item.get("disabled")
        }

    def selects(self) -> list[dict[str, Any]]:
        return [dict(item) for item in walk(self.components) if item["type"] == 3 and not item.get("disabled")]

    def payload(self) -> dict[str, Any]:
        body: dict[str, Any] = {
            "id": str(self.id),
            "channel_id": str(self.channel_id),
            "type": 0,
            "author": self.author.payload(),
            "content": self.content,
            "embeds": self.embeds,
            "components": self.components,
            "attachments": [item.payload() for item in self.attachments],
            "timestamp": wall_now().isoformat(),
            "edited_timestamp": wall_now().isoformat() if self.edits else None,
            "tts": False,
            "mention_everyone": False,
            "mentions": [],
            "mention_roles": [],
            "pinned": False,
            "flags": self.flags,
        }
        if self.nonce is not None:
            body["nonce"] = self.nonce
        if self.interaction is not None:
            body["application_id"] = str(self.interaction.application_id)
            body["interaction_metadata"] = {
                "id": str(self.interaction.id),
                "type": self.interaction.type,
                "user": self.interaction.user.payload(),
                "authorizing_integration_owners": {},
            }
        return body

    def touch(self) -> None:
        self.version.set()
        self.version = asyncio.Event()


@dataclass(slots=True)
class Interaction:
    """One thing a person did, and what the bot made of it."""

    id: int
    token: str
    type: int
    user: User
    channel_id: int
    application_id: int
    payload: dict[str, Any]
    sent_at: float
    source: Message | None = None
    callback_type: int | None = None
    answered_at: float | None = None
    message: Message | None = None
    modal: dict[str, Any] | None = None
    choices: list[dict[str, Any]] | None = None
    followups: list[Message] = field(default_factory=list)
    refusals: list[int] = field(default_factory=list)
    answered: asyncio.Event = field(default_factory=asyncio.Event)
    deliveries: int = 0

    @property
    def acknowledgement_seconds(self) -> float:
        assert self.answered_at is not None, "not answered"
        return self.answered_at - self.sent_at

    @property
    def deferred(self) -> bool:
        return self.callback_type in (5, 6)


class Snowflakes:
    """Ids that carry the time, as Discord's do: the client reads an interaction's age from its id."""

    def __init__(self) -> None:
        self._last = 0

    def next(self, *, age_seconds: float = 0.0) -> int:
        instant = wall_now() - timedelta(seconds=age_seconds)
        made = (int(instant.timestamp() * 1000) - DISCORD_EPOCH) << 22
        if age_seconds:
            return made + (self._last & 0xFFF)
        self._last = max(self._last + 1, made)
        return self._last


@dataclass(slots=True)
class State:
    """Everything the REST side and the gateway share."""

    token: str
    application_id: int
    bot: User
    guild_id: int
    channel_id: int
    snowflakes: Snowflakes = field(default_factory=Snowflakes)
    users: dict[int, User] = field(default_factory=dict)
    private_channels: dict[int, int] = field(default_factory=dict)
    extra_guilds: dict[int, int] = field(default_factory=dict)
    messages: dict[int, Message] = field(default_factory=dict)
    interactions: dict[int, Interaction] = field(default_factory=dict)
    tokens: dict[str, Interaction] = field(default_factory=dict)
    commands: dict[int | None, list[dict[str, Any]]] = field(default_factory=dict)
    syncs: int = 0
    closed_private: set[int] = field(default_factory=set)
    forbidden_channels: set[int] = field(default_factory=set)
    webhooks: dict[int, tuple[str, int]] = field(default_factory=dict)
    first_answer_seconds: float = 3.0
    token_seconds: float = 900.0
    transcript: list[str] = field(default_factory=list)
    on_message: asyncio.Event = field(default_factory=asyncio.Event)
    nonces: dict[str, Message] = field(default_factory=dict)
    base_url: str = ""
    dispatch: Callable[[str, dict[str, Any]], None] = lambda event, data: None

    def note(self, line: str) -> None:
        self.transcript.append(line)
        self.on_message.set()
        self.on_message = asyncio.Event()

    def private_channel(self, user_id: int) -> int:
        if user_id not in self.private_channels:
            self.private_channels[user_id] = self.snowflakes.next()
        return self.private_channels[user_id]

    def private_payload(self, user_id: int) -> dict[str, Any]:
        user = self.users[user_id]
        return {
            "id": str(self.private_channel(user_id)),
            "type": 1,
            "last_message_id": None,
            "recipients": [user.payload()],
        }

    def guild_of(self, channel_id: int) -> int | None:
        if channel_id == self.channel_id:
            return self.guild_id
        return next((guild for guild, channel in self.extra_guilds.items() if channel == channel_id), None)

    def channel_payload(self, channel_id: int) -> dict[str, Any]:
        return {
            "id": str(channel_id),
            "type": 0,
            "guild_id": str(self.guild_of(channel_id)),
            "name": "거래",
            "position": 0,
            "permission_overwrites": [],
            "nsfw": False,
            "parent_id": None,
        }

    def guild_payload(self, guild_id: int, channel_id: int) -> dict[str, Any]:
        everyone = {
            "id": str(guild_id),
            "name": "@everyone",
            "permissions": "2147483648",
            "color": 0,
            "colors": {"primary_color": 0, "secondary_color": None, "tertiary_color": None},
            "hoist": False,
            "position": 0,
            "managed": False,
            "mentionable": False,
            "flags": 0,
        }
        empty = (
            "threads",
            "emojis",
            "stickers",
            "presences",
            "voice_states",
            "stage_instances",
            "guild_scheduled_events",
            "soundboard_sounds",
            "members",
        )
        return {
            "id": str(guild_id),
            "name": "개미굴",
            "owner_id": str(next(iter(self.users), 1)),
            "roles": [everyone],
            "channels": [self.channel_payload(channel_id)],
            "joined_at": wall_now().isoformat(),
            "member_count": 2,
            "large": False,
            "features": [],
            "preferred_locale": "ko",
            "premium_tier": 0,
            "verification_level": 0,
            "default_message_notifications": 0,
            "explicit_content_filter": 0,
            "mfa_level": 0,
            "nsfw_level": 0,
            "system_channel_flags": 0,
            "afk_timeout": 0,
            **{key: [] for key in empty},
        }

    def apply(self, message: Message, payload: Mapping[str, Any], files: Mapping[int, tuple[str, bytes]]) -> None:
        """Write a validated body into a message; keys left out stay as they are, as on PATCH."""
        if message.edits:
            message.revisions.append(message.text)
        if "content" in payload:
            message.content = payload["content"] or ""
        if "components" in payload:
            message.components = self._numbered(payload["components"] or [])
        if "flags" in payload:
            message.flags = (message.flags & ~COMPONENTS_V2) | int(payload["flags"] or 0)
        message.allowed_mentions = payload.get("allowed_mentions", message.allowed_mentions)
        listed = payload.get("attachments")
        if listed is not None or files:
            kept = {item.id: item for item in message.attachments}
            message.attachments = [
                kept[int(item["id"])]
                if int(item["id"]) in kept
                else self._attach(item, files, ephemeral=message.ephemeral)
                for item in (listed if listed is not None else [{"id": key} for key in files])
            ]
        if "embeds" in payload:
            message.embeds = [self._linked(embed, message) for embed in payload["embeds"] or []]
        message.touch()

    def _numbered(self, components: list[dict[str, Any]]) -> list[dict[str, Any]]:
        for number, component in enumerate(walk(components), start=1):
            component.setdefault("id", number)  # type: ignore[attr-defined]
        return components

    def _attach(
        self, item: Mapping[str, Any], files: Mapping[int, tuple[str, bytes]], *, ephemeral: bool
    ) -> Attachment:
        name, data = files[int(item["id"])]
        identifier = self.snowflakes.next()
        shown = str(item.get("filename") or name)
        url = f"{self.base_url}/attachments/{identifier}/{shown}"
        return Attachment(identifier, shown, data, item.get("description"), url, ephemeral)

    def _linked(self, embed: Mapping[str, Any], message: Message) -> dict[str, Any]:
        linked = dict(embed)
        linked.setdefault("type", "rich")
        for key in ("image", "thumbnail"):
            address = str((embed.get(key) or {}).get("url", ""))
            if address.startswith("attachment://"):
                name = address.removeprefix("attachment://")
                found = next((item for item in message.attachments if item.name == name), None)
                linked[key] = {"url": found.url, "proxy_url": found.url} if found else {}
        return linked

    def new_interaction(
        self, kind: int, user: User, channel_id: int, data: dict[str, Any], source: Message | None
    ) -> Interaction:
        identifier = self.snowflakes.next()
        token = f"aW50ZXJhY3Rpb246{new_secret(24)}"
        guild_id = self.guild_of(channel_id)
        payload: dict[str, Any] = {
            "id": str(identifier),
            "application_id": str(self.application_id),
            "type": kind,
            "token": token,
            "version": 1,
            "data": data,
            "channel_id": str(channel_id),
            "locale": "ko",
            "app_permissions": "274878024768",
            "entitlements": [],
            "attachment_size_limit": 10 * 1024 * 1024,
        }
        if guild_id is None:
            payload["user"] = user.payload()
            payload["channel"] = self.private_payload(user.id)
            payload["context"] = 1
            payload["authorizing_integration_owners"] = {"0": "0"}
        else:
            payload["guild_id"] = str(guild_id)
            payload["guild"] = {"id": str(guild_id), "locale": "ko", "features": []}
            payload["guild_locale"] = "ko"
            payload["channel"] = {**self.channel_payload(channel_id), "permissions": str(user.permissions)}
            payload["context"] = 0
            payload["authorizing_integration_owners"] = {"0": str(guild_id)}
            payload["member"] = {
                "user": user.payload(),
                "roles": [],
                "joined_at": wall_now().isoformat(),
                "permissions": str(user.permissions),
                "deaf": False,
                "mute": False,
                "flags": 0,
                "nick": None,
                "avatar": None,
            }
        if source is not None:
            payload["message"] = source.payload()
        interaction = Interaction(
            identifier, token, kind, user, channel_id, self.application_id, payload, monotonic(), source
        )
        self.interactions[identifier] = interaction
        self.tokens[token] = interaction
        return interaction
