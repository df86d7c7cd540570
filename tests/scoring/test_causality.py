"""Never look ahead, no scale, and both sides are mirrors of each other."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given as hypothesis_given
from hypothesis import settings
from hypothesis import strategies as st

from engine.market import Bars
from engine.results import Factor
from engine.scorer import ScoreInput, Scorer, structural_stop
from engine.scoring import curves
from engine.smc import fair_value_gaps, session_numbers

from . import reference
from .helpers import random_fifteen, random_input, random_walk, rescaled


def daily_rows(bars: Bars, emit_from: int = 0) -> np.ndarray:
    return curves.daily_facts(bars.high, bars.low, bars.close, emit_from)


def fifteen_rows(bars: Bars, emit_from: int = 0) -> np.ndarray:
    sessions = session_numbers(bars, intraday=True)
    return curves.fifteen_facts(bars.high, bars.low, bars.close, sessions, emit_from)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(("make", "rows"), [(random_walk, daily_rows), (random_fifteen, fifteen_rows)])
def test_prefix_replay(seed: int, make: Callable[..., Bars], rows: Callable[[Bars], np.ndarray]) -> None:
    """Facts of bars[:i] are the first i rows of the facts of all bars, at every cut."""
    bars = make(330, seed)
    everything = rows(bars)
    for cut in range(1, 331):
        np.testing.assert_array_equal(rows(bars[:cut]), everything[:cut])
    assert np.isfinite(everything[-1]).sum() > 10


@pytest.mark.parametrize(("make", "rows"), [(random_walk, daily_rows), (random_fifteen, fifteen_rows)])
def test_last_row_alone_equals_all_rows(make: Callable[..., Bars], rows: Callable[..., np.ndarray]) -> None:
    bars = make(300, "last")
    np.testing.assert_array_equal(rows(bars)[-1], rows(bars, 299)[-1])


def changed(given: ScoreInput, change: Callable[[np.ndarray], np.ndarray]) -> ScoreInput:
    assert given.today_open is not None
    return replace(
        given,
        daily=rescaled(given.daily, change),
        fifteen=rescaled(given.fifteen, change),
        today_open=round(float(change(np.array([float(given.today_open)]))[0])),
    )


@pytest.mark.parametrize("factor", [10.0, 0.2])
def test_scale_changes_nothing(factor: float) -> None:
    scorer = Scorer()
    for seed in range(30):
        given = random_input("scale", seed)
        np.testing.assert_allclose(scorer.points(changed(given, lambda x: x * factor)), scorer.points(given), atol=1e-9)


def test_split_rounded_to_ticks_moves_points_little() -> None:
    """A 1:5 split leaves adjusted history on whole won: points move by rounding only, except where an event flips."""
    scorer = Scorer()
    moves = []
    for seed in range(60):
        given = random_input("split", seed, price=200_000.0)
        split = changed(given, lambda x: np.round(x / 5))
        moves.append(abs(scorer.points(split) - scorer.points(given)).max())
    assert np.median(moves) < 0.05
    assert np.mean(np.array(moves) < 0.5) > 0.9


def test_mirror_turns_the_sign() -> None:
    """S(x) is L of the mirrored input: prices turned over give minus the points, but for the direction."""
    scorer = Scorer()
    seen = np.zeros(len(Factor), bool)
    for seed in range(60):
        given = random_input("mirror", seed)
        before = scorer.points(given)
        after = scorer.points(changed(given, lambda x: 400_000.0 - x))
        np.testing.assert_allclose(after[:8], -before[:8], atol=1e-7)
        seen |= np.abs(before) > 0.5
    assert seen[:8].all()


@settings(max_examples=40, deadline=None)
@hypothesis_given(st.integers(0, 10**6), st.integers(60, 150), st.sampled_from([1.0, 50.0, 400.0]))
def test_daily_factors_equal_the_slow_reference(seed: int, count: int, tick: float) -> None:
    bars = random_walk(count, "reference", seed, tick=tick)
    fast = curves.daily_points(daily_rows(bars, count - 1)[-1:], 60)[0]
    slow = reference.daily_points(bars.high.tolist(), bars.low.tolist(), bars.close.tolist())
    np.testing.assert_allclose(fast, slow, atol=1e-7)


@settings(max_examples=40, deadline=None)
@hypothesis_given(st.integers(0, 10**6), st.integers(15, 130), st.sampled_from([1.0, 50.0, 200.0]))
def test_fifteen_factors_equal_the_slow_reference(seed: int, count: int, tick: float) -> None:
    bars = random_fifteen(count, "reference", seed, tick=tick)
    fast = curves.fifteen_points(fifteen_rows(bars, count - 1)[-1:])[0]
    sessions = bars.dates().tolist()
    slow = reference.fifteen_points(bars.high.tolist(), bars.low.tolist(), bars.close.tolist(), sessions)
    np.testing.assert_allclose(fast, slow, atol=1e-7)


def test_charted_zones_are_the_scored_ones() -> None:
    """The nearest live zone that the chart shows is the one that the score measured."""
    for seed in range(40):
        bars = random_fifteen(130, "zones", seed)
        facts = fifteen_rows(bars, 129)[-1]
        live = [z for z in fair_value_gaps(bars, intraday=True) if z.ended is None]
        ups, downs = [z.top for z in live if z.bullish], [z.bottom for z in live if not z.bullish]
        assert max(ups, default=None) == (facts[curves.F_GAP + 1] if ups else None)
        assert min(downs, default=None) == (facts[curves.F_GAP + 5] if downs else None)
        assert all(z.born.hour * 60 + z.born.minute >= 9 * 60 + 30 for z in live)  # third bar of a session


def test_structural_stop() -> None:
    sources = set()
    for seed in range(80):
        given = random_input("stop", seed)
        entry = int(given.fifteen.close[-1])
        stop = structural_stop(given.fifteen, given.daily, entry)
        sources.add(stop.source)
        assert stop.price < entry
        if stop.zone is None:
            assert 0.97 * entry <= stop.price <= 0.97 * entry + 100
        else:
            assert stop.zone.bullish
            assert stop.price < stop.zone.bottom <= stop.price + 100
            assert 0.005 <= 1 - stop.price / entry <= 0.05
    assert sources == {"fifteen_fvg", "daily_fvg", "fixed"}
    assert structural_stop(Bars.empty(), Bars.empty(), 50_000).price == 48_500
    assert structural_stop(Bars.empty(), Bars.empty(), 10).price == 9
