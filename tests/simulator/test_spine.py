"""The first calls of any client, over real sockets."""

from __future__ import annotations

from tests.simulator.driver import MOCK, REAL, stage
from tests.simulator.hand_tape import DAY, OPEN, HandTape


async def test_a_client_trades_and_hears_of_its_fill() -> None:
    async with stage() as play:
        client = await play.client()
        price = (
            await client.get(
                "quotations/inquire-price", "FHKST01010100", fid_cond_mrkt_div_code="J", fid_input_iscd="005930"
            )
        ).json()
        assert price["rt_cd"] == "0"
        assert price["output"]["stck_prpr"] == "70100"
        assert price["output"]["acml_vol"] == "10280"
        book = (
            await client.get(
                "quotations/inquire-asking-price-exp-ccn",
                "FHKST01010200",
                FID_COND_MRKT_DIV_CODE="J",
                FID_INPUT_ISCD="005930",
            )
        ).json()
        assert (book["output1"]["askp1"], book["output1"]["bidp1"]) == ("70100", "70000")
        async with play.stream(client) as stream:
            acknowledged = await stream.register("H0STCNI0", "hts1")
            assert acknowledged["header"]["encrypt"] == "Y"
            assert len(acknowledged["body"]["output"]["key"]) == 32
            assert len(acknowledged["body"]["output"]["iv"]) == 16
            placed = await client.order("buy", "005930", 10)
            assert placed["rt_cd"] == "0"
            assert placed["output"]["ODNO"] == "0000000001"
            assert not stream.records("H0STCNI0"), "notices come after the answer"
            await play.until(9, 0, 31)
            notices = stream.records("H0STCNI0")
        assert [(n[13], n[14], int(n[9]), int(n[10])) for n in notices] == [
            ("1", "1", 10, 0),
            ("1", "2", 10, 0),
            ("2", "2", 10, 70_100),
        ]
        assert all(len(notice) == 26 for notice in notices)
        balance = await client.balance()
        assert balance["output1"][0]["hldg_qty"] == "10"
        commission = 701_000 * 1_405 // 10_000_000
        assert balance["output2"][0]["dnca_tot_amt"] == "10000000"
        assert balance["output2"][0]["prvs_rcdl_excc_amt"] == str(10_000_000 - 701_000 - commission)
        listed = await client.fills()
        assert listed["output1"][0]["tot_ccld_qty"] == "10"
        assert listed["output2"]["tot_ccld_amt"] == "701000"
        play.simulator.ledger.check()


async def test_ticks_and_books_follow_the_tape() -> None:
    async with stage(start=(8, 59, 0)) as play:
        client = await play.client()
        async with play.stream(client) as stream:
            await stream.register("H0STCNT0", "005930")
            await stream.register("H0STASP0", "005930")
            await play.until(9, 3, 30)
            trades, books = stream.records("H0STCNT0"), stream.records("H0STASP0")
        assert [(t[1], t[2], t[12], t[13]) for t in trades] == [
            ("090000", "70000", "10000", "10000"),
            ("090001", "70100", "50", "10050"),
            ("090001", "70000", "30", "10080"),
            ("090005", "70100", "200", "10280"),
            ("090100", "70200", "100", "10380"),
            ("090101", "70000", "400", "10780"),
            ("090200", "69800", "500", "11280"),
            ("090300", "70500", "500", "11780"),
        ]
        assert {len(t) for t in trades} == {47}
        assert {len(b) for b in books} == {63}
        for book in books:
            asks, bids = [int(x) for x in book[3:13] if x != "0"], [int(x) for x in book[13:23] if x != "0"]
            assert asks == sorted(asks)
            assert bids == sorted(bids, reverse=True)
            assert bids[0] < asks[0]
            assert int(book[43]) == sum(map(int, book[23:33]))
        assert any(book[2] == "B" and int(book[47]) > 0 for book in books), "expected price before the open"


async def test_bars_of_days_and_minutes() -> None:
    async with stage(start=(9, 4, 10)) as play:
        client = await play.client()
        common = {"FID_COND_MRKT_DIV_CODE": "J", "FID_INPUT_ISCD": "005930"}
        daily = (
            await client.get(
                "quotations/inquire-daily-itemchartprice",
                "FHKST03010100",
                FID_INPUT_DATE_1="20240101",
                FID_INPUT_DATE_2=f"{DAY:%Y%m%d}",
                FID_PERIOD_DIV_CODE="D",
                FID_ORG_ADJ_PRC="0",
                **common,
            )
        ).json()
        assert len(daily["output2"]) == 100
        assert daily["output2"][0]["stck_bsop_date"] == f"{DAY:%Y%m%d}"
        assert daily["output2"][0]["stck_clpr"] == "70500"
        minutes = (
            await client.get(
                "quotations/inquire-time-itemchartprice",
                "FHKST03010200",
                FID_ETC_CLS_CODE="",
                FID_INPUT_HOUR_1="090300",
                FID_PW_DATA_INCU_YN="Y",
                **common,
            )
        ).json()
        assert [(m["stck_cntg_hour"], m["stck_prpr"], m["cntg_vol"]) for m in minutes["output2"]] == [
            ("090300", "70500", "500"),
            ("090200", "69800", "500"),
            ("090100", "70000", "500"),
            ("090000", "70100", "10280"),
        ]
        now = (
            await client.get(
                "quotations/inquire-time-itemchartprice",
                "FHKST03010200",
                FID_ETC_CLS_CODE="",
                FID_INPUT_HOUR_1="235959",
                FID_PW_DATA_INCU_YN="Y",
                **common,
            )
        ).json()
        assert (now["output2"][0]["stck_cntg_hour"], now["output2"][0]["cntg_vol"]) == ("090400", "500"), "repeated"


async def test_a_limit_rests_fills_partly_and_is_cancelled() -> None:
    async with stage(start=(9, 0, 30)) as play:
        client = await play.client(MOCK)
        placed = await client.order("buy", "005930", 140, 69_900)
        assert (placed["rt_cd"], placed["msg_cd"]) == ("0", "40600000")
        number = placed["output"]["ODNO"]
        await play.until(9, 1, 30)
        assert (await client.fills())["output1"][0]["tot_ccld_qty"] == "0"
        await play.until(9, 2, 1)
        row = (await client.fills())["output1"][0]
        assert (row["tot_ccld_qty"], row["avg_prvs"]) == ("140", "69900")
        await play.until(9, 2, 5)
        second = await client.order("sell", "005930", 140, 71_000)
        await play.until(9, 2, 7)
        cancelled = await client.revise(second["output"]["ODNO"], "02")
        assert cancelled["msg_cd"] == "40630000"
        await play.until(9, 2, 9)
        rows = (await client.fills())["output1"]
        assert [r["cnc_cfrm_qty"] for r in rows] == ["0", "140", "140"]
        assert rows[2]["orgn_odno"] == second["output"]["ODNO"]
        await play.until(9, 2, 11)
        again = await client.revise(number, "02")
        assert again["rt_cd"] != "0"
        play.simulator.ledger.check()


async def test_shared_port_and_headers() -> None:
    async with stage() as play:
        client = await play.client(REAL)
        answer = await client.get(
            "/quotations//inquire-price", "FHKST01010100", FID_COND_MRKT_DIV_CODE="J", FID_INPUT_ISCD="999999"
        )
        assert answer.json()["output"]["stck_prpr"] == "0"
        names = [name.decode() for name, _ in answer.headers.raw]
        assert {"tr_id", "tr_cont", "gt_uid"} <= set(names)
        assert all(name in ("tr_id", "tr_cont", "gt_uid") or name != name.lower() for name in names)
        assert play.addresses.port == play.addresses.ws_port


def test_the_hand_tape_is_a_tape() -> None:
    tape = HandTape()
    assert tape.prints("005930", DAY).second[0] == OPEN
