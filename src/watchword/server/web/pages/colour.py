"""Colours that can be read: an operator chooses one, and pages keep the contrast that accessibility asks for.

Contrast is as in WCAG 2.2, 1.4.3 and 1.4.11: 4.5 for text, 3 for what shows where a control is.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

TEXT: Final = 4.5
_HEX = re.compile(r"#(?:[0-9a-f]{3}|[0-9a-f]{6})\Z", re.ASCII)
_WHITE: Final = (255, 255, 255)
_INK: Final = (17, 20, 23)
_STEPS: Final = 50

Colour = tuple[int, int, int]


def parse_colour(text: str) -> Colour:
    """Red, green and blue, 0 to 255 each.

    Raises:
        ValueError: not ``#rgb`` or ``#rrggbb``.
    """
    folded = text.lower()
    if _HEX.match(folded) is None:
        raise ValueError("a colour is written #rrggbb")
    digits = folded[1:] if len(folded) == 7 else "".join(digit * 2 for digit in folded[1:])
    return int(digits[:2], 16), int(digits[2:4], 16), int(digits[4:], 16)


def contrast(one: Colour, other: Colour) -> float:
    """From 1 (the same brightness) to 21 (black on white)."""
    darker, lighter = sorted((_luminance(one), _luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


def _luminance(colour: Colour) -> float:
    red, green, blue = (_linear(channel / 255) for channel in colour)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _linear(channel: float) -> float:
    return channel / 12.92 if channel <= 0.04045 else float(((channel + 0.055) / 1.055) ** 2.4)


def mixed(colour: Colour, towards: Colour, share: float) -> Colour:
    """``share`` of the way from ``colour`` to another; 0 is the colour itself."""
    red, green, blue = (round(here + (there - here) * share) for here, there in zip(colour, towards, strict=True))
    return red, green, blue


def readable(colour: Colour, *, on: tuple[Colour, ...], towards: Colour) -> Colour:
    """``colour``, moved ``towards`` black or white only as far as text of it can be read on all of ``on``."""
    return next(shade for shade in _shades(colour, towards) if all(contrast(shade, ground) >= TEXT for ground in on))


def _shades(colour: Colour, towards: Colour) -> Iterator[Colour]:
    for step in range(_STEPS + 1):
        yield mixed(colour, towards, step / _STEPS)


@dataclass(frozen=True, slots=True)
class Palette:
    """A brand's colours on a page of one theme.

    Attributes:
        accent: of links, and of a button's ground.
        pressed: of a button under the pointer.
        on_accent: of a button's text.
    """

    accent: Colour
    pressed: Colour
    on_accent: Colour


def palette(colour: Colour, *, grounds: tuple[Colour, ...], dark: bool) -> Palette:
    """The colours on a page whose surfaces are ``grounds``."""
    accent = readable(colour, on=grounds, towards=_WHITE if dark else (0, 0, 0))
    on_accent = max((_WHITE, _INK), key=lambda text: contrast(text, accent))
    # Away from the text, so that what could be read before still can.
    pressed = mixed(accent, (0, 0, 0) if on_accent == _WHITE else _WHITE, 0.18)
    return Palette(accent, pressed, on_accent)


def written(colour: Colour) -> str:
    """As in a style sheet."""
    red, green, blue = colour
    return f"#{red:02x}{green:02x}{blue:02x}"
