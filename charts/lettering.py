"""Fast text for the Agg canvas, and the measures of its letters.

Matplotlib shapes and rasterises each string anew, which takes most of a render. ``Label`` is an ordinary matplotlib
text (tests read it like any other), drawn from a mask that FreeType makes in one call.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from matplotlib.backends.backend_agg import RendererAgg
from matplotlib.colors import to_rgb
from matplotlib.text import Text
from matplotlib.transforms import Bbox
from numpy.typing import NDArray
from PIL import ImageFont

from charts.theme import Weight, font_path

_NUMERIC = "0123456789.,"


@lru_cache(maxsize=64)
def _face(size: float, weight: Weight) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(str(font_path(weight)), size, layout_engine=ImageFont.Layout.BASIC)


@lru_cache(maxsize=1)
def known_letters() -> frozenset[int]:
    """Code points that every weight in use can draw."""
    from matplotlib.ft2font import FT2Font

    weights: tuple[Weight, ...] = ("regular", "bold", "extra")
    return frozenset.intersection(*(frozenset(FT2Font(str(font_path(weight))).get_charmap()) for weight in weights))


@lru_cache(maxsize=16384)
def _advance(character: str, weight: Weight) -> float:
    """Advance in em, measured large so that rounding to pixels does not matter."""
    return float(_face(1000.0, weight).getlength(character)) / 1000.0


def text_width(text: str, size: float, weight: Weight = "regular") -> float:
    """Pixels that ``text`` takes at ``size`` pixels; rounding may add half a pixel a letter."""
    return size * sum(_advance(character, weight) for character in text)


def first_fitting(choices: Sequence[str], size: float, width: float, weight: Weight = "regular") -> str:
    """The first of ``choices`` (longest first) that fits ``width`` pixels, else the last."""
    return next((text for text in choices if text_width(text, size, weight) <= width), choices[-1])


def shorten(text: str, size: float, width: float, weight: Weight = "regular") -> str:
    """``text`` cut with … to fit ``width`` pixels, by measured width."""
    if text_width(text, size, weight) <= width:
        return text
    left = width - text_width("…", size, weight)
    kept = ""
    for character in text:
        left -= size * _advance(character, weight)
        if left < 0:
            break
        kept += character
    if kept and kept[-1] in _NUMERIC and text[len(kept)] in _NUMERIC:
        # 987,6… would read as another number: in a sentence the cut goes before it.
        kept = kept.rstrip(_NUMERIC) or kept
    return kept.rstrip() + "…" if kept else ""


def wrap(text: str, size: float, width: float, lines: int, weight: Weight = "regular") -> list[str]:
    """``text`` in at most ``lines`` lines, broken at blanks where possible; the last one is cut with …"""
    rows: list[str] = []
    rest = " ".join(text.split())
    while rest and len(rows) < lines:
        if len(rows) == lines - 1:
            rows.append(shorten(rest, size, width, weight))
            break
        used, end = 0.0, 0
        while end < len(rest) and used + size * _advance(rest[end], weight) <= width:
            used += size * _advance(rest[end], weight)
            end += 1
        if end < len(rest) and (blank := rest.rfind(" ", 0, end + 1)) > 0.4 * end:
            end = blank
        end = max(end, 1)
        rows.append(rest[:end].strip())
        rest = rest[end:].strip()
    return rows


@lru_cache(maxsize=512)
def _mask(text: str, size: float, weight: Weight) -> tuple[NDArray[np.uint8], int, int]:
    """Coverage 0..255, and its offset from the pen on the baseline."""
    face = _face(size, weight)
    mask, (left, top) = face.getmask2(text, mode="L", anchor="ls")
    width, height = mask.size
    return np.frombuffer(bytes(mask), np.uint8).reshape(height, width), int(left), int(top)


class Label(Text):
    """Text on one line with its baseline at ``y`` pixels from the top of the page; horizontal only."""

    def __init__(self, x: float, y: float, text: str, size: float, weight: Weight, **options: Any) -> None:
        super().__init__(x, y, text, parse_math=False, verticalalignment="baseline", **options)
        self.pixels = size
        self.weight: Weight = weight

    def _placed(self) -> tuple[NDArray[np.uint8], int, int]:
        mask, left, top = _mask(self.get_text(), self.pixels, self.weight)
        x, y = self.get_position()
        align = self.get_horizontalalignment()
        drawn = text_width(self.get_text(), self.pixels, self.weight)
        x -= drawn if align == "right" else drawn / 2 if align == "center" else 0.0
        return mask, round(x) + left, round(y) + top

    def ink(self) -> tuple[float, float, float, float]:
        """What is really drawn: left, top, right, bottom in pixels from the top left."""
        mask, left, top = self._placed()
        return left, top, left + mask.shape[1], top + mask.shape[0]

    def get_window_extent(self, renderer: Any = None, dpi: float | None = None) -> Bbox:
        left, top, right, bottom = self.ink()
        figure = self.get_figure(root=True)
        height = figure.bbox.height if figure is not None else 0.0
        return Bbox([[left, height - bottom], [right, height - top]])

    def draw(self, renderer: Any) -> None:
        if not self.get_visible() or not self.get_text().strip():
            return
        if not isinstance(renderer, RendererAgg):
            super().draw(renderer)
            return
        page = np.asarray(renderer.buffer_rgba())  # type: ignore[no-untyped-call]
        mask, left, top = self._placed()
        figure = self.get_figure(root=True)
        if figure is not None:  # the page may be taller than the figure, which fills its lower part
            top += page.shape[0] - round(figure.bbox.height)
        x0, y0 = max(left, 0), max(top, 0)
        x1, y1 = min(left + mask.shape[1], page.shape[1]), min(top + mask.shape[0], page.shape[0])
        if x1 <= x0 or y1 <= y0:
            return
        cover = mask[y0 - top : y1 - top, x0 - left : x1 - left, None].astype(np.int32)
        region = page[y0:y1, x0:x1, :3]
        ink = np.array([round(255 * channel) for channel in to_rgb(self.get_color())], np.int32)
        region += ((ink - region) * cover // 255).astype(np.uint8)  # wraps around: adding a negative step
        self.stale = False
