"""What the market did on a day, gathered once and used by the rule-based words, the model and the fact check alike."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Protocol

from engine.broker import BrokerError, NotOffered
from engine.market import Code, Index, IndexQuote, Quote, SecurityKind, Stock
from engine.ports import Listing
from engine.results import LabelledNews, Recommendation, Score, ScreeningReport

logger = logging.getLogger(__name__)

LARGEST = 300
"""Stocks by market value whose moves make the sector figures: ten multi-price calls."""
LEAST_PER_SECTOR = 2
TOP = 5


class MarketReader(Protocol):
    """Raises engine.broker.BrokerError."""

    async def quotes(self, codes: Sequence[Code]) -> Mapping[Code, Quote]: ...
    async def index_quote(self, index: Index) -> IndexQuote: ...


@dataclass(frozen=True, slots=True)
class MarketFacts:
    day: date
    indices: tuple[IndexQuote, ...] = ()
    sectors: tuple[tuple[str, float], ...] = ()
    """(sector, value-weighted percent), strongest first."""
    news: tuple[LabelledNews, ...] = ()
    missing: tuple[str, ...] = ()
    """What could not be read, in Korean."""


async def gather_market(day: date, market: MarketReader, listing: Listing) -> MarketFacts:
    """Index and sector figures of now; what fails is named in ``missing``."""
    missing: list[str] = []
    answers = await asyncio.gather(*(market.index_quote(index) for index in Index), return_exceptions=True)
    indices = []
    for index, answer in zip(Index, answers, strict=True):
        if isinstance(answer, IndexQuote):
            indices.append(answer)
        elif isinstance(answer, BrokerError):
            missing.append(f"{index.label} 지수")
        else:
            raise answer
    largest = sorted(
        (stock for stock in listing.stocks() if stock.kind is SecurityKind.STOCK and stock.sector),
        key=lambda stock: (-stock.market_cap, stock.code),
    )[:LARGEST]
    sectors: tuple[tuple[str, float], ...] = ()
    try:
        quotes = await market.quotes([stock.code for stock in largest]) if largest else {}
        sectors = sector_returns(largest, quotes)
    except NotOffered:
        missing.append("업종 등락(모의에서는 제공되지 않음)")
    except BrokerError as error:
        logger.warning("업종 등락을 읽지 못했습니다: %s", error)
        missing.append("업종 등락")
    return MarketFacts(day, tuple(indices), sectors, (), tuple(missing))


def sector_returns(stocks: Sequence[Stock], quotes: Mapping[Code, Quote]) -> tuple[tuple[str, float], ...]:
    """Weighted by market value (equally where unknown); sectors with fewer than two traded stocks are left out."""
    sums: dict[str, tuple[float, float, int]] = {}
    for stock in stocks:
        quote = quotes.get(stock.code)
        if quote is None or quote.halted or not quote.price or not quote.previous_close:
            continue
        weight = float(stock.market_cap or 1)
        total, weights, count = sums.get(stock.sector, (0.0, 0.0, 0))
        sums[stock.sector] = (total + weight * quote.change_percent, weights + weight, count + 1)
    moves = [(name, total / weights) for name, (total, weights, count) in sums.items() if count >= LEAST_PER_SECTOR]
    return tuple(sorted(moves, key=lambda move: (-move[1], move[0])))


# ---------------------------------------------------------------- the facts as lines of text


def market_lines(facts: MarketFacts) -> list[str]:
    """One fact a line; the fact check accepts the numbers and names found here and no others."""
    lines = [f"날짜 {facts.day:%Y-%m-%d}"]
    for quote in facts.indices:
        lines.append(f"{quote.index.label} {quote.value:,.2f} ({quote.change_percent:+.2f}%)")
        if quote.rising or quote.falling:
            lines.append(
                f"{quote.index.label} 상승 {quote.rising}종목, 하락 {quote.falling}종목, 보합 {quote.unchanged}종목"
            )
    lines += [f"업종 {name} {move:+.2f}%" for name, move in facts.sectors]
    return lines


def score_lines(stock: Stock, score: Score | None, quote: Quote | None = None) -> list[str]:
    lines = [f"종목 {stock.name} ({stock.code}), {stock.market.value}, 업종 {stock.sector or '미상'}"]
    if stock.flags:
        lines.append("지정: " + ", ".join(sorted(flag.value for flag in stock.flags)))
    if quote is not None and quote.price:
        lines.append(f"현재가 {quote.price:,}원 ({quote.change_percent:+.2f}%)")
    if score is None:
        return lines
    lines.append(f"점수 {score.total:+.1f}점 (준비 {score.daily_points:+.1f}점, 진입 {score.live_points:+.1f}점)")
    lines += [f"{part.factor.label} {part.points:+.1f}점: {part.reason}" for part in score.factors if part.defined]
    return lines


def recommendation_lines(rows: Sequence[Recommendation]) -> list[str]:
    return [f"추천 {row.stock.name} ({row.stock.code}) 점수 {row.score.total:+.1f}점" for row in rows]


def plan_lines(report: ScreeningReport | None, entry: float) -> list[str]:
    if report is None:
        return []
    counts = f"평가 {report.evaluated}종목, 매수 기준 {entry:g}점 이상 {report.reached_entry}종목"
    return [counts, *recommendation_lines(report.recommendations[:TOP])]
