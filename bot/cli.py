"""The ``gaemi`` command: parses, runs one subcommand, turns expected failures into one Korean line."""

from __future__ import annotations

import argparse
import os
import signal
import sys
from collections.abc import Sequence
from typing import NoReturn

from bot.settings import SettingsError
from bot.subcommands import DISCLAIMER, UserError, discover


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.print_usage(sys.stderr)
        print(f"오류: {_korean(message)}", file=sys.stderr)
        raise SystemExit(2)


def _korean(message: str) -> str:
    for english, korean in (
        ("the following arguments are required:", "빠진 인자:"),
        ("unrecognized arguments:", "알 수 없는 인자:"),
        ("invalid choice:", "고를 수 없는 값:"),
        ("expected one argument", "값이 하나 필요합니다"),
        ("argument ", "인자 "),
        ("invalid ", "잘못된 "),
        (" value:", " 값:"),
        ("choose from", "가능한 값:"),
    ):
        message = message.replace(english, korean)
    return message


def build_parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="gaemi",
        description="한국 주식을 설명 가능한 규칙으로 매매하고 채팅으로 조종하는 서비스",
        epilog=f"예: gaemi run --speed 600 --exit-at-close\n\n{DISCLAIMER}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        add_help=False,
    )
    parser.add_argument("-h", "--help", action="help", help="이 도움말")
    commands = parser.add_subparsers(dest="command", metavar="명령", required=True, parser_class=_Parser)
    for subcommand in discover():
        child = commands.add_parser(
            subcommand.NAME,
            help=subcommand.HELP,
            description=subcommand.HELP,
            epilog=subcommand.EPILOG,
            formatter_class=argparse.RawDescriptionHelpFormatter,
            add_help=False,
        )
        child.add_argument("-h", "--help", action="help", help="이 도움말")
        subcommand.add_arguments(child)
        child.set_defaults(run=subcommand.run)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Exit codes: 0 done, 2 the person's input or settings, 1 anything else that failed, 130 interrupted."""
    arguments = build_parser().parse_args(argv)
    try:
        return int(arguments.run(arguments))
    except (UserError, SettingsError) as error:
        print(f"오류: {error}", file=sys.stderr)
        return error.exit_code if isinstance(error, UserError) else 2
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # The reader went away (`gaemi … | head`): not an error of ours.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 128 + int(signal.SIGPIPE)


if __name__ == "__main__":
    raise SystemExit(main())
