"""One update from arrival to answer: acknowledge first, ask the dispatcher, show what it says.

This module decides nothing: who may do what, and whether it is done, is the dispatcher's.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace

from telegram import CallbackQuery, Message, Update, User
from telegram.constants import ChatAction, ChatType
from telegram.error import TelegramError

from bot.access import AccessControl, Incoming, Permission, Platform, Sender
from bot.commands.registry import Action, Command, Registry, UnknownCommand
from bot.dispatch import Dispatcher
from bot.frontend import LiveViews, Seen, Tasks, ViewGone, target_of
from bot.outgoing import FloodWait, Importance, QueueFull, Superseded
from bot.reply import ACTION_BYTES, LiveView, Reply
from bot.telegram.delivery import NOTICE_SECONDS, Delivery, Slot
from bot.telegram.forms import STOP_WORDS, Forms
from bot.telegram.messages import FORM_MARK, ORIGINAL, home_keyboard
from bot.texts.frontends import front_text
from engine import clock

logger = logging.getLogger(__name__)

Trouble = (TelegramError, FloodWait, QueueFull, Superseded)
HOME_WORDS = frozenset({"/start", "/home", "/menu", "홈", "메뉴"})
ACKNOWLEDGEMENT_RETRIES = 1


class Conversation:
    def __init__(
        self,
        dispatcher: Dispatcher,
        registry: Registry,
        access: AccessControl,
        delivery: Delivery,
        language: str,
        tasks: Tasks,
        seen: Seen,
    ) -> None:
        self._dispatcher = dispatcher
        self._registry = registry
        self._access = access
        self._delivery = delivery
        self._language = language
        self._tasks = tasks
        self._seen = seen
        self._forms = Forms(language)
        self.live = LiveViews(tasks)

    async def update(self, update: Update) -> None:
        """Edited messages, channel posts and what is no text are not obeyed; an update counts once."""
        if not self._seen.first(str(update.update_id)):
            logger.info("update %d was delivered again and ignored", update.update_id)
            return
        try:
            if update.callback_query is not None:
                await self._press(update.update_id, update.callback_query)
            elif update.message is not None and update.message.text:
                await self._text(update.update_id, update.message, update.message.text)
        except Trouble as problem:
            logger.warning("an answer was not shown: %s: %s", type(problem).__name__, problem)

    # -- typed lines

    async def _text(self, update_id: int, message: Message, text: str) -> None:
        incoming = self._incoming(update_id, message, message.from_user)
        chat, user = message.chat_id, incoming.sender.id
        if not incoming.sender.private and not text.startswith("/"):
            return  # in a group only commands are meant for us
        command = self._command(text)
        if await self._answers_form(incoming, message, text, command):
            return
        if text.split()[0].partition("@")[0] in HOME_WORDS and await self._home(incoming, chat):
            return
        await self._forms.drop(self._delivery, chat, user)
        urgent = command is not None and command.any_age
        if not urgent and incoming.sender.private:
            self._tasks.start(self._busy(chat), "chat action")
        slot = _Place(Slot(chat))
        reply = await self._dispatcher.run_line(incoming, text, self._progress(slot))
        await self._show(incoming, slot.now, reply, urgent=urgent)

    def _command(self, text: str) -> Command | None:
        try:
            return self._registry.find((text.split() or [""])[0])
        except UnknownCommand:
            return None

    async def _home(self, incoming: Incoming, chat: int) -> bool:
        """Telegram itself sends /start when a chat is opened: it must never start trading. False for those who may
        not see anything, whom the dispatcher refuses."""
        user, _ = self._access.identify(incoming.sender, Permission.VIEWER)
        if user is None:
            return False
        markup = home_keyboard(self._registry, self._language)
        await self._delivery.say(chat, front_text(self._language, "welcome"), reply_markup=markup)
        return True

    async def _answers_form(self, incoming: Incoming, message: Message, text: str, command: Command | None) -> bool:
        """Whether the line was taken as the answer to a form that is open."""
        chat, user = message.chat_id, incoming.sender.id
        asked = self._forms.waiting(chat, user)
        if asked is None:
            return False
        replied = message.reply_to_message
        meant = replied is not None and replied.message_id in asked.messages
        if text.strip().casefold() in STOP_WORDS:
            await self._forms.drop(self._delivery, chat, user)
            await self._notice(chat, front_text(self._language, "form_cancelled"))
            return True
        if command is not None and not meant:
            return False
        complete = await self._forms.answer(self._delivery, chat, user, text, message.message_id)
        if complete is not None:
            pressed = replace(incoming, message=complete.origin.key if complete.origin.message else "")
            await self._act(pressed, complete.form.action, complete.origin, complete.answers)
        return True

    # -- buttons

    async def _press(self, update_id: int, query: CallbackQuery) -> None:
        message, data = query.message, query.data or ""
        action = data.removeprefix(FORM_MARK)
        target = target_of(self._registry, action)
        urgent = target is not None and target.any_age
        if message is None:
            return  # an inline message of another chat: there is no place to answer in
        if urgent:
            # The kill switch waits for no acknowledgement, and needs none.
            self._tasks.start(self._acknowledge(query), "acknowledgement")
        elif not await self._acknowledge(query):
            return
        incoming = self._incoming(update_id, message, query.from_user)
        photo = isinstance(message, Message) and bool(message.photo)
        origin = self._delivery.slot(message.chat.id, message.message_id, photo=photo)
        incoming = replace(incoming, sent_at=clock.wall_now(), message=origin.key)
        if data == ORIGINAL:
            await self._original(incoming, origin)
            return
        asks = data.startswith(FORM_MARK) or (len(data.encode()) >= ACTION_BYTES and isinstance(target, Action))
        if asks and (form := await self._dispatcher.form_of(incoming, action)) is not None:
            await self._forms.begin(self._delivery, origin.chat, incoming.sender.id, form, origin)
            return
        await self._act(incoming, action, origin, None, urgent=urgent)

    async def _acknowledge(self, query: CallbackQuery) -> bool:
        """False when Telegram did not take it: the press is old (a downtime) or was not seen to work, and the person
        will press again, so nothing may be done on it."""
        try:
            await self._delivery.bot.answer_callback_query(query.id, rate_limit_args=ACKNOWLEDGEMENT_RETRIES)
        except TelegramError as problem:
            logger.warning("a press was not acknowledged: %s", problem)
            return False
        return True

    async def _act(
        self,
        incoming: Incoming,
        action: str,
        origin: Slot,
        answers: Mapping[str, str] | None,
        *,
        urgent: bool = False,
    ) -> None:
        slot = _Place(Slot(origin.chat))
        reply = await self._dispatcher.act(incoming, action, answers, self._progress(slot))
        if reply.edit and origin.message and not slot.now.message:
            self.live.stop(origin.key)
            await self._show(incoming, origin, reply, urgent=urgent)
        else:
            await self._show(incoming, slot.now, reply, urgent=urgent)

    async def _original(self, incoming: Incoming, origin: Slot) -> None:
        user, _ = self._access.identify(incoming.sender, Permission.VIEWER)
        if user is None:
            return
        picture = self._delivery.original(origin.key)
        if picture is None:
            await self._notice(origin.chat, front_text(self._language, "original_gone"))
            return
        caption = front_text(self._language, "original_caption")
        await self._delivery.send_document(
            origin.chat, picture.name, picture.data, importance=Importance.ROUTINE, caption=caption, protect=True
        )

    # -- answers

    async def _show(self, incoming: Incoming, slot: Slot, reply: Reply, *, urgent: bool = False) -> None:
        if not incoming.sender.private and reply.error:
            return  # a refusal is no matter for a group
        if reply.notice:
            self._tasks.start(self._notice(slot.chat, reply.notice), "notice")
        if not reply.text and reply.picture is None and reply.document is None and reply.form is None:
            return
        importance = Importance.ALARM if urgent else Importance.ANSWER
        shown = slot
        if reply.text or reply.picture is not None or reply.document is not None:
            shown = await self._delivery.show(slot, reply, importance)
        if reply.binding:
            await self._dispatcher.delivered(reply.binding, shown.key)
        if reply.form is not None:
            await self._forms.begin(self._delivery, slot.chat, incoming.sender.id, reply.form, shown)
        if reply.live is not None:
            self._refresh(replace(incoming, message=shown.key), shown, reply.live)

    def _refresh(self, incoming: Incoming, slot: Slot, live: LiveView) -> None:
        async def edit(reply: Reply) -> None:
            if reply.picture is None and slot.photo:
                raise ViewGone("a picture cannot become a text in place")
            try:
                await self._delivery.show(slot, reply, Importance.ROUTINE, live=True)
            except (Superseded, QueueFull) as late:
                logger.debug("a refresh of %s was left out: %s", slot.key, type(late).__name__)
            except Trouble as problem:
                raise ViewGone(str(problem)) from problem

        async def refresh(action: str) -> Reply:
            return await self._dispatcher.refresh(incoming, action)

        self.live.start(slot.key, live, refresh, edit)

    def _progress(self, place: _Place) -> Callable[[Reply], Awaitable[None]]:
        async def progress(reply: Reply) -> None:
            try:
                place.now = await self._delivery.show(place.now, reply, Importance.ROUTINE)
            except Trouble as problem:
                logger.debug("progress was not shown: %s", problem)

        return progress

    async def _notice(self, chat: int, text: str) -> None:
        """A line that goes away again. The press itself was answered before anything was done."""
        message = await self._delivery.say(chat, text, disable_notification=True)
        self._tasks.start(self._remove_later(chat, message.message_id), "notice removal")

    async def _remove_later(self, chat: int, message: int) -> None:
        await clock.wall_sleep(NOTICE_SECONDS)
        await self._delivery.remove(chat, message)

    async def _busy(self, chat: int) -> None:
        try:
            await self._delivery.bot.send_chat_action(chat, ChatAction.UPLOAD_PHOTO)
        except TelegramError as problem:
            logger.debug("the chat action was not shown: %s", problem)

    # -- who

    @staticmethod
    def _incoming(update_id: int, message: object, user: User | None) -> Incoming:
        chat = getattr(message, "chat", None)
        at = message.date if isinstance(message, Message) else clock.wall_now()
        posted_as = isinstance(message, Message) and message.sender_chat is not None
        sender = Sender(
            Platform.TELEGRAM,
            user.id if user is not None else 0,
            user.full_name if user is not None else "",
            place=str(chat.id) if chat is not None else "",
            private=chat is not None and chat.type == ChatType.PRIVATE,
            anonymous=user is None or user.is_bot or posted_as,
            language=(user.language_code or "") if user is not None else "",
        )
        return Incoming(sender, str(update_id), at)


class _Place:
    """Where the answer is now: progress moves it from nowhere to a message."""

    def __init__(self, slot: Slot) -> None:
        self.now = slot
