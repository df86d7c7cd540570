"""The gallery against small reference pictures; ``GAEMI_UPDATE_SNAPSHOTS=1`` writes them anew.

Compared in blocks of 6 × 6 at 270 px width: shifts of half a pixel between font versions pass, another figure, colour
or missing line does not.
"""

from __future__ import annotations

import io
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from charts import samples as one
from charts.gallery import EXHIBITS, write_gallery
from charts.registry import build
from tests.charts.reading import NAMES, built

FOLDER = Path(__file__).parent / "snapshots"
WIDTH = 270
BLOCK = 6
LARGEST_BLOCK = 14.0
LARGEST_MEAN = 2.8
UPDATE = os.environ.get("GAEMI_UPDATE_SNAPSHOTS") == "1"


def small(png: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(png))
    return image.resize((WIDTH, round(image.height * WIDTH / image.width)), Image.Resampling.BOX)


def difference(first: Image.Image, second: Image.Image) -> NDArray[np.float64]:
    """Mean absolute difference per block, 0..255."""
    a, b = (np.asarray(image.convert("RGB"), float) for image in (first, second))
    assert a.shape == b.shape, (a.shape, b.shape)
    rows, columns = a.shape[0] // BLOCK, a.shape[1] // BLOCK
    apart = np.abs(a - b).mean(axis=2)[: rows * BLOCK, : columns * BLOCK]
    blocks: NDArray[np.float64] = apart.reshape(rows, BLOCK, columns, BLOCK).mean(axis=(1, 3))
    return blocks


def alike(first: Image.Image, second: Image.Image) -> bool:
    if first.size != second.size:
        return False
    apart = difference(first, second)
    return bool(apart.max() <= LARGEST_BLOCK and apart.mean() <= LARGEST_MEAN)


@pytest.mark.parametrize("name", NAMES)
def test_snapshot(name: str) -> None:
    now = small(built(name).picture().png)
    path = FOLDER / f"{name}.png"
    if UPDATE:
        FOLDER.mkdir(exist_ok=True)
        now.quantize(256, method=Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE).save(path, optimize=True)
    reference = Image.open(path)
    apart = difference(now, reference)
    assert alike(now, reference), f"largest block {apart.max():.1f}, mean {apart.mean():.2f}"


def test_snapshots_are_complete_and_small() -> None:
    files = {path.stem: path.stat().st_size for path in FOLDER.glob("*.png")}
    assert set(files) == set(NAMES)
    assert sum(files.values()) < 1_500_000


def test_the_comparison_notices_a_changed_figure() -> None:
    reference = small(build(one.order_book()).picture().png)
    chart = one.order_book()
    other = replace(chart, quote=replace(chart.quote, price=71_800))
    assert alike(reference, small(build(chart).picture().png))
    assert not alike(reference, small(build(other).picture().png))


def test_the_comparison_notices_a_missing_overlay() -> None:
    chart = one.daily_candles()
    whole = small(build(chart).picture().png)
    for part in (
        replace(chart, zones=()),
        replace(chart, marks=()),
        replace(chart, overlays="none"),
        replace(chart, stop_price=None),
    ):
        assert not alike(whole, small(build(part).picture().png))


def test_the_gallery_has_an_index_with_alt_texts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from charts import gallery

    monkeypatch.setattr(gallery, "EXHIBITS", EXHIBITS[:3])
    seen: list[str] = []
    assert write_gallery(tmp_path / "out", seen.append) == 3
    assert seen == NAMES[:3]
    page = (tmp_path / "out" / "index.html").read_text(encoding="utf-8")
    for name in NAMES[:3]:
        assert (tmp_path / "out" / f"{name}.png").stat().st_size > 10_000
        assert f'src="{name}.png"' in page
        assert built(name).alt.replace("&", "&amp;") in page


def test_the_same_input_gives_the_same_bytes() -> None:
    assert build(one.daily_candles()).picture() == build(one.daily_candles()).picture()
