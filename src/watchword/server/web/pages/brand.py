"""Whose pages these are: the name, the logo and the colour that an operator sets."""

import re
from dataclasses import dataclass
from typing import Final

from watchword.server.web.pages.colour import parse_colour

DEFAULT_COLOUR: Final = "#1d6070"
LOGO_SUFFIXES: Final = {
    "image/svg+xml": "svg",
    "image/png": "png",
    "image/webp": "webp",
    "image/jpeg": "jpg",
}
_MAX_LOGO: Final = 512 * 1024
_NAME = re.compile(r"\S(?:.{0,58}\S)?\Z")


@dataclass(frozen=True, slots=True, kw_only=True)
class Logo:
    """A picture of the operator's.

    Raises:
        ValueError: empty, larger than 512 KiB, or neither SVG, PNG, WebP nor JPEG.
    """

    content: bytes
    media_type: str

    def __post_init__(self) -> None:
        if self.media_type not in LOGO_SUFFIXES:
            raise ValueError("a logo is SVG, PNG, WebP or JPEG")
        if not 0 < len(self.content) <= _MAX_LOGO:
            raise ValueError("a logo has at most 512 KiB")

    def __repr__(self) -> str:
        return f"Logo({self.media_type!r}, {len(self.content)} bytes)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Brand:
    """What pages are dressed in.

    Attributes:
        name: of whom people sign in to; at most 60 characters.
        logo: shown instead of the name.
        colour: of buttons, links and the frame around what has the focus, as ``#rrggbb`` or ``#rgb``. Where it would be
            hard to read on a light or dark page it is darkened or lightened, as far as needed.

    Raises:
        ValueError: the name is empty or too long, or the colour is not of that form.
    """

    name: str = "Watchword"
    logo: Logo | None = None
    colour: str = DEFAULT_COLOUR

    def __post_init__(self) -> None:
        if _NAME.match(self.name) is None or not self.name.isprintable():
            raise ValueError("a brand's name has 1 to 60 printable characters")
        parse_colour(self.colour)
