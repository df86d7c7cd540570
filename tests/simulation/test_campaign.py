"""A slice of the campaign: seeded days with faults and crashes, and killed processes."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.orders.test_risk import check_generated
from tests.simulation import campaign
from tests.simulation.day import run_day
from tests.simulation.kill import BOUNDARIES, run_kills
from tests.simulation.world import Rates


@pytest.mark.slow
@pytest.mark.parametrize("first", [1, 11, 21, 31])
def test_ten_days_with_faults_and_crashes(first: int, tmp_path: Path) -> None:
    totals = campaign.Totals()
    for seed in range(first, first + 10):
        totals.add(run_day(seed, tmp_path))
    assert totals.violations == []
    assert totals.duplicates == totals.lost_fills == totals.differences == totals.after_kill_switch == 0
    assert totals.sent > 200
    assert totals.ambiguous > 50
    assert totals.crashes > 5
    assert totals.found_within_60 >= 0.95 * totals.found


def test_one_seed_gives_one_day(tmp_path: Path) -> None:
    first, second, other = run_day(7, tmp_path), run_day(7, tmp_path), run_day(8, tmp_path)
    assert first == second
    assert first.digest != other.digest


def test_the_checker_sees_a_desk_that_sends_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A trap for the trap: an order door that repeats an unknown order must be found out."""
    from engine.broker import Outcome, Unknown
    from engine.orders import door

    honest = door.ask

    async def twice(call: door.Callable[[], door.Awaitable[Outcome]]) -> Outcome:
        outcome = await honest(call)
        return await honest(call) if isinstance(outcome, Unknown) else outcome

    monkeypatch.setattr(door, "ask", twice)
    result = run_day(3, tmp_path, Rates(crash=0.0, lost_reply=0.3))
    assert result.duplicates > 0
    assert result.violations


@pytest.mark.slow
def test_eight_processes_killed_at_named_boundaries(tmp_path: Path) -> None:
    result = run_kills(8, 1, tmp_path)
    assert result.violations == []
    assert result.kills >= 7
    assert result.duplicates == result.differences == result.unresolved == 0
    assert set(result.boundaries) == {*BOUNDARIES, "random"}
    assert result.slowest_restart < 10


def test_another_seed_of_the_gate() -> None:
    assert check_generated(2_000, seed=2) > 20
