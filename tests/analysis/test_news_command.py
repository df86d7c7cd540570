"""``gaemi news classify``: one label a row, in file order, whatever is in the file."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bot.cli import main


def test_labels_come_in_file_order(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "h.csv"
    file.write_text('id,Headline \n1,"가나전자, 급등"\n2,"여러\n줄 급락"\n3,\n4\n', encoding="utf-8-sig")
    assert main(["news", "classify", str(file), "--json"]) == 0
    rows = json.loads(capsys.readouterr().out.splitlines()[-1])["rows"]
    assert [row["label"] for row in rows] == ["positive", "negative", "neutral", "neutral"]


def test_korean_windows_files_are_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "h.csv"
    file.write_bytes("headline\n가나전자 흑자 전환\n".encode("cp949"))
    assert main(["news", "classify", str(file)]) == 0
    assert "긍정  가나전자 흑자 전환" in capsys.readouterr().out


@pytest.mark.parametrize("content", [b"title\nx\n", b"", b"\xff\xfe\x00\x81\xff"], ids=["no column", "empty", "binary"])
def test_a_wrong_file_is_one_line(content: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "h.csv"
    file.write_bytes(content)
    assert main(["news", "classify", str(file), "--json"]) == 2
    error = capsys.readouterr().err
    assert error.startswith("오류: ")
    assert error.count("\n") == 1
    assert main(["news", "classify", str(tmp_path / "missing.csv")]) == 2
