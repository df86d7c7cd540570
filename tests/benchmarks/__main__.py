"""Run the benchmarks one after another: ``python -m tests.benchmarks [--only NAME] [--list]`` (``make bench``).

Each is a module of this folder with a process of its own, so that none warms up or slows another. A benchmark whose
peer or data is missing says so and the others go on; the exit code is 1 where one failed.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from engine.clock import monotonic
from tests.shared_data import SHARED

ROOT = Path(__file__).resolve().parents[2]
HERE = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class Bench:
    name: str
    title: str
    arguments: tuple[str, ...] = ()
    peers: tuple[str, ...] = ()
    """Packages it compares with; the comparison is left out where one is missing."""

    @property
    def present(self) -> bool:
        return (HERE / f"{self.name}.py").is_file()


KNOWN = (
    Bench("scoring", "점수: 시장 전체를 한 번에, TA-Lib·smartmoneyconcepts와 같은 실행에서", (), ("talib", "smartmoneyconcepts")),
    Bench("rendering", "그림: 렌더 작업자를 거쳐, mplfinance와 번갈아", ("--repeats", "15")),
    Bench("synthetic_market_statistics", "합성 시장의 통계와 실제 자료의 통계"),
    Bench("predictor", "예측: 종목마다 학습하는 작은 Transformer와", ("--data", str(SHARED)) if SHARED.is_dir() else ()),
    Bench("backtest", "백테스트: backtesting.py와 같은 봉, 같은 규칙으로 (설치되어 있을 때)"),
    Bench("web_front_end", "웹: 빈 Starlette 서버와 같은 실행에서"),
    Bench("wire", "시뮬레이터와 클라이언트: 초당 체결과 요청"),
)  # fmt: skip


def found() -> list[Bench]:
    """The benchmarks there are: the known ones in their order, then modules that were added since."""
    known = {bench.name for bench in KNOWN}
    added = sorted(path.stem for path in HERE.glob("*.py") if not path.stem.startswith("_") and path.stem not in known)
    mains = [name for name in added if '__name__ == "__main__"' in (HERE / f"{name}.py").read_text("utf-8")]
    return [bench for bench in KNOWN if bench.present] + [Bench(name, name) for name in mains]


def missing_peers(bench: Bench) -> list[str]:
    from importlib.util import find_spec

    return [peer for peer in bench.peers if find_spec(peer) is None]


def run(bench: Bench, peer: str | None) -> bool:
    print(f"\n━━ {bench.name} · {bench.title} ━━", flush=True)
    if lacking := missing_peers(bench):
        print(f"   비교 대상이 없어 건너뜁니다: {', '.join(lacking)}")
        return True
    arguments = list(bench.arguments)
    if bench.name == "rendering":
        if peer:
            arguments += ["--peer", peer]
        else:
            print("   mplfinance 와의 비교는 빠집니다 (--peer 로 mplfinance 가 있는 파이썬을 주세요)", flush=True)
    began = monotonic()
    answer = subprocess.run([sys.executable, "-m", f"tests.benchmarks.{bench.name}", *arguments], cwd=ROOT, check=False)
    seconds = monotonic() - began
    said = "끝" if answer.returncode == 0 else f"실패 (종료 코드 {answer.returncode})"
    print(f"── {bench.name} {said}, {seconds:.0f}초", flush=True)
    return answer.returncode == 0


def main(argv: Sequence[str] | None = None) -> int:
    benches = found()
    parser = argparse.ArgumentParser(
        prog="python -m tests.benchmarks", description="이름 있는 비교 대상과 함께 잰 속도"
    )
    parser.add_argument(
        "--only", action="append", choices=[bench.name for bench in benches], help="이것만 (여러 번 가능)"
    )
    parser.add_argument("--list", action="store_true", help="있는 것만 보여 주고 끝냄")
    parser.add_argument("--peer", metavar="파이썬", help="mplfinance 가 있는 파이썬")
    options = parser.parse_args(argv)
    if options.list:
        for bench in benches:
            print(f"{bench.name}: {bench.title}")
        return 0
    for bench in KNOWN:
        if not bench.present and not options.only:
            print(f"(아직 없음: {bench.name})")
    wanted = [bench for bench in benches if not options.only or bench.name in options.only]
    load = os.getloadavg()[0]
    if load > 1.0:
        print(f"주의: 이 컴퓨터가 이미 바쁩니다 (부하 {load:.1f}). 절대값보다 같은 실행 안의 비를 보세요.")
    failed = [bench.name for bench in wanted if not run(bench, options.peer)]
    print(f"\n{len(wanted) - len(failed)}/{len(wanted)} 끝" + (f" · 실패: {', '.join(failed)}" if failed else ""))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
