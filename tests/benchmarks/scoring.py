"""Time the scores of a whole market: ``python -m tests.benchmarks.scoring [--stocks 2700] [--json]``.

Windows of real bars where the shared data is at hand, else a random walk. One run, one process, same bars for all:
our eight technical factors in one batch; a per-stock loop of TA-Lib (RSI, MACD, Bollinger) and smartmoneyconcepts (FVG,
swings, structure, order blocks); our three indicators against TA-Lib's loop; one score with words. Every peer is warmed
up; the best of ``--repeats`` runs counts. smartmoneyconcepts is timed on a sample and scaled.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from engine.clock import cpu_seconds, monotonic
from engine.indicators import many
from engine.market import Bars
from engine.scorer import Scorer, warm
from engine.scoring.panel import fifteen_of, replay_daily
from engine.scoring.points import daily_states, fifteen_states
from tests.scoring.helpers import random_fifteen, random_input, random_walk
from tests.shared_data import SHARED

DAILY, FIFTEEN, SAMPLE = 250, 130, 12


def windows(bars: list[Bars], length: int, count: int) -> list[Bars]:
    """``count`` different windows, spread over the stocks and then back in time."""
    found: list[Bars] = []
    shift = 0
    while len(found) < count:
        usable = [one for one in bars if len(one) >= length + shift]
        if not usable:
            raise ValueError("not enough bars")
        for one in usable:
            end = len(one) - shift
            found.append(one[end - length : end])
        shift += 13
    return found[:count]


def market(stocks: int) -> tuple[list[Bars], list[Bars], str]:
    if not SHARED.is_dir():
        daily = [random_walk(DAILY, "bench", n) for n in range(stocks)]
        return daily, [random_fifteen(FIFTEEN, "bench", n) for n in range(stocks)], "무작위 봉"
    import pyarrow.parquet as parquet

    days = list(replay_daily(SHARED)[0].values())
    frame: Any = parquet.read_table(SHARED / "krx_minute.parquet").to_pandas()
    frame = frame.sort_values(["code", "source", "ts_start"], kind="stable")
    quarters = [fifteen_of(rows) for _, rows in frame.groupby(["code", "source"], sort=True)]
    live = [one for one in quarters if len(one) > FIFTEEN]
    some = sum(len(one) for one in live) // 13
    spread = windows(live, FIFTEEN, min(stocks, some // 4))
    return windows(days, DAILY, stocks), (spread * (-(-stocks // len(spread))))[:stocks], "실제 봉"


def best(act: Callable[[], object], repeats: int) -> float:
    """Milliseconds of the fastest of ``repeats`` runs after one that does not count."""
    act()
    times = []
    for _ in range(repeats):
        began = monotonic()
        act()
        times.append(1e3 * (monotonic() - began))
    return min(times)


def talib_loop(daily: list[Bars]) -> Callable[[], None]:
    import talib

    closes = [bars.close for bars in daily]

    def run() -> None:
        for close in closes:
            talib.RSI(close, 14)
            talib.MACD(close, 12, 26, 9)
            talib.BBANDS(close, 20, 2.0, 2.0)

    return run


def smc_loop(daily: list[Bars], fifteen: list[Bars]) -> Callable[[], None]:
    os.environ["SMC_CREDIT"] = "0"
    import pandas
    from smartmoneyconcepts import smc

    names = ("open", "high", "low", "close", "volume")
    frames = [pandas.DataFrame({name: getattr(bars, name) for name in names}) for bars in (*daily, *fifteen)]

    def run() -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            for frame in frames:
                smc.fvg(frame)
                swings = smc.swing_highs_lows(frame, 3)
                smc.bos_choch(frame, swings)
                smc.ob(frame, swings)

    return run


def measure(stocks: int, repeats: int) -> dict[str, Any]:
    began = monotonic()
    warm()
    warmed = monotonic() - began
    daily, fifteen, source = market(stocks)
    closes, lengths = np.concatenate([bars.close for bars in daily]), [len(bars) for bars in daily]

    def ours() -> None:
        daily_states(daily)
        fifteen_states(fifteen)

    batch = best(ours, repeats)
    cpu = cpu_seconds()
    ours()
    cpu = 1e3 * (cpu_seconds() - cpu)
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    three = best(lambda: many(closes, lengths), repeats)
    talib = best(talib_loop(daily), repeats)
    smc = best(smc_loop(daily[:SAMPLE], fifteen[:SAMPLE]), max(1, repeats // 3)) * stocks / SAMPLE
    inputs = [random_input("bench", n) for n in range(60)]
    scorer = Scorer()
    words = best(lambda: [scorer.score(given) for given in inputs], repeats) / len(inputs)
    return {
        "bars": source,
        "stocks": stocks,
        "warm_seconds": round(warmed, 2),
        "batch_ms": round(batch, 1),
        "batch_cpu_ms": round(cpu, 1),
        "batch_us_per_stock": round(1e3 * batch / stocks, 1),
        "peak_memory_mb": after,
        "talib_three_ms": round(talib, 1),
        "our_three_ms": round(three, 1),
        "three_ratio": round(talib / three, 2),
        "smartmoneyconcepts_ms": round(smc),
        "loop_ratio": round((talib + smc) / batch, 1),
        "one_score_with_words_ms": round(words, 3),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--stocks", type=int, default=2_700)
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    found = measure(options.stocks, options.repeats)
    if options.json:
        print(json.dumps(found, ensure_ascii=False))
        return
    print(f"{found['bars']}, {found['stocks']:,}종목 × 일봉 {DAILY} + 15분봉 {FIFTEEN}")
    print(
        f"여덟 기술 인자 한 번에      {found['batch_ms']:8.1f} ms  (CPU {found['batch_cpu_ms']} ms, 종목당 {found['batch_us_per_stock']} µs)"
    )
    print(f"TA-Lib + smartmoneyconcepts {found['talib_three_ms'] + found['smartmoneyconcepts_ms']:8.1f} ms  "
          f"→ {found['loop_ratio']}배")  # fmt: skip
    print(
        f"RSI+MACD+볼린저: 우리 {found['our_three_ms']} ms, TA-Lib {found['talib_three_ms']} ms → {found['three_ratio']}배"
    )
    print(f"이유까지 한 종목 {found['one_score_with_words_ms']} ms, 준비 {found['warm_seconds']} s, "
          f"최대 메모리 {found['peak_memory_mb']} MB")  # fmt: skip


if __name__ == "__main__":
    main()
