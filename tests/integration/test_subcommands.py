"""The commands that look and report: what they print, what they refuse, and that they leave the service's files alone."""

from __future__ import annotations

import hashlib
import json
import re
import signal
import socket
import subprocess
import sys
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from bot.cli import main
from bot.subcommands.watch import look_once
from engine.attribution import AttributedTrade, attribute
from engine.broker import BrokerError
from engine.clock import SimulatedClock, seeded
from engine.market import KST, Side
from engine.orders import Journal
from engine.orders.sql import save_position
from engine.orders.values import Origin, Position
from engine.results import ExitReason, Factor
from tests.orders.conftest import SAMSUNG, Rig, rig
from tests.shared_data import SHARED, needs_shared_data
from tests.tools.lock import on_top, pins

__all__ = ["rig"]
HANGUL = re.compile("[가-힣]")
DAY = datetime(2026, 3, 10, 9, 30, tzinfo=KST)
FACTORS = {factor.value: 1.0 + number for number, factor in enumerate(Factor)}


@pytest.fixture(autouse=True)
def no_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import os

    for name in list(os.environ):
        if name.startswith(("KIS_", "DISCORD_", "TELEGRAM_", "GEMINI_", "NAVER_", "GAEMI_")):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


def answer(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    try:
        code = main(arguments)
    except SystemExit as stop:
        code = int(stop.code or 0)
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def refused(capsys: pytest.CaptureFixture[str], *arguments: str, code: int = 2) -> str:
    found, out, err = answer(capsys, *arguments)
    line = err.strip().splitlines()[-1]
    assert found == code, (out, err)
    assert line.startswith("오류:")
    assert HANGUL.search(line)
    return line


def last_json(out: str) -> dict[str, Any]:
    parsed: dict[str, Any] = json.loads(out.strip().splitlines()[-1])
    return parsed


# ---------------------------------------------------------------- a journal with a day in it


async def a_day(home: Path, name: str = "simulator/seed-7") -> Path:
    """A journal that a service left: one order, its decision, one round trip, one command."""
    folder = home / name
    folder.mkdir(parents=True)
    clock = SimulatedClock(DAY)
    journal = await Journal.direct(folder / "journal.db", clock)
    from engine.broker import OrderType
    from engine.orders import sql
    from engine.orders.values import OrderIntent, OrderRecord, OrderState, Purpose

    intent = OrderIntent(
        signal_key="20260310:005930:entry:0930",
        code=SAMSUNG,
        side=Side.BUY,
        type=OrderType.LIMIT,
        quantity=10,
        price=70_000,
        origin=Origin.BOT,
        purpose=Purpose.ENTRY,
        actor="bot",
        score=60.0,
        input_digest="d1",
        reasons=("RSI가 눌려 있습니다",),
    )
    order = OrderRecord(
        order_id="20260310-0001", intent=intent, state=OrderState.PREPARED, price=70_000, created_at=DAY, updated_at=DAY
    )
    position = Position(
        position_id="p1",
        code=SAMSUNG,
        name="삼성전자",
        quantity=0,
        average_price=70_000.0,
        opened_at=DAY,
        stop_price=68_000,
        target_price=73_500,
        highest_price=71_000,
        stop_reason=ExitReason.FIXED_STOP,
        origin=Origin.BOT,
        entry_order_id="20260310-0001",
        bought=10,
        bought_value=700_000,
        sold=10,
        sold_value=710_000,
        exit_reason=ExitReason.CLOSE_OUT,
    )
    await journal.record_decision(DAY, SAMSUNG, "enter", 60.0, "d1", {"factors": FACTORS, "why": ""})
    await journal.write(
        [
            sql.save_order(order),
            sql.add_step(order, "첫 단계"),
            save_position(position, DAY),
            sql.add_audit(DAY, "person", "web", "정지", {"why": "시험"}, "allowed", ""),
            sql.save_equity(DAY.date(), 10_000_000, 10_009_000, 10_010_000),
        ]
    )
    await journal.close()
    return folder / "journal.db"


@pytest.fixture
async def home(tmp_path: Path) -> Path:
    await a_day(tmp_path / "home")
    return tmp_path / "home"


def test_journal_tells_a_day_and_changes_nothing(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = home / "simulator" / "seed-7" / "journal.db"
    before = hashlib.sha256(path.read_bytes()).hexdigest()
    code, out, _ = answer(capsys, "journal", "--home", str(home), "--json")
    found = last_json(out)
    assert code == 0
    assert str(path) in out.splitlines()[0]
    assert found["database"] == str(path)
    assert found["day"] == "2026-03-10"
    assert found["decisions"][0]["detail"]["factors"]["rsi"] == 1.0
    assert found["orders"][0]["steps"] == [{"at": DAY.isoformat(), "state": "prepared", "detail": "첫 단계"}]
    assert found["orders"][0]["reasons"] == ["RSI가 눌려 있습니다"]
    assert found["trades"][0]["profit"] == 10_000
    assert found["audit"][0]["arguments"] == {"why": "시험"}
    assert found["equity"] == {"start": 10_000_000, "last": 10_009_000}
    assert hashlib.sha256(path.read_bytes()).hexdigest() == before


async def test_journal_reads_while_the_service_writes(rig: Rig, capsys: pytest.CaptureFixture[str]) -> None:
    """The writer keeps its lease: reading neither takes the lock nor moves the fence."""
    import asyncio

    await rig.hold()
    home = rig.path.parent.parent
    name = rig.path.parent.name
    code, out, _ = await asyncio.to_thread(answer, capsys, "journal", "--home", str(home), "--market", name, "--json")
    assert code == 0, out
    order = await rig.desk.submit(rig.sell(price=75_000))
    assert order.order_id


def test_journal_refuses_in_one_line(home: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert "2026-03-10" in refused(capsys, "journal", "--home", str(home), "--date", "2026-03-11")
    assert "simulator/seed-7" in refused(capsys, "journal", "--home", str(home), "--market", "simulator/seed-8")
    assert "gaemi run" in refused(capsys, "journal", "--home", str(tmp_path / "nowhere"))
    broken = tmp_path / "broken" / "mock-1234" / "journal.db"
    broken.parent.mkdir(parents=True)
    broken.write_bytes(b"not a database, not at all" * 100)
    assert str(broken) in refused(capsys, "journal", "--home", str(tmp_path / "broken"))


# ---------------------------------------------------------------- study


def test_study_factors_joins_trades_with_their_decisions(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = answer(capsys, "study", "factors", "--home", str(home), "--json")
    found = last_json(out)
    assert code == 0
    assert (found["trades"], found["winners"], found["profit"], found["without_points"]) == (1, 1, 10_000, 0)
    assert {row["factor"]: row["mean_points"] for row in found["factors"]} == FACTORS
    assert sum(row["profit"] for row in found["factors"]) == pytest.approx(10_000)
    assert "증명되지 않습니다" in found["verdict"]
    assert all(row["correlation"] is None for row in found["factors"])


def test_attribution_finds_a_planted_factor_and_no_other() -> None:
    generator = seeded("attribution test")
    trades = []
    for _ in range(60):
        points = {factor.value: float(generator.normal()) for factor in Factor}
        percent = 2.0 * points["macd"] + 0.5 * float(generator.normal())
        trades.append(AttributedTrade(points, round(10_000 * percent), percent))
    table = attribute(trades)
    rows = {row.factor: row for row in table.rows}
    assert rows[Factor.MACD].correlation > 0.9
    assert rows[Factor.MACD].by_chance < 0.005
    assert sum(row.by_chance < 0.005 for row in table.rows) == 1
    assert "우연으로 보기 어려운" in table.verdict
    assert attribute(trades) == table


def test_attribution_of_noise_admits_that_it_is_noise() -> None:
    generator = seeded("attribution noise")
    trades = [
        AttributedTrade({f.value: float(generator.normal()) for f in Factor}, int(p * 1e4), p)
        for p in generator.normal(size=60).tolist()
    ]
    assert "구별되는 인자가 없습니다" in attribute(trades).verdict
    nothing = attribute([])
    assert nothing.trades == 0
    assert "아무것도 말할 수 없습니다" in nothing.verdict


def test_study_scores_refuses_a_folder_without_bars(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "krx_daily.parquet" in refused(capsys, "study", "scores", "--replay", str(tmp_path))
    (tmp_path / "krx_daily.parquet").write_bytes(b"no parquet")
    refused(capsys, "study", "scores", "--replay", str(tmp_path))


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.shared_data
@needs_shared_data
def test_study_scores_on_real_bars() -> None:
    found = gaemi("study", "scores", "--replay", str(SHARED), "--json")
    document = last_json(found.stdout)
    assert found.returncode == 0
    assert document["stock_days"] > 100_000
    assert [period["buckets"][0]["share"] for period in document["periods"]] == [1.0] * len(document["periods"])
    assert "일봉 점수" in found.stderr


# ---------------------------------------------------------------- watch


async def test_watch_once_tells_at_once_what_differs(rig: Rig) -> None:
    await rig.hold()
    told: list[str] = []

    async def alert(message: str) -> None:
        told.append(message)

    assert await look_once(rig.path, rig.broker, rig.clock, alert, False) == ()
    assert told == []
    rig.broker.holdings[SAMSUNG] = (3, 70_000.0)
    found = await look_once(rig.path, rig.broker, rig.clock, alert, False)
    assert [one.kind for one in found] == ["position"]
    assert len(told) == 1
    assert "3주" in told[0]


async def test_watch_once_never_calls_an_unread_broker_well(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    from bot.subcommands import UserError

    async def away(*arguments: object) -> None:
        raise BrokerError("닿지 않음")

    async def alert(message: str) -> None: ...

    await rig.hold()
    monkeypatch.setattr(rig.broker, "orders", away)
    with pytest.raises(UserError, match="읽지 못했습니다"):
        await look_once(rig.path, rig.broker, rig.clock, alert, False)


def test_watch_in_the_simulator_says_what_it_cannot_see(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = answer(capsys, "watch", "--once", "--json", "--home", str(home))
    found = last_json(out)
    assert "밖에서 볼 수 없어" in out
    assert found["broker_compared"] is False
    assert code == (1 if found["findings"] else 0)
    assert "실전·모의에서만" in refused(capsys, "watch", "--once", "--cancel-when-hanging", "--home", str(home))


# ---------------------------------------------------------------- gallery, screen, score


def test_gallery_refuses_a_folder_that_cannot_be_made(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("x")
    assert "쓸 수 없습니다" in refused(capsys, "gallery", "--out", str(tmp_path / "file" / "pictures"))


@pytest.mark.slow
def test_gallery_writes_every_picture(tmp_path: Path) -> None:
    found = gaemi("gallery", "--out", str(tmp_path / "pictures"), "--json")
    document = last_json(found.stdout)
    assert len(list((tmp_path / "pictures").glob("*.png"))) == document["pictures"] > 40
    assert Path(document["index"]).is_file()


def gaemi(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "bot", *arguments], capture_output=True, text=True, timeout=290, check=False
    )


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_score_of_one_stock_in_the_simulator(tmp_path: Path) -> None:
    found = gaemi("score", "삼성전자", "--at", "09:30", "--json", "--home", str(tmp_path / "home"))
    assert found.returncode == 0, found.stderr
    document = last_json(found.stdout)
    assert document["code"] == SAMSUNG
    assert document["at"].startswith("2026-11-23T09:3")
    assert [row["factor"] for row in document["factors"]] == [factor.value for factor in Factor]
    assert document["total"] == pytest.approx(sum(row["points"] for row in document["factors"]), abs=0.01)
    assert all(row["reason"] for row in document["factors"])
    assert document["price_age_seconds"] <= 10
    assert document["fifteen_bars"] > 26
    assert not (tmp_path / "home").exists(), "the simulator's look leaves the home alone"


@pytest.mark.slow
def test_score_of_an_unknown_stock_is_one_line() -> None:
    found = gaemi("score", "999999")
    assert found.returncode == 2
    assert found.stderr.strip().splitlines()[-1] == "오류: 합성 시장 (시드 7)에 없는 종목입니다: '999999'"


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_screen_ranks_the_market(tmp_path: Path) -> None:
    found = gaemi("screen", "--top", "3", "--json")
    assert found.returncode == 0, found.stderr
    document = last_json(found.stdout)
    totals = [row["total"] for row in document["recommendations"]]
    assert len(totals) == 3
    assert totals == sorted(totals, reverse=True)
    assert document["evaluated"] > 150
    assert document["failed"] == {}
    assert sum(document["excluded"].values()) >= 1
    assert "멀티 시세" in document["price_source"]


@pytest.mark.parametrize("wrong", [("--at", "25:00"), ("--top", "0"), ("--date", "내일")])
def test_wrong_options_of_a_look(wrong: tuple[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    refused(capsys, "screen", *wrong)


def test_a_look_at_a_real_broker_takes_no_simulated_time(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, value in (("KIS_APP_KEY", "V" * 36), ("KIS_APP_SECRET", "W" * 180), ("KIS_ACCOUNT", "12345678-01")):
        monkeypatch.setenv(name, value)
    assert "시뮬레이터에서만" in refused(capsys, "score", SAMSUNG, "--at", "10:30")


# ---------------------------------------------------------------- sim


@pytest.fixture
def taken() -> Any:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        yield holder.getsockname()[1]


def test_sim_refuses_in_one_line(taken: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "배속" in refused(capsys, "sim", "--speed", "max")
    assert "포트" in refused(capsys, "sim", "--port", "70000")
    assert "2023" in refused(capsys, "sim", "--wire-epoch", "2023")
    (tmp_path / "accounts.json").write_text("{}")
    assert "accounts.json" in refused(capsys, "sim", "--accounts", str(tmp_path / "accounts.json"))
    assert "krx_" in refused(capsys, "sim", "--replay", str(tmp_path))
    line = refused(capsys, "sim", "--port", str(taken))
    assert str(taken) in line
    assert "--port" in line


def test_sim_serves_any_client_until_it_is_told_to_stop(tmp_path: Path) -> None:
    accounts = {
        "keys": [{"app_key": "K" * 36, "app_secret": "very-secret" * 16, "account": "87654321-01", "cash": 5_000_000}]
    }
    (tmp_path / "accounts.json").write_text(json.dumps(accounts))
    service = subprocess.Popen(
        [sys.executable, "-m", "bot", "sim", "--port", "0", "--ws-port", "0", "--speed", "1", "--json",
         "--accounts", str(tmp_path / "accounts.json")],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        assert service.stdout is not None
        found = json.loads(service.stdout.readline())
        assert found["rest"].endswith(str(found["port"]))
        assert found["ws_port"] != found["port"]
        shown = {key["app_key"]: key for key in found["keys"]}
        assert shown["A" * 36]["environment"] == "real"
        assert shown["V" * 36]["app_secret"] == "W" * 180
        assert shown["K" * 36]["environment"] == "mock"
        assert "very-secret" not in json.dumps(found)
        token = httpx.post(
            f"{found['rest']}/oauth2/tokenP",
            json={"grant_type": "client_credentials", "appkey": "V" * 36, "appsecret": "W" * 180},
        )
        assert token.status_code == 200
        assert token.json()["access_token"]
        service.send_signal(signal.SIGTERM)
        _, errors = service.communicate(timeout=20)
        assert service.returncode == 0, errors
        assert "실전 앱키 A×36" in errors
        assert "Traceback" not in errors
    finally:
        service.kill()
        service.wait()


# ---------------------------------------------------------------- tools


def test_the_lock_keeps_no_local_label_and_the_tests_change_no_pin() -> None:
    report = {
        "install": [
            {"metadata": {"name": "Torch", "version": "2.13.0+cpu"}},
            {"metadata": {"name": "exchange_calendars", "version": "4.13.2"}},
        ]
    }
    assert pins(report) == ["exchange-calendars==4.13.2", "torch==2.13.0"]
    assert on_top(["a==1"], ["a==1", "b==2"]) == ["b==2"]
    with pytest.raises(ValueError, match="a==3"):
        on_top(["a==1"], ["a==3"])


def test_the_benchmarks_are_found() -> None:
    from tests.benchmarks.__main__ import found

    assert {"scoring", "rendering", "synthetic_market_statistics"} <= {bench.name for bench in found()}
