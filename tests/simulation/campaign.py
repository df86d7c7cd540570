"""The campaign: many seeded days and many killed processes, checked. ``python -m tests.simulation.campaign --help``."""

from __future__ import annotations

import argparse
import json
import logging
import shutil
import signal
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from engine.clock import cpu_seconds, monotonic
from tests.kis.test_frames import check_mutated
from tests.orders.test_risk import check_generated
from tests.simulation.day import DayResult, run_day
from tests.simulation.kill import KillResult, run_kills
from tests.simulation.world import Rates

ROOT = Path(__file__).resolve().parents[2]


@dataclass
class Totals:
    """Sums over days. ``violations`` lists (seed, what)."""

    days: int = 0
    orders: int = 0
    sent: int = 0
    fills: int = 0
    crashes: int = 0
    ambiguous: int = 0
    unknown: int = 0
    resolved_alone: int = 0
    found: int = 0
    found_within_60: int = 0
    absent: int = 0
    absent_within_90: int = 0
    asked_person: int = 0
    mistaken: int = 0
    duplicates: int = 0
    lost_fills: int = 0
    differences: int = 0
    kill_switches: int = 0
    after_kill_switch: int = 0
    violations: list[tuple[int, str]] = field(default_factory=list)
    faults: Counter[tuple[str, str]] = field(default_factory=Counter)

    def add(self, day: DayResult) -> None:
        self.days += 1
        self.orders += day.orders
        self.sent += day.sent
        self.fills += day.fills
        self.crashes += day.crashes
        self.ambiguous += day.ambiguous
        self.unknown += day.unknown
        self.resolved_alone += day.resolved_alone
        self.found += len(day.seconds_found)
        self.found_within_60 += sum(seconds <= 60 for seconds in day.seconds_found)
        self.absent += len(day.seconds_absent)
        self.absent_within_90 += sum(seconds <= 90 for seconds in day.seconds_absent)
        self.asked_person += day.asked_person
        self.mistaken += day.mistaken
        self.duplicates += day.duplicates
        self.lost_fills += day.lost_fills
        self.differences += day.differences
        self.kill_switches += len(day.stops)
        self.after_kill_switch += day.after_stop
        self.violations += [(day.seed, text) for text in day.violations]
        self.faults += day.faults


def days(seeds: range, folder: Path, jobs: int, rates: Rates) -> Iterator[DayResult]:
    work = partial(run_day, folder=folder, rates=rates)
    if jobs <= 1:
        yield from map(work, seeds)
        return
    with ProcessPoolExecutor(jobs, initializer=logging.disable, initargs=(logging.CRITICAL,)) as pool:
        yield from pool.map(work, seeds, chunksize=4)


def table(faults: Counter[tuple[str, str]]) -> str:
    """Fault × state of the open orders at that moment: how often it really happened."""
    states = sorted({state for _, state in faults})
    width = max((len(fault) for fault, _ in faults), default=5)
    lines = [" " * width + "".join(f"{state:>18}" for state in states)]
    lines += [
        f"{fault:<{width}}" + "".join(f"{faults[fault, state]:>18,}" for state in states)
        for fault in sorted({fault for fault, _ in faults})
    ]
    return "\n".join(lines)


def revision() -> str:
    git = shutil.which("git")
    if git is None:
        return "?"
    answer = subprocess.run([git, "-C", ROOT, "rev-parse", "--short", "HEAD"], capture_output=True, text=True)
    return answer.stdout.strip() or "?"


def summary(totals: Totals, kills: KillResult, seed: int, seconds: float) -> dict[str, Any]:
    figures = {name: value for name, value in vars(totals).items() if name not in ("violations", "faults")}
    return {
        "revision": revision(),
        "first_seed": seed,
        "next_seed": seed + totals.days,
        **figures,
        "resolved_without_person": totals.resolved_alone / totals.unknown if totals.unknown else 1.0,
        "kills": vars(kills),
        "violations": totals.violations[:50],
        "violation_count": len(totals.violations) + len(kills.violations),
        "wall_seconds": round(seconds, 1),
    }


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="campaign",
        description="주문 안전 시험: 결함을 넣은 모의 거래일과 강제 종료를 되풀이하고 검사합니다.",
        epilog='예: make campaign ARGS="--days 300 --kills 40 --seed 1 --json"',
    )
    parser.add_argument("--days", type=int, default=300, help="모의 거래일 수 (기본 300)")
    parser.add_argument("--kills", type=int, default=40, help="강제 종료(kill -9) 수 (기본 40)")
    parser.add_argument("--seed", type=int, default=1, help="첫 씨앗; 이어서 하려면 다음 씨앗부터 (기본 1)")
    parser.add_argument("--jobs", type=int, default=2, help="프로세스 수 (기본 2)")
    parser.add_argument("--crash-rate", type=float, default=Rates.crash, help="경계마다 죽을 확률")
    parser.add_argument("--gate-orders", type=int, default=20_000, help="위험 관문에 넣을 무작위 주문 수 (기본 20,000)")
    parser.add_argument("--frames", type=int, default=20_000, help="망가뜨린 실시간 프레임 수 (기본 20,000)")
    parser.add_argument("--json", action="store_true", help="마지막 줄에 JSON 하나를 씁니다")
    options = parser.parse_args(arguments)
    logging.disable(logging.CRITICAL)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    started, used = monotonic(), cpu_seconds()
    totals = Totals()
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as folder:
        seeds = range(options.seed, options.seed + options.days)
        try:
            for number, day in enumerate(days(seeds, Path(folder), options.jobs, Rates(crash=options.crash_rate)), 1):
                totals.add(day)
                for text in day.violations:
                    print(f"\n위반 씨앗 {day.seed}: {text}", file=sys.stderr)
                if number % 10 == 0 or number == options.days:
                    done = "#" * (30 * number // options.days)
                    print(f"\r[{done:<30}] {number}/{options.days}일 주문 {totals.sent:,}", end="", file=sys.stderr)
            kills = run_kills(options.kills, options.seed, Path(folder))
        except KeyboardInterrupt:
            kills = KillResult()
            print(f"\n멈췄습니다. 이어서 하려면: --seed {options.seed + totals.days}", file=sys.stderr)
    print(file=sys.stderr)
    passed = check_generated(options.gate_orders, options.seed)  # raises at the first order that passes a limit
    print(f"위험 관문: {options.gate_orders:,}건 중 {passed:,}건 통과, 한도를 넘은 것 0건")
    delivered, _ = check_mutated(options.frames, options.seed)  # raises at the first crash or wrong record
    print(f"망가진 프레임: {options.frames:,}개에서 기록 {delivered:,}개, 죽음 0, 틀린 기록 0")
    result = summary(totals, kills, options.seed, monotonic() - started)
    print(table(totals.faults))
    for name, value in result.items():
        if name not in ("violations", "kills"):
            print(f"{name:>26}: {value}")
    print(f"{'kills':>26}: {vars(kills)}")
    print(f"{'cpu':>26}: {cpu_seconds() - used:.0f} s (this process)")
    if options.json:
        print(json.dumps(result, ensure_ascii=False))
    return 1 if result["violation_count"] else 0


if __name__ == "__main__":
    sys.exit(main())
