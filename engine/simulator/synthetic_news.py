"""Invented headlines for the synthetic market: marked fictional, now and then about the day's price."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Final

import numpy as np

from engine.calendar import Session
from engine.clock import seeded
from engine.market import Stock
from engine.results import NewsItem

PUBLISHER: Final = "가상뉴스"

_GOOD: Final = (
    "{name}, {sector} 신규 수주 {amount}억원 규모 계약 체결",
    "{name}, {quarter}분기 영업이익 시장 기대 웃돌 듯",
    '증권가 "{name} 목표주가 {percent}% 상향"',
    "{name}, 자사주 {amount}억원 매입 결정",
    "{name}, 해외 고객사와 장기 공급 계약… 매출 안정 기대",
    "{name}, 배당 확대 검토… 주주환원 강화",
    "외국인, {name} {days}거래일 연속 순매수",
)
_FLAT: Final = (
    "{name}, {quarter}분기 실적 발표 일정 공시",
    "{name}, 임시 주주총회 소집 결의",
    "{name}, {sector} 전시회에서 신제품 공개",
    "[가상 공시] {name}, 기업설명회(IR) 개최 안내",
    "{name}, 연구소 이전 완료… 사업 영향은 제한적",
    "{name}, 전년과 비슷한 투자 계획 유지",
)
_BAD: Final = (
    "{name}, {quarter}분기 영업이익 기대 밑돌 전망",
    '증권가 "{name} 목표주가 {percent}% 하향"',
    "{name}, {sector} 수요 둔화에 생산 라인 일부 조정",
    "{name}, {amount}억원 규모 유상증자 결정",
    "기관, {name} {days}거래일 연속 순매도",
    "{name}, 원가 부담 확대로 수익성 악화 우려",
    "{name}, 소송 제기 사실 공시",
)
_RISE: Final = (
    "{name}, 장중 {move:.1f}% 강세… 거래량 늘어",
    "[특징주] {name} {move:.1f}% 상승, {sector} 업종 매수세 유입",
)
_FALL: Final = (
    "{name}, 장중 {move:.1f}% 약세… 차익 매물 출회",
    "[특징주] {name} {move:.1f}% 하락, {sector} 업종 동반 부진",
)
_MARKET_UP: Final = ("코스피 {move:.1f}% 상승 마감… 외국인 순매수", "위험 선호 회복에 증시 {move:.1f}% 올라")
_MARKET_DOWN: Final = ("코스피 {move:.1f}% 하락 마감… 기관 매도", "경기 우려에 증시 {move:.1f}% 내려")
_MARKET_FLAT: Final = ("코스피 보합권 등락… 관망세 짙어", "증시, 뚜렷한 방향 없이 업종별 순환매")


def _item(at: datetime, title: str, seed: int, number: int, codes: tuple[str, ...]) -> NewsItem:
    link = f"gaemi://simulator/news/{seed}/{at:%Y%m%d}/{codes[0] if codes else 'market'}/{number}"
    return NewsItem(at, title, PUBLISHER, link, codes, fictional=True)


def stock_news(seed: int, stock: Stock, session: Session, gap: float, previous_move: float) -> Sequence[NewsItem]:
    """Headlines of one stock, newest first. ``gap`` and ``previous_move`` are returns in percent known by the open.

    Tone leans with the opening gap; nothing tells what the rest of the day will bring.
    """
    rng = seeded("synthetic", seed, "news", session.day, stock.code)
    items = []
    templates: tuple[str, ...]
    if abs(gap) >= 3.0:
        templates = _RISE if gap > 0 else _FALL
        title = templates[int(rng.integers(len(templates)))].format(name=stock.name, sector=stock.sector, move=abs(gap))
        items.append(_item(session.open + timedelta(minutes=int(rng.integers(1, 20))), title, seed, 0, (stock.code,)))
    elif abs(previous_move) >= 6.0 and rng.random() < 0.6:
        verb = "급등" if previous_move > 0 else "급락"
        title = f"전일 {abs(previous_move):.1f}% {verb}한 {stock.name}, 시장 관심 이어져"
        items.append(_item(session.order_start, title, seed, 0, (stock.code,)))
    lean = float(np.clip(0.5 + 0.08 * gap, 0.1, 0.9))
    for number in range(1, 1 + int(rng.poisson(0.7))):
        kind = rng.random()
        templates = _FLAT if kind < 0.35 else (_GOOD if rng.random() < lean else _BAD)
        title = templates[int(rng.integers(len(templates)))].format(
            name=stock.name,
            sector=stock.sector,
            amount=int(rng.integers(2, 90)) * 10,
            quarter=(session.day.month - 1) // 3 + 1,
            percent=int(rng.integers(5, 25)),
            days=int(rng.integers(3, 9)),
        )
        # From the evening before until the early afternoon.
        at = session.open + timedelta(minutes=int(rng.integers(-720, 300)))
        items.append(_item(at, title, seed, number, (stock.code,)))
    return tuple(sorted(items, key=lambda item: item.at, reverse=True))


def market_news(seed: int, day: date, earlier: Session, move: float) -> Sequence[NewsItem]:
    """Headlines on the morning of ``day``; ``move`` is the previous session's KOSPI return in percent."""
    rng = seeded("synthetic", seed, "news", day)
    templates = _MARKET_UP if move > 0.4 else _MARKET_DOWN if move < -0.4 else _MARKET_FLAT
    title = templates[int(rng.integers(len(templates)))].format(move=abs(move))
    return (_item(earlier.close + timedelta(minutes=int(rng.integers(5, 90))), title, seed, 0, ()),)


__all__ = ["PUBLISHER", "market_news", "stock_news"]
