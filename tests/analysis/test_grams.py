"""The character model: reproducible from its own text, packaged, and only consulted where the rules are unsure."""

from __future__ import annotations

import csv
from importlib.resources import files

import numpy as np

from engine.analysis import grams
from engine.analysis.sentiment import classify
from engine.analysis.train import expand, train
from engine.results import Sentiment

FOLDER = files("engine.analysis")


def stored_rows() -> list[tuple[str, Sentiment]]:
    text = (FOLDER / "headlines.csv").read_text(encoding="utf-8")
    return [(row["headline"], Sentiment(row["label"])) for row in csv.DictReader(text.splitlines())]


def test_the_packaged_headlines_are_the_templates_expanded() -> None:
    templates = (FOLDER / "headline_templates.txt").read_text(encoding="utf-8").splitlines()
    assert expand(templates) == stored_rows()
    assert len(stored_rows()) >= 1_000


def test_training_learns_what_it_was_not_shown() -> None:
    lines = (FOLDER / "headline_templates.txt").read_text(encoding="utf-8").splitlines()
    slots = [line for line in lines if line.startswith("= ")]
    templates = [line for line in lines if line[:2] in ("+ ", "0 ", "- ")]
    # Whole templates are left out, so that no sister of a tested headline was seen.
    held = expand([*slots, *templates[::5]])
    shown = expand([*slots, *(line for position, line in enumerate(templates) if position % 5)])
    weights, bias = train(shown)
    neutral = grams.LABELS.index(Sentiment.NEUTRAL)
    right = sum(
        (grams.probabilities(grams.features(text), weights, bias).argmax() == neutral) == (label is Sentiment.NEUTRAL)
        for text, label in held
    )
    polar = sum(label is not Sentiment.NEUTRAL for _, label in held)
    assert right / len(held) > polar / len(held) + 0.03, "better than calling nothing neutral"


def test_the_packaged_weights_are_finite_and_certain_of_a_typical_headline() -> None:
    guess = grams.guess("[인사] 가온증권")
    assert guess is not None
    assert guess.sentiment is Sentiment.NEUTRAL
    stored = grams._weights()
    assert stored is not None
    assert all(np.isfinite(part).all() for part in stored)


def test_a_strong_word_is_not_overruled() -> None:
    assert classify("가온증권 새 대표 취임 행사 날, 전 대표 횡령 구속").sentiment is Sentiment.NEGATIVE
