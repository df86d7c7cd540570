"""``gaemi gallery``: every picture in every state, with an index page."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from bot.subcommands import UserError, add_json
from bot.subcommands._progress import progress_bar

NAME = "gallery"
HELP = "채팅에 나가는 모든 그림을 모든 상태로 그려 폴더에 씁니다 (지어낸 자료)"
EPILOG = """예: gaemi gallery --out 그림      (index.html 을 브라우저로 여세요)

JSON: {"folder", "pictures", "index"}
종료 코드: 0 그림, 2 폴더에 쓸 수 없음, 1 그 밖의 오류, 130 사용자 중단"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--out", type=Path, required=True, metavar="폴더", help="그림과 index.html 을 쓸 폴더")
    add_json(parser)


def run(arguments: argparse.Namespace) -> int:
    from charts.gallery import EXHIBITS, write_gallery

    out: Path = arguments.out
    with progress_bar() as progress:
        done = 0

        def drawn(name: str) -> None:
            nonlocal done
            done += 1
            progress("그림", done, len(EXHIBITS))

        try:
            count = write_gallery(out, drawn)
        except OSError as error:
            raise UserError(f"폴더에 쓸 수 없습니다: {out} ({error.strerror or error})") from error
    print(f"그림 {count}장을 썼습니다: {out / 'index.html'}")
    if arguments.json:
        found = {"folder": str(out), "pictures": count, "index": str(out / "index.html")}
        print(json.dumps(found, ensure_ascii=False))
    return 0
