"""Every picture of the gallery can be read: sizes, room, contrast, glyphs, bytes."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from charts.canvas import WIDTH
from charts.lettering import known_letters
from charts.theme import THEMES, contrast
from engine.market import Environment
from tests.charts.reading import NAMES, built, check_layout, exhibit_named, labels, name_of, texts

SMALLEST = 30
FOREMOST = ("stock name", "title", "price", "total", "equity", "realised", "verdict")


@pytest.mark.parametrize("name", NAMES)
def test_text_stays_inside_and_apart(name: str) -> None:
    canvas = built(name)
    check_layout(canvas)


@pytest.mark.parametrize("name", NAMES)
def test_sizes_can_be_read_on_a_phone(name: str) -> None:
    canvas = built(name)
    assert 810 <= canvas.height <= 1350
    for label in labels(canvas):
        assert label.pixels >= SMALLEST, label.get_text()
    heads = [label.pixels for label in labels(canvas) if name_of(label) in FOREMOST]
    assert max(heads, default=0) >= 56


@pytest.mark.parametrize("name", NAMES)
def test_letters_stand_out_from_what_is_behind_them(name: str) -> None:
    """Measured on the page drawn without its letters, so a wrongly declared ground cannot hide."""
    canvas = built(name)
    all_labels = labels(canvas)
    for label in all_labels:
        label.set_visible(False)
    try:
        page = canvas.pixels_rgba()[:, :, :3].copy()
    finally:
        for label in all_labels:
            label.set_visible(True)
    for label in all_labels:
        left, top, right, bottom = (int(v) for v in label.ink())
        behind = np.median(page[top:bottom, left:right].reshape(-1, 3), axis=0)
        ground = "#" + "".join(f"{int(v):02X}" for v in behind)
        assert contrast(str(label.get_color()), ground) >= 4.5, (label.get_text(), label.get_color(), ground)


@pytest.mark.parametrize("name", NAMES)
def test_every_glyph_exists(name: str) -> None:
    for label in labels(built(name)):
        missing = {character for character in label.get_text() if ord(character) not in known_letters()}
        assert not missing, (label.get_text(), missing)
        assert "□" not in label.get_text()


@pytest.mark.parametrize("name", NAMES)
def test_the_file_is_a_small_opaque_png(name: str) -> None:
    canvas = built(name)
    picture = canvas.picture()
    assert len(picture.png) < 1_000_000
    image = Image.open(io.BytesIO(picture.png))
    image.load()
    assert image.format == "PNG"
    assert image.mode == "RGB"
    assert image.size == (WIDTH, canvas.height) == (picture.width, picture.height)
    assert np.array_equal(np.asarray(image), canvas.pixels_rgba()[:, :, :3])


@pytest.mark.parametrize("name", NAMES)
def test_every_picture_is_dated_and_says_where_it_comes_from(name: str) -> None:
    canvas = built(name)
    view = exhibit_named(name).view()
    stamp = view.stamp
    (written,) = texts(canvas, "stamp")
    assert f"{stamp.at:%Y-%m-%d %H:%M:%S} KST" in written
    assert stamp.source in written
    (mark,) = texts(canvas, "environment")
    assert stamp.environment.label in mark
    assert ("가상" in mark) is (stamp.environment is Environment.SIMULATOR)
    assert stamp.account_tail in mark
    assert 10 < len(canvas.alt) <= 1024
    assert any("가" <= character <= "힣" for character in canvas.alt)


def test_long_names_are_cut_with_an_ellipsis() -> None:
    (name,) = texts(built("candles-long"), "stock name")
    assert name.endswith("…")
    assert name.startswith("한국미래에너지솔루션")


@pytest.mark.parametrize("theme", THEMES.values(), ids=lambda theme: theme.name)
def test_theme_colours_have_contrast(theme: object) -> None:
    from charts.theme import Theme, blend

    assert isinstance(theme, Theme)
    for colour in (theme.text, theme.secondary, theme.up, theme.down, theme.flat, theme.accent, theme.warning):
        assert contrast(colour, theme.background) >= 4.5, colour
        assert contrast(colour, theme.panel) >= 4.5, colour
    for share in np.linspace(0, 1, 21):
        for end in (theme.cell_up, theme.cell_down):
            assert contrast(theme.cell_text, blend(theme.cell_flat, end, float(share))) >= 4.5


def test_korean_colours_by_default_and_western_on_request() -> None:
    dark, western = THEMES["dark"], THEMES["dark-western"]
    red, _, blue = (int(dark.up[i : i + 2], 16) for i in (1, 3, 5))
    assert red > blue
    assert int(dark.down[5:7], 16) > int(dark.down[1:3], 16)
    assert int(western.up[3:5], 16) > int(western.up[1:3], 16)
    assert western.down == dark.up


def test_the_checks_would_notice() -> None:
    """Two texts on one spot, and one that leaves the page, are seen as such by their ink."""
    from charts.canvas import Canvas

    canvas = Canvas(THEMES["dark"], 810)
    canvas.text(100, 200, "겹치는 글", 40)
    canvas.text(150, 210, "다른 글", 40)
    canvas.text(1000, 400, "밖으로 나가는 글", 40)
    first, second, third = (label.ink() for label in labels(canvas))
    assert first[2] > second[0]
    assert first[3] > second[1]
    assert third[2] > WIDTH
    assert not canvas.free((100, 180, 140, 200))
    assert canvas.free((100, 500, 140, 520))
