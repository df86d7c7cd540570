"""The model card for people: a summary for scores and pictures, and labelled lines for the 모델 command."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from engine.results import SkillSummary

SURVIVORS = "지금까지 살아남은 종목만으로 잰 값이라 실제보다 좋게 나왔을 수 있습니다"


def skill_of(card: Mapping[str, Any]) -> SkillSummary | None:
    """None where the card carries no measurement."""
    skill = card.get("skill")
    if not isinstance(skill, Mapping):
        return None
    return SkillSummary(
        rank_ic=float(skill["rank_ic"]),
        residual_rank_ic=float(skill["residual_rank_ic"]),
        null_deviation=float(skill["null_deviation"]),
        low_volatility_rank_ic=float(skill["low_volatility_rank_ic"]),
        coverage=float(skill["coverage"]),
        window=str(skill["window"]),
        gate=float(skill["gate"]),
        verdict=str(skill["verdict"]),
    )


def card_lines(card: Mapping[str, Any], model_id: str) -> Iterator[tuple[str, str]]:
    yield "모델", model_id
    yield "학습 자료", f"{card.get('source', '')} · {card.get('names', 0)}종목, 표본 {card.get('samples', 0):,}개"
    yield "학습 마지막 날", str(card.get("trained_until", ""))
    yield "검증 마지막 날", str(card.get("data_until", ""))
    yield "예측 기간", f"{card.get('horizon', 5)}거래일"
    skill = card.get("skill")
    if isinstance(skill, Mapping):
        yield "시험 기간", str(skill["window"])
        yield (
            "순위 상관 (표본 외)",
            f"{skill['rank_ic']:+.3f}, 변동성·거래대금을 뺀 값 {skill['residual_rank_ic']:+.3f} "
            f"(우연의 표준편차 {skill['null_deviation']:.3f})",
        )
        yield "저변동성만으로", f"{skill['low_volatility_rank_ic']:+.3f}"
        low, high = skill["relative_interval"]
        yield (
            "중앙값 대비 방향",
            f"{100 * skill['relative_accuracy']:.1f}% (95% 구간 {100 * low:.1f}~{100 * high:.1f}, 동전 던지기 50%)",
        )
        yield (
            "오르내림 방향",
            f"{100 * skill['absolute_accuracy']:.1f}% (늘 한쪽만 찍으면 {100 * skill['constant_accuracy']:.1f}%)",
        )
        yield "80% 구간에 든 비율", f"{100 * skill['coverage']:.1f}%"
        yield "판정", str(skill["verdict"])
        yield "주의", SURVIVORS
    yield (
        "재현 정보",
        f"시드 {card.get('seed')}, 스레드 {card.get('threads')}, torch {card.get('torch')}, 자료 {card.get('data_hash')}",
    )
