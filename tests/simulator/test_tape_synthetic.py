"""The synthetic market: a pure function of seed, code and day whose trades re-assemble to its own bars."""

from __future__ import annotations

from datetime import date

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine import krx
from engine.calendar import TradingCalendar
from engine.market import Index, Market, SecurityKind, StockFlag, parse_code
from engine.simulator.synthetic import HISTORY, SyntheticTape, load_tape
from engine.simulator.synthetic_grid import TickGrid, nearest_ticks, tick_sizes
from engine.simulator.tape import TapeError
from engine.simulator.tape_bars import bars_of_prints

CALENDAR = TradingCalendar()
DAY = date(2026, 1, 2)  # opens at 10:00
EXAM_DAY = date(2025, 11, 13)  # 10:00 to 16:30
DAYS = (DAY, EXAM_DAY, date(2026, 1, 5))
FIELDS = ("open", "high", "low", "close")


@pytest.fixture(scope="module")
def tape() -> SyntheticTape:
    return SyntheticTape(7, DAY, CALENDAR)


@given(st.integers(1, 3_000_000), st.booleans())
@settings(max_examples=300)
def test_the_vectorised_grid_is_the_grid_of_the_exchange(price: int, fund: bool) -> None:
    kind = SecurityKind.ETF if fund else SecurityKind.STOCK
    column, is_fund = np.array([price]), np.array([fund])
    assert tick_sizes(column, is_fund)[0] == krx.tick_size(price, kind)
    nearest = int(nearest_ticks(column.astype(float), is_fund)[0])
    assert krx.on_tick(nearest, kind)
    assert abs(nearest - price) <= krx.tick_size(price, kind) / 2 or nearest == 1
    lower, upper = TickGrid(is_fund).limits(column)
    limits = krx.price_limits(price, kind)
    assert (limits.lower, limits.upper) == (lower[0], upper[0])


def test_the_universe_holds_what_a_day_needs(tape: SyntheticTape) -> None:
    stocks = {stock.code: stock for stock in tape.stocks}
    assert len(stocks) == len(tape.stocks) >= 200
    assert len({stock.sector for stock in tape.stocks}) >= 12
    assert {stocks[code].name for code in ("005930", "247540", "011790")} == {"삼성전자", "에코프로비엠", "SKC"}
    assert {stock.market for stock in tape.stocks} == {Market.KOSPI, Market.KOSDAQ}
    assert all(parse_code(code) == code for code in stocks)
    assert any(not code.isdigit() for code in stocks)
    assert any(stock.kind is SecurityKind.ETF for stock in tape.stocks)
    flags = frozenset().union(*(stock.flags for stock in tape.stocks))
    assert {StockFlag.ADMINISTRATIVE, StockFlag.WARNING, StockFlag.HALTED} <= flags


def test_daily_bars_obey_the_exchange(tape: SyntheticTape) -> None:
    days = CALENDAR.last_days(DAY, HISTORY)
    for stock in tape.stocks:
        bars = tape.daily(stock.code, DAY)
        assert [day.item() for day in bars.dates()] == days
        assert (bars.high >= np.maximum(bars.open, bars.close)).all()
        assert (bars.low <= np.minimum(bars.open, bars.close)).all()
        fund = stock.kind is not SecurityKind.STOCK
        for field in FIELDS:
            price = getattr(bars, field).astype(np.int64)
            assert (price % tick_sizes(price, fund) == 0).all()
        lower, upper = TickGrid(np.full(HISTORY - 1, fund)).limits(bars.close[:-1].astype(np.int64))
        assert (bars.low[1:] >= lower).all()
        assert (bars.high[1:] <= upper).all()
        assert tape.previous_close(stock.code, DAY) == bars.close[-1]


@pytest.mark.parametrize("day", DAYS)
def test_trades_reassemble_to_the_bar_that_later_history_shows(tape: SyntheticTape, day: date) -> None:
    session = CALENDAR.session(day)
    assert session is not None
    opening = session.open.hour * 3600 + session.open.minute * 60
    close_out = session.close_out.hour * 3600 + session.close_out.minute * 60
    traded = 0
    for stock in tape.stocks:
        prints = tape.prints(stock.code, day)
        bar = tape.daily(stock.code, CALENDAR.next_day(day))[-1:]
        assert bar.dates()[0].item() == day
        assert int(prints.volume.sum()) == bar.volume[0]
        if not len(prints):
            assert StockFlag.HALTED in stock.flags
            continue
        traded += 1
        path = (prints.price[0], prints.price.max(), prints.price.min(), prints.price[-1])
        assert path == tuple(getattr(bar, field)[0] for field in FIELDS)
        assert (prints.volume >= 1).all()
        assert (np.diff(prints.second) >= 0).all()
        assert (prints.second[0], prints.side[0]) == (opening, 0)
        assert (prints.second[-1], prints.side[-1]) == (close_out + 600, 0)
        assert ((prints.second[:-1] < close_out) & (prints.side[:-1] != 0))[1:].all()
        fund = stock.kind is not SecurityKind.STOCK
        assert (prints.price % tick_sizes(prints.price, fund) == 0).all()
    assert traded >= 200


@pytest.mark.parametrize("day", DAYS)
def test_index_values_reassemble_to_the_daily_index(tape: SyntheticTape, day: date) -> None:
    for index in Index:
        prints = tape.index_prints(index, day)
        bar = tape.index_daily(index, CALENDAR.next_day(day))[-1:]
        assert (np.diff(prints.second[:-1]) == 10).all()
        path = (prints.value[0], prints.value.max(), prints.value.min(), prints.value[-1])
        assert path == tuple(getattr(bar, field)[0] for field in FIELDS)
        assert len(tape.index_daily(index, day)) == HISTORY


def test_every_answer_depends_on_seed_code_and_day_alone(tape: SyntheticTape) -> None:
    later = SyntheticTape(7, date(2026, 1, 20), CALENDAR)
    other = SyntheticTape(8, DAY, CALENDAR)
    codes = [stock.code for stock in tape.stocks][::23]
    for code in reversed(codes):
        again, first = later.prints(code, DAY), tape.prints(code, DAY)
        for column in ("second", "price", "volume", "side"):
            assert np.array_equal(getattr(again, column), getattr(first, column))
        assert later.daily(code, DAY) == tape.daily(code, DAY)
        assert later.news(code, DAY) == tape.news(code, DAY)
        assert other.daily(code, DAY) != tape.daily(code, DAY)
    assert later.index_daily(Index.KOSDAQ, DAY) == tape.index_daily(Index.KOSDAQ, DAY)


def test_days_continue_each_other_for_weeks(tape: SyntheticTape) -> None:
    day = DAY
    for _ in range(25):
        after = CALENDAR.next_day(day)
        for code in ("005930", "247540"):
            assert tape.previous_close(code, after) == tape.prints(code, day).price[-1]
            grown, known = tape.daily(code, after), tape.daily(code, day)
            assert grown[:-1] == known[1:]
        day = after


def test_minute_bars_are_the_trades(tape: SyntheticTape) -> None:
    session = CALENDAR.session(EXAM_DAY)
    assert session is not None
    prints = tape.prints("005930", EXAM_DAY)
    bars = tape.minute_bars("005930", EXAM_DAY)
    assert bars.volume.sum() == prints.volume.sum()
    assert {row.start.hour for row in bars.candles()} == set(range(10, 17))
    quarters = bars_of_prints(prints, session, 15)
    grid = [start.replace(tzinfo=None) for start in session.grid(15)]
    assert set(quarters.start.tolist()) <= set(grid)
    assert quarters.close[-1] == prints.price[-1]


def test_headlines_are_marked_and_varied(tape: SyntheticTape) -> None:
    items = [item for stock in tape.stocks for item in tape.news(stock.code, DAY)]
    assert all(item.fictional and item.publisher == "가상뉴스" for item in items)
    assert len({item.title for item in items}) > 0.9 * len(items) > 50
    assert len({item.link for item in items}) == len(items)
    (market,) = tape.news(None, DAY)
    assert market.fictional
    assert market.codes == ()
    assert market.at.date() == CALENDAR.previous_day(DAY)


def test_statistics_stay_near_the_measured_ones(tape: SyntheticTape) -> None:
    """Bands around the figures of docs/synthetic-market.md: wide enough for other seeds, narrow enough to notice."""
    spreads, ranges, gaps = [], [], []
    for stock in tape.stocks:
        bars = tape.daily(stock.code, DAY)
        if stock.kind is SecurityKind.STOCK and bars.volume.any():
            change = np.diff(np.log(bars.close))
            spreads.append(change.std())
            ranges.append(np.log(bars.high / bars.low).mean() / change.std())
            gaps.append(np.log(bars.open[1:] / bars.close[:-1]).std())
    assert 0.025 < np.median(spreads) < 0.040
    assert 0.010 < np.median(gaps) < 0.020
    assert 1.2 < np.median(ranges) < 1.6
    assert np.quantile(spreads, 0.95) > 2 * np.quantile(spreads, 0.05)


@pytest.mark.parametrize(
    ("day", "words"),
    [(date(2026, 1, 1), "거래일이 아닙니다"), (date(2019, 6, 3), "부터 재생"), (date(2015, 1, 5), "부터 재생")],
)
def test_a_day_that_cannot_be_played_is_refused_in_korean(day: date, words: str) -> None:
    with pytest.raises(TapeError, match=words):
        load_tape(day, 7, CALENDAR)


def test_an_unknown_code_is_refused(tape: SyntheticTape) -> None:
    with pytest.raises(TapeError, match="999999"):
        tape.prints("999999", DAY)
    assert not tape.has_day(date(2026, 1, 1))
    assert tape.has_day(date(2026, 1, 5))
