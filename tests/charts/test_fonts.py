"""No font, no picture: boxes instead of Korean are worse than an error."""

from __future__ import annotations

from importlib.machinery import ModuleSpec
from pathlib import Path

import numpy as np
import pytest

from charts import theme
from charts.lettering import _mask


@pytest.fixture
def _fresh_lookup() -> object:
    theme._font_folder.cache_clear()
    yield
    theme._font_folder.cache_clear()


@pytest.mark.usefixtures("_fresh_lookup")
def test_a_missing_package_fails_loudly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(theme, "find_spec", lambda name: None)
    with pytest.raises(theme.FontMissing, match="한글 글꼴이 없습니다"):
        theme.font_path("regular")


@pytest.mark.usefixtures("_fresh_lookup")
def test_a_package_without_the_files_fails_loudly(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    spec = ModuleSpec("koreanize_matplotlib", None, is_package=True)
    spec.submodule_search_locations = [str(tmp_path)]
    monkeypatch.setattr(theme, "find_spec", lambda name: spec)
    with pytest.raises(theme.FontMissing):
        theme.font_path("bold")


def test_korean_letters_are_not_the_missing_glyph_box() -> None:
    box, _, _ = _mask("\U0010ffff", 36, "regular")
    for weight in ("regular", "bold", "extra"):
        for character in "가힣ㄱ₩▲▼↑↓·…%":
            drawn, _, _ = _mask(character, 36, weight)
            assert drawn.any()
            assert drawn.shape != box.shape or not np.array_equal(drawn, box), character


def test_the_light_weight_is_never_used() -> None:
    assert not [name for name in theme._FONT_FILES.values() if "Light" in name]


def test_global_settings_of_the_library_stay_untouched() -> None:
    import matplotlib

    before = dict(matplotlib.rcParams)
    from charts import samples
    from charts.registry import build

    build(samples.daily_candles()).picture()
    assert dict(matplotlib.rcParams) == before
