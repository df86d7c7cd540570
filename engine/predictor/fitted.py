"""Between a fit in memory and a checkpoint on disk."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from engine.predictor.checkpoint import Checkpoint
from engine.predictor.conformal import Logistic
from engine.predictor.features import QuantileTable
from engine.predictor.ridge import Ridge
from engine.predictor.training import Fitted


def checkpoint_of(
    fitted: Fitted, offsets: np.typing.NDArray[np.float32], logistic: Logistic, card: Mapping[str, Any]
) -> Checkpoint:
    tables = {
        "features": fitted.table.points,
        "ridge": fitted.ridge.weights,
        "ridge_scores": fitted.ridge_table,
        "encoder_scores": fitted.encoder_table,
        "average_scores": fitted.average_table,
        "conformal": offsets,
        "logistic": np.array([logistic.intercept, logistic.slope]),
    }
    return Checkpoint(fitted.encoder, {name: np.asarray(table, np.float32) for name, table in tables.items()}, card)


def fitted_of(checkpoint: Checkpoint) -> Fitted:
    tables = checkpoint.tables
    return Fitted(
        {name: np.asarray(value) for name, value in checkpoint.weights.items()},
        QuantileTable(tables["features"]),
        Ridge(tables["ridge"].astype(np.float64)),
        tables["ridge_scores"],
        tables["encoder_scores"],
        tables["average_scores"],
        int(checkpoint.card.get("samples", 0)),
        int(checkpoint.card.get("names", 0)),
    )
