"""A page in pixels: every picture is drawn with this, so sizes, margins, fonts and the footer agree.

Artists sit directly on the figure in pixel coordinates (origin top left). Axes would cost most of the render time and
decide the layout themselves; here a layout is arithmetic that tests can read back.
"""

from __future__ import annotations

import struct
import threading
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final, Literal, TypeAlias

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg, RendererAgg
from matplotlib.collections import LineCollection, PolyCollection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import FancyBboxPatch, Rectangle
from matplotlib.transforms import Affine2D
from numpy.typing import NDArray

from charts import Picture
from charts.formatting import clean, stamp_time
from charts.lettering import Label, known_letters, shorten, text_width, wrap
from charts.theme import Theme, Weight
from engine.market import Environment
from engine.results import Stamp

WIDTH: Final = 1080
TALL: Final = 1350
SHORT: Final = 810
"""4:3, for pictures that only say why there is nothing to draw."""
MARGIN: Final = 28
FOOTER: Final = 70
"""Height kept at the bottom for the stamp."""
DPI: Final = 100
BODY: Final = 36
SMALL: Final = 30
HEADLINE: Final = 58

Align: TypeAlias = Literal["left", "center", "right"]
Box: TypeAlias = tuple[float, float, float, float]
"""left, top, right, bottom."""


@dataclass(frozen=True, slots=True)
class Plot:
    """A rectangle with a vertical scale and a horizontal one of ``count`` slots. Inverse functions serve the tests."""

    left: float
    top: float
    right: float
    bottom: float
    low: float
    high: float
    count: int = 1

    def y(self, value: float) -> float:
        return self.bottom - (value - self.low) / (self.high - self.low) * (self.bottom - self.top)

    def value(self, y: float) -> float:
        return self.low + (self.bottom - y) / (self.bottom - self.top) * (self.high - self.low)

    def ys(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        return self.bottom - (values - self.low) / (self.high - self.low) * (self.bottom - self.top)

    @property
    def slot(self) -> float:
        return (self.right - self.left) / max(self.count, 1)

    def x(self, index: float) -> float:
        """Centre of slot ``index``."""
        return self.left + (index + 0.5) * self.slot

    def xs(self, indices: NDArray[Any]) -> NDArray[np.float64]:
        return np.asarray(self.left + (indices + 0.5) * self.slot, dtype=np.float64)


class Canvas:
    """One picture being drawn. ``plots`` names the scales; ``alt`` is set by the builder."""

    def __init__(self, theme: Theme, height: int = TALL) -> None:
        self.theme = theme
        self.height = height
        self.figure = Figure(figsize=(WIDTH / DPI, height / DPI), dpi=DPI, facecolor=theme.background)
        FigureCanvasAgg(self.figure)
        self.pixels = Affine2D().scale(1.0, -1.0).translate(0.0, height)
        self.plots: dict[str, Plot] = {}
        self.occupied: list[Box] = []
        self.alt = ""

    # ---------------------------------------------------------------- text

    def text(
        self,
        x: float,
        y: float,
        text: str,
        size: float = BODY,
        colour: str | None = None,
        weight: Weight = "regular",
        align: Align = "left",
        width: float | None = None,
        name: str = "",
        on: str | None = None,
    ) -> float:
        """Write with the baseline at ``y``; return the width drawn. ``on`` names the colour behind, for the tests."""
        text = clean(text, known_letters())
        if width is not None:
            text = shorten(text, size, width, weight)
        if not text.strip():
            return 0.0
        artist = Label(
            x,
            y,
            text,
            size,
            weight,
            color=colour or self.theme.text,
            fontsize=size * 72 / DPI,
            horizontalalignment=align,
            transform=self.pixels,
            zorder=10,
        )
        artist.set_gid(f"{name}|{on or self.theme.background}")
        self.figure.add_artist(artist)
        drawn = text_width(text, size, weight)
        self.occupied.append(self._box(x, y, drawn, size, align))
        return drawn

    @staticmethod
    def _box(x: float, y: float, drawn: float, size: float, align: Align) -> Box:
        left = x - (drawn if align == "right" else drawn / 2 if align == "center" else 0.0)
        return left - 2, y - 0.88 * size, left + drawn + 2, y + 0.26 * size

    def centred(self, x: float, middle: float, text: str, size: float = BODY, **options: Any) -> float:
        """Write with the middle of the letters at ``middle``."""
        return self.text(x, middle + 0.35 * size, text, size, **options)

    def free(self, box: Box, inside: Box | None = None) -> bool:
        """Whether no text stands in ``box`` (and it lies in ``inside``)."""
        left, top, right, bottom = box
        if inside and (left < inside[0] or top < inside[1] or right > inside[2] or bottom > inside[3]):
            return False
        return all(left >= r or right <= x or top >= b or bottom <= y for x, y, r, b in self.occupied)

    def tag(
        self,
        x: float,
        middle: float,
        text: str,
        colour: str,
        fill: str,
        size: float = SMALL,
        align: Align = "left",
        weight: Weight = "bold",
        inside: Box | None = None,
        force: bool = True,
        name: str = "",
    ) -> bool:
        """A label with its own background; with ``force`` off it is left out where another text stands."""
        text = clean(text, known_letters())
        drawn = text_width(text, size, weight)
        pad = 0.28 * size
        left = x - (drawn + pad if align == "right" else drawn / 2 if align == "center" else -pad)
        box = (left - pad, middle - 0.62 * size, left + drawn + pad, middle + 0.62 * size)
        if not force and not self.free(box, inside):
            return False
        self.panel(*box, fill, radius=0.2 * size, zorder=9)
        self.occupied.append(box)
        self.centred(left, middle, text, size, colour=colour, weight=weight, name=name, on=fill)
        return True

    # ---------------------------------------------------------------- shapes

    def panel(
        self,
        left: float,
        top: float,
        right: float,
        bottom: float,
        fill: str,
        radius: float = 0.0,
        edge: str | None = None,
        zorder: float = 1,
        alpha: float | None = None,
        dash: bool = False,
        width: float = 2.0,
        name: str = "",
    ) -> None:
        style: dict[str, Any] = {
            "facecolor": fill,
            "edgecolor": edge or "none",
            "linewidth": width * 72 / DPI if edge else 0.0,
            "linestyle": (0, (5, 4)) if dash else "-",
            "transform": self.pixels,
            "zorder": zorder,
            "alpha": alpha,
        }
        shape: Rectangle | FancyBboxPatch
        if radius:
            shape = FancyBboxPatch(
                (left, top), right - left, bottom - top, boxstyle=f"round,pad=0,rounding_size={radius}", **style
            )
        else:
            shape = Rectangle((left, top), right - left, bottom - top, **style)
        shape.set_gid(name)
        self.figure.add_artist(shape)

    def boxes(self, boxes: NDArray[np.float64], colour: str | Sequence[str], name: str = "", zorder: float = 3) -> None:
        """Filled rectangles, one artist: rows of left, top, right, bottom."""
        if not len(boxes):
            return
        corners = boxes[:, [0, 1, 2, 1, 2, 3, 0, 3]].reshape(-1, 4, 2)
        self.polygons(corners, colour, name, zorder)

    def polygons(
        self,
        corners: NDArray[np.float64] | Sequence[NDArray[np.float64]],
        colour: str | Sequence[str],
        name: str = "",
        zorder: float = 3,
        alpha: float | None = None,
        edge: str = "none",
    ) -> None:
        shapes = PolyCollection(
            list(corners),
            facecolors=colour,
            edgecolors=edge,
            linewidths=1.4 if edge != "none" else 0.0,
            transform=self.pixels,
            zorder=zorder,
            alpha=alpha,
        )
        shapes.set_gid(name)
        self.figure.add_artist(shapes)

    def segments(
        self,
        segments: NDArray[np.float64],
        colour: str | Sequence[str],
        width: float = 2.0,
        name: str = "",
        zorder: float = 3,
        dash: bool = False,
    ) -> None:
        """Separate strokes, one artist: shape (n, 2, 2) of x, y."""
        if not len(segments):
            return
        lines = LineCollection(
            list(segments),
            colors=colour,
            linewidths=width * 72 / DPI,
            linestyles=[(0.0, (6.0, 4.0))] if dash else "solid",
            transform=self.pixels,
            zorder=zorder,
            capstyle="butt" if dash else "round",
        )
        lines.set_gid(name)
        self.figure.add_artist(lines)

    def line(
        self,
        xs: NDArray[np.float64] | Sequence[float],
        ys: NDArray[np.float64] | Sequence[float],
        colour: str,
        width: float = 3.0,
        name: str = "",
        zorder: float = 4,
        dash: bool = False,
        alpha: float | None = None,
    ) -> None:
        stroke = Line2D(
            xs,
            ys,
            color=colour,
            linewidth=width * 72 / DPI,
            transform=self.pixels,
            zorder=zorder,
            solid_joinstyle="round",
            linestyle=(0, (6, 4)) if dash else "-",
            alpha=alpha,
        )
        stroke.set_gid(name)
        self.figure.add_artist(stroke)

    def rule(self, y: float, left: float = MARGIN, right: float = WIDTH - MARGIN) -> None:
        self.segments(np.array([[[left, y], [right, y]]]), self.theme.grid, 2.0, zorder=2)

    # ---------------------------------------------------------------- furniture

    def footer(self, stamp: Stamp) -> None:
        """Data time, source and environment, on every picture."""
        theme = self.theme
        top = self.height - FOOTER
        self.rule(top + 4)
        label = stamp.environment.label + (" · 가상" if stamp.fictional else "")
        if stamp.account_tail:
            label = f"계좌 ··{stamp.account_tail} {label}"
        fill = {Environment.REAL: "#A31621", Environment.MOCK: "#0B6E5F", Environment.SIMULATOR: "#5B3FA8"}[
            stamp.environment
        ]
        middle = top + 38
        self.tag(WIDTH - MARGIN, middle, label, "#FFFFFF", fill, align="right", name="environment")
        left_over = WIDTH - 2 * MARGIN - text_width(label, SMALL, "bold") - 40
        self.centred(
            MARGIN,
            middle,
            f"{stamp_time(stamp.at)} · {stamp.source}",
            SMALL,
            colour=theme.secondary,
            width=left_over,
            name="stamp",
        )

    def message(self, middle: float, text: str, detail: str = "") -> None:
        """What is said where there is nothing to draw."""
        for row, line in enumerate(wrap(text, 44, WIDTH - 4 * MARGIN, 2, "bold")):
            self.centred(WIDTH / 2, middle + row * 56, line, 44, weight="bold", align="center", name="message")
        for row, line in enumerate(wrap(detail, BODY, WIDTH - 4 * MARGIN, 4)):
            self.centred(
                WIDTH / 2, middle + 128 + row * 50, line, colour=self.theme.secondary, align="center", name="detail"
            )

    # ---------------------------------------------------------------- output

    def pixels_rgba(self) -> NDArray[np.uint8]:
        """The drawn page, shape (height, width, 4). Valid until the next page is drawn."""
        renderer = _renderer()
        renderer.clear()  # type: ignore[no-untyped-call]
        self.figure.draw(renderer)
        # The origin of Agg is the lower left: a shorter page fills the lower part.
        return np.asarray(renderer.buffer_rgba())[TALL - self.height :]  # type: ignore[no-untyped-call]

    def picture(self) -> Picture:
        with _drawing:
            png = _png(self.pixels_rgba())
        return Picture(png, self.alt, WIDTH, self.height)


_drawing = threading.Lock()


@lru_cache(maxsize=1)
def _renderer() -> RendererAgg:
    # One page of memory for every picture: fresh memory would cost more than drawing.
    return RendererAgg(WIDTH, TALL, DPI)  # type: ignore[no-untyped-call]


def _png(page: NDArray[np.uint8]) -> bytes:
    """Opaque 8-bit RGB, no row filter: flat areas compress as well without, in half the time of an image library."""
    height, width = page.shape[:2]
    rows = np.zeros((height, 1 + 3 * width), np.uint8)
    rows[:, 1:].reshape(height, width, 3)[...] = page[:, :, :3]

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    body = zlib.compress(rows.data, 1)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", body) + chunk(b"IEND", b"")
