"""Credentials, environments, limits, refusals."""

from __future__ import annotations

import httpx

from engine.market import Environment
from engine.simulator.identity import AccountSpec, AppKey
from engine.simulator.settings import BrokerSettings
from tests.simulator.driver import MOCK, REAL, RawClient, Stage, stage

STOCK = {"FID_COND_MRKT_DIV_CODE": "J", "FID_INPUT_ISCD": "005930"}


async def price(client: RawClient) -> httpx.Response:
    return await client.get("quotations/inquire-price", "FHKST01010100", **STOCK)


async def test_the_same_token_within_six_hours_and_one_issue_a_minute() -> None:
    async with stage() as play:
        client = await play.client()
        first = client.token
        refused = await client.post_plain("/oauth2/tokenP", appsecret=client.secret)
        assert refused.status_code == 403
        assert set(refused.json()) == {"error_code", "error_description"}
        await play.until(14, 0)
        await client.login()
        assert client.token == first
        await play.until(15, 1)
        await client.login()
        assert client.token != first, "six hours are over"
        assert (await price(client)).json()["rt_cd"] == "0"


async def test_wrong_credentials() -> None:
    async with stage() as play:
        client = await play.client()
        wrong = RawClient(play.http, play.clock, "Z" * 36, "S" * 180)
        assert (await wrong.post_plain("/oauth2/tokenP", appsecret="S" * 180)).json()["error_code"] == "EGW00103"
        wrong = RawClient(play.http, play.clock, REAL[0], "T" * 180)
        assert (await wrong.post_plain("/oauth2/Approval", secretkey="T" * 180)).json()["error_code"] == "EGW00105"
        client.token = "nonsense"
        answer = await price(client)
        assert (answer.status_code, answer.json()["msg_cd"]) == (500, "EGW00121")


async def test_a_revoked_token_is_unknown_and_an_old_one_has_expired() -> None:
    settings = BrokerSettings(token_life=120.0)
    async with stage(settings=settings) as play:
        client = await play.client()
        await play.until(9, 2, 31)
        assert (await price(client)).json()["msg_cd"] == "EGW00123"
        await play.until(9, 4)
        client.token = ""
        await play.until(15, 31)
        await client.login()
        token = client.token
        await client.post_plain("/oauth2/revokeP", appsecret=client.secret, token=token)
        assert (await price(client)).json()["msg_cd"] == "EGW00121"


async def test_environments_do_not_mix() -> None:
    async with stage() as play:
        real, mock = await play.client(REAL), await play.client(MOCK)
        answer = await real.get("trading/inquire-balance", "VTTC8434R", CANO="12345678", ACNT_PRDT_CD="01")
        assert (answer.status_code, answer.json()["msg_cd"]) == (500, "EGW02004")
        answer = await mock.get("trading/inquire-balance", "TTTC8434R", CANO="12345678", ACNT_PRDT_CD="01")
        assert (answer.status_code, answer.json()["msg_cd"]) == (500, "EGW02006")
        answer = await mock.get("quotations/chk-holiday", "CTCA0903R", BASS_DT="20260303")
        assert (answer.status_code, answer.json()["msg_cd"]) == (500, "EGW02006")


async def test_limits_per_second_real_and_mock() -> None:
    async with stage() as play:
        for keys, limit in ((REAL, 18), (MOCK, 1)):
            client = await play.client(keys)
            codes = [(await price(client)).json().get("msg_cd") for _ in range(limit + 2)]
            assert codes == ["MCA00000"] * limit + ["EGW00201"] * 2
            await play.until(9, 1 if keys == REAL else 2)
        client = RawClient(play.http, play.clock, *REAL, token=(await token_of(play)))
        codes = [(await client.balance())["msg_cd"] for _ in range(11)]
        assert codes == ["KIOK0510"] * 10 + ["EGW00215"]


async def token_of(play: Stage) -> str:
    await play.until(9, 5)
    return (await play.client(REAL)).token


async def test_query_names_in_any_case_and_unknown_calls() -> None:
    async with stage() as play:
        client = await play.client()
        answer = await client.get(
            "quotations/inquire-price", "FHKST01010100", fid_Cond_mrkt_div_code="J", Fid_input_iscd="005930"
        )
        assert answer.json()["output"]["stck_prpr"] == "70100"
        assert (await client.get("quotations/inquire-price", "FHKST99999999", **STOCK)).json()["msg_cd"] == "EGW00310"
        assert (await client.get("quotations/nowhere", "FHKST01010100", **STOCK)).json()["msg_cd"] == "OPSQ0002"
        missing = (await client.get("quotations/inquire-price", "FHKST01010100", FID_COND_MRKT_DIV_CODE="J")).json()
        assert (missing["rt_cd"], missing["msg_cd"]) == ("2", "OPSQ2001")


async def test_the_account_belongs_to_the_key_and_hashes_are_offered() -> None:
    async with stage() as play:
        client = await play.client()
        client.account = ("87654321", "01")
        assert (await client.balance())["msg_cd"] == "OPSQ2000"
        with play.clock.hold("hash"):
            answer = await play.http.post(
                "/uapi/hashkey", json={"CANO": "1"}, headers={"appkey": REAL[0], "appsecret": REAL[1]}
            )
        assert answer.json()["BODY"] == {"CANO": "1"}
        assert len(answer.json()["HASH"]) == 64


async def test_a_key_of_the_accounts_file_has_its_own_account() -> None:
    own = AppKey("B" * 36, "C" * 180, Environment.REAL, AccountSpec("11112222", cash=5_000, hts_id="me"))
    async with stage(keys=[own]) as play:
        client = RawClient(play.http, play.clock, own.key, own.secret, account=("11112222", "01"))
        await client.login()
        assert (await client.balance())["output2"][0]["dnca_tot_amt"] == "5000"


async def test_lists_page_with_cursors() -> None:
    async with stage() as play:
        client = await play.client(MOCK)
        second = 31
        for _ in range(17):
            assert (await client.order("buy", "005930", 1, 60_000))["rt_cd"] == "0"
            second += 2
            await play.until(9, second // 60, second % 60)
        seen: list[str] = []
        cursor = ""
        for expected, mark in ((15, "M"), (2, "D")):
            answer = await client.get(
                "trading/inquire-daily-ccld",
                "VTTC0081R",
                CANO="12345678",
                ACNT_PRDT_CD="01",
                INQR_STRT_DT="20260303",
                INQR_END_DT="20260303",
                CTX_AREA_FK100="",
                CTX_AREA_NK100=cursor,
            )
            body = answer.json()
            assert len(body["output1"]) == expected
            assert answer.headers["tr_cont"] == mark
            assert len(body["ctx_area_nk100"]) == 100
            cursor = body["ctx_area_nk100"]
            seen += [row["odno"] for row in body["output1"]]
            await play.until(9, 2, 0 if mark == "M" else 30)
        assert len(set(seen)) == 17
        assert not cursor.strip()
