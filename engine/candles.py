"""CandleStore: ticks become 15- and 60-minute bars on the session grid, kept as one CSV per code and day.

A completed bar is written at once and atomically; an unfinished or damaged bar is never handed out. Bars are keyed by
date and time, so two sessions never share one. A gap in the broker's cumulative volume marks the bars it may have
touched; they become usable again when the broker's minute bars have repaired them.
"""

from __future__ import annotations

import csv
import logging
import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from pathlib import Path

import numpy as np

from engine.calendar import Session, TradingCalendar
from engine.market import KST, BarOrigin, Bars, Candle, Code, Interval, Tick

logger = logging.getLogger(__name__)

SESSIONS_KEPT = 5
_MINUTES = Interval.FIFTEEN.value
_HEADER = ("start", "open", "high", "low", "close", "volume", "origin")


@dataclass(slots=True)
class _Bar:
    open: int
    high: int
    low: int
    close: int
    volume: int
    origin: BarOrigin

    def candle(self, start: datetime) -> Candle:
        return Candle(start, self.open, self.high, self.low, self.close, self.volume)


@dataclass(slots=True)
class _Day:
    """``covered`` holds the starts whose bar is whole (or wholly without trades); only those are handed out."""

    session: Session
    bars: dict[datetime, _Bar] = field(default_factory=dict)
    covered: set[datetime] = field(default_factory=set)
    spoiled: set[datetime] = field(default_factory=set)
    cumulative: int | None = None
    last_at: datetime | None = None


def aggregate(minutes: Bars, session: Session, length: int = _MINUTES) -> list[Candle]:
    """Bars of ``length`` minutes from one session's minute bars; zero-volume minutes are left out."""
    merged: dict[datetime, _Bar] = {}
    for minute in minutes.candles():
        if minute.volume <= 0:
            continue
        start = session.bar_start(minute.start, length)
        bar = merged.get(start)
        if bar is None:
            merged[start] = _Bar(minute.open, minute.high, minute.low, minute.close, minute.volume, "minute_rest")
        else:
            bar.high = max(bar.high, minute.high)
            bar.low = min(bar.low, minute.low)
            bar.close = minute.close
            bar.volume += minute.volume
    return [bar.candle(start) for start, bar in sorted(merged.items())]


class CandleStore:
    """15-minute bars per code and day; 60-minute bars are derived from them. Synchronous: call it from the loop."""

    def __init__(self, folder: Path, calendar: TradingCalendar) -> None:
        self._folder = folder
        self._calendar = calendar
        self._days: dict[Code, dict[date, _Day]] = {}
        self._since: dict[Code, datetime] = {}
        self._changed: set[tuple[Code, date]] = set()
        self.duplicates = 0
        self.gaps = 0
        self.repaired = 0

    # -- writing

    def subscribed(self, codes: Iterable[Code], at: datetime) -> None:
        """From ``at`` on the stream carries exactly ``codes``: only bars begun after that are whole."""
        wanted = set(codes)
        for code in wanted - set(self._since):
            if (day := self._days.get(code, {}).get(at.date())) is not None:
                day.cumulative = None  # what was traded while it was not streamed is no gap
        self._since = {code: self._since.get(code, at) for code in sorted(wanted)}

    def stream_gap(self, since: datetime, until: datetime) -> None:
        """The stream was away: bars between the two instants need the minute bars."""
        for code in self._since:
            self._since[code] = until
            day = self._day(code, until.date())
            if day is not None:
                self._spoil(day, since, until)

    def on_tick(self, tick: Tick) -> None:
        """Take a trade. Duplicates and late ticks are known by the cumulative volume and ignored."""
        day = self._day(tick.code, tick.at.date())
        if day is None or tick.price <= 0 or tick.volume <= 0:
            return
        if day.cumulative is not None and tick.cumulative_volume <= day.cumulative:
            self.duplicates += 1
            return
        whole_day = self._since.get(tick.code, tick.at) <= day.session.open
        before = day.cumulative if day.cumulative is not None else (0 if whole_day else None)
        if before is not None and tick.cumulative_volume != before + tick.volume:
            self.gaps += 1
            self._spoil(day, day.last_at or day.session.open, tick.at)
        day.cumulative = tick.cumulative_volume
        day.last_at = tick.at
        start = day.session.bar_start(tick.at, _MINUTES)
        if start in day.covered:
            return
        bar = day.bars.get(start)
        if bar is None:
            day.bars[start] = _Bar(tick.price, tick.price, tick.price, tick.price, tick.volume, "stream")
        else:
            bar.high = max(bar.high, tick.price)
            bar.low = min(bar.low, tick.price)
            bar.close = tick.price
            bar.volume += tick.volume

    def mark_lost(self, tick: Tick) -> None:
        """A tick was dropped before it reached its bar, which now waits for its repair."""
        day = self._day(tick.code, tick.at.date())
        if day is not None:
            self._spoil(day, tick.at, tick.at)

    def complete(self, now: datetime) -> list[tuple[Code, datetime]]:
        """Finish every bar whose time is over; returns (code, start) of those that had trades and are whole."""
        finished = []
        for code, since in self._since.items():
            day = self._day(code, now.date())
            if day is None:
                continue
            for start in day.session.grid(_MINUTES):
                if self._end(day.session, start) > now:
                    break
                if start >= since and start not in day.covered and start not in day.spoiled:
                    day.covered.add(start)
                    if start in day.bars:
                        self._changed.add((code, now.date()))
                        finished.append((code, start))
        return finished

    def absorb(self, code: Code, day_date: date, minutes: Bars, now: datetime, since: datetime | None = None) -> int:
        """Repair and back-fill from the broker's minute bars of a day, ``since`` (None: the open) to ``now``; returns how
        many bars were set."""
        day = self._day(code, day_date)
        if day is None:
            return 0
        candles = {candle.start: candle for candle in aggregate(minutes, day.session)}
        changed = 0
        for start in day.session.grid(_MINUTES):
            if self._end(day.session, start) > now:
                break
            if start in day.covered or (since is not None and start < since):
                continue
            day.covered.add(start)
            if start in day.spoiled:
                day.spoiled.discard(start)
                self.repaired += 1
            candle = candles.get(start)
            if candle is None:
                day.bars.pop(start, None)
                continue
            changed += 1
            day.bars[start] = _Bar(candle.open, candle.high, candle.low, candle.close, candle.volume, "minute_rest")
        if changed:
            self._changed.add((code, day_date))
        return changed

    def flush(self) -> int:
        """Write every changed day, one atomic replace each; returns the number of files."""
        written = 0
        for key in sorted(self._changed):
            self._write(*key)
            self._changed.discard(key)
            written += 1
        return written

    def load(self, today: date) -> int:
        """Read the last sessions from disk; a broken file is set aside with its name and counted as absent."""
        count = 0
        wanted = {day.isoformat() for day in (*self._calendar.last_days(today, SESSIONS_KEPT), today)}
        for path in sorted(self._folder.glob("*/*.csv")):
            if path.stem not in wanted:
                continue
            try:
                count += self._read(path)
            except (ValueError, KeyError, TypeError) as error:
                logger.warning("분봉 파일이 깨져 있어 옆으로 치웠습니다: %s (%s)", path, error)
                path.replace(path.with_suffix(".broken"))
        return count

    # -- reading

    def fifteen(self, code: Code, now: datetime) -> tuple[Bars, BarOrigin]:
        """Whole 15-minute bars of the last five sessions that ended by ``now``, with their weakest origin."""
        candles: list[Candle] = []
        origins: set[BarOrigin] = set()
        for _, day in sorted(self._days.get(code, {}).items())[-SESSIONS_KEPT:]:
            for start, bar in sorted(day.bars.items()):
                if start in day.covered and self._end(day.session, start) <= now:
                    candles.append(bar.candle(start))
                    origins.add(bar.origin)
        if not candles:
            return Bars.empty(), "none"
        return Bars.of(candles), "stream" if origins == {"stream"} else "minute_rest"

    def bars(self, code: Code, interval: Interval, now: datetime) -> Bars:
        """Completed bars of 15 or 60 minutes."""
        fifteen, _ = self.fifteen(code, now)
        if interval is Interval.FIFTEEN:
            return fifteen
        if interval is not Interval.SIXTY:
            raise ValueError(f"interval was {interval}")
        candles: list[Candle] = []
        for day_date, day in sorted(self._days.get(code, {}).items()):
            lower, upper = np.datetime64(day_date, "s"), np.datetime64(day_date + timedelta(days=1), "s")
            first, last = np.searchsorted(fifteen.start, [lower, upper])
            for candle in aggregate(fifteen[int(first) : int(last)], day.session, 60):
                end = min(candle.start + timedelta(minutes=60), day.session.close)
                parts = [s for s in day.session.grid(_MINUTES) if candle.start <= s < end]
                if end <= now and all(part in day.covered for part in parts):
                    candles.append(candle)
        return Bars.of(candles)

    def forming(self, code: Code, now: datetime) -> Candle | None:
        """The bar in progress, for a picture only; never for a decision."""
        day = self._days.get(code, {}).get(now.date())
        if day is None:
            return None
        start = day.session.bar_start(now, _MINUTES)
        bar = day.bars.get(start)
        return bar.candle(start) if bar is not None and start not in day.covered else None

    def missing(self, code: Code, now: datetime) -> list[date]:
        """Sessions of the last five (today included) that lack a finished bar; the minute bars fill them."""
        days = self._calendar.last_days(now.date(), SESSIONS_KEPT - 1)
        return [day for day in (*days, now.date()) if self.first_missing(code, day, now) is not None]

    def first_missing(self, code: Code, day_date: date, now: datetime) -> datetime | None:
        """Start of the first finished bar of a day that is not whole."""
        session = self._calendar.session(day_date)
        if session is None:
            return None
        day = self._days.get(code, {}).get(day_date)
        covered = day.covered if day is not None else set()
        for start in session.grid(_MINUTES):
            if self._end(session, start) > now:
                return None
            if start not in covered:
                return start
        return None

    def waiting_repair(self, now: datetime) -> list[Code]:
        """Streamed codes whose finished bars of today are not whole."""
        return [code for code in sorted(self._since) if self.first_missing(code, now.date(), now) is not None]

    # -- inside

    def _day(self, code: Code, day_date: date) -> _Day | None:
        days = self._days.setdefault(code, {})
        day = days.get(day_date)
        if day is None:
            session = self._calendar.session(day_date)
            if session is None:
                return None
            day = days[day_date] = _Day(session)
            for old in sorted(days)[: -SESSIONS_KEPT - 1]:
                del days[old]
        return day

    @staticmethod
    def _end(session: Session, start: datetime) -> datetime:
        return min(start + timedelta(minutes=_MINUTES), session.close)

    @staticmethod
    def _spoil(day: _Day, since: datetime, until: datetime) -> None:
        first, last = day.session.bar_start(since, _MINUTES), day.session.bar_start(until, _MINUTES)
        for start in day.session.grid(_MINUTES):
            if first <= start <= last and start not in day.covered:
                day.spoiled.add(start)

    def _write(self, code: Code, day_date: date) -> None:
        path = self._folder / code / f"{day_date.isoformat()}.csv"
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_suffix(".tmp")
        day = self._days[code][day_date]
        with temporary.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(_HEADER)
            for start, bar in sorted(day.bars.items()):
                if start in day.covered:
                    when = start.replace(tzinfo=None).isoformat(timespec="minutes")
                    writer.writerow((when, bar.open, bar.high, bar.low, bar.close, bar.volume, bar.origin))
        os.replace(temporary, path)

    def _read(self, path: Path) -> int:
        code, day_date = path.parent.name, date.fromisoformat(path.stem)
        day = self._day(code, day_date)
        if day is None:
            return 0
        rows: dict[datetime, _Bar] = {}
        with path.open(newline="", encoding="utf-8") as file:
            for row in csv.DictReader(file):
                start = datetime.fromisoformat(row["start"]).replace(tzinfo=KST)
                origin: BarOrigin = "stream" if row["origin"] == "stream" else "minute_rest"
                bar = _Bar(
                    int(row["open"]), int(row["high"]), int(row["low"]), int(row["close"]), int(row["volume"]), origin
                )
                sound = 0 < bar.low <= min(bar.open, bar.close) and max(bar.open, bar.close) <= bar.high
                if start.date() != day_date or not sound or bar.volume <= 0:
                    raise ValueError(f"impossible bar at {row['start']}")
                rows[start] = bar
        day.bars.update(rows)
        day.covered.update(rows)
        return len(rows)
