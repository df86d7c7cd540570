"""The skill report in words and as JSON. Its first line is one plain Korean sentence."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

from engine.predictor.card import SURVIVORS
from engine.predictor.checkpoint import Checkpoint
from engine.predictor.skill import MODELS, Skill

_LABELS = {
    "model": "모델 (인코더+릿지)",
    "ridge": "릿지",
    "encoder": "인코더",
    "linear": "창 위의 선형",
    "low_volatility": "저변동성",
}
_PLOT_WIDTH = 41


def report_json(skill: Skill, checkpoint: Checkpoint, seconds: float) -> dict[str, Any]:
    values = dataclasses.asdict(skill)
    gate = values.pop("gate")
    return {
        "verdict": gate["verdict"],
        "gate": gate["strength"],
        "open": gate["open"],
        **values,
        "survivors_only": True,
        "model_id": checkpoint.model_id,
        "model_hash": checkpoint.content_hash,
        "seed": checkpoint.card.get("seed"),
        "threads": checkpoint.card.get("threads"),
        "torch": checkpoint.card.get("torch"),
        "data_hash": checkpoint.card.get("data_hash"),
        "seconds": round(seconds, 1),
    }


def report_lines(skill: Skill, checkpoint: Checkpoint, seconds: float) -> Iterator[str]:
    yield skill.gate.verdict
    yield ""
    yield f"시험 기간 {skill.window} · {skill.days}거래일 · {skill.names}종목 · {skill.cells:,}개 예측 · 5거래일 뒤"
    yield f"주의: {SURVIVORS}."
    yield ""
    yield f"{'하루 순위 상관 (표본 외 평균)':<24}{'그대로':>8}{'변동성·거래대금 제외':>16}"
    for name in MODELS:
        left = "–" if name == "low_volatility" else f"{skill.residual[name]:+.4f}"
        yield f"  {_LABELS[name]:<22}{skill.raw[name]:>+10.4f}{left:>16}"
    yield (
        f"  {'섞은 정답 (평균 ± 표준편차)':<20}{skill.null_raw[0]:+.4f} ± {skill.null_raw[1]:.4f}"
        f"   {skill.null_residual[0]:+.4f} ± {skill.null_residual[1]:.4f} (최대 {skill.largest_null:.4f})"
    )
    yield f"  기간 앞 절반 {skill.halves[0]:+.4f}, 뒤 절반 {skill.halves[1]:+.4f} (변동성·거래대금 제외)"
    yield ""
    yield f"중앙값 대비 방향   {_share(skill.relative)} (동전 던지기 50%)"
    yield f"  양 끝 10%만      {_share(skill.extremes)}"
    yield f"오르내림 방향     {_share(skill.absolute)} (늘 한쪽만 찍으면 {100 * skill.constant:.1f}%)"
    yield (
        f"확률의 브라이어 점수 {skill.brier:.4f} (상수 {skill.brier_constant:.4f}, "
        f"{100 * (1 - skill.brier / skill.brier_constant):+.2f}%)"
    )
    yield (
        f"80% 구간에 든 비율   {100 * skill.coverage:.1f}% (매일 보정), {100 * skill.coverage_served:.1f}% (재학습 때만 보정) · "
        + ", ".join(f"{year}년 {100 * share:.1f}%" for year, share in skill.coverage_by_year.items())
    )
    yield f"가격 오차         '변동 없음'의 {skill.error_ratio:.4f}배 (1보다 작아야 나음)"
    yield ""
    yield f"{'해·시장별 순위 상관':<24}{'모델':>8}{'제외':>10}{'저변동성':>10}"
    for name, (raw, residual, low) in (skill.by_year | skill.by_market).items():
        yield f"  {name:<24}{raw:>+10.4f}{residual:>+10.4f}{low:>+10.4f}"
    yield ""
    yield "점수 10분위의 5일 수익 (그날 평균 대비, bp, 나쁜 쪽부터): " + " ".join(f"{x:+.0f}" for x in skill.deciles)
    yield ""
    yield "확률 보정: 말한 확률 → 실제 (o), 대각선이면 맞음 (.)"
    for told, happened, count in skill.calibration:
        yield f"  {100 * told:5.1f}% → {100 * happened:5.1f}%  {_plot(told, happened)}  ({count:,})"
    yield ""
    yield (
        f"모델 {checkpoint.model_id} · 시드 {checkpoint.card.get('seed')} · 스레드 {checkpoint.card.get('threads')} · "
        f"torch {checkpoint.card.get('torch')} · 자료 {checkpoint.card.get('data_hash')} · {seconds:.0f}초"
    )


def _share(values: tuple[float, float, float]) -> str:
    mean, low, high = (100 * value for value in values)
    return f"{mean:.1f}% [{low:.1f}, {high:.1f}]"


def _plot(told: float, happened: float) -> str:
    """One row of a plot whose axis runs from 40 % to 60 %."""
    row = [" "] * _PLOT_WIDTH
    for value, sign in ((told, "."), (happened, "o")):
        place = round((value - 0.4) / 0.2 * (_PLOT_WIDTH - 1))
        row[min(max(place, 0), _PLOT_WIDTH - 1)] = sign
    return "|" + "".join(row) + "|"
