"""Compiled kernels follow their sources."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from engine.scoring import compiled_cache

PROGRAM = """
import numpy as np
from engine.scoring import curves
print(float(curves.ramp(0.5, 0.0, 1.0)), float(curves.near(0.4, 0.8)))
"""


def test_folder_changes_with_any_source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in compiled_cache._SOURCES:
        shutil.copy(compiled_cache._HERE / name, tmp_path / name)
    before = compiled_cache.folder()
    monkeypatch.setattr(compiled_cache, "_HERE", tmp_path)
    assert compiled_cache.folder().name == before.name
    seen = {before.name}
    for name in compiled_cache._SOURCES:
        with (tmp_path / name).open("a") as file:
            file.write("\n# changed\n")
        seen.add(compiled_cache.folder().name)
    assert len(seen) == 3
    assert not compiled_cache.ready()


def test_old_folders_are_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path))
    (tmp_path / "numba-old").mkdir()
    (tmp_path / "other").mkdir()
    fake: Any = SimpleNamespace(config=SimpleNamespace(CACHE_DIR=""))
    compiled_cache.use(fake)
    assert Path(fake.config.CACHE_DIR) == compiled_cache.folder()
    assert [path.name for path in tmp_path.iterdir()] == ["other"]


def test_a_process_leaves_its_kernels_there(tmp_path: Path) -> None:
    root = Path(__file__).resolve().parents[2]
    environment = {"PATH": "/usr/bin:/bin", "NUMBA_CACHE_DIR": str(tmp_path), "PYTHONPATH": str(root)}
    found = subprocess.run(
        [sys.executable, "-c", PROGRAM], env=environment, capture_output=True, text=True, check=True, cwd=root
    )
    assert found.stdout.split() == ["0.5", "0.5"]
    assert list(tmp_path.glob("numba-*/**/*.nbi"))
