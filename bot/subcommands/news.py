"""``gaemi news``: label the headlines of a file by the local rules."""

from __future__ import annotations

import argparse
import csv
import io
import json
import sys
from collections import Counter
from pathlib import Path

from bot.subcommands import UserError, add_json

NAME = "news"
HELP = "뉴스 제목을 긍정·중립·부정으로 판정합니다 (인터넷과 키 없이)"
EPILOG = """예:
  gaemi news classify 제목.csv           headline 열이 있는 CSV 를 판정해 보여 줌
  gaemi news classify 제목.csv --json    마지막 줄에 JSON

종료 코드: 0 끝남, 2 파일·입력 오류, 1 그 밖의 오류
JSON: {"rows": [{"label": "positive" | "neutral" | "negative", "reason"}…]} — 파일의 순서대로"""

LARGEST_BYTES = 200_000_000


def add_arguments(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", metavar="일", required=True)
    classify = actions.add_parser("classify", help="CSV 의 headline 열을 판정", description=HELP, add_help=False)
    classify.add_argument("-h", "--help", action="help", help="이 도움말")
    classify.add_argument("file", type=Path, metavar="파일.csv", help="UTF-8 또는 CP949, 첫 줄은 열 이름")
    add_json(classify)


def run(arguments: argparse.Namespace) -> int:
    from engine.analysis.sentiment import classify

    headlines = read_headlines(arguments.file)
    labels = []
    for position, headline in enumerate(headlines):
        labels.append(classify(headline))
        if position % 1000 == 999 and sys.stderr.isatty():
            print(f"\r  {position + 1:,}/{len(headlines):,}", end="", file=sys.stderr, flush=True)
    if arguments.json:
        rows = [{"label": label.sentiment.value, "reason": label.reason} for label in labels]
        print(json.dumps({"rows": rows}, ensure_ascii=False))
        return 0
    for headline, label in zip(headlines, labels, strict=True):
        print(f"{label.sentiment.label}  {headline}  ({label.reason})")
    counts = Counter(label.sentiment.label for label in labels)
    print(f"{len(labels)}건: " + ", ".join(f"{name} {count}" for name, count in counts.most_common()))
    return 0


def read_headlines(path: Path) -> list[str]:
    """The ``headline`` column in file order. Raises UserError."""
    try:
        raw = path.read_bytes() if path.stat().st_size <= LARGEST_BYTES else None
    except OSError as error:
        raise UserError(f"파일을 읽지 못했습니다: {path} ({error.strerror})") from error
    if raw is None:
        raise UserError(f"파일이 너무 큽니다 (최대 {LARGEST_BYTES // 1_000_000} MB): {path}")
    for encoding in ("utf-8-sig", "cp949"):
        try:
            text = raw.decode(encoding)
            break
        except UnicodeDecodeError:
            continue
    else:
        raise UserError(f"UTF-8 이나 CP949 글이 아닙니다: {path}")
    try:
        reader = csv.DictReader(io.StringIO(text, newline=""), strict=False)
        columns = {(name or "").strip().lower(): name for name in reader.fieldnames or ()}
        if "headline" not in columns:
            found = ", ".join(columns) or "없음"
            raise UserError(f"headline 열이 없습니다: {path} (열: {found[:200]})")
        return [row[columns["headline"]] or "" for row in reader]
    except csv.Error as error:
        raise UserError(f"CSV 를 읽지 못했습니다: {path} ({error})") from error
