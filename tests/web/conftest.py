"""A running web front end on a loopback port, over the fake services of the command tests."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from bot.access import AccessControl, AccessList, Permission, Platform
from bot.control import ControlPlane
from bot.dispatch import Dispatcher
from bot.services import Services
from bot.web.security import Rate
from bot.web.server import WebFrontEnd
from engine.clock import wall_sleep
from tests.bot.fakes import FakePictures, services
from tests.chat.desk import picture


class DrawnPictures(FakePictures):
    """Real PNG bytes, so that a browser can show them."""

    async def render(self, view: Any) -> Any:
        await super().render(view)
        return picture(shade=40)


@dataclass
class Site:
    front: WebFrontEnd
    plane: ControlPlane
    client: httpx.AsyncClient
    home: Path
    task: asyncio.Task[None]

    @property
    def services(self) -> Services:
        return self.plane.services

    @property
    def token(self) -> str:
        return (self.home / "api-token").read_text().strip()

    @property
    def bearer(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"}

    @property
    def address(self) -> str:
        return self.front.address

    @property
    def host(self) -> str:
        return self.address.removeprefix("http://").rstrip("/")

    async def log_in(self) -> dict[str, str]:
        """Log the client in by a one-time link; the headers that change state."""
        code = self.front.login_link().partition("#code=")[2]
        answer = await self.client.post("/api/session", json={"code": code})
        assert answer.status_code == 200, answer.text
        return {"X-CSRF-Token": answer.json()["csrf"]}

    async def get(self, path: str, **more: Any) -> httpx.Response:
        return await self.client.get(path, headers=self.bearer, **more)

    async def post(self, path: str, body: object = None, **headers: str) -> httpx.Response:
        return await self.client.post(path, json=body, headers=self.bearer | headers)


Opener = Callable[..., Awaitable[Site]]


@pytest.fixture
async def open_site(tmp_path: Path) -> AsyncIterator[Opener]:
    sites: list[Site] = []

    async def open_(whole: Services | None = None, **options: Any) -> Site:
        access = AccessControl({Platform.CONSOLE: AccessList({1: Permission.ADMIN})})
        plane = await ControlPlane.open(whole or services(pictures=DrawnPictures()), access, tmp_path)
        options.setdefault("rate", Rate(10_000.0, 10_000.0))
        front = WebFrontEnd(plane=plane, dispatcher=Dispatcher(plane), home=tmp_path, port=0, **options)
        front.bind()
        task = asyncio.create_task(front.run())
        client = httpx.AsyncClient(base_url=front.address, timeout=20, trust_env=False)
        site = Site(front, plane, client, tmp_path, task)
        sites.append(site)
        async with asyncio.timeout(10):
            while True:
                with suppress(httpx.TransportError):
                    if (await client.get("/healthz")).status_code == 200:
                        break
                await wall_sleep(0.02)
        return site

    yield open_
    for site in sites:
        await site.client.aclose()
        site.task.cancel()
        with suppress(asyncio.CancelledError):
            await site.task
        await site.plane.close()


@pytest.fixture
async def site(open_site: Opener) -> Site:
    return await open_site()
