"""The pictures' Korean font in a form that browsers take, for machines that have none of their own."""

from __future__ import annotations

import struct
from pathlib import Path

_HEADER = struct.Struct(">4sHHHH")
_RECORD = struct.Struct(">4sIII")


def korean_font() -> Path | None:
    """The font file, or None where the package that brings it is missing."""
    from charts.theme import FontMissing, font_path

    try:
        return font_path("regular")
    except FontMissing:
        return None


def for_browsers(font: bytes) -> bytes:
    """The TrueType font without empty and build-tool tables (``TSI*``), which browsers refuse. Raises ValueError."""
    if len(font) < _HEADER.size:
        raise ValueError("not a font")
    version, count, *_ = _HEADER.unpack_from(font)
    records = [_RECORD.unpack_from(font, _HEADER.size + n * _RECORD.size) for n in range(count)]
    kept = [record for record in records if record[3] and not record[0].startswith(b"TSI")]
    power = max(1, len(kept)).bit_length() - 1
    directory = bytearray(_HEADER.pack(version, len(kept), 16 << power, power, 16 * len(kept) - (16 << power)))
    offset = _HEADER.size + len(kept) * _RECORD.size
    tables = bytearray()
    for tag, checksum, start, length in kept:
        directory += _RECORD.pack(tag, checksum, offset + len(tables), length)
        tables += font[start : start + length] + b"\0" * (-length % 4)
    return bytes(directory + tables)
