"""The product's own commands through both chats, over sockets: every one answers, and a ticket sends one order."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from bot.access import AccessControl, AccessList, Permission, Platform
from bot.commands.arguments import ChoiceArgument, IntegerArgument, QuantityArgument, StockArgument
from bot.commands.registry import Command, load
from bot.control import ControlPlane
from bot.discord.front import DiscordFrontEnd
from bot.discord.options import DiscordOptions
from bot.dispatch import Dispatcher
from bot.reply import Picture
from bot.services import ChartInput
from bot.telegram.front import TelegramFrontEnd
from bot.telegram.options import TelegramOptions
from tests.bot.fakes import FakeOrders, services
from tests.chat.desk import png
from tests.servers.discord_server import CHANNEL_ID, GUILD_ID, OWNER_ID, DiscordServer
from tests.servers.discord_server import TEST_TOKEN as DISCORD_TOKEN
from tests.servers.telegram_server import OWNER_ID as TELEGRAM_OWNER
from tests.servers.telegram_server import TEST_TOKEN as TELEGRAM_TOKEN
from tests.servers.telegram_server import Shown, TelegramServer


class Drawn:
    """Pictures that are pictures: each one different from the last."""

    def __init__(self) -> None:
        self.count = 0

    async def render(self, view: ChartInput) -> Picture:
        self.count += 1
        return Picture(png(shade=self.count), type(view).__name__, "gaemi.png", 64, 48)


@dataclass
class House:
    discord: DiscordServer
    telegram: TelegramServer
    orders: FakeOrders


@asynccontextmanager
async def house(folder: Path) -> AsyncIterator[House]:
    orders = FakeOrders()
    roles = {OWNER_ID: Permission.ADMIN}
    access = AccessControl(
        {
            Platform.DISCORD: AccessList(roles, (GUILD_ID,), (str(CHANNEL_ID),)),
            Platform.TELEGRAM: AccessList({TELEGRAM_OWNER: Permission.ADMIN}),
        }
    )
    whole = services(pictures=Drawn(), orders=orders)
    plane = await ControlPlane.open(whole, access, folder)
    dispatcher = Dispatcher(plane)
    async with DiscordServer() as discord, TelegramServer() as telegram:
        fronts = (
            DiscordFrontEnd(
                DiscordOptions(DISCORD_TOKEN, folder, server_url=discord.state.base_url, guild_ready_seconds=0.05),
                dispatcher,
                plane.registry,
                access,
            ),
            TelegramFrontEnd(
                TelegramOptions(
                    TELEGRAM_TOKEN, folder, server_url=telegram.server_url, poll_seconds=1, per_second=50.0
                ),
                dispatcher,
                plane.registry,
                access,
            ),
        )
        tasks = [asyncio.create_task(front.run()) for front in fronts]
        try:
            await discord.until(lambda: all(front.status.connected for front in fronts))
            yield House(discord, telegram, orders)
        finally:
            for task in tasks:
                task.cancel()
            for task in tasks:
                with contextlib.suppress(asyncio.CancelledError):
                    await task
            await plane.close()


def given(command: Command) -> dict[str, str | int]:
    """What a person would fill in: every required argument, and the stock also where it is optional."""
    values: dict[str, str | int] = {}
    for argument in command.arguments:
        if isinstance(argument, StockArgument) and argument.required:
            values[argument.name_ko] = "삼성전자"
        elif isinstance(argument, QuantityArgument | IntegerArgument) and argument.required:
            values[argument.name_ko] = 1
        elif isinstance(argument, ChoiceArgument) and argument.required:
            values[argument.name_ko] = argument.choices[0].value
        elif argument.required:
            values[argument.name_ko] = "1"
    return values


async def test_every_command_answers_on_both_platforms(tmp_path: Path) -> None:
    async with house(tmp_path) as at:
        for command in load().commands():
            values = given(command)
            shown = await at.discord.slash(command.name_ko, values)
            assert shown.message is not None, command.name_ko
            assert shown.message.text, command.name_ko
            assert shown.message.ephemeral, "the guild's channel is not switched public"
            assert shown.refusals == []
            before = len(at.telegram.messages())
            await at.telegram.say(" ".join([command.name_ko, *map(str, values.values())]))
            await at.telegram.reply(after=before)

            # Long work first shows its progress, and then makes place for its result.
            # Between the two there may be neither, so the wait is for the result itself.
            def results(before: int = before) -> list[Any]:
                found = at.telegram.messages()[before:]
                return [m for m in found if m.document is None and not m.text.startswith("⏳")]

            await at.telegram.until(lambda: bool(results()))
            told = results()[0]
            assert (told.photo is None) == (shown.message.image is None), command.name_ko
            assert "RuntimeError" not in told.text
            first = shown.message.content.partition("\n")[0].replace("\\", "")
            assert told.text.partition("\n")[0] == first, "both chats say the same"


@pytest.mark.parametrize("platform", ["discord", "telegram"])
async def test_a_ticket_is_filled_in_previewed_and_sent_once(tmp_path: Path, platform: str) -> None:
    async with house(tmp_path) as at:
        if platform == "discord":
            await by_discord(at.discord)
        else:
            await by_telegram(at.telegram)
        (order,) = at.orders.sent
        assert (order.code, order.quantity, order.price) == ("005930", 34, 71_700)


PRESSES = ("호가 선택", "71,700", "25%", "목표가 계산", "주문 확인", "매수 확정")


async def by_discord(discord: DiscordServer) -> None:
    opened = await discord.slash("주문", {"종목": "005930"})
    message = opened.message
    assert message is not None
    for label in PRESSES[:-1]:
        pressed = await discord.press(message, label)
        if pressed.modal is not None:
            await discord.submit(pressed, {"target": "75,000"})
            assert "+106,400원" in message.content
    # A double tap: both presses are on their way before the first is answered.
    twice = [await discord.press(message, PRESSES[-1], settle=False) for _ in range(2)]
    for pressed in twice:
        await discord.settled(pressed)
    await discord.until(lambda: message.content.startswith("접수: 삼성전자 매수 34주 71,700원") or twice[1].followups)
    assert any("접수: 삼성전자 매수 34주 71,700원" in line for line in discord.transcript)


async def by_telegram(telegram: TelegramServer) -> None:
    await telegram.say("주문 005930")
    ticket = await telegram.reply()
    for label in PRESSES:
        shown = (ticket.id, ticket.edits)
        data = ticket.buttons()[label]
        await telegram.press(ticket, label)
        if label == "목표가 계산":
            await telegram.until(lambda: telegram.messages()[-1].markup.get("force_reply"))
            await telegram.say("75,000")
            await telegram.until(lambda: "+106,400원" in newest(telegram).text)
        await telegram.until(lambda shown=shown: _state(newest(telegram)) != shown)  # type: ignore[misc]
        ticket = newest(telegram)
    assert ticket.text.startswith("접수: 삼성전자 매수 34주 71,700원")
    await telegram.forge(ticket, data)  # a replay of the old button
    await telegram.say("상태")
    await telegram.until(lambda: newest(telegram).id > ticket.id)


def _state(shown: Shown) -> tuple[int, int]:
    return shown.id, shown.edits


def newest(telegram: TelegramServer) -> Shown:
    """The last message that is no question of a form and no passing notice."""
    return next(m for m in reversed(telegram.messages()) if not m.markup.get("force_reply"))
