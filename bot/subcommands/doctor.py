"""``gaemi doctor``: is this machine ready, and what to do where it is not."""

from __future__ import annotations

import argparse
import dataclasses
import json

from bot.settings import load_settings
from bot.subcommands import add_home, add_json

NAME = "doctor"
HELP = "설정, 디스크, 시계, 달력, 키, 글꼴을 점검하고 고칠 방법을 알려 줍니다"
EPILOG = """예: gaemi doctor

종료 코드: 0 모두 정상, 1 고칠 것이 있음, 2 설정이 잘못됨
JSON: {"well": 참/거짓, "checks": [{"name", "well", "detail", "advice"}…]}"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_home(parser)
    add_json(parser)


def run(arguments: argparse.Namespace) -> int:
    from bot.checks import run_checks

    checks = run_checks(load_settings(gaemi_home=arguments.home))
    well = all(check.well for check in checks)
    if arguments.json:
        print(json.dumps({"well": well, "checks": [dataclasses.asdict(c) for c in checks]}, ensure_ascii=False))
        return 0 if well else 1
    for check in checks:
        print(f"{'정상' if check.well else '문제'}  {check.name}: {check.detail}")
        if not check.well:
            print(f"      → {check.advice}")
    return 0 if well else 1
