"""The child process of ``engine.predictor.service``: forecasts, or one training. The only home of torch in the service.

Run by the service, never by hand: ``python -m engine.predictor.worker MODEL_FOLDER`` or ``… --train``. Frames come on
standard input and go out on standard output; it ends when its input closes.
"""

from __future__ import annotations

import json
import os
import sys
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO, Final

import numpy as np
from numpy.typing import NDArray

from engine.predictor import checkpoint as checkpoints
from engine.predictor.channel import HEADER, Kind, packed, unpacked_histories
from engine.predictor.features import PATCH_DAYS, READ_BARS, Columns, raw_channels, raw_features

NICENESS: Final = 10


def forecast(inference: Any, tables: Mapping[str, NDArray[np.float32]], windows: NDArray[np.float64]) -> dict[str, Any]:
    """Answers for stocks (5, n, 241): percentiles, probabilities, and returns at five quantiles."""
    from engine.predictor.conformal import Logistic, corrected

    bars = Columns.stacked(windows)
    features = raw_features(bars, 1)[:, 0, :].astype(np.float32)
    last = Columns(*(x[..., -PATCH_DAYS - 1 :] for x in (bars.open, bars.high, bars.low, bars.close, bars.volume)))
    raw = inference.run(features, raw_channels(last)[:, -PATCH_DAYS:, :])
    returns = corrected(raw.quantiles, tables["conformal"]) * raw.scale[:, None]
    probability = Logistic(*(float(x) for x in tables["logistic"])).probability(raw.rank)
    return {
        "rank": np.round(raw.rank, 6).tolist(),
        "probability": np.round(probability, 6).tolist(),
        "returns": np.round(returns.astype(np.float64), 8).tolist(),
    }


def serve(model: Path, source: BinaryIO, sink: BinaryIO) -> None:
    """Answer forecasts of one model until ``source`` ends."""
    from engine.predictor.fitted import fitted_of
    from engine.predictor.training import Inference, prepare_torch

    prepare_torch()
    loaded = checkpoints.load(model)
    inference = Inference(fitted_of(loaded))
    forecast(inference, loaded.tables, _practice())
    _send(sink, packed(Kind.READY, {"model": loaded.model_id}))
    while (frame := _receive(source)) is not None:
        kind, content, raw = frame
        if kind is not Kind.PREDICT:
            _send(sink, packed(Kind.ERROR, {"message": f"unknown request {kind}"}))
            continue
        try:
            windows = np.frombuffer(raw, np.float64).reshape(5, int(content["count"]), READ_BARS)
            _send(sink, packed(Kind.ANSWER, forecast(inference, loaded.tables, windows)))
        except Exception:  # one bad request must not end the process; the parent logs it and says so
            _send(sink, packed(Kind.ERROR, {"message": traceback.format_exc()}))


def train(source: BinaryIO, sink: BinaryIO) -> None:
    """Read one training request, report progress, answer, and end."""
    from engine.predictor.panel import NoTrainingData
    from engine.predictor.retraining import retrain

    _send(sink, packed(Kind.READY, {}))
    frame = _receive(source)
    if frame is None:
        return
    _, content, raw = frame

    def progress(share: float, word: str) -> None:
        _send(sink, packed(Kind.PROGRESS, {"share": share, "word": word}))

    try:
        answer = retrain(
            unpacked_histories(content["codes"], raw),
            dict(content["markets"]),
            folder=Path(content["folder"]),
            market=str(content["market"]),
            source=str(content["source"]),
            seed=int(content["seed"]),
            progress=progress,
        )
    except NoTrainingData as error:
        _send(sink, packed(Kind.ANSWER, {"published": False, "message": str(error), "model_id": ""}))
    else:
        _send(sink, packed(Kind.ANSWER, answer))


def _practice() -> NDArray[np.float64]:
    """A made-up stock for the first, slow pass through torch."""
    wave = 10_000.0 + 100.0 * np.sin(np.arange(READ_BARS))
    return np.stack((wave, wave + 50.0, wave - 50.0, wave, np.full(READ_BARS, 1e4)))[:, None, :]


def _receive(source: BinaryIO) -> tuple[Kind, Any, bytes] | None:
    head = source.read(HEADER.size)
    if len(head) < HEADER.size:
        return None
    kind, text, raw = HEADER.unpack(head)
    return Kind(kind), json.loads(source.read(text)), source.read(raw)


def _send(sink: BinaryIO, frame: bytes) -> None:
    sink.write(frame)
    sink.flush()


def main(arguments: list[str]) -> None:
    os.nice(NICENESS)
    sink = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what libraries print goes to standard error
    try:
        if arguments == ["--train"]:
            train(sys.stdin.buffer, sink)
        else:
            serve(Path(arguments[0]), sys.stdin.buffer, sink)
    except checkpoints.BadCheckpoint as error:
        _send(sink, packed(Kind.ERROR, {"message": str(error)}))


if __name__ == "__main__":
    main(sys.argv[1:])
