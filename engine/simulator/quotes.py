"""Current prices, the book, executions: the quote calls of section 3 of the protocol."""

from __future__ import annotations

from engine.krx import tick_size
from engine.market import Code, InvalidCode, Market, Phase, StockFlag, Won, parse_code
from engine.simulator.book import LEVELS, DrawnBook
from engine.simulator.day import StockDay, mix
from engine.simulator.envelope import Answer, Call, Refusal, Row, quote
from engine.simulator.formats import clock_text, day_text, names, percent, rate, second_of, sign
from engine.simulator.matching import Exchange

PAR_VALUE = 5_000
_STATUS = {
    StockFlag.HALTED: "58",
    StockFlag.ADMINISTRATIVE: "51",
    StockFlag.RISK: "52",
    StockFlag.WARNING: "53",
    StockFlag.CAUTION: "54",
    StockFlag.OVERHEATED: "59",
}
_WARNINGS = {StockFlag.CAUTION: "01", StockFlag.WARNING: "02", StockFlag.RISK: "03"}


def flag(value: bool) -> str:
    return "Y" if value else "N"


def yearly_figures(day: StockDay) -> tuple[int, int, float, float]:
    """(eps, bps, per, pbr): invented, fixed per stock, the ratios follow the price."""
    price = day.base or 1
    eps = max(1, round(price / (6 + mix(day.seed, 11) % 2_400 / 100)))
    bps = max(1, round(price / (0.4 + mix(day.seed, 12) % 260 / 100)))
    return eps, bps, price / eps, price / bps


class Quotes:
    """Answers of the quote calls. ``halted`` covers flags of the tape and halts that are being played."""

    def __init__(self, exchange: Exchange) -> None:
        self.exchange = exchange
        self.floor = exchange.floor

    # -- shared parts

    def stock_day(self, call: Call, name: str = "FID_INPUT_ISCD") -> StockDay | None:
        """The stock that a call names; None for an unknown code. Raises Refusal."""
        market = call.text("FID_COND_MRKT_DIV_CODE", "J").upper()
        if market not in ("J", "UN", "NX"):
            raise Refusal("2", "OPSQ2001", "ERROR : INPUT INVALID_CHECK_MRKT_DIV_CODE")
        return self.known(call.needed(name))

    def known(self, text: str) -> StockDay | None:
        try:
            code: Code = parse_code(text)
        except InvalidCode:
            return None
        return self.floor.day(code)

    def halted(self, day: StockDay) -> bool:
        return StockFlag.HALTED in day.stock.flags or day.halted(self.floor.second())

    def market_code(self) -> str:
        """NEW_MKOP_CLS_CODE."""
        phase = self.floor.timetable.phase()
        return {Phase.OPENING_AUCTION: "10", Phase.CONTINUOUS: "20", Phase.CLOSING_AUCTION: "21"}.get(phase, "31")

    def head(self, day: StockDay, index: int) -> Row:
        price = day.last_price(index)
        change = price - day.base
        return {
            "prdy_vrss": str(change),
            "prdy_vrss_sign": sign(change, price, day.limits),
            "prdy_ctrt": percent(change, day.base),
        }

    # -- calls

    def price(self, call: Call) -> Answer:
        day = self.stock_day(call)
        if day is None:
            return quote(output={name: "0" if value else "" for name, value in _EMPTY_PRICE.items()})
        return quote(output=self.price_fields(day))

    def price_fields(self, day: StockDay) -> Row:
        second = self.floor.second()
        index = day.at(second)
        price, stock = day.last_price(index), day.stock
        volume, value = day.volume_until(index), day.value_until(index)
        eps, bps, _, _ = yearly_figures(day)
        listed = max(1, stock.listed_shares)
        high, low = day.high_price(index) or day.base, day.low_price(index) or day.base
        pivot = (high + low + price) // 3
        status = next((code for known, code in _STATUS.items() if known in stock.flags), "55")
        warning = next((code for known, code in _WARNINGS.items() if known in stock.flags), "00")
        capital = listed * PAR_VALUE // 100_000_000
        name = {Market.KOSPI: "KOSPI", Market.KOSDAQ: "KOSDAQ"}.get(stock.market, "KONEX")
        return {
            "iscd_stat_cls_code": "58" if self.halted(day) else status,
            "marg_rate": "20.00",
            "rprs_mrkt_kor_name": name,
            "bstp_kor_isnm": stock.sector or "기타",
            "temp_stop_yn": flag(self.halted(day)),
            "oprc_rang_cont_yn": "N",
            "clpr_rang_cont_yn": "N",
            "crdt_able_yn": "Y",
            "grmn_rate_cls_code": "40",
            "elw_pblc_yn": "N",
            "stck_prpr": str(price),
            **self.head(day, index),
            "acml_tr_pbmn": str(value),
            "acml_vol": str(volume),
            "prdy_vrss_vol_rate": percent(volume, day.previous_volume),
            "stck_oprc": str(day.open_price(index)),
            "stck_hgpr": str(day.high_price(index)),
            "stck_lwpr": str(day.low_price(index)),
            "stck_mxpr": str(day.limits.upper),
            "stck_llam": str(day.limits.lower),
            "stck_sdpr": str(day.base),
            "wghn_avrg_stck_prc": rate(value / volume if volume else 0.0),
            "hts_frgn_ehrt": rate(mix(day.seed, 5) % 6_000 / 100),
            "frgn_ntby_qty": "0",
            "pgtr_ntby_qty": "0",
            "pvt_scnd_dmrs_prc": str(pivot + high - low),
            "pvt_frst_dmrs_prc": str(2 * pivot - low),
            "pvt_pont_val": str(pivot),
            "pvt_frst_dmsp_prc": str(2 * pivot - high),
            "pvt_scnd_dmsp_prc": str(max(0, pivot - high + low)),
            "dmrs_val": str((pivot + high) // 2),
            "dmsp_val": str((pivot + low) // 2),
            "cpfn": str(capital),
            "rstc_wdth_prc": str(day.limits.upper - day.base),
            "stck_fcam": str(PAR_VALUE),
            "stck_sspr": str(price * 76 // 100),
            "aspr_unit": str(tick_size(max(price, 1), stock.kind)),
            "hts_deal_qty_unit_val": "1",
            "lstn_stcn": str(listed),
            "hts_avls": str(listed * price // 100_000_000),
            "per": rate(price / eps),
            "pbr": rate(price / bps),
            "stac_month": "12",
            "vol_tnrt": percent(volume, listed),
            "eps": f"{eps}.00",
            "bps": f"{bps}.00",
            **self._ranges(day, price),
            "whol_loan_rmnd_rate": "0.22",
            "ssts_yn": "Y",
            "stck_shrn_iscd": stock.code,
            "fcam_cnnm": f"{PAR_VALUE:,}",
            "cpfn_cnnm": f"{capital:,} 억",
            "apprch_rate": "0.00",
            "frgn_hldn_qty": str(listed * (mix(day.seed, 5) % 6_000) // 10_000),
            "vi_cls_code": flag(day.interruption(second) is not None),
            "ovtm_vi_cls_code": "N",
            "last_ssts_cntg_qty": "0",
            "invt_caful_yn": flag(StockFlag.CAUTION in stock.flags),
            "mrkt_warn_cls_code": warning,
            "short_over_yn": flag(StockFlag.OVERHEATED in stock.flags),
            "sltr_yn": flag(StockFlag.LIQUIDATION in stock.flags),
            "mang_issu_cls_code": flag(StockFlag.ADMINISTRATIVE in stock.flags),
        }

    def _ranges(self, day: StockDay, price: Won) -> Row:
        year_start = day.session.day.replace(month=1, day=1)
        whole = day.history[max(0, len(day.history) - 250) :]
        this_year = whole[len(whole.before(year_start)) :]
        row: Row = {}
        for bars, name, rate_end in (
            (whole, "d250_{}", "d250_{}_vrss_prpr_rate"),
            (this_year, "stck_dryy_{}", "dryy_{}_vrss_prpr_rate"),
            (whole, "w52_{}", "w52_{}_vrss_prpr_ctrt"),
        ):
            date_name = name.removeprefix("stck_") + "_date"
            top, bottom, top_day, bottom_day = price, price, day.session.day, day.session.day
            if len(bars):
                where_high, where_low = int(bars.high.argmax()), int(bars.low.argmin())
                dates = bars.dates()
                top, top_day = int(bars.high[where_high]), dates[where_high].item()
                bottom, bottom_day = int(bars.low[where_low]), dates[where_low].item()
            for side, price_then, day_then in (("hgpr", top, top_day), ("lwpr", bottom, bottom_day)):
                row |= {
                    name.format(side): str(price_then),
                    date_name.format(side): day_text(day_then),
                    rate_end.format(side): percent(price - price_then, price_then),
                }
        return row

    def book(self, call: Call) -> Answer:
        day = self.stock_day(call)
        if day is None:
            raise Refusal("1", "MCA00000", "존재하지 않는 종목입니다.")
        second = self.floor.second()
        index = day.at(second)
        shown = self.exchange.book(day, second)
        expected, volume = day.expected(second)
        price = day.last_price(index)
        change = expected - day.base
        return quote(
            output1=self._book_fields(shown, second),
            output2={
                "antc_mkop_cls_code": "311" if expected else "112",
                "stck_prpr": str(price),
                "stck_oprc": str(day.open_price(index)),
                "stck_hgpr": str(day.high_price(index)),
                "stck_lwpr": str(day.low_price(index)),
                "stck_sdpr": str(day.base),
                "antc_cnpr": str(expected),
                "antc_cntg_vrss_sign": sign(change, expected, day.limits) if expected else "5",
                "antc_cntg_vrss": str(change),
                "antc_cntg_prdy_ctrt": percent(change, day.base),
                "antc_vol": str(volume),
                "stck_shrn_iscd": day.code,
                "vi_cls_code": flag(day.interruption(second) is not None),
            },
        )

    def _book_fields(self, book: DrawnBook, second: int) -> Row:
        row: Row = {"aspr_acpt_hour": clock_text(second)}
        sides = (("askp", book.asks), ("bidp", book.bids))
        for name, levels in sides:
            row |= {f"{name}{n + 1}": str(levels[n].price) if n < len(levels) else "0" for n in range(LEVELS)}
        for name, levels in sides:
            row |= {f"{name}_rsqn{n + 1}": str(levels[n].quantity) if n < len(levels) else "0" for n in range(LEVELS)}
        for name, _ in sides:
            row |= {f"{name}_rsqn_icdc{n + 1}": "0" for n in range(LEVELS)}
        return row | {
            "total_askp_rsqn": str(book.total_ask),
            "total_bidp_rsqn": str(book.total_bid),
            "total_askp_rsqn_icdc": "0",
            "total_bidp_rsqn_icdc": "0",
            "ovtm_total_askp_icdc": "0",
            "ovtm_total_bidp_icdc": "0",
            "ovtm_total_askp_rsqn": "0",
            "ovtm_total_bidp_rsqn": "0",
            "ntby_aspr_rsqn": str(book.total_bid - book.total_ask),
            "new_mkop_cls_code": self.market_code(),
        }

    def many(self, call: Call) -> Answer:
        """Multi-price: up to 30 codes in numbered slots; a blank slot is an input error."""
        rows: list[Row] = []
        for slot in range(1, 31):
            name = f"FID_INPUT_ISCD_{slot}"
            if name not in call.parameters:
                continue
            code = call.text(name)
            if not code or not call.text(f"FID_COND_MRKT_DIV_CODE_{slot}"):
                raise Refusal("2", "OPSQ2001", f"ERROR INPUT FIELD NOT FOUND [{name}]")
            day = self.known(code)
            if day is not None:
                rows.append(self._many_row(day))
        if not rows and "FID_INPUT_ISCD_1" not in call.parameters:
            raise Refusal("2", "OPSQ2001", "ERROR INPUT FIELD NOT FOUND [FID_INPUT_ISCD_1]")
        return quote(output=rows)

    def _many_row(self, day: StockDay) -> Row:
        second = self.floor.second()
        index = day.at(second)
        book = self.exchange.book(day, second)
        expected, volume = day.expected(second)
        change = expected - day.base
        opening, high = day.open_price(index), day.high_price(index)
        head = self.head(day, index)
        return {
            "kospi_kosdaq_cls_name": day.stock.market.value,
            "mrkt_trtm_cls_name": "",
            "hour_cls_code": "B" if second < day.open_second else "A" if expected else "0",
            "inter_shrn_iscd": day.code,
            "inter_kor_isnm": day.stock.name,
            "inter2_prpr": str(day.last_price(index)),
            "inter2_prdy_vrss": head["prdy_vrss"],
            "prdy_vrss_sign": head["prdy_vrss_sign"],
            "prdy_ctrt": head["prdy_ctrt"],
            "acml_vol": str(day.volume_until(index)),
            "inter2_oprc": str(opening),
            "inter2_hgpr": str(high),
            "inter2_lwpr": str(day.low_price(index)),
            "inter2_llam": str(day.limits.lower),
            "inter2_mxpr": str(day.limits.upper),
            "inter2_askp": str(book.best_ask),
            "inter2_bidp": str(book.best_bid),
            "seln_rsqn": str(book.asks[0].quantity if book.asks else 0),
            "shnu_rsqn": str(book.bids[0].quantity if book.bids else 0),
            "total_askp_rsqn": str(book.total_ask),
            "total_bidp_rsqn": str(book.total_bid),
            "acml_tr_pbmn": str(day.value_until(index)),
            "inter2_prdy_clpr": str(day.base),
            "oprc_vrss_hgpr_rate": percent(high - opening, opening),
            "intr_antc_cntg_vrss": str(change) if expected else "0",
            "intr_antc_cntg_vrss_sign": sign(change, expected, day.limits) if expected else "3",
            "intr_antc_cntg_prdy_ctrt": percent(change, day.base) if expected else "0.00",
            "intr_antc_vol": str(volume),
            "inter2_sdpr": str(day.base),
        }

    def executions(self, call: Call) -> Answer:
        day = self.stock_day(call)
        if day is None:
            return quote(output=[])
        last = day.at(self.floor.second())
        return quote(output=[self._execution(day, index) for index in range(last, max(-1, last - 30), -1)])

    def executions_by_time(self, call: Call) -> Answer:
        day = self.stock_day(call)
        if day is None:
            return quote(output1={}, output2=[])
        try:
            until = second_of(call.text("FID_INPUT_HOUR_1") or "235959")
        except ValueError:
            raise Refusal("2", "OPSQ2002", "ERROR INPUT FIELD [FID_INPUT_HOUR_1]") from None
        now = day.at(self.floor.second())
        last = min(now, day.at(until))
        summary = {
            "stck_prpr": str(day.last_price(now)),
            **self.head(day, now),
            "acml_vol": str(day.volume_until(now)),
            "prdy_vol": str(day.previous_volume),
            "rprs_mrkt_kor_name": day.stock.market.value,
        }
        rows = []
        for index in range(last, max(-1, last - 30), -1):
            book = self.exchange.book(day, int(day.second[index]))
            row = self._execution(day, index)
            rows.append(
                {
                    "stck_cntg_hour": row["stck_cntg_hour"],
                    "stck_pbpr": row["stck_prpr"],
                    "stck_prpr": row["stck_prpr"],
                    **self.head(day, index),
                    "askp": str(book.best_ask),
                    "bidp": str(book.best_bid),
                    "tday_rltv": row["tday_rltv"],
                    "acml_vol": str(day.volume_until(index)),
                    "cnqn": row["cntg_vol"],
                }
            )
        return quote(output1=summary, output2=rows)

    def _execution(self, day: StockDay, index: int) -> Row:
        totals = day.sides
        return {
            "stck_cntg_hour": clock_text(int(day.second[index])),
            "stck_prpr": str(int(day.price[index])),
            **self.head(day, index),
            "cntg_vol": str(int(day.volume[index])),
            "tday_rltv": percent(int(totals.buy_volume[index]), int(totals.sell_volume[index])),
        }


_EMPTY_PRICE: dict[str, bool] = {
    **dict.fromkeys(
        names(
            "stck_prpr prdy_vrss prdy_ctrt acml_tr_pbmn acml_vol prdy_vrss_vol_rate stck_oprc stck_hgpr stck_lwpr "
            "stck_mxpr stck_llam stck_sdpr wghn_avrg_stck_prc aspr_unit lstn_stcn hts_avls per pbr eps bps vol_tnrt "
            "cpfn stck_fcam w52_hgpr w52_lwpr d250_hgpr d250_lwpr prdy_vrss_sign"
        ),
        True,
    ),
    **dict.fromkeys(
        names(
            "iscd_stat_cls_code rprs_mrkt_kor_name bstp_kor_isnm temp_stop_yn mrkt_warn_cls_code short_over_yn "
            "vi_cls_code sltr_yn stck_shrn_iscd w52_hgpr_date w52_lwpr_date"
        ),
        False,
    ),
}
"""What an unknown code is answered with: success and zeros."""
