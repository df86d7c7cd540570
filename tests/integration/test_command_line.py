"""Mistakes a person makes at the command line: one clear Korean line, a proper exit code, nothing lost."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
from pathlib import Path

import pytest

HANGUL = re.compile("[가-힣]")


def gaemi(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    clean = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("KIS_", "DISCORD_", "TELEGRAM_", "GEMINI_", "NAVER_", "GAEMI_"))
    }
    return subprocess.run(
        [sys.executable, "-m", "bot", *arguments],
        capture_output=True,
        text=True,
        timeout=100,
        env={**clean, **environment},
        check=False,
    )


def refused(answer: subprocess.CompletedProcess[str], *words: str) -> None:
    assert answer.returncode == 2, answer.stderr
    line = answer.stderr.strip().splitlines()[-1]
    assert line.startswith("오류:")
    assert HANGUL.search(line)
    assert "Traceback" not in answer.stderr
    for word in words:
        assert word in line


@pytest.mark.parametrize(
    ("environment", "words"),
    [
        ({"KIS_MOK": "true"}, ("KIS_MOK", "KIS_MOCK")),
        ({"KIS_APP_KEY": "super-secret-key"}, ("KIS_APP_SECRET", "KIS_ACCOUNT")),
        ({"KIS_MOCK": "false"}, ("실전",)),
        ({"GAEMI_PORT": "90000"}, ("GAEMI_PORT",)),
        ({"TELEGRAM_ADMINS": "me,you"}, ("TELEGRAM_ADMINS", "숫자")),
        ({"TELEGRAM_TOKEN": "123456:REAL", "GAEMI_TEST_TELEGRAM_URL": "http://127.0.0.1:1"}, ("TELEGRAM_TOKEN",)),
        ({"NAVER_CLIENT_ID": "x"}, ("NAVER_CLIENT_SECRET",)),
    ],
)
def test_a_wrong_setting_is_named(tmp_path: Path, environment: dict[str, str], words: tuple[str, ...]) -> None:
    answer = gaemi("doctor", "--home", str(tmp_path), **environment)
    refused(answer, *words)
    assert "super-secret-key" not in answer.stderr + answer.stdout


def test_an_unknown_name_in_the_env_file_is_named(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("KIS_APPKEY=x\n", encoding="utf-8")
    answer = subprocess.run(
        [sys.executable, "-m", "bot", "doctor"], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False
    )
    refused(answer, "KIS_APPKEY", "KIS_APP_KEY")


def test_an_empty_replay_folder_and_a_broken_file(tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    home = str(tmp_path / "home")
    refused(gaemi("run", "--replay", str(empty), "--home", home, "--no-front-ends"), "krx_daily.parquet")
    (empty / "krx_daily.parquet").write_bytes(b"not a parquet file")
    (empty / "krx_minute.parquet").write_bytes(b"not a parquet file")
    refused(gaemi("run", "--replay", str(empty), "--home", home, "--no-front-ends"))


def test_a_holiday_and_a_bad_date_and_a_bad_speed(tmp_path: Path) -> None:
    refused(gaemi("run", "--date", "2026-11-22", "--home", str(tmp_path), "--no-front-ends"), "거래일", "2026-11-23")
    refused(gaemi("run", "--date", "내일"), "날짜")
    refused(gaemi("run", "--speed", "0"), "배속")


def test_a_taken_port_names_its_holder_and_another_port(tmp_path: Path) -> None:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        port = holder.getsockname()[1]
        answer = gaemi("run", "--port", str(port), "--home", str(tmp_path))
    refused(answer, str(port), "--port")


def test_a_home_that_cannot_be_written(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("x", encoding="utf-8")
    refused(gaemi("run", "--home", str(blocked / "home"), "--no-front-ends"), "쓸 수 없습니다", "--home")


def test_a_broken_simulator_state_is_refused_and_kept(tmp_path: Path) -> None:
    folder = tmp_path / "simulator" / "seed-7"
    folder.mkdir(parents=True)
    (folder / "simulator.json").write_text("{", encoding="utf-8")
    refused(gaemi("run", "--home", str(tmp_path), "--no-front-ends"), "simulator.json")
    assert (folder / "simulator.json").read_text(encoding="utf-8") == "{"


def test_doctor_answers_in_json_and_every_command_has_korean_help(tmp_path: Path) -> None:
    answer = gaemi("doctor", "--json", "--home", str(tmp_path), GAEMI_PORT="0")
    found = json.loads(answer.stdout.splitlines()[-1])
    assert found["well"] == (answer.returncode == 0)
    assert {"설정", "자료 폴더", "거래일 달력", "한글 글꼴"} <= {check["name"] for check in found["checks"]}
    top = gaemi("--help").stdout
    names = re.findall(r"^    ([a-z]+) ", top, re.M)
    assert {"run", "doctor"} <= set(names)
    for name in names:
        text = gaemi(name, "--help").stdout
        assert HANGUL.search(text), name
        assert "종료 코드" in text, name
