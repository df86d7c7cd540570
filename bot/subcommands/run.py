"""``gaemi run``: the service, on the embedded simulator unless keys are set."""

from __future__ import annotations

import argparse
import asyncio
import dataclasses
import json
import logging
import math
import signal
import sys
from collections.abc import Sequence
from datetime import date
from pathlib import Path

from bot.logs import set_up_logging
from bot.settings import Settings, load_settings
from bot.subcommands import UserError, add_home, add_json
from engine.market import Environment
from engine.orders import JournalUnavailable, LeaseHeld
from engine.results import DaySummary, Trade

NAME = "run"
HELP = "개미를 시작합니다 (KIS 키가 없으면 내장 시뮬레이터로)"
EPILOG = """예:
  gaemi run                                     시뮬레이터 하루를 60배속으로, 콘솔은 http://127.0.0.1:8000/
  gaemi run --speed 600 --exit-at-close --json  장이 끝나면 하루 요약을 JSON 한 줄로 내고 끝냄
  gaemi run --replay 폴더 --date 2020-03-24     실제 봉을 체결로 바꿔 다시 봄

종료 코드: 0 정상, 2 설정·입력 오류, 1 그 밖의 오류, 130 사용자 중단"""


def parse_speed(text: str) -> float:
    if text == "max":
        return math.inf
    try:
        speed = float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"배속은 숫자 또는 max 입니다: {text!r}") from None
    if not 0.1 <= speed <= 1_000_000:
        raise argparse.ArgumentTypeError("배속은 0.1 이상이어야 합니다")
    return speed


def parse_day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"날짜는 2026-11-23 처럼 적습니다: {text!r}") from None


def add_market(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--seed", type=int, default=7, metavar="수", help="합성 시장의 시드 (기본 7)")
    parser.add_argument("--date", type=parse_day, dest="day", metavar="날짜", help="시작할 거래일 (예: 2020-03-24)")
    parser.add_argument("--replay", type=Path, metavar="폴더", help="실제 봉(parquet)이 든 폴더를 다시 재생")
    parser.add_argument("--speed", type=parse_speed, default=60.0, metavar="배속", help="시장 배속의 상한, max 가능")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_market(parser)
    add_home(parser)
    add_json(parser)
    parser.add_argument("--exit-at-close", action="store_true", help="장이 끝나고 하루 요약 뒤에 종료")
    parser.add_argument("--no-start", action="store_true", help="자동매매를 시작하지 않고 켜기만 함")
    parser.add_argument("--port", type=int, metavar="번호", help="웹 콘솔 포트 (기본 8000)")
    parser.add_argument("--no-front-ends", action="store_true", help="웹·채팅 없이 매매만 (측정용)")
    parser.add_argument("--verbose", action="store_true", help="자세한 로그")


def run(arguments: argparse.Namespace) -> int:
    settings = load_settings(gaemi_port=arguments.port, gaemi_home=arguments.home)
    set_up_logging(logging.DEBUG if arguments.verbose else logging.INFO, secrets_of(settings))
    if (arguments.replay or arguments.day) and settings.environment is not Environment.SIMULATOR:
        raise UserError("--replay 와 --date 는 시뮬레이터에서만 쓸 수 있습니다 (KIS 키가 설정되어 있음)")
    summary = asyncio.run(_serve(settings, arguments))
    if arguments.json:
        print(json.dumps(summary_json(summary), ensure_ascii=False))
    elif summary is not None:
        print(summary_text(summary))
    return 0


async def _serve(settings: Settings, arguments: argparse.Namespace) -> DaySummary | None:
    from bot.app import RunOptions, serve
    from bot.front_ends import FrontEndProblem
    from bot.venue import MarketChoice, VenueError

    options = RunOptions(
        settings,
        prepare_home(settings.gaemi_home),
        MarketChoice(arguments.seed, arguments.day, arguments.replay, arguments.speed),
        exit_at_close=arguments.exit_at_close,
        autostart=False if arguments.no_start else None,
        front_ends=not arguments.no_front_ends,
    )
    task = asyncio.current_task()
    assert task is not None
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, task.cancel)
    try:
        return await serve(options, lambda line: print(line, file=sys.stderr, flush=True))
    except asyncio.CancelledError:
        raise KeyboardInterrupt from None
    except (VenueError, FrontEndProblem, JournalUnavailable, LeaseHeld) as error:
        raise UserError(str(error)) from error
    except BaseExceptionGroup as group:
        raise _first(group) from group


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """The failure that ended the service, without its wrappings; expected ones become one line."""
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return UserError(str(error), 1) if isinstance(error, JournalUnavailable | LeaseHeld) else error


def prepare_home(home: Path) -> Path:
    """Make the folder, private to its owner, and prove that it can be written."""
    try:
        home.mkdir(parents=True, exist_ok=True, mode=0o700)
        probe = home / ".probe"
        probe.write_bytes(b"x" * 4096)
        probe.unlink()
    except OSError as error:
        raise UserError(
            f"자료 폴더에 쓸 수 없습니다: {home} ({error.strerror}). --home 으로 다른 폴더를 고르세요"
        ) from error
    return home.resolve()


def secrets_of(settings: Settings) -> Sequence[str]:
    from pydantic import SecretStr

    values = [getattr(settings, name) for name in type(settings).model_fields]
    return [value.get_secret_value() for value in values if isinstance(value, SecretStr)] + (
        [settings.kis_account] if settings.kis_account else []
    )


def trade_json(trade: Trade) -> dict[str, object]:
    return {
        **{
            name: value
            for name, value in dataclasses.asdict(trade).items()
            if name not in ("entry_at", "exit_at", "reason")
        },
        "entry_at": trade.entry_at.isoformat(),
        "exit_at": trade.exit_at.isoformat(),
        "reason": trade.reason.value,
        "profit": trade.profit,
        "profit_percent": round(trade.profit_percent, 3),
    }


def summary_json(summary: DaySummary | None) -> dict[str, object]:
    if summary is None:
        return {"finished": False}
    return {
        "finished": True,
        "day": summary.day.isoformat(),
        "environment": summary.environment.value,
        "trades": [trade_json(trade) for trade in summary.trades],
        "open_positions": [
            {"code": p.stock.code, "name": p.stock.name, "quantity": p.quantity, "average_price": p.average_price}
            for p in summary.open_positions
        ],
        **{
            name: getattr(summary, name)
            for name in (
                "buys",
                "sells",
                "rejected",
                "fees",
                "taxes",
                "realised",
                "equity_start",
                "equity_end",
                "evaluated",
                "evaluations_at_entry",
                "highest_score",
                "parity",
            )
        },
        "notes": list(summary.notes),
        "explanations": summary.explanations,
        "speed": round(summary.speed, 1),
        "loop_lag_p99_ms": round(summary.loop_lag_p99_ms, 2),
        "memory_mb": round(summary.memory_mb, 1),
        **({"journal_hash": summary.journal_hash} if summary.journal_hash else {}),
    }


def summary_text(summary: DaySummary) -> str:
    lines = [
        f"■ {summary.day:%Y-%m-%d} 하루 요약 ({summary.environment.label})",
        f"  거래 {len(summary.trades)}건 · 실현손익 {summary.realised:+,}원 · 수수료 {summary.fees:,}원 · 세금 {summary.taxes:,}원",
        f"  평가금액 {summary.equity_start:,} → {summary.equity_end:,}원",
        f"  점수 계산 {summary.evaluated:,}회 · 55점 이상 {summary.evaluations_at_entry}회 · 최고 {summary.highest_score:+.1f}점",
    ]
    for trade in summary.trades:
        score = f"{trade.entry_score:+.1f}점 " if trade.entry_score is not None else ""
        lines.append(
            f"  · {trade.name} {score}{trade.quantity}주 {trade.entry_price:,.0f} → {trade.exit_price:,.0f} "
            f"({trade.reason.label}, {trade.profit:+,}원 {trade.profit_percent:+.2f}%)"
        )
        lines += [f"      {reason}" for reason in trade.entry_reasons]
    for position in summary.open_positions:
        lines.append(
            f"  · 남은 보유: {position.stock.name} {position.quantity}주 (평균 {position.average_price:,.0f}원)"
        )
    lines += [f"  - {note}" for note in summary.notes]
    lines.append(
        f"  배속 {summary.speed:,.0f} · 이벤트 루프 지연 p99 {summary.loop_lag_p99_ms:.1f}ms · 메모리 {summary.memory_mb:,.0f}MB"
    )
    return "\n".join(lines)
