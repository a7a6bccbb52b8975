"""Files that pages load: style sheet, script, icon, logo.

Each is served under a name with a hash of its content, so a browser may keep it for ever, and a new version has a new
name. A name with another hash comes from a page that another node rendered, before or after an upgrade: it is
answered with what this node has, for this once.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from html import escape
from pathlib import Path
from typing import Final

from starlette.responses import Response

from watchword.protocol.errors import NotFound
from watchword.server.web.pages.brand import LOGO_SUFFIXES, Brand
from watchword.server.web.pages.colour import palette, parse_colour, written

OURS: Final = Path(__file__).resolve().parent.parent / "static"
STYLE: Final = "pages.css"
ICON: Final = "icon.svg"
_MEDIA_TYPES: Final = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".webp": "image/webp",
    ".jpg": "image/jpeg",
    ".ico": "image/x-icon",
    ".woff2": "font/woff2",
}
_HEADERS: Final = {
    "x-content-type-options": "nosniff",
    "cross-origin-resource-policy": "same-origin",
    "referrer-policy": "no-referrer",
    # A picture that is opened by itself is a document of this server's origin: it must not run anything.
    "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'; sandbox; frame-ancestors 'none'",
}
_FOR_EVER: Final = "public, max-age=31536000, immutable"
_FOR_THIS_ONCE: Final = "no-cache"
_HASHED = re.compile(r"([A-Za-z0-9_]+)-([0-9a-f]{16})(\.[a-z0-9]+)\Z", re.ASCII)
_PLAIN = re.compile(r"[A-Za-z0-9_]+\.[a-z0-9]+\Z", re.ASCII)
# The surfaces of pages.css that links and buttons lie on.
LIGHT_SURFACES: Final = ("#ffffff", "#f5f3ee")
DARK_SURFACES: Final = ("#1d2125", "#14171a")


@dataclass(frozen=True, slots=True)
class StaticFile:
    """A file, under the name that it is served by."""

    name: str
    content: bytes
    media_type: str


class StaticFiles:
    """Our files in an operator's colours, and his own."""

    def __init__(self, brand: Brand, folder: Path | None) -> None:
        self._files = dict(_collected(brand, folder))

    def hashed(self, name: str) -> str:
        """The name that the file is served by.

        Raises:
            KeyError: there is none.
        """
        return self._files[name].name

    def answer(self, name: str) -> Response:
        """The file that is served by that name.

        Raises:
            NotFound: none is.
        """
        asked = _HASHED.match(name)
        file = self._files.get(asked[1] + asked[3]) if asked else None
        if file is None:
            raise NotFound(slug="request.no_such_path")
        keep = _FOR_EVER if file.name == name else _FOR_THIS_ONCE
        return Response(file.content, 200, {**_HEADERS, "cache-control": keep}, file.media_type)


def _collected(brand: Brand, folder: Path | None) -> Iterator[tuple[str, StaticFile]]:
    found = dict(_read(OURS))
    if folder is not None and (folder / "static").is_dir():
        found.update(_read(folder / "static"))
    found[STYLE] = brand_rules(brand).encode() + found[STYLE]
    found[ICON] = _icon(brand, found[ICON])
    if brand.logo is not None:
        found[f"logo.{LOGO_SUFFIXES[brand.logo.media_type]}"] = brand.logo.content
    for name, content in found.items():
        stem, _, suffix = name.rpartition(".")
        digest = sha256(content).hexdigest()[:16]
        yield name, StaticFile(f"{stem}-{digest}.{suffix}", content, _MEDIA_TYPES[f".{suffix}"])


def _icon(brand: Brand, drawing: bytes) -> bytes:
    """The icon of the window: the brand's initial on its colour."""
    shades = palette(parse_colour(brand.colour), grounds=_parsed(LIGHT_SURFACES), dark=False)
    for word, value in (
        ("ACCENT", written(shades.accent)),
        ("TEXT", written(shades.on_accent)),
        ("INITIAL", escape(brand.name[0].upper())),
    ):
        drawing = drawing.replace(word.encode(), value.encode())
    return drawing


def _read(folder: Path) -> Iterator[tuple[str, bytes]]:
    for path in sorted(folder.iterdir()):
        if path.suffix in _MEDIA_TYPES and _PLAIN.match(path.name):
            yield path.name, path.read_bytes()


def brand_rules(brand: Brand) -> str:
    """The brand's colours as a style sheet's first rules, for light pages and for dark ones."""
    colour = parse_colour(brand.colour)
    rules = []
    for surfaces, dark in ((LIGHT_SURFACES, False), (DARK_SURFACES, True)):
        shades = palette(colour, grounds=_parsed(surfaces), dark=dark)
        rules.append(
            f":root{{--accent:{written(shades.accent)};--accent-pressed:{written(shades.pressed)};"
            f"--on-accent:{written(shades.on_accent)}}}"
        )
    return f"{rules[0]}\n@media (prefers-color-scheme:dark){{{rules[1]}}}\n"


def _parsed(colours: tuple[str, ...]) -> tuple[tuple[int, int, int], ...]:
    return tuple(parse_colour(colour) for colour in colours)
