"""One live writer: a lock that dies with its process, and a fencing number that outlives it."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import IO

from engine.store import JournalUnavailable


class LeaseHeld(JournalUnavailable):
    """Another process on this machine has the journal."""


class FileLock:
    """An advisory lock on ``path``; the system frees it when the process ends, however it ends."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: IO[str] | None = None

    @property
    def held(self) -> bool:
        return self._file is not None

    def acquire(self) -> None:
        """Raises LeaseHeld (naming the holder's process id) or JournalUnavailable."""
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            file = self._path.open("a+", encoding="ascii")
        except OSError as error:
            raise JournalUnavailable(f"주문 기록 폴더를 쓸 수 없습니다({error})") from error
        try:
            _lock(file)
        except OSError as error:
            file.seek(0)
            holder = file.read().strip() or "?"
            file.close()
            raise LeaseHeld(f"이 폴더에서 gaemi가 이미 돌고 있습니다(프로세스 {holder})") from error
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        self._file = file

    def release(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None


if sys.platform == "win32":  # pragma: no cover
    import msvcrt

    def _lock(file: IO[str]) -> None:
        file.seek(1 << 30)  # beyond the text, so that others can still read the process id
        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        file.seek(0)
else:
    import fcntl

    def _lock(file: IO[str]) -> None:
        fcntl.flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
