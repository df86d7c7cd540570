"""Index calls: current value, daily rows, bars."""

from __future__ import annotations

from datetime import date

from engine.market import Bars, Index
from engine.simulator.envelope import Answer, Call, Refusal, Row, quote
from engine.simulator.floor import Floor
from engine.simulator.formats import day_bound, day_text, parse_day, percent, rate, sign
from engine.simulator.records import Records

BAR_ROWS = 50
DAILY_ROWS = 100


class IndexCalls:
    def __init__(self, floor: Floor, records: Records) -> None:
        self.floor = floor
        self._records = records

    def _index(self, call: Call) -> Index:
        if call.text("FID_COND_MRKT_DIV_CODE", "U").upper() != "U":
            raise Refusal("2", "OPSQ2001", "ERROR : INPUT INVALID_CHECK_MRKT_DIV_CODE")
        try:
            return Index(call.needed("FID_INPUT_ISCD"))
        except ValueError:
            raise Refusal("2", "OPSQ2001", "ERROR : INPUT INVALID_CHECK_ISCD") from None

    def _now(self, index: Index) -> tuple[float, float, float, float]:
        """(value, open, high, low) of the day so far; the previous close before the first value."""
        day = self.floor.index(index)
        position = day.at(self.floor.second())
        if position < 0:
            return (day.previous_close,) * 4
        return (
            float(day.value[position]),
            float(day.value[0]),
            float(day.high[position]),
            float(day.low[position]),
        )

    def price(self, call: Call) -> Answer:
        return quote(output=self.price_fields(self._index(call)))

    def price_fields(self, index: Index) -> Row:
        day = self.floor.index(index)
        value, opening, high, low = self._now(index)
        before = day.previous_close
        volume = day.volume_until(day.at(self.floor.second()))
        upper, rising, unchanged, falling, lower = self._records.breadth(index)
        row: Row = {
            "bstp_nmix_prpr": rate(value),
            "bstp_nmix_prdy_vrss": rate(value - before),
            "prdy_vrss_sign": sign(value - before),
            "bstp_nmix_prdy_ctrt": percent(value - before, before),
            "acml_vol": str(volume),
            "prdy_vol": str(day.previous_volume),
            "acml_tr_pbmn": str(round(volume * value / 100)),
            "prdy_tr_pbmn": str(round(day.previous_volume * before / 100)),
        }
        for name, level in (("oprc", opening), ("hgpr", high), ("lwpr", low)):
            row |= {
                f"bstp_nmix_{name}": rate(level),
                f"prdy_nmix_vrss_nmix_{name}": rate(level - before),
                f"{name}_vrss_prpr_sign": sign(level - value),
                f"bstp_nmix_{name}_prdy_ctrt": percent(level - before, before),
            }
        highest, highest_day, lowest, lowest_day = _year_range(day.history, self.floor.played_day(), value)
        return row | {
            "ascn_issu_cnt": rising,
            "uplm_issu_cnt": upper,
            "stnr_issu_cnt": unchanged,
            "down_issu_cnt": falling,
            "lslm_issu_cnt": lower,
            "dryy_bstp_nmix_hgpr": rate(highest),
            "dryy_hgpr_vrss_prpr_rate": percent(value - highest, highest),
            "dryy_bstp_nmix_hgpr_date": day_text(highest_day),
            "dryy_bstp_nmix_lwpr": rate(lowest),
            "dryy_lwpr_vrss_prpr_rate": percent(value - lowest, lowest),
            "dryy_bstp_nmix_lwpr_date": day_text(lowest_day),
            "total_askp_rsqn": str(volume // 20),
            "total_bidp_rsqn": str(volume // 20),
            "seln_rsqn_rate": "50.00",
            "shnu_rsqn_rate": "50.00",
            "ntby_rsqn": "0",
        }

    def _rows(self, index: Index) -> list[tuple[date, float, float, float, float, int, float]]:
        """(day, open, high, low, close, volume, close before) oldest first, today's last."""
        played = self.floor.index(index)
        bars = played.history
        rows = []
        before = 0.0
        columns = zip(bars.dates(), bars.open, bars.high, bars.low, bars.close, bars.volume, strict=True)
        for when, opening, high, low, close, volume in columns:
            rows.append(
                (
                    when.item(),
                    float(opening),
                    float(high),
                    float(low),
                    float(close),
                    int(volume),
                    before or float(close),
                )
            )
            before = float(close)
        position = played.at(self.floor.second())
        if position >= 0:
            value, opening_now, high_now, low_now = self._now(index)
            today = self.floor.played_day()
            volume_now = played.volume_until(position)
            rows.append((today, opening_now, high_now, low_now, value, volume_now, played.previous_close))
        return rows

    def bars(self, call: Call) -> Answer:
        """FHKUP03500100: up to 50 rows, newest first, counted back from DATE_2."""
        index = self._index(call)
        try:
            first, last = day_bound(call.needed("FID_INPUT_DATE_1")), day_bound(call.needed("FID_INPUT_DATE_2"))
        except ValueError:
            raise Refusal("2", "OPSQ2002", "ERROR INPUT FIELD [FID_INPUT_DATE]") from None
        rows = [row for row in self._rows(index) if first <= day_text(row[0]) <= last]
        head = self.price_fields(index)
        value, opening, high, low = self._now(index)
        before = self.floor.index(index).previous_close
        output1 = {
            "bstp_nmix_prdy_vrss": head["bstp_nmix_prdy_vrss"],
            "prdy_vrss_sign": head["prdy_vrss_sign"],
            "bstp_nmix_prdy_ctrt": head["bstp_nmix_prdy_ctrt"],
            "prdy_nmix": rate(before),
            "acml_vol": head["acml_vol"],
            "acml_tr_pbmn": head["acml_tr_pbmn"],
            "hts_kor_isnm": index.label,
            "bstp_nmix_prpr": rate(value),
            "bstp_cls_code": index.value,
            "prdy_vol": head["prdy_vol"],
            "bstp_nmix_oprc": rate(opening),
            "bstp_nmix_hgpr": rate(high),
            "bstp_nmix_lwpr": rate(low),
            "futs_prdy_oprc": rate(before),
            "futs_prdy_hgpr": rate(before),
            "futs_prdy_lwpr": rate(before),
        }
        output2 = [
            {
                "stck_bsop_date": day_text(day),
                "bstp_nmix_prpr": rate(close),
                "bstp_nmix_oprc": rate(start),
                "bstp_nmix_hgpr": rate(top),
                "bstp_nmix_lwpr": rate(bottom),
                "acml_vol": str(volume),
                "acml_tr_pbmn": str(round(volume * close / 100)),
                "mod_yn": "N",
            }
            for day, start, top, bottom, close, volume, _ in reversed(rows[-BAR_ROWS:])
        ]
        return quote(output1=output1, output2=output2)

    def daily(self, call: Call) -> Answer:
        index = self._index(call)
        try:
            last = parse_day(call.text("FID_INPUT_DATE_1") or day_text(self.floor.played_day()))
        except ValueError:
            raise Refusal("2", "OPSQ2002", "ERROR INPUT FIELD [FID_INPUT_DATE_1]") from None
        rows = [row for row in self._rows(index) if row[0] <= last][-DAILY_ROWS:]
        output2 = [
            {
                "stck_bsop_date": day_text(day),
                "bstp_nmix_prpr": rate(close),
                "prdy_vrss_sign": sign(close - before),
                "bstp_nmix_prdy_vrss": rate(close - before),
                "bstp_nmix_prdy_ctrt": percent(close - before, before),
                "bstp_nmix_oprc": rate(start),
                "bstp_nmix_hgpr": rate(top),
                "bstp_nmix_lwpr": rate(bottom),
                "acml_vol_rlim": "100.00",
                "acml_vol": str(volume),
                "acml_tr_pbmn": str(round(volume * close / 100)),
                "invt_new_psdg": "0.00",
                "d20_dsrt": "0.00",
            }
            for day, start, top, bottom, close, volume, before in reversed(rows)
        ]
        return quote(output1=self.price_fields(index), output2=output2)


def _year_range(history: Bars, today: date, value: float) -> tuple[float, date, float, date]:
    year = history[len(history.before(today.replace(month=1, day=1))) :]
    if not len(year):
        return value, today, value, today
    high, low = int(year.high.argmax()), int(year.low.argmin())
    dates = year.dates()
    return float(year.high[high]), dates[high].item(), float(year.low[low]), dates[low].item()
