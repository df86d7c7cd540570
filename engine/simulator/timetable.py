"""Which day the simulated exchange plays, and what it is doing now."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime, timedelta

from engine.calendar import Session, TradingCalendar
from engine.clock import MarketClock
from engine.market import Phase
from engine.simulator.formats import second_of_day
from engine.simulator.tape import Tape


class OpenTodayCalendar(TradingCalendar):
    """The exchange's calendar, except that ``today`` always trades: for a simulator that plays on the host's date."""

    def __init__(self, today: date) -> None:
        super().__init__()
        self.today = today

    def in_table(self, day: date) -> bool:
        return day == self.today or super().in_table(day)


class Timetable:
    """The trading date is the market clock's; ``tape_day`` says which day of the tape is played on it."""

    def __init__(
        self,
        clock: MarketClock,
        tape: Tape,
        calendar: TradingCalendar,
        tape_day: Callable[[date], date] | None = None,
    ) -> None:
        self.clock = clock
        self.calendar = calendar
        self._tape = tape
        self._tape_day = tape_day or (lambda day: day)
        self._sessions: dict[date, Session | None] = {}

    def forget(self) -> None:
        """The calendar changed: ask it again."""
        self._sessions.clear()

    def now(self) -> datetime:
        return self.clock.now()

    def today(self) -> date:
        return self.clock.today()

    def second(self) -> int:
        """Whole seconds since midnight."""
        return second_of_day(self.clock.now())

    def tape_day(self, day: date) -> date:
        return self._tape_day(day)

    def session(self, day: date | None = None) -> Session | None:
        """The session of ``day`` (today); None where the exchange or the tape is closed."""
        day = day or self.today()
        if day not in self._sessions:
            session = self.calendar.session(day)
            self._sessions[day] = session if session and self._tape.has_day(self._tape_day(day)) else None
        return self._sessions[day]

    def phase(self) -> Phase:
        session = self.session()
        return session.phase(self.now()) if session else Phase.CLOSED

    def settlement_day(self, day: date) -> date:
        """T+2 in trading days."""
        return self.calendar.next_day(self.calendar.next_day(day))

    def next_turn(self) -> datetime:
        """When the day that is shown may change: the start of orders, else midnight."""
        now, session = self.now(), self.session()
        if session is not None and now < session.order_start:
            return session.order_start
        return now.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)

    def last_trading_day(self) -> date:
        """Today where the exchange trades or has traded, else the day before that did."""
        session = self.session()
        if session and self.now() >= session.order_start:
            return session.day
        day = self.today()
        for _ in range(30):
            day -= timedelta(days=1)
            if self.session(day):
                return day
        return self.today()
