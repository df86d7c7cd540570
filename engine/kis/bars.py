"""Daily and minute bars. The broker does not page them: the client moves a date or an hour backwards."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any

import numpy as np

from engine.kis import wire
from engine.kis.rest import Rest
from engine.kis.values import Row, decimal, rows
from engine.market import KST, Bars, Code, Index

DAILY_ROWS = 100
INDEX_ROWS = 50
"""Reports say 50 or 100 rows an answer: fewer than 50 is the end in both cases."""
PAGES = 400
FIRST_MINUTE, LAST_MINUTE = time(8, 30), time(18, 0)
ROUNDING = 0.01
"""Adjusted prices are rounded one by one: a close may lie this share outside its own range."""


@dataclass(frozen=True, slots=True)
class _Bar:
    start: datetime
    open: float
    high: float
    low: float
    close: float
    volume: int
    cumulative_value: int = -1
    """Won traded until this minute; -1 where the answer has none."""


def _bar(row: Row, start: datetime, names: tuple[str, str, str, str], volume: str, value: str = "") -> _Bar:
    """Validated: a range that does not hold its open and close is an error, except for rounding."""
    opened, high, low, close = (_number(row, name) for name in names)
    shares = row.count(volume)
    if close <= 0:
        raise row.bad(names[3])
    if not shares and opened == high == low == 0:
        opened = high = low = close  # a suspended day: the broker keeps the last close only
    top, bottom = max(opened, close), min(opened, close)
    if min(opened, high, low) <= 0 or high < top * (1 - ROUNDING) or low > bottom * (1 + ROUNDING) or high < low:
        raise row.bad(names[1])
    worth = row.count(value, blank=-1) if value and row.has(value) else -1
    return _Bar(start, opened, max(high, top), min(low, bottom), close, shares, worth)


def _number(row: Row, key: str) -> float:
    try:
        return decimal(row.text(key))
    except ValueError:
        raise row.bad(key) from None


def _as_bars(found: Mapping[datetime, _Bar]) -> Bars:
    ordered = [found[start] for start in sorted(found)]
    return Bars(
        np.array([bar.start.replace(tzinfo=None) for bar in ordered], dtype="datetime64[s]"),
        np.array([bar.open for bar in ordered], dtype=np.float64),
        np.array([bar.high for bar in ordered], dtype=np.float64),
        np.array([bar.low for bar in ordered], dtype=np.float64),
        np.array([bar.close for bar in ordered], dtype=np.float64),
        np.array([bar.volume for bar in ordered], dtype=np.int64),
    )


_STOCK = ("stck_oprc", "stck_hgpr", "stck_lwpr", "stck_clpr")
_INDEX = ("bstp_nmix_oprc", "bstp_nmix_hgpr", "bstp_nmix_lwpr", "bstp_nmix_prpr")
_MINUTE = ("stck_oprc", "stck_hgpr", "stck_lwpr", "stck_prpr")


def parse_daily(body: Mapping[str, Any], names: tuple[str, str, str, str] = _STOCK) -> list[_Bar]:
    """Rows of a daily-chart answer, as sent (newest first)."""
    return [
        _bar(row, datetime.combine(row.day("stck_bsop_date"), time(), KST), names, "acml_vol")
        for row in rows(body, "output2", where="일봉")
    ]


def parse_minutes(body: Mapping[str, Any]) -> list[_Bar]:
    """Rows of a minute-chart answer, as sent (newest first). Labels are minute starts."""
    return [
        _bar(
            row,
            row.moment(row.day("stck_bsop_date"), "stck_cntg_hour").replace(second=0),
            _MINUTE,
            "cntg_vol",
            "acml_tr_pbmn",
        )
        for row in rows(body, "output2", where="분봉")
    ]


def traded(found: Mapping[datetime, _Bar]) -> dict[datetime, _Bar]:
    """Minutes with a trade.

    Fill-ins have no volume, or repeat the volume of the minute before while the day's value stood still.
    """
    kept: dict[datetime, _Bar] = {}
    before = -1
    for start in sorted(found):
        bar = found[start]
        stood_still = bar.cumulative_value >= 0 and bar.cumulative_value == before
        if bar.volume > 0 and not stood_still:
            kept[start] = bar
        before = bar.cumulative_value
    return kept


class BarReads:
    """The bar half of MarketData."""

    _rest: Rest

    async def daily_bars(self, code: Code, first: date, last: date, *, adjusted: bool = True) -> Bars:
        """Daily bars first..last inclusive; today's unfinished bar is among them if asked for."""
        query = {"FID_COND_MRKT_DIV_CODE": "J", "FID_INPUT_ISCD": code, "FID_ORG_ADJ_PRC": "0" if adjusted else "1"}
        return await self._days(wire.DAILY, query, first, last, _STOCK, DAILY_ROWS)

    async def index_daily_bars(self, index: Index, first: date, last: date) -> Bars:
        """Daily bars of an index; its volume is in thousand shares."""
        query = {"FID_COND_MRKT_DIV_CODE": "U", "FID_INPUT_ISCD": index.value}
        return await self._days(wire.INDEX_DAILY, query, first, last, _INDEX, INDEX_ROWS)

    async def _days(
        self,
        call: wire.Call,
        query: Mapping[str, str],
        first: date,
        last: date,
        names: tuple[str, str, str, str],
        full_page: int,
    ) -> Bars:
        found: dict[datetime, _Bar] = {}
        until = last
        for _ in range(PAGES):
            if until < first:
                break
            body, _ = await self._rest.read(
                call,
                {
                    **query,
                    "FID_INPUT_DATE_1": f"{first:%Y%m%d}",
                    "FID_INPUT_DATE_2": f"{until:%Y%m%d}",
                    "FID_PERIOD_DIV_CODE": "D",
                },
            )
            page = parse_daily(body, names)
            fresh = [bar for bar in page if bar.start not in found]
            if not fresh:
                break
            found.update((bar.start, bar) for bar in fresh if first <= bar.start.date() <= last)
            oldest = min(bar.start for bar in fresh).date()
            # Count the rows as sent: some are empty objects.
            if isinstance(body["output2"], list) and len(body["output2"]) < full_page:
                break
            until = min(oldest, until) - timedelta(days=1)
        return _as_bars(found)

    async def minute_bars(self, code: Code, day: date, until: time | None = None, since: time | None = None) -> Bars:
        """One-minute bars of ``day`` that start at or after ``since`` and at or before ``until``, oldest first.

        Minutes without a trade are absent; the running minute is there, unfinished. Days before today are real only,
        else NotOffered.
        """
        now = self._rest.clock.now()
        if day > now.date():
            return Bars.empty()
        stop = min(until or LAST_MINUTE, LAST_MINUTE)
        today = day == now.date()
        if today:
            stop = min(stop, now.time().replace(microsecond=0))
        query = {"FID_COND_MRKT_DIV_CODE": "J", "FID_INPUT_ISCD": code, "FID_PW_DATA_INCU_YN": "Y"}
        if today:
            call, query = wire.MINUTES_TODAY, {**query, "FID_ETC_CLS_CODE": ""}
        else:
            call = wire.MINUTES_PAST
            query = {**query, "FID_INPUT_DATE_1": f"{day:%Y%m%d}", "FID_FAKE_TICK_INCU_YN": ""}
        found: dict[datetime, _Bar] = {}
        hour = stop
        for _ in range(PAGES):
            if hour < (since or FIRST_MINUTE):
                break
            body, _ = await self._rest.read(call, {**query, "FID_INPUT_HOUR_1": f"{hour:%H%M%S}"})
            page = parse_minutes(body)
            fresh = [bar for bar in page if bar.start.date() == day and bar.start not in found]
            # A future hour is answered with made-up minutes; the day before follows after the first minute.
            found.update((bar.start, bar) for bar in fresh if bar.start <= now and bar.start.time() <= stop)
            if not fresh or any(bar.start.date() < day for bar in page):
                break
            oldest = min(bar.start for bar in fresh)
            hour = (oldest - timedelta(minutes=1)).time()
        if since is not None:
            found = {start: bar for start, bar in found.items() if start.time() >= since}
        return _as_bars(traded(found))
