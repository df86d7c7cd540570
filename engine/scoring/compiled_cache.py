"""Where compiled kernels are kept: one folder per state of their sources.

numba keeps a function until its own file changes, and does not see that a function it calls in another file changed:
after an update old machine code would go on computing old scores. So the folder is named by a digest of all of them.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import sys
from importlib.metadata import version
from pathlib import Path
from types import ModuleType

_HERE = Path(__file__).parent
_SOURCES = ("kernels.py", "curves.py")
_PREFIX = "numba-"


def folder() -> Path:
    """The folder of these very sources, beside them or, where that is read-only, in the user's cache."""
    state = hashlib.blake2b(f"{sys.version} {version('numba')}".encode(), digest_size=8)
    for name in _SOURCES:
        state.update((_HERE / name).read_bytes())
    return _base() / f"{_PREFIX}{state.hexdigest()}"


def ready() -> bool:
    """Whether kernels of these sources were compiled on this machine before."""
    return any(folder().rglob("*.nbi"))


def use(numba: ModuleType) -> None:
    """Point numba at the folder, before anything is decorated; folders of older sources are removed."""
    wanted = folder()
    for old in wanted.parent.glob(f"{_PREFIX}*"):
        if old != wanted:
            shutil.rmtree(old, ignore_errors=True)
    numba.config.CACHE_DIR = str(wanted)


def _base() -> Path:
    if given := os.environ.get("NUMBA_CACHE_DIR"):
        return Path(given)
    beside = _HERE / "__pycache__"
    writable = os.access(beside if beside.is_dir() else _HERE, os.W_OK)
    return beside if writable else Path.home() / ".cache" / "gaemi"
