"""Foreign, corrupt and half-written models are refused; the shipped one serves then."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from engine.predictor import checkpoint as checkpoints
from engine.predictor.checkpoint import SHIPPED, BadCheckpoint, Checkpoint, current, load, publish, save


@pytest.fixture(scope="module")
def shipped() -> Checkpoint:
    return load(next(SHIPPED.glob("g1-*")))


def another(shipped: Checkpoint, day: str, weight: float) -> Checkpoint:
    tables = dict(shipped.tables)
    tables["logistic"] = np.array([weight, 1.0], np.float32)
    return Checkpoint(shipped.weights, tables, {**shipped.card, "trained_until": day})


def test_the_shipped_model_is_small_and_whole(shipped: Checkpoint) -> None:
    folder = next(SHIPPED.glob("g1-*"))
    assert sum(path.stat().st_size for path in folder.iterdir()) < 200_000
    assert folder.name == shipped.model_id
    assert shipped.card["market"] == "KRX"
    assert shipped.card["survivors_only"] is True
    assert "KOSPI" in shipped.card["source"]
    assert shipped.card["skill"]["window"].startswith("2022-01-0")
    assert len(list(SHIPPED.glob("g1-*"))) == 1


def test_what_is_saved_is_what_is_read(tmp_path: Path, shipped: Checkpoint) -> None:
    path = save(shipped, tmp_path)
    assert load(path).content_hash == shipped.content_hash
    again = save(shipped, tmp_path / "b")
    assert {p.name: p.read_bytes() for p in path.iterdir()} == {p.name: p.read_bytes() for p in again.iterdir()}


def test_publishing_keeps_the_last_three(tmp_path: Path, shipped: Checkpoint) -> None:
    made = [another(shipped, f"2026-01-0{i}", float(i)) for i in range(1, 6)]
    for checkpoint in made:
        publish(checkpoint, tmp_path)
        assert current(tmp_path)[0].model_id == checkpoint.model_id
    assert len(list(tmp_path.glob("g1-*"))) == checkpoints.KEPT


def _flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    path.write_bytes(bytes(content))


@pytest.mark.parametrize(
    "harm",
    [
        "weights",
        "tables",
        "card",
        "schema",
        "features",
        "truncated",
        "missing",
        "pointer",
        "not-finite",
        "foreign",
        "network",
    ],
)
def test_a_bad_model_is_refused_and_the_shipped_one_serves(tmp_path: Path, shipped: Checkpoint, harm: str) -> None:
    path = publish(another(shipped, "2026-01-01", 1.0), tmp_path)
    card_path = path / "card.json"
    card = json.loads(card_path.read_text(encoding="utf-8"))
    if harm == "weights":
        _flip(path / "weights.safetensors")
    elif harm == "tables":
        _flip(path / "quantiles.npz")
    elif harm == "card":
        card_path.write_text("{", encoding="utf-8")
    elif harm == "schema":
        card_path.write_text(json.dumps(card | {"schema": "g0"}), encoding="utf-8")
    elif harm == "features":
        card_path.write_text(json.dumps(card | {"features": card["features"][:-1]}), encoding="utf-8")
    elif harm == "truncated":
        content = (path / "weights.safetensors").read_bytes()
        (path / "weights.safetensors").write_bytes(content[:1000])
    elif harm == "missing":
        shutil.rmtree(path)
    elif harm == "pointer":
        (tmp_path / "current").write_text("../../etc\n", encoding="utf-8")
    elif harm == "not-finite":
        bad = another(shipped, "2026-01-02", float("nan"))
        publish(bad, tmp_path)
    elif harm == "network":
        weights = {name: value for name, value in shipped.weights.items() if name != "wide.weight"}
        publish(Checkpoint(weights, shipped.tables, shipped.card), tmp_path)
    elif harm == "foreign":
        card_path.write_text('["somebody else\'s"]', encoding="utf-8")
    served, _, remark = current(tmp_path)
    assert served.content_hash == shipped.content_hash
    assert "기본 모델로 대신" in remark


def test_without_any_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpoints, "SHIPPED", tmp_path)
    with pytest.raises(BadCheckpoint, match="기본 모델이 없습니다"):
        current(None)


def test_the_expected_tensors_are_those_of_the_encoder() -> None:
    from engine.predictor.model import Encoder

    assert {name: tuple(value.shape) for name, value in Encoder().state_dict().items()} == checkpoints._WEIGHTS
