"""Fit the encoder and the ridge on the known cells of a panel. Same seed, data and thread count: same bytes.

Imports torch: only the worker process and ``gaemi train`` may import this module.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from engine.clock import seeded
from engine.predictor.features import HORIZON, QuantileTable, scale_windows
from engine.predictor.model import QUANTILES, Encoder, best_device, run_encoder
from engine.predictor.panel import NoTrainingData, Panel
from engine.predictor.ridge import Ridge, RidgeSolver

TRAINING_DAYS: Final = 756
MAXIMUM_SAMPLES: Final = 60_000
_PASSES: Final = 2
_BATCH: Final = 2_048
_LEARNING_RATE: Final = 4e-3
_SCORE_WEIGHT: Final = 0.5
_LARGEST_TARGET: Final = 6.0
_PERCENTS: Final = np.arange(101.0)

Cells = tuple[NDArray[np.int64], NDArray[np.int64]]
"""Stock and day indices of cells in a panel."""


@dataclass(frozen=True)
class Fitted:
    """What one fit yields. The score tables (101,) turn a score into its percentile among the training cells."""

    encoder: dict[str, NDArray[np.float32]]
    table: QuantileTable
    ridge: Ridge
    ridge_table: NDArray[np.float32]
    encoder_table: NDArray[np.float32]
    average_table: NDArray[np.float32]
    samples: int
    names: int


@dataclass(frozen=True)
class Raw:
    """Uncorrected output for n cells: percentiles (n,), scaled quantiles (n, 5), and the scale (n,) to returns."""

    rank: NDArray[np.float64]
    ridge_rank: NDArray[np.float64]
    encoder_rank: NDArray[np.float64]
    quantiles: NDArray[np.float32]
    scale: NDArray[np.float64]


def prepare_torch(threads: int = 1) -> None:
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # what CUDA asks for before it is deterministic
    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(True)


def training_cells(panel: Panel, targets: NDArray[np.float32], end: int, days: int = TRAINING_DAYS) -> Cells:
    """Cells of the last ``days`` days before day ``end`` whose outcome was known by then: 5 days are purged."""
    mask = np.zeros(panel.usable.shape, bool)
    first, last = max(0, end - days), max(0, end - HORIZON)
    mask[:, first:last] = panel.known[:, first:last] & np.isfinite(targets[:, first:last])
    stocks, when = np.nonzero(mask)
    return stocks, when


def fit(
    panel: Panel,
    goal: NDArray[np.float32],
    end: int,
    *,
    seed: int,
    device: torch.device | None = None,
) -> Fitted:
    """Train on what was known when day ``end`` began. ``goal`` (N, D) is that of ranks.training_goal.

    Raises NoTrainingData.
    """
    stocks, days = training_cells(panel, goal, end)
    if len(stocks) < 2_000:
        raise NoTrainingData(f"학습에 쓸 표본이 {len(stocks)}개뿐입니다 (2,000개 이상 필요)")
    features = panel.features[stocks, days]
    table = QuantileTable.fit(features)
    ranks = table.ranks(features)
    ridge = RidgeSolver(ranks).fit(goal[stocks, days].astype(np.float64))
    names = len(np.unique(stocks))
    if len(stocks) > MAXIMUM_SAMPLES:
        chosen = np.sort(seeded("samples", seed).permutation(len(stocks))[:MAXIMUM_SAMPLES])
        stocks, days, ranks = stocks[chosen], days[chosen], ranks[chosen]
    windows, volatility = scale_windows(panel.windows(stocks, days))
    scaled = panel.forward[stocks, days] / (np.maximum(volatility, 1e-6) * np.float32(np.sqrt(HORIZON)))
    outcome: NDArray[np.float32] = np.clip(scaled, -_LARGEST_TARGET, _LARGEST_TARGET).astype(np.float32)
    encoder = _train(windows, ranks, outcome, goal[stocks, days], seed, device or best_device())
    _, scores = run_encoder(encoder, windows, ranks)
    ridge_scores = ridge.scores(ranks)
    ridge_table = np.percentile(ridge_scores, _PERCENTS).astype(np.float32)
    encoder_table = np.percentile(scores, _PERCENTS).astype(np.float32)
    average = percentile(ridge_table, ridge_scores) + percentile(encoder_table, scores)
    state = {name: value.detach().cpu().numpy() for name, value in encoder.state_dict().items()}
    average_table = np.percentile(average, _PERCENTS).astype(np.float32)
    return Fitted(state, table, ridge, ridge_table, encoder_table, average_table, len(stocks), names)


def percentile(table: NDArray[np.float32], scores: NDArray[np.float32] | NDArray[np.float64]) -> NDArray[np.float64]:
    """Percentile 0..1 of scores in a table of 101 points."""
    return np.interp(scores.astype(np.float64), table.astype(np.float64), _PERCENTS / 100.0)


def _train(
    windows: NDArray[np.float32],
    ranks: NDArray[np.float32],
    outcome: NDArray[np.float32],
    goal: NDArray[np.float32],
    seed: int,
    device: torch.device,
) -> Encoder:
    torch.manual_seed(seed)
    encoder = Encoder().to(device).train()
    optimiser = torch.optim.AdamW(encoder.parameters(), lr=_LEARNING_RATE)
    steps = _PASSES * -(-len(windows) // _BATCH)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, _LEARNING_RATE, total_steps=steps)
    data = [torch.from_numpy(x).to(device) for x in (windows, ranks, outcome, goal)]
    levels = torch.tensor(QUANTILES, device=device)
    order = torch.Generator().manual_seed(seed)
    for _ in range(_PASSES):
        for rows in torch.randperm(len(windows), generator=order).to(device).split(_BATCH):  # type: ignore[no-untyped-call]
            window, rank, target, place = (x[rows] for x in data)
            quantiles, score = encoder(window, rank)
            error = target.unsqueeze(1) - quantiles
            pinball = torch.maximum(levels * error, (levels - 1.0) * error).mean()
            loss = pinball + _SCORE_WEIGHT * functional.mse_loss(score, place)
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            torch.nn.utils.clip_grad_norm_(encoder.parameters(), 1.0)
            optimiser.step()
            schedule.step()
    return encoder


class Inference:
    """A fit made ready to answer: one function for the service, the report and the backtest."""

    def __init__(self, fitted: Fitted, device: torch.device | None = None) -> None:
        self._fitted = fitted
        self._encoder = Encoder()
        self._encoder.load_state_dict({name: torch.from_numpy(value.copy()) for name, value in fitted.encoder.items()})
        self._encoder.to(device or torch.device("cpu"))

    def run(self, features: NDArray[np.float32], windows: NDArray[np.float32]) -> Raw:
        """Features (n, 31) and unscaled channels (n, 60, 5) that end on the day of the forecast."""
        fitted = self._fitted
        scaled, volatility = scale_windows(windows)
        ranks = fitted.table.ranks(features)
        quantiles, scores = run_encoder(self._encoder, scaled, ranks)
        ridge_rank = percentile(fitted.ridge_table, fitted.ridge.scores(ranks))
        encoder_rank = percentile(fitted.encoder_table, scores)
        rank = percentile(fitted.average_table, ridge_rank + encoder_rank)
        return Raw(rank, ridge_rank, encoder_rank, quantiles, volatility.astype(np.float64) * np.sqrt(HORIZON))
