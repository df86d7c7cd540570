"""What the Telegram front end is set up with."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from bot.frontend import check_test_address

TEST_TOKEN_PREFIX = "test"


@dataclass(frozen=True, slots=True)
class TelegramOptions:
    """``folder`` keeps the hash of the published command menu. ``server_url`` (``http://127.0.0.1:port``) points the client at a local Bot API and is refused with a real
    token. ``per_second`` is the pace to one chat after a short burst."""

    token: str = field(repr=False)
    folder: Path
    language: str = "ko"
    server_url: str = ""
    poll_seconds: int = 10
    per_second: float = 1.0
    first_pause: float = 1.0

    def check(self) -> None:
        """Raises bot.frontend.Fatal."""
        if self.server_url:
            check_test_address(self.server_url, test_token=self.token.startswith(TEST_TOKEN_PREFIX))
