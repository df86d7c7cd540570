"""The gateway client: minimal intents, commands from the registry, and errors that stay here."""

from __future__ import annotations

import logging
from typing import Any

import discord
from discord import app_commands

from bot.commands.registry import Registry
from bot.discord.commands import RegistryTranslator, build, synchronise
from bot.discord.conversation import ALREADY_ANSWERED, UNKNOWN_INTERACTION, Conversation, Trouble
from bot.discord.messages import MENTIONS, ActionButton
from bot.frontend import DefinitionMemory, FrontEndStatus
from bot.texts.frontends import front_text

logger = logging.getLogger(__name__)

MOST_RATE_LIMIT_SECONDS = 30.0
"""discord.py allows no less. A longer wait is raised instead of hanging silently with an alarm behind it."""
_DEAD = (UNKNOWN_INTERACTION, ALREADY_ANSWERED)

# There is no voice here: the hints about its libraries would only puzzle whoever reads the log.
discord.VoiceClient.warn_nacl = False
discord.VoiceClient.warn_dave = False


class Tree(app_commands.CommandTree["GaemiClient"]):
    async def interaction_check(self, interaction: discord.Interaction[GaemiClient], /) -> bool:
        return self.client.conversation.first_time(interaction)

    async def on_error(
        self, interaction: discord.Interaction[GaemiClient], error: app_commands.AppCommandError, /
    ) -> None:
        """Answering a dead interaction would raise a second time: those are only noted."""
        cause = getattr(error, "original", error)
        if isinstance(cause, discord.HTTPException) and cause.code in _DEAD:
            logger.warning("interaction %d was dead or already answered (%d)", interaction.id, cause.code)
            return
        stale = isinstance(error, app_commands.CommandNotFound | app_commands.CommandSignatureMismatch)
        if not stale:
            logger.error("a slash command failed", exc_info=cause)
        await self.client.apologise(interaction, "command_changed" if stale else "failed")


class GaemiClient(discord.Client):
    def __init__(
        self,
        conversation: Conversation,
        registry: Registry,
        memory: DefinitionMemory,
        status: FrontEndStatus,
        *,
        language: str,
        guild_ready_seconds: float = 2.0,
    ) -> None:
        super().__init__(
            # Guilds is what a client needs to know its channels; slash commands need no intent at all.
            intents=discord.Intents(guilds=True),
            allowed_mentions=MENTIONS,
            max_ratelimit_timeout=MOST_RATE_LIMIT_SECONDS,
            guild_ready_timeout=guild_ready_seconds,
            member_cache_flags=discord.MemberCacheFlags.none(),
            chunk_guilds_at_startup=False,
            max_messages=None,
        )
        self.conversation = conversation
        self.front_status = status
        self.tree = Tree(self)
        self._registry = registry
        self._memory = memory
        self._language = language

    async def setup_hook(self) -> None:
        await self.tree.set_translator(RegistryTranslator())
        for command in build(self._registry, self.conversation.command, self.conversation.suggest):
            self.tree.add_command(command)
        self.add_dynamic_items(ActionButton)
        assert self.application_id is not None
        try:
            await synchronise(self.tree, self.application_id, self._memory)
        except (discord.HTTPException, app_commands.CommandSyncFailure) as problem:
            # The commands Discord has keep working; the next start tries again.
            logger.error("슬래시 명령을 등록하지 못했습니다: %s", problem)

    async def on_ready(self) -> None:
        self.front_status.up()
        logger.info("Discord is connected as %s", self.user)

    async def on_resumed(self) -> None:
        self.front_status.up()

    async def on_disconnect(self) -> None:
        self.front_status.down("게이트웨이 연결이 끊겼습니다")

    async def on_press(self, interaction: discord.Interaction[Any], asks: bool, action: str) -> None:
        if self.conversation.first_time(interaction):
            await self._guarded(interaction, self.conversation.press(interaction, asks, action))

    async def on_interaction(self, interaction: discord.Interaction[Any]) -> None:
        """Modals; commands go through the tree and buttons through ActionButton."""
        if interaction.type is discord.InteractionType.modal_submit and self.conversation.first_time(interaction):
            await self._guarded(interaction, self.conversation.submit(interaction))

    async def on_error(self, event_method: str, /, *args: Any, **kwargs: Any) -> None:
        logger.exception("handling %s failed", event_method)

    async def _guarded(self, interaction: discord.Interaction[Any], work: Any) -> None:
        try:
            await work
        except discord.HTTPException as problem:
            if problem.code not in _DEAD:
                raise
            logger.warning("interaction %d was dead or already answered (%d)", interaction.id, problem.code)

    async def apologise(self, interaction: discord.Interaction[Any], key: str) -> None:
        text = front_text(self._language, key)
        try:
            if interaction.response.is_done():
                await interaction.followup.send(text, ephemeral=True)
            else:
                await interaction.response.send_message(text, ephemeral=True)
        except Trouble as problem:
            logger.warning("the failure could not be told either: %s", problem)
