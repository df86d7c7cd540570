"""What the report says of a planted signal and of shuffled labels, and that the future never reaches the past."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.clock import seeded
from engine.market import Bars
from engine.predictor.checkpoint import Checkpoint
from engine.predictor.features import PATCH_DAYS, QuantileTable
from engine.predictor.fitted import checkpoint_of, fitted_of
from engine.predictor.inputs import window_of
from engine.predictor.panel import Panel, build_panel
from engine.predictor.ranks import day_ranks, training_goal
from engine.predictor.ridge import RidgeSolver
from engine.predictor.skill import Skill, logistic_at, measure, offsets_at, scaled_outcomes
from engine.predictor.training import Inference, fit, prepare_torch
from engine.predictor.walkforward import WalkForward, walk_forward
from engine.predictor.worker import forecast
from engine.scoring.inputs import DirectionInput
from engine.scoring.points import direction_points
from tests.predictor.made import market, walk

pytestmark = pytest.mark.timeout(400)

NAMES, DAYS, FIRST = 50, 640, 260
MEASURED = FIRST + 126


@pytest.fixture(scope="module", autouse=True)
def _torch() -> None:
    prepare_torch()


@pytest.fixture(scope="module")
def planted() -> Panel:
    return build_panel(market(NAMES, DAYS, reversal=1.0), {f"{100_000 + i:06d}": "AB"[i % 2] * 3 for i in range(NAMES)})


@pytest.fixture(scope="module")
def walked(planted: Panel) -> WalkForward:
    return walk_forward(planted, FIRST, seed=1, draws=10)


@pytest.fixture(scope="module")
def skill(walked: WalkForward) -> Skill:
    return measure(walked, MEASURED)


def shuffled_within_days(targets: np.ndarray, seed: int) -> np.ndarray:
    out = targets.copy()
    chance = seeded("labels", seed)
    for day in range(out.shape[1]):
        rows = np.flatnonzero(np.isfinite(out[:, day]))
        out[rows, day] = out[chance.permutation(rows), day]
    return out


def test_a_planted_signal_is_found_and_earns_points(skill: Skill) -> None:
    assert skill.residual["model"] > 4 * skill.null_residual[1]
    assert skill.gate.open
    assert skill.gate.strength > 0
    assert skill.relative[1] > 0.5, "better than a coin beyond its interval"
    assert "예측력 있음" in skill.gate.verdict
    assert skill.raw["model"] > skill.raw["low_volatility"]
    assert skill.deciles[0] < 0 < skill.deciles[-1]
    assert set(skill.by_market) == {"AAA", "BBB"}
    assert direction_points(DirectionInput(0.02, skill.gate.strength, "m")) < -1.0
    assert direction_points(DirectionInput(0.98, skill.gate.strength, "m")) > 0.3


def test_the_band_covers_what_it_says(skill: Skill) -> None:
    assert 0.77 < skill.coverage < 0.83
    assert 0.74 < skill.coverage_served < 0.86


def test_shuffled_labels_are_reported_as_none(planted: Panel) -> None:
    targets = shuffled_within_days(day_ranks(planted.forward, planted.known), 3)
    blind = measure(walk_forward(planted, FIRST, seed=1, targets=targets, draws=10), MEASURED)
    assert not blind.gate.open
    assert blind.gate.strength == 0.0
    assert blind.gate.verdict.startswith("측정 가능한 예측력 없음 — 방향 팩터 0점")
    assert direction_points(DirectionInput(0.02, blind.gate.strength, "m")) == 0.0


def test_shuffled_labels_average_to_nothing(planted: Panel) -> None:
    targets = day_ranks(planted.forward, planted.known)
    stocks, days = np.nonzero(np.isfinite(targets[:, :400]))
    ranks = QuantileTable.fit(planted.features[stocks, days]).ranks(planted.features[stocks, days])
    solver = RidgeSolver(ranks)
    held = np.nonzero(np.isfinite(targets[:, 420:]))
    later = QuantileTable.fit(planted.features[stocks, days]).ranks(planted.features[held[0], held[1] + 420])
    outcome = targets[held[0], held[1] + 420]
    means = [
        np.corrcoef(solver.fit(shuffled_within_days(targets, s)[stocks, days].astype(float)).scores(later), outcome)[
            0, 1
        ]
        for s in range(25)
    ]
    assert abs(float(np.mean(means))) < 3.0 * float(np.std(means)) / 5.0


def test_same_seed_and_data_give_the_same_model(planted: Panel, walked: WalkForward) -> None:
    targets = day_ranks(planted.forward, planted.known)
    goal = training_goal(planted, targets)
    one, two = (fit(planted, goal, 400, seed=7) for _ in range(2))
    other = fit(planted, goal, 400, seed=8)
    outcomes = scaled_outcomes(walked)

    def made(fitted: object) -> Checkpoint:
        return checkpoint_of(fitted, offsets_at(walked, outcomes, DAYS), logistic_at(walked, DAYS), {})  # type: ignore[arg-type]

    assert made(one).content_hash == made(two).content_hash
    assert made(one).content_hash != made(other).content_hash


def perturbed(bars: Bars, cut: int, seed: int) -> Bars:
    """The same bars up to row ``cut`` (exclusive), other ones after."""
    chance = seeded("perturbed", seed)
    scale = np.ones(len(bars))
    scale[cut:] = np.exp(np.cumsum(chance.normal(0.0, 0.05, len(bars) - cut)).clip(-1, 1))
    volume = bars.volume.copy()
    volume[cut:] = chance.integers(1, 10**7, len(bars) - cut)
    return Bars(bars.start, bars.open * scale, bars.high * scale, bars.low * scale, bars.close * scale, volume)


@settings(max_examples=3)
@given(cut=st.integers(min_value=FIRST + 20, max_value=FIRST + 110), seed=st.integers(0, 10**6))
def test_the_future_changes_no_earlier_forecast(cut: int, seed: int) -> None:
    """Of the whole walk-forward: refits, tables, conformal and logistic calibration."""
    histories = market(25, FIRST + 140, reversal=1.0)
    before = walk_forward(build_panel(histories), FIRST, seed=1, draws=1)
    after = walk_forward(
        build_panel({code: perturbed(bars, cut, seed + i) for i, (code, bars) in enumerate(histories.items())}),
        FIRST,
        seed=1,
        draws=1,
    )
    # The last fits start at days that do not depend on the data, so the earlier ones must be equal to the bit.
    for name in ("rank", "ridge", "encoder", "linear", "quantiles", "scale"):
        a, b = getattr(before, name)[:, :cut], getattr(after, name)[:, :cut]
        np.testing.assert_array_equal(a, b, err_msg=name)
    np.testing.assert_array_equal(before.null[:cut], after.null[:cut])
    np.testing.assert_array_equal(
        offsets_at(before, scaled_outcomes(before), cut), offsets_at(after, scaled_outcomes(after), cut)
    )
    assert logistic_at(before, cut) == logistic_at(after, cut)


@settings(max_examples=15)
@given(cut=st.integers(min_value=PATCH_DAYS + 2, max_value=319), seed=st.integers(0, 10**6))
def test_features_read_the_past_only(cut: int, seed: int) -> None:
    bars = walk("000001", 320)
    one = build_panel({"000001": bars})
    two = build_panel({"000001": perturbed(bars, cut, seed)})
    np.testing.assert_array_equal(one.features[:, :cut], two.features[:, :cut])
    np.testing.assert_array_equal(one.channels[0][:cut], two.channels[0][:cut])
    np.testing.assert_array_equal(one.forward[:, : cut - 5], two.forward[:, : cut - 5])


def test_windows_skip_halts_and_pad_the_young() -> None:
    bars = walk("000001", 320)
    whole = window_of(bars)
    np.testing.assert_array_equal(whole[3], bars.close[-241:])
    np.testing.assert_array_equal(window_of(bars, 300), window_of(bars[:300]))
    volume = bars.volume.copy()
    volume[310] = 0
    halted = window_of(Bars(bars.start, bars.open, bars.high, bars.low, bars.close, volume))
    np.testing.assert_array_equal(halted[3], np.delete(bars.close, 310)[-241:])
    young = window_of(bars[-70:])
    assert np.isnan(young[:, :-70]).all()
    np.testing.assert_array_equal(young[0, -70:], bars.open[-70:])


def test_serving_equals_the_report(planted: Panel, walked: WalkForward) -> None:
    """The service's path from bars to rank gives what the walk-forward gave for the same day."""
    assert walked.last_fit is not None
    histories = market(NAMES, DAYS, reversal=1.0)
    checkpoint = checkpoint_of(walked.last_fit, np.zeros(5, np.float32), logistic_at(walked, DAYS), {})
    inference = Inference(fitted_of(checkpoint))
    day = DAYS - 3
    stocks = list(histories)
    windows = np.stack([window_of(histories[code][: day + 1]) for code in stocks], axis=1)
    answer = forecast(inference, checkpoint.tables, windows)
    np.testing.assert_allclose(answer["rank"], walked.rank[:, day], atol=2e-4)
    returns = np.array(answer["returns"])
    np.testing.assert_allclose(returns, walked.quantiles[:, day] * walked.scale[:, day, None], atol=1e-5, rtol=1e-3)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU on this machine")
def test_a_gpu_answers_as_the_processor_does(planted: Panel, walked: WalkForward) -> None:
    assert walked.last_fit is not None
    stocks, days = np.nonzero(planted.usable[:, 400:420])
    features, windows = planted.features[stocks, days + 400], planted.windows(stocks, days + 400)
    one = Inference(walked.last_fit, torch.device("cpu")).run(features, windows)
    two = Inference(walked.last_fit, torch.device("cuda")).run(features, windows)
    np.testing.assert_allclose(one.rank, two.rank, atol=1e-3)
    np.testing.assert_allclose(one.quantiles, two.quantiles, atol=1e-3)


def test_a_split_or_a_halt_makes_days_unusable() -> None:
    bars = walk("000001", 320)
    columns = {name: getattr(bars, name).copy() for name in ("start", "open", "high", "low", "close", "volume")}
    for name in ("open", "high", "low", "close"):
        columns[name][200:] /= 5.0
    panel = build_panel({"000001": Bars(**columns)})
    assert panel.usable[0, 199]
    assert not panel.usable[0, 200:].any(), "the tear stays inside what a forecast reads"
    assert np.isnan(panel.forward[0, 195:200]).all()
    assert np.isfinite(panel.forward[0, 200:310]).all()
    idle = replace(bars)
    volume = idle.volume.copy()
    volume[250:254] = 0
    panel = build_panel({"000001": Bars(bars.start, bars.open, bars.high, bars.low, bars.close, volume)})
    assert panel.usable[0, 249]
    assert not panel.usable[0, 254:309].any()
    assert panel.usable[0, 315]
