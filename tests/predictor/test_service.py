"""The predictor as the service uses it: answers from the shipped model, through a real worker process."""

from __future__ import annotations

import asyncio
import itertools
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from engine.clock import SimulatedClock, wall_sleep
from engine.market import KST, Bars
from engine.predictor import Predictor, RetrainRefused
from engine.predictor.process import COMMAND
from tests.predictor.made import FakeHistory, walk

LAST = "2026-11-20"
NOW = datetime(2026, 11, 23, 8, tzinfo=KST)
ROOT = Path(__file__).resolve().parents[2]


def stocks(count: int) -> dict[str, Bars]:
    return {f"{i:06d}": walk(f"{i:06d}", last=LAST) for i in range(1, count + 1)}


@pytest.fixture
async def predictor(tmp_path: Path) -> AsyncIterator[Predictor]:
    bars = stocks(25)
    made = Predictor(history=FakeHistory(bars), codes=lambda: list(bars), clock=SimulatedClock(NOW), home=tmp_path)
    yield made
    await made.close()


async def test_a_forecast_from_the_shipped_model(predictor: Predictor) -> None:
    answer = await predictor.predict("000001")
    assert answer.available, answer.absent
    assert answer.band is not None
    values = (answer.band.p10, answer.band.p25, answer.band.p50, answer.band.p75, answer.band.p90)
    assert list(values) == sorted(values)
    assert 0.7 * answer.last_close < answer.band.p10 < answer.last_close < answer.band.p90 < 1.3 * answer.last_close
    assert len(answer.path) == answer.horizon == 5
    assert answer.path[-1] == pytest.approx(answer.band.p50)
    assert 0.0 <= answer.rank <= 1.0
    assert 0.2 < answer.probability < 0.8
    assert str(answer.as_of) == LAST
    assert answer.model_id == predictor.model_id
    assert answer.skill is not None
    assert answer.trained_until is not None


async def test_many_equal_single_and_the_hour_is_kept(predictor: Predictor) -> None:
    single = await predictor.predict("000003")
    many = await predictor.predict_many(["000002", "000003", "000004", *[f"{i:06d}" for i in range(5, 15)]])
    assert many["000003"] is single
    alone = await predictor.predict("000002")
    assert alone is many["000002"]
    assert len({round(p.rank, 4) for p in many.values()}) > 5


async def test_a_forecast_does_not_depend_on_its_company(predictor: Predictor, tmp_path: Path) -> None:
    bars = stocks(25)
    other = Predictor(history=FakeHistory(bars), codes=list, clock=SimulatedClock(NOW), home=tmp_path / "b")
    try:
        alone = await other.predict("000009")
        together = (await predictor.predict_many(list(bars)))["000009"]
    finally:
        await other.close()
    assert alone.band is not None
    assert together.band is not None
    assert alone.rank == pytest.approx(together.rank, abs=1e-5)
    assert alone.band.p10 == pytest.approx(together.band.p10, rel=1e-5)


async def test_past_forecasts_do_not_overlap_and_know_what_followed(predictor: Predictor) -> None:
    await predictor.predict("000001")
    past = predictor.past("000001")
    assert len(past) == 12
    assert all(entry.realised is not None for entry in past)
    days = [np.datetime64(entry.made_on) for entry in past]
    assert all(np.busday_count(a, b) == 5 for a, b in itertools.pairwise(days))
    bars = walk("000001", last=LAST)
    at = int(np.searchsorted(bars.dates(), days[0]))
    assert past[0].realised == bars.close[at + 5]
    assert predictor.past("000777") == ()


async def test_the_same_question_is_asked_once(predictor: Predictor) -> None:
    history = predictor._history
    assert isinstance(history, FakeHistory)
    answers = await asyncio.gather(*(predictor.predict("000005") for _ in range(20)))
    assert len(history.asked) == 1
    assert all(answer is answers[0] for answer in answers)


async def test_a_new_day_asks_anew(tmp_path: Path) -> None:
    history = FakeHistory(stocks(1))
    clock = SimulatedClock(NOW - timedelta(hours=8, minutes=30))
    predictor = Predictor(history=history, codes=list, clock=clock, home=tmp_path)
    try:
        await predictor.predict("000001")
        clock.restart(NOW.replace(hour=0, minute=10))  # within the hour, but another day
        await predictor.predict("000001")
    finally:
        await predictor.close()
    assert len(history.asked) == 2


async def test_on_a_synthetic_market_the_shipped_model_counts_for_nothing(tmp_path: Path) -> None:
    predictor = Predictor(
        history=FakeHistory(stocks(1)), codes=list, clock=SimulatedClock(NOW), home=tmp_path, market="SYNTHETIC"
    )
    try:
        answer = await predictor.predict("000001")
    finally:
        await predictor.close()
    assert answer.available
    assert answer.skill is not None
    assert answer.skill.gate == 0.0
    assert answer.skill.verdict == "시뮬레이터 시장에서는 검증되지 않아 0점"
    assert predictor.skill() == answer.skill
    described = predictor.describe()
    assert described["판정"] == answer.skill.verdict
    assert described["모델"] == predictor.model_id


async def test_days_that_the_model_has_seen_earn_no_points(tmp_path: Path) -> None:
    bars = {"000001": walk("000001", last="2023-06-01")}
    clock = SimulatedClock(datetime(2023, 6, 2, 8, tzinfo=KST))
    predictor = Predictor(history=FakeHistory(bars), codes=list, clock=clock, home=tmp_path)
    try:
        answer = await predictor.predict("000001")
    finally:
        await predictor.close()
    assert answer.available
    assert answer.skill is not None
    assert answer.skill.gate == 0.0
    assert "이미 본 기간" in answer.skill.verdict
    assert predictor.past("000001") == ()


def _broken(kind: str) -> Bars:
    bars = walk("000001", last=LAST)
    columns = {name: getattr(bars, name).copy() for name in ("start", "open", "high", "low", "close", "volume")}
    if kind == "young":
        return bars[-20:]
    if kind == "constant":
        for name in ("open", "high", "low", "close"):
            columns[name][:] = 5_000.0
    elif kind == "halted":
        columns["volume"][-6:] = 0
        for name in ("open", "high", "low"):
            columns[name][-6:] = 0.0
    elif kind == "split":
        for name in ("open", "high", "low", "close"):
            columns[name][-30:] /= 5.0
    elif kind == "missing":
        keep = np.r_[0 : len(bars) - 40, len(bars) - 20 : len(bars)]
        columns = {name: column[keep] for name, column in columns.items()}
    elif kind == "stale":
        columns = {name: column[:-30] for name, column in columns.items()}
    elif kind == "nan":
        columns["close"][-3] = np.nan
    return Bars(**columns)


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("young", "일봉이 20개뿐"),
        ("constant", "가격이 그대로"),
        ("halted", "6일 거래가 없어"),
        ("split", "가격제한폭"),
        ("missing", "빠진 날이"),
        ("stale", "전이라"),
        ("nan", "빈 값"),
    ],
)
async def test_a_clear_reason_where_there_is_no_forecast(tmp_path: Path, kind: str, words: str) -> None:
    predictor = Predictor(
        history=FakeHistory({"000001": _broken(kind)}), codes=list, clock=SimulatedClock(NOW), home=tmp_path
    )
    try:
        answer = await predictor.predict("000001")
        many = await predictor.predict_many(["000001"])
    finally:
        await predictor.close()
    assert not answer.available
    assert words in answer.absent
    assert many["000001"].absent == answer.absent
    assert predictor.worker_process_id is None, "no worker was needed to say so"


async def test_no_network(tmp_path: Path) -> None:
    predictor = Predictor(history=FakeHistory({}), codes=list, clock=SimulatedClock(NOW), home=tmp_path)
    assert "일봉을 구하지 못해" in (await predictor.predict("005930")).absent
    await predictor.close()


async def test_no_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.predictor.checkpoint.SHIPPED", tmp_path / "nowhere")
    predictor = Predictor(history=FakeHistory(stocks(1)), codes=list, clock=SimulatedClock(NOW), home=tmp_path)
    answer = await predictor.predict("000001")
    assert "예측 모델이 없습니다" in answer.absent
    assert predictor.skill() is None
    assert "상태" in predictor.describe()
    await predictor.close()


async def test_a_crashed_worker_is_replaced(predictor: Predictor) -> None:
    await predictor.start()
    first = predictor.worker_process_id
    assert first is not None
    os.kill(first, signal.SIGKILL)
    while predictor.worker_process_id == first:
        await wall_sleep(0.02)
    assert (await predictor.predict("000001")).available
    assert predictor.worker_process_id not in (None, first)


async def test_a_worker_that_hangs_costs_one_answer(tmp_path: Path) -> None:
    silent = "import sys,struct; t=b'{}'; sys.stdout.buffer.write(struct.pack('>BII',0,2,0)+t); sys.stdout.flush(); sys.stdin.read()"
    predictor = Predictor(
        history=FakeHistory(stocks(1)),
        codes=list,
        clock=SimulatedClock(NOW),
        home=tmp_path,
        command=(sys.executable, "-c", silent),
        answer_limit=0.3,
    )
    answer = await predictor.predict("000001")
    assert "제시간에" in answer.absent
    predictor._worker.command = COMMAND  # type: ignore[union-attr]
    predictor._answer_limit = 30.0
    assert (await predictor.predict("000001")).available, "a failure is not kept"
    await predictor.close()


async def test_market_time_stands_still_during_a_forecast(predictor: Predictor) -> None:
    clock = predictor._clock
    assert isinstance(clock, SimulatedClock)
    driver = asyncio.create_task(clock.run())
    ticked: list[datetime] = []

    async def tick() -> None:
        while True:
            await clock.sleep(1.0)
            ticked.append(clock.now())

    async def ask() -> None:
        held = asyncio.create_task(predictor.predict("000001"))
        while "forecast" not in clock.open_holds:
            await asyncio.sleep(0)
        before = clock.now()
        assert (await held).available
        assert clock.now() - before < timedelta(seconds=2)

    ticking = asyncio.create_task(tick())
    await ask()
    for task in (ticking, driver):
        task.cancel()
    await asyncio.gather(ticking, driver, return_exceptions=True)


async def test_too_few_stocks_to_retrain(predictor: Predictor) -> None:
    async def silent(share: float, word: str) -> None: ...

    with pytest.raises(RetrainRefused, match="0개뿐이라"):
        await predictor.retrain(silent)


def test_torch_stays_out_of_the_trading_process() -> None:
    code = "import sys, engine.predictor, engine.predictor.card; raise SystemExit('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False)
    assert done.returncode == 0


async def test_a_worker_that_cannot_start_is_not_tried_again_at_once() -> None:
    from engine.predictor.process import WorkerFailed, WorkerProcess

    worker = WorkerProcess((), command=("/nonexistent/python",))
    with pytest.raises(WorkerFailed, match="시작하지 못했습니다"):
        await worker.start()
    with pytest.raises(WorkerFailed, match="쉬고"):
        await worker.start()
