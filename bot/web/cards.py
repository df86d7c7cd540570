"""Answers of the dispatcher as JSON for the console: the same text, picture, buttons and forms that a chat shows."""

from __future__ import annotations

import itertools
from collections import OrderedDict
from collections.abc import Mapping

from bot.access import Incoming, Platform, Sender
from bot.control import ControlPlane
from bot.dispatch import Dispatcher, ProgressSink
from bot.reply import Form, Reply
from bot.web.models import ButtonModel, Card, FieldModel, FileModel, FormModel, ImageModel, LiveModel
from bot.web.pictures import Shelf
from bot.web.security import Caller

CONSOLE_USER = 1
PLACE = "console"
CARDS_KEPT = 2_000


class CardDesk:
    """Speaks to the dispatcher for a caller, and remembers which cards were shown to whom."""

    def __init__(self, plane: ControlPlane, dispatcher: Dispatcher, shelf: Shelf) -> None:
        self._plane = plane
        self.dispatcher = dispatcher
        self.shelf = shelf
        self._numbers = itertools.count(1)
        self._shown: OrderedDict[str, str] = OrderedDict()

    def incoming(self, caller: Caller, message: str = "", request: str = "") -> Incoming:
        """Nothing in it is taken from the caller but which of his own cards was pressed, and his request id."""
        sender = Sender(Platform.CONSOLE, CONSOLE_USER, "콘솔", PLACE)
        return Incoming(sender, f"{caller.id}:{request}" if request else "", self._plane.wall.now(), message)

    def knows(self, caller: Caller, message: str) -> bool:
        return self._shown.get(message) == caller.id

    async def line(self, caller: Caller, text: str, request: str, progress: ProgressSink | None) -> Card:
        return await self._show(
            caller, await self.dispatcher.run_line(self.incoming(caller, "", request), text, progress)
        )

    async def command(
        self, caller: Caller, name: str, arguments: Mapping[str, str], request: str, progress: ProgressSink | None
    ) -> Card:
        incoming = self.incoming(caller, "", request)
        return await self._show(caller, await self.dispatcher.run(incoming, name, arguments, progress))

    async def press(
        self,
        caller: Caller,
        action: str,
        message: str,
        answers: Mapping[str, str] | None,
        request: str,
        progress: ProgressSink | None,
    ) -> Card:
        incoming = self.incoming(caller, message, request)
        reply = await self.dispatcher.act(incoming, action, answers, progress)
        return await self._show(caller, reply, message)

    async def refresh(self, caller: Caller, action: str, message: str) -> Card:
        reply = await self.dispatcher.refresh(self.incoming(caller, message), action)
        return self.card(reply, message)

    async def form(self, caller: Caller, action: str, message: str) -> FormModel | None:
        found = await self.dispatcher.form_of(self.incoming(caller, message), action)
        return _form(found)

    async def _show(self, caller: Caller, reply: Reply, pressed: str = "") -> Card:
        empty = not (reply.text or reply.picture)
        message = pressed if pressed and (reply.edit or empty) else f"{PLACE}/{next(self._numbers)}"
        if not empty:
            self._shown[message] = caller.id
            self._shown.move_to_end(message)
            while len(self._shown) > CARDS_KEPT:
                self._shown.popitem(last=False)
        if reply.binding:
            await self.dispatcher.delivered(reply.binding, message)
        return self.card(reply, message)

    def card(self, reply: Reply, message: str) -> Card:
        image = None
        if reply.picture is not None:
            identity = self.shelf.put(reply.picture.data, "image/png", reply.picture.name)
            image = ImageModel(
                url=f"/api/images/{identity}",
                alternative=reply.picture.alternative,
                width=reply.picture.width,
                height=reply.picture.height,
            )
        document = None
        if reply.document is not None:
            media_type = (
                "text/csv; charset=utf-8" if reply.document.name.endswith(".csv") else "application/octet-stream"
            )
            identity = self.shelf.put(reply.document.data, media_type, reply.document.name)
            document = FileModel(url=f"/api/images/{identity}", name=reply.document.name)
        live = reply.live
        return Card(
            message=message,
            text=reply.text,
            notice=reply.notice,
            image=image,
            document=document,
            rows=[
                [
                    ButtonModel(
                        label=button.label,
                        action=button.action,
                        style=button.style.value,
                        kind=button.kind.value,
                        disabled=button.disabled,
                    )
                    for button in row
                ]
                for row in reply.rows
            ],
            form=_form(reply.form),
            live=LiveModel(action=live.action, seconds=live.seconds, times=live.times) if live else None,
            edit=reply.edit,
            error=reply.error,
            silent=reply.silent,
        )


def _form(form: Form | None) -> FormModel | None:
    if form is None:
        return None
    fields = [
        FieldModel(
            name=field.name,
            label=field.label,
            placeholder=field.placeholder,
            required=field.required,
            secret=field.secret,
            value="" if field.secret else field.value,
        )
        for field in form.fields
    ]
    return FormModel(title=form.title, action=form.action, fields=fields)
