"""When the gate opens, how far, and when it closes again."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.predictor.gate import decide

NULL = 0.01


@pytest.mark.parametrize(
    ("residual", "halves", "was_open", "expected"),
    [
        (0.019, (0.02, 0.02), False, False),
        (0.021, (0.02, 0.02), False, True),
        (0.050, (0.11, -0.01), False, False),
        (0.015, (0.02, 0.01), True, True),
        (0.015, (0.04, -0.01), True, True),
        (0.009, (0.01, 0.01), True, False),
        (-0.05, (-0.05, -0.05), True, False),
    ],
)
def test_opening_and_closing(residual: float, halves: tuple[float, float], was_open: bool, expected: bool) -> None:
    gate = decide(residual, NULL, halves, was_open=was_open)
    assert gate.open is expected
    assert (gate.strength > 0) is expected


def test_without_a_null_there_is_no_proof() -> None:
    assert not decide(0.05, 0.0, (0.05, 0.05)).open


@given(st.floats(-0.2, 0.2), st.floats(-0.2, 0.2), st.floats(-0.2, 0.2), st.booleans())
def test_strength_is_a_share_and_zero_when_closed(value: float, one: float, two: float, was_open: bool) -> None:
    gate = decide(value, NULL, (one, two), was_open=was_open)
    assert 0.0 <= gate.strength <= 1.0
    assert gate.open or gate.strength == 0.0
    assert ("0점" in gate.verdict) is not gate.open


def test_more_skill_never_earns_less() -> None:
    strengths = [decide(x / 1000, NULL, (0.1, 0.1)).strength for x in range(0, 100)]
    assert strengths == sorted(strengths)
    assert strengths[-1] == 1.0
