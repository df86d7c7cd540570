"""Real bars of a folder, replayed: trades that re-assemble to the minute bars, daily history in the same price scale.

Daily files are adjusted for splits, minute files hold the prices of the day. Each (code, day) therefore has one factor
raw / adjusted, by which the daily history shown before that day is multiplied: yesterday's close then fits today's
trades.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import date
from functools import lru_cache
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from engine.calendar import Session, TradingCalendar
from engine.clock import seeded
from engine.market import Bars, Code, Index, Market, Shares, Stock, Won
from engine.results import NewsItem
from engine.simulator.replay_files import DailyColumns, MinuteColumns, ReplayFiles, load_files, ranges
from engine.simulator.replay_index import bridged_index
from engine.simulator.replay_prints import Closing, empty, price_grid, prints_of_bars
from engine.simulator.tape import IndexPrints, Prints, TapeError
from engine.simulator.tape_bars import bars_of_prints

HISTORY: Final = 490
_NEIGHBOURS: Final = 5
_SAME_SCALE: Final = 0.05
_SNAP: Final = 0.005
_EXCLUDED: Final = "그날의 분봉도 그 전의 일봉도 없어 제외한 종목"


class ReplayTape:
    """The tape of a folder: krx_daily.parquet, krx_minute.parquet; optionally krx_listing.csv, krx_index_daily.parquet.

    ``day`` is the day played first (default: the oldest with minute bars). Raises TapeError.
    """

    def __init__(self, folder: Path, day: date | None = None, calendar: TradingCalendar | None = None) -> None:
        self._calendar = calendar or TradingCalendar()
        self._files: ReplayFiles = load_files(folder)
        self._days = sorted({d for days in self._files.minute.values() for d in days if self._calendar.is_open(d)})
        if not self._days:
            raise TapeError("krx_minute.parquet 에 거래일의 분봉이 없습니다.")
        self.day = day or self._days[0]
        if self.day not in self._days:
            raise TapeError(f"{self.day}의 분봉이 없습니다. 있는 날: {ranges(self._days)}")
        self.name = f"과거 자료 재생 ({self.day}부터)"
        self._stocks = self._known_stocks()
        self._listed = tuple(stock for _, stock in self._known_stocks_of(self.day))
        self._scales: dict[Code, dict[date, float]] = {}
        self.prints_with_report = lru_cache(maxsize=256)(self._prints_with_report)

    # ------------------------------------------------------------ what there is

    def _known_stocks(self) -> dict[Code, Stock]:
        files = self._files
        known = {}
        for code in sorted({*files.daily, *files.minute}):
            listed = files.stocks.get(code)
            known[code] = listed if listed is not None else Stock(code, code, Market.KOSPI)
        return known

    @property
    def stocks(self) -> Sequence[Stock]:
        """The stocks with a price on the day played first: a daily close before it, or minute bars on it."""
        return self._listed

    def _known_stocks_of(self, day: date) -> list[tuple[Code, Stock]]:
        return [(code, stock) for code, stock in self._stocks.items() if self._has_price(code, day)]

    def _has_price(self, code: Code, day: date) -> bool:
        return day in self._files.minute.get(code, {}) or len(self._history(code, day).day) > 0

    def first_day(self) -> date:
        return self._days[0]

    def days(self) -> Sequence[date]:
        """The days that can be played."""
        return tuple(self._days)

    def has_day(self, day: date) -> bool:
        return day in self._days

    def notes(self, day: date | None = None) -> Sequence[str]:
        """What a reader of the day should know, in Korean: rows left out, stocks that stand still or are excluded."""
        day = day or self.day
        lines = [f"{reason} {count:,}개 제외" for reason, count in self._files.left_out.items() if count]
        playing = [code for code in self._stocks if day in self._files.minute.get(code, {})]
        still = sum(1 for code, _ in self._known_stocks_of(day)) - len(playing)
        lines.append(f"{day}: 분봉이 있는 종목 {len(playing)}개, 일봉만 있어 전일 종가에 머무는 종목 {still}개")
        if excluded := self.excluded(day):
            shown = ", ".join(list(excluded)[:5]) + (" …" if len(excluded) > 5 else "")
            lines.append(f"{day}: {_EXCLUDED} {len(excluded)}개 ({shown})")
        totals: Counter[str] = Counter()
        for code in playing:
            prints, left_out = self.prints_with_report(code, day)
            totals.update(left_out)
            name = f"{code} {self._stocks[code].name}"
            scale = self.scale(code, day)
            if scale != 1.0:
                lines.append(f"{name}: 일봉을 그날 호가 단위로 {scale:.4f}배 환산")
            if prints.synthetic_close:
                lines.append(f"{name}: 마지막 분봉 뒤 일봉 종가로 단일가 체결 1건을 덧붙임")
            if code not in self._files.daily:
                lines.append(f"{name}: 일봉이 없어 앞선 날의 분봉으로 만든 일봉을 씀")
            if code not in self._files.stocks:
                lines.append(f"{name}: 종목 목록에 없어 코드를 이름으로, 시장은 코스피로 봄")
        lines += [f"{reason} {count:,}개 제외" for reason, count in totals.items() if count]
        if self._files.index:
            lines.append("지수의 장중 경로는 일봉의 시가·고가·저가·종가를 잇는 가상 경로")
        else:
            lines.append("krx_index_daily.parquet 이 없어 지수는 표시하지 않음")
        return tuple(lines)

    def excluded(self, day: date) -> dict[Code, str]:
        """Codes of the files that are not among the day's stocks, with the reason."""
        return {code: _EXCLUDED for code in self._stocks if not self._has_price(code, day)}

    # ------------------------------------------------------------ scale and history

    def scale(self, code: Code, day: date) -> float:
        """Raw price of ``day`` / adjusted daily price; a stock without bars that day keeps its nearest minute day's."""
        known = self._scale_by_day(code)
        if not known:
            return 1.0
        if day in known:
            return known[day]
        earlier = [d for d in known if d < day]
        return known[max(earlier)] if earlier else known[min(known)]

    def _scale_by_day(self, code: Code) -> dict[date, float]:
        if code not in self._scales:
            self._scales[code] = self._measured_scales(code)
        return self._scales[code]

    def _measured_scales(self, code: Code) -> dict[date, float]:
        daily = self._files.daily.get(code)
        if daily is None:
            return {}
        ratios: list[tuple[date, float]] = []
        for day, bars in sorted(self._files.minute.get(code, {}).items()):
            row = int(np.searchsorted(daily.day, np.datetime64(day)))
            if row < len(daily.day) and daily.day[row] == np.datetime64(day):
                raw = np.array([bars.price[0, 0], bars.price[:, 1].max(), bars.price[:, 2].min()])
                ratios.append((day, float(np.median(raw / daily.price[row, :3]))))
        scales = {}
        values = np.array([ratio for _, ratio in ratios])
        for position, (day, ratio) in enumerate(ratios):
            near = values[max(0, position - _NEIGHBOURS) : position + _NEIGHBOURS + 1]
            # A split inside the neighbourhood shows as a jump: only days of the same scale are averaged.
            middle = float(np.median(near[np.abs(near / ratio - 1.0) < _SAME_SCALE]))
            scales[day] = 1.0 if abs(middle - 1.0) < _SNAP else middle
        return scales

    def _history(self, code: Code, before: date) -> DailyColumns:
        """Daily columns before a day, unscaled; made of minute bars where the daily file lacks the code."""
        daily = self._files.daily.get(code)
        if daily is None:
            daily = self._from_minutes(code)
        end = int(np.searchsorted(daily.day, np.datetime64(before)))
        rows = slice(max(0, end - HISTORY), end)
        return DailyColumns(daily.day[rows], daily.price[rows], daily.volume[rows])

    def _from_minutes(self, code: Code) -> DailyColumns:
        days = sorted(self._files.minute.get(code, {}).items())
        price = [(b.price[0, 0], b.price[:, 1].max(), b.price[:, 2].min(), b.price[-1, 3]) for _, b in days]
        return DailyColumns(
            np.array([day for day, _ in days], dtype="datetime64[D]"),
            np.array(price, dtype=np.float64).reshape(-1, 4),
            np.array([b.volume.sum() for _, b in days], dtype=np.int64),
        )

    def _raw(self, code: Code, day: date, price: NDArray[np.float64]) -> NDArray[np.float64]:
        """Adjusted prices in the scale of ``day``, on that day's own grid where it has bars."""
        scale = self.scale(code, day)
        if scale == 1.0:
            return price
        bars = self._files.minute.get(code, {}).get(day)
        grid = price_grid(bars.price) if bars is not None else 1
        return np.rint(price * scale / grid) * grid

    def previous_close(self, code: Code, day: date) -> Won:
        """A code's first day has no yesterday: its first trade stands in."""
        before = self._history(code, day)
        if len(before.day):
            return int(np.rint(self._raw(code, day, before.price[-1:, 3])[0]))
        bars = self._minute(code, day)
        if bars is None:
            raise TapeError(f"{code}: {day}과 그 전의 가격이 없습니다.")
        return int(bars.price[0, 0])

    def daily(self, code: Code, before: date) -> Bars:
        history = self._history(code, before)
        scale = self.scale(code, before)
        price = self._raw(code, before, history.price)
        volume = history.volume if scale == 1.0 else np.rint(history.volume / scale).astype(np.int64)
        return Bars(history.day.astype("datetime64[s]"), price[:, 0], price[:, 1], price[:, 2], price[:, 3], volume)

    # ------------------------------------------------------------ inside a day

    def _minute(self, code: Code, day: date) -> MinuteColumns | None:
        return self._files.minute.get(code, {}).get(day)

    def _session(self, day: date) -> Session:
        session = self._calendar.session(day)
        if session is None:
            raise TapeError(f"{day}은(는) 거래일이 아닙니다.")
        return session

    def _closing(self, code: Code, day: date, bars: MinuteColumns, session: Session) -> Closing | None:
        """An auction at the daily close where the minute bars end before it.

        Its volume is what the daily bar has beyond the minute bars, held between 1 and 10 % of theirs: a source that
        stops at 14:55 also lacks continuous trades, which no auction could have absorbed.
        """
        daily = self._files.daily.get(code)
        auction = session.close_out.hour * 3600 + session.close_out.minute * 60
        if daily is None or bars.second[-1] >= auction:
            return None
        row = int(np.searchsorted(daily.day, np.datetime64(day)))
        if row >= len(daily.day) or daily.day[row] != np.datetime64(day):
            return None
        printed = int(bars.volume.sum())
        beyond = daily.volume[row] / self.scale(code, day) - printed
        volume = max(1, int(np.clip(beyond, 0.01 * printed, 0.10 * printed)))
        return Closing(int(np.rint(self._raw(code, day, daily.price[row : row + 1, 3])[0])), volume)

    def _prints_with_report(self, code: Code, day: date) -> tuple[Prints, dict[str, int]]:
        bars = self._minute(code, day)
        if bars is None:
            return empty(), {}
        session = self._session(day)
        return prints_of_bars(bars, session, seeded("replay", code, day), self._closing(code, day, bars, session))

    def prints(self, code: Code, day: date) -> Prints:
        return self.prints_with_report(code, day)[0]

    def minute_bars(self, code: Code, day: date, as_of: date | None = None) -> Bars:
        """One-minute bars in the scale of ``as_of`` (default: the day played first, or ``day`` if that is later)."""
        bars = bars_of_prints(self.prints(code, day), self._session(day), 1)
        factor = self.scale(code, as_of or max(self.day, day)) / self.scale(code, day)
        if abs(factor - 1.0) < _SNAP:
            return bars
        open_, high, low, close = (np.rint(x * factor) for x in (bars.open, bars.high, bars.low, bars.close))
        return Bars(bars.start, open_, high, low, close, np.rint(bars.volume / factor).astype(np.int64))

    def spread_volume(self, code: Code, day: date) -> Shares:
        bars = self._minute(code, day)
        volume = float(bars.volume.sum()) if bars is not None else float(np.median(self.daily(code, day).volume[-20:]))
        return max(1, int(0.002 * volume))

    # ------------------------------------------------------------ indices and news

    def index_daily(self, index: Index, before: date) -> Bars:
        daily = self._files.index.get(index)
        if daily is None:
            return Bars.empty()
        end = int(np.searchsorted(daily.day, np.datetime64(before)))
        rows = slice(max(0, end - HISTORY), end)
        price = daily.price[rows]
        start = daily.day[rows].astype("datetime64[s]")
        return Bars(start, price[:, 0], price[:, 1], price[:, 2], price[:, 3], daily.volume[rows])

    def index_prints(self, index: Index, day: date) -> IndexPrints:
        daily = self._files.index.get(index)
        if daily is not None:
            row = int(np.searchsorted(daily.day, np.datetime64(day)))
            if row < len(daily.day) and daily.day[row] == np.datetime64(day):
                return bridged_index(daily.price[row], self._session(day), seeded("replay", index.name, day))
        return IndexPrints(np.empty(0, np.int32), np.empty(0, np.float64))

    def news(self, code: Code | None, day: date) -> Sequence[NewsItem]:
        return ()
