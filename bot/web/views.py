"""Engine values as API answers. Translation only."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from bot.services import Services
from bot.web import market_models as models
from bot.web.models import Point
from engine.market import KST, OrderBook, Quote
from engine.results import DayReport, LabelledNews, Prediction, Recommendation, Score, Signal

DISCLAIMER = "개인용 도구이며 투자 권유가 아닙니다. 손실 책임은 이용자에게 있습니다."


def dated(services: Services, at: datetime, source: str = "") -> dict[str, Any]:
    return {
        "at": at if at.tzinfo else at.replace(tzinfo=KST),
        "source": source or services.source,
        "environment": services.environment.value,
        "fictional": services.environment.value == "simulator",
    }


def curve(points: Sequence[tuple[datetime, float]], most: int) -> list[Point]:
    """At most about ``most`` of the points, the last one always among them."""
    step = max(1, -(-len(points) // most))
    return [
        Point(at=at if at.tzinfo else at.replace(tzinfo=KST), value=number(value))
        for at, value in points[::-1][::step][::-1]
    ]


def number(value: float) -> float:
    """JSON has no NaN and no infinity: what is no number is 0."""
    return float(value) if math.isfinite(value) else 0.0


def price(services: Services, quote: Quote, name: str) -> models.Price:
    return models.Price(
        **dated(services, quote.at),
        code=quote.code,
        name=name,
        price=quote.price,
        previous_close=quote.previous_close,
        change=quote.change,
        change_percent=round(quote.change_percent, 4),
        open=quote.open,
        high=quote.high,
        low=quote.low,
        volume=quote.volume,
        value=quote.value,
        upper_limit=quote.upper_limit,
        lower_limit=quote.lower_limit,
        halted=quote.halted,
        vi_active=quote.vi_active,
        flags=sorted(flag.value for flag in quote.flags),
    )


def book(services: Services, found: OrderBook) -> models.Book:
    def levels(side: Sequence[Any]) -> list[models.Level]:
        return [models.Level(price=level.price, quantity=level.quantity) for level in side]

    return models.Book(
        **dated(services, found.at),
        code=found.code,
        asks=levels(found.asks),
        bids=levels(found.bids),
        total_ask=found.total_ask,
        total_bid=found.total_bid,
        expected_price=found.expected_price,
        expected_volume=found.expected_volume,
    )


def score(found: Score) -> models.ScoreModel:
    return models.ScoreModel(
        total=round(number(found.total), 2),
        daily_points=round(number(found.daily_points), 2),
        live_points=round(number(found.live_points), 2),
        factors=[
            models.FactorPoints(
                factor=f.factor.value,
                label=f.factor.label,
                points=round(number(f.points), 2),
                maximum=f.factor.maximum,
                reason=f.reason,
                defined=f.defined,
            )
            for f in found.factors
        ],
    )


def prediction(found: Prediction) -> models.PredictionModel:
    band = found.band
    return models.PredictionModel(
        horizon=found.horizon,
        last_close=number(found.last_close),
        change_percent=round(number(found.change_percent), 4),
        band={name: number(getattr(band, name)) for name in ("p10", "p25", "p50", "p75", "p90")} if band else None,
        path=[number(close) for close in found.path],
        rank=number(found.rank),
        direction=found.direction,
        probability=number(found.probability),
        skill=found.skill.verdict if found.skill else "",
        gate=number(found.skill.gate) if found.skill else 0.0,
        model_id=found.model_id,
        as_of=found.as_of,
        trained_until=found.trained_until,
        absent=found.absent,
    )


def recommendation(row: Recommendation) -> models.RecommendationRow:
    quote = row.quote
    return models.RecommendationRow(
        code=row.stock.code,
        name=row.stock.name,
        market=row.stock.market.value,
        sector=row.stock.sector,
        score=score(row.score),
        price=quote.price if quote else None,
        change_percent=round(quote.change_percent, 4) if quote else None,
        prediction=prediction(row.prediction) if row.prediction else None,
    )


def news_rows(found: Sequence[LabelledNews]) -> list[models.NewsRow]:
    return [
        models.NewsRow(
            at=row.item.at,
            title=row.item.title,
            publisher=row.item.publisher,
            link=row.item.link,
            sentiment=row.sentiment.value,
            reason=row.reason,
            by=row.by,
            fictional=row.item.fictional,
        )
        for row in found
    ]


def signal(services: Services, found: Signal) -> models.SignalModel:
    return models.SignalModel(
        **dated(services, found.score.at if found.score else services.clock.now()),
        code=found.stock.code,
        name=found.stock.name,
        verdict=found.verdict.value,
        verdict_label=found.verdict.label,
        confidence=number(found.confidence),
        reasons=list(found.reasons),
        risks=list(found.risks),
        score=score(found.score) if found.score else None,
        news=news_rows(found.news),
        by=found.by,
        disclaimer=DISCLAIMER,
    )


def report(services: Services, found: DayReport) -> models.ReportModel:
    day = found.summary
    return models.ReportModel(
        **dated(services, services.clock.now()),
        day=found.day,
        account_text=found.account_text,
        market_text=found.market_text,
        plan_text=found.plan_text,
        by=found.by,
        trades=len(day.trades),
        realised=day.realised,
        fees=day.fees,
        taxes=day.taxes,
        equity_start=day.equity_start,
        equity_end=day.equity_end,
        sector_returns=[
            models.SectorReturn(sector=sector, change=number(change)) for sector, change in found.sector_returns
        ],
    )
