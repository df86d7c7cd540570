"""``gaemi login``: a new one-time link into the console of the running service."""

from __future__ import annotations

import argparse

from bot.settings import load_settings
from bot.subcommands import UserError, add_home

NAME = "login"
HELP = "실행 중인 개미의 콘솔에 들어가는 일회용 주소를 새로 만듭니다"
EPILOG = """예: gaemi login

종료 코드: 0 만듦, 2 실행 중인 개미를 찾지 못함"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_home(parser)
    parser.add_argument("--port", type=int, metavar="번호", help="웹 콘솔 포트 (기본 8000)")


def run(arguments: argparse.Namespace) -> int:
    import httpx

    settings = load_settings(gaemi_home=arguments.home, gaemi_port=arguments.port)
    try:
        token = (settings.gaemi_home / "api-token").read_text(encoding="ascii").strip()
        answer = httpx.post(
            f"http://127.0.0.1:{settings.gaemi_port}/api/login-link",
            headers={"Authorization": f"Bearer {token}"},
            timeout=5,
        )
        answer.raise_for_status()
        print(answer.json()["link"])
    except (OSError, httpx.HTTPError, KeyError, ValueError) as error:
        raise UserError(
            f"실행 중인 개미를 찾지 못했습니다 (포트 {settings.gaemi_port}): {type(error).__name__}"
        ) from error
    return 0
