"""The stand-alone simulator: open when the port opens, on the host's date, and open again after the close."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from engine.clock import wall_now
from engine.market import Environment
from engine.simulator.app import Addresses, Simulator
from engine.simulator.identity import AccountsFileError, read_accounts_file
from engine.simulator.standalone import StandaloneOptions, run_standalone

KEY = {"appkey": "A" * 36, "appsecret": "S" * 180}


@asynccontextmanager
async def running(**options: Any) -> AsyncIterator[tuple[Addresses, Simulator]]:
    opened: asyncio.Future[tuple[Addresses, Simulator]] = asyncio.get_running_loop().create_future()
    task = asyncio.create_task(
        run_standalone(
            StandaloneOptions(port=0, **options), lambda addresses, simulator: opened.set_result((addresses, simulator))
        )
    )
    try:
        waiting: set[asyncio.Future[Any]] = {task, opened}
        await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            task.result()
        yield opened.result()
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def call(http: httpx.AsyncClient, method: str, path: str, tr_id: str, token: str, **fields: str) -> Any:
    headers = {"authorization": f"Bearer {token}", "tr_id": tr_id, **KEY}
    where = {"params": fields} if method == "GET" else {"json": fields}
    return (await http.request(method, f"/uapi/domestic-stock/v1/{path}", headers=headers, **where)).json()  # type: ignore[arg-type]


async def test_a_session_follows_the_close_and_numbers_go_on() -> None:
    async with (
        running(speed=10_000.0) as (addresses, simulator),
        httpx.AsyncClient(base_url=addresses.rest_url) as http,
    ):
        issued = (await http.post("/oauth2/tokenP", json={"grant_type": "client_credentials", **KEY})).json()
        token = issued["access_token"]
        left = wall_now().strftime("%Y-%m-%d %H:%M:%S")
        assert issued["access_token_token_expired"] > left, "tokens live on the host's clock"
        restarts, before = 0, simulator.clock.now()
        numbers: list[int] = []
        order = {"CANO": "12345678", "ACNT_PRDT_CD": "01", "PDNO": "005930", "ORD_DVSN": "01", "ORD_QTY": "1"}
        for _ in range(500):
            answer = await call(http, "POST", "trading/order-cash", "TTTC0012U", token, ORD_UNPR="0", **order)
            if answer["rt_cd"] == "0":
                numbers.append(int(answer["output"]["ODNO"]))
            now = simulator.clock.now()
            restarts += now < before
            before = now
            if restarts and numbers and len(numbers) > 3 and answer["rt_cd"] == "0":
                break
            await asyncio.sleep(0.02)
        assert restarts >= 1
        assert numbers == sorted(set(numbers))
        assert simulator.clock.today() == wall_now().date()
        simulator.ledger.check()


async def test_a_taken_port_is_an_error() -> None:
    async with running(speed=1.0) as (addresses, _):
        with pytest.raises(OSError):
            await run_standalone(StandaloneOptions(port=addresses.port), lambda a, s: None)


def test_accounts_files(tmp_path: Path) -> None:
    file = tmp_path / "accounts.json"
    entry = {"app_key": "B" * 36, "app_secret": "C" * 180, "account": "87654321-01", "cash": 5}
    entry |= {"holdings": [{"code": "005930", "quantity": 3, "average_price": 100}]}
    file.write_text(json.dumps({"keys": [entry]}), encoding="utf-8")
    (key,) = read_accounts_file(file, Environment.REAL)
    assert (key.environment, key.account.number, key.account.cash) == (Environment.REAL, "87654321", 5)
    assert key.account.holdings[0].quantity == 3
    for content in (
        "",
        "{}",
        '{"keys": [{"account": "1"}]}',
        '{"keys": [{"app_key": "x", "app_secret": "y", "account": "12345678-01", "cash": -1}]}',
    ):
        file.write_text(content, encoding="utf-8")
        with pytest.raises(AccountsFileError):
            read_accounts_file(file)
    with pytest.raises(AccountsFileError):
        read_accounts_file(tmp_path / "absent.json")
