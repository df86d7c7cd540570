"""Quotes over the wire: retries, refusals, sweeps, and what a damaged number does."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from engine.broker import BrokerError, NotOffered, TemporaryError
from engine.clock import SimulatedClock
from engine.kis import KIS, MalformedAnswer, RateLimited, UnknownCode
from engine.market import Index, StockFlag
from tests.servers.kis_stub import PRICE_PATH, KisStub, Reply, refusal, success

QUOTATIONS = "/uapi/domestic-stock/v1/quotations/"
PRICE: dict[str, Any] = {
    "iscd_stat_cls_code": "55",
    "temp_stop_yn": "N",
    "stck_prpr": "128500",
    "prdy_vrss": "500",
    "prdy_vrss_sign": "2",
    "acml_tr_pbmn": "344570137500",
    "acml_vol": "2669075",
    "stck_oprc": "128500",
    "stck_hgpr": "130000",
    "stck_lwpr": "128500",
    "stck_mxpr": "166000",
    "stck_llam": "90000",
    "stck_sdpr": "128000",
    "hts_avls": "935483",
    "per": "19.67",
    "pbr": "",
    "mrkt_warn_cls_code": "00",
    "short_over_yn": "N",
    "sltr_yn": "N",
    "vi_cls_code": "N",
}
PRICE_BODY = success(output=PRICE)


def many(code: str, price: str = "1000") -> dict[str, str]:
    return {
        "inter_shrn_iscd": code,
        "inter_kor_isnm": f"종목{code}",
        "inter2_prpr": price,
        "inter2_prdy_vrss": "10",
        "prdy_vrss_sign": "2",
        "acml_vol": "5",
        "acml_tr_pbmn": "5000",
        "inter2_oprc": "990",
        "inter2_hgpr": "1000",
        "inter2_lwpr": "990",
        "inter2_mxpr": "1287",
        "inter2_llam": "693",
        "inter2_askp": "1000",
        "inter2_bidp": "999",
        "inter2_prdy_clpr": "990",
        "inter2_sdpr": "990",
    }


async def test_a_quote(kis: KIS, stub: KisStub, clock: SimulatedClock) -> None:
    stub.script(PRICE_PATH, Reply(PRICE_BODY))
    quote = await kis.quote("000660")
    assert (quote.price, quote.previous_close, quote.base_price, quote.market_cap) == (
        128_500,
        128_000,
        128_000,
        93_548_300_000_000,
    )
    assert (quote.per, quote.pbr, quote.flags, quote.halted) == (19.67, None, frozenset(), False)
    assert stub.seen[-1].query == {"FID_COND_MRKT_DIV_CODE": "J", "FID_INPUT_ISCD": "000660"}


async def test_flags_and_falling_prices_without_a_minus(kis: KIS, stub: KisStub) -> None:
    changes = {
        "iscd_stat_cls_code": "51",
        "mrkt_warn_cls_code": "03",
        "temp_stop_yn": "Y",
        "sltr_yn": "Y",
        "prdy_vrss": "500",
        "prdy_vrss_sign": "5",
        "vi_cls_code": "1",
    }
    stub.script(PRICE_PATH, Reply(success(output={**PRICE, **changes})))
    quote = await kis.quote("000660")
    assert quote.previous_close == 129_000
    assert quote.halted
    assert quote.vi_active
    assert quote.flags == {StockFlag.ADMINISTRATIVE, StockFlag.RISK, StockFlag.HALTED, StockFlag.LIQUIDATION}


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("stck_prpr", ""),
        ("stck_prpr", "-1"),
        ("stck_prpr", "abc"),
        ("stck_prpr", "1,000"),
        ("stck_prpr", "1e5"),
        ("stck_prpr", "١٢٣"),
        ("stck_prpr", "NaN"),
        ("stck_prpr", "9" * 30),
        ("stck_prpr", None),
        ("stck_prpr", [1]),
        ("acml_vol", "-5"),
        ("stck_hgpr", "x"),
        ("stck_sdpr", "0"),
        ("per", "inf"),
        ("prdy_vrss", "999999999"),
    ],
)
async def test_a_damaged_number_is_an_error_and_never_zero(kis: KIS, stub: KisStub, field: str, value: object) -> None:
    stub.script(PRICE_PATH, Reply(success(output={**PRICE, field: value})))
    with pytest.raises(MalformedAnswer):
        await kis.quote("000660")


async def test_an_unknown_code_is_said_so(kis: KIS, stub: KisStub) -> None:
    stub.script(PRICE_PATH, Reply(success(output={**PRICE, "stck_prpr": "0", "stck_sdpr": "0"})))
    with pytest.raises(UnknownCode):
        await kis.quote("999999")


@pytest.mark.parametrize(
    "trouble",
    [
        Reply(raw=b"<html>502</html>", status=502),
        Reply(raw=b""),
        Reply(raw=b'{"rt_cd":"0","outp'),
        Reply(drop=True),
        Reply(refusal("EGW00202"), 500),
        Reply(refusal("EGW00300"), 500),
        Reply(refusal("?"), 500),
        Reply(refusal("EGW00201"), 500),
        Reply(refusal("EGW00215"), 500),
        Reply(PRICE_BODY, silence=30),
    ],
)
async def test_passing_trouble_is_tried_again_three_times_at_most(kis: KIS, stub: KisStub, trouble: Reply) -> None:
    stub.script(PRICE_PATH, trouble, trouble, Reply(PRICE_BODY))
    assert (await kis.quote("000660")).price == 128_500
    stub.script(PRICE_PATH, trouble)
    before = stub.count(PRICE_PATH)
    with pytest.raises(TemporaryError):
        await kis.quote("000660")
    assert stub.count(PRICE_PATH) == before + 3


async def test_a_definite_refusal_is_not_repeated(kis: KIS, stub: KisStub) -> None:
    stub.script(PRICE_PATH, Reply(refusal("OPSQ2001", "ERROR : INPUT INVALID_CHECK_MRKT_DIV_CODE", "2")))
    with pytest.raises(BrokerError) as caught:
        await kis.quote("000660")
    assert not caught.value.retryable
    assert stub.count(PRICE_PATH) == 1


async def test_rate_refusals_keep_their_type(kis: KIS, stub: KisStub) -> None:
    stub.script(PRICE_PATH, Reply(refusal("EGW00201"), 500))
    with pytest.raises(RateLimited):
        await kis.quote("000660")


async def test_many_quotes_come_in_sweeps_of_thirty(kis: KIS, stub: KisStub) -> None:
    codes = [f"{n:06d}" for n in range(1, 62)]
    path = QUOTATIONS + "intstock-multprice"
    stub.script(
        path,
        Reply(success(output=[many(code) for code in codes[:30]])),
        Reply(success(output=[many(code) for code in codes[30:60]])),
        Reply(success(output=[many(codes[60], "x")])),
    )
    found = await kis.quotes([*codes, codes[0]])
    # The last sweep had one damaged row: absent, not zero.
    assert list(found) == codes[:60]
    assert found["000001"].name == "종목000001"
    sizes = sorted(len(seen.query) for seen in stub.seen if seen.path == path)
    assert sizes == [2, 60, 60]


async def test_zeros_of_an_unknown_code_are_left_out_of_a_sweep(kis: KIS, stub: KisStub) -> None:
    row = {key: "0" for key in many("000001")} | {"inter_shrn_iscd": "999999", "inter_kor_isnm": ""}
    stub.script(QUOTATIONS + "intstock-multprice", Reply(success(output=[many("000001"), row, {}])))
    assert list(await kis.quotes(["000001", "999999"])) == ["000001"]


async def test_a_failing_sweep_fails_the_call_with_one_error(kis: KIS, stub: KisStub) -> None:
    stub.script(QUOTATIONS + "intstock-multprice", Reply(refusal("OPSQ2001", rt_cd="2")))
    with pytest.raises(BrokerError):
        await kis.quotes([f"{n:06d}" for n in range(1, 100)])


async def test_what_mock_lacks_is_said_without_asking(mock_kis: KIS, stub: KisStub) -> None:
    for call in (
        mock_kis.quotes(["005930"]),
        mock_kis.index_quote(Index.KOSPI),
        mock_kis.open_days(date(2026, 11, 20)),
        mock_kis.minute_bars("005930", date(2026, 11, 19)),
    ):
        with pytest.raises(NotOffered):
            await call
    assert stub.seen == []


async def test_what_the_broker_says_it_lacks_is_not_offered(mock_kis: KIS, stub: KisStub) -> None:
    stub.script(QUOTATIONS + "news-title", Reply(refusal("EGW02006", "모의투자 TR 이 아닙니다."), 500))
    with pytest.raises(NotOffered):
        await mock_kis.news_titles()


async def test_index_holidays_and_news(kis: KIS, stub: KisStub) -> None:
    stub.script(
        QUOTATIONS + "inquire-index-price",
        Reply(
            success(
                output={
                    "bstp_nmix_prpr": "2990.50",
                    "bstp_nmix_prdy_vrss": "9.50",
                    "prdy_vrss_sign": "5",
                    "bstp_nmix_oprc": "3000.00",
                    "bstp_nmix_hgpr": "3001.10",
                    "bstp_nmix_lwpr": "2980.00",
                    "ascn_issu_cnt": "300",
                    "down_issu_cnt": "500",
                    "stnr_issu_cnt": "",
                }
            )
        ),
    )
    index = await kis.index_quote(Index.KOSPI)
    assert (index.value, index.previous_close, index.falling, index.unchanged) == (2990.5, 3000.0, 500, 0)
    stub.script(
        QUOTATIONS + "chk-holiday",
        Reply(success(output=[{"bass_dt": "20261120", "opnd_yn": "Y"}, {"bass_dt": "20261121", "opnd_yn": "N"}])),
    )
    assert await kis.open_days(date(2026, 11, 20)) == {date(2026, 11, 20): True, date(2026, 11, 21): False}
    stub.script(
        QUOTATIONS + "news-title",
        Reply(
            success(
                output=[
                    {
                        "data_dt": "20261120",
                        "data_tm": "93000",
                        "hts_pbnt_titl_cntt": "제목",
                        "dorg": "신문",
                        "iscd1": "005930",
                        "iscd2": " ",
                    },
                    {"data_dt": "", "data_tm": "", "hts_pbnt_titl_cntt": "날짜 없음"},
                ]
            )
        ),
    )
    [title] = await kis.news_titles("005930")
    assert (title.title, title.source, title.codes, title.at.hour) == ("제목", "신문", ("005930",), 9)
