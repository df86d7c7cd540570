"""Daily reports on disk: one JSON to read back and one Markdown for people, per day and environment."""

from __future__ import annotations

import asyncio
import logging
import os
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any

from engine.analysis.sentiment import RULES
from engine.market import Environment
from engine.results import DayReport

logger = logging.getLogger(__name__)


@cache
def _adapter() -> Any:
    from pydantic import TypeAdapter

    return TypeAdapter(DayReport)


def author_line(by: str) -> str:
    return "규칙으로 쓴 글" if by == RULES else f"AI 생성 · {by}"


def markdown(report: DayReport, environment: Environment) -> str:
    """The report as kept for people. The account's part is always written by template."""
    sectors = "\n".join(f"| {name} | {move:+.2f}% |" for name, move in report.sector_returns)
    parts = [
        f"# 일일 리포트 {report.day:%Y-%m-%d} ({environment.label})",
        f"## 계좌 (기록에서, 규칙)\n\n{_lines(report.account_text)}",
        f"## 시장 ({author_line(report.by)})\n\n{_lines(report.market_text)}",
        f"## 계획\n\n{_lines(report.plan_text)}",
    ]
    if sectors:
        parts.append(f"## 업종\n\n| 업종 | 등락 |\n|---|---:|\n{sectors}")
    if report.dropped_sentences:
        parts.append(f"근거 없는 문장 {report.dropped_sentences}개를 뺐습니다.")
    parts.append(f"기록 지문: {report.summary.journal_hash or '없음'}")
    parts.append("개인용 도구이며 투자 권유가 아닙니다. 손실 책임은 이용자에게 있습니다.")
    return "\n\n".join(parts) + "\n"


def _lines(text: str) -> str:
    return text.replace("\n", "  \n") or "(없음)"


class ReportShelf:
    """Files ``report-DAY-ENVIRONMENT.json`` and ``.md``; written whole or not at all."""

    def __init__(self, folder: Path, environment: Environment) -> None:
        self._folder = folder
        self._environment = environment

    def path(self, day: date, ending: str) -> Path:
        return self._folder / f"report-{day:%Y-%m-%d}-{self._environment.value}.{ending}"

    async def keep(self, report: DayReport) -> None:
        """Raises OSError."""
        await asyncio.to_thread(self._write, report)

    async def find(self, day: date) -> DayReport | None:
        return await asyncio.to_thread(self._read, day)

    def _write(self, report: DayReport) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        _replace(self.path(report.day, "json"), _adapter().dump_json(report, indent=1))
        _replace(self.path(report.day, "md"), markdown(report, self._environment).encode())

    def _read(self, day: date) -> DayReport | None:
        path = self.path(day, "json")
        try:
            raw = path.read_bytes()
        except FileNotFoundError:
            return None
        try:
            report = _adapter().validate_json(raw)
        except ValueError:
            logger.warning("리포트 파일을 읽지 못해 새로 씁니다: %s", path.name)
            return None
        assert isinstance(report, DayReport)
        return report


def _replace(path: Path, content: bytes) -> None:
    temporary = path.with_name(path.name + ".part")
    temporary.write_bytes(content)
    os.replace(temporary, path)
