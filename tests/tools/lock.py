"""Write both lock files anew from pyproject.toml: ``python -m tests.tools.lock`` (``make lock``).

pip resolves; nothing is installed. Local version labels (``+cpu``) are left out, so that the pins hold whichever index
the packages come from. The test file pins only what comes on top of the packages that gaemi needs to run.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
RUN_HEAD = "# Everything gaemi needs to run, pinned. Made by `make lock`; torch carries no local label: see README for the CPU build.\n"
TEST_HEAD = "# What the tests need on top. Made by `make lock`.\n-r requirements.lock\n"


def pins(report: dict[str, Any]) -> list[str]:
    """``name==version`` of each package in pip's installation report, sorted by normalised name."""
    found = []
    for item in report["install"]:
        name = re.sub(r"[-_]+", "-", item["metadata"]["name"].lower())
        found.append((name, item["metadata"]["version"].split("+")[0]))
    return [f"{name}=={version}" for name, version in sorted(found)]


def resolve(requirements: Iterable[str]) -> list[str]:
    """What pip would install for ``requirements`` into an empty environment. Raises CalledProcessError."""
    with tempfile.TemporaryDirectory() as folder:
        wanted, report = Path(folder) / "requirements.txt", Path(folder) / "report.json"
        wanted.write_text("\n".join(requirements) + "\n", "utf-8")
        subprocess.run(
            [
                sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--prefer-binary",
                "--dry-run", "--ignore-installed", "--report", str(report), "-r", str(wanted),
            ],
            check=True,
        )  # fmt: skip
        return pins(json.loads(report.read_text("utf-8")))


def on_top(run: Sequence[str], both: Sequence[str]) -> list[str]:
    """The pins of ``both`` that ``run`` lacks. Raises ValueError where the two disagree on a version."""
    known = dict(pin.split("==") for pin in run)
    extra = [pin for pin in both if pin not in run]
    if torn := [pin for pin in extra if pin.split("==")[0] in known]:
        raise ValueError(f"the tests would change what gaemi runs on: {', '.join(torn)}")
    return extra


def main() -> int:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    print("실행에 필요한 패키지를 고르는 중…", flush=True)
    run = resolve(project["dependencies"])
    print(f"  {len(run)}개. 시험 도구를 고르는 중…", flush=True)
    extra = on_top(run, resolve([*run, *project["optional-dependencies"]["test"]]))
    (ROOT / "requirements.lock").write_text(RUN_HEAD + "\n".join(run) + "\n", "utf-8")
    (ROOT / "requirements-test.lock").write_text(TEST_HEAD + "\n".join(extra) + "\n", "utf-8")
    print(f"  {len(extra)}개. requirements.lock 과 requirements-test.lock 을 새로 썼습니다.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
