"""Retraining in a process of its own, and the ``gaemi train`` command."""

from __future__ import annotations

import asyncio
import json
from datetime import datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as parquet
import pytest

from bot.cli import main
from engine.clock import SimulatedClock, monotonic, wall_sleep
from engine.market import KST, Bars, Code
from engine.predictor import Predictor, RetrainRefused
from engine.predictor.channel import packed_histories, unpacked_histories
from engine.predictor.retraining import retrain
from tests.predictor.made import FakeHistory, market
from tests.shared_data import SHARED, needs_shared_data

NAMES, DAYS = 100, 520


def write_folder(folder: Path, histories: dict[Code, Bars]) -> Path:
    columns: dict[str, list[np.ndarray]] = {name: [] for name in ("open", "high", "low", "close", "volume", "date")}
    codes: list[str] = []
    for code, bars in histories.items():
        codes += [code] * len(bars)
        columns["date"].append(bars.start.astype("datetime64[us]"))
        for name in ("open", "high", "low", "close", "volume"):
            columns[name].append(getattr(bars, name))
    table = pa.table({"code": codes} | {name: np.concatenate(parts) for name, parts in columns.items()})
    parquet.write_table(table, folder / "krx_daily.parquet")
    return folder


def after(histories: dict[Code, Bars]) -> SimulatedClock:
    last = next(iter(histories.values())).dates()[-1].item()
    return SimulatedClock(datetime(last.year, last.month, last.day, 20, tzinfo=KST))


def test_histories_travel_unchanged() -> None:
    histories = market(3, 70)
    codes, raw = packed_histories(histories)
    assert unpacked_histories(json.loads(json.dumps(codes)), raw) == histories


@pytest.mark.slow
@pytest.mark.timeout(400)
async def test_the_service_retrains_and_then_serves_the_new_model(tmp_path: Path) -> None:
    histories = market(NAMES, DAYS, reversal=1.0)
    clock = after(histories)
    clock.restart(clock.now().replace(hour=23))
    predictor = Predictor(
        history=FakeHistory(histories), codes=lambda: list(histories), clock=clock, home=tmp_path, market="SYNTHETIC"
    )
    seen: list[tuple[float, str]] = []
    lags: list[float] = []

    async def progress(share: float, word: str) -> None:
        seen.append((share, word))

    async def heartbeat() -> None:
        while True:
            before = monotonic()
            await wall_sleep(0.01)
            lags.append(monotonic() - before - 0.01)

    shipped = predictor.model_id
    beat = asyncio.create_task(heartbeat())
    work = asyncio.create_task(predictor.retrain(progress))
    await wall_sleep(0.5)
    with pytest.raises(RetrainRefused, match="이미 학습 중"):
        await predictor.retrain(progress)
    during = await predictor.predict("100000")
    assert during.model_id == shipped, "the old model serves until the new one is ready"
    done = await work
    beat.cancel()
    assert done.published, done.message
    assert done.model_id == predictor.model_id != shipped
    assert [share for share, _ in seen] == sorted(share for share, _ in seen)
    assert any("학습" in word for _, word in seen)
    assert sorted(lags)[int(0.9 * len(lags))] < 0.05
    answer = await predictor.predict("100000")
    await predictor.close()
    assert answer.model_id == done.model_id
    assert answer.skill is not None
    assert answer.skill.residual_rank_ic > 2 * answer.skill.null_deviation
    assert "우연의" in (predictor.skill() or answer.skill).verdict
    reopened = Predictor(history=FakeHistory(histories), codes=list, clock=clock, home=tmp_path, market="SYNTHETIC")
    assert reopened.model_id == done.model_id
    assert reopened.skill() is not None
    assert reopened.skill().gate > 0  # type: ignore[union-attr]


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_a_worse_model_does_not_replace_the_one_in_service(tmp_path: Path) -> None:
    good = market(40, DAYS, reversal=1.0)
    first = retrain(good, {}, folder=tmp_path, market="SYNTHETIC", source="시험")
    assert first["published"]
    # Trained on reversed outcomes up to the hold-out, the next one is bound to be worse there.
    spoilt = {
        code: Bars(
            bars.start,
            *(np.concatenate((noise[:-126], getattr(bars, name)[-126:])) for name, noise in _noise(bars).items()),
            bars.volume,
        )
        for code, bars in good.items()
    }
    second = retrain(spoilt, {}, folder=tmp_path, market="SYNTHETIC", source="시험")
    assert not second["published"]
    assert second["model_id"] == first["model_id"]
    assert "지금 모델을 계속" in second["message"]


def _noise(bars: Bars) -> dict[str, np.ndarray]:
    """Prices whose past rises go on rising: the opposite of the planted signal."""
    trend = np.cumsum(np.repeat(np.sign(np.sin(np.arange(len(bars)) / 15.0 + float(bars.close[5]))), 1)) * 0.004
    scale = np.exp(trend - trend[-127])
    base = bars.close[-127]
    return {
        "open": base * scale,
        "high": base * scale * 1.004,
        "low": base * scale * 0.996,
        "close": base * scale * (1.0 + 0.002 * np.sign(np.diff(trend, prepend=0.0))),
    }


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_the_report_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = write_folder(tmp_path, market(40, DAYS, reversal=1.0))
    assert main(["train", "--report", "--data", str(folder), "--json"]) == 0
    lines = capsys.readouterr().out.strip().splitlines()
    answer = json.loads(lines[-1])
    assert lines[0] == answer["verdict"]
    assert answer["gate"] > 0
    assert answer["raw"]["model"] > 0
    assert answer["days"] > 100
    assert any("살아남은" in line for line in lines)


@pytest.mark.parametrize(
    ("days", "words"), [(None, "krx_daily.parquet 파일이 없습니다"), (50, "61개 이상"), (300, "거래일이 300일뿐")]
)
def test_unusable_folders_end_with_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], days: int | None, words: str
) -> None:
    if days is not None:
        write_folder(tmp_path, market(25, days))
    assert main(["train", "--report", "--data", str(tmp_path)]) == 2
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert error.startswith("오류:")
    assert words in error


@needs_shared_data
@pytest.mark.shared_data
@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_report_on_real_data_meets_its_targets(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "--report", "--data", str(SHARED), "--test-from", "2022-01-03", "--json"]) == 0
    answer = json.loads(capsys.readouterr().out.strip().splitlines()[-1])
    assert answer["raw"]["model"] >= 0.068
    assert answer["residual"]["model"] >= 0.025
    assert 0.78 <= answer["coverage"] <= 0.82
    assert abs(answer["null_residual"][0]) < 0.01
