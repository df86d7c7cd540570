"""Figures of the predictor on this machine: ``python -m tests.benchmarks.predictor [--data FOLDER] [--json]``.

Training time, cold and warm forecasts, the whole market, worker memory, lag of the event loop while it trains, and the
ratio to one small Transformer trained per stock, which is how the service this one replaces did it.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from engine.clock import WallMarketClock, cpu_seconds, monotonic, wall_sleep
from engine.market import KST, Bars, Code
from engine.predictor import Predictor, RetrainRefused
from tests.predictor.made import FakeHistory, walk


class _Today(WallMarketClock):
    """A market clock that stands at the evening of the last bar."""

    def __init__(self, last: np.datetime64) -> None:
        day = last.astype("datetime64[D]").item()
        self._now = datetime(day.year, day.month, day.day, 20, tzinfo=KST)

    def now(self) -> datetime:
        return self._now.replace(hour=23)


def timed(work: Callable[[], Any]) -> tuple[Any, float, float]:
    """The result, wall seconds, CPU seconds."""
    wall, cpu = monotonic(), cpu_seconds()
    result = work()
    return result, monotonic() - wall, cpu_seconds() - cpu


def training(histories: dict[Code, Bars]) -> dict[str, float]:
    """Features and one fit on the last three years, on one thread."""
    from engine.predictor.panel import build_panel
    from engine.predictor.ranks import day_ranks, training_goal
    from engine.predictor.training import fit, prepare_torch

    prepare_torch()
    recent = {code: bars[-1_000:] for code, bars in histories.items()}

    def work() -> None:
        panel = build_panel(recent)
        fit(panel, training_goal(panel, day_ranks(panel.forward, panel.known)), len(panel.days), seed=7)

    _, wall, cpu = timed(work)
    return {"names": len(recent), "wall_s": round(wall, 2), "cpu_s": round(cpu, 2)}


def per_stock_training(bars: Bars) -> dict[str, float]:
    """A 1.3 million weight Transformer on 200 windows of one stock: twenty passes in batches of 32."""
    import torch
    from torch import nn

    torch.manual_seed(0)
    closes = np.asarray(bars.close[-265:], np.float32)
    scaled = (closes - closes.min()) / (closes.max() - closes.min())
    windows = torch.from_numpy(np.lib.stride_tricks.sliding_window_view(scaled, 60)[:200].copy()).unsqueeze(2)
    targets = torch.from_numpy(scaled[64:264].copy())

    def work() -> int:
        layer = nn.TransformerEncoderLayer(160, 8, 640, batch_first=True)
        encoder = nn.TransformerEncoder(layer, 4, enable_nested_tensor=False)
        lift, head = nn.Linear(1, 160), nn.Linear(160, 1)
        weights = [*encoder.parameters(), *lift.parameters(), *head.parameters()]
        optimiser = torch.optim.Adam(weights, lr=1e-3)
        for _ in range(20):
            for rows in torch.randperm(200).split(32):
                loss = ((head(encoder(lift(windows[rows]))[:, -1]).squeeze(1) - targets[rows]) ** 2).mean()
                optimiser.zero_grad()
                loss.backward()
                optimiser.step()
        return sum(p.numel() for p in weights)

    count, wall, cpu = timed(work)
    return {"weights": count, "wall_s": round(wall, 2), "cpu_s": round(cpu, 2)}


async def serving(home: Path) -> dict[str, float]:
    last = "2026-11-20"
    bars = {f"{i:06d}": walk(f"{i:06d}", 320, last=last) for i in range(2_700)}
    codes = list(bars)
    clock = _Today(np.datetime64(last))
    predictor = Predictor(history=FakeHistory(bars), codes=lambda: codes, clock=clock, home=home)
    out: dict[str, float] = {}
    begun = monotonic()
    await predictor.predict_many(codes[:20])
    out["cold_20_s"] = round(monotonic() - begun, 2)
    begun = monotonic()
    await asyncio.gather(*(predictor.predict(code) for code in codes[20:40]))
    out["warm_20_single_ms"] = round(1e3 * (monotonic() - begun), 1)
    begun = monotonic()
    await predictor.predict_many(codes[40:60])
    out["warm_20_ms"] = round(1e3 * (monotonic() - begun), 1)
    predictor._cache._kept.clear()  # the whole market at once, nothing known yet
    begun = monotonic()
    await predictor.predict_many(codes)
    out["market_2700_ms"] = round(1e3 * (monotonic() - begun), 1)
    process = predictor.worker_process_id
    assert process is not None
    out["worker_mb"] = round(psutil.Process(process).memory_info().rss / 2**20, 1)
    await predictor.close()
    return out


async def lag_while_training(histories: dict[Code, Bars], home: Path) -> dict[str, float]:
    clock = _Today(max(bars.start[-1] for bars in histories.values()))
    predictor = Predictor(
        history=FakeHistory(histories), codes=lambda: sorted(histories), clock=clock, home=home, market="SYNTHETIC"
    )
    lags: list[float] = []
    most = 0.0

    async def heartbeat() -> None:
        while True:
            before = monotonic()
            await wall_sleep(0.005)
            lags.append(monotonic() - before - 0.005)

    async def memory() -> None:
        nonlocal most
        while True:
            for child in psutil.Process().children():
                try:
                    most = max(most, child.memory_info().rss / 2**20)
                except psutil.NoSuchProcess:
                    continue
            await wall_sleep(0.25)

    async def silent(share: float, word: str) -> None: ...

    tasks = [asyncio.create_task(heartbeat()), asyncio.create_task(memory())]
    begun = monotonic()
    try:
        done = await predictor.retrain(silent)
        message = done.message
    except RetrainRefused as error:
        message = str(error)
    seconds = monotonic() - begun
    for task in tasks:
        task.cancel()
    await predictor.close()
    print(f"  {message}", file=sys.stderr)
    return {
        "retrain_s": round(seconds, 1),
        "loop_lag_p99_ms": round(1e3 * float(np.quantile(lags, 0.99)), 2),
        "training_worker_mb": round(most, 1),
    }


def main() -> None:
    from engine.predictor.panel import read_folder

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, help="folder with krx_daily.parquet; made-up stocks without it")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--serving-only", action="store_true")
    arguments = parser.parse_args()
    if arguments.data:
        histories, _ = read_folder(arguments.data)
    else:
        histories = {f"{i:06d}": walk(f"{i:06d}", 1_000) for i in range(400)}
    full = dict(sorted(histories.items(), key=lambda item: -len(item[1])))
    with tempfile.TemporaryDirectory() as folder:
        out: dict[str, Any] = {"serving": asyncio.run(serving(Path(folder) / "a"))}
        if not arguments.serving_only:
            out["training_300"] = training(dict(list(full.items())[:300]))
            out["training_400"] = training(dict(list(full.items())[:400]))
            out["per_stock_training"] = per_stock_training(next(iter(full.values())))
            out["ratio_20_candidates"] = round(
                20 * out["per_stock_training"]["wall_s"] / (out["serving"]["warm_20_ms"] / 1e3), 0
            )
            out["retraining"] = asyncio.run(lag_while_training(full, Path(folder) / "b"))
    print(json.dumps(out, ensure_ascii=False) if arguments.json else json.dumps(out, indent=1, ensure_ascii=False))


if __name__ == "__main__":
    main()
