"""Time the pictures: ``python -m tests.benchmarks.rendering --peer PYTHON``.

Per picture the warm drawing in this process and the whole way through the render worker (hash, pickle, pipe, drawing);
worker memory; the longest stall of an event loop that asks for pictures; and, where ``--peer`` names a Python with
mplfinance (``pip install mplfinance six``), the same candles drawn there in turns with ours, at the same size.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Any

import numpy as np
import psutil

from charts import Picture, RenderRequest, View, render
from charts import samples as one
from charts.gallery import EXHIBITS
from charts.worker import Renderer
from engine.clock import cpu_seconds, monotonic

MEASURED = (
    "candles-daily", "candles-15m", "intraday", "book", "score", "recommend", "prediction", "heatmap", "heatmap-200",
    "portfolio", "backtest", "indices", "report", "news", "signal", "ticket",
)  # fmt: skip

PEER = """
import io, json, sys, time
import matplotlib
matplotlib.use("Agg")
import mplfinance as mpf
import pandas as pd
raw = json.loads(sys.stdin.readline())
frame = pd.DataFrame(raw["columns"], index=pd.to_datetime(raw["start"], unit="s"))
def draw():
    sink = io.BytesIO()
    mpf.plot(frame, type="candle", volume=True, mav=(5, 20, 60), figsize=(10.8, 13.5),
             savefig=dict(fname=sink, dpi=100, format="png"))
    return len(sink.getvalue())
draw()
print(json.dumps({"version": mpf.__version__}), flush=True)
for line in sys.stdin:
    began = time.perf_counter()
    size = draw()
    print(json.dumps({"ms": 1000 * (time.perf_counter() - began), "bytes": size}), flush=True)
"""


def milliseconds(act: Callable[[], object]) -> float:
    began = monotonic()
    act()
    return 1000 * (monotonic() - began)


def quantiles(samples: list[float]) -> dict[str, float]:
    return {"p50": round(float(np.quantile(samples, 0.5)), 1), "p95": round(float(np.quantile(samples, 0.95)), 1)}


def in_process(repeats: int) -> dict[str, dict[str, float]]:
    result = {}
    for exhibit in EXHIBITS:
        if exhibit.name in MEASURED:
            request = RenderRequest(exhibit.view(), exhibit.theme)
            size = len(render(request).png)
            times, busy = [], []
            for _ in range(repeats):
                processor = cpu_seconds()
                times.append(milliseconds(partial(render, request)))
                busy.append(1000 * (cpu_seconds() - processor))
            result[exhibit.name] = {**quantiles(times), "cpu_p50": quantiles(busy)["p50"], "kB": round(size / 1000)}
    return result


def _dated(view: View, number: int) -> View:
    """The same picture with another stamp: a fresh drawing, not a cached one."""
    fresh: Any = view
    dated: View = replace(fresh, stamp=replace(fresh.stamp, at=fresh.stamp.at + timedelta(seconds=number)))
    return dated


async def through_worker(repeats: int) -> dict[str, Any]:
    renderer = Renderer()
    began = monotonic()
    await renderer.start()
    started = monotonic() - began
    assert renderer.process_id is not None
    child = psutil.Process(renderer.process_id)
    gaps: list[float] = []

    async def watch() -> None:
        last = monotonic()
        while True:
            await asyncio.sleep(0.001)
            now = monotonic()
            gaps.append(now - last - 0.001)
            last = now

    watcher = asyncio.create_task(watch())
    await asyncio.sleep(2.0)
    idle = sorted(gaps)  # what this machine does to a loop that draws nothing
    gaps.clear()
    result: dict[str, Any] = {}
    try:
        for exhibit in EXHIBITS:
            if exhibit.name not in MEASURED:
                continue
            view, times = exhibit.view(), []
            gap_count = len(gaps)
            await asyncio.sleep(0.01)
            del gaps[gap_count:]  # making the sample is not rendering
            for number in range(repeats):
                request = RenderRequest(_dated(view, number + 1))
                began = monotonic()
                picture: Picture = await renderer.render(request, timeout=60)
                times.append(1000 * (monotonic() - began))
                assert picture.png
            result[exhibit.name] = quantiles(times)
        memory = child.memory_info().rss
    finally:
        watcher.cancel()
        await renderer.close()
    ordered = sorted(gaps)
    return {
        "start_seconds": round(started, 2),
        "memory_mb": round(memory / 1e6),
        "loop_stall_ms": {
            "p99": round(1000 * ordered[int(0.99 * len(ordered))], 1),
            "longest": round(1000 * ordered[-1], 1),
            "idle_p99": round(1000 * idle[int(0.99 * len(idle))], 1),
            "idle_longest": round(1000 * idle[-1], 1),
        },
        "pictures": result,
    }


def against_peer(python: str, repeats: int) -> dict[str, Any]:
    chart = one.daily_candles()
    shown = chart.bars[len(chart.bars) - 100 :]
    peer = subprocess.Popen([python, "-c", PEER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert peer.stdin is not None
    assert peer.stdout is not None
    columns = {name: getattr(shown, name.lower()).tolist() for name in ("Open", "High", "Low", "Close", "Volume")}
    try:
        peer.stdin.write(json.dumps({"start": shown.start.astype(int).tolist(), "columns": columns}) + "\n")
        peer.stdin.flush()
        version = json.loads(peer.stdout.readline())["version"]
        plain = replace(chart, bars=shown, zones=(), events=(), marks=(), stop_price=None, target_price=None)
        ours, full, theirs = [], [], []
        for view in (plain, chart):
            render(RenderRequest(view))
        for _ in range(repeats):  # in turns, so that a busy machine slows both
            ours.append(milliseconds(lambda: render(RenderRequest(plain))))
            full.append(milliseconds(lambda: render(RenderRequest(chart))))
            peer.stdin.write("draw\n")
            peer.stdin.flush()
            theirs.append(json.loads(peer.stdout.readline())["ms"])
    finally:
        peer.stdin.close()
        peer.wait(timeout=30)
    return {
        "mplfinance": {**quantiles(theirs), "version": version},
        "same_content": quantiles(ours),
        "with_zones_and_marks": quantiles(full),
        "ratio_p50_same_content": round(float(np.median(theirs) / np.median(ours)), 2),
        "ratio_p50_full": round(float(np.median(theirs) / np.median(full)), 2),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=30)
    parser.add_argument("--peer", help="a Python that has mplfinance")
    chosen = parser.parse_args()
    report: dict[str, Any] = {"load": psutil.getloadavg(), "in_process": in_process(chosen.repeats)}
    report["worker"] = asyncio.run(through_worker(chosen.repeats))
    if chosen.peer:
        report["candles_against_mplfinance"] = against_peer(chosen.peer, chosen.repeats)
    json.dump(report, sys.stdout, ensure_ascii=False, indent=1)
    print()


if __name__ == "__main__":
    main()
