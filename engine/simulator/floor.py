"""The exchange floor: every stock's and index's day, built when first asked for and dropped when the day changes."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from datetime import date

from engine.market import Bars, Code, Index, Stock
from engine.simulator.day import HaltWindow, IndexDay, StockDay
from engine.simulator.settings import BrokerSettings
from engine.simulator.tape import IndexPrints, Prints, Tape
from engine.simulator.timetable import Timetable


def stable_hash(*parts: object) -> int:
    """64 bits of a hash of ``parts``: the same on every machine."""
    text = "\x1f".join(str(part) for part in parts).encode()
    return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "big")


class Floor:
    """Lookups of the tape's day that is being played. ``halts`` says when a stock's trading stands."""

    def __init__(
        self,
        tape: Tape,
        timetable: Timetable,
        seed: int,
        settings: BrokerSettings,
        *,
        halts: Callable[[Code], tuple[HaltWindow, ...]] = lambda code: (),
    ) -> None:
        self.tape = tape
        self.timetable = timetable
        self.seed = seed
        self.settings = settings
        self._halts = halts
        self._stocks: dict[Code, Stock] = {stock.code: stock for stock in tape.stocks}
        self._days: dict[Code, StockDay] = {}
        self._indices: dict[Index, IndexDay] = {}
        self._played: date | None = None
        self._valid_from = self._valid_until = timetable.now()

    @property
    def stocks(self) -> Iterable[Stock]:
        return self._stocks.values()

    def stock(self, code: Code) -> Stock | None:
        return self._stocks.get(code)

    def forget(self) -> None:
        """Drop the day's columns: the next question builds those of the day then played."""
        self._days.clear()
        self._indices.clear()
        self._played = None

    def played_day(self) -> date:
        """The trading date whose prices are shown: today, or before the first session of the day the last one."""
        now = self.timetable.now()
        if self._played is not None and self._valid_from <= now < self._valid_until:
            return self._played
        day = self.timetable.last_trading_day()
        self._valid_from, self._valid_until = now, self.timetable.next_turn()
        if day != self._played:
            self._played = day
            self._days.clear()
            self._indices.clear()
        return day

    def second(self) -> int:
        """Seconds of the played day; past days are over."""
        return self.timetable.second() if self.played_day() == self.timetable.today() else 86_399

    def day(self, code: Code) -> StockDay | None:
        """The stock's day; None for a code the exchange does not know."""
        shown = self.played_day()
        known = self._days.get(code)
        if known is not None:
            return known
        stock = self._stocks.get(code)
        session = self.timetable.session(shown)
        if stock is None or session is None:
            return None
        tape_day = self.timetable.tape_day(shown)
        prints: Prints = self.tape.prints(code, tape_day)
        built = StockDay(
            stock,
            session,
            self.tape.previous_close(code, tape_day),
            prints,
            self.tape.spread_volume(code, tape_day),
            self.tape.daily(code, tape_day),
            stable_hash(self.seed, code, tape_day),
            interruptions=self.settings.volatility_interruptions,
            halts=self._halts(code),
        )
        self._days[code] = built
        return built

    def index(self, index: Index) -> IndexDay:
        shown = self.played_day()
        if index not in self._indices:
            tape_day = self.timetable.tape_day(shown)
            prints: IndexPrints = self.tape.index_prints(index, tape_day)
            self._indices[index] = IndexDay(prints, self.tape.index_daily(index, tape_day))
        return self._indices[index]

    def minute_history(self, code: Code, day: date) -> Bars:
        """One-minute bars of a past day, in the price scale of the day played."""
        return self.tape.minute_bars(
            code, self.timetable.tape_day(day), as_of=self.timetable.tape_day(self.played_day())
        )
