"""Treemap of stocks grouped by sector: area is weight, colour is the day's return."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from charts import Picture
from charts.canvas import FOOTER, MARGIN, SHORT, SMALL, TALL, WIDTH, Canvas
from charts.formatting import percent, signed
from charts.lettering import shorten, text_width
from charts.parts import title_header
from charts.theme import DARK, Theme, blend
from engine.results import Heatmap, HeatmapCell

MAXIMUM_CELLS = 200
FULL_COLOUR = 3.0
"""Percent at which the colour is at its strongest."""
_STRIP = 42.0
_FILLED = 0.85
"""Least share of the map that the cells must fill, the rest being titles."""
_TOP, _BOTTOM = 150.0, float(TALL - FOOTER - 66)


@dataclass(frozen=True, slots=True)
class Tile:
    left: float
    top: float
    right: float
    bottom: float

    @property
    def width(self) -> float:
        return self.right - self.left

    @property
    def height(self) -> float:
        return self.bottom - self.top

    @property
    def area(self) -> float:
        return self.width * self.height


@dataclass(frozen=True, slots=True)
class SectorTile:
    name: str
    tile: Tile
    strip: float
    """Height of the title at the top; the cells fill the rest."""
    cells: tuple[tuple[HeatmapCell, Tile], ...]


def render_heatmap(heatmap: Heatmap, theme: Theme = DARK) -> Picture:
    return build_heatmap(heatmap, theme).picture()


def drawable(cells: tuple[HeatmapCell, ...]) -> list[HeatmapCell]:
    """The heaviest cells with a usable weight: a treemap cannot hold zero, negative or undefined ones.

    Nor those far below a pixel beside the heaviest: the layout would divide by what rounds to zero.
    """
    usable = [cell for cell in cells if math.isfinite(cell.weight) and cell.weight > 0]
    least = 1e-6 * max((cell.weight for cell in usable), default=0.0)
    usable = [cell for cell in usable if cell.weight >= least]
    return sorted(usable, key=lambda cell: (-cell.weight, cell.code))[:MAXIMUM_CELLS]


def _squares(weights: list[float], area: Tile) -> list[Tile]:
    """Tiles in the order of ``weights``, which must be positive and descending."""
    import squarify

    sizes = squarify.normalize_sizes(weights, area.width, area.height)
    placed = squarify.squarify(sizes, area.left, area.top, area.width, area.height)
    return [Tile(r["x"], r["y"], r["x"] + r["dx"], r["y"] + r["dy"]) for r in placed]


def layout(cells: list[HeatmapCell], area: Tile) -> list[SectorTile]:
    """Sectors with their cells. Every cell has the same area per weight, titles notwithstanding.

    A title takes room in proportion to its sector's width, which is known only after the layout: the sector sizes are
    corrected a few times, the best try is kept, and what is left over is taken up by the height of the titles.
    """
    groups: dict[str, list[HeatmapCell]] = {}
    for cell in cells:
        groups.setdefault(cell.sector or "기타", []).append(cell)
    weights = {name: sum(cell.weight for cell in group) for name, group in groups.items()}
    total = sum(weights.values())

    def placed(sizes: dict[str, float]) -> dict[str, Tile]:
        order = sorted(groups, key=lambda name: (-sizes[name], name))
        return dict(zip(order, _squares([sizes[name] for name in order], area), strict=True))

    strips = {name: _STRIP if weights[name] / total * area.area > 22_000 else 3.0 for name in groups}
    room = dict.fromkeys(groups, 0.0)
    best, density = placed(weights), 0.0
    for _ in range(12):
        scale = (area.area - sum(room.values())) / total
        tiles = placed({name: weights[name] * scale + room[name] for name in groups})
        # Area per weight, one for all: the largest that leaves every title at least most of its height.
        reached = min((tiles[name].area - 0.8 * strips[name] * tiles[name].width) / weights[name] for name in groups)
        if reached > density:
            best, density = tiles, reached
        room = {name: 0.5 * room[name] + 0.5 * strips[name] * tiles[name].width for name in groups}
    if density < _FILLED * area.area / total:  # the layout jumped between tries: better without titles
        best, density = placed(weights), area.area / total
    result = []
    for name, tile in best.items():
        strip = max(0.0, (tile.area - density * weights[name]) / tile.width)
        inner = Tile(tile.left, tile.top + strip, tile.right, tile.bottom)
        squares = _squares([cell.weight for cell in groups[name]], inner)
        result.append(SectorTile(name, tile, strip, tuple(zip(groups[name], squares, strict=True))))
    return result


def cell_colour(change: float, theme: Theme) -> str:
    if not math.isfinite(change) or change == 0:
        return theme.cell_flat
    strength = min(1.0, abs(change) / FULL_COLOUR)
    return blend(theme.cell_flat, theme.cell_up if change > 0 else theme.cell_down, 0.25 + 0.75 * strength)


def build_heatmap(heatmap: Heatmap, theme: Theme = DARK) -> Canvas:
    cells = drawable(heatmap.cells)
    canvas = Canvas(theme, TALL if cells else SHORT)
    dropped = len(heatmap.cells) - len(cells)
    rising = sum(cell.change_percent > 0 for cell in cells)
    falling = sum(cell.change_percent < 0 for cell in cells)
    total = sum(cell.weight for cell in cells)
    mean = (
        sum(cell.weight * cell.change_percent for cell in cells if math.isfinite(cell.change_percent)) / total
        if total
        else 0.0
    )
    subtitle = f"{len(cells)}종목 · ▲{rising} ▼{falling} · 가중 평균 {percent(mean)}"
    if dropped:
        subtitle += f" · 제외 {dropped}"
    title_header(canvas, heatmap.title, subtitle if cells else "")
    canvas.footer(heatmap.stamp)
    if not cells:
        canvas.message(380, "그릴 종목이 없습니다", "보유 종목이나 시가총액 자료가 없습니다.")
        canvas.alt = f"{heatmap.title}: 종목 없음."
        return canvas
    sectors = layout(cells, Tile(MARGIN - 8, _TOP, WIDTH - MARGIN + 8, _BOTTOM))
    boxes, colours = [], []
    for sector in sectors:
        _sector_title(canvas, sector)
        for cell, tile in sector.cells:
            boxes.append((tile.left, tile.top, tile.right, tile.bottom))
            colours.append(cell_colour(cell.change_percent, theme))
    corners = np.array(boxes)[:, [0, 1, 2, 1, 2, 3, 0, 3]].reshape(-1, 4, 2)
    canvas.polygons(corners, colours, "cells", 3, edge=theme.background)
    for sector in sectors:
        for cell, tile in sector.cells:
            _cell_text(canvas, cell, tile)
    _legend(canvas)
    best = max(cells, key=lambda cell: cell.change_percent)
    worst = min(cells, key=lambda cell: cell.change_percent)
    canvas.alt = (
        f"{heatmap.title}: {subtitle}. 최고 {best.name} {percent(best.change_percent)}, "
        f"최저 {worst.name} {percent(worst.change_percent)}."
    )
    return canvas


def _sector_title(canvas: Canvas, sector: SectorTile) -> None:
    if sector.strip < SMALL + 2:
        return
    theme, tile = canvas.theme, sector.tile
    total = sum(cell.weight for cell, _ in sector.cells)
    mean = sum(cell.weight * cell.change_percent for cell, _ in sector.cells) / total
    middle = tile.top + sector.strip / 2
    rate = percent(mean, 1)
    wide = text_width(rate, SMALL, "bold")
    name = shorten(sector.name, SMALL, tile.width - 14)
    both = text_width(sector.name, SMALL, "bold") + wide + 30 <= tile.width
    if len(name) > 2 or name == sector.name:
        canvas.centred(tile.left + 6, middle, name, SMALL, weight="bold", width=tile.width - 14, name="sector")
    if both:
        canvas.centred(
            tile.right - 8,
            middle,
            rate,
            SMALL,
            colour=theme.signed(mean),
            weight="bold",
            align="right",
            name="sector change",
        )


def _cell_text(canvas: Canvas, cell: HeatmapCell, tile: Tile) -> None:
    """Name and return where they fit at a readable size; in small cells the shorter form; else nothing."""
    theme = canvas.theme
    width, height = tile.width - 12, tile.height - 8
    rate = percent(cell.change_percent) if math.isfinite(cell.change_percent) else "-"
    x, middle = (tile.left + tile.right) / 2, (tile.top + tile.bottom) / 2
    colour, ground = theme.cell_text, cell_colour(cell.change_percent, theme)
    for size in (56, 48, 42, 36, SMALL):
        below = max(SMALL, round(0.8 * size))
        if (
            text_width(cell.name, size, "bold") <= width
            and text_width(rate, below) <= width
            and size * 1.2 + below * 1.2 <= height
        ):
            canvas.text(x, middle - 0.08 * size, cell.name, size, colour, "bold", "center", name="cell", on=ground)
            canvas.text(x, middle + below * 1.02, rate, below, colour, align="center", name="cell change", on=ground)
            return
    short = signed(cell.change_percent, 1) if math.isfinite(cell.change_percent) else "-"
    name = shorten(cell.name, SMALL, width, "bold")
    readable = len(name) >= 3 or name == cell.name
    rate = next((text for text in (rate, f"{short}%", short) if text_width(text, SMALL) <= width), "")
    if readable and rate and height >= 72:
        canvas.text(x, middle - 4, name, SMALL, colour, "bold", "center", name="cell", on=ground)
        canvas.text(x, middle + 31, rate, SMALL, colour, align="center", name="cell change", on=ground)
    elif readable and height >= 36:
        canvas.centred(x, middle, name, SMALL, colour=colour, weight="bold", align="center", name="cell", on=ground)
    elif rate and height >= 36:
        canvas.centred(x, middle, rate, SMALL, colour=colour, align="center", name="cell change", on=ground)


def _legend(canvas: Canvas) -> None:
    theme = canvas.theme
    values = (-3.0, -1.5, 0.0, 1.5, 3.0)
    wide = (WIDTH - 2 * MARGIN) / len(values)
    for i, value in enumerate(values):
        left = MARGIN + i * wide
        fill = cell_colour(value, theme)
        canvas.panel(left, _BOTTOM + 14, left + wide - 4, _BOTTOM + 58, fill)
        label = percent(value, 1) if value else "0%"
        if abs(value) == FULL_COLOUR:
            label += " 이상" if value > 0 else " 이하"
        canvas.centred(
            left + wide / 2, _BOTTOM + 36, label, SMALL, colour=theme.cell_text, align="center", name="legend", on=fill
        )
