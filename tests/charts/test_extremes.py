"""Inputs at the edge of what the market can send: the layout holds, nothing raises."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from charts import View
from charts import samples as one
from charts import samples_reports as many
from charts.registry import build
from engine.market import Bars, BookLevel, Interval, Side
from engine.results import Band, CandleChart, HeatmapCell, Mark, Zone
from tests.charts.reading import check_layout, labels, name_of

HUGE = 2_147_483_000


def bars_from(closes: list[float], volume: int = 0) -> Bars:
    close = np.array(closes)
    days = one.session_days(len(closes))
    return Bars(np.array(days, "datetime64[s]"), close, close, close, close, np.full(len(closes), volume))


def rich_portfolio() -> View:
    view = many.portfolio(9)
    positions = tuple(replace(p, quantity=98_765_432, stock=one.LONG) for p in view.positions)
    curve = tuple((at, value * 123_456) for at, value in view.equity_curve)
    return replace(
        view,
        positions=positions,
        cash=-12_345_678_901,
        equity=1_234_567_890_123,
        realised_today=-98_765_432_109,
        equity_curve=curve,
    )


def wide_book() -> View:
    chart = one.order_book()
    book = chart.book
    asks = tuple(BookLevel(level.price * 42, HUGE) for level in book.asks)
    bids = tuple(BookLevel(level.price * 42, HUGE) for level in book.bids)
    quote = one.quote_of(one.LONG, bids[0].price, bids[0].price * 10 // 13, volume=HUGE * 4)
    own = [one.order(one.LONG, Side.BUY, bids[2].price, 1_234_567), one.order(one.LONG, Side.BUY, bids[2].price, 10)]
    own += [one.order(one.LONG, Side.SELL, price, 9_876_543) for price in range(4_000_000, 4_000_600, 100)]
    return replace(
        chart,
        stock=one.LONG,
        book=replace(
            book,
            asks=asks,
            bids=bids,
            total_ask=10 * HUGE,
            total_bid=10 * HUGE,
            expected_price=bids[0].price,
            expected_volume=HUGE,
        ),
        quote=quote,
        own_orders=tuple(own),
    )


def crowded_candles() -> View:
    chart = one.fifteen_candles()
    marks: tuple[Mark, ...] = tuple(
        (one.at(chart.bars, -i), float(chart.bars.close[-i]), "buy" if i % 2 else "sell", f"{i}번 1,234")
        for i in range(1, 60, 3)
    )
    zones = tuple(
        Zone("fvg", bool(i % 2), float(chart.bars.low[i]), float(chart.bars.high[i]), one.at(chart.bars, i))
        for i in range(0, 80, 4)
    )
    return replace(
        chart,
        stock=one.LONG,
        marks=marks,
        zones=zones,
        vi_times=tuple(one.at(chart.bars, i) for i in range(5, 80, 6)),
        upper_limit=float(chart.bars.high.max()) + 100,
        lower_limit=float(chart.bars.low.min()) - 100,
        note="분봉 41개가 비어 있습니다. " * 6,
    )


def far_levels() -> View:
    chart = one.daily_candles()
    return replace(chart, stop_price=1_000.0, target_price=900_000.0)


def dear_score() -> View:
    card = one.score_card()
    score = replace(
        one.score_of(one.LONG, 9.0),
        factors=tuple(replace(f, reason=f.reason * 4) for f in one.score_of(one.LONG, 9.0).factors),
    )
    return replace(card, stock=one.LONG, score=score, quote=one.quote_of(one.LONG, 3_456_000, 2_660_000))


def dear_table() -> View:
    table = many.recommendation_table()
    rows = tuple(
        replace(r, stock=one.LONG, quote=one.quote_of(one.LONG, 3_456_000, 2_660_000))
        for r in table.report.recommendations
    )
    report = replace(table.report, recommendations=rows, evaluated=2_741, excluded={str(i): "" for i in range(999)})
    return replace(
        table, report=replace(report, failed=report.excluded, price_source="한국투자증권 실전 복수시세와 KRX 일별 자료")
    )


def dear_prediction() -> View:
    chart = many.prediction_chart()
    band = Band(1_000_000.0, 2_000_000.0, 3_000_000.0, 4_000_000.0, 12_345_678.0)
    forecast = replace(chart.prediction, band=band, path=(), last_close=2_000_000.0, direction="weaker", rank=0.0)
    return replace(chart, stock=one.LONG, prediction=forecast, bars=bars_from([2_000_000.0 + i for i in range(61)]))


def rich_report() -> View:
    card = many.day_report(7)
    trades = tuple(replace(t, quantity=1_234_567, name=one.LONG.name) for t in card.report.summary.trades)
    summary = replace(
        card.report.summary,
        trades=trades,
        realised=-123_456_789_012,
        equity_end=9_876_543_210_123,
        fees=987_654_321,
        buys=1_234,
    )
    words = "아주 긴 설명이 이어집니다 " * 30
    sectors = tuple((f"아주 긴 업종 이름 {i}", 30.0 - i * 2) for i in range(28))
    report = replace(
        card.report, summary=summary, account_text=words, market_text=words, plan_text=words, sector_returns=sectors
    )
    return replace(card, report=report)


def rich_backtest() -> View:
    report = many.backtest()
    metrics = replace(
        report.metrics,
        total_return=123.4,
        annual_return=98.7,
        costs=98_765_432_109,
        payoff_ratio=float("inf"),
        trades=0,
    )
    equity = tuple((at, value * (1 + i)) for i, (at, value) in enumerate(report.equity))
    return replace(report, title=one.LONG.name * 2, metrics=metrics, equity=equity, warnings=("경고가 " * 30,) * 12)


def long_signal() -> View:
    card = many.signal()
    words = tuple("아주 긴 근거가 이어지고 또 이어집니다 " * n for n in range(1, 9))
    return replace(card, signal=replace(card.signal, stock=one.LONG, reasons=words, risks=words, by="x" * 80))


def long_news() -> View:
    card = many.news(9)
    news = tuple(
        replace(n, reason="이유 " * 30, by="gemini", item=replace(n.item, title="제목 " * 60, publisher="언론사 " * 9))
        for n in card.news
    )
    return replace(card, news=news, stock=one.LONG)


def wide_ticket() -> View:
    ticket = many.ticket()
    return replace(
        ticket,
        stock=one.LONG,
        price=3_456_000,
        quantity=123_456_789,
        target_price=3_999_000,
        target_profit=123_456_789_012,
        stop_price=3_000_000,
        stop_loss=-123_456_789_012,
        limits=tuple(("아주 긴 한도 이름 " * 5, share) for share in (0.0, 0.5, 1.0, 12.5, 3.0, 2.0)),
        orderable_cash=-1,
    )


CASES = (
    rich_portfolio,
    wide_book,
    crowded_candles,
    far_levels,
    dear_score,
    dear_table,
    dear_prediction,
    rich_report,
    rich_backtest,
    long_signal,
    long_news,
    wide_ticket,
)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.__name__)
def test_the_layout_holds(case: object) -> None:
    assert callable(case)
    canvas = build(case())
    check_layout(canvas)
    assert canvas.picture().png
    assert 810 <= canvas.height <= 1350


@settings(max_examples=30, deadline=None)
@given(
    closes=st.lists(st.integers(1, 3_000_000), min_size=1, max_size=130),
    volume=st.sampled_from((0, 1, HUGE)),
    overlays=st.sampled_from(("moving_averages", "bollinger", "none")),
    levels=st.tuples(*[st.one_of(st.none(), st.integers(1, 3_000_000))] * 4),
    previous=st.one_of(st.none(), st.integers(1, 3_000_000)),
)
def test_any_candles_can_be_drawn(
    closes: list[int], volume: int, overlays: str, levels: tuple[int | None, ...], previous: int | None
) -> None:
    stop, target, upper, lower = levels
    chart = CandleChart(
        one.SAMSUNG,
        Interval.DAY,
        bars_from([float(v) for v in closes], volume),
        one.STAMP,
        previous,
        overlays=overlays,  # type: ignore[arg-type]
        stop_price=stop,
        target_price=target,
        upper_limit=upper,
        lower_limit=lower,
    )
    check_layout(build(chart))


@settings(max_examples=30, deadline=None)
@given(
    prices=st.lists(st.integers(1, 3_000_000), min_size=1, max_size=60),
    base=st.integers(0, 3_000_000),
    step=st.integers(1, 400),
)
def test_any_day_line_can_be_drawn(prices: list[int], base: int, step: int) -> None:
    chart = one.intraday()
    start = chart.points[0][0]
    points = tuple((start + timedelta(seconds=i * step), float(price), i) for i, price in enumerate(prices))
    check_layout(build(replace(chart, points=points, previous_close=float(base))))


@settings(max_examples=25, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.text(alphabet="가나다라ABC&3", min_size=1, max_size=14),
            st.integers(0, 9),
            st.floats(0.01, 100),
            st.floats(-30, 30),
        ),
        min_size=1,
        max_size=60,
    )
)
def test_any_heat_map_can_be_drawn(rows: list[tuple[str, int, float, float]]) -> None:
    cells = tuple(
        HeatmapCell(name, f"{i:06d}", f"업종 {sector}", weight, change)
        for i, (name, sector, weight, change) in enumerate(rows)
    )
    check_layout(build(replace(many.heatmap(1), cells=cells)))


def test_a_broken_limit_is_always_shown() -> None:
    from tests.charts.reading import texts

    canvas = build(wide_ticket())
    shown = [label.get_text() for label in labels(canvas) if name_of(label).startswith("limit ")]
    assert sum("초과" in written for written in shown) == 3
    assert len(texts(canvas, "limit")) == 4


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.__name__)
def test_no_number_is_cut(case: object) -> None:
    """``987,679,5…`` reads as another number: figures switch to a shorter unit instead."""
    assert callable(case)
    for label in labels(build(case())):
        assert not re.fullmatch(r"[^가-힣]*[0-9.,]…", label.get_text()), label.get_text()
