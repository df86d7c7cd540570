"""What a handler is given beside its arguments, and how it builds a dated, sourced answer."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import TypeAlias, TypeVar

from bot.access import Incoming, User
from bot.control import ControlPlane
from bot.format import day_time
from bot.reply import Button, Document, LiveView, Picture, Reply, Row
from bot.services import ChartInput, OffPart, RenderFailed, Services
from bot.texts import Texts
from engine.market import Market, Stock
from engine.results import Stamp

Part = TypeVar("Part")
ProgressReport: TypeAlias = Callable[[float, str], Awaitable[None]]


class Declined(Exception):
    """A handler will not do it; ``key`` and ``values`` name the catalogue text that says why."""

    def __init__(self, key: str, **values: object) -> None:
        super().__init__(key)
        self.key = key
        self.values = values


class PartOff(Exception):
    """The capability is switched off in this service."""

    def __init__(self, part: OffPart, reason: str) -> None:
        super().__init__(part)
        self.part = part
        self.reason = reason


async def no_progress(share: float, word: str) -> None:
    """For callers that show none."""


@dataclass(frozen=True)
class Context:
    user: User
    incoming: Incoming
    plane: ControlPlane
    say: Texts
    progress: ProgressReport = no_progress

    @property
    def services(self) -> Services:
        return self.plane.services

    @property
    def language(self) -> str:
        return self.say.language

    @property
    def environment(self) -> str:
        """실전, 모의 or 시뮬레이터, in the person's language."""
        return self.say(f"environment_{self.services.environment.value}")

    def now(self) -> datetime:
        """Market time."""
        return self.services.clock.now()

    def required(self, part: Part | None, name: OffPart) -> Part:
        """The part, or PartOff: the person is told why it is off."""
        if part is None:
            raise PartOff(name, self.services.off.get(name, ""))
        return part

    def stamp(self, at: datetime | None = None, *, source: str = "", account: bool = False) -> Stamp:
        return Stamp(
            at or self.now(),
            source or self.services.source,
            self.services.environment,
            self.services.account_tail if account else "",
        )

    def footer(self, stamp: Stamp) -> str:
        """The line under every answer: data time, source, environment, account."""
        key = "footer_fictional" if stamp.fictional else "footer"
        line = self.say(
            key,
            at=day_time(stamp.at),
            source=stamp.source,
            environment=self.say(f"environment_{stamp.environment.value}"),
        )
        return line + (self.say("footer_account", tail=stamp.account_tail) if stamp.account_tail else "")

    async def answer(
        self,
        text: str,
        *,
        stamp: Stamp | None = None,
        view: ChartInput | None = None,
        disclaimer: bool = False,
        rows: tuple[Row, ...] = (),
        live: LiveView | None = None,
        document: Document | None = None,
        binding: str = "",
        notice: str = "",
    ) -> Reply:
        """Text with footer and, where there is a view, its picture. Without a picture in time the text stands alone and
        says so. A press edits the message it was made on."""
        lines = [text]
        picture: Picture | None = None
        if view is not None:
            try:
                picture = await self.services.pictures.render(view)
            except RenderFailed as problem:
                lines.append(self.say("picture_failed", reason=str(problem)))
        if disclaimer:
            lines.append(self.say("disclaimer"))
        if stamp is not None:
            lines.append(self.footer(stamp))
        return Reply(
            text="\n".join(lines),
            picture=picture,
            rows=rows,
            edit=bool(self.incoming.message),
            live=live,
            document=document,
            binding=binding,
            notice=notice,
        )

    def again(self, key: str, command: str, *arguments: str, **values: object) -> Button:
        """A button that runs a command with these (ASCII) arguments in their order; the answer edits the message."""
        return Button(self.say(key, **values), ":".join(("c", command, *arguments)))

    def stock(self, code: str) -> Stock:
        """The listed stock of a code that we hold or watch; an unlisted one keeps its code as name."""
        return self.services.listing.get(code) or Stock(code, code, Market.KOSPI)
