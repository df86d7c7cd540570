"""A person at a desk: the real dispatcher, store and commands over the fake services."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar

import pytest

from bot.access import AccessControl, AccessList, Incoming, Permission, Platform, Sender
from bot.control import ControlPlane
from bot.dispatch import Dispatcher
from bot.reply import Button, Reply
from bot.services import Services
from tests.bot.fakes import FakeOrders, FakePictures, FakeTrader, FakeWall, services

VIEWER, TRADER, ADMIN, STRANGER = 1, 2, 3, 99
NUMBERS = itertools.count(1)
"""One count for all desks: the ids of a platform do not start anew with our process."""
Fake = TypeVar("Fake")


@dataclass
class Desk:
    plane: ControlPlane
    dispatcher: Dispatcher
    wall: FakeWall
    home: Path
    numbers: Iterator[int] = field(default_factory=lambda: NUMBERS)
    shown: dict[str, str] = field(default_factory=dict)

    @property
    def services(self) -> Services:
        return self.plane.services

    def fake(self, kind: type[Fake]) -> Fake:
        parts = [getattr(self.services, name) for name in self.services.__dataclass_fields__]
        return next(part for part in parts if isinstance(part, kind))

    @property
    def orders(self) -> FakeOrders:
        return self.fake(FakeOrders)

    @property
    def trader(self) -> FakeTrader:
        return self.fake(FakeTrader)

    @property
    def pictures(self) -> FakePictures:
        return self.fake(FakePictures)

    def sender(self, user: int = TRADER, platform: Platform = Platform.DISCORD, **more: Any) -> Sender:
        return Sender(platform, user, f"user{user}", place="c1", **more)

    def incoming(
        self, user: int = TRADER, message: str = "", *, age: float = 0.0, identity: str = "", **more: Any
    ) -> Incoming:
        name = identity or f"i{next(self.numbers)}"
        return Incoming(self.sender(user, **more), name, self.wall.now() - timedelta(seconds=age), message)

    async def say(self, line: str, user: int = TRADER, **more: Any) -> Reply:
        """Type a line; the answer is delivered as a new message ``c1/<n>``."""
        reply = await self.dispatcher.run_line(self.incoming(user, **more), line)
        return await self._deliver(reply)

    async def press(
        self, button: Button | str, message: str, user: int = TRADER, answers: dict[str, str] | None = None, **more: Any
    ) -> Reply:
        action = button if isinstance(button, str) else button.action
        reply = await self.dispatcher.act(self.incoming(user, message, **more), action, answers)
        return await self._deliver(reply, message)

    async def _deliver(self, reply: Reply, message: str = "") -> Reply:
        if reply.binding:
            where = message if reply.edit and message else f"c1/{next(self.numbers)}"
            self.shown[reply.binding] = where
            await self.dispatcher.delivered(reply.binding, where)
        return reply


def button(reply: Reply, label: str) -> Button:
    """The one button whose label holds ``label``."""
    found = [b for b in reply.buttons() if label in b.label]
    exact = [b for b in found if b.label == label]
    assert len(exact or found) == 1, f"{label!r} in {[b.label for b in reply.buttons()]}"
    return (exact or found)[0]


Opener = Callable[..., Awaitable[Desk]]


def access() -> AccessControl:
    roles = {VIEWER: Permission.VIEWER, TRADER: Permission.TRADER, ADMIN: Permission.ADMIN, 22: Permission.TRADER}
    return AccessControl(
        {
            Platform.DISCORD: AccessList(roles, guilds=(777,)),
            Platform.TELEGRAM: AccessList(roles),
            Platform.CONSOLE: AccessList({1: Permission.ADMIN}),
        }
    )


@pytest.fixture
async def open_desk(tmp_path: Path) -> AsyncIterator[Opener]:
    """Opens desks on one home folder: a second one is the service after a restart."""
    planes = []

    async def open_(whole: Services | None = None, wall: FakeWall | None = None) -> Desk:
        clock = wall or FakeWall()
        plane = await ControlPlane.open(whole or services(), access(), tmp_path, wall=clock)
        planes.append(plane)
        return Desk(plane, Dispatcher(plane), clock, tmp_path)

    yield open_
    for plane in planes:
        await plane.close()


@pytest.fixture
async def desk(open_desk: Opener) -> Desk:
    return await open_desk()
