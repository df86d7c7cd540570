"""The encoder: six patches of ten days and one token of 31 ranks through one Transformer layer.

Imports torch: only the worker process and training may import this module.
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from engine.predictor.features import CHANNELS, NAMES, PATCH_DAYS

QUANTILES: Final = (0.1, 0.25, 0.5, 0.75, 0.9)
PATCH: Final = 10
WIDTH: Final = 32
HEADS: Final = 4
HIDDEN: Final = 64
DROPOUT: Final = 0.1


class Encoder(nn.Module):
    """Windows (n, 60, 5) and ranks (n, 31) → sorted quantiles (n, 5) of return / (volatility · √5), and a score (n,)."""

    positions: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.patches = nn.Linear(PATCH * CHANNELS, WIDTH)
        self.numbers = nn.Linear(len(NAMES), WIDTH)
        self.register_buffer("positions", _sinusoids(PATCH_DAYS // PATCH + 1, WIDTH), persistent=False)
        self.attention_norm = nn.LayerNorm(WIDTH)
        self.attention = nn.MultiheadAttention(WIDTH, HEADS, dropout=DROPOUT, batch_first=True)
        self.forward_norm = nn.LayerNorm(WIDTH)
        self.feed_forward = nn.Sequential(nn.Linear(WIDTH, HIDDEN), nn.GELU(), nn.Linear(HIDDEN, WIDTH))
        self.dropout = nn.Dropout(DROPOUT)
        self.final_norm = nn.LayerNorm(WIDTH)
        self.quantile_head = nn.Linear(WIDTH, len(QUANTILES))
        self.score_head = nn.Linear(WIDTH, 1)
        # Straight from the ranks to the score: what is linear in them need not be learnt through the attention.
        self.wide = nn.Linear(len(NAMES), 1, bias=False)
        nn.init.zeros_(self.wide.weight)

    def forward(self, windows: Tensor, ranks: Tensor) -> tuple[Tensor, Tensor]:
        count = windows.shape[0]
        tokens = self.patches(windows.reshape(count, PATCH_DAYS // PATCH, PATCH * CHANNELS))
        tokens = torch.cat((tokens, self.numbers(ranks).unsqueeze(1)), dim=1) + self.positions
        normed = self.attention_norm(tokens)
        attended, _ = self.attention(normed, normed, normed, need_weights=False)
        tokens = tokens + self.dropout(attended)
        tokens = tokens + self.dropout(self.feed_forward(self.forward_norm(tokens)))
        pooled = self.final_norm(tokens).mean(dim=1)
        quantiles, _ = torch.sort(self.quantile_head(pooled), dim=1)
        return quantiles, (self.score_head(pooled) + self.wide(ranks)).squeeze(1)


def _sinusoids(length: int, width: int) -> Tensor:
    place = torch.arange(length, dtype=torch.float32).unsqueeze(1)
    speed = torch.exp(torch.arange(0, width, 2, dtype=torch.float32) * (-math.log(10_000.0) / width))
    out = torch.zeros(length, width)
    out[:, 0::2] = torch.sin(place * speed)
    out[:, 1::2] = torch.cos(place * speed)
    return out


def best_device() -> torch.device:
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def run_encoder(
    encoder: Encoder, windows: NDArray[np.float32], ranks: NDArray[np.float32], batch: int = 8_192
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Scaled quantiles (n, 5) and scores (n,) in batches, without gradients."""
    encoder.eval()
    device = next(encoder.parameters()).device
    quantiles = np.empty((len(windows), len(QUANTILES)), np.float32)
    scores = np.empty(len(windows), np.float32)
    with torch.inference_mode():
        for begin in range(0, len(windows), batch):
            rows = slice(begin, begin + batch)
            q, s = encoder(torch.from_numpy(windows[rows]).to(device), torch.from_numpy(ranks[rows]).to(device))
            quantiles[rows], scores[rows] = q.cpu().numpy(), s.cpu().numpy()
    return quantiles, scores
