"""From bars to a published checkpoint: walk forward, measure, compare with the model in service, replace it or not."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from engine.clock import cpu_seconds
from engine.market import Bars, Code
from engine.predictor import checkpoint as checkpoints
from engine.predictor.checkpoint import BadCheckpoint, Checkpoint
from engine.predictor.fitted import checkpoint_of, fitted_of
from engine.predictor.panel import NoTrainingData, Panel, build_panel
from engine.predictor.ranks import MINIMUM_DAY_NAMES, correlations, ranked
from engine.predictor.skill import Skill, logistic_at, measure, offsets_at, scaled_outcomes
from engine.predictor.training import Inference, prepare_torch
from engine.predictor.walkforward import FIRST_TRAINING_DAYS, REFIT_DAYS, Report, WalkForward, walk_forward

TEST_DAYS: Final = 1_008
"""About four years are measured where the history is that long."""
SEED: Final = 7


@dataclass(frozen=True)
class Measured:
    walk: WalkForward
    skill: Skill
    checkpoint: Checkpoint


def first_days(panel: Panel, test_from: np.datetime64 | None = None) -> tuple[int, int]:
    """Where forecasting starts and where measuring starts: half a year of forecasts first calibrates the bands.

    Raises NoTrainingData.
    """
    days = len(panel.days)
    wanted = max(0, days - TEST_DAYS) if test_from is None else int(np.searchsorted(panel.days, test_from))
    start = max(FIRST_TRAINING_DAYS, wanted - REFIT_DAYS)
    measured = max(wanted, start + REFIT_DAYS)
    if measured + REFIT_DAYS > days:
        raise NoTrainingData(
            f"거래일이 {days}일뿐이라 잴 수 없습니다 ({FIRST_TRAINING_DAYS + 2 * REFIT_DAYS}일 이상 필요)"
        )
    return start, measured


def train_and_measure(
    panel: Panel,
    *,
    market: str,
    source: str,
    seed: int = SEED,
    test_from: np.datetime64 | None = None,
    was_open: bool = False,
    progress: Report | None = None,
) -> Measured:
    """The checkpoint is the last refit of the walk-forward: it never saw the last 126 days, which calibrate it.

    Raises NoTrainingData.
    """
    prepare_torch()
    begun = cpu_seconds()
    start, measured = first_days(panel, test_from)
    walk = walk_forward(panel, start, seed=seed, progress=progress)
    seconds = cpu_seconds() - begun
    skill = measure(walk, measured, was_open=was_open)
    return Measured(walk, skill, _checkpoint(walk, skill, market, source, seed, seconds / len(walk.starts)))


def _checkpoint(walk: WalkForward, skill: Skill, market: str, source: str, seed: int, seconds: float) -> Checkpoint:
    import torch

    panel, fitted = walk.panel, walk.last_fit
    assert fitted is not None
    end = len(panel.days)
    card: dict[str, Any] = {
        "market": market,
        "source": source,
        "trained_until": str(panel.days[walk.starts[-1] - 1]),
        "data_until": str(panel.days[-1]),
        "names": fitted.names,
        "samples": fitted.samples,
        "skill": skill.card(),
        "survivors_only": True,
        "seed": seed,
        "threads": torch.get_num_threads(),
        "torch": torch.__version__.split("+")[0],
        "data_hash": panel.digest[:16],
        "cpu_seconds_per_fit": round(seconds, 1),
    }
    return checkpoint_of(fitted, offsets_at(walk, scaled_outcomes(walk), end), logistic_at(walk, end), card)


def hold_out_rank_ic(checkpoint: Checkpoint, walk: WalkForward) -> float:
    """Mean rank IC of a checkpoint on the last block, which the walk-forward's last fit has not seen."""
    cells = walk.panel.known.copy()
    cells[:, : walk.starts[-1]] = False
    stocks, days = np.nonzero(cells)
    if not len(stocks):
        return math.nan
    inference = Inference(fitted_of(checkpoint))
    raw = inference.run(walk.panel.features[stocks, days], walk.panel.windows(stocks, days))
    values: list[float] = []
    for day in np.unique(days):
        mine = np.flatnonzero(days == day)
        if len(mine) >= MINIMUM_DAY_NAMES:
            outcome = ranked(walk.panel.forward[stocks[mine], day])
            values.append(float(correlations(ranked(raw.rank[mine])[None, :], outcome)[0]))
    return float(np.mean(values)) if values else math.nan


def retrain(
    histories: Mapping[Code, Bars],
    markets: Mapping[Code, str],
    *,
    folder: Path,
    market: str,
    source: str,
    seed: int = SEED,
    progress: Report | None = None,
) -> dict[str, Any]:
    """Train, and publish into ``folder`` unless the model in service is better on the hold-out.

    Returns what the service is told: ``published``, ``model_id``, ``message``. Raises NoTrainingData.
    """
    panel = build_panel(histories, markets)
    try:
        old, _, _ = checkpoints.current(folder)
    except BadCheckpoint:
        old = None
    was_open = old is not None and old.card.get("market") == market and bool(_skill(old).get("open"))
    made = train_and_measure(panel, market=market, source=source, seed=seed, was_open=was_open, progress=progress)
    new_ic = hold_out_rank_ic(made.checkpoint, made.walk)
    if old is not None:
        old_ic = hold_out_rank_ic(old, made.walk)
        if not new_ic >= old_ic:
            message = f"새 모델이 더 낫지 않아 지금 모델을 계속 씁니다 (순위 상관 {new_ic:+.3f} 대 {old_ic:+.3f})"
            return {"published": False, "model_id": old.model_id, "message": message}
    checkpoints.publish(made.checkpoint, folder)
    message = f"새 모델을 씁니다 (검증 순위 상관 {new_ic:+.3f}). {made.skill.gate.verdict}"
    return {"published": True, "model_id": made.checkpoint.model_id, "message": message}


def _skill(checkpoint: Checkpoint) -> Mapping[str, Any]:
    skill = checkpoint.card.get("skill")
    return skill if isinstance(skill, Mapping) else {}
