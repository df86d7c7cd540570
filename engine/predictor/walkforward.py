"""Walk-forward: refit every 126 days on what was known, forecast the days until the next refit. Purged and embargoed.

Training labels end before the refit day (5 days are purged), and what calibration learns of a day waits until the
outcome of that day is known.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray

from engine.clock import seeded
from engine.predictor.features import QuantileTable, scale_windows
from engine.predictor.panel import NoTrainingData, Panel
from engine.predictor.ranks import day_ranks, training_goal
from engine.predictor.ridge import Ridge, RidgeSolver
from engine.predictor.training import Fitted, Inference, fit, training_cells

REFIT_DAYS: Final = 126
FIRST_TRAINING_DAYS: Final = 252
NULL_DRAWS: Final = 25
_LINEAR_SAMPLES: Final = 30_000
_LINEAR_PENALTY: Final = 1.0

Report = Callable[[float, str], None]


@dataclass
class WalkForward:
    """Out-of-sample forecasts of every usable cell from day ``first`` on; arrays (N, D, …) are NaN before."""

    panel: Panel
    targets: NDArray[np.float32]
    first: int
    starts: list[int]
    rank: NDArray[np.float32]
    ridge: NDArray[np.float32]
    encoder: NDArray[np.float32]
    linear: NDArray[np.float32]
    null: NDArray[np.float32]
    """(D, N, draws), day by day in memory: ridge on labels shuffled within each day."""
    quantiles: NDArray[np.float32]
    """(N, D, 5), scaled and uncorrected."""
    scale: NDArray[np.float32]
    last_fit: Fitted | None = field(default=None)

    @property
    def block(self) -> NDArray[np.int64]:
        """The fit (index into ``starts``) that serves each day, −1 before the first; (D,)."""
        return np.searchsorted(np.array(self.starts), np.arange(len(self.panel.days)), side="right") - 1


def refit_days(panel: Panel, first: int) -> list[int]:
    """Starts of the blocks; counted from the end, so that the last block is whole: it is the hold-out."""
    starts = list(range(len(panel.days) - REFIT_DAYS, first, -REFIT_DAYS))
    return [first, *reversed(starts)] if not starts or starts[-1] > first else list(reversed(starts))


def walk_forward(
    panel: Panel,
    first: int,
    *,
    seed: int,
    targets: NDArray[np.float32] | None = None,
    draws: int = NULL_DRAWS,
    device: torch.device | None = None,
    progress: Report | None = None,
) -> WalkForward:
    """Forecast all days from ``first`` on. ``targets`` default to the day ranks of what followed.

    Raises NoTrainingData where there is too little before ``first``.
    """
    if first < FIRST_TRAINING_DAYS or first >= len(panel.days):
        raise NoTrainingData(f"기간이 짧습니다: 거래일 {len(panel.days)}일 (앞의 {FIRST_TRAINING_DAYS}일은 학습용)")
    if targets is None:
        targets = day_ranks(panel.forward, panel.known)
    shape = panel.usable.shape
    starts = refit_days(panel, first)
    goal = training_goal(panel, targets)

    def blank(*extra: int) -> NDArray[np.float32]:
        return np.full((*shape, *extra), np.nan, np.float32)

    null = np.full((shape[1], shape[0], draws), np.nan, np.float32)
    out = WalkForward(panel, targets, first, starts, blank(), blank(), blank(), blank(), null, blank(5), blank())
    for number, start in enumerate(starts):
        if progress is not None:
            progress(number / len(starts), f"{panel.days[start]}까지로 학습")
        end = starts[number + 1] if number + 1 < len(starts) else shape[1]
        fitted = fit(panel, goal, start, seed=seed, device=device)
        _forecast_block(out, fitted, start, end, device)
        out.last_fit = fitted
    _baselines(out, goal, seed, draws)
    return out


def _forecast_block(out: WalkForward, fitted: Fitted, start: int, end: int, device: torch.device | None) -> None:
    stocks, offsets = np.nonzero(out.panel.usable[:, start:end])
    if not len(stocks):
        return
    cells = (stocks, offsets + start)
    raw = Inference(fitted, device).run(out.panel.features[cells], out.panel.windows(*cells))
    out.rank[cells], out.ridge[cells], out.encoder[cells] = raw.rank, raw.ridge_rank, raw.encoder_rank
    out.quantiles[cells], out.scale[cells] = raw.quantiles, raw.scale


def _baselines(out: WalkForward, aim: NDArray[np.float32], seed: int, draws: int) -> None:
    """Ridge on shuffled labels, and a linear model on the bare windows, fitted on the same days as the model."""
    ends = [*out.starts[1:], len(out.panel.days)]
    for start, end in zip(out.starts, ends, strict=True):
        cells = training_cells(out.panel, aim, start)
        features = out.panel.features[cells]
        table = QuantileTable.fit(features)
        goal = aim[cells].astype(np.float64)
        solver = RidgeSolver(table.ranks(features))
        days = cells[1]
        by_day = np.argsort(days, kind="stable")
        stocks, offsets = np.nonzero(out.panel.usable[:, start:end])
        if not len(stocks):
            continue
        later = (stocks, offsets + start)
        ranks = table.ranks(out.panel.features[later])
        chance = seeded("null", seed, start)
        for draw in range(draws):
            shuffled = np.empty(len(goal))
            # Both orders list the cells day by day; the second in a random order within each day.
            shuffled[by_day] = goal[np.lexsort((chance.random(len(goal)), days))]
            out.null[later[1], later[0], draw] = solver.fit(shuffled).scores(ranks)
        chosen = np.sort(chance.permutation(len(goal))[:_LINEAR_SAMPLES])
        windows = _flat(out.panel, (cells[0][chosen], cells[1][chosen]))
        linear: Ridge = RidgeSolver(windows, _LINEAR_PENALTY).fit(goal[chosen])
        out.linear[later] = linear.scores(_flat(out.panel, later))


def _flat(panel: Panel, cells: tuple[NDArray[np.int64], NDArray[np.int64]]) -> NDArray[np.float32]:
    scaled, _ = scale_windows(panel.windows(*cells))
    return scaled.reshape(len(scaled), -1)
