"""Strict numbers, stock search, and texts cut to the platforms' limits."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.format import change, percent, short_won, signed_won
from bot.inputs import BadArgument, parse_count, parse_price, printable
from bot.reply import ACTION_BYTES, Button, Form, FormField, Reply, shorten, split_text
from bot.stock_search import StockSearch, folded, initials
from engine.market import Market, Stock
from tests.bot.fakes import STOCKS, FakeListing

SEARCH = StockSearch(FakeListing())


@pytest.mark.parametrize(
    ("text", "expected"),
    [("10", 10), (" 10 ", 10), ("1,000", 1_000), ("10주", 10), ("10 주", 10), ("1,234,567", 1_234_567), ("007", 7)],
)
def test_quantities_that_are_read(text: str, expected: int) -> None:
    assert parse_count(text, unit="주") == expected


BAD = [
    "", " ", "0", "-1", "+1", "1e9", "1.0", "٣", "１０", "1,00", "10,00", ",100", "1,,000", "ten", "10주주", "주", "0x10", "1_000",
    "1 000", "10;DROP TABLE", "$(reboot)", "∞", "½", "10\n", "10\x00", "9" * 13, "100000000000",
]  # fmt: skip


@pytest.mark.parametrize("text", BAD)
def test_quantities_that_are_refused(text: str) -> None:
    if text == "10\n":
        assert parse_count(text, unit="주") == 10  # blanks at the ends are harmless
        return
    with pytest.raises(BadArgument):
        parse_count(text, unit="주")


@pytest.mark.parametrize("text", [*[b for b in BAD if b not in ("10주", "10\n")], "시장가", "10주", "71,900.5"])
def test_prices_that_are_refused(text: str) -> None:
    with pytest.raises(BadArgument):
        parse_price(text)


@given(st.text(max_size=20))
@settings(max_examples=300)
def test_a_number_is_read_only_from_its_plain_form(text: str) -> None:
    try:
        number = parse_count(text, unit="주")
    except BadArgument:
        return
    cleaned = text.strip().removesuffix("주").strip()
    assert cleaned in (f"{number:,}", cleaned.zfill(0))
    assert cleaned.isascii()
    assert int(cleaned.replace(",", "")) == number >= 1


@given(st.integers(1, 10_000_000))
@settings(max_examples=100)
def test_every_quantity_is_read_back_in_each_way_it_is_written(number: int) -> None:
    for text in (str(number), f"{number:,}", f"{number}주", f"{number:,} 주"):
        assert parse_count(text, unit="주") == number


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("005930", "005930"),
        ("삼성전자", "005930"),
        ("삼성 전자", "005930"),
        ("ㅅㅅㅈㅈ", "005930"),
        ("ㅅㅅㅈㅈㅇ", "005935"),
        ("skc", "011790"),
        ("에코프로", "086520"),
        ("비엠", "247540"),
        ("0126z0", "0126Z0"),
        ("물산", "028260"),
        ("086", "086520"),
    ],
)
def test_a_stock_is_found_in_each_way_people_name_it(text: str, code: str) -> None:
    assert SEARCH.find(text).code == code


@pytest.mark.parametrize("text", ["삼성", "ㅅㅅ", "에코", "전자"])
def test_where_several_fit_the_candidates_are_named(text: str) -> None:
    with pytest.raises(BadArgument) as problem:
        SEARCH.find(text)
    assert problem.value.key == "ambiguous_stock"
    assert 2 <= len(problem.value.values["options"]) <= 5  # type: ignore[arg-type]


@pytest.mark.parametrize("text", ["", "  ", "없는회사", "ㅎㅎㅎㅎ", "'", "%", "*", "\x00", "x" * 1_000])
def test_nothing_fits(text: str) -> None:
    with pytest.raises(BadArgument) as problem:
        SEARCH.find(text)
    assert problem.value.key == "no_stock"


def test_decomposed_hangul_is_the_same_name() -> None:
    import unicodedata

    assert SEARCH.find(unicodedata.normalize("NFD", "삼성전자")).code == "005930"


def test_initials_of_syllables() -> None:
    assert initials("삼성전자") == "ㅅㅅㅈㅈ"
    assert initials("꽃뿔 SK하이닉스") == "ㄲㅃ SKㅎㅇㄴㅅ"
    assert folded(" S K  c ") == "skc"


@given(st.text(max_size=50))
@settings(max_examples=300)
def test_search_never_fails_and_never_gives_more_than_25(text: str) -> None:
    assert len(SEARCH.search(text)) <= 25
    key = ""
    try:
        assert SEARCH.find(text) in STOCKS
    except BadArgument as problem:
        key = problem.key
    assert key in ("", "no_stock", "ambiguous_stock")


def test_autocomplete_over_the_whole_market_is_fast_enough() -> None:
    from engine.clock import monotonic

    many = [
        Stock(f"{n:06d}", f"{'가나다라마바사아자차'[n % 10]}전자{n}", Market.KOSPI, market_cap=n) for n in range(2_700)
    ]
    search = StockSearch(FakeListing(many))
    search.search("가")
    began = monotonic()
    for text in ("ㄱㅈㅈ", "전자1", "0012", "라전자", "없음"):
        search.search(text)
    assert (monotonic() - began) / 5 < 0.05


@given(st.text(max_size=6_000), st.sampled_from([200, 1_024, 2_000, 4_096]))
@settings(max_examples=150)
def test_split_texts_fit_and_lose_nothing_but_the_blanks_they_were_cut_at(text: str, limit: int) -> None:
    parts = split_text(text, limit)
    assert all(len(part) <= limit for part in parts)
    assert "".join(parts).replace("\n", "").replace(" ", "") == text.replace("\n", "").replace(" ", "")
    assert len(shorten(text, limit)) <= limit


def test_a_reply_that_no_platform_can_show_cannot_be_made() -> None:
    with pytest.raises(ValueError):
        Button("가", "t:" + "x" * ACTION_BYTES)
    for action in ("", "T:x", "차트", "t:가", "t x", "t:x\n"):
        with pytest.raises(ValueError):
            Button("가", action)
    with pytest.raises(ValueError):
        Button("", "t:x")
    with pytest.raises(ValueError):
        Button("가" * 81, "t:x")
    with pytest.raises(ValueError):
        Reply(rows=tuple((Button("가", "t:x"),) for _ in range(6)))
    with pytest.raises(ValueError):
        Reply(rows=(tuple(Button("가", "t:x") for _ in range(6)),))
    with pytest.raises(ValueError):
        Form("가" * 46, (FormField("a", "a"),), "t:x")


def test_figures_carry_signs_and_arrows() -> None:
    assert change(1_300, 1.8414) == "▲1,300 (+1.84%)"
    assert change(-1_300, -1.8414) == "▼1,300 (−1.84%)"
    assert change(0, 0.0) == "–0 (0.00%)"
    assert percent(-0.001) == "0.00%"
    assert percent(float("nan")) == "–"
    assert signed_won(-12_345.4) == "−12,345원"
    assert [short_won(n) for n in (0, 9_999, 12_345, 880_000_000_000, 1_234_000_000_000)] == [
        "0",
        "9,999",
        "1.2만",
        "8,800억",
        "1.2조",
    ]


@given(st.text(max_size=100))
@settings(max_examples=100)
def test_what_is_shown_again_is_one_printable_line(text: str) -> None:
    assert printable(text).isprintable()
    assert len(printable(text)) <= 40
