"""One interaction from arrival to answer: acknowledge first, ask the dispatcher, show what it says.

This module decides nothing: who may do what, and whether it is done, is the dispatcher's.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine, Mapping
from dataclasses import dataclass, replace
from typing import Any

import aiohttp
import discord

from bot.access import Incoming, Platform, Sender
from bot.commands.arguments import Argument
from bot.commands.registry import Action, Command, Registry
from bot.discord.messages import MENTIONS, MODAL_PREFIX, answers_of, modal_of, plain, shape
from bot.dispatch import Dispatcher
from bot.frontend import LiveViews, Seen, Tasks, ViewGone, target_of
from bot.reply import Button, ButtonKind, ButtonStyle, Form, Reply
from bot.texts.frontends import front_text

logger = logging.getLogger(__name__)

UNKNOWN_INTERACTION, ALREADY_ANSWERED = 10062, 40060
FORM_ANSWER_SECONDS = 2.0
"""Of the three that Discord gives: after them a slow form becomes an ordinary answer with a button."""
Trouble = (discord.DiscordException, aiohttp.ClientError, OSError, TimeoutError)


@dataclass(slots=True)
class Answering:
    """``placeholder``: Discord shows "thinking" and waits for the original response; else a message was pressed on."""

    interaction: discord.Interaction[Any]
    incoming: Incoming
    ephemeral: bool
    placeholder: bool


class Conversation:
    def __init__(self, dispatcher: Dispatcher, registry: Registry, language: str, tasks: Tasks) -> None:
        self._dispatcher = dispatcher
        self._registry = registry
        self._language = language
        self._tasks = tasks
        self._seen = Seen()
        self._forms: dict[tuple[int, str], Form] = {}
        self.live = LiveViews(tasks)

    def first_time(self, interaction: discord.Interaction[Any]) -> bool:
        """Around a resume the same interaction may arrive twice; only the first counts."""
        fresh = self._seen.first(str(interaction.id))
        if not fresh:
            logger.info("interaction %d was delivered again and ignored", interaction.id)
        return fresh

    # -- what people do

    async def command(self, interaction: discord.Interaction[Any], command: Command, raw: Mapping[str, str]) -> None:
        incoming = self._incoming(interaction)
        hidden = self._hidden(incoming, command)
        answering = Answering(interaction, incoming, hidden, placeholder=True)
        if command.answers_with_form:
            await self._with_form(answering, command, raw)
            return
        work = self._dispatcher.run(incoming, command.name_en, raw, self._progress(answering))
        await self._acknowledged(answering, work, urgent=command.any_age)

    async def press(self, interaction: discord.Interaction[Any], asks: bool, action: str) -> None:
        incoming = self._incoming(interaction)
        if asks:
            key = (interaction.user.id, action)
            form = self._forms.pop(key, None) or await self._dispatcher.form_of(incoming, action)
            if form is not None:
                await interaction.response.send_modal(modal_of(form))
                return
        await self._act(interaction, incoming, action, None)

    async def submit(self, interaction: discord.Interaction[Any]) -> None:
        """A modal was sent. Read from the raw data, so that one opened before a restart still counts."""
        data: Any = interaction.data
        custom_id = str(data.get("custom_id", ""))
        if custom_id.startswith(MODAL_PREFIX):
            action = custom_id.removeprefix(MODAL_PREFIX)
            await self._act(interaction, self._incoming(interaction), action, answers_of(data))

    async def suggest(
        self, interaction: discord.Interaction[Any], command: Command, argument: Argument, text: str
    ) -> list[tuple[str, str]]:
        incoming = self._incoming(interaction)
        found = await self._dispatcher.suggest(incoming, command.name_en, argument.name, text)
        return [(suggestion.label, suggestion.value) for suggestion in found]

    # -- how it is answered

    async def _act(
        self, interaction: discord.Interaction[Any], incoming: Incoming, action: str, answers: Mapping[str, str] | None
    ) -> None:
        target = target_of(self._registry, action)
        # A modal that a slash command opened has no message to edit: it gets a placeholder.
        placeholder = interaction.message is None
        answering = Answering(interaction, incoming, self._hidden(incoming, target), placeholder)
        work = self._dispatcher.act(incoming, action, answers, self._progress(answering))
        await self._acknowledged(answering, work, urgent=target is not None and target.any_age)

    async def _with_form(self, answering: Answering, command: Command, raw: Mapping[str, str]) -> None:
        interaction = answering.interaction
        work = self._tasks.start(
            self._dispatcher.run(answering.incoming, command.name_en, raw), f"command {command.name_en}"
        )
        done, _ = await asyncio.wait({work}, timeout=FORM_ANSWER_SECONDS)
        if done and work.result().form is not None:
            await interaction.response.send_modal(modal_of(work.result().form))
            return
        if await self._acknowledge(answering) or command.any_age:
            await self._show(answering, await work)

    async def _acknowledged(self, answering: Answering, work: Coroutine[Any, Any, Reply], *, urgent: bool) -> None:
        """Acknowledge, then do it, then show it. What is urgent waits for no acknowledgement, and needs none."""
        if urgent:
            reply, _ = await asyncio.gather(work, self._acknowledge(answering))
        elif await self._acknowledge(answering):
            reply = await work
        else:
            work.close()
            return
        await self._show(answering, reply)

    async def _acknowledge(self, answering: Answering) -> bool:
        """False when Discord did not take it: the person was shown a failure and will press again, so nothing may be
        done on this press."""
        try:
            response = answering.interaction.response
            if answering.placeholder:
                await response.defer(thinking=True, ephemeral=answering.ephemeral)
            else:
                await response.defer()
        except Trouble as problem:
            code = getattr(problem, "code", 0)
            logger.warning(
                "interaction %d was not acknowledged (%s %s)", answering.interaction.id, type(problem).__name__, code
            )
            return False
        return True

    def _progress(self, answering: Answering) -> Any:
        async def progress(reply: Reply) -> None:
            try:
                await answering.interaction.edit_original_response(**shape(reply, self._language).edited())
            except Trouble as problem:
                logger.debug("progress was not shown: %s", problem)

        return progress

    async def _show(self, answering: Answering, reply: Reply) -> None:
        if not answering.interaction.response.is_done():
            # Only a command obeyed at any age gets here without an acknowledgement.
            await self._show_privately(answering, reply)
            return
        if reply.form is not None:
            reply = self._with_form_button(answering, reply, reply.form)
        empty = not reply.text and reply.picture is None and reply.document is None and not reply.rows
        try:
            if empty:
                await self._show_nothing(answering, reply)
                return
            key = await self._send(answering, reply)
        except Trouble as problem:
            logger.warning("an answer was not shown: %s", problem)
            return
        if reply.binding:
            await self._dispatcher.delivered(reply.binding, key)

    async def _show_nothing(self, answering: Answering, reply: Reply) -> None:
        if reply.notice and answering.placeholder:
            await answering.interaction.edit_original_response(content=plain(reply.notice), allowed_mentions=MENTIONS)
        elif reply.notice:
            await self._notice(answering, reply.notice)
        elif answering.placeholder:
            await answering.interaction.delete_original_response()

    async def _notice(self, answering: Answering, notice: str) -> None:
        await answering.interaction.followup.send(plain(notice), ephemeral=True, allowed_mentions=MENTIONS)

    async def _send(self, answering: Answering, reply: Reply) -> str:
        """Show it and return ``place/message-id`` of the message that has the buttons."""
        interaction, incoming = answering.interaction, answering.incoming
        limit = min(interaction.filesize_limit, 10 * 1024 * 1024)
        shaped = shape(reply, self._language, limit)
        outside = not incoming.sender.private
        hidden = outside and (answering.ephemeral or reply.ephemeral)
        message: discord.InteractionMessage | discord.WebhookMessage
        if answering.placeholder and reply.ephemeral and outside and not answering.ephemeral:
            # The placeholder's visibility is fixed: what only the asker may see needs a message of its own.
            await interaction.delete_original_response()
            message = await interaction.followup.send(**shaped.new(), ephemeral=True, wait=True)
        elif answering.placeholder or reply.edit:
            if incoming.message:
                self.live.stop(incoming.message)
            message = await interaction.edit_original_response(**shaped.edited())
        else:
            message = await interaction.followup.send(**shaped.new(), ephemeral=hidden, silent=reply.silent, wait=True)
        key = f"{interaction.channel_id}/{message.id}"
        for part in shaped.more:
            await interaction.followup.send(part, ephemeral=hidden, allowed_mentions=MENTIONS)
        if reply.notice:
            await self._notice(answering, reply.notice)
        if reply.live is not None:
            self._refresh(replace(incoming, message=key), message, reply, limit)
        return key

    def _refresh(
        self,
        incoming: Incoming,
        message: discord.InteractionMessage | discord.WebhookMessage,
        reply: Reply,
        limit: int,
    ) -> None:
        assert reply.live is not None

        async def edit(next_reply: Reply) -> None:
            try:
                await message.edit(**shape(next_reply, self._language, limit).edited())
            except Trouble as problem:
                raise ViewGone(str(problem)) from problem

        async def refresh(action: str) -> Reply:
            return await self._dispatcher.refresh(incoming, action)

        self.live.start(incoming.message, reply.live, refresh, edit)

    async def _show_privately(self, answering: Answering, reply: Reply) -> None:
        """The way out when the interaction is dead: a message to the person."""
        shaped = shape(reply, self._language)
        try:
            channel = await answering.interaction.client.create_dm(answering.interaction.user)
            await channel.send(**shaped.new())
        except Trouble as problem:
            logger.warning("an answer was not shown: %s", problem)

    def _with_form_button(self, answering: Answering, reply: Reply, form: Form) -> Reply:
        """A modal can only be a first answer. After an acknowledgement a button asks for it."""
        self._forms[answering.interaction.user.id, form.action] = form
        button = Button(
            front_text(self._language, "form_button"), form.action, ButtonStyle.PRIMARY, kind=ButtonKind.FORM
        )
        return replace(reply, text=reply.text or form.title, rows=(*reply.rows[:4], (button,)), form=None)

    # -- who

    def _hidden(self, incoming: Incoming, target: Command | Action | None) -> bool:
        """Ephemeral or not has to be said before the answer is known."""
        if target is None:
            return not incoming.sender.private
        return self._dispatcher.ephemeral(incoming, target)

    @staticmethod
    def _incoming(interaction: discord.Interaction[Any]) -> Incoming:
        user, message = interaction.user, interaction.message
        sender = Sender(
            Platform.DISCORD,
            user.id,
            user.display_name,
            place=str(interaction.channel_id or ""),
            guild=interaction.guild_id or 0,
            private=interaction.guild_id is None and interaction.context.dm_channel,
            anonymous=user.bot,
            language=str(interaction.locale),
        )
        pressed = f"{interaction.channel_id}/{message.id}" if message is not None else ""
        return Incoming(sender, str(interaction.id), interaction.created_at, pressed)
