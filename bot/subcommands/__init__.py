"""Subcommands of ``gaemi``: one module each, found by its name.

A module has ``NAME``, ``HELP`` (one Korean line), ``EPILOG`` (an example and the exit codes),
``add_arguments(parser)`` and ``run(arguments) -> int`` (the exit code).
"""

from __future__ import annotations

import argparse
import importlib
import pkgutil
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

DISCLAIMER = "개인용 도구이며 투자 권유가 아닙니다. 손실 책임은 이용자에게 있습니다."


class Subcommand(Protocol):
    NAME: str
    HELP: str
    EPILOG: str

    def add_arguments(self, parser: argparse.ArgumentParser) -> None: ...
    def run(self, arguments: argparse.Namespace) -> int: ...


class UserError(Exception):
    """Something the person can mend: one clear Korean line, exit code 2 unless told otherwise."""

    def __init__(self, message: str, exit_code: int = 2) -> None:
        super().__init__(message)
        self.exit_code = exit_code


def discover() -> Iterator[Subcommand]:
    for info in sorted(pkgutil.iter_modules(__path__), key=lambda item: item.name):
        if not info.name.startswith("_"):
            yield importlib.import_module(f"{__name__}.{info.name}")


def add_home(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--home", type=Path, metavar="폴더", help="자료를 두는 폴더 (기본: GAEMI_HOME)")


def add_json(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="마지막 줄에 결과를 JSON 객체 하나로 출력")
