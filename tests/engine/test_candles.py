from __future__ import annotations

from datetime import date, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.calendar import TradingCalendar
from engine.candles import CandleStore, aggregate
from engine.market import KST, Bars, Candle, Interval, Tick

DAY = date(2026, 3, 3)
CALENDAR = TradingCalendar()
OPEN = datetime(2026, 3, 3, 9, 0, tzinfo=KST)


class Feed:
    """Ticks with a right cumulative volume."""

    def __init__(self) -> None:
        self.cumulative = 0

    def tick(self, second: int, price: int, volume: int = 1, skip: int = 0) -> Tick:
        self.cumulative += skip + volume
        return Tick("005930", OPEN + timedelta(seconds=second), price, volume, self.cumulative)


def store(tmp_path: Path) -> CandleStore:
    candles = CandleStore(tmp_path, CALENDAR)
    candles.subscribed(["005930"], OPEN - timedelta(minutes=5))
    return candles


def at(minutes: float) -> datetime:
    return OPEN + timedelta(minutes=minutes)


def test_an_unfinished_bar_is_never_handed_out(tmp_path: Path) -> None:
    candles, feed = store(tmp_path), Feed()
    for second, price in ((0, 100), (60, 120), (600, 90), (899, 110)):
        candles.on_tick(feed.tick(second, price))
    assert len(candles.fifteen("005930", at(14.9))[0]) == 0
    assert candles.forming("005930", at(14.9)) == Candle(OPEN, 100, 120, 90, 110, 4)
    assert candles.complete(at(15)) == [("005930", OPEN)]
    bars, origin = candles.fifteen("005930", at(15))
    assert origin == "stream"
    assert bars.candles() == [Candle(OPEN, 100, 120, 90, 110, 4)]


def test_a_hole_in_the_cumulative_volume_keeps_the_bar_back_until_it_is_repaired(tmp_path: Path) -> None:
    candles, feed = store(tmp_path), Feed()
    candles.on_tick(feed.tick(0, 100))
    candles.on_tick(feed.tick(60, 101, skip=5))
    candles.complete(at(15))
    assert candles.gaps == 1
    assert len(candles.fifteen("005930", at(15))[0]) == 0
    assert candles.waiting_repair(at(15)) == ["005930"]
    minutes = Bars.of([Candle(at(m), 100, 103, 99, 101, 3) for m in range(3)])
    assert candles.absorb("005930", DAY, minutes, at(15)) == 1
    bars, origin = candles.fifteen("005930", at(15))
    assert (origin, bars.candles()) == ("minute_rest", [Candle(OPEN, 100, 103, 99, 101, 9)])
    assert candles.waiting_repair(at(15)) == []


def test_duplicates_and_late_ticks_change_nothing(tmp_path: Path) -> None:
    candles, feed = store(tmp_path), Feed()
    first, second = feed.tick(0, 100), feed.tick(1, 105)
    for tick in (first, second, first, second):
        candles.on_tick(tick)
    candles.complete(at(15))
    assert candles.fifteen("005930", at(15))[0].candles() == [Candle(OPEN, 100, 105, 100, 105, 2)]
    assert candles.duplicates == 2


def test_a_dropped_tick_keeps_its_bar_back(tmp_path: Path) -> None:
    candles, feed = store(tmp_path), Feed()
    candles.on_tick(feed.tick(0, 100))
    candles.mark_lost(feed.tick(10, 200))
    candles.complete(at(15))
    assert candles.waiting_repair(at(15)) == ["005930"]


def test_bars_before_a_late_subscription_come_from_the_minute_bars(tmp_path: Path) -> None:
    candles = CandleStore(tmp_path, CALENDAR)
    candles.subscribed(["005930"], at(20))
    candles.on_tick(Tick("005930", at(25), 100, 1, 5_000))
    candles.on_tick(Tick("005930", at(31), 101, 1, 5_001))
    candles.complete(at(45))
    bars, _ = candles.fifteen("005930", at(45))
    assert [c.start for c in bars.candles()] == [at(30)], "the bar in which the subscription began is not whole"
    assert DAY in candles.missing("005930", at(45))


def test_sessions_never_share_a_bar(tmp_path: Path) -> None:
    candles = store(tmp_path)
    candles.on_tick(Tick("005930", OPEN, 100, 1, 1))
    tomorrow = datetime(2026, 3, 4, 9, 0, tzinfo=KST)
    candles.on_tick(Tick("005930", tomorrow, 200, 1, 1))
    candles.complete(at(15))
    candles.complete(tomorrow + timedelta(minutes=15))
    assert [c.close for c in candles.fifteen("005930", tomorrow + timedelta(hours=1))[0].candles()] == [100, 200]


def test_completed_bars_survive_and_a_broken_file_is_set_aside(tmp_path: Path) -> None:
    candles, feed = store(tmp_path), Feed()
    candles.on_tick(feed.tick(0, 100))
    candles.complete(at(15))
    assert candles.flush() == 1
    again = CandleStore(tmp_path, CALENDAR)
    assert again.load(DAY) == 1
    assert again.fifteen("005930", at(15))[0] == candles.fifteen("005930", at(15))[0]
    path = tmp_path / "005930" / "2026-03-03.csv"
    path.write_text(path.read_text().replace("100", "-5"), encoding="utf-8")
    third = CandleStore(tmp_path, CALENDAR)
    assert third.load(DAY) == 0
    assert path.with_suffix(".broken").exists()


def test_the_closing_auction_belongs_to_the_last_bar(tmp_path: Path) -> None:
    candles, feed = store(tmp_path), Feed()
    for minute in range(0, 380, 5):
        candles.on_tick(feed.tick(minute * 60, 100))
    candles.on_tick(feed.tick(390 * 60, 111, 50))
    candles.complete(at(390))
    last = candles.fifteen("005930", at(390))[0].candles()[-1]
    assert (last.start, last.close) == (at(375), 111)
    hours = candles.bars("005930", Interval.SIXTY, at(390)).candles()
    assert [c.start for c in hours] == [at(60 * n) for n in range(7)]
    assert hours[-1].close == 111


def test_a_stream_outage_leaves_no_half_bar(tmp_path: Path) -> None:
    candles, feed = store(tmp_path), Feed()
    candles.on_tick(feed.tick(0, 100))
    candles.stream_gap(at(5), at(17))
    candles.complete(at(45))
    assert [c.start for c in candles.fifteen("005930", at(45))[0].candles()] == []
    assert candles.waiting_repair(at(45)) == ["005930"]


@given(
    st.lists(
        st.tuples(
            st.integers(min_value=0, max_value=389 * 60),
            st.integers(min_value=1_000, max_value=1_200),
            st.integers(min_value=1, max_value=50),
        ),
        min_size=1,
        max_size=120,
    )
)
def test_bars_from_ticks_equal_bars_from_minutes(trades: list[tuple[int, int, int]]) -> None:
    """The stream and the minute bars are two ways to one bar."""
    trades = sorted((s, p, v) for s, p, v in trades if s < 380 * 60)
    if not trades:
        return
    candles, feed = CandleStore(Path("unused"), CALENDAR), Feed()
    candles.subscribed(["005930"], OPEN - timedelta(minutes=5))
    minutes: dict[int, Candle] = {}
    for second, price, volume in trades:
        candles.on_tick(feed.tick(second, price, volume))
        m = second // 60
        old = minutes.get(m)
        minutes[m] = (
            Candle(at(m), price, price, price, price, volume)
            if old is None
            else Candle(at(m), old.open, max(old.high, price), min(old.low, price), price, old.volume + volume)
        )
    candles.complete(at(390))
    session = CALENDAR.session(DAY)
    assert session is not None
    from_minutes = aggregate(Bars.of([minutes[m] for m in sorted(minutes)]), session)
    assert candles.fifteen("005930", at(390))[0].candles() == from_minutes
    assert int(np.sum(Bars.of(from_minutes).volume)) == sum(v for _, _, v in trades)


@pytest.mark.parametrize("interval", [Interval.MINUTE, Interval.DAY])
def test_other_intervals_are_refused(tmp_path: Path, interval: Interval) -> None:
    with pytest.raises(ValueError, match="interval"):
        store(tmp_path).bars("005930", interval, at(15))
