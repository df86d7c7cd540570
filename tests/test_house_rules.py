"""Rules that no type checker knows: the clock rule, module sizes, TR ids, registry hosts, machine paths."""

from __future__ import annotations

import ast
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("bot", "engine", "charts", "data")
SOURCES = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))
CLOCK = ROOT / "engine" / "clock.py"

FORBIDDEN_CALLS = {
    "time.time",
    "time.monotonic",
    "time.perf_counter",
    "time.sleep",
    "datetime.now",
    "datetime.utcnow",
    "datetime.today",
    "date.today",
    "asyncio.sleep",
    "uuid.uuid4",
    "uuid.uuid1",
    "np.random.default_rng",
    "numpy.random.default_rng",
}
FORBIDDEN_MODULES = {"random", "uuid"}


def dotted(node: ast.expr) -> str:
    if isinstance(node, ast.Attribute):
        return f"{dotted(node.value)}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else ""


@pytest.mark.parametrize("path", [p for p in SOURCES if p != CLOCK], ids=lambda p: str(p.relative_to(ROOT)))
def test_only_the_clock_module_touches_time_and_chance(path: Path) -> None:
    found = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call):
            name = dotted(node.func)
            if any(name == bad or name.endswith("." + bad) for bad in FORBIDDEN_CALLS):
                found.append(f"{node.lineno}: {name}")
        elif isinstance(node, ast.Import):
            found += [f"{node.lineno}: {a.name}" for a in node.names if a.name in FORBIDDEN_MODULES]
        elif isinstance(node, ast.ImportFrom) and node.module in FORBIDDEN_MODULES:
            found.append(f"{node.lineno}: {node.module}")
    assert not found, "wall time and randomness belong to engine/clock.py: " + "; ".join(found)


def test_no_module_exceeds_600_lines_and_the_median_is_small() -> None:
    sizes = {path: len(path.read_text(encoding="utf-8").splitlines()) for path in SOURCES}
    assert not {str(p.relative_to(ROOT)): n for p, n in sizes.items() if n > 600}
    code = sorted(n for n in sizes.values() if n > 5)
    assert code[len(code) // 2] <= 170


def test_tr_ids_stay_inside_the_client_and_the_simulator() -> None:
    shape = re.compile(r"\b(?:[TVC]TT?[CS]\d{4}[RU]|FHK?[A-Z]{2,3}\d{8}|H0(?:ST|UP|NX|UN)[A-Z]{3}\d)\b")
    found = [
        f"{path.relative_to(ROOT)}: {match}"
        for path in SOURCES
        if not path.is_relative_to(ROOT / "engine" / "kis") and not path.is_relative_to(ROOT / "engine" / "simulator")
        for match in shape.findall(path.read_text(encoding="utf-8"))
    ]
    assert not found


def test_no_registry_host_and_no_machine_path_is_tracked() -> None:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=False)
    names = [name for name in listed.stdout.decode().split("\0") if name]
    hosts = ("py" + "pi.org", "python" + "hosted", "npm" + "js.org", "deb." + "debian", "/wor" + "k/main")
    found = []
    for name in names:
        path = ROOT / name
        if path.suffix in {".png", ".npz", ".safetensors", ".parquet"} or not path.is_file():
            continue
        text = path.read_text(encoding="utf-8", errors="replace")
        found += [f"{name}: {host}" for host in hosts if host in text]
    assert not found


def test_heavy_libraries_are_not_imported_at_module_level() -> None:
    heavy = {"torch", "matplotlib", "FinanceDataReader", "yfinance", "exchange_calendars", "numba", "squarify"}
    allowed = ("charts/", "engine/predictor/")
    found = []
    for path in SOURCES:
        name = str(path.relative_to(ROOT))
        if name.startswith(allowed):
            continue
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            modules = (
                [a.name for a in node.names]
                if isinstance(node, ast.Import)
                else [node.module or ""]
                if isinstance(node, ast.ImportFrom)
                else []
            )
            found += [f"{name}: {m}" for m in modules if m.split(".")[0] in heavy]
    assert not [f for f in found if "kernels" not in f], found
