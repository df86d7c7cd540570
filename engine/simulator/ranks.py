"""Ranks: by volume, value, turnover, and by market capitalisation."""

from __future__ import annotations

from collections.abc import Callable

from engine.market import Market
from engine.simulator.day import StockDay
from engine.simulator.envelope import Answer, Call, Row, quote
from engine.simulator.formats import percent
from engine.simulator.quotes import Quotes

ROWS = 30


class RankCalls:
    """Ranks look at every stock of the tape, so the first call of a day takes a moment."""

    def __init__(self, quotes: Quotes) -> None:
        self.quotes = quotes
        self.floor = quotes.floor

    def _days(self, market: str) -> list[tuple[StockDay, int]]:
        second = self.floor.second()
        wanted = {"0001": Market.KOSPI, "1001": Market.KOSDAQ}.get(market)
        days = (self.floor.day(stock.code) for stock in self.floor.stocks if wanted in (None, stock.market))
        return [(day, day.at(second)) for day in days if day is not None]

    def volume(self, call: Call) -> Answer:
        """volume-rank. FID_BLNG_CLS_CODE: 0 average volume, 1 increase, 2 turnover, 3 value, 4 value turnover."""

        def by_increase(day: StockDay, index: int) -> float:
            return day.volume_until(index) / day.previous_volume if day.previous_volume else 0.0

        def by_turnover(day: StockDay, index: int) -> float:
            return day.volume_until(index) / max(1, day.stock.listed_shares)

        def by_value_turnover(day: StockDay, index: int) -> float:
            return day.value_until(index) / max(1, day.stock.listed_shares * day.base)

        keys: dict[str, Callable[[StockDay, int], float]] = {
            "1": by_increase,
            "2": by_turnover,
            "3": lambda day, index: float(day.value_until(index)),
            "4": by_value_turnover,
        }
        key = keys.get(call.text("FID_BLNG_CLS_CODE"), lambda day, index: float(day.volume_until(index)))
        ranked = self._sorted(self._days(call.text("FID_INPUT_ISCD", "0000")), key)
        lowest, highest = _number(call.text("FID_INPUT_PRICE_1")), _number(call.text("FID_INPUT_PRICE_2"))
        least = _number(call.text("FID_VOL_CNT"))
        kept = [
            (day, index)
            for day, index in ranked
            if day.last_price(index) >= lowest
            and (not highest or day.last_price(index) <= highest)
            and day.volume_until(index) >= least
        ]
        return quote(output=[self._volume_row(day, index, n + 1) for n, (day, index) in enumerate(kept[:ROWS])])

    def market_cap(self, call: Call) -> Answer:
        days = self._days(call.text("FID_INPUT_ISCD", "0000"))
        ranked = self._sorted(days, lambda day, index: float(day.stock.listed_shares * day.last_price(index)))
        whole = sum(day.stock.listed_shares * day.last_price(index) for day, index in days)
        rows: list[Row] = []
        for rank, (day, index) in enumerate(ranked[:ROWS], 1):
            value = day.stock.listed_shares * day.last_price(index)
            rows.append(
                {
                    "mksc_shrn_iscd": day.code,
                    "data_rank": str(rank),
                    "hts_kor_isnm": day.stock.name,
                    "stck_prpr": str(day.last_price(index)),
                    **self.quotes.head(day, index),
                    "acml_vol": str(day.volume_until(index)),
                    "lstn_stcn": str(day.stock.listed_shares),
                    "stck_avls": str(value // 100_000_000),
                    "mrkt_whol_avls_rlim": percent(value, whole),
                }
            )
        return quote(output=rows)

    def _sorted(
        self, days: list[tuple[StockDay, int]], key: Callable[[StockDay, int], float]
    ) -> list[tuple[StockDay, int]]:
        return sorted(days, key=lambda entry: (-key(*entry), entry[0].code))

    def _volume_row(self, day: StockDay, index: int, rank: int) -> Row:
        volume, value = day.volume_until(index), day.value_until(index)
        listed = max(1, day.stock.listed_shares)
        before = day.last_price(index) - day.base
        return {
            "hts_kor_isnm": day.stock.name,
            "mksc_shrn_iscd": day.code,
            "data_rank": str(rank),
            "stck_prpr": str(day.last_price(index)),
            **self.quotes.head(day, index),
            "acml_vol": str(volume),
            "prdy_vol": str(day.previous_volume),
            "lstn_stcn": str(listed),
            "avrg_vol": str(volume),
            "n_befr_clpr_vrss_prpr_rate": percent(before, day.base),
            "vol_inrt": percent(volume, day.previous_volume),
            "vol_tnrt": percent(volume, listed),
            "nday_vol_tnrt": percent(volume, listed),
            "avrg_tr_pbmn": str(value),
            "tr_pbmn_tnrt": percent(value, listed * day.base),
            "nday_tr_pbmn_tnrt": percent(value, listed * day.base),
            "acml_tr_pbmn": str(value),
        }


def _number(text: str) -> int:
    return int(text) if text.isdigit() else 0
