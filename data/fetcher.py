"""A child process that asks FinanceDataReader and yfinance, and the parent's side of it.

Both libraries block without a time-out, print to stdout and pull pandas in; none of that belongs into the trading
process. Requests and answers are JSON lines; a request that takes too long costs the child its life, not ours.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import sys
from collections.abc import Callable, Sequence
from datetime import date
from typing import Any

from engine.clock import wall_timeout

logger = logging.getLogger(__name__)

ANSWER_SECONDS = 30.0
_LINE_LIMIT = 64 * 1024 * 1024


class FetchFailed(Exception):
    """The source did not answer, or with nothing; the message says why."""


class Fetcher:
    """The parent's side. One request at a time; the child starts with the first and is replaced when it hangs."""

    def __init__(self, command: Sequence[str] | None = None, seconds: float = ANSWER_SECONDS) -> None:
        self._command = list(command or (sys.executable, "-m", "data.fetcher"))
        self._seconds = seconds
        self._child: asyncio.subprocess.Process | None = None
        self._turn = asyncio.Lock()

    async def ask(self, what: str, **arguments: str) -> Any:
        """The answer of one source. Raises FetchFailed."""
        async with self._turn:
            try:
                async with wall_timeout(self._seconds):
                    line = await self._exchange(json.dumps({"what": what, **arguments}))
            except (TimeoutError, asyncio.CancelledError) as error:
                await self._end()
                if isinstance(error, asyncio.CancelledError):
                    raise
                raise FetchFailed(f"{self._seconds:g}초 안에 답이 없습니다") from error
            except (OSError, ValueError) as error:
                await self._end()
                raise FetchFailed(f"수집 프로세스 오류: {error}") from error
        if not line:
            await self._end()
            raise FetchFailed("수집 프로세스가 끝났습니다")
        answer = json.loads(line)
        if "error" in answer:
            raise FetchFailed(answer["error"])
        return answer["result"]

    async def close(self) -> None:
        async with self._turn:
            await self._end()

    async def _exchange(self, request: str) -> bytes:
        if self._child is None or self._child.returncode is not None:
            self._child = await asyncio.create_subprocess_exec(
                *self._command,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.DEVNULL,
                limit=_LINE_LIMIT,
                env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
            )
        assert self._child.stdin is not None
        assert self._child.stdout is not None
        self._child.stdin.write(request.encode() + b"\n")
        await self._child.stdin.drain()
        return await self._child.stdout.readline()

    async def _end(self) -> None:
        child, self._child = self._child, None
        if child is None:
            return
        if child.returncode is None:
            child.kill()
        await child.wait()
        child._transport.close()  # type: ignore[attr-defined]  # else its pipes outlive the loop


# ---------------------------------------------------------------- the child


def _listing() -> list[dict[str, Any]]:
    """Rows of the exchange's list: code, name, market, sector, dept, shares, market cap."""
    import FinanceDataReader as reader

    prices = reader.StockListing("KRX")
    words = reader.StockListing("KRX-DESC")
    # "Sector" has held the board segment (소속부) since the format change; the industry moved to "Industry".
    segments = words["Sector"].astype(str).str.contains("기업부").any()
    column = "Industry" if segments and "Industry" in words else "Sector"
    sectors = dict(zip(words["Code"], words[column].fillna(""), strict=True))
    return [
        {
            "code": str(row["Code"]),
            "name": str(row["Name"]),
            "market": str(row["Market"]),
            "sector": str(sectors.get(row["Code"], "")),
            "dept": "" if row["Dept"] != row["Dept"] else str(row["Dept"]),
            "shares": int(row["Stocks"] or 0),
            "marcap": int(row["Marcap"] or 0),
        }
        for row in prices.to_dict("records")
    ]


def _rows(frame: Any) -> list[list[Any]]:
    """(date, open, high, low, close, volume) rows without holes."""
    frame = frame[["Open", "High", "Low", "Close", "Volume"]].dropna()
    return [
        [stamp.strftime("%Y-%m-%d"), *(float(value) for value in row[:4]), int(row[4])]
        for stamp, row in zip(frame.index, frame.to_numpy(), strict=True)
    ]


def _fdr(code: str, first: str, last: str) -> list[list[Any]]:
    import FinanceDataReader as reader

    return _rows(reader.DataReader(code, first, last))


def _yahoo(code: str, first: str, last: str) -> list[list[Any]]:
    """Split-adjusted, not dividend-adjusted; ``last`` is exclusive there, so a day is added."""
    from datetime import timedelta

    import yfinance

    until = (date.fromisoformat(last) + timedelta(days=1)).isoformat()
    for suffix in (".KS", ".KQ"):
        frame = yfinance.Ticker(code + suffix).history(start=first, end=until, auto_adjust=False, actions=False)
        if len(frame):
            return _rows(frame)
    return []


_SOURCES: dict[str, Callable[..., Any]] = {"listing": _listing, "fdr": _fdr, "yahoo": _yahoo}


def main() -> None:
    """Answer requests from stdin until it closes."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what the libraries print goes to stderr
    for line in sys.stdin:
        request = json.loads(line)
        what = request.pop("what")
        try:
            answer: dict[str, Any] = {"result": _SOURCES[what](**request)}
        except Exception as error:
            # Anything these libraries raise is one thing to the parent: no answer from this source.
            answer = {"error": f"{type(error).__name__}: {str(error)[:200]}"}
        print(json.dumps(answer, ensure_ascii=False), file=answers, flush=True)


if __name__ == "__main__":
    main()
