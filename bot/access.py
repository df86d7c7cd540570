"""Who may do what. Deny by default: numeric ids only, an empty list is nobody, and every call is checked."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import IntEnum, StrEnum


class Platform(StrEnum):
    DISCORD = "discord"
    TELEGRAM = "telegram"
    CONSOLE = "console"


class Permission(IntEnum):
    """Ordered: a trader may all that a viewer may."""

    VIEWER = 1
    TRADER = 2
    ADMIN = 3


@dataclass(frozen=True, slots=True)
class User:
    """A person who passed the allow-list."""

    platform: Platform
    id: int
    name: str
    role: Permission

    @property
    def key(self) -> str:
        """The name under which settings and audit entries are kept."""
        return f"{self.platform.value}:{self.id}"

    def may(self, permission: Permission) -> bool:
        return self.role >= permission


@dataclass(frozen=True, slots=True)
class Sender:
    """Who a platform says is speaking, not yet trusted. ``name`` is for display only."""

    platform: Platform
    id: int
    name: str = ""
    place: str = ""
    """Chat or channel id."""
    guild: int = 0
    """Discord guild; 0 in a private chat."""
    private: bool = True
    """A chat with this person alone."""
    anonymous: bool = False
    """Anonymous group administrators, channel posts, other bots: never let in."""
    language: str = ""
    """What the platform says the person reads (``ko``, ``en-US`` …); empty: the service's language."""


@dataclass(frozen=True, slots=True)
class Incoming:
    """One command, press or form answer as it arrived."""

    sender: Sender
    id: str
    """The platform's interaction or update id; each is handled once. Empty: not deduplicated (console)."""
    sent_at: datetime
    """When the person sent it, by the platform's clock (aware)."""
    message: str = ""
    """``place/message-id`` of the message whose button was pressed; empty for a typed command."""


class Decision(StrEnum):
    ALLOWED = "allowed"
    STRANGER = "stranger"
    """Not on the list: a fixed short refusal, no data."""
    PLACE = "place"
    """A listed person in a guild, channel or group that is not allowed."""
    ROLE = "role"
    """A listed person who may not do this."""


@dataclass(frozen=True, slots=True)
class AccessList:
    """The allow-list of one platform: numeric ids with their roles, and where they may speak."""

    roles: Mapping[int, Permission] = field(default_factory=dict)
    guilds: Collection[int] = ()
    """Discord guilds in which listed people are heard; private chats always are."""
    places: Collection[str] = ()
    """Channels or groups; empty means every one of ``guilds``."""
    public: bool = False
    """An explicit switch: quotes and signals may be shown outside private chats."""


class AccessControl:
    """Decides on every command, button, form and autocomplete. Roles are read anew on each call, so that a change of
    the list holds from the next press on."""

    def __init__(self, lists: Mapping[Platform, AccessList]) -> None:
        self._lists = dict(lists)

    def replace(self, platform: Platform, access: AccessList) -> None:
        self._lists[platform] = access

    def empty(self, platform: Platform) -> bool:
        return not (platform in self._lists and self._lists[platform].roles)

    def users(self, platform: Platform) -> Mapping[int, Permission]:
        access = self._lists.get(platform)
        return dict(access.roles) if access else {}

    def role_of(self, key: str) -> Permission | None:
        """The role of a ``User.key`` now; None for people who are not on the list and for keys of no person."""
        platform, _, identity = key.partition(":")
        if platform not in set(Platform) or not identity.isascii() or not identity.isdigit():
            return None
        return self.users(Platform(platform)).get(int(identity))

    def identify(self, sender: Sender, needed: Permission) -> tuple[User | None, Decision]:
        """The user, when ``sender`` may do what needs ``needed`` here; else None and why not."""
        access = self._lists.get(sender.platform)
        if access is None or sender.anonymous or sender.id <= 0:
            return None, Decision.STRANGER
        role = access.roles.get(sender.id)
        if role is None:
            return None, Decision.STRANGER
        if not self._place_allowed(access, sender, needed):
            return None, Decision.PLACE
        if role < needed:
            return None, Decision.ROLE
        return User(sender.platform, sender.id, sender.name, role), Decision.ALLOWED

    def hides(self, sender: Sender) -> bool:
        """Whether answers here must be for the asker's eyes only: outside private chats, unless switched public."""
        access = self._lists.get(sender.platform)
        return not sender.private and not (access is not None and access.public)

    @staticmethod
    def _place_allowed(access: AccessList, sender: Sender, needed: Permission) -> bool:
        if sender.platform is Platform.CONSOLE or (sender.private and not sender.guild):
            return True
        if sender.platform is Platform.DISCORD:
            return sender.guild in access.guilds and (not access.places or sender.place in access.places)
        # A Telegram group cannot hide an answer: only quotes, only where it is named and switched public.
        return access.public and sender.place in access.places and needed < Permission.TRADER
