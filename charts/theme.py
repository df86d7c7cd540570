"""Colours and fonts. Korean convention by default: red rises, blue falls."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache, lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

if TYPE_CHECKING:
    from matplotlib.font_manager import FontProperties

Weight: TypeAlias = Literal["regular", "bold", "extra"]

_FONT_FILES: Final[dict[Weight, str]] = {
    "regular": "NanumGothic.ttf",
    "bold": "NanumGothicBold.ttf",
    "extra": "NanumGothicExtraBold.ttf",
}


class FontMissing(RuntimeError):
    """The Korean font is not installed: pictures would show boxes."""


@dataclass(frozen=True, slots=True)
class Theme:
    """Text colours have a contrast of at least 4.5:1 on ``background`` and on ``panel``."""

    name: str
    background: str
    panel: str
    grid: str
    text: str
    secondary: str
    up: str
    down: str
    flat: str
    accent: str
    warning: str
    averages: tuple[str, str, str]
    zone: str
    """Order blocks, where red and blue already mean direction."""
    cell_flat: str
    cell_up: str
    cell_down: str
    """Cell colours carry ``cell_text`` at 4.5:1 in every shade between."""
    cell_text: str

    def signed(self, value: float) -> str:
        """The colour of a change."""
        return self.up if value > 0 else self.down if value < 0 else self.flat


DARK: Final = Theme(
    name="dark",
    background="#181A20",
    panel="#20232B",
    grid="#343944",
    text="#F2F4F8",
    secondary="#B9C1CE",
    up="#FF5252",
    down="#4F8CFF",
    flat="#A9B0BC",
    accent="#FFC857",
    warning="#FFB347",
    averages=("#FFD166", "#5AD1A5", "#C9A2FF"),
    zone="#B79CFF",
    cell_flat="#454B58",
    cell_up="#C4232B",
    cell_down="#1F55C4",
    cell_text="#FFFFFF",
)

LIGHT: Final = Theme(
    name="light",
    background="#FFFFFF",
    panel="#F3F5F9",
    grid="#D3D9E3",
    text="#14171F",
    secondary="#4D5766",
    up="#C9202C",
    down="#1557C8",
    flat="#59616E",
    accent="#8A5A00",
    warning="#9A4B00",
    averages=("#8A5A00", "#0B7350", "#7A35C9"),
    zone="#6A3FC0",
    cell_flat="#59616E",
    cell_up="#C4232B",
    cell_down="#1F55C4",
    cell_text="#FFFFFF",
)

_GREEN_DARK, _RED_DARK = "#2FBF71", "#FF5252"
_GREEN_LIGHT, _RED_LIGHT = "#0A7A3F", "#C9202C"

THEMES: Final[dict[str, Theme]] = {
    "dark": DARK,
    "light": LIGHT,
    "dark-western": replace(
        DARK, name="dark-western", up=_GREEN_DARK, down=_RED_DARK, cell_up="#0B7A43", cell_down="#C4232B"
    ),
    "light-western": replace(
        LIGHT, name="light-western", up=_GREEN_LIGHT, down=_RED_LIGHT, cell_up="#0B7A43", cell_down="#C4232B"
    ),
}


def theme_named(name: str) -> Theme:
    try:
        return THEMES[name]
    except KeyError:
        raise ValueError(f"없는 테마입니다: {name!r} (가능: {', '.join(THEMES)})") from None


def blend(first: str, second: str, share: float) -> str:
    """``first`` moved towards ``second`` by ``share`` 0..1."""
    share = min(1.0, max(0.0, share))
    pairs = ((int(first[i : i + 2], 16), int(second[i : i + 2], 16)) for i in (1, 3, 5))
    return "#" + "".join(f"{round(a + (b - a) * share):02X}" for a, b in pairs)


def contrast(first: str, second: str) -> float:
    """WCAG 2 contrast ratio of two opaque colours, 1..21."""

    def luminance(colour: str) -> float:
        channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        linear = [c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    light, dark = sorted((luminance(first), luminance(second)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


@lru_cache(maxsize=1)
def _font_folder() -> Path:
    # The package patches matplotlib's global settings when imported, so only its folder is looked up.
    spec = find_spec("koreanize_matplotlib")
    for root in (spec.submodule_search_locations or ()) if spec else ():
        folder = Path(root) / "fonts"
        if all((folder / name).is_file() for name in _FONT_FILES.values()):
            return folder
    raise FontMissing("한글 글꼴이 없습니다: koreanize-matplotlib 패키지를 다시 설치하세요.")


def font_path(weight: Weight) -> Path:
    return _font_folder() / _FONT_FILES[weight]


@cache
def font(weight: Weight) -> FontProperties:
    from matplotlib.font_manager import FontProperties

    return FontProperties(fname=str(font_path(weight)))
