"""The figures in a picture are those of the data: read back from the artists, not from pixels."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from operator import eq

import numpy as np
import pytest
from matplotlib.collections import LineCollection
from matplotlib.colors import to_rgba

from charts import samples as one
from charts import samples_reports as many
from charts.backtest import monthly_returns
from charts.candles import SHOWN_BARS, bollinger, rolling_mean
from charts.formatting import number, percent, shares, signed
from charts.intraday import coloured_runs
from charts.prediction import inside_band, place
from charts.recommend import badge
from charts.registry import BUILDERS, build
from charts.theme import DARK, THEMES
from engine.market import KST, Bars
from engine.results import Factor, Mark, PortfolioView, Sentiment
from tests.charts.reading import boxes, built, figures, labels, line, name_of, named, polygons, strokes, text, texts


def test_candles_are_the_bars() -> None:
    chart = one.daily_candles()
    canvas = build(chart)
    plot, volumes = canvas.plots["price"], canvas.plots["volume"]
    shown = chart.bars[len(chart.bars) - SHOWN_BARS :]
    before = np.concatenate((shown.open[:1], shown.close[:-1]))
    # A bar that closes where it opened takes the colour of its gap.
    move = np.where(shown.close != shown.open, shown.close - shown.open, shown.close - before)
    for name, rows in (("up", move > 0), ("down", move < 0)):
        bodies = boxes(canvas, f"bodies {name}")
        assert len(bodies) == rows.sum()
        upper = np.maximum(shown.open, shown.close)[rows]
        lower = np.minimum(shown.open, shown.close)[rows]
        # A body is never thinner than two pixels, so tiny ones may reach one pixel too far.
        pixel = (plot.high - plot.low) / (plot.bottom - plot.top)
        assert np.abs([plot.value(y) for y in bodies[:, 1]] - upper).max() <= 1.01 * pixel
        assert np.abs([plot.value(y) for y in bodies[:, 3]] - lower).max() <= 1.01 * pixel
        wicks = strokes(canvas, f"wicks {name}")
        assert np.allclose([plot.value(y) for y in wicks[:, 0, 1]], shown.high[rows])
        assert np.allclose([plot.value(y) for y in wicks[:, 1, 1]], shown.low[rows])
        assert np.allclose(wicks[:, 0, 0], plot.xs(np.flatnonzero(rows)))
    bars = boxes(canvas, "volume")
    assert np.allclose([volumes.value(y) for y in bars[:, 1]], shown.volume)


def test_candle_overlays_levels_and_header() -> None:
    chart = one.daily_candles()
    canvas = build(chart)
    plot = canvas.plots["price"]
    for length in (5, 20, 60):
        _, ys = line(canvas, f"average {length}")
        expected = rolling_mean(chart.bars.close, length)[len(chart.bars) - SHOWN_BARS :]
        seen = ~np.isnan(ys)
        assert seen.sum() > 60
        assert np.allclose([plot.value(y) for y in ys[seen]], expected[seen])
        assert f"{length}일선 {number(expected[-1])}" in texts(canvas, "legend")
    assert chart.stop_price is not None
    assert chart.target_price is not None
    last = float(chart.bars.close[-1])
    assert set(texts(canvas, "level")) == {number(last), number(chart.stop_price), number(chart.target_price)}
    drawn = {round(plot.value(y)) for y in strokes(canvas, "level line")[:, 0, 1]}
    assert drawn == {round(last), round(chart.stop_price), round(chart.target_price)}
    assert figures(text(canvas, "price")) == last
    assert chart.previous_close is not None
    change = last - chart.previous_close
    assert text(canvas, "change") == f"▲{number(change)} {percent(100 * change / chart.previous_close)}"
    assert {label for label in texts(canvas, "mark label")} == {"매수 10", "매도 10"}


def test_zones_stand_at_their_prices() -> None:
    chart = one.daily_candles()
    canvas = build(chart)
    plot = canvas.plots["price"]
    from matplotlib.patches import Rectangle

    drawn = [a for a in canvas.figure.artists if isinstance(a, Rectangle) and name_of(a).startswith("zone ")]
    found = {(round(plot.value(r.get_y() + r.get_height())), round(plot.value(r.get_y()))) for r in drawn}
    visible = {
        (round(max(z.bottom, plot.low)), round(min(z.top, plot.high)))
        for z in chart.zones
        if z.top >= plot.low and z.bottom <= plot.high and z.ended is None
    }
    assert visible <= found


def test_bollinger_uses_the_population_deviation() -> None:
    values = np.array([float(v) for v in range(1, 41)])
    lower, middle, upper = bollinger(values)
    assert np.isnan(middle[:19]).all()
    assert middle[-1] == pytest.approx(30.5)
    assert upper[-1] - middle[-1] == pytest.approx(2 * np.std(values[20:]))
    assert middle[-1] - lower[-1] == pytest.approx(upper[-1] - middle[-1])


def test_limit_up_is_said() -> None:
    assert text(built("candles-limit-up"), "badge") == "상한가"
    assert text(built("intraday-limit-up"), "badge") == "상한가"
    assert text(built("book-limit-up"), "badge") == "상한가"
    assert text(built("candles-halted"), "badge") == "거래정지"
    assert "VI" in texts(built("candles-limit-up"), "vi label")


def test_intraday_line_is_red_above_and_blue_below() -> None:
    chart = one.intraday()
    canvas = build(chart)
    plot = canvas.plots["price"]
    level = chart.previous_close
    above, below = strokes(canvas, "line above"), strokes(canvas, "line below")
    assert len(above)
    assert len(below)
    tolerance = 1e-6 * level
    assert min(plot.value(y) for y in above[:, :, 1].ravel()) >= level - tolerance
    assert max(plot.value(y) for y in below[:, :, 1].ravel()) <= level + tolerance
    for name, colour in (("above", DARK.up), ("below", DARK.down)):
        (drawn,) = named(canvas, LineCollection, partial(eq, f"line {name}"))
        assert tuple(drawn.get_edgecolor()[0]) == to_rgba(colour)
    ends = np.concatenate([s for s in (above, below, strokes(canvas, "line flat")) if len(s)])
    ends = ends[np.argsort(ends[:, 1, 0], kind="stable")]
    assert plot.value(float(ends[-1, 1, 1])) == pytest.approx(chart.points[-1][1])
    prices = [price for _, price, _ in chart.points]
    assert texts(canvas, "extreme") == [f"고가 {number(max(prices))}", f"저가 {number(min(prices))}"]


def test_a_crossing_splits_the_stroke_where_it_crosses() -> None:
    runs, side = coloured_runs(np.array([0.0, 10.0]), np.array([90.0, 130.0]), 100.0)
    assert runs.tolist() == [[[0.0, 90.0], [2.5, 100.0]], [[2.5, 100.0], [10.0, 130.0]]]
    assert side.tolist() == [-1, 1]


def test_points_outside_the_session_are_not_drawn() -> None:
    chart = one.intraday()
    early = (chart.points[0][0].replace(hour=8, minute=30), 1.0, 5)
    assert build(replace(chart, points=(early, *chart.points))).alt == build(chart).alt


def test_order_book_rows_and_bars() -> None:
    chart = one.order_book()
    canvas = build(chart)
    book, quote = chart.book, chart.quote
    assert [figures(t) for t in texts(canvas, "price sell")] == [level.price for level in book.asks]
    assert [figures(t) for t in texts(canvas, "price buy")] == [level.price for level in book.bids]
    assert [figures(t) for t in texts(canvas, "quantity sell")] == [level.quantity for level in book.asks]
    assert [figures(t) for t in texts(canvas, "quantity buy")] == [level.quantity for level in book.bids]
    lengths = []
    for side, levels in (("sell", book.asks), ("buy", book.bids)):
        for level in levels:
            ((left, _, right, _),) = boxes(canvas, f"bar {side} {level.price}")
            lengths.append((right - left) / level.quantity)
    assert np.ptp(lengths) < 1e-9 * max(lengths) + 1e-12
    rates = [percent(100 * (level.price / quote.previous_close - 1)) for level in (*book.asks, *book.bids)]
    assert texts(canvas, "rate") == rates
    share = book.total_bid / (book.total_bid + book.total_ask)
    assert text(canvas, "imbalance") == f"매수 잔량 {100 * share:.0f}%"
    ((left, _, right, _),) = boxes(canvas, "imbalance bid")
    ((start, *_),) = boxes(canvas, "imbalance ask")
    assert (right - left) / (right - start) == pytest.approx(share)
    assert texts(canvas, "own order") == ["내 14주"]
    assert texts(canvas, "own elsewhere") == ["내 매도 10주"]
    assert texts(canvas, "own elsewhere price") == ["75,400원"]
    assert text(canvas, "total ask") == f"매도 {shares(book.total_ask)}"


def test_asks_lie_above_bids_with_the_best_in_the_middle() -> None:
    canvas = built("book")
    rows = [
        (label.get_position()[1], figures(label.get_text()))
        for label in labels(canvas)
        if name_of(label).startswith("price ")
    ]
    ordered = [price for _, price in sorted(rows)]
    assert ordered == sorted(ordered, reverse=True)


def test_expected_price_in_an_auction() -> None:
    canvas = built("book-auction")
    assert figures(text(canvas, "expected price")) == 72_300
    assert "예상 체결가 72,300원" in canvas.alt
    assert not texts(built("book"), "expected price")


def test_score_card_shows_every_factor() -> None:
    card = one.score_card()
    canvas = build(card)
    assert text(canvas, "total") == number(card.score.total, 1)
    assert text(canvas, "part 65") == f"{signed(card.score.daily_points, 1)} / 65"
    assert text(canvas, "part 35") == f"{signed(card.score.live_points, 1)} / 35"
    plot = canvas.plots["factors"]
    middle, scale = (plot.left + plot.right) / 2, (plot.right - plot.left) / 30
    for part in card.score.factors:
        assert text(canvas, f"points {part.factor.value}") == signed(part.points, 1)
        ((left, _, right, _),) = boxes(canvas, f"bar {part.factor.value}")
        assert (right - middle) / scale == pytest.approx(part.points)
        assert left == pytest.approx(middle)
        assert part.reason in texts(canvas, "reason")
    assert texts(canvas, "factor") == [factor.label for factor in Factor]
    assert texts(canvas, "threshold") == ["매도 -40", "0", "매수 55"]
    assert "당일 청산 비용" in " ".join(texts(canvas, "notice"))
    assert text(canvas, "verdict") == "매수 기준 이상"


def test_negative_points_grow_to_the_left() -> None:
    card = replace(one.score_card(), score=one.score_of(one.SAMSUNG, -1.0))
    canvas = build(card)
    plot = canvas.plots["factors"]
    ((left, _, right, _),) = boxes(canvas, "bar rsi")
    assert right == pytest.approx((plot.left + plot.right) / 2)
    assert left < right
    assert text(canvas, "verdict") == "매도 기준 이하"


def test_missing_factors_say_so() -> None:
    canvas = built("score-missing")
    assert text(canvas, "points breakout") == "없음"
    assert sum("자료 부족" in reason for reason in texts(canvas, "reason")) == 3


def test_recommendation_rows() -> None:
    table = many.recommendation_table()
    canvas = build(table)
    rows = table.report.recommendations
    assert texts(canvas, "name") == [row.stock.name for row in rows]
    assert texts(canvas, "score") == [number(row.score.total, 1) for row in rows]
    shown = [badge(row.prediction) if row.prediction else "예측 없음" for row in rows]
    assert texts(canvas, "forecast") == shown
    for row in rows:
        if row.closes:
            _, ys = line(canvas, f"spark {row.stock.code}")
            plot = canvas.plots[f"spark {row.stock.code}"]
            assert np.allclose([plot.value(y) for y in ys], row.closes)
    notice = " ".join(texts(canvas, "notice"))
    assert "당일 청산 비용(약 0.22~0.28 %)을 넘지 못했습니다." in notice
    assert "투자 권유가 아닙니다" in notice


def test_prediction_badges() -> None:
    assert badge(many.forecast("005930", 10_000.0, 3.84)) == "+3.8%↑"
    assert badge(many.forecast("005930", 10_000.0, -2.26)) == "-2.3%↓"
    assert badge(many.forecast("005930", 10_000.0, 0.03)) == "0.0%"
    assert badge(None) == "-"
    assert place(0.91) == "시장 상위 9%"
    assert place(0.06) == "시장 하위 6%"


def test_prediction_fan_path_and_record() -> None:
    chart = many.prediction_chart()
    canvas = build(chart)
    plot, band = canvas.plots["price"], chart.prediction.band
    assert band is not None
    for name, low, high in (("p10 p90", band.p10, band.p90), ("p25 p75", band.p25, band.p75)):
        (ring,) = polygons(canvas, f"band {name}")
        end = ring[np.isclose(ring[:, 0], ring[:, 0].max())]
        assert plot.value(end[:, 1].max()) == pytest.approx(low)
        assert plot.value(end[:, 1].min()) == pytest.approx(high)
    _, ys = line(canvas, "path")
    assert np.allclose([plot.value(y) for y in ys[1:]], chart.prediction.path)
    _, ys = line(canvas, "closes")
    assert np.allclose([plot.value(y) for y in ys], chart.bars.close[-60:])
    hits = sum(inside_band(item) for item in chart.past)
    assert text(canvas, "track").startswith(f"지난 예측 20회: 구간 안 {hits}회")
    assert text(canvas, "median change") == "+3.8%↑"
    assert any("중앙 경로(참고)" in written for written in texts(canvas, "reference"))
    assert " ".join(texts(canvas, "skill")).replace(" ", "") == many.SKILL.verdict.replace(" ", "")


def test_portfolio_figures() -> None:
    view = many.portfolio()
    canvas = build(view)
    assert figures(text(canvas, "equity")) == view.equity
    ranked = sorted(view.positions, key=lambda p: -p.value)
    assert texts(canvas, "name") == [p.stock.name for p in ranked]
    assert texts(canvas, "profit") == [f"{signed(p.profit)}원" for p in ranked]
    total = sum(p.value for p in ranked) + view.cash
    for position in ranked:
        ((left, _, right, _),) = boxes(canvas, f"share {position.stock.name}")
        assert (right - left) / 1024 == pytest.approx(position.value / total, rel=1e-6)
    values = np.array([v for _, v in view.equity_curve], float)
    _, ys = line(canvas, "equity")
    plot = canvas.plots["equity"]
    assert np.allclose([1e4 * plot.value(y) for y in ys], values)
    below = canvas.plots["drawdown"]
    (ring,) = polygons(canvas, "drawdown")
    worst = (values / np.maximum.accumulate(values) - 1).min() * 100
    assert below.value(ring[:, 1].max()) == pytest.approx(worst)
    assert text(canvas, "drawdown") == f"{number(worst, 2)}%"


def test_portfolio_counts_what_it_leaves_out() -> None:
    view: PortfolioView = many.portfolio(9)
    canvas = build(view)
    rest = sorted(view.positions, key=lambda p: -p.value)[6:]
    assert text(canvas, "more").startswith(f"외 {len(rest)}종목")
    ((left, _, right, _),) = boxes(canvas, "share 기타")
    total = sum(p.value for p in view.positions) + view.cash
    assert (right - left) / 1024 == pytest.approx(sum(p.value for p in rest) / total, rel=1e-6)


def test_backtest_curves_and_months() -> None:
    report = many.backtest()
    canvas = build(report)
    plot = canvas.plots["equity"]
    _, ys = line(canvas, "equity")
    values = np.array([v for _, v in report.equity])
    assert np.allclose([plot.value(y) for y in ys], 100 * (values / values[0] - 1))
    _, ys = line(canvas, "hold")
    held = np.array([v for _, v in report.buy_and_hold_equity])
    assert np.allclose([plot.value(y) for y in ys], 100 * (held / held[0] - 1))
    months = monthly_returns(report.equity)
    assert np.prod([1 + v / 100 for v in months.values()]) == pytest.approx(values[-1] / values[0])
    for (year, month), value in months.items():
        written = figures(text(canvas, f"month {year}-{month}").replace("+", ""))
        assert written == pytest.approx(value, abs=0.51 if abs(value) >= 9.95 else 0.051)
    assert text(canvas, "figure 수익률") == percent(100 * report.metrics.total_return, 1)
    assert len(polygons(canvas, "trades buy")) == len(report.trades)
    prices = canvas.plots["price"]
    tips = sorted(prices.value(ring[:, 1].min()) for ring in polygons(canvas, "trades buy"))
    assert np.allclose(tips, sorted(trade.entry_price for trade in report.trades), rtol=1e-6)


def test_months_span_years_and_start_from_the_first_value() -> None:
    def at(year: int, month: int, day: int) -> datetime:
        return datetime(year, month, day, 15, 30, tzinfo=KST)

    curve = ((at(2025, 11, 3), 100.0), (at(2025, 11, 28), 110.0), (at(2025, 12, 30), 99.0), (at(2026, 1, 5), 108.9))
    months = monthly_returns(curve)
    assert {key: round(value, 6) for key, value in months.items()} == {
        (2025, 11): 10.0,
        (2025, 12): -10.0,
        (2026, 1): 10.0,
    }
    assert monthly_returns(()) == {}


def test_indices() -> None:
    panel = many.indices()
    canvas = build(panel)
    assert texts(canvas, "label") == [q.index.label for q in panel.indices]
    assert [figures(t) for t in texts(canvas, "value")] == [q.value for q in panel.indices]
    for quote in panel.indices:
        plot = canvas.plots[quote.index.label]
        drawn = strokes(canvas, f"line {quote.index.label}")
        last = drawn[np.argmax(drawn[:, 1, 0]), 1, 1]
        assert plot.value(float(last)) == pytest.approx(panel.intraday[quote.index][-1][1])


def test_ticket() -> None:
    ticket = many.ticket()
    canvas = build(ticket)
    assert text(canvas, "title") == "매수 주문 확인"
    assert figures(text(canvas, "price")) == ticket.price
    assert figures(text(canvas, "quantity")) == ticket.quantity
    assert figures(text(canvas, "value 예상 금액")) == ticket.estimated_cost
    assert text(canvas, "value 손절가") == "69,700원 (-92,500원)"
    for name, share in ticket.limits:
        ((left, _, right, _),) = boxes(canvas, f"limit bar {name}")
        assert (right - left) / 1024 == pytest.approx(share)
    over = built("ticket-over")
    assert "초과" in text(over, "limit 하루 손실 한도 3%")
    assert "한도 초과" in over.alt
    assert text(over, "price") == "시장가"


def test_day_report() -> None:
    card = many.day_report()
    canvas = build(card)
    summary = card.report.summary
    assert text(canvas, "realised") == f"{signed(summary.realised)}원"
    ranked = sorted(summary.trades, key=lambda t: -abs(t.profit))
    assert texts(canvas, "trade profit") == [f"{signed(t.profit)}원" for t in ranked]
    assert texts(canvas, "sector change") == [percent(v) for _, v in card.report.sector_returns]
    assert "AI 생성 · gemini-3-flash" in text(canvas, "by")
    busy = built("report-many")
    rest = sorted(many.day_report(7).report.summary.trades, key=lambda t: -abs(t.profit))[4:]
    assert text(busy, "more trades") == f"외 3건 {signed(sum(t.profit for t in rest))}원"


def test_news() -> None:
    card = many.news(9)
    canvas = build(card)
    for sentiment in Sentiment:
        count = sum(item.sentiment is sentiment for item in card.news)
        assert text(canvas, f"count {sentiment.value}") == f"{sentiment.label} {count}"
        ((left, _, right, _),) = boxes(canvas, f"balance {sentiment.value}")
        assert (right - left) / 1024 == pytest.approx(count / 9)
    shown = len(texts(canvas, "source"))
    assert text(canvas, "by").startswith(f"외 {9 - shown}건 · 가상 뉴스입니다")


def test_signal_marks_ai_text_and_counts_what_does_not_fit() -> None:
    card = many.signal()
    assert "AI 생성 · gemini-3-flash" in text(build(card), "by")
    long = replace(card.signal, reasons=tuple(f"{i}번째 근거입니다. " * 6 for i in range(12)))
    canvas = build(replace(card, signal=long))
    assert texts(canvas, "more")
    assert texts(canvas, "section") == ["근거", "위험"]


def test_every_input_type_has_a_picture_in_the_gallery() -> None:
    from charts.gallery import EXHIBITS

    assert {type(exhibit.view()) for exhibit in EXHIBITS} == set(BUILDERS)


def test_an_unknown_input_is_refused() -> None:
    with pytest.raises(TypeError, match="그림이 없는 형식"):
        build(Bars.empty())


@pytest.mark.parametrize("theme", THEMES)
def test_every_theme_draws(theme: str) -> None:
    assert build(one.order_book(), THEMES[theme]).picture().png


def test_unfamiliar_letters_become_visible_boxes_not_errors() -> None:
    stock = replace(one.SAMSUNG, name="삼성\u2212전자🚀\u200d")
    canvas = build(replace(one.order_book(), stock=stock))
    assert text(canvas, "stock name") == "삼성-전자□"


def test_events_older_than_the_bars_are_left_out() -> None:
    chart = one.daily_candles()
    before: Mark = (one.at(chart.bars, 0) - timedelta(days=400), 71_000.0, "buy", "옛날")
    assert "옛날" not in texts(build(replace(chart, marks=(before,))), "mark label")
