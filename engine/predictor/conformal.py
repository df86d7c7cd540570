"""Conformal correction of the quantiles, and the probability of beating the market's median: fitted on days whose
outcome the model had not seen."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

LEVELS: Final = (0.1, 0.25, 0.5, 0.75, 0.9)
CONFORMAL_DAYS: Final = 126
MAXIMUM_PROBABILITY_DAYS: Final = 504


def conformal_offsets(outcomes: NDArray[np.float32], quantiles: NDArray[np.float32]) -> NDArray[np.float32]:
    """What to add to each quantile (5,) so that it holds on the given outcomes (n,) and quantiles (n, 5).

    One number per side and width; the median is left alone: its error over half a year is the market's move, which
    nobody can promise to repeat.
    """
    offsets = np.zeros(len(LEVELS), np.float32)
    if not len(outcomes):
        return offsets
    for i, level in enumerate(LEVELS):
        if level != 0.5:
            offsets[i] = np.quantile(outcomes - quantiles[:, i], level)
    return offsets


def corrected(quantiles: NDArray[np.float32], offsets: NDArray[np.float32]) -> NDArray[np.float32]:
    """Quantiles (n, 5) with their offsets, in ascending order again."""
    out: NDArray[np.float32] = np.sort(quantiles + offsets, axis=1)
    return out


@dataclass(frozen=True)
class Logistic:
    """``P(beats the median) = 1 / (1 + exp(−(intercept + slope · (rank − ½))))``."""

    intercept: float = 0.0
    slope: float = 0.0

    @classmethod
    def fit(cls, ranks: NDArray[np.float64], won: NDArray[np.bool_], steps: int = 20) -> Logistic:
        """Newton's method on percentiles (n,) and whether the stock beat the day's median (n,)."""
        if len(ranks) < 100 or won.all() or not won.any():
            return cls()
        inputs = np.stack((np.ones(len(ranks)), ranks - 0.5), axis=1)
        weights = np.zeros(2)
        for _ in range(steps):
            chance = _sigmoid(inputs @ weights)
            gradient = inputs.T @ (won - chance) - weights
            curvature = (inputs * (chance * (1.0 - chance))[:, None]).T @ inputs + np.eye(2)
            weights = weights + np.linalg.solve(curvature, gradient)
        return cls(float(weights[0]), float(weights[1]))

    def probability(self, ranks: NDArray[np.float64]) -> NDArray[np.float64]:
        return _sigmoid(self.intercept + self.slope * (ranks - 0.5))


def _sigmoid(x: NDArray[np.float64]) -> NDArray[np.float64]:
    out: NDArray[np.float64] = 1.0 / (1.0 + np.exp(-np.clip(x, -30.0, 30.0)))
    return out
