"""``gaemi health``: is the running service alive (for containers and supervisors)."""

from __future__ import annotations

import argparse

from bot.settings import load_settings
from bot.subcommands import UserError

NAME = "health"
HELP = "실행 중인 개미가 살아 있는지 확인합니다 (컨테이너 점검용)"
EPILOG = "종료 코드: 0 살아 있음, 2 응답 없음"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--port", type=int, metavar="번호", help="웹 콘솔 포트 (기본 8000)")


def run(arguments: argparse.Namespace) -> int:
    import httpx

    settings = load_settings(gaemi_port=arguments.port)
    try:
        answer = httpx.get(f"http://127.0.0.1:{settings.gaemi_port}/healthz", timeout=5)
        answer.raise_for_status()
    except httpx.HTTPError as error:
        raise UserError(f"응답이 없습니다: {type(error).__name__}") from error
    print(answer.text)
    return 0
