"""The Discord front end: one supervised client after another, and the sinks for alerts."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

import discord
import discord.gateway
import discord.http
import yarl

from bot import redaction
from bot.access import AccessControl, Platform
from bot.commands.registry import Registry
from bot.discord.alerts import DiscordSink
from bot.discord.client import GaemiClient
from bot.discord.conversation import Conversation
from bot.discord.options import DiscordOptions
from bot.dispatch import Dispatcher
from bot.frontend import DefinitionMemory, Fatal, FrontEndStatus, NotConnected, Tasks, supervise
from bot.outgoing import Outgoing

logger = logging.getLogger(__name__)

CHANNEL_BURST = 5


class DiscordFrontEnd:
    """``run`` beside the engine, outside its tasks. Nothing raised in here leaves it."""

    def __init__(
        self, options: DiscordOptions, dispatcher: Dispatcher, registry: Registry, access: AccessControl
    ) -> None:
        """Raises bot.frontend.Fatal for an address that tests alone may use."""
        options.check()
        redaction.install([options.token])
        self.status = FrontEndStatus()
        self._options = options
        self._dispatcher = dispatcher
        self._registry = registry
        self._access = access
        self._outgoing = Outgoing(burst=CHANNEL_BURST)
        self._client: GaemiClient | None = None

    async def run(self) -> None:
        """Until cancelled; returns early only when trying again cannot help (``status.problem`` says why)."""
        with self._addresses():
            await supervise("Discord", self._attempt, self.status, first_pause=self._options.first_pause)

    async def _attempt(self) -> None:
        tasks = Tasks()
        conversation = Conversation(self._dispatcher, self._registry, self._options.language, tasks)
        client = GaemiClient(
            conversation,
            self._registry,
            DefinitionMemory(self._options.folder / "discord-commands.json"),
            self.status,
            language=self._options.language,
            guild_ready_seconds=self._options.guild_ready_seconds,
        )
        self._client = client
        try:
            await client.start(self._options.token)
        except discord.LoginFailure as problem:
            raise Fatal("DISCORD_TOKEN 이 맞지 않습니다. 개발자 포털에서 다시 확인하세요") from problem
        except discord.PrivilegedIntentsRequired as problem:
            raise Fatal("개발자 포털에서 봇의 인텐트 설정을 확인하세요") from problem
        except discord.ConnectionClosed as problem:
            if problem.code == 4004:
                raise Fatal("DISCORD_TOKEN 이 맞지 않습니다. 개발자 포털에서 다시 확인하세요") from problem
            raise
        finally:
            self._client = None
            await tasks.close()
            await client.close()

    @contextmanager
    def _addresses(self) -> Iterator[None]:
        """discord.py keeps its addresses in two class attributes: changed for a test server, and put back."""
        if not self._options.server_url:
            yield
            return
        url = self._options.server_url.rstrip("/")
        route, socket = discord.http.Route, discord.gateway.DiscordWebSocket
        before = route.BASE, socket.DEFAULT_GATEWAY
        route.BASE = f"{url}/api/v10"
        socket.DEFAULT_GATEWAY = yarl.URL("ws" + url.removeprefix("http") + "/")
        try:
            yield
        finally:
            route.BASE, socket.DEFAULT_GATEWAY = before

    # -- alerts

    def sinks(self, channel: int | None = None) -> list[DiscordSink]:
        """One for each listed person, and one for ``channel`` where it is given."""
        made = [self._person(user) for user in self._access.users(Platform.DISCORD)]
        return [*made, self._place(channel)] if channel is not None else made

    def _person(self, user: int) -> DiscordSink:
        async def find() -> discord.abc.Messageable:
            return await self._logged_in().create_dm(discord.Object(user))

        return DiscordSink(f"discord:{user}", self._outgoing, self._options.language, find)

    def _place(self, channel: int) -> DiscordSink:
        async def find() -> discord.abc.Messageable:
            return self._logged_in().get_partial_messageable(channel)

        return DiscordSink(f"discord:channel:{channel}", self._outgoing, self._options.language, find)

    def _logged_in(self) -> GaemiClient:
        """REST is enough: an alarm does not wait for the gateway."""
        client = self._client
        if client is None or client.user is None or client.is_closed():
            raise NotConnected(self.status.problem or "Discord 에 연결되지 않았습니다")
        return client
