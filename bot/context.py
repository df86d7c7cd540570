"""What a handler is given beside its arguments."""

from __future__ import annotations

from dataclasses import dataclass

from bot.access import Incoming, User
from bot.services import Services


@dataclass(frozen=True)
class Context:
    user: User
    incoming: Incoming
    services: Services
