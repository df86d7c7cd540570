"""Progress of long work, on stderr: a bar where a person looks on, a line per stage where the output is kept."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeAlias

Progress: TypeAlias = Callable[[str, int, int], None]
"""(stage, done, of how many; 0 where that is not known)."""


@contextmanager
def progress_bar() -> Iterator[Progress]:
    if not sys.stderr.isatty():
        yield _lines()
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, SpinnerColumn, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as Bars

    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Bars(*columns, console=Console(stderr=True), transient=True) as bars:
        current = bars.add_task("준비", total=None)
        named = "준비"

        def show(stage: str, done: int, total: int) -> None:
            nonlocal named
            if stage != named:
                named = stage
                bars.reset(current, description=stage)
            bars.update(current, description=stage, completed=done, total=total or None)

        yield show


def _lines() -> Progress:
    named = ""

    def show(stage: str, done: int, total: int) -> None:
        nonlocal named
        if stage != named:
            named = stage
            print(f"  {stage}" + (f" ({total:,})" if total else "") + "…", file=sys.stderr, flush=True)

    return show
