"""``gaemi sim``: the simulated broker alone, for any client that speaks KIS."""

from __future__ import annotations

import argparse
import asyncio
import errno
import json
import logging
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from bot.logs import set_up_logging
from bot.subcommands import UserError, add_json
from bot.subcommands.run import parse_day
from engine.market import Environment
from engine.simulator.settings import WIRE_EPOCHS

if TYPE_CHECKING:
    from engine.simulator.app import Addresses, Simulator
    from engine.simulator.standalone import StandaloneOptions

NAME = "sim"
HELP = "KIS OpenAPI로 말하는 모의 거래소를 따로 띄웁니다 (어느 KIS 클라이언트든 접속)"
EPILOG = """예:
  gaemi sim --port 9443 --speed 1 --environment mock        오늘 날짜의 합성 시장
  gaemi sim --ws-port 21000 --wire-epoch 2024               WebSocket을 따로, 2024년 레코드 길이로
  gaemi sim --replay 폴더 --date 2020-03-24                 실제 봉을 체결로 바꿔 재생

멈출 때까지 돕니다 (Ctrl+C). 자세한 것: docs/simulator.md
--json 은 포트가 열리면 한 줄을 냄: {"rest", "websocket", "port", "ws_port", "tape", "keys": [{"app_key", "app_secret", "environment", "account", "hts_id", "cash"}…]}
종료 코드: 0 정상 종료(SIGTERM), 2 포트·계좌 파일·자료 오류, 1 그 밖의 오류, 130 Ctrl+C"""

SECRETS_SHOWN = ("A" * 36, "V" * 36)
"""Built-in keys are public; those of an accounts file are shown without their secret."""


def parse_port(text: str) -> int:
    if text.isascii() and text.isdigit() and int(text) <= 65_535:
        return int(text)
    raise argparse.ArgumentTypeError(f"포트는 0에서 65535 사이의 수입니다: {text!r}")


def parse_pace(text: str) -> float:
    """A finite speed: foreign clients cannot be waited for, so there is no ``max`` here."""
    try:
        pace = float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"배속은 숫자입니다: {text!r}") from None
    if not 0.1 <= pace <= 10_000:
        raise argparse.ArgumentTypeError("배속은 0.1에서 10000 사이입니다")
    return pace


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--host", default="127.0.0.1", metavar="주소", help="듣는 주소 (기본 127.0.0.1)")
    parser.add_argument(
        "--port", type=parse_port, default=9443, metavar="번호", help="REST 포트 (기본 9443, 0은 아무거나)"
    )
    parser.add_argument("--ws-port", type=parse_port, metavar="번호", help="WebSocket 포트 (기본: REST와 같음)")
    parser.add_argument("--seed", type=int, default=7, metavar="수", help="합성 시장의 시드 (기본 7)")
    parser.add_argument(
        "--speed", type=parse_pace, default=60.0, metavar="배속", help="시장 배속 (기본 60, 실제 속도는 1)"
    )
    parser.add_argument(
        "--environment",
        choices=("mock", "real"),
        default="mock",
        help="계좌 파일의 키 가운데 환경을 적지 않은 것의 환경 (기본 mock)",
    )
    parser.add_argument(
        "--wire-epoch", choices=WIRE_EPOCHS, default="2026-09", help="WebSocket 레코드 길이의 시기 (기본 2026-09)"
    )
    parser.add_argument("--replay", type=Path, metavar="폴더", help="실제 봉(parquet)이 든 폴더를 재생")
    parser.add_argument("--date", type=parse_day, dest="day", metavar="날짜", help="재생하거나 지어낼 거래일")
    parser.add_argument("--accounts", type=Path, metavar="파일", help="앱키와 계좌를 더하는 JSON 파일")
    parser.add_argument("--verbose", action="store_true", help="자세한 로그")
    add_json(parser)


def run(arguments: argparse.Namespace) -> int:
    from engine.simulator.identity import AccountsFileError
    from engine.simulator.standalone import StandaloneOptions
    from engine.simulator.tape import TapeError

    set_up_logging(logging.DEBUG if arguments.verbose else logging.INFO, ())
    if arguments.ws_port and arguments.ws_port == arguments.port:
        arguments.ws_port = None
    options = StandaloneOptions(
        host=arguments.host,
        port=arguments.port,
        ws_port=arguments.ws_port,
        seed=arguments.seed,
        speed=arguments.speed,
        environment=Environment(arguments.environment),
        wire_epoch=arguments.wire_epoch,
        replay=arguments.replay,
        date=arguments.day,
        accounts=arguments.accounts,
    )
    try:
        asyncio.run(_serve(options, arguments.json))
    except (AccountsFileError, TapeError) as error:
        raise UserError(str(error)) from error
    except OSError as error:
        raise UserError(_why_not_open(options, error)) from error
    return 0


async def _serve(options: StandaloneOptions, as_json: bool) -> None:
    from engine.simulator.standalone import run_standalone

    def announce(addresses: Addresses, simulator: Simulator) -> None:
        found = announcement(options, addresses, simulator)
        for line in _lines(found):
            print(line, file=sys.stderr if as_json else sys.stdout, flush=True)
        if as_json:
            print(json.dumps(found, ensure_ascii=False), flush=True)

    task = asyncio.current_task()
    assert task is not None
    stopped: list[int] = []

    def stop(number: int) -> None:
        stopped.append(number)
        task.cancel()

    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop, number)
    try:
        await run_standalone(options, announce)
    except asyncio.CancelledError:
        if signal.SIGINT in stopped:
            raise KeyboardInterrupt from None
        if not stopped:
            raise


def announcement(options: StandaloneOptions, addresses: Addresses, simulator: Simulator) -> dict[str, object]:
    """What a client has to know, as of the JSON line."""
    return {
        "rest": addresses.rest_url,
        "websocket": addresses.ws_url,
        "port": addresses.port,
        "ws_port": addresses.ws_port,
        "tape": simulator.floor.tape.name,
        "wire_epoch": options.wire_epoch,
        "speed": options.speed,
        "keys": [
            {
                "app_key": key.key,
                "app_secret": key.secret if key.key in SECRETS_SHOWN else "(계좌 파일의 값)",
                "environment": key.environment.value,
                "account": f"{key.account.number}-{key.account.product}",
                "hts_id": key.account.hts_id,
                "cash": key.account.cash,
            }
            for key in simulator.keys
        ],
    }


def _short(text: str) -> str:
    """``A×36`` for a built-in key."""
    return f"{text[0]}×{len(text)}" if len(set(text)) == 1 else text


def _lines(found: dict[str, object]) -> list[str]:
    keys = found["keys"]
    assert isinstance(keys, list)
    return [
        f"■ 개미 모의 거래소 · {found['tape']} · {found['speed']:g}배속 · 레코드 {found['wire_epoch']}",
        f"  REST       {found['rest']}",
        f"  WebSocket  {found['websocket']}  (어느 경로나)",
        *(
            f"  {'실전' if key['environment'] == 'real' else '모의'} 앱키 {_short(key['app_key'])} · "
            f"시크릿 {_short(key['app_secret'])} · 계좌 {key['account']} · HTS {key['hts_id']} · 현금 {key['cash']:,}원"
            for key in keys
        ),
        "  멈추려면 Ctrl+C. 붙이는 법: docs/simulator.md",
    ]


def _why_not_open(options: StandaloneOptions, error: OSError) -> str:
    from bot.checks import port_holder

    if error.errno == errno.EADDRINUSE:
        for name, port in (("--port", options.port), ("--ws-port", options.ws_port)):
            if port and str(port) in str(error):
                return f"{port} 번 포트를 {port_holder(port)} 이(가) 쓰고 있습니다. {name} 로 다른 번호를 쓰세요"
    return f"모의 거래소를 열 수 없습니다: {error.strerror or error}"
