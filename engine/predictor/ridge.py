"""Ridge regression on the 31 ranks: the yardstick inside the product, and half of the score."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

PENALTY: Final = 0.02
"""Per sample, against rank columns whose variance is about 1/12."""


@dataclass(frozen=True)
class Ridge:
    """``score = ranks @ weights``; only its order matters."""

    weights: NDArray[np.float64]

    def scores(self, ranks: NDArray[np.float32]) -> NDArray[np.float64]:
        out: NDArray[np.float64] = ranks.astype(np.float64) @ self.weights
        return out


class RidgeSolver:
    """Factors the normal equations once, for any number of targets over the same samples (n, 31)."""

    def __init__(self, ranks: NDArray[np.float32], penalty: float = PENALTY) -> None:
        self._ranks = ranks.astype(np.float64)
        self._centre = self._ranks.mean(axis=0)
        centred = self._ranks - self._centre
        gram = centred.T @ centred
        self._inverse = np.linalg.inv(gram + penalty * len(ranks) * np.eye(ranks.shape[1]))
        self._centred = centred

    def fit(self, targets: NDArray[np.float64]) -> Ridge:
        """Targets (n,)."""
        return Ridge(self._inverse @ (self._centred.T @ (targets - targets.mean())))
