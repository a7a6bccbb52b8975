"""Whatever colour an operator sets, pages can be read."""

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from watchword.server.web.pages import Brand, Logo
from watchword.server.web.pages.colour import TEXT, contrast, palette, parse_colour, written
from watchword.server.web.pages.static_files import DARK_SURFACES, LIGHT_SURFACES, OURS, brand_rules

CHANNEL = st.integers(0, 255)


@given(st.tuples(CHANNEL, CHANNEL, CHANNEL), st.booleans())
def test_links_and_buttons_can_be_read_in_any_brand_colour(colour: tuple[int, int, int], dark: bool) -> None:
    grounds = tuple(parse_colour(ground) for ground in (DARK_SURFACES if dark else LIGHT_SURFACES))
    shades = palette(colour, grounds=grounds, dark=dark)
    assert all(contrast(shades.accent, ground) >= TEXT for ground in grounds)
    assert contrast(shades.on_accent, shades.accent) >= TEXT
    assert contrast(shades.on_accent, shades.pressed) >= TEXT


def test_contrast_is_what_the_standard_says() -> None:
    assert contrast((0, 0, 0), (255, 255, 255)) == pytest.approx(21)
    assert contrast((119, 119, 119), (255, 255, 255)) == pytest.approx(4.48, abs=0.01)
    assert contrast((9, 9, 9), (9, 9, 9)) == 1


def test_a_colour_that_can_be_read_is_left_as_it_is() -> None:
    assert brand_rules(Brand(colour="#1D6070")).startswith(":root{--accent:#1d6070;")


def themes() -> tuple[dict[str, str], dict[str, str]]:
    light, dark = re.findall(r":root \{\n(.*?)\}", (OURS / "pages.css").read_text("utf-8"), re.DOTALL)[:2]
    return tuple(dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{6});", rules)) for rules in (light, dark))  # type: ignore[return-value]


@pytest.mark.parametrize("index", [0, 1], ids=["light", "dark"])
def test_every_text_has_contrast_on_every_ground_that_it_lies_on(index: int) -> None:
    colours = {name: parse_colour(value) for name, value in themes()[index].items()}
    for text in ("text", "quiet"):
        for ground in ("ground", "surface", "inset"):
            assert contrast(colours[text], colours[ground]) >= TEXT, f"{text} on {ground}"
    for kind in ("danger", "warning", "done"):
        assert contrast(colours[kind], colours[f"{kind}-ground"]) >= TEXT, kind
        assert contrast(colours[kind], colours["surface"]) >= TEXT, kind
    assert contrast(colours["danger-pressed"], colours["danger-ground"]) >= TEXT
    # WCAG 2.2, 1.4.11: what shows where a control is.
    assert contrast(colours["control"], colours["surface"]) >= 3


def test_the_surfaces_that_brand_colours_are_fitted_to_are_those_of_the_style_sheet() -> None:
    for theme, surfaces in zip(themes(), (LIGHT_SURFACES, DARK_SURFACES), strict=True):
        assert {theme["surface"], theme["ground"]} == set(surfaces)


@pytest.mark.parametrize("colour", ["", "red", "#12", "#1234567", "#ggg", "123456", "#fff;}", "#fff\n"])
def test_what_is_no_colour_is_refused(colour: str) -> None:
    with pytest.raises(ValueError, match="#rrggbb"):
        Brand(colour=colour)


@pytest.mark.parametrize("name", ["", " ", " a", "x" * 61, "a\nb", "a\x00"])
def test_what_is_no_name_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="name"):
        Brand(name=name)


@pytest.mark.parametrize(
    "logo", [{"content": b"", "media_type": "image/png"}, {"content": b"x", "media_type": "text/html"}]
)
def test_what_is_no_logo_is_refused(logo: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="logo"):
        Logo(**logo)


def test_short_colours_are_long_ones() -> None:
    assert written(parse_colour("#FC0")) == "#ffcc00"
