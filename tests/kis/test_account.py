"""Orders of a day, balance, buying power; paging and its accidents."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.broker import BrokerError, OrderKey, OrderType
from engine.kis import KIS, MalformedAnswer
from engine.kis.account import merged, parse_holdings
from engine.kis.values import Row
from engine.market import Side
from tests.servers.kis_stub import KisStub, Reply, refusal, success

TODAY = date(2026, 11, 20)
ORDERS_PATH = "/uapi/domestic-stock/v1/trading/inquire-daily-ccld"
BALANCE_PATH = "/uapi/domestic-stock/v1/trading/inquire-balance"
BUYABLE_PATH = "/uapi/domestic-stock/v1/trading/inquire-psbl-order"


def order(number: str, **changes: str) -> dict[str, str]:
    return {
        "ord_dt": "20261120",
        "ord_gno_brno": "00950",
        "odno": number,
        "orgn_odno": "",
        "sll_buy_dvsn_cd": "02",
        "sll_buy_dvsn_cd_name": "현금매수",
        "pdno": "005930",
        "ord_qty": "10",
        "ord_unpr": "70500",
        "ord_tmd": "100000",
        "tot_ccld_qty": "0",
        "avg_prvs": "0",
        "tot_ccld_amt": "0",
        "ord_dvsn_cd": "00",
        "cnc_cfrm_qty": "0",
        "rmn_qty": "10",
        "rjct_qty": "0",
    } | changes


def page(rows: list[dict[str, str]], cursor: str = "", **more: Any) -> dict[str, object]:
    return success(output1=rows, output2={}, ctx_area_fk100="fk".ljust(100), ctx_area_nk100=cursor.ljust(100), **more)


async def test_all_pages_with_the_brokers_cursor(kis: KIS, stub: KisStub) -> None:
    stub.script(
        ORDERS_PATH,
        Reply(page([order("0000000001")], "c1"), tr_cont="F"),
        Reply(page([order("0000000002"), order("0000000001")], "c2"), tr_cont="M"),
        Reply(page([order("0000000003")]), tr_cont="D"),
    )
    listed = await kis.orders(TODAY)
    assert listed.complete
    assert [found.key.number for found in listed.orders] == ["1", "2", "3"]
    first, second, third = stub.seen[-3:]
    assert (first.headers["tr_cont"], second.headers["tr_cont"]) == ("", "N")
    assert (first.query["CTX_AREA_NK100"], second.query["CTX_AREA_NK100"], third.query["CTX_AREA_NK100"]) == (
        "",
        "c1",
        "c2",
    )
    assert first.query["EXCG_ID_DVSN_CD"] == "ALL"
    assert first.headers["tr_id"] == "TTTC0081R"


async def test_mock_asks_for_the_exchange_only_and_old_days_have_their_own_id(mock_kis: KIS, stub: KisStub) -> None:
    stub.script(ORDERS_PATH, Reply(page([])))
    await mock_kis.orders(TODAY)
    assert (stub.seen[-1].query["EXCG_ID_DVSN_CD"], stub.seen[-1].headers["tr_id"]) == ("KRX", "VTTC0081R")
    await mock_kis.orders(date(2026, 1, 5))
    assert stub.seen[-1].headers["tr_id"] == "VTSC9215R"


@pytest.mark.parametrize(
    "second",
    [
        Reply(refusal("EGW00202"), 500),
        Reply(raw=b"<html>"),
        Reply(drop=True),
        Reply(page([order("0000000002")], "c1"), tr_cont="M"),
    ],
    ids=["500", "html", "reset", "cursor repeats"],
)
async def test_a_broken_page_makes_the_list_incomplete(kis: KIS, stub: KisStub, second: Reply) -> None:
    stub.script(ORDERS_PATH, Reply(page([order("0000000001")], "c1"), tr_cont="M"), second)
    listed = await kis.orders(TODAY)
    assert not listed.complete
    assert listed.orders[0].key == OrderKey(TODAY, "00950", "1")


@pytest.mark.parametrize(
    "last", [Reply(page([]), tr_cont="M"), Reply(page([order("0000000002")], "^^^^"), tr_cont="F")]
)
async def test_known_ways_to_end_a_list_are_complete(kis: KIS, stub: KisStub, last: Reply) -> None:
    stub.script(ORDERS_PATH, Reply(page([order("0000000001")], "c1"), tr_cont="M"), last)
    assert (await kis.orders(TODAY)).complete


async def test_no_first_page_is_an_error(kis: KIS, stub: KisStub) -> None:
    stub.script(ORDERS_PATH, Reply(raw=b""))
    with pytest.raises(BrokerError):
        await kis.orders(TODAY)


def rows(*found: dict[str, str]) -> list[Row]:
    return [Row(fields, "test") for fields in found]


def test_states_of_an_order() -> None:
    orders = merged(
        rows(
            order("1", tot_ccld_qty="4", rmn_qty="6", avg_prvs="70450.5", tot_ccld_amt="281802"),
            order("2", rmn_qty="0", rjct_qty="10", sll_buy_dvsn_cd_name="BUY REJECT"),
            order("3", rmn_qty="0", cnc_cfrm_qty="10"),
            order("4", orgn_odno="0000000003", rmn_qty="0", sll_buy_dvsn_cd_name="매수취소*", ord_dvsn_cd="01"),
        )
    )
    partial, refused, cancelled, cancel = orders
    assert (partial.filled, partial.remaining, partial.average_fill_price) == (4, 6, 70450.5)
    assert (refused.rejected, refused.remaining) == (10, 0)
    assert (cancelled.cancelled, cancelled.remaining) == (10, 0)
    assert cancel.is_cancel
    assert cancel.original == OrderKey(TODAY, "00950", "3")
    assert cancel.type is OrderType.MARKET
    assert cancel.side is Side.BUY


def test_an_amended_order_is_over_and_its_successor_lives() -> None:
    original, successor = merged(
        rows(order("1", rmn_qty="0", tot_ccld_qty="3"), order("2", orgn_odno="0000000001", ord_qty="7", rmn_qty="7"))
    )
    assert (original.filled, original.cancelled, original.remaining) == (3, 7, 0)
    assert (successor.remaining, successor.is_cancel) == (7, False)


def test_a_gap_that_nothing_explains_keeps_an_order_alive() -> None:
    [alive] = merged(rows(order("1", rmn_qty="0")))
    assert alive.remaining == 10


def test_of_two_rows_of_one_order_the_later_state_counts() -> None:
    older, newer = order("1"), order("0000000001", tot_ccld_qty="10", rmn_qty="0")
    for pair in ((older, newer), (newer, older)):
        [found] = merged(rows(*pair))
        assert (found.filled, found.remaining) == (10, 0)


@pytest.mark.parametrize(
    "changes",
    [
        {"tot_ccld_qty": "11"},
        {"tot_ccld_qty": ""},
        {"ord_qty": "x"},
        {"odno": ""},
        {"ord_dt": "20261340"},
        {"sll_buy_dvsn_cd": "03"},
        {"ord_tmd": "250000"},
        {"pdno": "삼성"},
    ],
)
def test_a_damaged_order_row_is_an_error(changes: dict[str, str]) -> None:
    with pytest.raises(MalformedAnswer):
        merged(rows(order("1", **changes)))


quantities = st.integers(0, 30).map(str)


@given(
    st.lists(
        st.builds(
            order,
            st.integers(1, 4).map(str),
            orgn_odno=st.sampled_from(["", "0000000001", "0000000002"]),
            ord_qty=quantities,
            tot_ccld_qty=quantities,
            cnc_cfrm_qty=quantities,
            rjct_qty=quantities,
            rmn_qty=quantities,
            sll_buy_dvsn_cd_name=st.sampled_from(["현금매수", "매수취소*", "매수정정*"]),
        ),
        max_size=6,
    )
)
def test_quantities_always_add_up(found: list[dict[str, str]]) -> None:
    try:
        orders = merged(rows(*found))
    except MalformedAnswer:
        return
    for one in orders:
        parts = (one.filled, one.cancelled, one.rejected, one.remaining)
        assert min(parts) >= 0
        assert sum(parts) == one.quantity
    assert len({one.key for one in orders}) == len(orders)


HOLDING = {
    "pdno": "009150",
    "prdt_name": "삼성전기",
    "hldg_qty": "100",
    "ord_psbl_qty": "90",
    "pchs_avg_pric": "135440.2517",
    "prpr": "140000",
    "bfdy_cprs_icdc": "1000",
    "loan_dt": "",
}
CASH = {"dnca_tot_amt": "9300000", "prvs_rcdl_excc_amt": "-200"}


async def test_a_balance_over_two_pages(kis: KIS, stub: KisStub) -> None:
    first = {**page([HOLDING], "c1"), "output2": [CASH]}
    second = {
        **page([{**HOLDING, "pdno": "005930", "hldg_qty": "0"}, {**HOLDING, "pdno": "000660"}]),
        "output2": [CASH],
    }
    stub.script(BALANCE_PATH, Reply(first, tr_cont="M"), Reply(second, tr_cont="D"))
    balance = await kis.balance()
    assert (balance.deposit, balance.settled_cash) == (9_300_000, -200)
    assert [holding.code for holding in balance.holdings] == ["009150", "000660"]
    assert balance.equity == -200 + 2 * 14_000_000


async def test_half_a_balance_is_none(kis: KIS, stub: KisStub) -> None:
    first = {**page([HOLDING], "c1"), "output2": [CASH]}
    stub.script(BALANCE_PATH, Reply(first, tr_cont="M"), Reply(raw=b""))
    with pytest.raises(BrokerError):
        await kis.balance()


def test_cash_and_loan_rows_of_one_stock_become_one_position() -> None:
    loan = {**HOLDING, "hldg_qty": "100", "pchs_avg_pric": "100000", "loan_dt": "20261101"}
    [holding] = parse_holdings(rows(HOLDING, loan))
    assert (holding.quantity, holding.sellable) == (200, 90)
    assert holding.average_price == pytest.approx((135440.2517 + 100000) / 2)


def test_before_the_open_yesterdays_close_stands_in_for_the_missing_price() -> None:
    [holding] = parse_holdings(rows({**HOLDING, "prpr": "0", "bfdy_cprs_icdc": "-184500"}))
    assert holding.price == 184_500


async def test_buying_power(kis: KIS, stub: KisStub) -> None:
    stub.script(
        BUYABLE_PATH,
        Reply(success(output={"nrcvb_buy_amt": "107177377", "nrcvb_buy_qty": "1531", "psbl_qty_calc_unpr": "70000"})),
    )
    found = await kis.buyable("005930", None)
    assert (found.cash, found.quantity, found.unit_price) == (107_177_377, 1_531, 70_000)
    assert (stub.seen[-1].query["ORD_DVSN"], stub.seen[-1].query["ORD_UNPR"]) == ("01", "0")
    await kis.buyable("005930", 70_000)
    assert (stub.seen[-1].query["ORD_DVSN"], stub.seen[-1].query["ORD_UNPR"]) == ("00", "70000")
