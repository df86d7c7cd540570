"""A Discord to try the service with, without an account: type what a person would, look at what comes back.

    python -m tests.servers.discord_server_demo --port 8098 --pictures /tmp/pictures

and start the service beside it with ``GAEMI_TEST_DISCORD_URL=http://127.0.0.1:8098``, the printed ``DISCORD_TOKEN``
and ``DISCORD_ADMINS``. Then: ``/차트 종목=005930``, ``누름 15분`` (the newest message's button), ``입력 수량(주)=10``.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import sys
from pathlib import Path

from tests.servers.discord_server import TEST_TOKEN, DiscordServer
from tests.servers.discord_server_state import Interaction


async def converse(server: DiscordServer, pictures: Path) -> None:
    last: Interaction | None = None
    shown = 0
    while line := (await asyncio.to_thread(sys.stdin.readline)):
        try:
            last = await _one(server, line.strip(), last)
        except (LookupError, ValueError, TypeError, AssertionError) as problem:
            print(f"  ? {problem}")
        for entry in server.transcript[shown:]:
            print(entry)
        shown = len(server.transcript)
        for message in server.messages():
            for item in message.attachments:
                (pictures / f"{message.id}-{item.id}-{item.name}").write_bytes(item.data)


async def _one(server: DiscordServer, line: str, last: Interaction | None) -> Interaction | None:
    verb, _, rest = line.partition(" ")
    if verb.startswith("/"):
        options: dict[str, str | int] = {}
        for pair in rest.split():
            name, _, value = pair.partition("=")
            kind = {o["name"]: o["type"] for o in server.command(verb[1:]).get("options") or []}.get(name, 3)
            options[name] = int(value) if kind == 4 else value
        return await server.slash(verb[1:], options, channel=server.private())
    if verb == "누름":
        return await server.press(server.messages()[-1], rest)
    if verb == "입력" and last is not None:
        return await server.submit(last, dict(pair.partition("=")[::2] for pair in rest.split()))
    return last


async def main(port: int, pictures: Path) -> None:
    server = DiscordServer()
    server.port = port
    async with server:
        print(f"GAEMI_TEST_DISCORD_URL={server.state.base_url}")
        print(f"DISCORD_TOKEN={TEST_TOKEN}\nDISCORD_ADMINS={server.owner.id}")
        await converse(server, pictures)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="시험용 디스코드를 이 컴퓨터에서 엽니다")
    parser.add_argument("--port", type=int, default=8098)
    parser.add_argument("--pictures", type=Path, default=Path("pictures"))
    given = parser.parse_args()
    given.pictures.mkdir(parents=True, exist_ok=True)
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(main(given.port, given.pictures))
