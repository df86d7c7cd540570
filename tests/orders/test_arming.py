"""Real money needs the account's digits once and a one-time code a day."""

from __future__ import annotations

import os
import stat
from datetime import timedelta
from pathlib import Path

import pyotp
import pytest

from engine.clock import wall_now
from engine.market import Environment
from engine.orders import OrderState
from engine.orders import arming as arming_module
from engine.orders.arming import FILE_NAME, Arming, ArmingRefused
from tests.orders.conftest import Rig


@pytest.fixture
async def real(cold_rig: Rig) -> Rig:
    cold_rig.environment = cold_rig.broker.environment = Environment.REAL
    await cold_rig.start()
    return cold_rig


def code_of(address: str, steps: int = 0) -> str:
    totp = pyotp.parse_uri(address)
    assert isinstance(totp, pyotp.TOTP)
    return totp.at(wall_now().timestamp() + 30 * steps)


async def test_unarmed_real_money_only_sells_what_is_journalled(real: Rig, tmp_path: Path) -> None:
    refused = await real.desk.submit(real.buy())
    assert refused.state is OrderState.DENIED
    assert "실전" in refused.reason
    arming = Arming(real.desk, tmp_path, real.account)
    address = arming.enrol()
    await arming.arm(real.clock.today(), "discord:1", code_of(address), "5678")
    bought = await real.desk.submit(real.buy())
    real.broker.fill(bought.key)
    await real.pass_time(5)
    await real.restart()
    assert not real.desk.armed, "a restart disarms"
    assert (await real.desk.submit(real.buy(quantity=1))).state is OrderState.DENIED
    assert (await real.desk.submit(real.sell())).state is OrderState.ACCEPTED


async def test_the_account_is_asked_once_and_no_code_works_twice(real: Rig, tmp_path: Path) -> None:
    arming = Arming(real.desk, tmp_path, real.account)
    day = real.clock.today()
    with pytest.raises(ArmingRefused, match="먼저 등록"):
        await arming.arm(day, "discord:1", "123456", "5678")
    address = arming.enrol()
    assert stat.S_IMODE(os.stat(tmp_path / FILE_NAME).st_mode) == 0o600
    assert real.account not in address
    with pytest.raises(ArmingRefused, match="등록되어"):
        arming.enrol()
    with pytest.raises(ArmingRefused, match="계좌"):
        await arming.arm(day, "discord:1", code_of(address))
    with pytest.raises(ArmingRefused, match="계좌"):
        await arming.arm(day, "discord:1", code_of(address), "0000")
    with pytest.raises(ArmingRefused, match="맞지"):
        await arming.arm(day, "discord:1", "000000", "5678")
    used = code_of(address)
    await arming.arm(day, "discord:1", used, "5678")
    assert real.desk.armed
    later = Arming(real.desk, tmp_path, real.account)
    assert not later.needs_account_tail
    with pytest.raises(ArmingRefused, match="이미 쓴"):
        await later.arm(day, "discord:1", used)
    await later.arm(day, "discord:1", code_of(address, 1))
    rows = await real.desk._journal.audit(day)
    assert [row[6] for row in rows if row[4] == "arm"].count("refused") >= 4
    assert used not in str(rows)


async def test_five_wrong_codes_lock_it(real: Rig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    arming = Arming(real.desk, tmp_path, real.account)
    address = arming.enrol()
    for _ in range(5):
        with pytest.raises(ArmingRefused):
            await arming.arm(real.clock.today(), "discord:1", "000000", "5678")
    with pytest.raises(ArmingRefused, match="잠겼"):
        await arming.arm(real.clock.today(), "discord:1", code_of(address), "5678")
    after = wall_now() + timedelta(minutes=16)
    monkeypatch.setattr(arming_module, "wall_now", lambda: after)
    code = pyotp.parse_uri(address).at(after.timestamp())  # type: ignore[union-attr]
    await Arming(real.desk, tmp_path, real.account).arm(real.clock.today(), "discord:1", code, "5678")


async def test_arming_ends_with_its_day(real: Rig, tmp_path: Path) -> None:
    arming = Arming(real.desk, tmp_path, real.account)
    await arming.arm(real.clock.today(), "discord:1", code_of(arming.enrol()), "5678")
    await real.pass_time(24 * 3600)
    assert not real.desk.armed


def test_a_damaged_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / FILE_NAME).write_text("{", encoding="utf-8")
    with pytest.raises(ArmingRefused, match="등록"):
        Arming(None, tmp_path, "12345678-01")  # type: ignore[arg-type]
