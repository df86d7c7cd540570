"""The child of ``charts.worker``: reads requests on standard input, writes pictures on standard output.

Run by the service, never by hand. Ends when its input closes.
"""

from __future__ import annotations

import os
import pickle
import sys
import traceback
from collections.abc import Callable
from typing import BinaryIO

from charts import Picture, RenderRequest, render
from charts.worker import ERROR, HEADER, PICTURE, READY


def serve(source: BinaryIO, sink: BinaryIO, draw: Callable[[RenderRequest], Picture] = render) -> None:
    """Answer requests until ``source`` ends."""

    def send(kind: int, body: bytes) -> None:
        sink.write(HEADER.pack(len(body), kind) + body)
        sink.flush()

    send(READY, b"")
    while len(head := source.read(HEADER.size)) == HEADER.size:
        length, _ = HEADER.unpack(head)
        try:
            picture = draw(pickle.loads(source.read(length)))
        except Exception:  # a bad input must not end the process; the parent logs it and tells the caller
            send(ERROR, traceback.format_exc().encode())
        else:
            send(PICTURE, pickle.dumps(picture, protocol=pickle.HIGHEST_PROTOCOL))


def channel() -> tuple[BinaryIO, BinaryIO]:
    """Binary input and output; what libraries print goes to standard error instead."""
    sink = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    return sys.stdin.buffer, sink


def warm_up() -> None:
    """Load the drawing library and the fonts, so that the first picture is as quick as the others."""
    from charts.samples import daily_candles, score_card

    for view in (daily_candles(), score_card()):
        render(RenderRequest(view))


def main() -> None:
    os.nice(10)
    source, sink = channel()
    warm_up()
    serve(source, sink)


if __name__ == "__main__":
    main()
