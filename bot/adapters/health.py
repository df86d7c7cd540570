"""점검: what the doctor sees, and how the running service is doing."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING

from bot.checks import run_checks
from bot.services import Check
from engine.health import resident_megabytes

if TYPE_CHECKING:
    from bot.app import Engine

LAG_LIMIT_MILLISECONDS = 100.0


class EngineHealth:
    """Fulfils ``bot.services.Health``."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def checks(self) -> Sequence[Check]:
        engine = self._engine
        found = [
            check
            for check in await asyncio.to_thread(run_checks, engine.options.settings)
            if check.name != "웹 포트"  # it is ours while we run
        ]
        statistics = engine.feed.queue.statistics
        lag = engine.lag.percentile(0.99)
        report = engine.desk.last_report()
        trouble = engine.desk.trouble()
        watcher = engine.trader.exits.checked_at
        found += [
            Check(
                "실시간 시세",
                engine.feed.connected,
                "연결됨" if engine.feed.connected else "끊김",
                "네트워크와 KIS 상태를 확인하세요",
            ),
            Check(
                "체결 처리", not statistics.lost, f"받음 {statistics.received:,}건, 유실 {statistics.lost.total():,}건"
            ),
            Check("분봉 보정", True, f"끊김 {engine.candle_store.gaps}회, 고침 {engine.candle_store.repaired}개"),
            Check(
                "주문 원장",
                not trouble,
                trouble or "쓰기 정상",
                "디스크를 확인하세요. 그동안 신규 진입을 하지 않습니다",
            ),
            Check(
                "증권사 대조",
                report is not None and report.clean,
                f"{report.at:%H:%M:%S} {'일치' if report.clean else report.reason or '차이 있음'}"
                if report
                else "아직 없음",
                "주문내역과 잔고를 확인하세요",
            ),
            Check("청산 감시", True, f"마지막 확인 {watcher:%H:%M:%S}" if watcher else "감시할 보유 종목 없음"),
            Check(
                "이벤트 루프", lag < LAG_LIMIT_MILLISECONDS, f"지연 p99 {lag:.1f}ms", "다른 무거운 프로그램을 줄이세요"
            ),
            Check("메모리", True, f"{resident_megabytes():,.0f}MB"),
        ]
        return found
