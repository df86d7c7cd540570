"""The model on disk: ``weights.safetensors``, ``quantiles.npz`` and ``card.json``, checked by hash, replaced atomically.

Weights and aggregate tables only; no row of the data it was trained on. No pickle. This module does not import torch.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from engine.predictor.features import CHANNELS, HORIZON, NAMES, PATCH_DAYS

SCHEMA: Final = "g1"
SHIPPED: Final = Path(__file__).parent / "shipped"
MAXIMUM_BYTES: Final = 200_000
KEPT: Final = 3
_POINTER: Final = "current"
_FILES: Final = ("weights.safetensors", "quantiles.npz")
_TABLES: Final = {
    "features": (len(NAMES), 101),
    "ridge": (len(NAMES),),
    "ridge_scores": (101,),
    "encoder_scores": (101,),
    "average_scores": (101,),
    "conformal": (5,),
    "logistic": (2,),
}

_WIDTH, _HIDDEN, _PATCH_INPUTS = 32, 64, 10 * CHANNELS
_WEIGHTS: Final = {
    "patches.weight": (_WIDTH, _PATCH_INPUTS),
    "patches.bias": (_WIDTH,),
    "numbers.weight": (_WIDTH, len(NAMES)),
    "numbers.bias": (_WIDTH,),
    "attention_norm.weight": (_WIDTH,),
    "attention_norm.bias": (_WIDTH,),
    "attention.in_proj_weight": (3 * _WIDTH, _WIDTH),
    "attention.in_proj_bias": (3 * _WIDTH,),
    "attention.out_proj.weight": (_WIDTH, _WIDTH),
    "attention.out_proj.bias": (_WIDTH,),
    "forward_norm.weight": (_WIDTH,),
    "forward_norm.bias": (_WIDTH,),
    "feed_forward.0.weight": (_HIDDEN, _WIDTH),
    "feed_forward.0.bias": (_HIDDEN,),
    "feed_forward.2.weight": (_WIDTH, _HIDDEN),
    "feed_forward.2.bias": (_WIDTH,),
    "final_norm.weight": (_WIDTH,),
    "final_norm.bias": (_WIDTH,),
    "quantile_head.weight": (5, _WIDTH),
    "quantile_head.bias": (5,),
    "score_head.weight": (1, _WIDTH),
    "score_head.bias": (1,),
    "wide.weight": (1, len(NAMES)),
}
"""The encoder's tensors, so that a foreign model is refused without loading torch."""


class BadCheckpoint(ValueError):
    """The files are not a model of this program; the message says why, in Korean."""


@dataclass(frozen=True)
class Checkpoint:
    """Encoder tensors by name, the tables named in ``_TABLES``, and the card that is shown to people."""

    weights: Mapping[str, NDArray[np.float32]]
    tables: Mapping[str, NDArray[np.float32]]
    card: Mapping[str, Any] = field(default_factory=dict)

    @property
    def content_hash(self) -> str:
        """Over every number of the model: equal models, equal hash."""
        state = hashlib.sha256()
        for group in (self.weights, self.tables):
            for name in sorted(group):
                values = np.ascontiguousarray(group[name], dtype=np.float32)
                state.update(f"{name}{values.shape}".encode() + values.tobytes())
        return state.hexdigest()

    @property
    def model_id(self) -> str:
        return f"{SCHEMA}-{self.card.get('trained_until', '')}-{self.content_hash[:8]}"


def description() -> dict[str, object]:
    """What a card must agree on with this program."""
    return {"schema": SCHEMA, "features": list(NAMES), "horizon": HORIZON, "window": [PATCH_DAYS, CHANNELS]}


def save(checkpoint: Checkpoint, folder: Path) -> Path:
    """Write into ``folder/<model id>`` and return that path. Readers see all of it or nothing."""
    from safetensors.numpy import save_file

    target = folder / checkpoint.model_id
    folder.mkdir(parents=True, exist_ok=True)
    temporary = folder / f".{checkpoint.model_id}.{os.getpid()}"
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir()
    weights = {name: np.ascontiguousarray(value) for name, value in sorted(checkpoint.weights.items())}
    save_file(weights, str(temporary / _FILES[0]))
    with (temporary / _FILES[1]).open("wb") as file:
        np.savez(file, allow_pickle=False, **{name: checkpoint.tables[name] for name in sorted(_TABLES)})
    card = {
        **checkpoint.card,
        **description(),
        "model_id": checkpoint.model_id,
        "content_hash": checkpoint.content_hash,
        "files": {name: _digest(temporary / name) for name in _FILES},
    }
    (temporary / "card.json").write_text(json.dumps(card, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    for path in temporary.iterdir():
        path.chmod(0o644)
        with path.open("rb") as opened:
            os.fsync(opened.fileno())
    if target.exists():
        shutil.rmtree(target)
    os.replace(temporary, target)
    _sync(folder)
    return target


def load(folder: Path) -> Checkpoint:
    """Read and check one model. Raises BadCheckpoint."""
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    try:
        size = sum((folder / name).stat().st_size for name in (*_FILES, "card.json"))
        if size > MAXIMUM_BYTES:
            raise BadCheckpoint(f"모델 파일이 너무 큽니다 ({size:,}바이트)")
        card = json.loads((folder / "card.json").read_text(encoding="utf-8"))
        if not isinstance(card, dict):
            raise BadCheckpoint("모델 카드의 형식이 다릅니다")
        for name, expected in description().items():
            if card.get(name) != expected:
                raise BadCheckpoint(f"다른 형식의 모델입니다 ({name})")
        for name in _FILES:
            if (card.get("files") or {}).get(name) != _digest(folder / name):
                raise BadCheckpoint(f"{name} 파일이 카드와 다릅니다 (손상)")
        weights = load_file(str(folder / _FILES[0]))
        with (folder / _FILES[1]).open("rb") as file, np.load(file, allow_pickle=False) as stored:
            tables = {name: stored[name] for name in stored.files}
    except (
        OSError,
        json.JSONDecodeError,
        UnicodeDecodeError,
        SafetensorError,
        BadZipFile,
        EOFError,
        KeyError,
    ) as error:
        raise BadCheckpoint(f"모델을 읽을 수 없습니다: {error}") from error
    except ValueError as error:
        if isinstance(error, BadCheckpoint):
            raise
        raise BadCheckpoint(f"모델을 읽을 수 없습니다: {error}") from error
    if {name: table.shape for name, table in tables.items()} != _TABLES:
        raise BadCheckpoint("모델 표의 크기가 다릅니다")
    if {name: weight.shape for name, weight in weights.items()} != _WEIGHTS:
        raise BadCheckpoint("신경망의 크기가 다릅니다")
    arrays = [*weights.values(), *tables.values()]
    if not all(a.dtype == np.float32 and np.isfinite(a).all() for a in arrays):
        raise BadCheckpoint("모델에 숫자가 아닌 값이 있습니다")
    checkpoint = Checkpoint(weights, tables, card)
    if card.get("content_hash") != checkpoint.content_hash:
        raise BadCheckpoint("모델의 해시가 카드와 다릅니다")
    return checkpoint


def publish(checkpoint: Checkpoint, folder: Path) -> Path:
    """Save, make it the current one, and drop all but the last three."""
    path = save(checkpoint, folder)
    pointer = folder / _POINTER
    temporary = folder / f".{_POINTER}.{os.getpid()}"
    temporary.write_text(path.name + "\n", encoding="utf-8")
    os.replace(temporary, pointer)
    _sync(folder)
    others = sorted(
        (p for p in folder.iterdir() if p.is_dir() and p.name.startswith(f"{SCHEMA}-") and p != path),
        key=lambda p: (p.stat().st_mtime, p.name),
    )
    for old in others[: max(0, len(others) - KEPT + 1)]:
        shutil.rmtree(old, ignore_errors=True)
    return path


def current(folder: Path | None) -> tuple[Checkpoint, Path, str]:
    """The model to serve, where it lies, and a Korean remark on a local one that was refused (else empty).

    Falls back to the shipped one. Raises BadCheckpoint where that one is unusable too.
    """
    remark = ""
    if folder is not None and (folder / _POINTER).is_file():
        try:
            name = (folder / _POINTER).read_text(encoding="utf-8").strip()
            if not name or Path(name).name != name:
                raise BadCheckpoint("모델 이름이 잘못되었습니다")
            return load(folder / name), folder / name, ""
        except (BadCheckpoint, OSError, UnicodeDecodeError) as error:
            remark = f"저장된 모델을 쓸 수 없어 기본 모델로 대신합니다: {error}"
    shipped = sorted(path for path in SHIPPED.glob(f"{SCHEMA}-*") if path.is_dir())
    if not shipped:
        raise BadCheckpoint("기본 모델이 없습니다")
    return load(shipped[-1]), shipped[-1], remark


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _sync(folder: Path) -> None:
    with contextlib.suppress(OSError):  # not every file system lets a folder be synced
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
