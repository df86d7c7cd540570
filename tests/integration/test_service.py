"""The whole service as a process: a day to its end, and kill −9 in the middle of it."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]

CLEAN = {
    name: value
    for name, value in os.environ.items()
    if not name.startswith(("KIS_", "DISCORD_", "TELEGRAM_", "GEMINI_", "NAVER_", "GAEMI_"))
}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def running(home: Path, *arguments: str) -> Iterator[tuple[subprocess.Popen[bytes], httpx.Client]]:
    port = free_port()
    command = [sys.executable, "-m", "bot", "run", "--home", str(home), "--port", str(port), "--no-start", *arguments]
    with (home.parent / "service.log").open("ab") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, env=CLEAN)
    try:
        base = f"http://127.0.0.1:{port}"
        for _ in range(600):
            try:
                httpx.get(base + "/healthz", timeout=2)
                break
            except httpx.TransportError:
                assert process.poll() is None, (home.parent / "service.log").read_text(encoding="utf-8")
                time.sleep(0.1)
        token = (home / "api-token").read_text(encoding="ascii").strip()
        with httpx.Client(base_url=base, headers={"Authorization": f"Bearer {token}"}, timeout=60) as client:
            yield process, client
    finally:
        process.kill()
        process.wait()


def positions(client: httpx.Client) -> list[Any]:
    answer = client.get("/api/trading/portfolio")
    assert answer.status_code == 200, answer.text
    found: list[Any] = answer.json()["holdings"]
    return found


def journal(home: Path) -> list[tuple[str, str, int]]:
    (path,) = home.glob("simulator/*/journal.db")
    with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as connection:
        return connection.execute(
            "SELECT code, side, quantity FROM orders WHERE state IN ('filled', 'accepted')"
        ).fetchall()


def wait_for_the_open(client: httpx.Client) -> None:
    for _ in range(400):
        volume = client.get("/api/stocks/005930/price").json().get("volume", 0)
        if volume:
            return
        time.sleep(0.1)
    pytest.fail("the market did not open")


def test_kill_nine_in_the_middle_of_an_order_buys_nothing_twice(tmp_path: Path) -> None:
    home = tmp_path / "home"
    order = {"code": "005930", "quantity": 3, "type": "market"}
    with running(home, "--speed", "120") as (process, client):
        wait_for_the_open(client)
        answer = client.post("/api/trading/buy", json=order, headers={"Idempotency-Key": "first-buy-0001"})
        assert answer.status_code in (200, 201, 202), answer.text
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    with running(home, "--speed", "120") as (_, client):
        answer = client.post("/api/trading/buy", json=order, headers={"Idempotency-Key": "first-buy-0001"})
        assert answer.status_code < 500, answer.text
        for _ in range(100):
            if held := positions(client):
                break
            time.sleep(0.2)
        assert [(p["code"], p["quantity"]) for p in held] == [("005930", 3)]
    assert journal(home) == [("005930", "buy", 3)]


def test_a_whole_day_ends_by_itself_with_figures_that_agree(tmp_path: Path) -> None:
    answer = subprocess.run(
        [
            sys.executable,
            "-m",
            "bot",
            "run",
            "--speed",
            "max",
            "--exit-at-close",
            "--json",
            "--home",
            str(tmp_path),
            "--port",
            str(free_port()),
        ],
        capture_output=True,
        text=True,
        env=CLEAN,
        timeout=380,
        check=False,
    )
    assert answer.returncode == 0, answer.stderr
    assert "Traceback" not in answer.stderr, answer.stderr
    assert re.search(r"http://127\.0\.0\.1:\d+/#code=\S+", answer.stderr)
    day = json.loads(answer.stdout.strip().splitlines()[-1])
    assert day["finished"] is True
    assert day["evaluated"] > 1_000
    assert day["open_positions"] == []
    assert day["equity_end"] == day["equity_start"] + day["realised"], "broker's cash and our figures agree to the won"
    assert day["realised"] == sum(trade["profit"] for trade in day["trades"])
    assert day["fees"] == sum(trade["fees"] for trade in day["trades"])
    assert day["taxes"] == sum(trade["taxes"] for trade in day["trades"])
    assert day["buys"] == day["sells"] == len(day["trades"])
    for trade in day["trades"]:
        assert trade["entry_score"] >= 55
        assert trade["entry_reasons"]
    assert day["explanations"]
    assert {"speed", "loop_lag_p99_ms", "memory_mb", "journal_hash"} <= day.keys()
