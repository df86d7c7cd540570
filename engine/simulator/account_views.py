"""Account inquiries: balance, buyable, sellable, open orders, daily fills."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from engine.market import InvalidCode, Side, Stock, Won, parse_code
from engine.simulator.accounts import Account, Ledger, Position
from engine.simulator.day import StockDay
from engine.simulator.envelope import Answer, Call, Refusal, Row, inquiry, listing, page
from engine.simulator.formats import day_bound, day_text, rate, time_text
from engine.simulator.orders import DIVISIONS, Order, RequestKind
from engine.simulator.trading import OrderDesk

BALANCE_PAGE = {False: 50, True: 20}
FILLS_PAGE = {False: 100, True: 15}
OPEN_PAGE = 50


def side_code(side: Side) -> str:
    return "01" if side is Side.SELL else "02"


class AccountViews:
    def __init__(self, desk: OrderDesk, ledger: Ledger) -> None:
        self.desk = desk
        self.ledger = ledger
        self.floor = desk.floor
        self.timetable = desk.floor.timetable

    def _visible(self, account: Account) -> list[Order]:
        now = self.timetable.now()
        for order in account.orders:
            self.desk.exchange.catch_up(order.code)
        return [order for order in account.orders if order.visible_at is None or order.visible_at <= now]

    def _price(self, stock: Stock) -> tuple[Won, Won]:
        """(last price, base price)."""
        day = self.floor.day(stock.code)
        return (day.last_price(day.at(self.floor.second())), day.base) if day else (0, 0)

    # -- balance

    def balance(self, call: Call) -> Answer:
        account = self.desk.account(call)
        positions, summary = self.balance_parts(account)
        chunk, cursor = page(call, positions, BALANCE_PAGE[account.mock])
        spec = account.spec
        condition = f"{spec.number}^{spec.product}^N^N^01^{call.text('PRCS_DVSN', '01')}^N^"
        return listing({"output1": chunk, "output2": [summary]}, more=bool(cursor), condition=condition, cursor=cursor)

    def balance_parts(self, account: Account) -> tuple[list[Row], Row]:
        self._visible(account)
        rows = [self._position_row(account, p) for p in account.positions.values() if p.quantity or p.touched]
        return rows, self._summary(account, rows)

    def _position_row(self, account: Account, position: Position) -> Row:
        today = self.timetable.today()
        yesterday = self.timetable.calendar.previous_day(today)
        price, base = self._price(position.stock)
        value = position.quantity * price
        profit = value - position.cost
        traded = {
            (when, side): sum(
                e.quantity for e in account.executions if e.day == when and e.side is side and e.stock is position.stock
            )
            for when in (yesterday, today)
            for side in Side
        }
        return {
            "pdno": position.stock.code,
            "prdt_name": position.stock.name,
            "trad_dvsn_name": "현금",
            "bfdy_buy_qty": str(traded[yesterday, Side.BUY]),
            "bfdy_sll_qty": str(traded[yesterday, Side.SELL]),
            "thdt_buyqty": str(traded[today, Side.BUY]),
            "thdt_sll_qty": str(traded[today, Side.SELL]),
            "hldg_qty": str(position.quantity),
            "ord_psbl_qty": str(position.sellable),
            "pchs_avg_pric": f"{position.average_price:.4f}",
            "pchs_amt": str(position.cost),
            "prpr": str(price),
            "evlu_amt": str(value),
            "evlu_pfls_amt": str(profit),
            "evlu_pfls_rt": rate(100 * profit / position.cost if position.cost else 0.0),
            "evlu_erng_rt": f"{100 * profit / position.cost if position.cost else 0.0:.8f}",
            "loan_dt": "",
            "loan_amt": "0",
            "stln_slng_chgs": "0",
            "expd_dt": "",
            "fltt_rt": f"{100 * (price - base) / base if base else 0.0:.8f}",
            "bfdy_cprs_icdc": str(price - base),
            "item_mgna_rt_name": "20%",
            "grta_rt_name": "",
            "sbst_pric": str(price * 76 // 100),
            "stck_loan_unpr": "0.0000",
        }

    def _summary(self, account: Account, rows: Sequence[Row]) -> Row:
        today = self.timetable.today()
        calendar = self.timetable.calendar
        yesterday, tomorrow = calendar.previous_day(today), calendar.next_day(today)
        value = sum(int(row["evlu_amt"]) for row in rows)
        cost = sum(int(row["pchs_amt"]) for row in rows)
        total = value + account.settled_cash
        opening = account.opening_equity.get(today, account.opening_cash)

        def traded(day: date, side: Side) -> str:
            return str(sum(e.value for e in account.executions if e.day == day and e.side is side))

        def costs(day: date) -> str:
            return str(sum(e.commission + e.tax for e in account.executions if e.day == day))

        return {
            "dnca_tot_amt": str(account.cash_on(today)),
            "nxdy_excc_amt": str(account.cash_on(tomorrow)),
            "prvs_rcdl_excc_amt": str(account.settled_cash),
            "cma_evlu_amt": "0",
            "bfdy_buy_amt": traded(yesterday, Side.BUY),
            "thdt_buy_amt": traded(today, Side.BUY),
            "nxdy_auto_rdpt_amt": "0",
            "bfdy_sll_amt": traded(yesterday, Side.SELL),
            "thdt_sll_amt": traded(today, Side.SELL),
            "d2_auto_rdpt_amt": "0",
            "bfdy_tlex_amt": costs(yesterday),
            "thdt_tlex_amt": costs(today),
            "tot_loan_amt": "0",
            "scts_evlu_amt": str(value),
            "tot_evlu_amt": str(total),
            "nass_amt": str(total),
            "fncg_gld_auto_rdpt_yn": "",
            "pchs_amt_smtl_amt": str(cost),
            "evlu_amt_smtl_amt": str(value),
            "evlu_pfls_smtl_amt": str(value - cost),
            "tot_stln_slng_chgs": "0",
            "bfdy_tot_asst_evlu_amt": str(opening),
            "asst_icdc_amt": str(total - opening),
            "asst_icdc_erng_rt": "0.00000000",
        }

    # -- buyable, sellable

    def buyable(self, call: Call) -> Answer:
        account = self.desk.account(call)
        text = call.text("PDNO")
        division = DIVISIONS.get(call.text("ORD_DVSN") or "00")
        day = self._named_day(text) if text else None
        if text and day is None:
            raise Refusal("1", "APBK0656", "해당종목정보가 없습니다.")
        price = call.number("ORD_UNPR") if call.text("ORD_UNPR") else 0
        if day is not None and (division is None or not division.needs_price or price <= 0):
            price = day.limits.upper
        cash = max(0, account.buying_power)
        quantity = self.ledger.costs.affordable(cash, price, day.stock.kind) if day is not None else 0
        commission = self.ledger.costs.commission(cash)
        amount = quantity * price if day is not None else max(0, cash - commission)
        return inquiry(
            {
                "ord_psbl_cash": str(cash),
                "ord_psbl_sbst": "0",
                "ruse_psbl_amt": str(max(0, sum(account.settling.values()))),
                "fund_rpch_chgs": "0",
                "psbl_qty_calc_unpr": str(price),
                "nrcvb_buy_amt": str(max(amount, cash - commission)),
                "nrcvb_buy_qty": str(quantity),
                "max_buy_amt": str(max(amount, cash - commission)),
                "max_buy_qty": str(quantity),
                "cma_evlu_amt": "0",
                "ovrs_re_use_amt_wcrc": "0",
                "ord_psbl_frcr_amt_wcrc": "0",
            }
        )

    def _named_day(self, text: str) -> StockDay | None:
        try:
            return self.floor.day(parse_code(text))
        except InvalidCode:
            return None

    def sellable(self, call: Call) -> Answer:
        account = self.desk.account(call)
        day = self._named_day(call.needed("PDNO"))
        if day is None:
            raise Refusal("1", "APBK0656", "해당종목정보가 없습니다.")
        position = account.positions.get(day.code) or Position(day.stock)
        price, _ = self._price(day.stock)
        value = position.quantity * price
        today = self.timetable.today()

        def traded(side: Side) -> str:
            return str(sum(e.quantity for e in account.executions_on(today) if e.side is side and e.stock is day.stock))

        answer = inquiry(
            {
                "pdno": day.code,
                "prdt_name": day.stock.name,
                "buy_qty": traded(Side.BUY),
                "sll_qty": traded(Side.SELL),
                "cblc_qty": str(position.quantity),
                "nsvg_qty": "0",
                "ord_psbl_qty": str(position.sellable),
                "pchs_avg_pric": f"{position.average_price:.4f}",
                "pchs_amt": str(position.cost),
                "now_pric": str(price),
                "evlu_amt": str(value),
                "evlu_pfls_amt": str(value - position.cost),
                "evlu_pfls_rt": rate(100 * (value - position.cost) / position.cost if position.cost else 0.0),
            }
        )
        return Answer(answer.body | {"msg_cd": "KIOK0420", "msg1": "정상적으로 조회되었습니다"}, tr_cont=answer.tr_cont)

    # -- orders

    def open_orders(self, call: Call) -> Answer:
        account = self.desk.account(call)
        wanted = call.text("INQR_DVSN_2", "0")
        orders = [
            order
            for order in self._visible(account)
            if order.live and wanted in ("", "0", "1" if order.side is Side.SELL else "2")
        ]
        chunk, cursor = page(call, orders[::-1], OPEN_PAGE)
        spec = account.spec
        condition = f"{spec.number}^{spec.product}^{call.text('INQR_DVSN_1', '0')}^{wanted}^"
        return listing(
            {"output": [self._open_row(order) for order in chunk]},
            more=bool(cursor),
            condition=condition,
            cursor=cursor,
        )

    def _open_row(self, order: Order) -> Row:
        return {
            "ord_gno_brno": order.account.spec.branch,
            "odno": f"{order.number:010d}",
            "orgn_odno": f"{order.original.number:010d}" if order.original else "",
            "ord_dvsn_name": order.division.name,
            "pdno": order.code,
            "prdt_name": order.stock.name,
            "rvse_cncl_dvsn_name": f"{order.side.label}정정*" if order.kind is RequestKind.MODIFY else "",
            "ord_qty": str(order.quantity),
            "ord_unpr": str(order.price),
            "ord_tmd": time_text(order.at),
            "tot_ccld_qty": str(order.filled),
            "tot_ccld_amt": str(order.filled_value),
            "psbl_qty": str(order.remaining),
            "sll_buy_dvsn_cd": side_code(order.side),
            "ord_dvsn_cd": order.division.code,
            "mgco_aptm_odno": "",
            "excg_dvsn_cd": "02",
            "excg_id_dvsn_cd": order.exchange,
            "excg_id_dvsn_name": order.exchange,
            "stpm_cndt_pric": str(order.stop_price),
            "stpm_efct_occr_yn": "Y" if order.stop_price and not order.waiting_stop else "N",
        }

    def daily_fills(self, call: Call) -> Answer:
        """inquire-daily-ccld: rows newest first unless INQR_DVSN is 01."""
        account = self.desk.account(call)
        try:
            first, last = day_bound(call.needed("INQR_STRT_DT")), day_bound(call.needed("INQR_END_DT"))
        except ValueError:
            raise Refusal("2", "OPSQ2002", "ERROR INPUT FIELD [INQR_STRT_DT]") from None
        side, code, filled = call.text("SLL_BUY_DVSN_CD", "00"), call.text("PDNO"), call.text("CCLD_DVSN", "00")
        number = call.text("ODNO").lstrip("0")
        orders = [
            order
            for order in self._visible(account)
            if first <= day_text(order.day) <= last
            and side in ("", "00", side_code(order.side))
            and code in ("", order.code)
            and number in ("", str(order.number))
            and (filled in ("", "00") or (order.filled > 0 if filled == "01" else order.live))
        ]
        if call.text("INQR_DVSN", "00") != "01":
            orders.reverse()
        chunk, cursor = page(call, orders, FILLS_PAGE[account.mock])
        spec = account.spec
        condition = f"{spec.number}^{spec.product}^{first}^{last}^{code}^{filled}^{side}^"
        return listing(
            {"output1": [fill_row(order) for order in chunk], "output2": _fill_totals(orders)},
            more=bool(cursor),
            condition=condition,
            cursor=cursor,
        )


def _order_name(order: Order) -> str:
    label = f"현금{order.side.label}"
    if order.rejected:
        return "BUY REJECT" if order.side is Side.BUY else "SELL REJECT"
    return {RequestKind.MODIFY: f"{order.side.label}정정*", RequestKind.CANCEL: f"{order.side.label}취소*"}.get(
        order.kind, label
    )


def fill_row(order: Order) -> Row:
    """One row of inquire-daily-ccld; the cancelled quantity is given in both spellings."""
    cancelled = str(order.cancelled)
    return {
        "ord_dt": day_text(order.day),
        "ord_gno_brno": order.account.spec.branch,
        "odno": f"{order.number:010d}",
        "orgn_odno": f"{order.original.number:010d}" if order.original else "",
        "ord_dvsn_name": order.division.name,
        "sll_buy_dvsn_cd": side_code(order.side),
        "sll_buy_dvsn_cd_name": _order_name(order),
        "pdno": order.code,
        "prdt_name": order.stock.name,
        "ord_qty": str(order.quantity),
        "ord_unpr": str(order.price),
        "ord_tmd": time_text(order.at),
        "tot_ccld_qty": str(order.filled),
        "avg_prvs": f"{order.average_price:.4f}".rstrip("0").rstrip(".") if order.filled else "0",
        "cncl_yn": "Y" if order.kind is RequestKind.CANCEL else "N",
        "tot_ccld_amt": str(order.filled_value),
        "loan_dt": "",
        "ordr_empno": "OpnAPI",
        "ord_dvsn_cd": order.division.code,
        "cncl_cfrm_qty": cancelled,
        "cnc_cfrm_qty": cancelled,
        "rmn_qty": str(order.remaining),
        "rjct_qty": str(order.rejected),
        "ccld_cndt_name": order.division.condition or "없음",
        "inqr_ip_addr": "127.0.0.1",
        "cpbc_ordp_ord_rcit_dvsn_cd": "",
        "cpbc_ordp_infm_mthd_dvsn_cd": "",
        "infm_tmd": time_text(order.fills[-1].at) if order.fills else "",
        "ctac_tlno": "",
        "prdt_type_cd": "300",
        "excg_dvsn_cd": "02",
        "cpbc_ordp_mtrl_dvsn_cd": "11",
        "ord_orgno": order.account.spec.branch,
        "rsvn_ord_end_dt": "",
        "excg_id_dvsn_Cd": order.exchange,
        "stpm_cndt_pric": str(order.stop_price),
        "stpm_efct_occr_dtmd": "",
    }


def _fill_totals(orders: Sequence[Order]) -> Row:
    quantity = sum(order.filled for order in orders)
    value = sum(order.filled_value for order in orders)
    costs = sum(order.charged_commission + order.charged_tax for order in orders)
    return {
        "tot_ord_qty": str(sum(order.quantity for order in orders)),
        "tot_ccld_qty": str(quantity),
        "tot_ccld_amt": str(value),
        "prsm_tlex_smtl": str(costs),
        "pchs_avg_pric": f"{value / quantity if quantity else 0.0:.4f}",
    }
