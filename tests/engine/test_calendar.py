from __future__ import annotations

import warnings
from datetime import date, datetime, time, timedelta

import pytest

from engine.calendar import TradingCalendar
from engine.holidays import FIRST_DAY, LAST_DAY, WEEKDAY_HOLIDAYS
from engine.market import KST, Phase

CALENDAR = TradingCalendar()


@pytest.mark.parametrize(
    "day",
    [date(2026, 6, 3), date(2026, 7, 17), date(2027, 5, 3), date(2027, 7, 19), date(2026, 12, 31), date(2026, 11, 22)],
)
def test_days_the_library_gets_wrong_are_closed(day: date) -> None:
    assert not CALENDAR.is_open(day)


@pytest.mark.parametrize("day", [date(2023, 11, 16), date(2025, 11, 13), date(2026, 11, 19)])
def test_exam_days_run_one_hour_later(day: date) -> None:
    session = CALENDAR.session(day)
    assert session is not None
    assert (session.open.time(), session.close_out.time(), session.close.time()) == (
        time(10),
        time(16, 20),
        time(16, 30),
    )


def test_the_year_opens_at_ten_and_closes_as_usual() -> None:
    for day in (date(2021, 1, 4), date(2026, 1, 2)):
        session = CALENDAR.session(day)
        assert session is not None
        assert (session.open.time(), session.close.time()) == (time(10), time(15, 30))


def test_a_disagreeing_broker_closes_the_day_and_is_named() -> None:
    calendar = TradingCalendar()
    day = date(2026, 3, 3)
    assert calendar.learn({day: False}) == [day]
    assert not calendar.is_open(day)
    assert calendar.disagreement(day)
    assert calendar.learn({date(2026, 6, 3): True}) == [date(2026, 6, 3)]
    assert not calendar.is_open(date(2026, 6, 3)), "never open a day on one source's word"


def test_phases_and_the_bar_grid() -> None:
    day = date(2026, 3, 3)
    session = CALENDAR.session(day)
    assert session is not None

    def at(text: str) -> datetime:
        return datetime.combine(day, time.fromisoformat(text), KST)

    assert [session.phase(at(t)) for t in ("08:00", "08:45", "09:00", "15:19:59", "15:20", "15:30")] == [
        Phase.CLOSED,
        Phase.OPENING_AUCTION,
        Phase.CONTINUOUS,
        Phase.CONTINUOUS,
        Phase.CLOSING_AUCTION,
        Phase.AFTER_CLOSE,
    ]
    assert len(session.grid(15)) == 26
    assert session.bar_start(at("15:30"), 15) == at("15:15")
    assert session.bar_start(at("09:14:59"), 15) == at("09:00")
    assert session.bar_start(at("08:59"), 15) == at("09:00")


def test_neighbours_skip_weekends_and_holidays() -> None:
    assert CALENDAR.next_day(date(2026, 12, 30)) == date(2027, 1, 4)
    assert CALENDAR.previous_day(date(2026, 6, 4)) == date(2026, 6, 2)
    days = CALENDAR.last_days(date(2026, 3, 3), 3)
    assert len(days) == 3
    assert days[-1] < date(2026, 3, 3)
    assert days == sorted(days)
    assert all(days[i + 1] - days[i] >= timedelta(days=1) for i in range(2))


def test_the_table_is_the_library() -> None:
    import exchange_calendars

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        library = exchange_calendars.get_calendar("XKRX", start=FIRST_DAY.isoformat(), end=LAST_DAY.isoformat())
        theirs = {stamp.date() for stamp in library.sessions}
    ours = {
        day
        for n in range((LAST_DAY - FIRST_DAY).days + 1)
        if (day := FIRST_DAY + timedelta(days=n)).weekday() < 5 and day not in WEEKDAY_HOLIDAYS
    }
    assert ours == theirs
