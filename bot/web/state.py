"""What the handlers of the web front end share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from starlette.requests import HTTPConnection

from bot.control import ControlPlane
from bot.services import Services
from bot.web.cards import CardDesk
from bot.web.figures import Counters, Figures
from bot.web.pictures import Shelf
from bot.web.policy import Policy
from bot.web.security import RateLimiter, Sessions

if TYPE_CHECKING:
    from bot.web.events import EventLog
    from bot.web.jobs import Jobs
    from bot.web.orders import ApiOrders
    from bot.web.prices import PriceHub


@dataclass
class WebState:
    plane: ControlPlane
    cards: CardDesk
    shelf: Shelf
    sessions: Sessions
    failures: RateLimiter
    policy: Callable[[], Policy]
    login_link: Callable[[], str]
    events: EventLog
    prices: PriceHub
    jobs: Jobs
    orders: ApiOrders
    figures: Callable[[], Figures]
    counters: Counters = field(default_factory=Counters)

    @property
    def services(self) -> Services:
        return self.plane.services


async def web_state(connection: HTTPConnection) -> WebState:
    """The dependency. A coroutine: FastAPI would run a plain function in a thread, for every request."""
    return state_of(connection)


def state_of(connection: HTTPConnection) -> WebState:
    state: WebState = connection.app.state.web
    return state
