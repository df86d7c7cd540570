"""Stocks, prices, books, indices, recommendations, forecasts, analysis: everything that only reads."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Literal, TypeVar

from fastapi import APIRouter, Depends, Path, Query

from bot.context import PartOff
from bot.services import OffPart
from bot.web import market_models as models
from bot.web import views
from bot.web.console import Known
from bot.web.problems import Problem
from bot.web.state import WebState, web_state
from engine.broker import BrokerError
from engine.market import Index, Market, Stock
from engine.results import Sentiment

router = APIRouter()
State = Annotated[WebState, Depends(web_state)]
Code = Annotated[str, Path(pattern=models.CODE_PATTERN, examples=["005930"], description="종목 코드")]
Part = TypeVar("Part")
DAILY_BARS = 60
COURSE_POINTS = 120
HEADLINES = 30


async def stock_of(code: Code, state: State) -> Stock:
    found = state.services.listing.get(code)
    if found is None:
        raise Problem(404, f"{code} 은(는) 목록에 없는 종목입니다")
    return found


Listed = Annotated[Stock, Depends(stock_of)]


def required(state: WebState, part: Part | None, name: OffPart) -> Part:
    """The part, or PartOff (503 with the one line of why it is off)."""
    if part is None:
        raise PartOff(name, state.services.off.get(name, ""))
    return part


@router.get("/api/stocks", tags=["시세"], summary="종목 목록과 검색")
async def stocks(
    state: State,
    query: Annotated[str, Query(max_length=40, description="코드, 이름, 초성", examples=["ㅅㅅㅈㅈ"])] = "",
    market: Annotated[Literal["", "KOSPI", "KOSDAQ", "KONEX"], Query(description="비우면 전체")] = "",
    page: Annotated[int, Query(ge=1, le=10_000)] = 1,
    size: Annotated[int, Query(ge=1, le=200)] = 50,
) -> models.StockPage:
    """시가총액이 큰 순서입니다. 가격은 마지막으로 본 것이며 새로 조회하지 않습니다."""
    listing = state.services.listing
    if query.strip():
        found = list(state.plane.stocks.search(query, limit=5_000))
    else:
        found = sorted(listing.stocks(), key=lambda stock: (-stock.market_cap, stock.code))
    if market:
        found = [stock for stock in found if stock.market is Market(market)]
    shown = found[(page - 1) * size : page * size]
    return models.StockPage(
        total=len(found),
        page=page,
        size=size,
        source=listing.source,
        as_of=listing.as_of,
        items=[_row(state, stock) for stock in shown],
    )


def _row(state: WebState, stock: Stock) -> models.StockRow:
    seen = state.prices.row(stock.code)
    return models.StockRow(
        code=stock.code,
        name=stock.name,
        market=stock.market.value,
        sector=stock.sector,
        market_cap=stock.market_cap,
        flags=sorted(flag.value for flag in stock.flags),
        price=seen.price if seen else None,
        change_percent=round(seen.change_percent, 4) if seen else None,
        price_at=seen.at if seen else None,
    )


@router.get("/api/stocks/recommend", tags=["추천"], summary="추천 Top 10 (예측 배지 포함)")
async def recommend(state: State) -> models.Recommendations:
    research = required(state, state.services.research, "screener")
    report = await research.screen()
    return models.Recommendations(
        **views.dated(state.services, report.at),
        evaluated=report.evaluated,
        reached_entry=report.reached_entry,
        entry_threshold=state.services.entry_threshold,
        items=[views.recommendation(row) for row in report.recommendations[:10]],
        excluded=len(report.excluded),
        failed=len(report.failed),
        price_source=report.price_source,
        disclaimer=views.DISCLAIMER,
    )


@router.get("/api/stocks/{code}/price", tags=["시세"], summary="현재가 (5초 캐시)")
async def price(stock: Listed, state: State) -> models.Price:
    return views.price(state.services, await state.services.quotes.quote(stock.code), stock.name)


@router.get("/api/stocks/{code}/daily", tags=["시세"], summary="일봉 (최대 60개)")
async def daily(
    stock: Listed, state: State, count: Annotated[int, Query(ge=1, le=DAILY_BARS)] = DAILY_BARS
) -> models.DailyBars:
    answer = await state.services.history.daily(stock.code, count)
    bars = [
        models.Bar(date=c.start.date(), open=c.open, high=c.high, low=c.low, close=c.close, volume=c.volume)
        for c in answer.bars[-count:].candles()
    ]
    return models.DailyBars(**views.dated(state.services, answer.as_of, answer.source), code=stock.code, bars=bars)


@router.get("/api/stocks/{code}/orderbook", tags=["시세"], summary="10단계 호가 (3초 캐시)")
async def orderbook(stock: Listed, state: State) -> models.Book:
    return views.book(state.services, await state.services.quotes.order_book(stock.code))


@router.get("/api/indices", tags=["시세"], summary="코스피 · 코스닥 · 코스피200")
async def indices(state: State) -> models.Indices:
    services = state.services
    courses = services.index_points() if services.index_points else {}
    items, missing = [], {}
    for index in Index:
        try:
            quote = await services.quotes.index_quote(index)
        except BrokerError as problem:
            missing[index.label] = str(problem)
            continue
        items.append(
            models.IndexRow(
                code=index.value,
                name=index.label,
                at=quote.at,
                value=quote.value,
                change=round(quote.change, 4),
                change_percent=round(quote.change_percent, 4),
                course=views.curve(courses.get(index, ()), COURSE_POINTS),
            )
        )
    environment = services.environment
    return models.Indices(
        source=services.source,
        environment=environment.value,
        fictional=environment.value == "simulator",
        items=items,
        missing=missing,
    )


@router.get("/api/predict/{code}", tags=["분석"], summary="5거래일 뒤 예측")
async def predict(stock: Listed, state: State) -> models.Prediction:
    forecasts = required(state, state.services.forecasts, "forecasts")
    found = await forecasts.predict(stock.code)
    return models.Prediction(
        **views.dated(state.services, state.services.clock.now()),
        code=stock.code,
        name=stock.name,
        prediction=views.prediction(found),
        disclaimer=views.DISCLAIMER,
    )


@router.get("/api/ai/signal/{code}", tags=["분석"], summary="지표와 뉴스 종합 의견")
async def signal(stock: Listed, state: State) -> models.SignalModel:
    analysis = required(state, state.services.analysis, "analysis")
    return views.signal(state.services, await analysis.signal(stock.code))


@router.get("/api/ai/news/{code}", tags=["분석"], summary="뉴스와 긍정·중립·부정 판정")
async def news(stock: Listed, state: State) -> models.News:
    analysis = required(state, state.services.analysis, "analysis")
    found = list(await analysis.news(stock.code))[:HEADLINES]
    counts = {kind: sum(1 for row in found if row.sentiment is kind) for kind in Sentiment}
    return models.News(
        **views.dated(state.services, state.services.clock.now()),
        code=stock.code,
        name=stock.name,
        positive=counts[Sentiment.POSITIVE],
        neutral=counts[Sentiment.NEUTRAL],
        negative=counts[Sentiment.NEGATIVE],
        items=views.news_rows(found),
    )


@router.get("/api/ai/report", tags=["분석"], summary="하루 리포트 (계좌 내용이 있어 토큰 필요)")
async def report(
    caller: Known,
    state: State,
    day: Annotated[date | None, Query(description="없으면 오늘")] = None,
) -> models.ReportModel:
    wanted = day or state.services.clock.today()
    if wanted > state.services.clock.today():
        raise Problem(404, "오지 않은 날의 리포트는 없습니다")
    analysis = required(state, state.services.analysis, "analysis")
    return views.report(state.services, await analysis.report(wanted))
