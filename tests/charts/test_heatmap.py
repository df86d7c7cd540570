"""Area is weight, whatever the cells."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from charts import samples_reports as many
from charts.heatmap import MAXIMUM_CELLS, Tile, cell_colour, drawable, layout
from charts.registry import build
from charts.samples import STAMP
from charts.theme import DARK
from engine.results import Heatmap, HeatmapCell
from tests.charts.reading import boxes, built, labels, name_of, texts

AREA = Tile(20.0, 150.0, 1060.0, 1214.0)


def areas_follow_weights(cells: list[HeatmapCell]) -> None:
    sectors = layout(cells, AREA)
    placed = [(cell, tile) for sector in sectors for cell, tile in sector.cells]
    assert sorted(cell.code for cell, _ in placed) == sorted(cell.code for cell in cells)
    total_area, total_weight = sum(t.area for _, t in placed), sum(c.weight for c in cells)
    for cell, tile in placed:
        assert tile.area / total_area == pytest.approx(cell.weight / total_weight, rel=0.01)
    assert total_area > 0.8 * AREA.area  # the titles take the rest
    for sector in sectors:
        assert sector.strip >= -1e-6
        for _, tile in sector.cells:
            assert tile.left >= sector.tile.left - 1e-6
            assert tile.right <= sector.tile.right + 1e-6
            assert tile.top >= sector.tile.top + sector.strip - 1e-6
            assert tile.bottom <= sector.tile.bottom + 1e-6
    for i, one in enumerate(sectors):
        for other in sectors[i + 1 :]:
            wide = min(one.tile.right, other.tile.right) - max(one.tile.left, other.tile.left)
            high = min(one.tile.bottom, other.tile.bottom) - max(one.tile.top, other.tile.top)
            assert wide <= 1e-6 or high <= 1e-6


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(st.floats(1e-3, 1e6), st.integers(0, 24), st.floats(-30, 30)), min_size=1, max_size=MAXIMUM_CELLS
    )
)
def test_areas_are_within_one_percent_of_the_weights(rows: list[tuple[float, int, float]]) -> None:
    cells = tuple(
        HeatmapCell(f"종목{i}", f"{i:06d}", f"업종{sector}", weight, change)
        for i, (weight, sector, change) in enumerate(rows)
    )
    areas_follow_weights(drawable(cells))


@pytest.mark.parametrize("count", [1, 2, 3, 24, 120, 200])
def test_the_drawn_boxes_have_the_areas(count: int) -> None:
    heatmap = many.heatmap(count)
    drawn = boxes(build(heatmap), "cells")
    areas = np.sort((drawn[:, 2] - drawn[:, 0]) * (drawn[:, 3] - drawn[:, 1]))
    weights = np.sort([cell.weight for cell in heatmap.cells])
    assert np.allclose(areas / areas.sum(), weights / weights.sum(), rtol=0.01)


@settings(max_examples=25, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.one_of(st.just(0.0), st.just(-5.0), st.just(math.nan), st.just(math.inf), st.floats(0, 1e9)),
            st.one_of(st.just(math.nan), st.floats(-30, 30)),
        ),
        max_size=30,
    )
)
def test_unusable_weights_never_reach_the_layout(rows: list[tuple[float, float]]) -> None:
    cells = tuple(HeatmapCell("가", f"{i:06d}", "업종", weight, change) for i, (weight, change) in enumerate(rows))
    usable = drawable(cells)
    assert all(cell.weight > 0 and math.isfinite(cell.weight) for cell in usable)
    canvas = build(Heatmap("시험", cells, STAMP))
    assert len(boxes(canvas, "cells")) == len(usable)


def test_more_than_two_hundred_keep_the_heaviest() -> None:
    cells = tuple(HeatmapCell(f"{i}", f"{i:06d}", "업종", float(i + 1), 0.0) for i in range(260))
    assert min(cell.weight for cell in drawable(cells)) == 61.0


def test_colour_says_direction_and_strength() -> None:
    assert cell_colour(0.0, DARK) == DARK.cell_flat
    assert cell_colour(9.0, DARK) == cell_colour(3.0, DARK) == DARK.cell_up
    assert cell_colour(-3.0, DARK) == DARK.cell_down
    assert cell_colour(math.nan, DARK) == DARK.cell_flat
    reds = [int(cell_colour(v, DARK)[1:3], 16) for v in (0.1, 1.0, 2.0, 3.0)]
    assert reds == sorted(reds)


def test_names_and_returns_stand_inside_their_cells() -> None:
    canvas = built("heatmap")
    drawn = boxes(canvas, "cells")
    inside = [label for label in labels(canvas) if name_of(label) in ("cell", "cell change")]
    assert len(inside) > 25
    for label in inside:
        left, top, right, bottom = label.ink()
        assert any(x <= left and t <= top and right <= r and bottom <= b for x, t, r, b in drawn), label.get_text()


def test_what_was_left_out_is_counted() -> None:
    (subtitle,) = texts(built("heatmap-odd"), "subtitle")
    assert subtitle.endswith("제외 3")
