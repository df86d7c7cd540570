"""The skill gate: no points unless the model has shown more than luck, volatility and liquidity explain."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

OPEN_AT: Final = 2.0
CLOSE_UNDER: Final = 1.0
_FULL_AT: Final = 4.0


@dataclass(frozen=True)
class Gate:
    open: bool
    strength: float
    """0..1, multiplies the points of the direction factor."""
    verdict: str


def decide(residual: float, null_deviation: float, halves: tuple[float, float], *, was_open: bool = False) -> Gate:
    """From the mean residual rank IC, its null deviation and its mean in both halves of the window.

    Opens above 2 deviations if both halves are positive; once open it closes only under 1. The strength grows from ⅓
    at 2 deviations to 1 at 4.
    """
    if not null_deviation > 0:
        return Gate(False, 0.0, "측정 가능한 예측력 없음 — 방향 팩터 0점 (비교할 기준 분포가 없음)")
    multiple = residual / null_deviation
    proven = multiple > OPEN_AT and min(halves) > 0
    kept = was_open and multiple >= CLOSE_UNDER
    if not proven and not kept:
        why = "" if multiple <= OPEN_AT else ", 기간의 절반에서만 보임"
        return Gate(False, 0.0, f"측정 가능한 예측력 없음 — 방향 팩터 0점 (우연의 {multiple:.1f}배{why})")
    strength = min(1.0, max(0.0, (multiple - CLOSE_UNDER) / (_FULL_AT - CLOSE_UNDER)))
    return Gate(
        True,
        strength,
        f"약하지만 측정된 예측력 있음 — 방향 팩터를 {100 * strength:.0f}% 반영 (우연의 {multiple:.1f}배)",
    )
