"""What the Discord front end is set up with."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from bot.frontend import check_test_address

TEST_TOKEN_PREFIX = "test"


@dataclass(frozen=True, slots=True)
class DiscordOptions:
    """``folder`` keeps the hash of the synchronised command definitions. ``server_url`` (``http://127.0.0.1:port``)
    points discord.py at a local server and is refused with a real token."""

    token: str = field(repr=False)
    folder: Path
    language: str = "ko"
    server_url: str = ""
    guild_ready_seconds: float = 2.0
    first_pause: float = 1.0

    def check(self) -> None:
        """Raises bot.frontend.Fatal."""
        if self.server_url:
            check_test_address(self.server_url, test_token=self.token.startswith(TEST_TOKEN_PREFIX))
