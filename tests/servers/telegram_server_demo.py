"""A Telegram to try the service with, without an account: type what a person would, look at what comes back.

    python -m tests.servers.telegram_server_demo --port 8099 --pictures /tmp/pictures

and start the service beside it with ``GAEMI_TEST_TELEGRAM_URL=http://127.0.0.1:8099``, the printed ``TELEGRAM_TOKEN``
and ``TELEGRAM_ADMINS``. Any line is a message; ``누름 15분`` presses a button of the newest message that has one.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import sys
from pathlib import Path

from tests.servers.telegram_server import TEST_TOKEN, TelegramServer

SETTLE_SECONDS = 2.0


async def converse(server: TelegramServer, pictures: Path) -> None:
    shown = 0
    while line := (await asyncio.to_thread(sys.stdin.readline)):
        text = line.strip()
        if text.startswith("누름 "):
            newest = next((m for m in reversed(server.messages()) if m.buttons()), None)
            try:
                await server.press(newest, text.removeprefix("누름 "))
            except (LookupError, AssertionError) as problem:
                print(f"  ? {problem}")
        elif text:
            await server.say(text)
        before = -1
        while before != len(server.transcript):
            before = len(server.transcript)
            await asyncio.sleep(SETTLE_SECONDS)
        for entry in server.transcript[shown:]:
            print(entry)
        shown = len(server.transcript)
        for message in server.messages():
            if message.photo is not None:
                (pictures / f"{message.id}-{message.edits}.png").write_bytes(message.photo)


async def main(port: int, pictures: Path) -> None:
    server = TelegramServer()
    server.port = port
    async with server:
        print(f"GAEMI_TEST_TELEGRAM_URL={server.server_url}")
        print(f"TELEGRAM_TOKEN={TEST_TOKEN}\nTELEGRAM_ADMINS={server.owner.id}")
        await converse(server, pictures)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="시험용 텔레그램을 이 컴퓨터에서 엽니다")
    parser.add_argument("--port", type=int, default=8099)
    parser.add_argument("--pictures", type=Path, default=Path("pictures"))
    given = parser.parse_args()
    given.pictures.mkdir(parents=True, exist_ok=True)
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(main(given.port, given.pictures))
