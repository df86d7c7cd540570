"""``gaemi watch``: a second process that compares the broker with the journal and alerts where they differ."""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import signal
import sqlite3
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from bot.journal_files import JournalFile
from bot.logs import set_up_logging
from bot.settings import Settings, load_settings
from bot.subcommands import UserError, add_home, add_json
from bot.subcommands.journal import add_market_name, choose_file
from bot.subcommands.run import secrets_of
from engine.broker import Broker
from engine.clock import MarketClock, wall_now, wall_sleep
from engine.market import Environment
from engine.orders import JournalUnavailable
from engine.orders.watch import INTERVAL_SECONDS, Finding, Watcher, compare, read_journal

if TYPE_CHECKING:
    from bot.alerts_webhook import WebhookSink

NAME = "watch"
HELP = "다른 프로세스에서 증권사와 주문 기록을 견주고, 어긋나거나 멈추면 알립니다"
EPILOG = """예:
  gaemi watch                          1분마다 보고, 어긋나면 알림 (Ctrl+C 로 멈춤)
  gaemi watch --once --json            한 번만 보고 끝냄
  gaemi watch --cancel-when-hanging    개미가 멈추면 개미의 미체결 주문을 취소

주문 기록은 읽기만 합니다. DISCORD_WEBHOOK_URL 이 있으면 알림을 거기에도 보냅니다.
실전·모의: 증권사의 주문·잔고와 기록을 견줍니다 (1분에 두 번 조회하므로 호출 한도를 조금 씁니다).
내장 시뮬레이터: 그 증권사는 개미 프로세스 안에만 있어 밖에서 볼 수 없습니다. 개미가 살아 있는지와 전송 중에 멈춘 주문만 봅니다.
JSON (--once): {"database", "environment", "broker_compared", "findings": [{"kind", "message", "code"}…]}
종료 코드: 0 이상 없음(--once), 1 어긋남이나 멈춤을 찾았거나 증권사를 읽지 못함(--once), 2 설정·입력 오류 또는 기록이 없음, 130 사용자 중단"""

Alerting = Callable[[str], Awaitable[None]]
logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Wanted:
    once: bool
    cancel: bool


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--once", action="store_true", help="한 번만 보고 끝냄")
    parser.add_argument(
        "--cancel-when-hanging", action="store_true", help="개미가 멈추면 개미의 미체결 주문을 취소 (실전·모의)"
    )
    add_market_name(parser)
    add_home(parser)
    add_json(parser)


def run(arguments: argparse.Namespace) -> int:
    settings = load_settings(gaemi_home=arguments.home)
    set_up_logging(logging.WARNING, secrets_of(settings))
    simulated = settings.environment is Environment.SIMULATOR
    if simulated and arguments.cancel_when_hanging:
        raise UserError(
            "--cancel-when-hanging 은 실전·모의에서만 됩니다: 내장 시뮬레이터의 증권사는 밖에서 닿지 않습니다"
        )
    home = settings.gaemi_home.resolve()
    if simulated:
        file, _ = choose_file(home, arguments.market)
        if not file.name.startswith("simulator/"):
            raise UserError(
                f"KIS 키가 없어 {file.name} 의 증권사를 볼 수 없습니다. 키를 설정하거나 --market 으로 고르세요"
            )
    else:
        file, _ = choose_file(home, f"{settings.environment.value}-{settings.account_tail}")
    wanted = Wanted(arguments.once, arguments.cancel_when_hanging)
    try:
        found = asyncio.run(_watch(settings, home, file, wanted))
    except JournalUnavailable as error:
        raise UserError(str(error)) from error
    if not found:
        print("이상 없음" + (" (기록만 봄)" if simulated else ""))
    if arguments.json:
        print(
            json.dumps(
                {
                    "database": str(file.path),
                    "environment": settings.environment.value,
                    "broker_compared": not simulated,
                    "findings": [{"kind": one.kind, "message": one.message, "code": one.code} for one in found],
                },
                ensure_ascii=False,
            )
        )
    return 1 if found else 0


async def _watch(settings: Settings, home: Path, file: JournalFile, wanted: Wanted) -> tuple[Finding, ...]:
    from bot.venue import MarketChoice, open_venue

    task = asyncio.current_task()
    assert task is not None
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    simulated = settings.environment is Environment.SIMULATOR
    print(f"■ 감시 · {settings.environment.label} · {file.path}", flush=True)
    if simulated:
        print("  내장 시뮬레이터의 증권사는 밖에서 볼 수 없어, 개미가 살아 있는지와 멈춘 주문만 봅니다", flush=True)
    try:
        async with AsyncExitStack() as stack:
            alert = await _alerting(settings, stack)
            if simulated:
                return await _journal_only(file.path, alert, wanted.once)
            venue = await stack.enter_async_context(open_venue(settings, MarketChoice(), home))
            if wanted.once:
                return await look_once(file.path, venue.kis, venue.clock, alert, wanted.cancel)
            watcher = Watcher(file.path, venue.kis, venue.clock, alert, cancel_when_hanging=wanted.cancel)
            return await _forever(watcher, alert)
    except asyncio.CancelledError:
        raise KeyboardInterrupt from None


async def look_once(
    path: Path, broker: Broker, clock: MarketClock, alert: Alerting, cancel: bool
) -> tuple[Finding, ...]:
    """One comparison, everything told at once. Raises UserError where the broker cannot be read."""
    told: list[str] = []

    async def tell(message: str) -> None:
        told.append(message)
        await alert(message)

    found = await Watcher(path, broker, clock, tell, cancel_when_hanging=cancel).look()
    if told and not found:  # nothing was compared
        raise UserError(told[-1].removeprefix("감시: "), 1)
    for finding in found:
        if finding.kind not in ("hang", "stuck"):  # those the watcher tells itself, the others only when they stand
            await alert(f"감시: {finding.message}")
    return found


async def _forever(watcher: Watcher, alert: Alerting) -> tuple[Finding, ...]:
    trouble = ""
    while True:
        try:
            await watcher.look()
            trouble = ""
        except JournalUnavailable as error:
            if str(error) != trouble:
                await alert(f"감시: {error}")
            trouble = str(error)
        await wall_sleep(INTERVAL_SECONDS)


async def _alerting(settings: Settings, stack: AsyncExitStack) -> Alerting:
    """Alerts go to stdout, and to the webhook where one is set."""
    sink: WebhookSink | None = None
    if settings.discord_webhook_url is not None:
        from bot.alerts_webhook import BadWebhook, WebhookSink

        try:
            sink = WebhookSink(settings.discord_webhook_url.get_secret_value())
        except BadWebhook as error:
            raise UserError(str(error)) from error
        stack.push_async_callback(sink.close)

    async def alert(message: str) -> None:
        print(f"{wall_now():%H:%M:%S} {message}", flush=True)
        if sink is not None:
            await _deliver(sink, message)

    return alert


async def _deliver(sink: WebhookSink, message: str) -> None:
    import httpx

    from bot.alerts import Alert, AlertKind
    from bot.alerts_webhook import WebhookRefused

    try:
        await sink.deliver(Alert(0, AlertKind.ERROR, wall_now(), message, critical=True))
    except (httpx.HTTPError, WebhookRefused) as error:
        logger.warning("웹훅으로 알리지 못했습니다: %s", error)


# ---------------------------------------------------------------- the embedded simulator: its journal alone


def look_at_journal(path: Path) -> tuple[Finding, ...]:
    """Whether the service lives, and orders that hang while being sent. Raises JournalUnavailable."""
    market = _market_time(path)
    if market is None:
        return (Finding("hang", "gaemi가 이 기록을 아직 쓴 적이 없습니다"),)
    snapshot = read_journal(path, market.date(), market)
    alone = replace(snapshot, positions={}, open_keys={}, open_filled={})
    return compare(alone, (), {}, wall_now())


def _market_time(path: Path) -> datetime | None:
    """The market time of the last heartbeat: an embedded market has a time of its own."""
    try:
        connection = sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True, timeout=5.0)
        try:
            row = connection.execute("SELECT heartbeat_market FROM lease").fetchone()
        finally:
            connection.close()
    except sqlite3.Error as error:
        raise JournalUnavailable(f"주문 기록을 읽을 수 없습니다({error}): {path}") from error
    return datetime.fromisoformat(row[0]) if row else None


async def _journal_only(path: Path, alert: Alerting, once: bool) -> tuple[Finding, ...]:
    told: frozenset[str] = frozenset()
    while True:
        found: Sequence[Finding] = look_at_journal(path)
        for finding in found:
            # The age in a hang's message grows: it is told once while it lasts.
            if _name(finding) not in told:
                await alert(f"감시: {finding.message}")
        told = frozenset(_name(finding) for finding in found)
        if once:
            return tuple(found)
        await wall_sleep(INTERVAL_SECONDS)


def _name(finding: Finding) -> str:
    return finding.kind if finding.kind == "hang" else finding.message
