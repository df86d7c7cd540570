"""설정: the strategy and risk settings that a person may change while the service runs.

A change is written to ``strategy.json`` (atomically) before it holds, and read again at the next start.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, Literal

from bot.services import Setting
from engine.orders import OrderDesk, RiskLimits
from engine.strategy import StrategySettings


@dataclass(frozen=True, slots=True)
class _Row:
    name: str
    label: str
    where: Literal["strategy", "risk"]
    minimum: float
    maximum: float
    unit: str = ""
    scale: float = 1.0
    """What a person reads is the value times this (percent)."""
    riskier_up: bool = True
    whole: bool = False


ROWS: Final[tuple[_Row, ...]] = (
    _Row("entry_score", "매수 기준 점수", "strategy", 40, 100, "점", riskier_up=False),
    _Row("exit_score", "매도 기준 점수", "strategy", -100, 0, "점", riskier_up=False),
    _Row("cash_share", "1회 매수 비중", "strategy", 1, 35, "%", 100),
    _Row("maximum_positions", "최대 보유 종목", "strategy", 1, 10, "종목", whole=True),
    _Row("take_profit", "익절", "strategy", 0.5, 30, "%", 100),
    _Row("fixed_stop", "고정 손절", "strategy", 0.5, 10, "%", 100),
    _Row("holding_bars", "보유 기한(15분봉)", "strategy", 4, 260, "봉", whole=True),
    _Row("close_out", "15:20 일괄 청산 (1 켬, 0 끔)", "strategy", 0, 1, riskier_up=False, whole=True),
    _Row("overnight", "다음 날까지 보유 (1 켬, 0 끔)", "strategy", 0, 1, whole=True),
    _Row("volatility_sizing", "변동성 비중 조절 (1 켬, 0 끔)", "strategy", 0, 1, riskier_up=False, whole=True),
    _Row("order_share", "1회 주문 한도(자산 대비)", "risk", 1, 35, "%", 100),
    _Row("order_value", "1회 주문 한도(금액)", "risk", 10_000, 10_000_000, "원", whole=True),
    _Row("exposure_share", "총 보유 한도", "risk", 5, 95, "%", 100),
    _Row("daily_loss", "하루 손실 한도", "risk", 0.5, 10, "%", 100),
    _Row("drawdown", "고점 대비 손실 한도", "risk", 1, 30, "%", 100),
    _Row("orders_per_day", "하루 주문 수 한도", "risk", 1, 500, "건", whole=True),
)
_BY_NAME: Final = {row.name: row for row in ROWS}
_SWITCHES: Final = frozenset({"close_out", "overnight", "volatility_sizing"})


def load_choices(path: Path, strategy: StrategySettings, limits: RiskLimits) -> tuple[StrategySettings, RiskLimits]:
    """Defaults with the person's choices on top. Raises ValueError with a Korean line for a broken file."""
    if not path.exists():
        return strategy, limits
    try:
        chosen = json.loads(path.read_text(encoding="utf-8"))
        for name, value in chosen.items():
            strategy, limits = _with(_BY_NAME[name], float(value), strategy, limits)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{path} 을(를) 읽을 수 없습니다 ({error}). 지우면 기본값으로 시작합니다") from error
    return strategy, limits


def _with(
    row: _Row, value: float, strategy: StrategySettings, limits: RiskLimits
) -> tuple[StrategySettings, RiskLimits]:
    plain: Any = value / row.scale
    if row.whole:
        plain = round(value)
    if row.name in _SWITCHES:
        plain = bool(plain)
    if row.where == "strategy":
        return replace(strategy, **{row.name: plain}), limits
    return strategy, replace(limits, **{row.name: plain})


class StrategyDesk:
    """Fulfils ``bot.services.SettingsDesk``."""

    def __init__(
        self,
        path: Path,
        strategy: Callable[[], StrategySettings],
        limits: Callable[[], RiskLimits],
        apply: Callable[[StrategySettings, RiskLimits], None],
        desk: OrderDesk,
    ) -> None:
        self._path = path
        self._strategy = strategy
        self._limits = limits
        self._apply = apply
        self._desk = desk

    def list(self) -> Sequence[Setting]:
        return [self._setting(row) for row in ROWS]

    def _setting(self, row: _Row) -> Setting:
        source = self._strategy() if row.where == "strategy" else self._limits()
        value = float(getattr(source, row.name)) * row.scale
        return Setting(row.name, row.label, f"{value:.10g}", row.minimum, row.maximum, row.unit, row.riskier_up)

    async def change(self, name: str, value: str, by: str) -> Setting:
        row = _BY_NAME.get(name)
        if row is None:
            raise ValueError(f"없는 설정입니다: {name}")
        number = float(value)
        if not row.minimum <= number <= row.maximum:
            raise ValueError(f"{row.label}: {row.minimum:g}에서 {row.maximum:g} 사이여야 합니다")
        strategy, limits = _with(row, number, self._strategy(), self._limits())
        self._write(name, number)
        self._apply(strategy, limits)
        await self._desk.record_audit(by, "settings", "change", {"name": name, "value": value}, "allowed", "")
        return self._setting(row)

    def _write(self, name: str, value: float) -> None:
        chosen = json.loads(self._path.read_text(encoding="utf-8")) if self._path.exists() else {}
        chosen[name] = value
        temporary = self._path.with_suffix(".tmp")
        try:
            with temporary.open("w", encoding="utf-8") as file:
                json.dump(chosen, file, ensure_ascii=False, indent=1)
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, self._path)
        except OSError as error:
            raise ValueError(f"설정을 저장할 수 없어 바꾸지 않았습니다 ({error.strerror})") from error
