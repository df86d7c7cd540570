"""Holidays, news titles, product information, invented company figures, investors and members."""

from __future__ import annotations

from datetime import date, timedelta

from engine.market import Market, SecurityKind, StockFlag
from engine.simulator.day import StockDay, mix
from engine.simulator.envelope import Answer, Call, Refusal, Row, quote
from engine.simulator.formats import day_text, parse_day, rate, second_of, sign, time_text
from engine.simulator.quotes import PAR_VALUE, Quotes, flag, yearly_figures

HOLIDAY_ROWS = 25
NEWS_ROWS = 40
NEWS_DAYS = 7
INVESTOR_ROWS = 30


class ReferenceCalls:
    def __init__(self, quotes: Quotes) -> None:
        self.quotes = quotes
        self.floor = quotes.floor
        self.timetable = quotes.floor.timetable

    # -- calendar

    def holidays(self, call: Call) -> Answer:
        """chk-holiday: 25 days from BASS_DT (or the cursor) forward; the pages never end, as the calendar does not."""
        cursor = call.text("CTX_AREA_NK")
        try:
            first = parse_day(cursor if cursor.isdigit() else call.needed("BASS_DT"))
        except ValueError:
            raise Refusal("2", "OPSQ2002", "ERROR INPUT FIELD [BASS_DT]") from None
        days = [first + timedelta(days=n) for n in range(HOLIDAY_ROWS)]
        following = first + timedelta(days=HOLIDAY_ROWS)
        more = following <= self.timetable.today() + timedelta(days=365)
        body = {
            "ctx_area_nk": (day_text(following) if more else "").ljust(20),
            "ctx_area_fk": day_text(first).ljust(20),
            "output": [self._holiday_row(day) for day in days],
            "rt_cd": "0",
            "msg_cd": "KIOK0500" if more else "KIOK0510",
            "msg1": ("조회가 계속됩니다..다음버튼을 Click 하십시오." if more else "조회가 완료되었습니다").ljust(80),
        }
        return Answer(body, tr_cont="M" if more else "D")

    def _holiday_row(self, day: date) -> Row:
        opens = flag(self.timetable.calendar.is_open(day))
        weekday = flag(day.weekday() < 5 and self.timetable.calendar.is_open(day))
        return {
            "bass_dt": day_text(day),
            "wday_dvsn_cd": f"{(day.weekday() + 1) % 7 + 1:02d}",
            "bzdy_yn": weekday,
            "tr_day_yn": flag(True),
            "opnd_yn": opens,
            "sttl_day_yn": weekday,
        }

    # -- news

    def news_titles(self, call: Call) -> Answer:
        text = call.text("FID_INPUT_ISCD")
        now = self.timetable.now()
        try:
            day = parse_day(call.text("FID_INPUT_DATE_1")[-8:]) if call.text("FID_INPUT_DATE_1") else now.date()
            hour = call.text("FID_INPUT_HOUR_1")
            until = second_of(hour[-6:]) if hour else 86_399
        except ValueError:
            raise Refusal("2", "OPSQ2002", "ERROR INPUT FIELD [FID_INPUT_DATE_1]") from None
        rows: list[Row] = []
        for _ in range(NEWS_DAYS):
            limit = min(until, self.timetable.second()) if day == now.date() else until
            rows += self._titles(text, day, limit)
            if len(rows) >= NEWS_ROWS:
                break
            day, until = day - timedelta(days=1), 86_399
        return quote(output=rows[:NEWS_ROWS])

    def _titles(self, code: str, day: date, until: int) -> list[Row]:
        """Titles of ``day`` up to second ``until``, newest first; none on a day that the tape does not have."""
        tape_day = self.timetable.tape_day(day)
        if not self.floor.tape.has_day(tape_day):
            return []
        rows: list[Row] = []
        for number, item in enumerate(self.floor.tape.news(code or None, tape_day)):
            clock = time_text(item.at)
            if second_of(clock) > until:
                continue
            names = [stock.name if (stock := self.floor.stock(named)) else "" for named in item.codes[:10]]
            row: Row = {
                "cntt_usiq_srno": f"{day_text(day)}{clock}{number:03d}",
                "news_ofer_entp_code": "9",
                "data_dt": day_text(day),
                "data_tm": clock,
                "hts_pbnt_titl_cntt": item.title,
                "news_lrdv_code": "10",
                "dorg": item.publisher,
            }
            row |= {f"iscd{n + 1}": item.codes[n] if n < len(item.codes) else "" for n in range(10)}
            row |= {f"kor_isnm{n + 1}": names[n] if n < len(names) else (" " if n == 0 else "") for n in range(10)}
            rows.append(row)
        return rows

    # -- products

    def _product(self, call: Call) -> StockDay:
        day = self.quotes.known(call.needed("PDNO"))
        if day is None:
            raise Refusal("1", "KIOK0560", "조회할 내용이 없습니다")
        return day

    def search_info(self, call: Call) -> Answer:
        day = self._product(call)
        stock = day.stock
        return _information(
            {
                "pdno": f"00000A{stock.code}",
                "prdt_type_cd": call.text("PRDT_TYPE_CD") or "300",
                "prdt_name": stock.name,
                "prdt_name120": stock.name,
                "prdt_abrv_name": stock.name,
                "prdt_eng_name": stock.code,
                "prdt_eng_name120": stock.code,
                "prdt_eng_abrv_name": stock.code,
                "std_pdno": f"KR7{stock.code}003",
                "shtn_pdno": stock.code,
                "prdt_sale_stat_cd": "",
                "prdt_risk_grad_cd": "",
                "prdt_clsf_cd": "101210",
                "prdt_clsf_name": "주권",
                "sale_strt_dt": "",
                "sale_end_dt": "",
                "wrap_asst_type_cd": "06",
                "ivst_prdt_type_cd": "1012",
                "ivst_prdt_type_cd_name": "국내주식",
                "frst_erlm_dt": "20000101",
            }
        )

    def search_stock_info(self, call: Call) -> Answer:
        day = self._product(call)
        stock = day.stock
        kospi = stock.market is Market.KOSPI
        group = {SecurityKind.STOCK: "ST", SecurityKind.ETF: "EF", SecurityKind.ETN: "EN"}[stock.kind]
        return _information(
            {
                "pdno": f"00000A{stock.code}",
                "prdt_type_cd": "300",
                "mket_id_cd": "STK" if kospi else "KSQ",
                "scty_grp_id_cd": group,
                "excg_dvsn_cd": "02" if kospi else "03",
                "setl_mmdd": "12",
                "lstg_stqt": str(stock.listed_shares),
                "lstg_cptl_amt": str(stock.listed_shares * PAR_VALUE),
                "cpta": str(stock.listed_shares * PAR_VALUE),
                "papr": str(PAR_VALUE),
                "issu_pric": "0",
                "kospi200_item_yn": "N",
                "scts_mket_lstg_dt": "20000101" if kospi else "",
                "scts_mket_lstg_abol_dt": "",
                "kosdaq_mket_lstg_dt": "" if kospi else "20000101",
                "kosdaq_mket_lstg_abol_dt": "",
                "frbd_mket_lstg_dt": "",
                "frbd_mket_lstg_abol_dt": "",
                "reits_kind_cd": "",
                "etf_dvsn_cd": "0",
                "oilf_fund_yn": "N",
                "idx_bztp_lcls_cd": "000",
                "idx_bztp_mcls_cd": "000",
                "idx_bztp_scls_cd": "000",
                "stck_kind_cd": "101",
                "mfnd_opng_dt": "",
                "mfnd_end_dt": "",
                "dpsi_erlm_cncl_dt": "",
                "etf_cu_qty": "0",
                "prdt_name": stock.name,
                "prdt_name120": stock.name,
                "prdt_abrv_name": stock.name,
                "std_pdno": f"KR7{stock.code}003",
                "prdt_eng_name": stock.code,
                "prdt_eng_name120": stock.code,
                "prdt_eng_abrv_name": stock.code,
                "dpsi_aptm_erlm_yn": "Y",
                "tr_stop_yn": flag(StockFlag.HALTED in stock.flags),
                "admn_item_yn": flag(StockFlag.ADMINISTRATIVE in stock.flags),
                "thdt_clpr": str(day.last_price(day.at(self.floor.second()))),
                "bfdy_clpr": str(day.base),
                "clpr_chng_dt": day_text(day.session.day),
                "std_idst_clsf_cd": "000000",
                "std_idst_clsf_cd_name": stock.sector,
                "idx_bztp_lcls_cd_name": "",
                "idx_bztp_mcls_cd_name": stock.sector,
                "idx_bztp_scls_cd_name": stock.sector,
                "ocr_no": "",
                "crfd_item_yn": "N",
                "elec_scty_yn": "Y",
                "issu_istt_cd": "00000",
                "etf_chas_erng_rt_dbnb": "0",
                "etf_etn_ivst_heed_item_yn": "N",
                "stln_int_rt_dvsn_cd": "99",
                "frnr_psnl_lmt_rt": "0.00000000",
                "lstg_rqsr_issu_istt_cd": "",
                "lstg_rqsr_item_cd": "",
                "trst_istt_issu_istt_cd": "",
                "cptt_trad_tr_psbl_yn": "N",
                "nxt_tr_stop_yn": "N",
            }
        )

    # -- investors, members, after hours

    def investors(self, call: Call) -> Answer:
        day = self.quotes.stock_day(call)
        if day is None:
            return quote(output=[])
        bars = day.history[max(0, len(day.history) - INVESTOR_ROWS) :]
        closes = bars.close.tolist()
        rows = []
        for position in range(len(bars) - 1, -1, -1):
            when = bars.dates()[position].item()
            change = closes[position] - closes[position - 1] if position else 0
            total = int(bars.volume[position]) // 20
            foreign = mix(day.seed, when.toordinal()) % (2 * total + 1) - total
            institution = mix(day.seed, when.toordinal() + 1) % (total + 1) - total // 2
            net = {"prsn": -foreign - institution, "frgn": foreign, "orgn": institution}
            row: Row = {
                "stck_bsop_date": day_text(when),
                "stck_clpr": str(int(closes[position])),
                "prdy_vrss": str(int(change)),
                "prdy_vrss_sign": sign(change),
            }
            row |= {f"{who}_ntby_qty": str(quantity) for who, quantity in net.items()}
            row |= {
                f"{who}_ntby_tr_pbmn": str(round(quantity * closes[position] / 1e6)) for who, quantity in net.items()
            }
            for side in ("shnu", "seln"):
                row |= {f"{who}_{side}_vol": str(total) for who in net}
                row |= {f"{who}_{side}_tr_pbmn": str(round(total * closes[position] / 1e6)) for who in net}
            rows.append(row)
        return quote(output=rows)

    def members(self, call: Call) -> Answer:
        day = self.quotes.stock_day(call)
        if day is None:
            return quote(output={})
        index = day.at(self.floor.second())
        volume = day.volume_until(index)
        row: Row = {}
        for rank in range(1, 6):
            for side, name in (("seln", "매도"), ("shnu", "매수")):
                quantity = volume * (7 - rank) // 40
                row |= {
                    f"{side}_mbcr_no{rank}": f"{rank:05d}",
                    f"{side}_mbcr_name{rank}": f"가상{name}{rank}",
                    f"total_{side}_qty{rank}": str(quantity),
                    f"{side}_mbcr_rlim{rank}": rate(100 * (7 - rank) / 40),
                    f"{side}_qty_icdc{rank}": "0",
                }
        totals = {"glob_total_seln_qty": "0", "glob_total_shnu_qty": "0", "glob_ntby_qty": "0"}
        return quote(output=row | totals | {"acml_vol": str(volume)})

    def overtime_price(self, call: Call) -> Answer:
        """After-hours single-price trading was abolished: nothing ever trades."""
        day = self.quotes.stock_day(call)
        if day is None:
            return quote(output={})
        names = "ovtm_untp_prpr ovtm_untp_prdy_vrss ovtm_untp_vol ovtm_untp_tr_pbmn ovtm_untp_oprc ovtm_untp_hgpr"
        return quote(
            output={
                "bstp_kor_isnm": day.stock.sector,
                **dict.fromkeys([*names.split(), "ovtm_untp_lwpr", "ovtm_untp_antc_cnpr", "ovtm_untp_antc_vol"], "0"),
                "ovtm_untp_prdy_vrss_sign": "3",
                "ovtm_untp_prdy_ctrt": "0.00",
                "ovtm_untp_mxpr": str(day.limits.upper),
                "ovtm_untp_llam": str(day.limits.lower),
                "ovtm_untp_sdpr": str(day.base),
            }
        )

    # -- company figures

    def finance(self, call: Call) -> Answer:
        """Every finance call: five invented years (or quarters), fixed per stock."""
        day = self.quotes.known(call.needed("FID_INPUT_ISCD"))
        if day is None:
            return quote(output=[])
        quarterly = call.text("FID_DIV_CLS_CODE", "0") == "1"
        name = call.path.rpartition("/")[2]
        return quote(output=[_figures(name, day, step, quarterly) for step in range(5)])


def _information(output: Row) -> Answer:
    body = {"output": output, "rt_cd": "0", "msg_cd": "KIOK0530", "msg1": "조회되었습니다".ljust(80)}
    return Answer(body)


def _figures(name: str, day: StockDay, step: int, quarterly: bool) -> Row:
    year, month = day.session.day.year - 1, 12
    if quarterly:
        quarter = (day.session.day.month - 1) // 3 - 1 - step
        year, month = day.session.day.year + quarter // 4, (quarter % 4 + 1) * 3
    else:
        year -= step

    def drawn(number: int, low: float, high: float) -> float:
        return low + (high - low) * (mix(day.seed, 100 * number + step) % 10_000) / 10_000

    eps, bps, _, _ = yearly_figures(day)
    sales = drawn(1, 1_000, 90_000)
    profit = sales * drawn(2, 0.01, 0.18)
    assets = sales * drawn(3, 0.8, 2.0)
    equity = assets * drawn(4, 0.3, 0.8)
    common: Row = {"stac_yymm": f"{year}{month:02d}"}
    values: dict[str, dict[str, float]] = {
        "financial-ratio": {
            "grs": drawn(5, -15, 25),
            "bsop_prfi_inrt": drawn(6, -30, 60),
            "ntin_inrt": drawn(7, -40, 70),
            "roe_val": 100 * profit / equity,
            "eps": eps * drawn(8, 0.7, 1.1),
            "sps": eps * sales / profit,
            "bps": bps * drawn(9, 0.8, 1.0),
            "rsrv_rate": drawn(10, 200, 4_000),
            "lblt_rate": 100 * (assets - equity) / equity,
        },
        "balance-sheet": {
            "cras": assets * 0.45,
            "fxas": assets * 0.55,
            "total_aset": assets,
            "flow_lblt": (assets - equity) * 0.6,
            "fix_lblt": (assets - equity) * 0.4,
            "total_lblt": assets - equity,
            "cpfn": equity * 0.1,
            "cfp_surp": 99.99,
            "prfi_surp": 99.99,
            "total_cptl": equity,
        },
        "income-statement": {
            "sale_account": sales,
            "sale_cost": sales * 0.7,
            "sale_totl_prfi": sales * 0.3,
            "depr_cost": 99.99,
            "sell_mang": 99.99,
            "bsop_prti": profit * 1.3,
            "bsop_non_ernn": 99.99,
            "bsop_non_expn": 99.99,
            "op_prfi": profit * 1.2,
            "spec_prfi": 0.0,
            "spec_loss": 0.0,
            "thtr_ntin": profit,
        },
        "profit-ratio": {
            "cptl_ntin_rate": 100 * profit / assets,
            "self_cptl_ntin_inrt": 100 * profit / equity,
            "sale_ntin_rate": 100 * profit / sales,
            "sale_totl_rate": 30.0,
        },
        "other-major-ratios": {
            "payout_rate": drawn(11, 0, 50),
            "eva": profit * 0.3,
            "ebitda": profit * 1.6,
            "ev_ebitda": drawn(12, 2, 20),
        },
        "stability-ratio": {
            "lblt_rate": 100 * (assets - equity) / equity,
            "bram_depn": drawn(13, 5, 40),
            "crnt_rate": drawn(14, 80, 300),
            "quck_rate": drawn(15, 60, 200),
        },
        "growth-ratio": {
            "grs": drawn(5, -15, 25),
            "bsop_prfi_inrt": drawn(6, -30, 60),
            "equt_inrt": drawn(16, -5, 15),
            "totl_aset_inrt": drawn(17, -5, 15),
        },
    }
    return common | {key: rate(value) for key, value in values[name].items()}
