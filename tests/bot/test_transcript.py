"""A scripted day, compared with the transcript a person has read and approved.

After a wanted change: ``GAEMI_GOLDEN=write python -m pytest tests/bot/test_transcript.py`` and read the difference.
"""

from __future__ import annotations

import os
from pathlib import Path

from bot.alert_texts import AlertWriter
from bot.texts import Texts
from engine.market import Environment
from tests.bot.conftest import Desk
from tests.bot.fakes import FakeWall
from tests.bot.scripted_day import alert_lines, transcript

GOLDEN = Path(__file__).parent / "golden"


def compare(name: str, text: str) -> None:
    path = GOLDEN / name
    if os.environ.get("GAEMI_GOLDEN") == "write":
        path.write_text(text, encoding="utf-8")
    assert text == path.read_text(encoding="utf-8")


async def test_the_scripted_day_reads_as_approved(desk: Desk) -> None:
    compare("day.ko.txt", await transcript(desk))
    assert [order.quantity for order in desk.orders.sent] == [34]
    assert desk.orders.calls == ["panic", "flatten"]


def test_the_alerts_of_a_day_read_as_approved() -> None:
    for language in ("ko", "en"):
        writer = AlertWriter(Texts(language), Environment.SIMULATOR, FakeWall().monotonic)
        compare(f"alerts.{language}.txt", alert_lines(writer))
