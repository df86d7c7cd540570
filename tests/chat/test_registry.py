"""Every command of the product, as both platforms take it: within their limits, under both languages' names."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import discord
from discord import app_commands

from bot.commands.arguments import Argument
from bot.commands.registry import Command, load
from bot.discord.commands import RegistryTranslator, build, definition_hash
from bot.telegram.front import TelegramFrontEnd
from bot.telegram.messages import home_keyboard, menu
from bot.telegram.options import TelegramOptions
from bot.texts import placeholders
from bot.texts.frontends import ENGLISH, KOREAN
from tests.chat.desk import open_desk
from tests.servers.discord_server_limits import check_commands
from tests.servers.telegram_server import TEST_TOKEN, TelegramServer


async def _run(interaction: discord.Interaction[Any], command: Command, raw: Mapping[str, str]) -> None:
    raise AssertionError("not called here")


async def _suggest(
    interaction: discord.Interaction[Any], command: Command, argument: Argument, text: str
) -> list[tuple[str, str]]:
    raise AssertionError("not called here")


async def test_discord_takes_every_command_of_the_registry() -> None:
    client = discord.Client(intents=discord.Intents.none())
    tree = app_commands.CommandTree(client)
    translator = RegistryTranslator()
    await tree.set_translator(translator)
    for slash in build(load(), _run, _suggest):
        tree.add_command(slash)
    payload = [await slash.get_translated_payload(tree, translator) for slash in tree.get_commands()]
    check_commands(payload)
    assert {(entry["name"], entry["name_localizations"]["en-US"]) for entry in payload} == {
        (command.name_ko, command.name_en) for command in load().commands()
    }
    known = await definition_hash(tree)
    tree.remove_command(payload[0]["name"])
    assert await definition_hash(tree) != known
    await client.close()


async def test_telegram_takes_the_whole_menu(tmp_path: Path) -> None:
    async with TelegramServer() as server, open_desk(tmp_path) as desk:
        options = TelegramOptions(TEST_TOKEN, tmp_path, server_url=server.server_url, poll_seconds=1)
        front = TelegramFrontEnd(options, desk.dispatcher, load(), desk.access)
        task = asyncio.create_task(front.run())
        await server.until(lambda: front.status.connected)
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        assert len(server.commands["all_private_chats", "ko"]) == len(load().commands())
    assert [entry.command for entry in menu(load(), "ko")] == [command.name_en for command in load().commands()]
    markup = home_keyboard(load(), "ko")
    assert markup is not None
    assert "비상" in [key.text for row in markup.keyboard for key in row]


def test_the_adapters_own_texts_exist_in_both_languages() -> None:
    assert KOREAN.keys() == ENGLISH.keys()
    for key, text in KOREAN.items():
        assert placeholders(text) == placeholders(ENGLISH[key]), key
