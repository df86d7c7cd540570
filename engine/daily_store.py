"""Completed adjusted daily bars of every stock: on disk, extended by a bar a day, from the first source to answer."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Final
from zipfile import BadZipFile

import numpy as np

from engine.broker import BrokerError, MarketData
from engine.cache import DAILY_SECONDS, TimedCache
from engine.calendar import TradingCalendar
from engine.clock import MarketClock
from engine.market import KST, Bars, Code, Quote
from engine.ports import DailyHistory, HistoryAnswer, HistoryUnavailable
from engine.scoring.inputs import DAILY_BARS
from engine.scoring.quality import defect

logger = logging.getLogger(__name__)

KEPT_BARS: Final = DAILY_BARS
SPARE: Final = 20
"""Bars kept beyond those asked for, so that a bar added in the evening takes none away before midnight."""
_ROW: Final = np.dtype(
    [("start", "M8[s]"), ("open", "f8"), ("high", "f8"), ("low", "f8"), ("close", "f8"), ("volume", "i8")]
)
_CALENDAR_DAYS_PER_BAR: Final = 1.487
"""About 245.5 sessions a year; a wider window would cost the broker one more page of 100."""
_SAME_PRICE: Final = 0.005
"""Adjusted prices are rounded: closes that differ by less are the same."""


class BrokerHistory:
    """Daily bars from the broker itself."""

    def __init__(self, market_data: MarketData, clock: MarketClock) -> None:
        self._market_data = market_data
        self._clock = clock

    async def daily(self, code: Code, count: int) -> HistoryAnswer:
        last = self._clock.today() - timedelta(days=1)
        first = last - timedelta(days=int(count * _CALENDAR_DAYS_PER_BAR) + 4)
        try:
            bars = await self._market_data.daily_bars(code, first, last)
        except BrokerError as error:
            raise HistoryUnavailable(f"KIS: {error}") from error
        return HistoryAnswer(code, bars[-count:], "KIS", self._clock.now())


@dataclass(frozen=True, slots=True)
class _Kept:
    bars: Bars
    source: str
    at: datetime
    asked: int
    """How many bars the source was asked for: a young stock has fewer, and that is all there is."""


class DailyStore:
    """Implements ports.DailyHistory over several sources. One file per code under ``folder``.

    A stock whose stored bars end before the last session is asked for from its last bar on; where that bar's close no
    longer agrees, prices were adjusted meanwhile and the whole history is fetched anew.
    """

    def __init__(
        self, folder: Path, sources: Sequence[DailyHistory], clock: MarketClock, calendar: TradingCalendar
    ) -> None:
        if not sources:
            raise ValueError("no source of daily bars")
        self._folder = folder
        self._sources = tuple(sources)
        self._clock = clock
        self._calendar = calendar
        self._kept: dict[Code, _Kept] = {}
        self._fetches: TimedCache[Code, _Kept] = TimedCache(clock, DAILY_SECONDS)

    # -- reading

    async def open(self) -> int:
        """Load what is on disk; returns how many stocks. A broken file is set aside and named in the log."""
        async with self._clock.hold("daily bars from disk"):
            self._kept |= await asyncio.to_thread(self._read_all)
        return len(self._kept)

    def known(self, code: Code) -> Bars | None:
        """The bars at hand, without asking anyone."""
        kept = self._kept.get(code)
        return self._completed(kept.bars) if kept else None

    def current(self, code: Code) -> bool:
        """Whether the bars at hand reach the last completed session, or were asked for minutes ago."""
        kept = self._kept.get(code)
        if kept is None or not len(kept.bars):
            return False
        reached = kept.bars.start[-1] >= np.datetime64(self._last_session(), "s")
        return bool(reached) or self._fetches.peek(code) is not None

    async def daily(self, code: Code, count: int) -> HistoryAnswer:
        kept = self._kept.get(code)
        short = kept is not None and len(kept.bars) < count and kept.asked < count
        if kept is None or short or not self.current(code):
            wanted = max(count, KEPT_BARS, kept.asked if kept else 0)
            kept = (await self._fetches.get(code, lambda: self._fetch(code, wanted))).value
        bars = self._completed(kept.bars)
        if not len(bars):
            raise HistoryUnavailable("완성된 일봉이 하나도 없습니다")
        return HistoryAnswer(code, bars[-count:] if len(bars) > count else bars, kept.source, kept.at)

    async def refetch(self, code: Code) -> HistoryAnswer:
        """Fetch the whole history anew: the broker's base price says that prices were adjusted."""
        self._kept.pop(code, None)
        self._fetches.forget(code)
        return await self.daily(code, KEPT_BARS)

    # -- growing

    def remember(self, code: Code, bars: Bars, source: str) -> None:
        """Take whole histories that the caller has already (a replay); they are written with the next change."""
        self._kept[code] = _Kept(bars[-KEPT_BARS:], source, self._clock.now(), KEPT_BARS)

    async def absorb_day(self, day: date, quotes: Mapping[Code, Quote]) -> int:
        """After the close of ``day``: make its bar of every stock from one sweep. Returns how many were added."""
        session = self._calendar.session(day)
        if session is None or self._clock.now() < session.close:
            raise ValueError(f"{day} is not over")
        start = np.array([datetime.combine(day, time())], "datetime64[s]")
        before = np.datetime64(self._calendar.previous_day(day), "s")
        changed: dict[Code, _Kept] = {}
        for code, quote in quotes.items():
            kept = self._kept.get(code)
            if kept is None or not len(kept.bars) or kept.bars.start[-1] != before or not _same(kept.bars, quote):
                continue  # a hole or an adjustment: the next reading fetches it
            if not quote.volume or min(quote.open, quote.high, quote.low, quote.price) <= 0:
                continue
            columns = [np.array([float(p)]) for p in (quote.open, quote.high, quote.low, quote.price)]
            bar = Bars(start, columns[0], columns[1], columns[2], columns[3], np.array([quote.volume]))
            if not defect(bar):
                changed[code] = replace(kept, bars=kept.bars.joined(bar)[-kept.asked - SPARE :], at=self._clock.now())
        self._kept |= changed
        async with self._clock.hold("daily bars to disk"):
            await asyncio.to_thread(self._write_all, changed)
        return len(changed)

    async def _fetch(self, code: Code, count: int) -> _Kept:
        old = self._kept.get(code)
        kept = await self._extended(code, old) if old is not None and old.asked >= count else None
        if kept is None:
            kept = await self._whole(code, count)
        self._kept[code] = kept
        async with self._clock.hold("daily bars to disk"):
            await asyncio.to_thread(self._write_all, {code: kept})
        return kept

    async def _extended(self, code: Code, old: _Kept) -> _Kept | None:
        """Stored bars plus the missing ones; None where they do not fit together."""
        last = old.bars.start[-1].astype("datetime64[D]").item()
        missing = len(self._calendar.days(last, self._last_session()))
        answer = await self._first_answer(code, missing + 5)
        recent = self._completed(answer.bars)
        at = int(np.searchsorted(recent.start, old.bars.start[-1]))
        if at >= len(recent) or recent.start[at] != old.bars.start[-1]:
            return None
        if abs(recent.close[at] / old.bars.close[-1] - 1.0) > _SAME_PRICE:
            return None
        return _Kept(old.bars.joined(recent)[-old.asked - SPARE :], answer.source, answer.as_of, old.asked)

    async def _whole(self, code: Code, count: int) -> _Kept:
        answer = await self._first_answer(code, count)
        return _Kept(self._completed(answer.bars), answer.source, answer.as_of, count)

    async def _first_answer(self, code: Code, count: int) -> HistoryAnswer:
        """The first source with usable bars; unusable ones are kept only when nobody has better."""
        reasons: list[str] = []
        doubtful: HistoryAnswer | None = None
        for source in self._sources:
            try:
                answer = await source.daily(code, count)
            except HistoryUnavailable as error:
                reasons.append(str(error))
                continue
            if not len(answer.bars):
                reasons.append(f"{answer.source}: 일봉 없음")
            elif bad := defect(answer.bars):
                reasons.append(f"{answer.source}: {bad}")
                doubtful = doubtful or answer
            else:
                return answer
        if doubtful is not None:
            return doubtful
        raise HistoryUnavailable("; ".join(reasons))

    def _completed(self, bars: Bars) -> Bars:
        """Without the bar of today; the same object where there is none, so that its digest stays."""
        today = self._clock.today()
        return bars if not len(bars) or bars.start[-1] < np.datetime64(today, "s") else bars.before(today)

    def _last_session(self) -> date:
        return self._calendar.previous_day(self._clock.today())

    # -- disk

    def _read_all(self) -> dict[Code, _Kept]:
        found: dict[Code, _Kept] = {}
        for path in sorted(self._folder.glob("*.npz")):
            try:
                with path.open("rb") as file, np.load(file, allow_pickle=False) as stored:
                    rows, source, at = stored["rows"], str(stored["source"]), str(stored["at"])
                    asked = int(stored["asked"])
                bars = Bars(*(rows[name] for name in ("start", "open", "high", "low", "close", "volume")))
                found[path.stem] = _Kept(bars, source, datetime.fromisoformat(at).astimezone(KST), asked)
            except (OSError, ValueError, KeyError, EOFError, IndexError, BadZipFile) as error:
                logger.warning("일봉 파일이 깨져 있어 옆으로 치웠습니다: %s (%s)", path, error)
                path.replace(path.with_suffix(".broken"))
        return found

    def _write_all(self, changed: Mapping[Code, _Kept]) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        for code, kept in changed.items():
            rows = np.empty(len(kept.bars), _ROW)
            for name in ("start", "open", "high", "low", "close", "volume"):
                rows[name] = getattr(kept.bars, name)
            path = self._folder / f"{code}.npz"
            temporary = path.with_suffix(".tmp")
            with temporary.open("wb") as file:
                np.savez(
                    file,
                    rows=rows,
                    source=np.array(kept.source),
                    at=np.array(kept.at.isoformat()),
                    asked=np.array(kept.asked),
                )
            os.replace(temporary, path)


def _same(bars: Bars, quote: Quote) -> bool:
    """Whether the last stored close is what the exchange calls the previous close of the day of ``quote``."""
    base = quote.base_price or quote.previous_close
    return base <= 0 or abs(base / float(bars.close[-1]) - 1.0) <= _SAME_PRICE
