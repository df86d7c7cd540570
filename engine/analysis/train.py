"""Train the character model: ``python -m engine.analysis.train``.

Reads ``headline_templates.txt`` (written by hand for this service), expands it to ``headlines.csv`` and writes
``headline_weights.npz``. The same text gives the same files on every machine.
"""

from __future__ import annotations

import csv
import sys
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from engine.analysis.grams import BUCKETS, LABELS, features
from engine.clock import seeded
from engine.results import Sentiment

EXPANSIONS = 4
PASSES = 20
RATE = 0.5
PENALTY = 2e-3


def expand(lines: Sequence[str], each: int = EXPANSIONS) -> list[tuple[str, Sentiment]]:
    """``= slot: a | b`` defines a slot; ``+``, ``0`` or ``-`` before a template labels it. Repeats are left out."""
    slots: dict[str, list[str]] = {}
    templates: list[tuple[str, Sentiment]] = []
    signs = {"+": Sentiment.POSITIVE, "0": Sentiment.NEUTRAL, "-": Sentiment.NEGATIVE}
    for line in lines:
        text = line.strip()
        if not text or text.startswith("#"):
            continue
        if text.startswith("= "):
            name, _, values = text[2:].partition(":")
            slots[name.strip()] = [value.strip() for value in values.split("|")]
        else:
            templates.append((text[2:].strip(), signs[text[0]]))
    found: dict[str, Sentiment] = {}
    for number, (template, label) in enumerate(templates):
        rng = seeded("headlines", number, template)
        for _ in range(each if "{" in template else 1):
            text = template
            while (start := text.find("{")) >= 0:
                end = text.index("}", start)
                choices = slots[text[start + 1 : end]]
                text = text[:start] + choices[int(rng.integers(len(choices)))] + text[end + 1 :]
            found.setdefault(text, label)
    return list(found.items())


def train(rows: Sequence[tuple[str, Sentiment]]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Softmax regression by averaged stochastic gradient steps; classes weigh alike."""
    weights = np.zeros((BUCKETS, len(LABELS)))
    bias = np.zeros(len(LABELS))
    total_weights, total_bias, steps = np.zeros_like(weights), np.zeros_like(bias), 0
    data = [(features(text), LABELS.index(label)) for text, label in rows]
    counts = np.bincount([label for _, label in data], minlength=len(LABELS))
    balance = len(data) / (len(LABELS) * np.maximum(1, counts))
    rng = seeded("headline model", len(data))
    for turn in range(PASSES):
        rate = RATE / (1.0 + 0.3 * turn)
        weights *= 1.0 - rate * PENALTY * 10
        for row in rng.permutation(len(data)):
            buckets, label = data[row]
            scale = 1.0 / np.sqrt(max(1, len(buckets)))
            logits = weights[buckets].sum(axis=0) * scale + bias
            shares = np.exp(logits - logits.max())
            shares /= shares.sum()
            shares[label] -= 1.0
            step = rate * balance[label] * shares
            weights[buckets] -= step * scale
            bias -= 0.1 * step
        if turn >= PASSES // 2:
            total_weights += weights
            total_bias += bias
            steps += 1
    return (total_weights / steps).astype(np.float32), (total_bias / steps).astype(np.float32)


def main() -> int:
    folder = Path(str(files("engine.analysis")))
    rows = expand((folder / "headline_templates.txt").read_text(encoding="utf-8").splitlines())
    with (folder / "headlines.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("headline", "label"))
        writer.writerows((text, label.value) for text, label in rows)
    weights, bias = train(rows)
    np.savez_compressed(folder / "headline_weights.npz", weights=weights.astype(np.float16), bias=bias)
    counts = {label.value: sum(1 for _, known in rows if known is label) for label in LABELS}
    print(f"{len(rows)} headlines: {counts}", file=sys.stderr)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
