"""Everything people touch, beside the engine: pictures, commands, alerts, web console, Discord, Telegram.

A failing chat never reaches trading: each front end is supervised on its own, and none of them shares a task with the
engine's loops.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from bot.access import AccessControl, AccessList, Permission, Platform
from bot.adapters.analysis import open_analysis, report_loop
from bot.alert_texts import AlertWriter, follow, stock_buttons
from bot.alerts import AlertCenter
from bot.alerts_webhook import WebhookSink
from bot.app import Engine
from bot.control import ControlPlane
from bot.dispatch import Dispatcher
from bot.house import build_services
from bot.settings import Settings
from bot.texts import Texts
from bot.walltime import HostTime
from bot.web.figures import engine_figures
from bot.web.server import WebFrontEnd, WebProblem
from charts.worker import Renderer
from engine.clock import monotonic

Loop = Callable[[], Awaitable[None]]

CONSOLE_USER = 1
"""The person who opened the console's one-time link: the owner of this machine."""


def access_lists(settings: Settings) -> dict[Platform, AccessList]:
    """Who may do what, from the settings; the console's user is the admin."""

    def roles(viewers: tuple[int, ...], traders: tuple[int, ...], admins: tuple[int, ...]) -> dict[int, Permission]:
        return {
            **dict.fromkeys(viewers, Permission.VIEWER),
            **dict.fromkeys(traders, Permission.TRADER),
            **dict.fromkeys(admins, Permission.ADMIN),
        }

    return {
        Platform.CONSOLE: AccessList({CONSOLE_USER: Permission.ADMIN}),
        Platform.DISCORD: AccessList(
            roles(settings.discord_viewers, settings.discord_traders, settings.discord_admins),
            guilds=(settings.discord_guild,) if settings.discord_guild else (),
            places=(str(settings.discord_channel),) if settings.discord_channel else (),
            public=settings.discord_public_channel,
        ),
        Platform.TELEGRAM: AccessList(
            roles(settings.telegram_viewers, settings.telegram_traders, settings.telegram_admins)
        ),
    }


class FrontEndProblem(Exception):
    """A front end cannot be opened; one Korean line."""


@asynccontextmanager
async def open_front_ends(engine: Engine, tell: Callable[[str], None]) -> AsyncIterator[list[Loop]]:
    """Open the control plane and every front end that is set up; yields the loops to run beside the engine."""
    settings, home = engine.options.settings, engine.options.home
    async with AsyncExitStack() as stack:
        renderer = Renderer()
        await renderer.start()
        stack.push_async_callback(renderer.close)
        pipeline = await stack.enter_async_context(open_analysis(engine))
        services = build_services(engine, renderer, pipeline)
        access = AccessControl(access_lists(settings))
        plane = await ControlPlane.open(services, access, engine.venue.data_folder, language=settings.gaemi_language)
        stack.push_async_callback(plane.close)
        dispatcher = Dispatcher(plane)
        say = Texts(settings.gaemi_language)
        center = AlertCenter(plane.store, HostTime(), access, stock_buttons(say))
        writer = AlertWriter(say, engine.venue.environment, monotonic)
        loops: list[Loop] = [report_loop(engine, pipeline), center.run, lambda: follow(engine.events, center, writer)]
        loops += _discord(settings, engine, plane, dispatcher, access, center, tell)
        loops += _telegram(settings, engine, plane, dispatcher, access, center, tell)
        if settings.discord_webhook_url is not None:
            webhook = WebhookSink(settings.discord_webhook_url.get_secret_value())
            center.add(webhook)
            stack.push_async_callback(webhook.close)
            tell("  디스코드 웹훅: 알림만 보냅니다")
        loops += _web(settings, engine, plane, dispatcher, home, tell)
        yield loops


def _discord(
    settings: Settings,
    engine: Engine,
    plane: ControlPlane,
    dispatcher: Dispatcher,
    access: AccessControl,
    center: AlertCenter,
    tell: Callable[[str], None],
) -> list[Loop]:
    if settings.discord_token is None:
        return []
    from bot.discord.front import DiscordFrontEnd
    from bot.discord.options import DiscordOptions

    options = DiscordOptions(
        settings.discord_token.get_secret_value(),
        engine.venue.data_folder,
        settings.gaemi_language,
        settings.gaemi_discord_url,
    )
    front = DiscordFrontEnd(options, dispatcher, plane.registry, access)
    for sink in front.sinks(settings.discord_channel if settings.discord_public_channel else None):
        center.add(sink)
    tell(
        "  디스코드: 연결합니다"
        if not access.empty(Platform.DISCORD)
        else "  디스코드: DISCORD_ADMINS 가 비어 있어 아무도 쓸 수 없습니다"
    )
    return [front.run]


def _telegram(
    settings: Settings,
    engine: Engine,
    plane: ControlPlane,
    dispatcher: Dispatcher,
    access: AccessControl,
    center: AlertCenter,
    tell: Callable[[str], None],
) -> list[Loop]:
    if settings.telegram_token is None:
        return []
    from bot.telegram.front import TelegramFrontEnd
    from bot.telegram.options import TelegramOptions

    options = TelegramOptions(
        settings.telegram_token.get_secret_value(),
        engine.venue.data_folder,
        settings.gaemi_language,
        settings.gaemi_telegram_url,
    )
    front = TelegramFrontEnd(options, dispatcher, plane.registry, access)
    for sink in front.sinks():
        center.add(sink)
    tell(
        "  텔레그램: 연결합니다"
        if not access.empty(Platform.TELEGRAM)
        else "  텔레그램: TELEGRAM_ADMINS 가 비어 있어 아무도 쓸 수 없습니다"
    )
    return [front.run]


def _web(
    settings: Settings,
    engine: Engine,
    plane: ControlPlane,
    dispatcher: Dispatcher,
    home: Path,
    tell: Callable[[str], None],
) -> list[Loop]:
    """Raises FrontEndProblem where the address cannot be had: better no start than a console somewhere else."""
    try:
        front = WebFrontEnd(
            plane=plane,
            dispatcher=dispatcher,
            home=home,
            host=settings.gaemi_host,
            port=settings.gaemi_port,
            public=settings.gaemi_public,
            live=engine.market,
            figures=lambda: engine_figures(engine),
        )
        front.bind()
    except WebProblem as problem:
        raise FrontEndProblem(str(problem)) from problem
    tell(f"  콘솔 (2분 안에 한 번만 쓸 수 있는 주소): {front.login_link()}")
    tell(f"  다시 들어가려면: gaemi login --port {settings.gaemi_port}")
    return [front.run]
