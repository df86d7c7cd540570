"""``gaemi score``: the nine factors of one stock, each with its points and its reason."""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from bot.subcommands import DISCLAIMER, UserError
from bot.subcommands._market import add_look, look
from engine.market import Environment, Quote, Stock
from engine.results import Score

if TYPE_CHECKING:
    from bot.app import Engine

NAME = "score"
HELP = "한 종목의 점수를 아홉 인자의 점수와 이유까지 보여 줍니다"
EPILOG = """예:
  gaemi score 005930                       KIS 키가 없으면 시뮬레이터에서, 08:55 (개장 5분 전)
  gaemi score 삼성전자 --at 10:30 --json   시뮬레이터의 10시 30분, 마지막 줄에 JSON

시뮬레이터에서는 임시 폴더에 새 시장을 엽니다. 돌고 있는 개미와 그 기록은 건드리지 않습니다.
JSON: {"code", "name", "at", "environment", "total", "daily_points", "live_points", "factors": [{"factor", "label",
  "points", "maximum", "defined", "reason"}…], "price", "price_source", "price_at", "price_age_seconds", "daily_source",
  "daily_last", "daily_read_at", "daily_bars", "fifteen_bars", "fifteen_origin", "input_digest"}
종료 코드: 0 점수를 냄, 2 모르는 종목·설정 오류, 1 시세를 받지 못함, 130 사용자 중단"""

ORIGINS = {
    "stream": "실시간 체결",
    "minute_rest": "증권사 분봉",
    "daily": "일봉",
    "replay": "재생 자료",
    "none": "없음",
}


@dataclass(frozen=True, slots=True)
class Scored:
    stock: Stock
    score: Score
    quote: Quote
    environment: Environment
    source: str
    now: datetime
    daily_source: str
    daily_read: datetime
    daily_last: str
    daily_bars: int
    fifteen_bars: int
    fifteen_origin: str


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("stock", metavar="종목", help="종목 코드 여섯 자리, 이름 또는 초성")
    add_look(parser)


def run(arguments: argparse.Namespace) -> int:
    scored = look(arguments, lambda engine: _score(engine, arguments.stock))
    print("\n".join(score_lines(scored)))
    if arguments.json:
        print(json.dumps(score_json(scored), ensure_ascii=False))
    return 0


def find_stock(engine: Engine, text: str) -> Stock:
    """Raises UserError with one Korean line."""
    from bot.inputs import BadArgument, printable
    from bot.stock_search import StockSearch

    try:
        return StockSearch(engine.listing).find(text)
    except BadArgument as error:
        if names := error.values.get("names"):
            raise UserError(f"여러 종목이 맞습니다. 코드로 적으세요: {names}") from error
        raise UserError(f"{engine.listing.source}에 없는 종목입니다: {printable(text)!r}") from error


async def _score(engine: Engine, text: str) -> Scored:
    stock = find_stock(engine, text)
    score = await engine.screener.score_one(stock.code)
    quote = await engine.screener.quote(stock.code)
    history = await engine.history.daily(stock.code, 1)
    given = engine.screener.inputs(stock.code)
    return Scored(
        stock,
        score,
        quote,
        engine.venue.environment,
        engine.venue.source,
        engine.venue.clock.now(),
        history.source,
        history.as_of,
        str(history.bars.start[-1].astype("datetime64[D]")),
        len(given.daily),
        len(given.fifteen),
        given.fifteen_origin,
    )


def factor_rows(score: Score) -> list[dict[str, object]]:
    return [
        {
            "factor": one.factor.value,
            "label": one.factor.label,
            "points": round(one.points, 4) + 0.0,  # never -0.0
            "maximum": one.factor.maximum,
            "defined": one.defined,
            "reason": one.reason,
        }
        for one in score.factors
    ]


def score_json(scored: Scored) -> dict[str, object]:
    score = scored.score
    return {
        "code": scored.stock.code,
        "name": scored.stock.name,
        "at": score.at.isoformat(),
        "environment": scored.environment.value,
        "total": round(score.total, 4),
        "daily_points": round(score.daily_points, 4),
        "live_points": round(score.live_points, 4),
        "factors": factor_rows(score),
        "price": scored.quote.price,
        "price_source": scored.source,
        "price_at": scored.quote.at.isoformat(),
        "price_age_seconds": _age(scored),
        "daily_source": scored.daily_source,
        "daily_last": scored.daily_last,
        "daily_read_at": scored.daily_read.isoformat(),
        "daily_bars": scored.daily_bars,
        "fifteen_bars": scored.fifteen_bars,
        "fifteen_origin": scored.fifteen_origin,
        "input_digest": score.input_digest,
    }


def _age(scored: Scored) -> float:
    return round(max(0.0, (scored.now - scored.quote.at).total_seconds()), 1)


def score_lines(scored: Scored) -> list[str]:
    score = scored.score
    fictional = " · 가상" if scored.environment is Environment.SIMULATOR else ""
    return [
        f"■ {scored.stock.name} ({scored.stock.code}) {score.total:+.1f}점 · {score.at:%Y-%m-%d %H:%M:%S}{fictional}",
        f"  준비 점수(일봉) {score.daily_points:+.1f} / 65 · 진입 점수(15분봉) {score.live_points:+.1f} / 35",
        *(
            f"  {one.points + 0.0:+6.1f} / {one.factor.maximum:<2} {one.factor.label}: {one.reason}"
            f"{'' if one.defined else ' (계산 안 됨)'}"
            for one in score.factors
        ),
        f"  현재가 {scored.quote.price:,}원 ({scored.quote.change_percent:+.2f}%) · {scored.source} · {_age(scored):.0f}초 전",
        f"  일봉 {scored.daily_bars}개, {scored.daily_last}까지 · {scored.daily_source} · {scored.daily_read:%m-%d %H:%M} 읽음",
        f"  15분봉 {scored.fifteen_bars}개 · {ORIGINS.get(scored.fifteen_origin, scored.fifteen_origin)}",
        f"  {DISCLAIMER}",
    ]
