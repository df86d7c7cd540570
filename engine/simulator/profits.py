"""Realised profit, assets and margin: inquiries that only real accounts have."""

from __future__ import annotations

from datetime import date

from engine.market import Side
from engine.simulator.account_views import AccountViews
from engine.simulator.accounts import Account, Execution
from engine.simulator.envelope import Answer, Call, Refusal, Row, inquiry, listing, page
from engine.simulator.formats import day_bound, day_text

PAGE = 50


def _sum(executions: list[Execution], side: Side, what: str) -> int:
    return sum(int(getattr(e, what)) for e in executions if e.side is side)


class ProfitViews:
    def __init__(self, views: AccountViews) -> None:
        self.views = views
        self.desk = views.desk

    def _period(self, call: Call) -> tuple[Account, list[Execution]]:
        account = self.desk.account(call)
        try:
            first, last = day_bound(call.needed("INQR_STRT_DT")), day_bound(call.needed("INQR_END_DT"))
        except ValueError:
            raise Refusal("2", "OPSQ2002", "ERROR INPUT FIELD [INQR_STRT_DT]") from None
        code = call.text("PDNO")[-6:]
        chosen = [e for e in account.executions if first <= day_text(e.day) <= last and code in ("", e.stock.code)]
        return account, chosen

    def balance_with_profit(self, call: Call) -> Answer:
        """TTTC8494R: the balance and what today's sales realised."""
        account = self.desk.account(call)
        positions, summary = self.views.balance_parts(account)
        today = account.executions_on(self.views.timetable.today())
        realised = sum(e.realised for e in today)
        if call.text("COST_ICLD_YN").upper() == "Y":
            realised -= sum(e.commission + e.tax for e in today if e.side is Side.SELL)
        cost = sum(e.cost for e in today)
        unrealised = int(summary["evlu_pfls_smtl_amt"])
        held = int(summary["pchs_amt_smtl_amt"])
        more = {
            "rlzt_pfls": str(realised),
            "rlzt_erng_rt": f"{100 * realised / cost if cost else 0.0:.8f}",
            "real_evlu_pfls": str(unrealised),
            "real_evlu_pfls_erng_rt": f"{100 * unrealised / held if held else 0.0:.8f}",
        }
        chunk, cursor = page(call, positions, PAGE)
        return listing({"output1": chunk, "output2": [summary | more]}, more=bool(cursor), cursor=cursor)

    def per_day(self, call: Call) -> Answer:
        """TTTC8708R: one row per day."""
        _, executions = self._period(call)
        days: dict[date, list[Execution]] = {}
        for execution in executions:
            days.setdefault(execution.day, []).append(execution)
        rows = [_day_row(day, days[day]) for day in sorted(days, reverse=call.text("SORT_DVSN", "00") != "01")]
        chunk, cursor = page(call, rows, PAGE)
        return listing({"output1": chunk, "output2": _totals(executions)}, more=bool(cursor), cursor=cursor)

    def per_stock(self, call: Call) -> Answer:
        """TTTC8715R: one row per day and stock that was sold."""
        account, executions = self._period(call)
        groups: dict[tuple[date, str], list[Execution]] = {}
        for execution in executions:
            groups.setdefault((execution.day, execution.stock.code), []).append(execution)
        rows = [
            self._stock_row(account, day, group)
            for (day, _), group in sorted(groups.items(), reverse=True)
            if any(e.side is Side.SELL for e in group)
        ]
        totals = _totals(executions)
        cost = sum(e.cost for e in executions)
        realised = int(totals["tot_rlzt_pfls"])
        totals["tot_pftrt"] = f"{100 * realised / cost if cost else 0.0:.8f}"
        chunk, cursor = page(call, rows, PAGE)
        return listing({"output1": chunk, "output2": totals}, more=bool(cursor), cursor=cursor)

    def _stock_row(self, account: Account, day: date, executions: list[Execution]) -> Row:
        stock = executions[0].stock
        position = account.positions.get(stock.code)
        sold, sales = _sum(executions, Side.SELL, "quantity"), _sum(executions, Side.SELL, "value")
        cost = sum(e.cost for e in executions)
        fee, tax = sum(e.commission for e in executions), sum(e.tax for e in executions)
        realised = sum(e.realised for e in executions) - fee - tax
        return {
            "trad_dt": day_text(day),
            "pdno": f"00000A{stock.code}",
            "prdt_name": stock.name,
            "trad_dvsn_name": "현금",
            "loan_dt": "",
            "hldg_qty": str(position.quantity if position else 0),
            "pchs_unpr": f"{cost / sold if sold else 0.0:.4f}",
            "buy_qty": str(_sum(executions, Side.BUY, "quantity")),
            "buy_amt": str(_sum(executions, Side.BUY, "value")),
            "sll_pric": f"{sales / sold if sold else 0.0:.4f}",
            "sll_qty": str(sold),
            "sll_amt": str(sales),
            "rlzt_pfls": str(realised),
            "pfls_rt": f"{100 * realised / cost if cost else 0.0:.8f}",
            "fee": str(fee),
            "tl_tax": str(tax),
            "loan_int": "0",
        }

    def assets(self, call: Call) -> Answer:
        """CTRP6548R: rows per kind of asset, and the sums."""
        account = self.desk.account(call)
        _, summary = self.views.balance_parts(account)
        stocks, total = int(summary["scts_evlu_amt"]), int(summary["tot_evlu_amt"])
        cost, profit = int(summary["pchs_amt_smtl_amt"]), int(summary["evlu_pfls_smtl_amt"])
        kinds = 20
        rows = [
            {
                "pchs_amt": str(cost if kind == 0 else 0),
                "evlu_amt": str(stocks if kind == 0 else account.settled_cash if kind == kinds - 1 else 0),
                "evlu_pfls_amt": str(profit if kind == 0 else 0),
                "crdt_lnd_amt": "0",
                "real_nass_amt": str(stocks if kind == 0 else account.settled_cash if kind == kinds - 1 else 0),
                "whol_weit_rt": f"{100 * stocks / total if total and kind == 0 else 0.0:.2f}",
            }
            for kind in range(kinds)
        ]
        sums = {
            "pchs_amt_smtl": str(cost),
            "nass_tot_amt": str(total),
            "loan_amt_smtl": "0",
            "evlu_pfls_amt_smtl": str(profit),
            "evlu_amt_smtl": str(stocks),
            "tot_asst_amt": str(total),
            "tot_lnda_tot_ulst_lnda": "0",
            "cma_auto_loan_amt": "0",
            "tot_mgln_amt": "0",
            "stln_evlu_amt": "0",
            "crdt_fncg_amt": "0",
            "ocl_apl_loan_amt": "0",
            "pldg_stup_amt": "0",
            "frcr_evlu_tota": "0",
            "tot_dncl_amt": summary["dnca_tot_amt"],
            "cma_evlu_amt": "0",
            "dncl_amt": summary["dnca_tot_amt"],
            "tot_sbst_amt": "0",
            "thdt_rcvb_amt": "0",
            "ovrs_stck_evlu_amt1": "0",
            "ovrs_bond_evlu_amt": "0",
            "mmf_cma_mgge_loan_amt": "0",
            "sbsc_dncl_amt": "0",
            "pbst_sbsc_fnds_loan_use_amt": "0",
            "etpr_crdt_grnt_loan_amt": "0",
        }
        return listing({"output1": rows, "output2": sums})

    def margin(self, call: Call) -> Answer:
        """TTTC0869R: only won, no credit."""
        account = self.desk.account(call)
        cash = str(max(0, account.buying_power))
        return inquiry(
            {
                "acmga_rt": "100.00000000",
                "acmga_pct100_aptm_rson": "",
                "stck_cash_objt_amt": cash,
                "stck_sbst_objt_amt": "0",
                "stck_evlu_objt_amt": "0",
                "stck_ruse_psbl_objt_amt": "0",
                "stck_fund_rpch_chgs_objt_amt": "0",
                "stck_cash_use_amt": str(account.reserved_cash),
                "stck_cash_ord_psbl_amt": cash,
                "stck_cash100_max_ord_psbl_amt": cash,
                "stck_itgr_cash100_ord_psbl_amt": cash,
            }
        )

    def not_held(self, call: Call) -> Answer:
        """Credit and reserved orders: this account has no such contract."""
        self.desk.account(call)
        raise Refusal("7", "APBK1744", "해당 계좌는 주문이 불가합니다.")

    def no_reservations(self, call: Call) -> Answer:
        self.desk.account(call)
        return listing({"output": []})


def _day_row(day: date, executions: list[Execution]) -> Row:
    fee, tax = sum(e.commission for e in executions), sum(e.tax for e in executions)
    realised = sum(e.realised for e in executions) - fee - tax
    cost = sum(e.cost for e in executions)
    return {
        "trad_dt": day_text(day),
        "buy_amt": str(_sum(executions, Side.BUY, "value")),
        "sll_amt": str(_sum(executions, Side.SELL, "value")),
        "rlzt_pfls": str(realised),
        "fee": str(fee),
        "loan_int": "0",
        "tl_tax": str(tax),
        "pfls_rt": f"{100 * realised / cost if cost else 0.0:.8f}",
        "sll_qty1": str(_sum(executions, Side.SELL, "quantity")),
        "buy_qty1": str(_sum(executions, Side.BUY, "quantity")),
    }


def _totals(executions: list[Execution]) -> Row:
    bought, sold = _sum(executions, Side.BUY, "value"), _sum(executions, Side.SELL, "value")
    buy_fee, sell_fee = _sum(executions, Side.BUY, "commission"), _sum(executions, Side.SELL, "commission")
    tax = sum(e.tax for e in executions)
    fee = buy_fee + sell_fee
    return {
        "sll_qty_smtl": str(_sum(executions, Side.SELL, "quantity")),
        "sll_tr_amt_smtl": str(sold),
        "sll_fee_smtl": str(sell_fee),
        "sll_tltx_smtl": str(tax),
        "sll_excc_amt_smtl": str(sold - sell_fee - tax),
        "buy_qty_smtl": str(_sum(executions, Side.BUY, "quantity")),
        "buy_tr_amt_smtl": str(bought),
        "buy_fee_smtl": str(buy_fee),
        "buy_tax_smtl": "0",
        "buy_excc_amt_smtl": str(bought + buy_fee),
        "tot_qty": str(sum(e.quantity for e in executions)),
        "tot_tr_amt": str(bought + sold),
        "tot_fee": str(fee),
        "tot_tltx": str(tax),
        "tot_excc_amt": str(bought + buy_fee + sold - sell_fee - tax),
        "tot_rlzt_pfls": str(sum(e.realised for e in executions) - fee - tax),
        "loan_int": "0",
    }
