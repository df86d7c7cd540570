"""The child that runs one backtest: ``python -m engine.backtest.worker``; a pickled Job comes in, frames go out.

A frame is one letter, the length of its body as four bytes, and the body. ``P`` progress (JSON), ``A`` the pickled report,
``R`` a refusal in Korean, ``F`` a failure (the traceback, for the log). Both ends are this installation: no pickle comes
from elsewhere.
"""

from __future__ import annotations

import json
import os
import pickle
import struct
import sys
import traceback
from typing import BinaryIO

FRAME = struct.Struct(">cI")


def send(out: BinaryIO, kind: bytes, body: bytes) -> None:
    out.write(FRAME.pack(kind, len(body)) + body)
    out.flush()


def main() -> None:
    os.nice(10)
    from engine.backtest.report import quiet_threads, run_backtest

    quiet_threads()
    out = sys.stdout.buffer
    sys.stdout = sys.stderr  # a stray print must not tear a frame
    shown = -1

    def progress(share: float, word: str) -> None:
        nonlocal shown
        if int(100 * share) != shown:
            shown = int(100 * share)
            send(out, b"P", json.dumps([share, word]).encode())

    try:
        job = pickle.load(sys.stdin.buffer)
        report = run_backtest(job, progress)
    except ValueError as refusal:
        traceback.print_exc()
        send(out, b"R", str(refusal).encode())
    except Exception:  # the parent logs it whole
        send(out, b"F", traceback.format_exc().encode())
    else:
        send(out, b"A", pickle.dumps(report))


if __name__ == "__main__":
    main()
