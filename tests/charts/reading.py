"""Reading figures back from the artists of a picture."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
from matplotlib.collections import LineCollection, PolyCollection
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from charts.canvas import WIDTH, Canvas
from charts.gallery import EXHIBITS, Exhibit
from charts.lettering import Label
from charts.registry import build
from charts.theme import theme_named

NAMES = [exhibit.name for exhibit in EXHIBITS]


@cache
def exhibit_named(name: str) -> Exhibit:
    return next(exhibit for exhibit in EXHIBITS if exhibit.name == name)


@cache
def built(name: str) -> Canvas:
    exhibit = exhibit_named(name)
    return build(exhibit.view(), theme_named(exhibit.theme))


def labels(canvas: Canvas) -> list[Label]:
    return [artist for artist in canvas.figure.artists if isinstance(artist, Label)]


def name_of(artist: Any) -> str:
    return str(artist.get_gid() or "").partition("|")[0]


def texts(canvas: Canvas, name: str) -> list[str]:
    """What is written under ``name``, in drawing order."""
    return [label.get_text() for label in labels(canvas) if name_of(label) == name]


def text(canvas: Canvas, name: str) -> str:
    (only,) = texts(canvas, name)
    return only


def named(canvas: Canvas, kind: type, keep: Callable[[str], bool]) -> list[Any]:
    return [artist for artist in canvas.figure.artists if isinstance(artist, kind) and keep(name_of(artist))]


def polygons(canvas: Canvas, name: str) -> list[NDArray[np.float64]]:
    """Corners in pixels of every polygon drawn under ``name``."""
    return [
        np.asarray(path.vertices)
        for shapes in named(canvas, PolyCollection, lambda own: own == name)
        for path in shapes.get_paths()
    ]


def boxes(canvas: Canvas, name: str) -> NDArray[np.float64]:
    """Rectangles under ``name``: rows of left, top, right, bottom."""
    corners = polygons(canvas, name)
    return np.array([[*c.min(axis=0), *c.max(axis=0)] for c in corners]).reshape(-1, 4)


def strokes(canvas: Canvas, name: str) -> NDArray[np.float64]:
    found = [np.asarray(s) for c in named(canvas, LineCollection, lambda own: own == name) for s in c.get_segments()]
    return np.array(found).reshape(-1, 2, 2)


def line(canvas: Canvas, name: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    (only,) = named(canvas, Line2D, lambda own: own == name)
    return np.asarray(only.get_xdata(), float), np.asarray(only.get_ydata(), float)


def figures(written: str) -> float:
    """``▲1,200 +1.69%`` is not one number; ``-36.5점`` and ``1,234원`` are."""
    return float("".join(character for character in written if character in "0123456789.-"))


def check_layout(canvas: Canvas) -> None:
    """No text outside the page, none over another: by the ink that is really drawn."""
    inks = [(label, label.ink()) for label in labels(canvas)]
    assert inks
    for label, (left, top, right, bottom) in inks:
        assert left >= 8, label.get_text()
        assert top >= 8, label.get_text()
        assert right <= WIDTH - 8, label.get_text()
        assert bottom <= canvas.height - 8, label.get_text()
    for (one, a), (other, b) in itertools.combinations(inks, 2):
        apart = a[2] <= b[0] + 1 or b[2] <= a[0] + 1 or a[3] <= b[1] + 1 or b[3] <= a[1] + 1
        assert apart, f"{one.get_text()!r} lies over {other.get_text()!r}"
