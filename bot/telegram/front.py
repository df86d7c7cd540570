"""The Telegram front end: polling under supervision, and the sinks for alerts."""

from __future__ import annotations

import asyncio
import hashlib
import logging
from typing import Any

from telegram import Bot, BotCommandScopeAllGroupChats, BotCommandScopeAllPrivateChats, Update
from telegram.error import Conflict, InvalidToken, TelegramError
from telegram.ext import AIORateLimiter, Application, ContextTypes, TypeHandler
from telegram.request import HTTPXRequest

from bot import redaction
from bot.access import AccessControl, Platform
from bot.alerts import Alert
from bot.commands.registry import Registry
from bot.dispatch import Dispatcher
from bot.frontend import DefinitionMemory, Fatal, FrontEndStatus, NotConnected, Seen, Tasks, supervise
from bot.outgoing import Importance, Outgoing
from bot.reply import Reply
from bot.telegram.conversation import Conversation
from bot.telegram.delivery import Delivery, Slot
from bot.telegram.messages import menu
from bot.telegram.options import TelegramOptions

logger = logging.getLogger(__name__)

CONCURRENT_UPDATES = 64
"""So that a slow chart never delays panic."""
BURST = 4
UPDATES = [Update.MESSAGE, Update.CALLBACK_QUERY]
"""Edited messages are not asked for: what was said counts as it was sent."""
_WRONG_TOKEN = "TELEGRAM_TOKEN 이 맞지 않습니다. BotFather 에서 다시 확인하세요"


class _Polling(HTTPXRequest):
    """Tells the front end how polling fares: PTB itself goes on in silence."""

    def __init__(self, front: TelegramFrontEnd, read_timeout: float) -> None:
        super().__init__(connection_pool_size=1, read_timeout=read_timeout)
        self._front = front

    async def do_request(self, *args: Any, **kwargs: Any) -> tuple[int, bytes]:
        code, payload = await super().do_request(*args, **kwargs)
        self._front.polled(code)
        return code, payload


class TelegramFrontEnd:
    """``run`` beside the engine, outside its tasks. Nothing raised in here leaves it."""

    def __init__(
        self, options: TelegramOptions, dispatcher: Dispatcher, registry: Registry, access: AccessControl
    ) -> None:
        """Raises bot.frontend.Fatal for an address that tests alone may use."""
        options.check()
        redaction.install([options.token])
        # Floods are handled by our own queue; the library would print each with a traceback.
        logging.getLogger("telegram.ext.AIORateLimiter").setLevel(logging.CRITICAL)
        self.status = FrontEndStatus()
        self._options = options
        self._dispatcher = dispatcher
        self._registry = registry
        self._access = access
        self._outgoing = Outgoing(burst=BURST, per_second=options.per_second)
        self._memory = DefinitionMemory(options.folder / "telegram-commands.json")
        self._seen = Seen()
        self._delivery: Delivery | None = None
        self._wrong_token = asyncio.Event()

    async def run(self) -> None:
        """Until cancelled; returns early only when trying again cannot help (``status.problem`` says why)."""
        await supervise("Telegram", self._attempt, self.status, first_pause=self._options.first_pause)

    def polled(self, code: int) -> None:
        if code in (401, 404):
            self._wrong_token.set()
        elif code == 200:
            self.status.up()

    async def _attempt(self) -> None:
        tasks = Tasks()
        application = self._application()
        try:
            await application.initialize()
            delivery = Delivery(application.bot, self._outgoing, self._options.language)
            conversation = Conversation(
                self._dispatcher, self._registry, self._access, delivery, self._options.language, tasks, self._seen
            )

            async def handle(update: Update, context: ContextTypes.DEFAULT_TYPE) -> None:
                await conversation.update(update)

            application.add_handler(TypeHandler(Update, handle))
            application.add_error_handler(_log_error)
            self._delivery = delivery
            await self._publish(application.bot)
            await application.start()
            assert application.updater is not None
            await application.updater.start_polling(
                timeout=self._options.poll_seconds,
                allowed_updates=UPDATES,
                # What waited is judged by its age, not thrown away: a panic sent during a downtime must count.
                drop_pending_updates=False,
                error_callback=self._polling_failed,
            )
            self.status.up()
            await self._wrong_token.wait()
            raise Fatal(_WRONG_TOKEN)
        except InvalidToken as problem:
            raise Fatal(_WRONG_TOKEN) from problem
        finally:
            self._delivery = None
            await tasks.close()
            await _shut_down(application)

    def _application(self) -> Application[Any, Any, Any, Any, Any, Any]:
        builder = (
            Application.builder()
            .token(self._options.token)
            .concurrent_updates(CONCURRENT_UPDATES)
            .rate_limiter(AIORateLimiter(max_retries=0))
            .get_updates_request(_Polling(self, read_timeout=self._options.poll_seconds + 5.0))
            .job_queue(None)
        )
        if self._options.server_url:
            url = self._options.server_url.rstrip("/")
            builder = builder.base_url(f"{url}/bot").base_file_url(f"{url}/file/bot")
        return builder.build()

    async def _publish(self, bot: Bot) -> None:
        """The command menu of private chats, Korean first; groups get none."""
        private = BotCommandScopeAllPrivateChats()
        menus = {"": menu(self._registry, self._options.language)}
        menus |= {language: menu(self._registry, language) for language in ("ko", "en")}
        shown = repr([(language, entry.to_dict()) for language, entries in menus.items() for entry in entries])
        digest = hashlib.sha256(shown.encode()).hexdigest()
        if self._memory.known(str(bot.id)) == digest:
            return
        try:
            for language, entries in menus.items():
                await bot.set_my_commands(entries, scope=private, language_code=language or None)
            await bot.delete_my_commands(scope=BotCommandScopeAllGroupChats())
            self._memory.remember(str(bot.id), digest)
        except TelegramError as problem:
            # Only the menu: typed commands work without it.
            logger.warning("텔레그램 명령 목록을 등록하지 못했습니다: %s", problem)

    def _polling_failed(self, problem: TelegramError) -> None:
        if isinstance(problem, Conflict):
            self.status.down("같은 TELEGRAM_TOKEN 으로 다른 프로그램이 실행 중입니다")
        else:
            self.status.down(f"{type(problem).__name__}: {redaction.redactor.clean(str(problem))}")
        logger.warning("Telegram polling failed: %s", self.status.problem)

    # -- alerts

    def sinks(self) -> list[TelegramSink]:
        """One for each listed person."""
        return [TelegramSink(self, user) for user in self._access.users(Platform.TELEGRAM)]

    def delivery(self) -> Delivery:
        if self._delivery is None:
            raise NotConnected(self.status.problem or "Telegram 에 연결되지 않았습니다")
        return self._delivery


class TelegramSink:
    """Pushes to the private chat with one person."""

    def __init__(self, front: TelegramFrontEnd, user: int) -> None:
        self.name = f"telegram:{user}"
        self._front = front
        self._user = user

    async def deliver(self, alert: Alert) -> None:
        """Raises NotConnected, telegram.error.TelegramError, bot.outgoing.FloodWait, bot.outgoing.QueueFull."""
        reply = Reply(text=alert.text, picture=alert.picture, rows=alert.rows, silent=alert.silent)
        importance = Importance.ALARM if alert.critical else Importance.ROUTINE
        await self._front.delivery().show(Slot(self._user), reply, importance)


async def _log_error(update: object, context: ContextTypes.DEFAULT_TYPE) -> None:
    logger.error("handling an update failed", exc_info=context.error)


async def _shut_down(application: Application[Any, Any, Any, Any, Any, Any]) -> None:
    """Each step alone: the client may have stopped half-way up."""
    updater = application.updater
    try:
        if updater is not None and updater.running:
            await updater.stop()
        if application.running:
            await application.stop()
        await application.shutdown()
        # Shutting down an application that never got through its start leaves its bot's connections open.
        await application.bot.shutdown()
    except (TelegramError, RuntimeError) as problem:
        logger.debug("Telegram did not shut down cleanly: %s", problem)
