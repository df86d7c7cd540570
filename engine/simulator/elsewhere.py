"""Markets that are not played: foreign stocks and bonds. The account owns nothing there, and says so."""

from __future__ import annotations

from engine.simulator.envelope import Answer, Call, listing
from engine.simulator.formats import names
from engine.simulator.trading import OrderDesk

_PRESENT_BALANCE = names(
    "pchs_amt_smtl evlu_amt_smtl evlu_pfls_amt_smtl dncl_amt cma_evlu_amt tot_dncl_amt etc_mgna wdrw_psbl_tot_amt "
    "frcr_evlu_tota evlu_erng_rt1 pchs_amt_smtl_amt evlu_amt_smtl_amt tot_evlu_pfls_amt tot_asst_amt buy_mgn_amt "
    "mgna_tota frcr_use_psbl_amt ustl_sll_amt_smtl ustl_buy_amt_smtl tot_frcr_cblc_smtl tot_loan_amt"
)
_BALANCE = names(
    "frcr_pchs_amt1 ovrs_rlzt_pfls_amt ovrs_tot_pfls rlzt_erng_rt tot_evlu_pfls_amt tot_pftrt frcr_buy_amt_smtl1 "
    "ovrs_rlzt_pfls_amt2 frcr_buy_amt_smtl2"
)
_PERIOD_PROFIT = names(
    "stck_sll_amt_smtl stck_buy_amt_smtl smtl_fee1 excc_dfrm_amt ovrs_rlzt_pfls_tot_amt tot_pftrt bass_dt exrt"
)
_PADDING = {"ctx_area_fk200": " " * 200, "ctx_area_nk200": " " * 200}


class ElsewhereCalls:
    """Empty lists and zero sums, for clients that always ask for everything an account may hold."""

    def __init__(self, desk: OrderDesk) -> None:
        self._desk = desk

    def present_balance(self, call: Call) -> Answer:
        return self._nothing(call, {"output1": [], "output2": [], "output3": dict.fromkeys(_PRESENT_BALANCE, "0")})

    def balance(self, call: Call) -> Answer:
        return self._nothing(call, {"output1": [], "output2": dict.fromkeys(_BALANCE, "0")})

    def orders(self, call: Call) -> Answer:
        return self._nothing(call, {"output": []})

    def period_profit(self, call: Call) -> Answer:
        return self._nothing(call, {"output1": [], "output2": dict.fromkeys(_PERIOD_PROFIT, "0")})

    def _nothing(self, call: Call, outputs: dict[str, object]) -> Answer:
        self._desk.account(call)
        return listing({**outputs, **_PADDING})
