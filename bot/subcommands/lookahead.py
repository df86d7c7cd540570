"""``gaemi lookahead``: does any score change when what comes after it is cut off or replaced?"""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path

from bot.subcommands import UserError, add_json

NAME = "lookahead"
HELP = "점수와 손절이 미래의 봉을 보지 않는지 자르고 흔들고 늦춰 확인합니다"
EPILOG = """예:
  gaemi lookahead 005930 --data 자료폴더
  gaemi lookahead 005930 --data 자료폴더 --checks 100 --daily --json

JSON: code, decisions, findings[], moved_by_delay
종료 코드: 0 미래를 보지 않음, 1 미래를 본 값이 있음, 2 자료·입력 오류"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("code", metavar="종목코드", help="종목 코드")
    parser.add_argument("--data", type=Path, required=True, metavar="폴더", help="봉 자료가 든 폴더")
    parser.add_argument("--checks", type=int, default=12, metavar="수", help="확인할 판단 수 (기본 12)")
    parser.add_argument("--daily", action="store_true", help="15분봉이 있어도 일봉만 사용")
    add_json(parser)


def run(arguments: argparse.Namespace) -> int:
    os.nice(5)
    from dataclasses import asdict

    from engine.backtest.folder import read_folder
    from engine.backtest.lookahead import check_lookahead
    from engine.market import parse_code

    if arguments.checks < 1:
        raise UserError("--checks 는 1 이상이어야 합니다")
    try:
        code = parse_code(arguments.code)
        found = read_folder(arguments.data, {code}, minutes=not arguments.daily)
        report = check_lookahead(found.stocks[code], checks=arguments.checks)
    except ValueError as error:
        raise UserError(str(error)) from error
    print(
        f"{code}: 판단 {report.decisions}개를 자르고 흔들어 본 결과 바뀐 값 {len(report.findings)}개"
        f" (마지막 봉을 늦추면 {report.moved_by_delay}개가 바뀜)"
    )
    for line in report.findings[:50]:
        print(f"! {line}")
    if arguments.json:
        print(json.dumps(asdict(report), ensure_ascii=False))
    return 1 if report.findings else 0
