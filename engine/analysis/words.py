"""Rule-based words: the opinion on a stock and the three parts of the daily report. Pure templates, each figure given."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import datetime

from engine.analysis.facts import MarketFacts, score_lines
from engine.analysis.sentiment import RULES
from engine.market import Environment, Index, Stock
from engine.results import (
    DaySummary,
    ExitReason,
    FactorScore,
    LabelledNews,
    Score,
    ScreeningReport,
    Sentiment,
    Signal,
    Trade,
    Verdict,
)

NEWS_POINTS = 5.0
"""The most that headlines move an opinion: their effect on returns was never shown, so it is small and fades."""
NEWS_HALF_LIFE_HOURS = 24.0
REASONS = 3
SHOWN_TRADES = 8


def news_points(news: Sequence[LabelledNews], now: datetime) -> float:
    """In [−NEWS_POINTS, NEWS_POINTS]; a headline loses half its weight a day."""
    balance = 0.0
    for row in news:
        hours = max(0.0, (now - row.item.at).total_seconds() / 3600.0)
        weight = 0.5 ** (hours / NEWS_HALF_LIFE_HOURS)
        balance += weight * {Sentiment.POSITIVE: 1, Sentiment.NEGATIVE: -1, Sentiment.NEUTRAL: 0}[row.sentiment]
    return NEWS_POINTS * math.tanh(balance / 2.0)


def verdict_of(total: float, entry: float, exit_: float) -> Verdict:
    return Verdict.BUY if total >= entry else Verdict.SELL if total <= exit_ else Verdict.HOLD


def confidence_of(total: float, verdict: Verdict, entry: float, exit_: float, defined: float) -> float:
    """0..1: how far ``total`` is from the nearest border, times the share of the score that has data."""
    if verdict is Verdict.BUY:
        depth = (total - entry) / max(1.0, 100.0 - entry)
    elif verdict is Verdict.SELL:
        depth = (exit_ - total) / max(1.0, 100.0 + exit_)
    else:
        depth = min(entry - total, total - exit_) / max(1.0, (entry - exit_) / 2.0)
    return round(defined * (0.5 + 0.4 * min(1.0, max(0.0, depth))), 2)


def factor_line(part: FactorScore) -> str:
    return f"{part.factor.label} {part.points:+.1f}점: {part.reason}"


def rule_signal(
    stock: Stock,
    score: Score | None,
    news: Sequence[LabelledNews],
    now: datetime,
    *,
    entry: float,
    exit_: float,
    notes: Sequence[str] = (),
) -> Signal:
    """The opinion of the rules. ``notes`` (what failed) are put before the risks."""
    from_news = news_points(news, now)
    if score is None:
        return Signal(
            stock,
            Verdict.HOLD,
            0.0,
            ("점수가 없어 판단하지 않습니다", *_news_lines(news, from_news)),
            (*notes, *_flags(stock)) or ("점수 자료 없음",),
            None,
            tuple(news),
            RULES,
            facts=tuple(score_lines(stock, None)),
        )
    total = score.total + from_news
    verdict = verdict_of(total, entry, exit_)
    known = sum(part.factor.maximum for part in score.factors if part.defined)
    all_points = sum(part.factor.maximum for part in score.factors)
    spoken = sorted((part for part in score.factors if part.points), key=lambda part: -abs(part.points))
    ups = [part for part in spoken if part.points > 0]
    downs = [part for part in spoken if part.points < 0]
    leading, against = (downs, ups) if verdict is Verdict.SELL else (ups, downs)
    reasons = [factor_line(part) for part in leading[:REASONS]]
    if verdict is Verdict.HOLD:
        reasons = [f"점수 {score.total:+.1f}점은 매수 기준 {entry:g}점과 매도 기준 {exit_:g}점 사이입니다", *reasons]
    reasons = reasons[:REASONS]
    reasons += _news_lines(news, from_news)[: max(0, REASONS - len(reasons))]
    while len(reasons) < REASONS and (flat := _flat(score, len(reasons))):
        reasons.append(flat)
    risks = [*notes, *_flags(stock), *(factor_line(part) for part in against[:2])]
    risks += [f"부정 뉴스: {row.item.title[:60]}" for row in news if row.sentiment is Sentiment.NEGATIVE][:1]
    if known < all_points:
        risks.append(f"점수 {all_points}점 가운데 {all_points - known}점은 자료가 없어 0으로 두었습니다")
    return Signal(
        stock,
        verdict,
        confidence_of(total, verdict, entry, exit_, known / all_points if all_points else 0.0),
        tuple(reasons),
        tuple(risks) or ("두드러진 반대 신호는 없으나, 점수가 앞날을 보장하지 않습니다",),
        score,
        tuple(news),
        RULES,
        facts=tuple(score_lines(stock, score)),
    )


def _flat(score: Score, position: int) -> str:
    neutral = [part for part in score.factors if part.defined and not part.points]
    return (
        f"{neutral[position % len(neutral)].factor.label}: {neutral[position % len(neutral)].reason}" if neutral else ""
    )


def _flags(stock: Stock) -> list[str]:
    return [f"지정 종목: {', '.join(sorted(flag.value for flag in stock.flags))}"] if stock.flags else []


def _news_lines(news: Sequence[LabelledNews], from_news: float) -> list[str]:
    if not news:
        return []
    good = sum(1 for row in news if row.sentiment is Sentiment.POSITIVE)
    bad = sum(1 for row in news if row.sentiment is Sentiment.NEGATIVE)
    return [f"뉴스 {len(news)}건 가운데 긍정 {good}건, 부정 {bad}건 (의견에 {from_news:+.1f}점 반영)"]


# ---------------------------------------------------------------- the daily report


def account_text(summary: DaySummary) -> str:
    """The account's part: what was done and why. Written here alone; no model ever sees it."""
    change = summary.equity_end - summary.equity_start
    share = f" ({100 * change / summary.equity_start:+.2f}%)" if summary.equity_start else ""
    lines = [
        f"매수 {summary.buys}건, 매도 {summary.sells}건, 거부 {summary.rejected}건. "
        f"실현손익 {summary.realised:+,}원 (수수료 {summary.fees:,}원, 세금 {summary.taxes:,}원 차감 뒤). "
        f"평가금액 {summary.equity_end:,}원{share}."
    ]
    lines += [trade_text(trade) for trade in summary.trades[:SHOWN_TRADES]]
    if len(summary.trades) > SHOWN_TRADES:
        lines.append(f"· 외 {len(summary.trades) - SHOWN_TRADES}건의 매매")
    if summary.open_positions:
        held = ", ".join(
            f"{row.stock.name} {row.quantity:,}주 ({row.profit_percent:+.2f}%)" for row in summary.open_positions
        )
        lines.append(f"보유: {held}")
    if summary.evaluated:
        lines.append(
            f"평가 {summary.evaluated:,}회, 매수 기준 도달 {summary.evaluations_at_entry:,}회, 최고 {summary.highest_score:+.1f}점"
        )
    lines += [f"· {note}" for note in summary.notes]
    return "\n".join(lines)


def trade_text(trade: Trade) -> str:
    why = f" 산 이유: {' / '.join(trade.entry_reasons[:2])}" if trade.entry_reasons else ""
    scored = f" (점수 {trade.entry_score:+.1f})" if trade.entry_score is not None else ""
    manual = "" if trade.reason is not ExitReason.MANUAL else "사람이 "
    return (
        f"· {trade.name} {trade.quantity:,}주: {trade.entry_at:%H:%M} {trade.entry_price:,.0f}원{scored} → "
        f"{trade.exit_at:%H:%M} {trade.exit_price:,.0f}원, {manual}{trade.reason.label}, "
        f"{trade.profit:+,}원 ({trade.profit_percent:+.2f}%).{why}"
    )


def market_text(facts: MarketFacts, environment: Environment) -> str:
    lines = []
    if facts.indices:
        moves = ", ".join(f"{q.index.label} {q.value:,.2f} ({q.change_percent:+.2f}%)" for q in facts.indices)
        lines.append(f"{moves} — {mood(facts)}.")
        counted = [
            f"{q.index.label} 상승 {q.rising}·하락 {q.falling}·보합 {q.unchanged}"
            for q in facts.indices
            if (q.rising or q.falling) and q.index is not Index.KOSPI200
        ]
        if counted:
            lines.append("종목 수: " + ", ".join(counted) + ".")
    if facts.sectors:
        strong = [f"{name} {move:+.2f}%" for name, move in facts.sectors[:3]]
        weak = [f"{name} {move:+.2f}%" for name, move in facts.sectors[-3:] if (name, move) not in facts.sectors[:3]]
        lines.append(
            "강한 업종: " + ", ".join(strong) + (f". 약한 업종: {', '.join(reversed(weak))}." if weak else ".")
        )
    if facts.news:
        good = sum(1 for row in facts.news if row.sentiment is Sentiment.POSITIVE)
        bad = sum(1 for row in facts.news if row.sentiment is Sentiment.NEGATIVE)
        newest = facts.news[0].item
        marked = "(가상) " if any(row.item.fictional for row in facts.news) else ""
        lines.append(
            f"시장 뉴스 {len(facts.news)}건: 긍정 {good}, 부정 {bad}. 최근: {marked}{newest.title[:80]} ({newest.at:%m-%d %H:%M})"
        )
    if facts.missing:
        lines.append(f"읽지 못한 것: {', '.join(facts.missing)}.")
    if environment is Environment.SIMULATOR:
        lines.append("시뮬레이터의 가상 시장입니다.")
    return "\n".join(lines)


def mood(facts: MarketFacts) -> str:
    main = facts.indices[0].change_percent
    if main >= 1.0:
        return "강한 상승장이었습니다"
    if main >= 0.2:
        return "오름세였습니다"
    if main > -0.2:
        return "보합권이었습니다"
    return "내림세였습니다" if main > -1.0 else "큰 폭의 하락장이었습니다"


def plan_text(report: ScreeningReport | None, entry: float, shown: int = 3) -> str:
    if report is None:
        return "내일 계획: 추천 목록이 없어 세우지 못했습니다. 아침 평가를 기다립니다."
    first = f"내일 계획: {report.at:%m-%d %H:%M} 평가 {report.evaluated}종목 가운데 매수 기준 {entry:g}점 이상은 {report.reached_entry}종목입니다."
    rows = []
    for place, row in enumerate(report.recommendations[:shown], start=1):
        best = max(row.score.factors, key=lambda part: part.points, default=None)
        why = f" — {best.reason}" if best is not None and best.points > 0 else ""
        short = "" if row.score.total >= entry else " (기준 미달)"
        rows.append(f"{place}. {row.stock.name} {row.score.total:+.1f}점{short}{why}")
    last = (
        "기준에 이른 종목은 장이 열린 뒤 호가와 한도를 확인하고 규칙대로 들어갑니다."
        if report.reached_entry
        else "기준에 이르는 종목이 나올 때까지 새로 사지 않습니다."
    )
    return "\n".join([first, *rows, last])
