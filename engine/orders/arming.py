"""Arming real money: the account's last digits once per installation, and a one-time code for each trading day."""

from __future__ import annotations

import hmac
import json
import os
from dataclasses import asdict, dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Final

import pyotp

from engine.clock import wall_now
from engine.orders.desk import OrderDesk

TAIL_DIGITS: Final = 4
STEP_SECONDS: Final = 30
ATTEMPTS: Final = 5
LOCK: Final = timedelta(minutes=15)
FILE_NAME: Final = "arming.json"


class ArmingRefused(Exception):
    """Real money stays off; the message is a Korean line for the user."""


@dataclass(slots=True)
class _State:
    secret: str = ""
    account_confirmed: bool = False
    last_step: int = 0
    """The newest code that was used: none works twice."""
    failures: int = 0
    locked_until: str = ""


class Arming:
    """``HOME/arming.json`` (0600) keeps the secret and what was used up; the desk keeps whether it is armed."""

    def __init__(self, desk: OrderDesk, home: Path, account: str) -> None:
        self._desk = desk
        self._path = home / FILE_NAME
        self._tail = account.split("-")[0][-TAIL_DIGITS:]
        self._account = account
        self._state = self._load()

    def _load(self) -> _State:
        if not self._path.exists():
            return _State()
        try:
            return _State(**json.loads(self._path.read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError) as error:
            raise ArmingRefused(f"{FILE_NAME}을 읽을 수 없습니다. 지우고 다시 등록하십시오") from error

    def _save(self) -> None:
        draft = self._path.with_suffix(".tmp")
        try:
            handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                json.dump(asdict(self._state), file)
                file.flush()
                os.fsync(file.fileno())
            draft.replace(self._path)
        except OSError as error:
            raise ArmingRefused(f"{FILE_NAME}을 쓸 수 없습니다({error})") from error

    @property
    def enrolled(self) -> bool:
        return bool(self._state.secret)

    @property
    def needs_account_tail(self) -> bool:
        return not self._state.account_confirmed

    def enrol(self) -> str:
        """Make the secret and return its otpauth address, shown once. Raises ArmingRefused when there is one."""
        if self.enrolled:
            raise ArmingRefused(f"일회용 코드가 이미 등록되어 있습니다. 바꾸려면 {FILE_NAME}을 지우십시오")
        self._state.secret = pyotp.random_base32()
        self._save()
        name = f"****{self._tail[-2:]}"
        return pyotp.TOTP(self._state.secret).provisioning_uri(name=name, issuer_name="gaemi")

    async def arm(self, day: date, actor: str, code: str, account_tail: str | None = None) -> None:
        """Arm ``day``. Raises ArmingRefused; five wrong tries lock it for fifteen minutes."""
        try:
            self._check(code, account_tail)
        except ArmingRefused as refusal:
            await self._desk.record_audit(actor, "desk", "arm", {"day": day}, "refused", str(refusal))
            raise
        await self._desk.arm(day, actor)

    def _check(self, code: str, account_tail: str | None) -> None:
        state, now = self._state, wall_now()
        if not state.secret:
            raise ArmingRefused("일회용 코드(TOTP)를 먼저 등록하십시오")
        if state.locked_until and now < datetime.fromisoformat(state.locked_until):
            raise ArmingRefused("여러 번 틀려 잠시 잠겼습니다. 15분 뒤에 다시 하십시오")
        if not state.account_confirmed and (account_tail is None or account_tail != self._tail):
            self._failed(now)
            raise ArmingRefused(f"계좌 번호 앞 8자리의 끝 {TAIL_DIGITS}자리를 정확히 입력하십시오")
        step = self._matching_step(code, now)
        if step is None:
            self._failed(now)
            raise ArmingRefused("일회용 코드가 맞지 않습니다")
        if step <= state.last_step:
            self._failed(now)
            raise ArmingRefused("이미 쓴 일회용 코드입니다. 다음 코드를 기다리십시오")
        state.account_confirmed, state.last_step, state.failures, state.locked_until = True, step, 0, ""
        self._save()

    def _matching_step(self, code: str, now: datetime) -> int | None:
        totp = pyotp.TOTP(self._state.secret)
        present = int(now.timestamp()) // STEP_SECONDS
        for step in (present, present - 1, present + 1):
            if hmac.compare_digest(totp.at(step * STEP_SECONDS), code.strip()):
                return step
        return None

    def _failed(self, now: datetime) -> None:
        self._state.failures += 1
        if self._state.failures >= ATTEMPTS:
            self._state.failures = 0
            self._state.locked_until = (now + LOCK).isoformat()
        self._save()
