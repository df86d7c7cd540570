"""A Discord of one's own on loopback: REST v10, gateway, and the person in front of it.

The real, unmodified discord.py connects to it. What Discord refuses it refuses, with the same codes. A test (or a
demo) drives it as a person would::

    async with DiscordServer() as discord, discord.connected():
        shown = await discord.slash("차트", {"종목": "005930"})
        shown = await discord.press(shown.message, "1일")
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from types import TracebackType
from typing import Any

import discord
import yarl
from aiohttp import web

from engine.clock import monotonic, new_secret, wall_timeout
from tests.servers.discord_server_gateway import Gateway
from tests.servers.discord_server_limits import walk
from tests.servers.discord_server_rest import Fault, Rest
from tests.servers.discord_server_state import Interaction, Message, State, User

OWNER_ID = 100_000_000_000_000_001
STRANGER_ID = 100_000_000_000_000_002
GUILD_ID = 200_000_000_000_000_001
CHANNEL_ID = 200_000_000_000_000_002
OTHER_GUILD_ID = 300_000_000_000_000_001
OTHER_CHANNEL_ID = 300_000_000_000_000_002
APPLICATION_ID = 400_000_000_000_000_001
WAIT_SECONDS = 10.0
_TYPES: dict[int, type | tuple[type, ...]] = {3: str, 4: int, 5: bool, 10: (int, float)}

# A token's shape without being one: no real token begins with "test.".
TEST_TOKEN = "test.loopback.discord-0123456789abcdefghijklmnop"


class DiscordServer:
    """``owner`` and ``stranger`` are two people; the guild has one channel, a second guild another."""

    def __init__(self, *, token: str = TEST_TOKEN, heartbeat_seconds: float = 1.0) -> None:
        self.owner = User(OWNER_ID, "개미")
        self.stranger = User(STRANGER_ID, "베짱이")
        self.state = State(
            token=token,
            application_id=APPLICATION_ID,
            bot=User(APPLICATION_ID, "gaemi", bot=True),
            guild_id=GUILD_ID,
            channel_id=CHANNEL_ID,
            extra_guilds={OTHER_GUILD_ID: OTHER_CHANNEL_ID},
            users={OWNER_ID: self.owner, STRANGER_ID: self.stranger},
        )
        self.rest = Rest(self.state)
        self.gateway = Gateway(self.state, heartbeat_seconds=heartbeat_seconds)
        self._runner: web.AppRunner | None = None
        self.port = 0

    # --- life ------------------------------------------------------------------------------------------------------

    async def __aenter__(self) -> DiscordServer:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    async def start(self) -> None:
        application = web.Application(client_max_size=64 * 1024 * 1024)
        application.add_routes(self.rest.routes())
        application.add_routes([web.get("/", self.gateway.handle)])
        self._runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self.port)
        await site.start()
        self.port = self._runner.addresses[0][1]
        self.state.base_url = f"http://127.0.0.1:{self.port}"

    async def stop(self) -> None:
        """Stop listening; the state stays, so that ``start`` is Discord coming back."""
        if self._runner is not None:
            self.gateway.cut()
            await self._runner.cleanup()
            self._runner = None

    @property
    def api_url(self) -> str:
        return f"{self.state.base_url}/api/v10"

    @property
    def gateway_url(self) -> str:
        return f"ws://127.0.0.1:{self.port}/"

    @asynccontextmanager
    async def connected(self) -> AsyncIterator[DiscordServer]:
        """Point discord.py of this process at this server; its two class attributes are put back afterwards."""
        base, gateway = discord.http.Route.BASE, discord.gateway.DiscordWebSocket.DEFAULT_GATEWAY
        discord.http.Route.BASE = self.api_url
        discord.gateway.DiscordWebSocket.DEFAULT_GATEWAY = yarl.URL(self.gateway_url)
        try:
            yield self
        finally:
            discord.http.Route.BASE = base
            discord.gateway.DiscordWebSocket.DEFAULT_GATEWAY = gateway

    # --- faults ----------------------------------------------------------------------------------------------------

    def fail(
        self,
        pattern: str,
        status: int,
        *,
        times: int = 1,
        method: str = "*",
        retry_after: float = 0.0,
        delay: float = 0.0,
        code: int = 0,
        via: bool = True,
    ) -> Fault:
        """Answer the next ``times`` matching requests with ``status`` (0: answer normally, but ``delay`` late)."""
        fault = Fault(method, re.compile(pattern), status, times, retry_after, delay, code, via)
        self.rest.faults.append(fault)
        return fault

    # --- a person --------------------------------------------------------------------------------------------------

    @property
    def transcript(self) -> list[str]:
        return self.state.transcript

    def private(self, user: User | None = None) -> int:
        """The id of the private channel between ``user`` and the bot."""
        return self.state.private_channel((user or self.owner).id)

    def messages(self, channel: int | None = None) -> list[Message]:
        """Bot messages in order, the deleted ones left out."""
        found = [message for message in self.state.messages.values() if not message.deleted]
        return found if channel is None else [message for message in found if message.channel_id == channel]

    def command(self, name: str, guild: int | None = None) -> dict[str, Any]:
        """A registered command by its default name, or as a Korean or English client shows it."""
        known = [*self.state.commands.get(guild, []), *self.state.commands.get(None, [])]
        for command in known:
            if name == command["name"] or name in (command.get("name_localizations") or {}).values():
                return command
        raise LookupError(f"/{name} is not registered; there are {[command['name'] for command in known]}")

    async def slash(
        self,
        name: str,
        options: Mapping[str, Any] | None = None,
        *,
        user: User | None = None,
        channel: int | None = None,
        settle: bool = True,
    ) -> Interaction:
        """Type a slash command. Returns once its answer is complete (``settle``) or at once."""
        interaction = self._command(2, name, options or {}, user, channel)
        given = " ".join(f"{key}:{value}" for key, value in (options or {}).items())
        self.state.note(f"[{interaction.user.name}] /{name} {given}".rstrip())
        self.deliver(interaction)
        return await self.settled(interaction) if settle else interaction

    async def autocomplete(
        self,
        name: str,
        option: str,
        text: str,
        *,
        given: Mapping[str, Any] | None = None,
        user: User | None = None,
        channel: int | None = None,
    ) -> list[dict[str, Any]]:
        """What the client would show while ``text`` is typed into ``option``."""
        interaction = self._command(4, name, {**(given or {}), option: text}, user, channel, focused=option)
        self.deliver(interaction)
        await self.answered(interaction)
        return interaction.choices or []

    def _command(
        self,
        kind: int,
        name: str,
        options: Mapping[str, Any],
        user: User | None,
        channel: int | None,
        focused: str = "",
    ) -> Interaction:
        who, where = user or self.owner, channel or self.state.channel_id
        command = self.command(name, self.state.guild_of(where))
        known: dict[str, dict[str, Any]] = {}
        for option in command.get("options") or []:
            for shown in (option["name"], *(option.get("name_localizations") or {}).values()):
                known[shown] = option
        sent = []
        for key, value in options.items():
            option = known[key]
            if not focused and not isinstance(value, _TYPES[option["type"]]):
                raise TypeError(f"option {key} was {value!r}, its type is {option['type']}")
            choices = {choice["name"]: choice["value"] for choice in option.get("choices") or []}
            if choices and value not in choices and value not in choices.values():
                raise ValueError(f"option {key} was {value!r}, its choices are {list(choices)}")
            entry = {"name": option["name"], "type": option["type"], "value": choices.get(value, value)}
            sent.append({**entry, "focused": True} if key == focused else entry)
        missing = [
            option["name"]
            for option in command.get("options") or []
            if option.get("required") and not focused and option["name"] not in [entry["name"] for entry in sent]
        ]
        if missing:
            raise ValueError(f"the client asks for {missing} before it sends /{name}")
        data = {"id": command["id"], "name": command["name"], "type": 1, "options": sent}
        if "guild_id" in command:
            data["guild_id"] = command["guild_id"]
        return self.state.new_interaction(kind, who, where, data, None)

    async def press(
        self,
        message: Message | None,
        label: str,
        *,
        user: User | None = None,
        settle: bool = True,
        channel: int | None = None,
    ) -> Interaction:
        """Press the button whose label (or custom id) is ``label``."""
        assert message is not None, "there is no message to press on"
        button = self._button(message, label)
        who = user or self.owner
        if message.visible_to not in (None, who.id):
            raise PermissionError("an ephemeral message is seen by one person only")
        data = {"component_type": 2, "custom_id": button["custom_id"], "id": button.get("id", 1)}
        interaction = self.state.new_interaction(3, who, channel or message.channel_id, data, message)
        self.state.note(f"[{who.name}] ⟨{label}⟩")
        self.deliver(interaction)
        return await self.settled(interaction) if settle else interaction

    @staticmethod
    def _button(message: Message, label: str) -> dict[str, Any]:
        buttons = message.buttons()
        if label in buttons:
            return buttons[label]
        for shown, button in buttons.items():
            if button.get("custom_id") == label or shown.startswith(label):
                return button
        raise LookupError(f"no button {label!r}; there are {list(buttons)}")

    async def forge(
        self,
        custom_id: str,
        message: Message,
        *,
        user: User | None = None,
        channel: int | None = None,
        settle: bool = True,
    ) -> Interaction:
        """A press on a button that is not (or no longer) there, as a hostile or old client can send it."""
        data = {"component_type": 2, "custom_id": custom_id, "id": 1}
        interaction = self.state.new_interaction(3, user or self.owner, channel or message.channel_id, data, message)
        self.deliver(interaction)
        return await self.settled(interaction) if settle else interaction

    async def submit(
        self, opened: Interaction, values: Mapping[str, str], *, user: User | None = None, settle: bool = True
    ) -> Interaction:
        """Fill in the modal that ``opened`` brought, by label or custom id, and send it."""
        assert opened.modal is not None, "no modal is open"
        rows: list[dict[str, Any]] = []
        unused = dict(values)
        for top in opened.modal["components"]:
            inner = top.get("component") or top["components"][0]
            names = [top.get("label"), inner.get("label"), inner["custom_id"]]
            key = next((name for name in names if name in unused), None)
            value = unused.pop(key) if key else inner.get("value") or ""
            if inner.get("required", True) and not value:
                raise ValueError(f"the client does not send the modal without {names}")
            sent: dict[str, Any] = {"type": inner["type"], "custom_id": inner["custom_id"], "id": 2}
            sent |= {"values": [value]} if inner["type"] == 3 else {"value": value}
            rows.append(
                {"type": top["type"], "id": 1, **({"component": sent} if top["type"] == 18 else {"components": [sent]})}
            )
        if unused:
            raise LookupError(f"the modal has no {list(unused)}")
        data = {"custom_id": opened.modal["custom_id"], "components": rows}
        who = user or opened.user
        interaction = self.state.new_interaction(5, who, opened.channel_id, data, opened.source)
        self.state.note(f"[{who.name}] [창] " + " ".join(f"{key}={value}" for key, value in values.items()))
        self.deliver(interaction)
        return await self.settled(interaction) if settle else interaction

    def deliver(self, interaction: Interaction) -> None:
        """Put the interaction on the gateway; calling it again is a redelivery."""
        interaction.deliveries += 1
        if interaction.deliveries == 1:
            interaction.sent_at = monotonic()
        self.state.dispatch("INTERACTION_CREATE", interaction.payload)

    # --- waiting ---------------------------------------------------------------------------------------------------

    async def answered(self, interaction: Interaction, seconds: float = WAIT_SECONDS) -> Interaction:
        """Until the first answer (which may be "thinking")."""
        try:
            async with wall_timeout(seconds):
                await interaction.answered.wait()
        except TimeoutError:
            raise AssertionError(f"the bot did not answer\n{self.shown()}") from None
        return interaction

    async def settled(self, interaction: Interaction, seconds: float = WAIT_SECONDS) -> Interaction:
        """Until the answer is complete: a modal, choices, a message that no longer thinks, an edited message."""
        await self.answered(interaction, seconds)
        before = interaction.source.edits if interaction.source else 0

        def complete() -> bool:
            message = interaction.message
            if interaction.callback_type == 5:
                return message is not None and (message.deleted or not message.loading)
            if interaction.callback_type == 6:
                source = interaction.source
                return bool(interaction.followups) or (source is not None and (source.deleted or source.edits > before))
            return True

        await self.until(complete, seconds)
        return interaction

    async def until(self, condition: Callable[[], Any], seconds: float = WAIT_SECONDS) -> None:
        """Until ``condition`` holds; looked at again whenever something happened here."""
        try:
            async with wall_timeout(seconds):
                while not condition():
                    changed = self.state.on_message
                    try:
                        async with asyncio.timeout(0.05):
                            await changed.wait()
                    except TimeoutError:
                        continue
        except TimeoutError:
            raise AssertionError(f"it did not happen within {seconds} s\n{self.shown()}") from None

    async def pushed(self, channel: int, count: int = 1, seconds: float = WAIT_SECONDS) -> Sequence[Message]:
        """Until ``channel`` has ``count`` messages."""
        await self.until(lambda: len(self.messages(channel)) >= count, seconds)
        return self.messages(channel)

    def create_webhook(self) -> str:
        """An incoming webhook of the channel; returns its address as Discord shows it, but on loopback."""
        identifier, token = self.state.snowflakes.next(), new_secret(32)
        self.state.webhooks[identifier] = (token, self.state.channel_id)
        return f"{self.state.base_url}/api/webhooks/{identifier}/{token}"

    def shown(self) -> str:
        return "\n".join(self.transcript)

    @staticmethod
    def custom_ids(message: Message) -> list[str]:
        return [str(item["custom_id"]) for item in walk(message.components) if "custom_id" in item]
