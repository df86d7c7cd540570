"""Paging of daily and minute bars, fill-in minutes, and bars that cannot be."""

from __future__ import annotations

from datetime import date, time, timedelta
from typing import Any

import pytest

from engine.clock import SimulatedClock
from engine.kis import KIS, MalformedAnswer
from engine.kis.bars import parse_daily
from engine.market import Index
from tests.servers.kis_stub import KisStub, Reply, success

QUOTATIONS = "/uapi/domestic-stock/v1/quotations/"
DAILY, INDEX_DAILY = QUOTATIONS + "inquire-daily-itemchartprice", QUOTATIONS + "inquire-daily-indexchartprice"
TODAY_MINUTES, PAST_MINUTES = QUOTATIONS + "inquire-time-itemchartprice", QUOTATIONS + "inquire-time-dailychartprice"
TODAY = date(2026, 11, 20)


def daily(day: date, **changes: str) -> dict[str, str]:
    return {
        "stck_bsop_date": f"{day:%Y%m%d}",
        "stck_oprc": "100",
        "stck_hgpr": "110",
        "stck_lwpr": "90",
        "stck_clpr": "105",
        "acml_vol": "1000",
    } | changes


def minute(at: time, volume: int, value: int, day: date = TODAY) -> dict[str, str]:
    return {
        "stck_bsop_date": f"{day:%Y%m%d}",
        "stck_cntg_hour": f"{at:%H%M%S}",
        "stck_prpr": "105",
        "stck_oprc": "100",
        "stck_hgpr": "110",
        "stck_lwpr": "90",
        "cntg_vol": str(volume),
        "acml_tr_pbmn": str(value),
    }


async def test_daily_bars_walk_back_a_hundred_at_a_time(kis: KIS, stub: KisStub) -> None:
    days = [TODAY - timedelta(days=n) for n in range(230)]
    pages: list[Any] = [[daily(day) for day in days[start : start + 100]] for start in (0, 100, 200)]
    pages[0][3] = {}  # the broker sends empty objects now and then
    stub.script(DAILY, *(Reply(success(output1={}, output2=page)) for page in pages))
    bars = await kis.daily_bars("005930", days[-1], TODAY)
    assert len(bars) == 229
    assert (bars.start[1:] > bars.start[:-1]).all()
    assert [seen.query["FID_INPUT_DATE_2"] for seen in stub.seen if seen.path == DAILY] == [
        f"{TODAY:%Y%m%d}",
        f"{days[99] - timedelta(days=1):%Y%m%d}",
        f"{days[199] - timedelta(days=1):%Y%m%d}",
    ]
    assert stub.seen[-1].query["FID_ORG_ADJ_PRC"] == "0"


async def test_an_answer_that_repeats_itself_ends_the_walk(kis: KIS, stub: KisStub) -> None:
    stub.script(DAILY, Reply(success(output2=[daily(TODAY - timedelta(days=n)) for n in range(100)])))
    assert len(await kis.daily_bars("005930", date(2000, 1, 1), TODAY, adjusted=False)) == 100
    assert stub.count(DAILY) == 2
    assert stub.seen[-1].query["FID_ORG_ADJ_PRC"] == "1"


async def test_an_empty_answer_is_no_bars(kis: KIS, stub: KisStub) -> None:
    stub.script(DAILY, Reply(success(output2=[])))
    assert len(await kis.daily_bars("005930", TODAY, TODAY)) == 0


async def test_index_bars_keep_their_decimals(kis: KIS, stub: KisStub) -> None:
    row = {
        "stck_bsop_date": "20261120",
        "bstp_nmix_oprc": "2990.11",
        "bstp_nmix_hgpr": "3001.50",
        "bstp_nmix_lwpr": "2980.02",
        "bstp_nmix_prpr": "2999.99",
        "acml_vol": "400000",
    }
    stub.script(INDEX_DAILY, Reply(success(output2=[row])))
    bars = await kis.index_daily_bars(Index.KOSPI, TODAY, TODAY)
    assert bars.close.tolist() == [2999.99]


def test_a_suspended_day_is_flat_at_its_close() -> None:
    flat = {"stck_oprc": "0", "stck_hgpr": "0", "stck_lwpr": "0", "acml_vol": "0"}
    [bar] = parse_daily({"output2": [daily(TODAY, **flat)]})
    assert (bar.open, bar.high, bar.low, bar.close, bar.volume) == (105, 105, 105, 105, 0)


def test_rounding_of_adjusted_prices_widens_the_range() -> None:
    [bar] = parse_daily({"output2": [daily(TODAY, stck_hgpr="105", stck_oprc="105.4")]})
    assert bar.high == 105.4


@pytest.mark.parametrize(
    "changes",
    [
        {"stck_clpr": "0"},
        {"stck_clpr": ""},
        {"stck_clpr": "200"},
        {"stck_lwpr": "-90"},
        {"stck_lwpr": "120"},
        {"stck_oprc": "0"},
        {"acml_vol": "-1"},
        {"stck_bsop_date": "2026112"},
        {"stck_bsop_date": "20261131"},
        {"stck_hgpr": "1e9"},
    ],
)
def test_a_bar_that_cannot_be_is_an_error(changes: dict[str, str]) -> None:
    with pytest.raises(MalformedAnswer):
        parse_daily({"output2": [daily(TODAY, **changes)]})


async def test_todays_minutes_walk_back_and_leave_fill_ins_out(kis: KIS, stub: KisStub, clock: SimulatedClock) -> None:
    stub.script(
        TODAY_MINUTES,
        Reply(
            success(
                output2=[
                    minute(time(10, 1), 7, 900),  # a minute that has not begun
                    minute(time(10, 0), 7, 900),  # repeats 09:59: nothing traded yet
                    minute(time(9, 59), 7, 900),
                    minute(time(9, 58), 0, 700),
                ]
            )
        ),
        Reply(success(output2=[minute(time(9, 57), 3, 700), minute(time(9, 0), 4, 400)])),
        Reply(success(output2=[minute(time(15, 30), 4, 400, TODAY - timedelta(days=1))])),
    )
    bars = await kis.minute_bars("005930", TODAY)
    assert [str(start)[11:16] for start in bars.start] == ["09:00", "09:57", "09:59"]
    assert bars.volume.tolist() == [4, 3, 7]
    hours = [seen.query["FID_INPUT_HOUR_1"] for seen in stub.seen if seen.path == TODAY_MINUTES]
    assert hours == ["100000", "095700", "085900"]


async def test_past_minutes_use_their_own_call_and_stop_at_the_hour(kis: KIS, stub: KisStub) -> None:
    day = date(2026, 11, 18)
    stub.script(
        PAST_MINUTES,
        Reply(success(output2=[minute(time(9, 31), 1, 31, day), minute(time(9, 30), 1, 30, day)])),
        Reply(success(output2=[])),
    )
    bars = await kis.minute_bars("005930", day, time(9, 30))
    assert [str(start)[11:16] for start in bars.start] == ["09:30"]
    assert stub.seen[-1].query["FID_INPUT_DATE_1"] == "20261118"
    assert stub.seen[-1].headers["tr_id"] == "FHKST03010230"


async def test_a_day_to_come_has_no_minutes(kis: KIS, stub: KisStub) -> None:
    assert len(await kis.minute_bars("005930", TODAY + timedelta(days=1))) == 0
    assert stub.seen == []
