"""Every recorded answer and every example of the broker's own documents is understood."""

from __future__ import annotations

import contextlib
import json
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pytest

from engine.broker import Accepted
from engine.kis.account import merged, parse_buyable, parse_holdings
from engine.kis.bars import parse_daily, parse_minutes
from engine.kis.frames import FrameParser
from engine.kis.orders import outcome_of
from engine.kis.quotes import parse_book, parse_news, parse_quote
from engine.kis.transport import RawAnswer
from engine.kis.values import only, rows
from engine.market import KST, OrderBook, Tick
from tests.shared_data import SHARED, needs_shared_data

SAMPLES = SHARED / "kis_samples"
EXAMPLES = SAMPLES / "docs_examples"
AT = datetime(2026, 11, 20, 10, 0, tzinfo=KST)

pytestmark = [needs_shared_data, pytest.mark.shared_data]


def example(name: str) -> Any:
    return json.loads((EXAMPLES / name).read_text(encoding="utf-8"))


def objects_in(name: str) -> list[dict[str, str]]:
    """The whole innermost objects of an example that the document itself cut or broke."""
    text = (EXAMPLES / name).read_text(encoding="utf-8")
    found = []
    start = -1
    for position, letter in enumerate(text):
        if letter == "{":
            start = position
        elif letter == "}" and start >= 0:
            with contextlib.suppress(json.JSONDecodeError):  # two rows run into each other in one of them
                found.append(json.loads(text[start : position + 1]))
            start = -1
    return found


@pytest.mark.parametrize("path", sorted((SAMPLES / "recorded").glob("*.json")) or [Path("none")], ids=lambda p: p.stem)
def test_recorded_daily_bars(path: Path) -> None:
    body = json.loads(path.read_text(encoding="utf-8"))
    bars = parse_daily(body)
    assert len(bars) == len(body["output2"]) > 30
    for bar, row in zip(bars, body["output2"], strict=True):
        assert (bar.close, bar.volume) == (int(row["stck_clpr"]), int(row["acml_vol"]))
        assert (bar.open, bar.high, bar.low) == tuple(int(row[key]) for key in ("stck_oprc", "stck_hgpr", "stck_lwpr"))


def test_price() -> None:
    quote = parse_quote(example("inquire-price__FHKST01010100.json"), "000660", AT)
    assert (quote.price, quote.previous_close, quote.upper_limit, quote.per) == (128_500, 128_500, 167_000, 19.67)
    assert not quote.flags


def test_book() -> None:
    book = parse_book(example("inquire-asking-price-exp-ccn__FHKST01010200.json"), "000660", AT.date())
    assert (book.best_ask, book.best_bid, book.expected_price) == (128_000, 127_500, 128_000)
    assert len(book.asks) == len(book.bids) == 10
    assert sum(level.quantity for level in book.asks) == book.total_ask


def test_balance() -> None:
    body = example("inquire-balance__TTTC8434R.json")
    [holding] = parse_holdings(rows(body, "output1", where="test"))
    assert (holding.quantity, holding.sellable, holding.price) == (1_660, 1_611, 184_500)
    assert only(body, "output2", where="test").integer("prvs_rcdl_excc_amt") == 346_455


def test_orders_of_a_day() -> None:
    [order] = merged(rows(example("inquire-daily-ccld__3_TTTC0081R_3_CTSC9215R.json"), "output1", where="test"))
    assert (order.rejected, order.remaining, order.price) == (10, 0, 150_000)


def test_buyable() -> None:
    assert parse_buyable(example("inquire-psbl-order__TTTC8908R.json")).quantity == 1_531


@pytest.mark.parametrize("name", ["order-cash__TTTC0011U_TTTC0012U.json", "order-rvsecncl__TTTC0013U.json"])
def test_order_answers(name: str) -> None:
    outcome = outcome_of(RawAnswer(200, json.dumps(example(name)).encode()), AT)
    assert isinstance(outcome, Accepted)
    assert outcome.key.branch == "06010"


def test_daily_example() -> None:
    bars = parse_daily(
        {
            "output2": [
                row for row in objects_in("inquire-daily-itemchartprice__FHKST03010100.txt") if "stck_clpr" in row
            ]
        }
    )
    assert bars[0].close == 107_500


@pytest.mark.parametrize(
    "name",
    ["inquire-time-dailychartprice__FHKST03010230.txt", "inquire-time-itemchartprice__FHKST03010200.txt"],
)
def test_minute_examples(name: str) -> None:
    found = [row for row in objects_in(name) if "cntg_vol" in row]
    bars = parse_minutes({"output2": found})
    assert len(bars) == len(found) >= 1
    assert all(bar.volume > 0 for bar in bars)


def test_news_example() -> None:
    titles = parse_news({"output": [row for row in objects_in("news-title__FHKST01011800.txt") if "data_dt" in row]})
    assert len(titles) >= 2
    assert titles[0].source == "뉴스핌"
    assert titles[0].at == datetime(2024, 4, 12, 17, 17, 37, tzinfo=KST)


def test_recorded_frames() -> None:
    frames = (SAMPLES / "ws_frames.txt").read_text(encoding="utf-8").split()
    parser = FrameParser("12345678", lambda: datetime(2023, 3, 24, 15, 0, tzinfo=KST), lambda _: {"005930"})
    tick, first, second = (event for frame in frames for event in parser.parse(frame))
    assert isinstance(tick, Tick)
    assert (tick.price, tick.change, tick.cumulative_volume, tick.at.date()) == (
        62_700,
        400,
        9_694_968,
        date(2023, 3, 24),
    )
    assert isinstance(first, OrderBook)
    assert isinstance(second, OrderBook)
    assert (first.best_ask, first.best_bid, second.best_ask) == (77_900, 77_800, 71_500)
    assert not parser.dropped
