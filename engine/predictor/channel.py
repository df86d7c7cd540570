"""Frames between the trading process and its worker: a kind, a JSON part and raw arrays. No pickle."""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from enum import IntEnum
from typing import Any, Final

import numpy as np

from engine.market import Bars

HEADER: Final = struct.Struct(">BII")
"""Kind, length of the JSON part, length of the raw part."""


class Kind(IntEnum):
    READY = 0
    PREDICT = 1
    TRAIN = 2
    PROGRESS = 3
    ANSWER = 4
    ERROR = 5


def packed(kind: Kind, content: Mapping[str, Any], raw: bytes = b"") -> bytes:
    text = json.dumps(content, ensure_ascii=False, allow_nan=False).encode()
    return HEADER.pack(kind, len(text), len(raw)) + text + raw


def packed_histories(histories: Mapping[str, Bars]) -> tuple[list[tuple[str, int]], bytes]:
    """Codes with their bar counts, and the columns of all of them."""
    parts: list[bytes] = []
    codes: list[tuple[str, int]] = []
    for code, bars in histories.items():
        codes.append((code, len(bars)))
        parts.append(bars.start.view(np.int64).tobytes())
        parts += [column.tobytes() for column in (bars.open, bars.high, bars.low, bars.close)]
        parts.append(bars.volume.tobytes())
    return codes, b"".join(parts)


def unpacked_histories(codes: list[tuple[str, int]], raw: bytes) -> dict[str, Bars]:
    histories: dict[str, Bars] = {}
    offset = 0
    for code, count in codes:
        rows = [raw[offset + i * 8 * count : offset + (i + 1) * 8 * count] for i in range(6)]
        offset += 6 * 8 * count
        start = np.frombuffer(rows[0], np.int64).view("datetime64[s]")
        opens, highs, lows, closes = (np.frombuffer(row, np.float64) for row in rows[1:5])
        histories[code] = Bars(start, opens, highs, lows, closes, np.frombuffer(rows[5], np.int64))
    return histories
