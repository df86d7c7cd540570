"""``gaemi study``: what the score has been worth on real bars, and what its factors did in our own trades."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

from bot.journal_files import JournalFile, ReadOnlyStore, journal_files
from bot.settings import load_settings
from bot.subcommands import DISCLAIMER, UserError, add_home, add_json
from bot.subcommands._progress import progress_bar
from engine.orders import JournalUnavailable

if TYPE_CHECKING:
    from engine.attribution import AttributedTrade, Attribution
    from engine.study import ScoreStudy

NAME = "study"
HELP = "점수와 인자가 그동안 무엇을 맞혔는지 잽니다 (실제 봉, 또는 우리의 거래 기록)"
EPILOG = """예:
  gaemi study scores --replay 폴더 --json     실제 일봉·분봉에서 점수 뒤의 수익 (약 1분)
  gaemi study factors                         주문 기록의 끝난 거래를 인자 점수에 나누어 봄

scores 의 폴더: krx_daily.parquet, 있으면 krx_minute.parquet
JSON: scores 는 {"folder", "names", "stock_days", "daily", "periods", "by_year", "minutes", "delisted", "quarantined"},
  factors 는 {"trades", "winners", "profit", "mean_percent", "without_points", "verdict", "databases", "factors":
  [{"factor", "mean_points", "winners", "losers", "profit", "correlation", "by_chance"}…]}
종료 코드: 0 끝남, 2 자료·입력 오류, 1 그 밖의 오류, 130 사용자 중단"""

ENTRY = 55.0
FEWEST = 30


def add_arguments(parser: argparse.ArgumentParser) -> None:
    kinds = parser.add_subparsers(dest="kind", metavar="무엇", required=True)
    shape = argparse.RawDescriptionHelpFormatter
    scores = kinds.add_parser(
        "scores", help="실제 봉에서 점수 뒤의 수익", epilog=EPILOG, formatter_class=shape, add_help=False
    )
    scores.add_argument("--replay", type=Path, required=True, metavar="폴더", help="실제 봉(parquet)이 든 폴더")
    factors = kinds.add_parser(
        "factors", help="우리의 끝난 거래와 인자 점수", epilog=EPILOG, formatter_class=shape, add_help=False
    )
    factors.add_argument("--market", metavar="이름", help="자료 폴더 안의 한 기록만 (예: simulator/seed-7)")
    add_home(factors)
    for child in (scores, factors):
        child.add_argument("-h", "--help", action="help", help="이 도움말")
        add_json(child)


def run(arguments: argparse.Namespace) -> int:
    return _scores(arguments) if arguments.kind == "scores" else _factors(arguments)


# ---------------------------------------------------------------- scores on real bars


def _scores(arguments: argparse.Namespace) -> int:
    os.nice(10)
    from engine.study import study_scores

    folder: Path = arguments.replay
    if not (folder / "krx_daily.parquet").is_file():
        raise UserError(f"krx_daily.parquet 이 없습니다: {folder}")
    with progress_bar() as progress:
        stages = 0

        def tell(stage: str) -> None:
            nonlocal stages
            progress(stage, stages, 4)
            stages += 1

        try:
            study = study_scores(folder, tell)
        except (ValueError, KeyError, OSError) as error:
            raise UserError(f"자료를 읽을 수 없습니다: {folder} ({error})") from error
    print("\n".join(_study_lines(study)))
    if arguments.json:
        print(json.dumps(_finite(study.json()), ensure_ascii=False))
    return 0


def _study_lines(study: ScoreStudy) -> list[str]:
    lines = [
        f"■ 점수 연구 · {study.folder} · {study.names:,}종목 {study.stock_days:,}종목·일 · {study.first} ~ {study.last}",
        f"  일봉 점수 28점 이상 {100 * study.shares['>=28']:.2f}%, 2,700종목이면 하루 {study.names_a_day:.0f}종목 · "
        f"최고 {study.highest:.1f}점",
        "  비용 뒤 bp [날을 뽑은 95% 구간] · 초과는 같은 날 모든 종목의 평균을 뺀 값",
    ]
    for period in study.periods:
        lines.append(f"  {period.name}: {period.stock_days:,}종목·일")
        lines += [
            f"    {cell.bucket:>10}  {100 * cell.share:6.2f}%  당일 {cell.net['same_day'].words()}  "
            f"초과 {cell.excess['same_day'].words()}  5일 초과 {cell.excess['5'].words()}"
            for cell in period.cells
        ]
    minutes = study.minutes
    if minutes is None:
        lines.append("  15분봉: 폴더에 분봉이 없어 재지 못했습니다")
    else:
        lines.append(
            f"  15분봉: {minutes.stock_days}종목·일 가운데 55점에 닿은 것 {minutes.stock_days_at_entry}, "
            f"최고 {minutes.highest:.1f}점"
        )
    return [*lines, f"  {_rule_words(study)} 자세한 것: docs/score-study.md", f"  {DISCLAIMER}"]


def _rule_words(study: ScoreStudy) -> str:
    """What the folder says of buying at 55."""
    row = next((row for row in study.minutes.rows if row.level == ENTRY), None) if study.minutes else None
    if row is None or row.rows < FEWEST:
        return f"{ENTRY:g}점에 닿은 것이 너무 적어 {ENTRY:g}점 규칙은 증명도 반박도 되지 않습니다."
    if row.excess.low > 0:
        return f"{ENTRY:g}점 {row.rows}건의 초과 {row.excess.words()}bp: 0보다 큽니다. 다른 기간에서도 그런지 보십시오."
    return f"{ENTRY:g}점 {row.rows}건의 초과 {row.excess.words()}bp: 증명된 우위는 없습니다."


def _finite(value: object) -> object:
    """JSON knows no nan and no infinity: null."""
    if isinstance(value, dict):
        return {key: _finite(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(one) for one in value]
    if isinstance(value, float) and (value != value or value in (float("inf"), float("-inf"))):
        return None
    return value


# ---------------------------------------------------------------- factors in our own trades


def _factors(arguments: argparse.Namespace) -> int:
    from engine.attribution import attribute

    home = load_settings(gaemi_home=arguments.home).gaemi_home.resolve()
    files = [file for file in journal_files(home) if arguments.market in (None, file.name)]
    if not files:
        known = ", ".join(file.name for file in journal_files(home))
        raise UserError(f"주문 기록이 없습니다: {home}" + (f" (있는 것: {known})" if known else ""))
    trades: list[AttributedTrade] = []
    unknown = 0
    try:
        for file in files:
            found, missing = asyncio.run(_trades(file))
            trades += found
            unknown += missing
    except JournalUnavailable as error:
        raise UserError(str(error)) from error
    table = attribute(trades, unknown)
    print("\n".join(_factor_lines(table, files)))
    if arguments.json:
        print(json.dumps(_finite(_factor_json(table, files)), ensure_ascii=False))
    return 0


async def _trades(file: JournalFile) -> tuple[list[AttributedTrade], int]:
    """The closed trades of a journal whose decision it has, and how many others there are."""
    from datetime import datetime

    from engine.attribution import AttributedTrade
    from engine.orders import sql

    store = ReadOnlyStore(file.path)
    try:
        positions = await store.rows(
            f"SELECT {sql.POSITION_COLUMNS} FROM positions WHERE sold > 0 AND closed_at IS NOT NULL ORDER BY closed_at"
        )
        decided = await store.rows(
            "SELECT orders.order_id, decisions.detail FROM orders JOIN decisions USING (code, input_digest) "
            "WHERE decisions.kind = 'enter' ORDER BY decisions.sequence"
        )
    finally:
        await store.close()
    points = {order_id: json.loads(detail).get("factors") for order_id, detail in decided}
    known, unknown = [], 0
    for row in positions:
        position = sql.read_position(row)
        trade = sql.trade_of(position, datetime.fromisoformat(row[23]))
        factors = points.get(position.entry_order_id)
        if factors:
            known.append(AttributedTrade(factors, trade.profit, trade.profit_percent))
        else:
            unknown += 1
    return known, unknown


def _factor_json(table: Attribution, files: list[JournalFile]) -> dict[str, object]:
    return {
        "trades": table.trades,
        "winners": table.winners,
        "profit": table.profit,
        "mean_percent": table.mean_percent,
        "without_points": table.without_points,
        "verdict": table.verdict,
        "databases": [str(file.path) for file in files],
        "factors": [
            {
                "factor": row.factor.value,
                "label": row.factor.label,
                "mean_points": row.mean_points,
                "winners": row.winners,
                "losers": row.losers,
                "profit": row.profit,
                "correlation": row.correlation,
                "by_chance": row.by_chance,
            }
            for row in table.rows
        ],
    }


def _factor_lines(table: Attribution, files: list[JournalFile]) -> list[str]:
    def shown(value: float, form: str) -> str:
        return "     –" if value != value else format(value, form)

    lines = [
        f"■ 인자와 거래 · {', '.join(file.name for file in files)}",
        f"  끝난 거래 {table.trades}건 (이익 {table.winners}건, 합 {table.profit:+,}원)"
        + (f" · 판단 기록이 없는 거래 {table.without_points}건은 뺐습니다" if table.without_points else ""),
    ]
    if table.trades:
        lines.append("  진입 때 점수: 평균 / 이긴 거래 / 진 거래 · 나눈 손익 · 수익률과의 순위 상관 (우연일 비율)")
    for row in table.rows if table.trades else ():
        chance = "" if row.by_chance != row.by_chance else f" ({row.by_chance:.2f})"
        lines.append(
            f"  {row.mean_points:+6.1f} / {shown(row.winners, '+6.1f')} / {shown(row.losers, '+6.1f')}  "
            f"{row.profit:+10,.0f}원  {shown(row.correlation, '+6.2f')}{chance}  {row.factor.label}"
        )
    return [*lines, f"  {table.verdict}", f"  {DISCLAIMER}"]
