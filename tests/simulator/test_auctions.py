"""Call auctions, interruptions, limit locks, order types, settlement."""

from __future__ import annotations

from datetime import datetime, time

import pytest

from engine.market import KST
from engine.simulator.faults import FaultPlan, Halt
from tests.simulator.driver import MOCK, Stage, stage
from tests.simulator.hand_tape import DAY, OPEN, HandTape, Print

CLOSE = 15 * 3600 + 30 * 60


def tape(*prints: Print) -> HandTape:
    return HandTape({"005930": prints})


async def result(play: Stage, client: object, number: int) -> tuple[int, str, int, int]:
    """(filled, average price, cancelled, remaining) of an order."""
    rows = (await client.fills())["output1"]  # type: ignore[attr-defined]
    row = next(r for r in rows if int(r["odno"]) == number)
    return int(row["tot_ccld_qty"]), row["avg_prvs"], int(row["cnc_cfrm_qty"]), int(row["rmn_qty"])


async def test_orders_before_the_open_fill_at_the_opening_print_in_price_time_order() -> None:
    async with stage(tape((OPEN, 70_000, 30, 0), (OPEN + 60, 70_500, 10, 1)), start=(8, 40, 0)) as play:
        client = await play.client()
        await client.order("buy", "005930", 20, 70_000)
        await client.order("buy", "005930", 5, 71_000)
        await client.order("buy", "005930", 10)
        await client.order("buy", "005930", 7, 69_000)
        await play.until(8, 59, 59)
        assert (await result(play, client, 3))[0] == 0
        await play.until(9, 0, 1)
        assert await result(play, client, 3) == (10, "70000", 0, 0), "market orders first"
        assert await result(play, client, 2) == (5, "70000", 0, 0)
        assert await result(play, client, 1) == (15, "70000", 0, 5), "the tape's volume is used up"
        assert await result(play, client, 4) == (0, "0", 0, 7)


async def test_conditional_limits_become_market_orders_at_the_closing_auction() -> None:
    played = tape((OPEN, 70_000, 30, 0), (OPEN + 60, 70_500, 10, 1), (CLOSE, 70_700, 50, 0))
    async with stage(played, start=(9, 5, 0)) as play:
        client = await play.client()
        await client.order("buy", "005930", 9, 69_000, "02")
        await client.order("buy", "005930", 8, 69_000)
        await play.until(15, 29, 59)
        assert (
            await client.get(
                "quotations/inquire-asking-price-exp-ccn",
                "FHKST01010200",
                FID_COND_MRKT_DIV_CODE="J",
                FID_INPUT_ISCD="005930",
            )
        ).json()["output2"]["antc_cnpr"] != "0"
        assert (await client.order("buy", "005930", 1, 70_000, "11"))["msg_cd"] == "APBK1943"
        await play.until(15, 30, 5)
        assert await result(play, client, 1) == (9, "70700", 0, 0)
        assert await result(play, client, 2) == (0, "0", 8, 0), "what is left expires"
        assert (await client.order("buy", "005930", 1, 70_000))["msg_cd"] == "APBK0918"
        play.simulator.ledger.check()


async def test_a_ten_percent_move_opens_a_two_minute_auction() -> None:
    played = tape(
        (OPEN, 70_000, 30, 0),
        (OPEN + 600, 77_000, 10, 1),
        (OPEN + 630, 77_500, 10, 1),
        (OPEN + 700, 78_000, 20, 1),
        (OPEN + 800, 78_100, 5, 1),
    )
    async with stage(played, start=(9, 5, 0)) as play:
        client = await play.client()
        async with play.stream(client) as stream:
            for tr_id in ("H0STCNT0", "H0STMKO0"):
                await stream.register(tr_id, "005930")
            await play.until(9, 10, 30)
            shown = (
                await client.get(
                    "quotations/inquire-price", "FHKST01010100", FID_COND_MRKT_DIV_CODE="J", FID_INPUT_ISCD="005930"
                )
            ).json()["output"]
            assert (shown["vi_cls_code"], shown["stck_prpr"]) == ("Y", "77000")
            assert (await client.order("buy", "005930", 1, 0, "03"))["msg_cd"] == "APBK1943"
            assert (await client.order("buy", "005930", 12, 79_000))["rt_cd"] == "0"
            await play.until(9, 11, 50)
            assert (await result(play, client, 1))[0] == 0
            await play.until(9, 12, 1)
            assert await result(play, client, 1) == (12, "78000", 0, 0)
            await play.until(9, 14, 0)
            trades, states = stream.records("H0STCNT0"), stream.records("H0STMKO0")
        assert [(t[1], t[2], t[12], t[45]) for t in trades] == [
            ("091000", "77000", "10", "70000"),
            ("091200", "78000", "30", "78000"),
            ("091320", "78100", "5", "78000"),
        ]
        assert [state[8] for state in states] == ["Y", "N"]


async def test_a_stock_at_its_upper_limit_sells_but_does_not_let_one_buy() -> None:
    async with stage(tape((OPEN, 70_000, 30, 0), (OPEN + 10, 76_000, 5, 1), (OPEN + 200, 91_000, 30, 1))) as play:
        client = await play.client()
        await client.order("buy", "005930", 2)
        await play.until(9, 5, 40)
        book = (
            await client.get(
                "quotations/inquire-asking-price-exp-ccn",
                "FHKST01010200",
                FID_COND_MRKT_DIV_CODE="J",
                FID_INPUT_ISCD="005930",
            )
        ).json()["output1"]
        assert (book["askp1"], book["bidp1"], book["total_askp_rsqn"]) == ("0", "91000", "0")
        await play.until(9, 6)
        bought = await client.order("buy", "005930", 3)
        assert await result(play, client, int(bought["output"]["ODNO"])) == (0, "0", 0, 3)
        sold = await client.order("sell", "005930", 2)
        assert await result(play, client, int(sold["output"]["ODNO"])) == (2, "91000", 0, 0)


async def test_immediate_orders_take_what_is_there_or_nothing() -> None:
    async with stage(HandTape(level=10)) as play:
        client = await play.client()
        ioc = await client.order("buy", "005930", 100, 70_100, "11")
        filled, _, cancelled, rest = await result(play, client, int(ioc["output"]["ODNO"]))
        assert 0 < filled < 100
        assert (cancelled, rest) == (100 - filled, 0)
        await play.until(9, 0, 32)
        fok = await client.order("buy", "005930", 100, 70_100, "12")
        assert await result(play, client, int(fok["output"]["ODNO"])) == (0, "0", 100, 0)
        await play.until(9, 0, 34)
        walked = await client.order("buy", "005930", 60)
        filled, average, _, _ = await result(play, client, int(walked["output"]["ODNO"]))
        assert filled > 10
        assert float(average) > 70_100, "a market order walks the book"


async def test_a_stop_waits_for_its_price() -> None:
    async with stage() as play:
        client = await play.client()
        placed = await client.order("buy", "005930", 5, 70_600, "22", CNDT_PRIC="70500")
        number = int(placed["output"]["ODNO"])
        await play.until(9, 2, 30)
        assert await result(play, client, number) == (0, "0", 0, 5)
        await play.until(9, 3, 1)
        assert (await result(play, client, number))[0] == 5


@pytest.mark.parametrize(
    ("division", "price", "quantity", "real", "mock"),
    [
        ("00", 70_050, 1, "APBK0506", "40030000"),
        ("00", 100_000, 1, "APBK0507", "40040000"),
        ("00", 70_000, 1_000, "APBK0952", "40250000"),
        ("00", 70_000, 0, "APBK0509", "40060000"),
        ("01", 0, 110, "APBK0952", "40250000"),
        ("05", 0, 1, "APBK3013", "90000000"),
        ("41", 70_000, 1, "APBK3013", "90000000"),
        ("99", 70_000, 1, "APBK0511", "90000000"),
    ],
)
async def test_refusals_real_and_mock(division: str, price: int, quantity: int, real: str, mock: str) -> None:
    async with stage() as play:
        client = await play.client()
        assert (await client.order("buy", "005930", quantity, price, division))["msg_cd"] == real
        other = await play.client(MOCK)
        answer = await other.order("buy", "005930", quantity, price, division)
        assert (answer["msg_cd"], answer["rt_cd"]) == (mock, "1")
        await play.until(9, 0, 33)
        assert (await other.order("sell", "005930", 1))["msg_cd"] == "40240000"
        await play.until(9, 0, 35)
        assert (await other.fills())["output1"] == []


async def test_a_modify_gets_a_new_number_and_moves_the_rest() -> None:
    async with stage() as play:
        client = await play.client()
        placed = await client.order("buy", "005930", 10, 60_000)
        changed = await client.revise(placed["output"]["ODNO"], "01", 4, 61_000, everything=False)
        assert changed["output"]["ODNO"] == "0000000002"
        assert await result(play, client, 1) == (0, "0", 4, 6)
        assert await result(play, client, 2) == (0, "0", 0, 4)
        open_orders = (
            await client.get(
                "trading/inquire-psbl-rvsecncl",
                "TTTC0084R",
                CANO="12345678",
                ACNT_PRDT_CD="01",
                INQR_DVSN_1="0",
                INQR_DVSN_2="0",
                CTX_AREA_FK100="",
                CTX_AREA_NK100="",
            )
        ).json()["output"]
        assert [(o["odno"], o["orgn_odno"], o["psbl_qty"]) for o in open_orders] == [
            ("0000000002", "0000000001", "4"),
            ("0000000001", "", "6"),
        ]
        too_many = await client.revise("0000000002", "01", 5, 61_000, everything=False)
        assert too_many["rt_cd"] == "7"


async def test_money_settles_after_two_trading_days_and_numbers_restart() -> None:
    async with stage() as play:
        client = await play.client()
        await client.order("buy", "005930", 10)
        await play.until(9, 0, 40)
        spent = 10_000_000 - int((await client.balance())["output2"][0]["prvs_rcdl_excc_amt"])
        assert spent > 700_000
        for day, deposit in ((4, 10_000_000), (5, 10_000_000 - spent), (6, 10_000_000 - spent)):
            await play.clock.sleep_until(datetime(2026, 3, day, 9, 1, tzinfo=KST), priority=90)
            client.token = ""
            await client.login()
            assert int((await client.balance())["output2"][0]["dnca_tot_amt"]) == deposit
        placed = await client.order("sell", "005930", 10)
        assert placed["output"]["ODNO"] == "0000000001"
        await play.until(9, 1, 2)
        listed = (await client.fills())["output1"]
        assert [row["ord_dt"] for row in listed] == ["20260306"]
        execution = play.simulator.ledger.account(play.simulator.keys[0]).executions[-1]
        assert execution.tax == execution.value * 50 // 100_000 + execution.value * 150 // 100_000
        play.simulator.ledger.check()


async def test_holidays_and_halts_refuse_orders() -> None:
    async with stage(start=(9, 0, 30), day=DAY.replace(day=1)) as play:
        client = await play.client()
        assert (await client.order("buy", "005930", 1))["msg_cd"] == "APBK0919"
    plan = FaultPlan(halts=(Halt("005930", time(9, 0, 50), time(9, 2, 30)),))
    async with stage(faults=plan) as play:
        client = await play.client()
        await play.until(9, 1, 30)
        shown = (
            await client.get(
                "quotations/inquire-price", "FHKST01010100", FID_COND_MRKT_DIV_CODE="J", FID_INPUT_ISCD="005930"
            )
        ).json()["output"]
        assert (shown["temp_stop_yn"], shown["stck_prpr"], shown["iscd_stat_cls_code"]) == ("Y", "70100", "58")
        assert (await client.order("buy", "005930", 1))["msg_cd"] == "APBK0910"
        await play.until(9, 2, 31)
        assert (await client.order("buy", "005930", 1))["rt_cd"] == "0"
