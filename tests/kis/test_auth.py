"""Tokens: single flight, disk cache, the minute rule, refusals; and no secret anywhere it could be read."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import stat
import traceback
from pathlib import Path

import pytest

from engine.broker import AuthenticationError, BrokerError
from engine.clock import SimulatedClock
from engine.kis import KIS, KisAddresses, KisCredentials, KisLimits, TokenUnavailable
from engine.kis.auth import FILE_NAME
from engine.market import Environment
from tests.kis.conftest import ACCOUNT, KEY, SECRET
from tests.kis.test_quotes import PRICE_BODY
from tests.servers.kis_stub import ORDER_PATH, PRICE_PATH, KisStub, Reply, refusal, token_body

TOKEN_PATH = "/oauth2/tokenP"


def another(kis: KIS, stub: KisStub, clock: SimulatedClock, credentials: KisCredentials, home: Path) -> KIS:
    return KIS(
        credentials,
        KisAddresses(stub.rest_url, stub.ws_url),
        Environment.SIMULATOR,
        clock,
        home,
        KisLimits(100),
        wire="real",
    )


async def test_many_callers_share_one_issue(kis: KIS, stub: KisStub) -> None:
    stub.script(PRICE_PATH, Reply(PRICE_BODY))
    await asyncio.gather(*(kis.quote("000660") for _ in range(20)))
    assert stub.count(TOKEN_PATH) == 1


async def test_the_token_outlives_the_process_and_only_its_owner_reads_it(
    kis: KIS, stub: KisStub, clock: SimulatedClock, credentials: KisCredentials, tmp_path: Path
) -> None:
    await kis.start()
    path = tmp_path / FILE_NAME
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert KEY not in path.read_text()
    assert SECRET not in path.read_text()
    assert os.listdir(tmp_path) == [FILE_NAME]
    async with another(kis, stub, clock, credentials, tmp_path) as second:
        stub.script(PRICE_PATH, Reply(PRICE_BODY))
        await second.quote("000660")
    assert stub.count(TOKEN_PATH) == 1


async def test_a_token_of_another_key_is_not_used(
    kis: KIS, stub: KisStub, clock: SimulatedClock, tmp_path: Path
) -> None:
    await kis.start()
    async with another(kis, stub, clock, KisCredentials("P" * 36, SECRET, ACCOUNT), tmp_path):
        pass
    assert stub.count(TOKEN_PATH) == 2


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"bound_to": 3}', b"\xff\xfe"])
async def test_a_damaged_file_means_a_new_token(
    content: bytes, stub: KisStub, clock: SimulatedClock, credentials: KisCredentials, tmp_path: Path, kis: KIS
) -> None:
    (tmp_path / FILE_NAME).write_bytes(content)
    async with another(kis, stub, clock, credentials, tmp_path):
        pass
    assert stub.count(TOKEN_PATH) == 1
    assert json.loads((tmp_path / FILE_NAME).read_bytes())["access"] == "eyJ0-first"


async def test_a_token_is_renewed_before_it_ends(kis: KIS, stub: KisStub, clock: SimulatedClock) -> None:
    stub.script(TOKEN_PATH, Reply(token_body("short", 3600)), Reply(token_body("long")))
    stub.script(PRICE_PATH, Reply(PRICE_BODY))
    clock.speed = float("inf")
    await kis.start()
    await clock.sleep(1500)
    await kis.quote("000660")
    assert stub.count(TOKEN_PATH) == 1
    await clock.sleep(400)
    await kis.quote("000660")
    assert stub.seen[-1].headers["authorization"] == "Bearer long"


async def test_an_expired_token_is_renewed_once_for_all_reads(kis: KIS, stub: KisStub, clock: SimulatedClock) -> None:
    stub.script(TOKEN_PATH, Reply(token_body("first")), Reply(token_body("second")))
    await kis.start()
    await clock.sleep(61)
    stub.script(PRICE_PATH, *(Reply(refusal("EGW00123"), 500) for _ in range(5)), Reply(PRICE_BODY))
    await asyncio.gather(*(kis.quote("000660") for _ in range(5)))
    assert stub.count(TOKEN_PATH) == 2
    assert stub.count(PRICE_PATH) == 10


async def test_once_a_minute_the_old_token_is_kept_and_then_a_typed_error_says_when(
    kis: KIS, stub: KisStub, clock: SimulatedClock
) -> None:
    stub.script(TOKEN_PATH, Reply({"error_code": "EGW00133", "error_description": "1분당 1회"}, 403))
    with pytest.raises(TokenUnavailable) as caught:
        await kis.quote("000660")
    assert caught.value.retry_after == pytest.approx(61)
    with pytest.raises(TokenUnavailable) as caught:
        await kis.quote("000660")
    assert 50 < caught.value.retry_after <= 61
    assert stub.count(TOKEN_PATH) == 1
    stub.script(TOKEN_PATH, Reply(token_body()))
    stub.script(PRICE_PATH, Reply(PRICE_BODY))
    await clock.sleep(61)
    assert (await kis.quote("000660")).price == 128_500


async def test_a_refusal_within_the_minute_keeps_the_old_token(kis: KIS, stub: KisStub) -> None:
    await kis.start()
    stub.script(PRICE_PATH, Reply(refusal("EGW00121"), 500), Reply(PRICE_BODY))
    assert (await kis.quote("000660")).price == 128_500
    assert stub.count(TOKEN_PATH) == 1


@pytest.mark.parametrize("code", ["EGW00103", "EGW00105"])
async def test_wrong_keys_are_said_at_the_start(kis: KIS, stub: KisStub, code: str) -> None:
    stub.script(TOKEN_PATH, Reply({"error_code": code, "error_description": "유효하지 않은 AppKey입니다."}, 403))
    with pytest.raises(AuthenticationError, match=code):
        await kis.start()


@pytest.mark.parametrize(
    "reply",
    [
        Reply(raw=b"<html>", status=502),
        Reply({"access_token": "", "expires_in": 86400}),
        Reply({"access_token": "a\nb", "expires_in": 86400}),
        Reply({"access_token": "a", "expires_in": "soon"}),
        Reply({"access_token": "a", "expires_in": True}),
        Reply(drop=True),
    ],
)
async def test_a_broken_token_answer_is_no_token(kis: KIS, stub: KisStub, reply: Reply) -> None:
    stub.script(TOKEN_PATH, reply)
    await kis.start()  # says so in the log and goes on
    with pytest.raises(BrokerError):
        await kis.quote("000660")
    assert stub.count(PRICE_PATH) == 0


async def test_no_secret_is_ever_shown(
    kis: KIS, stub: KisStub, caplog: pytest.LogCaptureFixture, credentials: KisCredentials
) -> None:
    caplog.set_level(logging.DEBUG)
    token = "tokenCANARY"
    stub.script(TOKEN_PATH, Reply(token_body(token)))
    shown = [repr(kis), repr(credentials), repr(kis._access), repr(kis._access._token), repr(vars(kis))]
    errors: list[BaseException] = []
    for reply in (
        Reply(drop=True),
        Reply(raw=b"<html>"),
        Reply(refusal("EGW00201"), 500),
        Reply(refusal("OPSQ2000"), 200),
        Reply(PRICE_BODY, silence=60),
    ):
        stub.script(PRICE_PATH, reply)
        stub.script("/uapi/domestic-stock/v1/trading/inquire-balance", reply)
        for call in (kis.quote("000660"), kis.balance()):
            with pytest.raises(BrokerError) as caught:
                await call
            errors.append(caught.value)
    stub.script(ORDER_PATH, Reply(drop=True))
    shown += ["".join(traceback.format_exception(error)) for error in errors] + [caplog.text]
    for canary in (KEY, SECRET, token, ACCOUNT):
        assert not any(canary in text for text in shown)
