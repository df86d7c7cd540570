"""``gaemi screen``: the whole market scored once, best first."""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bot.subcommands import DISCLAIMER
from bot.subcommands._market import add_look, look
from bot.subcommands._progress import Progress, progress_bar
from bot.subcommands.score import factor_rows
from engine.market import Environment
from engine.results import FactorScore, Recommendation, ScreeningReport

if TYPE_CHECKING:
    from bot.app import Engine

NAME = "screen"
HELP = "시장 전체의 점수를 매겨 높은 종목을 이유와 함께 보여 줍니다"
EPILOG = """예:
  gaemi screen                          KIS 키가 없으면 시뮬레이터에서, 08:55 (개장 5분 전)
  gaemi screen --at 10:30 --top 5 --json   시뮬레이터의 10시 30분, 마지막 줄에 JSON

시뮬레이터에서는 임시 폴더에 새 시장을 엽니다. 돌고 있는 개미와 그 기록은 건드리지 않습니다.
JSON: {"at", "environment", "price_source", "evaluated", "entry_score", "reached_entry", "recommendations": [{"code",
  "name", "total", "daily_points", "live_points", "price", "price_age_seconds", "factors"}…],
  "excluded": {"이유": 개수…}, "failed": {"코드": "이유"…}, "seconds", "market_seconds"}
종료 코드: 0 추천을 냄, 2 설정·입력 오류, 1 시세를 받지 못함, 130 사용자 중단"""


@dataclass(frozen=True, slots=True)
class Screened:
    report: ScreeningReport
    environment: Environment
    source: str
    entry_score: float


def parse_top(text: str) -> int:
    if text.isascii() and text.isdigit() and 1 <= int(text) <= 100:
        return int(text)
    raise argparse.ArgumentTypeError(f"1에서 100 사이의 수입니다: {text!r}")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--top", type=parse_top, default=10, metavar="수", help="보여 줄 종목 수 (기본 10)")
    add_look(parser)


def run(arguments: argparse.Namespace) -> int:
    with progress_bar() as progress:
        screened = look(arguments, lambda engine: _screen(engine, arguments.top, progress))
    print("\n".join(screen_lines(screened)))
    if arguments.json:
        print(json.dumps(screen_json(screened), ensure_ascii=False))
    return 0


async def _screen(engine: Engine, top: int, progress: Progress) -> Screened:
    from dataclasses import replace

    screener = engine.screener
    screener.settings = replace(screener.settings, shown=top)
    report = await screener.screen(progress=progress)
    return Screened(report, engine.venue.environment, engine.venue.source, screener.settings.entry_score)


def _row(found: Recommendation, report: ScreeningReport) -> dict[str, object]:
    score, quote = found.score, found.quote
    return {
        "code": found.stock.code,
        "name": found.stock.name,
        "total": round(score.total, 4),
        "daily_points": round(score.daily_points, 4),
        "live_points": round(score.live_points, 4),
        "price": quote.price if quote else None,
        "price_age_seconds": round(max(0.0, (report.at - quote.at).total_seconds()), 1) if quote else None,
        "factors": factor_rows(score),
    }


def screen_json(screened: Screened) -> dict[str, object]:
    from engine.screener import excluded_counts

    report = screened.report
    return {
        "at": report.at.isoformat(),
        "environment": screened.environment.value,
        "price_source": report.price_source,
        "evaluated": report.evaluated,
        "entry_score": screened.entry_score,
        "reached_entry": report.reached_entry,
        "recommendations": [_row(found, report) for found in report.recommendations],
        "excluded": dict(excluded_counts(report)),
        "failed": report.failed,
        "seconds": round(report.seconds, 2),
        "market_seconds": round(report.market_seconds, 2),
    }


def _strongest(factors: tuple[FactorScore, ...]) -> list[FactorScore]:
    return sorted((one for one in factors if one.points > 0.05), key=lambda one: -one.points)[:3]


def screen_lines(screened: Screened) -> list[str]:
    from engine.screener import excluded_counts

    report = screened.report
    fictional = " · 가상" if screened.environment is Environment.SIMULATOR else ""
    lines = [
        f"■ 추천 · {report.at:%Y-%m-%d %H:%M:%S} · {screened.source}{fictional}",
        f"  {report.evaluated:,}종목 점수 · {screened.entry_score:g}점 이상 {report.reached_entry}종목 · {report.price_source}",
    ]
    for number, found in enumerate(report.recommendations, 1):
        price = f"{found.quote.price:,}원 ({found.quote.change_percent:+.2f}%)" if found.quote else "현재가 없음"
        lines.append(f"  {number:2}. {found.score.total:+6.1f}점 {found.stock.name} ({found.stock.code}) {price}")
        lines += [
            f"        {one.points:+5.1f} {one.factor.label}: {one.reason}" for one in _strongest(found.score.factors)
        ]
    counts = excluded_counts(report)
    if counts:
        lines.append("  제외: " + ", ".join(f"{reason} {count}" for reason, count in counts.items()))
    if report.failed:
        first = next(iter(report.failed.items()))
        lines.append(f"  읽지 못함: {len(report.failed)}종목 (예: {first[0]} {first[1]})")
    lines.append(f"  걸린 시간 {report.seconds:.1f}초 (시장 시각으로 {report.market_seconds:.1f}초)")
    return [*lines, f"  {DISCLAIMER}"]
