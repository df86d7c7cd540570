"""Frames between the trading process and its worker: a kind, a JSON part and raw arrays. No pickle."""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from enum import IntEnum
from typing import Any, Final

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
