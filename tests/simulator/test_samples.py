"""Our answers beside the portal's examples and recorded answers: same keys, same types, same formats."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.shared_data import SHARED
from tests.simulator.driver import RawClient, stage

SAMPLES = SHARED / "kis_samples"
pytestmark = [
    pytest.mark.shared_data,
    pytest.mark.skipif(not SAMPLES.is_dir(), reason=f"no samples at {SAMPLES}"),
]

STOCK = {"FID_COND_MRKT_DIV_CODE": "J", "FID_INPUT_ISCD": "005930"}
ACCOUNT = {"CANO": "12345678", "ACNT_PRDT_CD": "01"}
PAGES = {"CTX_AREA_FK100": "", "CTX_AREA_NK100": ""}
PERIOD = {"INQR_STRT_DT": "20260303", "INQR_END_DT": "20260303"}
RANGE = {
    "FID_INPUT_DATE_1": "20200101",
    "FID_INPUT_DATE_2": "20260303",
    "FID_PERIOD_DIV_CODE": "D",
    "FID_ORG_ADJ_PRC": "0",
}
MINUTES = {"FID_ETC_CLS_CODE": "", "FID_INPUT_HOUR_1": "100000", "FID_PW_DATA_INCU_YN": "Y"}

CALLS: dict[str, tuple[str, str, dict[str, str]]] = {
    "inquire-asking-price-exp-ccn__FHKST01010200.json": ("quotations/inquire-asking-price-exp-ccn", "FHKST01010200", STOCK),
    "inquire-price__FHKST01010100.json": ("quotations/inquire-price", "FHKST01010100", STOCK),
    "inquire-daily-price__FHKST01010400.json": ("quotations/inquire-daily-price", "FHKST01010400", {**STOCK, "FID_PERIOD_DIV_CODE": "D", "FID_ORG_ADJ_PRC": "1"}),
    "inquire-balance__TTTC8434R.json": ("trading/inquire-balance", "TTTC8434R", {**ACCOUNT, **PAGES}),
    "inquire-daily-ccld__3_TTTC0081R_3_CTSC9215R.json": ("trading/inquire-daily-ccld", "TTTC0081R", {**ACCOUNT, **PAGES, **PERIOD}),
    "inquire-psbl-order__TTTC8908R.json": ("trading/inquire-psbl-order", "TTTC8908R", {**ACCOUNT, "PDNO": "005930", "ORD_UNPR": "70000", "ORD_DVSN": "01"}),
    "inquire-period-profit__TTTC8708R.json": ("trading/inquire-period-profit", "TTTC8708R", {**ACCOUNT, **PAGES, **PERIOD, "SORT_DVSN": "00"}),
    "inquire-daily-itemchartprice__FHKST03010100.txt": ("quotations/inquire-daily-itemchartprice", "FHKST03010100", {**STOCK, **RANGE}),
    "inquire-time-itemchartprice__FHKST03010200.txt": ("quotations/inquire-time-itemchartprice", "FHKST03010200", {**STOCK, **MINUTES}),
    "inquire-time-dailychartprice__FHKST03010230.txt": ("quotations/inquire-time-dailychartprice", "FHKST03010230", {**STOCK, **MINUTES, "FID_INPUT_DATE_1": "20260227", "FID_FAKE_TICK_INCU_YN": ""}),
    "news-title__FHKST01011800.txt": ("quotations/news-title", "FHKST01011800", {"FID_INPUT_ISCD": ""}),
}  # fmt: skip
FREE_TEXT = re.compile(
    r"(name|isnm|msg1|cnnm|titl|dorg|_yn$|ctx_area|msg_cd|empno|tlno|ip_addr|area|loan_dt|expd_dt|rson)"
)


def read(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def shape(value: str) -> str:
    """The format of a value: digits, decimals, blank, text."""
    if value.strip() == "":
        return "blank"
    if re.fullmatch(r"-?\d+", value):
        return "integer"
    if found := re.fullmatch(r"-?\d+\.(\d+)", value):
        return f"decimals {len(found[1])}"
    return "text"


def first(value: Any) -> Any:
    return value[0] if isinstance(value, list) and value else value


def compare(theirs: dict[str, Any], ours: dict[str, Any], where: str) -> list[str]:
    """Differences of key, type and format between an example and our answer."""
    found = []
    for key, value in theirs.items():
        if key not in ours:
            found.append(f"{where}.{key}: absent")
        elif type(value) is not type(ours[key]):
            found.append(f"{where}.{key}: {type(ours[key]).__name__}, documented {type(value).__name__}")
        elif isinstance(value, dict | list):
            if first(value) and isinstance(first(value), dict) and isinstance(first(ours[key]), dict):
                found += compare(first(value), first(ours[key]), f"{where}.{key}")
        elif isinstance(value, str) and not FREE_TEXT.search(key):
            mine, documented = shape(ours[key]), shape(value)
            if mine != documented and "blank" not in (mine, documented) and "text" not in (mine, documented):
                found.append(f"{where}.{key}: {ours[key]!r} beside {value!r}")
    return found


async def traded(client: RawClient, until: Any) -> None:
    """A holding, a sale and a rejected order, so that every list has a row."""
    await client.order("buy", "005930", 10)
    await until(9, 0, 32)
    await client.order("sell", "005930", 4)
    await until(9, 4, 0)


@pytest.mark.parametrize("name", [name for name in CALLS if name.endswith(".json")])
async def test_our_answer_has_the_documented_shape(name: str) -> None:
    documented = json.loads((SAMPLES / "docs_examples" / name).read_text(encoding="utf-8"))
    path, tr_id, parameters = CALLS[name]
    async with stage() as play:
        client = await play.client()
        await traded(client, play.until)
        ours = (await client.get(path, tr_id, **parameters)).json()
    assert ours["rt_cd"] == "0"
    assert not compare(documented, ours, name)
    for key in ("ctx_area_fk100", "ctx_area_nk100"):
        if key in documented:
            assert len(ours[key]) == len(documented[key]) == 100


@pytest.mark.parametrize("name", [name for name in CALLS if name.endswith(".txt")])
async def test_cut_examples_name_no_key_that_we_lack(name: str) -> None:
    text = (SAMPLES / "docs_examples" / name).read_text(encoding="utf-8")
    pairs = re.findall(r'"([a-z0-9_ ]+)"\s*:\s*"([^"]*)"', text)
    path, tr_id, parameters = CALLS[name]
    async with stage(start=(9, 4, 0)) as play:
        client = await play.client()
        ours = (await client.get(path, tr_id, **parameters)).json()
    mine: dict[str, str] = {"msg_cd": "", "rt_cd": "", "msg1": ""}
    for key, value in ours.items():
        if isinstance(first(value), dict):
            mine |= first(value)
        else:
            mine[key] = value
    assert pairs
    assert not compare(dict(pairs), mine, name)


@pytest.mark.parametrize(
    "path", sorted((SAMPLES / "recorded").glob("*.json")) if SAMPLES.is_dir() else [], ids=lambda p: p.stem
)
async def test_recorded_bars_have_our_keys_and_formats(path: Path) -> None:
    recorded = read(path)
    async with stage(start=(9, 4, 0)) as play:
        client = await play.client()
        ours = (await client.get("quotations/inquire-daily-itemchartprice", "FHKST03010100", **STOCK, **RANGE)).json()
    assert set(recorded["output2"][0]) == set(ours["output2"][0])
    assert not compare(recorded, ours, path.stem)


async def test_tokens_and_orders_have_the_documented_shape() -> None:
    documented = {name: json.loads((SAMPLES / "docs_examples" / f"{name}.json").read_text(encoding="utf-8")) for name in ("tokenP__AUTH", "revokeP__AUTH", "Approval__AUTH", "order-cash__TTTC0011U_TTTC0012U", "order-rvsecncl__TTTC0013U")}  # fmt: skip
    async with stage() as play:
        client = await play.client()
        token = (await client.post_plain("/oauth2/tokenP", appsecret=client.secret)).json()
        assert token["error_code"] == "EGW00133"
        await play.until(9, 2)
        token = (await client.post_plain("/oauth2/tokenP", appsecret=client.secret)).json()
        order = await client.order("buy", "005930", 1, 60_000)
        await play.until(9, 2, 1)
        revised = await client.revise(order["output"]["ODNO"], "01", 1, 61_000)
        assert not compare(documented["tokenP__AUTH"], token, "token")
        assert isinstance(token["expires_in"], int)
        assert not compare(documented["order-cash__TTTC0011U_TTTC0012U"], order, "order")
        assert not compare(documented["order-rvsecncl__TTTC0013U"], revised, "revise")
        assert revised["output"]["ODNO"] != order["output"]["ODNO"]
        revoked = (await client.post_plain("/oauth2/revokeP", appsecret=client.secret, token=client.token)).json()
        assert not compare(documented["revokeP__AUTH"], revoked, "revoke")
