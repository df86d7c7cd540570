from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from charts.formatting import amount, arrow, change, clean, number, percent, shares, shown_sign, signed
from charts.lettering import known_letters, shorten, text_width, wrap


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (number(1234567), "1,234,567"),
        (number(-0.001, 2), "0.00"),
        (number(-1234.5, 1), "-1,234.5"),
        (signed(1200), "+1,200"),
        (signed(-1200), "-1,200"),
        (signed(0.004, 2), "0.00"),
        (percent(1.694), "+1.69%"),
        (percent(0.0), "0.00%"),
        (change(1200, 1.694), "▲1,200 +1.69%"),
        (change(-50, -0.07), "▼50 -0.07%"),
        (change(0, 0.0), "보합 0.00%"),
        (amount(1_234_500_000_000), "1.23조"),
        (amount(432_000_000_000_000), "432조"),
        (amount(123_400_000), "1.2억"),
        (amount(-56_780_000_000), "-568억"),
        (amount(3_456_789), "346만"),
        (amount(12_345), "12,345"),
        (shares(99_999), "99,999"),
        (shares(12_345_678), "1,235만"),
        (shares(234_567_890), "2.3억"),
        (arrow(0.0), "-"),
    ],
)
def test_korean_figures(written: str, expected: str) -> None:
    assert written == expected


@given(st.floats(-1e12, 1e12), st.integers(0, 3))
def test_a_sign_is_shown_only_for_what_does_not_round_to_zero(value: float, digits: int) -> None:
    written = signed(value, digits)
    assert (written[0] in "+-") is any(character in "123456789" for character in written)
    assert {"+": 1, "-": -1}.get(written[0], 0) == shown_sign(value, digits)
    assert float(written.replace(",", "")) == pytest.approx(value, abs=0.51 * 10**-digits)


@given(st.text(max_size=60))
def test_cleaned_text_can_always_be_drawn(text: str) -> None:
    kept = clean(text, known_letters())
    assert all(ord(character) in known_letters() for character in kept)
    assert "\n" not in kept


@given(st.text(alphabet="가나다라마바사ABC 0123456789,.%", max_size=120), st.integers(40, 900), st.integers(1, 4))
def test_wrapped_lines_fit_and_lose_nothing_unmarked(text: str, width: int, lines: int) -> None:
    rows = wrap(text, 36, width, lines)
    assert len(rows) <= lines
    assert all(text_width(row, 36) <= width + 36 for row in rows)
    if rows and not rows[-1].endswith("…") and rows[-1]:
        assert "".join(rows).replace(" ", "") == text.replace(" ", "")


@given(st.text(alphabet="가힣삼성전자ABC1,", max_size=40), st.integers(60, 900))
def test_shortened_text_fits(text: str, width: int) -> None:
    kept = shorten(text, 40, width)
    assert text_width(kept, 40) <= width
    assert kept == text or kept.endswith("…") or text_width(text[0] + "…", 40) > width


def test_digits_have_one_width() -> None:
    assert (
        len({round(text_width(digit, 36, weight), 6) for digit in "0123456789" for weight in ("regular", "bold")}) == 1
    )


def test_a_number_is_not_cut_in_the_middle() -> None:
    sentence = "목표가 51,525원의 88 %까지 올라왔습니다"
    for width in range(100, 700, 7):
        kept = shorten(sentence, 36, width)
        assert not kept.rstrip("…").endswith(("51", "51,", "51,5", "51,52")) or kept == sentence
