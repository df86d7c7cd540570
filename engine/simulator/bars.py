"""Daily, weekly, monthly and minute bars of stocks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, time, timedelta

import numpy as np

from engine.market import Candle
from engine.simulator.day import StockDay
from engine.simulator.envelope import Answer, Call, Refusal, Row, quote
from engine.simulator.formats import day_bound, day_text, parse_day, percent, rate, second_of, sign, time_text
from engine.simulator.quotes import PAR_VALUE, Quotes, yearly_figures

DAILY_ROWS = 100
RECENT_ROWS = 30
TODAY_ROWS = 30
PAST_ROWS = 120


@dataclass(frozen=True, slots=True)
class DayRow:
    """One bar of any period, dated by its last trading day, and the close before it."""

    day: date
    open: int
    high: int
    low: int
    close: int
    volume: int
    value: int
    before: int

    @property
    def change(self) -> int:
        return self.close - self.before


def day_rows(day: StockDay, second: int, period: str = "D") -> list[DayRow]:
    """Every bar of the stock up to now, oldest first; the last one is today's unfinished."""
    bars = day.history
    columns = zip(bars.dates(), bars.open, bars.high, bars.low, bars.close, bars.volume, strict=True)
    rows: list[DayRow] = []
    before = 0
    for when, opening, high, low, close, volume in columns:
        value = int(volume) * (int(high) + int(low)) // 2
        prices = (int(opening), int(high), int(low), int(close))
        rows.append(DayRow(when.item(), *prices, int(volume), value, before or prices[0]))
        before = int(close)
    index = day.at(second)
    if index >= 0 and (not rows or rows[-1].day < day.session.day):
        rows.append(
            DayRow(
                day.session.day,
                day.open_price(index),
                day.high_price(index),
                day.low_price(index),
                day.last_price(index),
                day.volume_until(index),
                day.value_until(index),
                day.base,
            )
        )
    return rows if period == "D" else _grouped(rows, period)


def _grouped(rows: Sequence[DayRow], period: str) -> list[DayRow]:
    def group(day: date) -> tuple[int, int]:
        if period == "W":
            iso = day.isocalendar()
            return iso.year, iso.week
        return (day.year, day.month) if period == "M" else (day.year, 0)

    grouped: list[DayRow] = []
    for row in rows:
        if grouped and group(grouped[-1].day) == group(row.day):
            last = grouped[-1]
            grouped[-1] = DayRow(
                row.day,
                last.open,
                max(last.high, row.high),
                min(last.low, row.low),
                row.close,
                last.volume + row.volume,
                last.value + row.value,
                last.before,
            )
        else:
            grouped.append(row)
    return grouped


class BarCalls:
    def __init__(self, quotes: Quotes) -> None:
        self.quotes = quotes
        self.floor = quotes.floor

    # -- days

    def period(self, call: Call) -> Answer:
        """FHKST03010100: at most 100 bars, newest first, counted back from DATE_2."""
        period = call.text("FID_PERIOD_DIV_CODE", "D").upper()
        if period not in ("D", "W", "M", "Y"):
            raise Refusal("2", "OPSQ2001", "ERROR : INPUT INVALID_CHECK_PERIOD_DIV_CODE")
        first, last = self._range(call)
        day = self.quotes.stock_day(call)
        if day is None:
            return quote(output1={}, output2=[])
        rows = [row for row in day_rows(day, self.floor.second(), period) if first <= day_text(row.day) <= last]
        return quote(
            output1=self._period_head(day), output2=[_period_row(day, row) for row in reversed(rows[-DAILY_ROWS:])]
        )

    def _range(self, call: Call) -> tuple[str, str]:
        try:
            return day_bound(call.needed("FID_INPUT_DATE_1")), day_bound(call.needed("FID_INPUT_DATE_2"))
        except ValueError:
            raise Refusal("2", "OPSQ2002", "ERROR INPUT FIELD [FID_INPUT_DATE]") from None

    def _period_head(self, day: StockDay) -> Row:
        second = self.floor.second()
        index = day.at(second)
        price, volume = day.last_price(index), day.volume_until(index)
        listed = max(1, day.stock.listed_shares)
        book = self.quotes.exchange.book(day, second)
        eps, bps, _, _ = yearly_figures(day)
        history = day.history
        previous = [int(column[-1]) if len(history) else 0 for column in (history.open, history.high, history.low)]
        return {
            **self.quotes.head(day, index),
            "stck_prdy_clpr": str(day.base),
            "acml_vol": str(volume),
            "acml_tr_pbmn": str(day.value_until(index)),
            "hts_kor_isnm": day.stock.name,
            "stck_prpr": str(price),
            "stck_shrn_iscd": day.code,
            "prdy_vol": str(day.previous_volume),
            "stck_mxpr": str(day.limits.upper),
            "stck_llam": str(day.limits.lower),
            "stck_oprc": str(day.open_price(index)),
            "stck_hgpr": str(day.high_price(index)),
            "stck_lwpr": str(day.low_price(index)),
            "stck_prdy_oprc": str(previous[0]),
            "stck_prdy_hgpr": str(previous[1]),
            "stck_prdy_lwpr": str(previous[2]),
            "askp": str(book.best_ask),
            "bidp": str(book.best_bid),
            "prdy_vrss_vol": str(volume - day.previous_volume),
            "vol_tnrt": percent(volume, listed),
            "stck_fcam": str(PAR_VALUE),
            "lstn_stcn": str(listed),
            "cpfn": str(listed * PAR_VALUE // 100_000_000),
            "hts_avls": str(listed * price // 100_000_000),
            "per": rate(price / eps),
            "eps": f"{eps}.00",
            "pbr": rate(price / bps),
            "itewhol_loan_rmnd_ratem name": "0.22",
        }

    def recent(self, call: Call) -> Answer:
        """FHKST01010400: the 30 newest bars."""
        period = call.text("FID_PERIOD_DIV_CODE", "D").upper()
        day = self.quotes.stock_day(call)
        if day is None:
            return quote(output=[])
        rows = day_rows(day, self.floor.second(), period if period in ("W", "M") else "D")
        volumes = [row.volume for row in rows]
        output = []
        for position in range(len(rows) - 1, max(-1, len(rows) - 1 - RECENT_ROWS), -1):
            row = rows[position]
            earlier = volumes[position - 1] if position else 0
            output.append(
                {
                    "stck_bsop_date": day_text(row.day),
                    "stck_oprc": str(row.open),
                    "stck_hgpr": str(row.high),
                    "stck_lwpr": str(row.low),
                    "stck_clpr": str(row.close),
                    "acml_vol": str(row.volume),
                    "prdy_vrss_vol_rate": percent(row.volume - earlier, earlier),
                    "prdy_vrss": str(row.change),
                    "prdy_vrss_sign": sign(row.change),
                    "prdy_ctrt": percent(row.change, row.before),
                    "hts_frgn_ehrt": "0.00",
                    "frgn_ntby_qty": "0",
                    "flng_cls_code": "00",
                    "acml_prtt_rate": "0.00",
                }
            )
        return quote(output=output)

    # -- minutes

    def minutes_today(self, call: Call) -> Answer:
        """FHKST03010200: 30 bars ending at or before the hour, newest first. A future hour means now."""
        hour = call.needed("FID_INPUT_HOUR_1")
        day = self.quotes.stock_day(call)
        if day is None:
            return quote(output1={}, output2=[])
        now = self.floor.second()
        asked = self._second(hour)
        until = now if asked == 0 or asked > now else asked
        rows = self._played_minutes(day, now, until, TODAY_ROWS)
        return quote(output1=self._minute_head(day), output2=rows[::-1])

    def minutes_past(self, call: Call) -> Answer:
        """FHKST03010230: 120 bars of a day, running over into the days before when asked to."""
        try:
            asked_day = parse_day(call.needed("FID_INPUT_DATE_1"))
        except ValueError:
            raise Refusal("2", "OPSQ2002", "ERROR INPUT FIELD [FID_INPUT_DATE_1]") from None
        until = self._second(call.needed("FID_INPUT_HOUR_1")) or 86_399
        day = self.quotes.stock_day(call)
        if day is None:
            return quote(output1={}, output2=[])
        played = day.session.day
        rows: list[Row] = []
        wanted = min(asked_day, played)
        if wanted < asked_day:
            until = 86_399
        for _ in range(12):
            minutes = self._minutes_of(day, wanted, played)
            limit = f"{until // 3600:02d}{until // 60 % 60:02d}59"
            rows += [row for row in reversed(minutes) if row["stck_cntg_hour"] <= limit]
            if len(rows) >= PAST_ROWS or call.text("FID_PW_DATA_INCU_YN").upper() != "Y":
                break
            wanted, until = wanted - timedelta(days=1), 86_399
        return quote(output1=self._minute_head(day), output2=rows[:PAST_ROWS])

    def _minutes_of(self, day: StockDay, wanted: date, played: date) -> list[Row]:
        if wanted == played:
            return self._played_minutes(day, self.floor.second(), 86_399, 1_000)
        session = self.floor.timetable.session(wanted)
        if session is None or wanted < played - timedelta(days=370):
            return []
        return _minute_rows(self.floor.minute_history(day.code, wanted).candles(), wanted)

    def _played_minutes(self, day: StockDay, now: int, until: int, count: int) -> list[Row]:
        """The last ``count`` minutes that start by second ``until``, oldest first."""
        rows = _minute_rows(day.minute_bars(now), day.session.day, until, count)
        minute = f"{now // 3600:02d}{now // 60 % 60:02d}00"
        trading = day.open_second <= now < day.close_out_second and until >= now // 60 * 60
        repeats = self.floor.settings.repeat_minute_volume
        if repeats and trading and rows and rows[-1]["stck_cntg_hour"] < minute:
            last = rows[-1]
            price = last["stck_prpr"]
            rows = [
                *rows[-count + 1 :],
                last | {"stck_cntg_hour": minute, "stck_oprc": price, "stck_hgpr": price, "stck_lwpr": price},
            ]
        return rows

    def _second(self, hour: str) -> int:
        try:
            return second_of(hour)
        except ValueError:
            raise Refusal("2", "OPSQ2002", "ERROR INPUT FIELD [FID_INPUT_HOUR_1]") from None

    def _minute_head(self, day: StockDay) -> Row:
        index = day.at(self.floor.second())
        return {
            **self.quotes.head(day, index),
            "stck_prdy_clpr": str(day.base),
            "acml_vol": str(day.volume_until(index)),
            "acml_tr_pbmn": str(day.value_until(index)),
            "hts_kor_isnm": day.stock.name,
            "stck_prpr": str(day.last_price(index)),
        }


def _period_row(day: StockDay, row: DayRow) -> Row:
    return {
        "stck_bsop_date": day_text(row.day),
        "stck_clpr": str(row.close),
        "stck_oprc": str(row.open),
        "stck_hgpr": str(row.high),
        "stck_lwpr": str(row.low),
        "acml_vol": str(row.volume),
        "acml_tr_pbmn": str(row.value),
        "flng_cls_code": "00",
        "prtt_rate": "0.00",
        "mod_yn": "N",
        "prdy_vrss_sign": sign(row.change),
        "prdy_vrss": str(row.change),
        "revl_issu_reas": "",
    }


def _minute_rows(candles: Sequence[Candle], day: date, until: int = 86_399, count: int = 1_000) -> list[Row]:
    """Oldest first, the last ``count`` that start by second ``until``; ``acml_tr_pbmn`` is cumulative."""
    values = np.cumsum([(c.high + c.low + 2 * c.close) // 4 * c.volume for c in candles], dtype=np.int64)
    limit, date_text = time(until // 3600, until // 60 % 60, 59), day_text(day)
    wanted = [(c, v) for c, v in zip(candles, values, strict=True) if c.start.time() <= limit][-count:]
    return [
        {
            "stck_bsop_date": date_text,
            "stck_cntg_hour": time_text(candle.start),
            "stck_prpr": str(candle.close),
            "stck_oprc": str(candle.open),
            "stck_hgpr": str(candle.high),
            "stck_lwpr": str(candle.low),
            "cntg_vol": str(candle.volume),
            "acml_tr_pbmn": str(int(value)),
        }
        for candle, value in wanted
    ]
