"""A stand-in for the drawing process: answers by the name of the stock. Run by the worker tests."""

from __future__ import annotations

import os
import sys
import threading

from charts import Picture, RenderRequest
from charts.render_process import channel, serve
from engine.results import BookChart


def draw(request: RenderRequest) -> Picture:
    assert isinstance(request.view, BookChart)
    name = request.view.stock.name
    if name == "멈춤":
        threading.Event().wait(60)
    if name == "잠깐":
        threading.Event().wait(0.3)
    if name == "죽음":
        os._exit(3)
    if name == "오류":
        raise ValueError("이런 그림은 없습니다")
    print("library noise on standard output")
    return Picture(name.encode(), name, 1, os.getpid())


if __name__ == "__main__":
    if "silent" in sys.argv:
        threading.Event().wait(60)
    if "broken" in sys.argv:
        sys.exit(1)
    serve(*channel(), draw)
