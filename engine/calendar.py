"""Sessions and holidays of the exchange: the table of exchange_calendars plus our overrides, because it is wrong.

It trades on public holidays of 2026/27 and knows no university-entrance-exam (수능) day after 2020. Elections and
government holidays are announced days before: the broker's own holiday list is the cross-check, and where sources
disagree the day counts as closed for new entries.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

from engine.holidays import FIRST_DAY, LAST_DAY, WEEKDAY_HOLIDAYS
from engine.market import KST, Phase

CLOSED_OVERRIDES: frozenset[date] = frozenset(
    {date(2026, 6, 3), date(2026, 7, 17), date(2027, 5, 3), date(2027, 7, 19)}
)
__all__ = ["CLOSED_OVERRIDES", "EXAM_DAYS", "FIRST_DAY", "LAST_DAY", "Session", "TradingCalendar"]

EXAM_DAYS: frozenset[date] = frozenset(
    {
        date(2020, 12, 3),
        date(2021, 11, 18),
        date(2022, 11, 17),
        date(2023, 11, 16),
        date(2024, 11, 14),
        date(2025, 11, 13),
        date(2026, 11, 19),
        date(2027, 11, 18),
    }
)
"""Everything one hour later: 10:00–16:30."""


@dataclass(frozen=True, slots=True)
class Session:
    """One trading day. ``close_out`` is when the closing auction begins (15:20)."""

    day: date
    order_start: datetime
    open: datetime
    close_out: datetime
    close: datetime

    def phase(self, now: datetime) -> Phase:
        if now < self.order_start:
            return Phase.CLOSED
        if now < self.open:
            return Phase.OPENING_AUCTION
        if now < self.close_out:
            return Phase.CONTINUOUS
        if now < self.close:
            return Phase.CLOSING_AUCTION
        return Phase.AFTER_CLOSE

    def grid(self, minutes: int) -> list[datetime]:
        """Starts of the bars of a session; the last one holds the closing auction."""
        step = timedelta(minutes=minutes)
        starts = []
        start = self.open
        while start < self.close:
            starts.append(start)
            start += step
        return starts

    def bar_start(self, at: datetime, minutes: int) -> datetime:
        """The grid start of the bar that a trade at ``at`` belongs to; the closing print joins the last bar."""
        inside = min(max(at, self.open), self.close - timedelta(seconds=1))
        steps = int((inside - self.open).total_seconds()) // (60 * minutes)
        return self.open + timedelta(minutes=minutes * steps)


class TradingCalendar:
    """Which days trade and when. ``broker_days`` (from the broker's holiday list) closes days the table would open."""

    def __init__(self, broker_days: Mapping[date, bool] | None = None) -> None:
        self._broker_days = dict(broker_days or {})
        self._sessions: dict[date, Session | None] = {}

    def learn(self, broker_days: Mapping[date, bool]) -> list[date]:
        """Take the broker's list; returns the days on which it disagrees with the table."""
        self._broker_days.update(broker_days)
        self._sessions.clear()
        return [day for day, opens in broker_days.items() if opens != self.in_table(day)]

    def in_table(self, day: date) -> bool:
        """Outside the years of the table every day is closed: better no trade than one on a guess."""
        return (
            FIRST_DAY <= day <= LAST_DAY
            and day.weekday() < 5
            and day not in WEEKDAY_HOLIDAYS
            and day not in CLOSED_OVERRIDES
        )

    def disagreement(self, day: date) -> bool:
        return day in self._broker_days and self._broker_days[day] != self.in_table(day)

    def is_open(self, day: date) -> bool:
        """Fail closed: open only if the table and, where known, the broker say so."""
        return self.in_table(day) and self._broker_days.get(day, True)

    def session(self, day: date) -> Session | None:
        """None on a day without trading."""
        if day not in self._sessions:
            self._sessions[day] = self._make_session(day)
        return self._sessions[day]

    def _make_session(self, day: date) -> Session | None:
        if not self.is_open(day):
            return None
        late = timedelta(hours=1) if day in EXAM_DAYS else timedelta()
        first_of_year = not any(self.in_table(date(day.year, 1, d)) for d in range(1, day.day)) and day.month == 1

        def at(hour: int, minute: int) -> datetime:
            return datetime.combine(day, time(hour, minute), KST)

        if first_of_year:
            return Session(day, at(9, 30), at(10, 0), at(15, 20), at(15, 30))
        return Session(day, at(8, 30) + late, at(9, 0) + late, at(15, 20) + late, at(15, 30) + late)

    def phase(self, now: datetime) -> Phase:
        session = self.session(now.date())
        return session.phase(now) if session else Phase.CLOSED

    def next_day(self, day: date) -> date:
        """The first trading day after ``day``."""
        for step in range(1, 30):
            if self.is_open(later := day + timedelta(days=step)):
                return later
        raise LookupError(f"no trading day within 30 days after {day}")

    def previous_day(self, day: date) -> date:
        for step in range(1, 30):
            if self.is_open(earlier := day - timedelta(days=step)):
                return earlier
        raise LookupError(f"no trading day within 30 days before {day}")

    def days(self, first: date, last: date) -> list[date]:
        """Trading days first..last inclusive."""
        return [day for n in range((last - first).days + 1) if self.is_open(day := first + timedelta(days=n))]

    def last_days(self, before: date, count: int) -> list[date]:
        """The ``count`` trading days before ``before``, oldest first."""
        days: list[date] = []
        day = before
        while len(days) < count:
            day = self.previous_day(day)
            days.append(day)
        return days[::-1]
