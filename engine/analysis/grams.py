"""A character n-gram model for headlines: hashed features, three linear outputs, weights as a packaged npz.

Trained by ``python -m engine.analysis.train`` on headlines written for this service (``headlines.csv``) alone.
"""

from __future__ import annotations

import re
import unicodedata
import zlib
from dataclasses import dataclass
from functools import cache
from importlib.resources import as_file, files
from typing import Final

import numpy as np
from numpy.typing import NDArray

from engine.results import Sentiment

BUCKETS: Final = 16_384
SIZES: Final = (2, 3, 4)
LONGEST: Final = 120
SPEAKS: Final = 0.70
LABELS: Final = (Sentiment.POSITIVE, Sentiment.NEUTRAL, Sentiment.NEGATIVE)
_NUMBER = re.compile(r"\d[\d,.]*")
_NOISE = re.compile(r"[^0-9A-Za-z가-힣%↑↓?!…#]+")


@dataclass(frozen=True, slots=True)
class Guess:
    sentiment: Sentiment
    certainty: float


def normalised(headline: str) -> str:
    """Numbers become ``#``, markup and punctuation a blank: what is left is wording."""
    text = unicodedata.normalize("NFC", headline)[:LONGEST]
    return f" {_NOISE.sub(' ', _NUMBER.sub('#', text)).strip()} "


def features(headline: str) -> NDArray[np.int64]:
    """Distinct buckets of the headline's character n-grams, ascending."""
    text = normalised(headline)
    found = {
        zlib.crc32(text[start : start + size].encode()) % BUCKETS
        for size in SIZES
        for start in range(len(text) - size + 1)
    }
    return np.array(sorted(found), dtype=np.int64)


@cache
def _weights() -> tuple[NDArray[np.float32], NDArray[np.float32]] | None:
    """(weights [BUCKETS, 3], bias [3]); None where the file was not shipped."""
    source = files("engine.analysis") / "headline_weights.npz"
    if not source.is_file():
        return None
    with as_file(source) as path, np.load(path, allow_pickle=False) as stored:
        return stored["weights"].astype(np.float32), stored["bias"].astype(np.float32)


def probabilities(
    rows: NDArray[np.int64], weights: NDArray[np.float32], bias: NDArray[np.float32]
) -> NDArray[np.float64]:
    """Softmax over LABELS for one headline's buckets; features have unit length together."""
    scale = 1.0 / np.sqrt(max(1, len(rows)))
    logits = (weights[rows].sum(axis=0) * scale + bias).astype(np.float64)
    exponent = np.exp(logits - logits.max())
    return np.asarray(exponent / exponent.sum())


def guess(headline: str) -> Guess | None:
    stored = _weights()
    if stored is None:
        return None
    shares = probabilities(features(headline), *stored)
    best = int(shares.argmax())
    return Guess(LABELS[best], float(shares[best]))
