"""What the pages look like: the operator's name, logo, colour and templates. Nothing of it comes from elsewhere."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal
from xml.etree import ElementTree

from watchword.server.settings.refusal import SettingsError, plainly
from watchword.server.settings.written import Written

LARGEST_LOGO: Final = 100_000
_PNG: Final = b"\x89PNG\r\n\x1a\n"
_LONGEST_NAME: Final = 60
_COLOUR = re.compile(r"#[0-9a-f]{6}\Z", re.ASCII)
# In a style: what is imported, or named by a URL that does not begin with "#". A backslash could spell either.
_FETCHING = re.compile(r"@import|url\(\s*['\"]?\s*(?!#|['\"\s])|\\\\", re.IGNORECASE)
_KINDS: Final = "a PNG, or an SVG without scripts, document type and links to elsewhere"


@dataclass(frozen=True, slots=True)
class Logo:
    """An image file, and what kind it is."""

    content: bytes
    media_type: Literal["image/png", "image/svg+xml"]

    def __repr__(self) -> str:
        return f"Logo({len(self.content)} bytes, {self.media_type!r})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Brand:
    """Name, logo and colour of the pages.

    Attributes:
        logo: None shows the name alone.
        colour: as ``#rrggbb`` in small letters; None leaves the pages their own.
    """

    name: str = "Watchword"
    logo: Logo | None = None
    colour: str | None = None


def brand_of(written: Written) -> Brand:
    """The brand that the operator chose.

    Raises:
        SettingsError: a value will not do, or the logo cannot be read.
    """
    return Brand(
        name="Watchword" if written.brand_name is None else _name(written.brand_name),
        logo=None if written.brand_logo is None else _logo(Path(written.brand_logo)),
        colour=None if written.brand_colour is None else _colour(written.brand_colour),
    )


def templates_of(written: Written) -> Path | None:
    """The folder of the operator's templates.

    Raises:
        SettingsError: there is no such folder.
    """
    if written.templates is None:
        return None
    folder = Path(written.templates).absolute()
    if not folder.is_dir():
        raise SettingsError(f"WATCHWORD_TEMPLATES names {folder}, and there is no such folder")
    return folder


def _name(text: str) -> str:
    name = text.strip()
    if len(name) > _LONGEST_NAME or not name.isprintable():
        raise SettingsError(f"WATCHWORD_BRAND_NAME is at most {_LONGEST_NAME} visible characters")
    return name


def _colour(text: str) -> str:
    colour = text.strip().lower()
    if _COLOUR.match(colour) is None:
        raise SettingsError("WATCHWORD_BRAND_COLOUR is a colour such as #1d6070")
    return colour


def _logo(path: Path) -> Logo:
    try:
        with path.open("rb") as file:
            content = file.read(LARGEST_LOGO + 1)
    except OSError as error:
        raise SettingsError(f"WATCHWORD_BRAND_LOGO names {path}, which cannot be read: {plainly(error)}") from None
    if len(content) > LARGEST_LOGO:
        raise SettingsError(f"WATCHWORD_BRAND_LOGO names {path}, which is larger than {LARGEST_LOGO // 1000} KB")
    if content.startswith(_PNG):
        return Logo(content, "image/png")
    if _is_plain_svg(content):
        return Logo(content, "image/svg+xml")
    raise SettingsError(f"WATCHWORD_BRAND_LOGO names {path}, which is no logo: take {_KINDS}")


def _is_plain_svg(content: bytes) -> bool:
    # Entities are declared in a document type. Without one there is nothing that could grow while it is read.
    try:
        text = content.decode("utf-8-sig")
        if "<!DOCTYPE" in text.upper() or "<?XML-STYLESHEET" in text.upper():
            return False
        root = ElementTree.fromstring(text)  # noqa: S314 - the operator's own file, small, without entities
    except (UnicodeError, ElementTree.ParseError, ValueError):
        return False
    return root.tag == "{http://www.w3.org/2000/svg}svg" and all(_is_still(element) for element in root.iter())


def _is_still(element: ElementTree.Element) -> bool:
    """Whether an element of an SVG runs nothing and fetches nothing."""
    tag = _local(str(element.tag))
    if tag in ("script", "foreignobject") or (tag == "style" and _FETCHING.search("".join(element.itertext()))):
        return False
    for name, value in element.attrib.items():
        local = _local(name)
        if local.startswith("on") or (local in ("href", "src") and not value.strip().startswith(("#", "data:image/"))):
            return False
        if _FETCHING.search(value):
            return False
    return True


def _local(name: str) -> str:
    return name.rpartition("}")[2].lower()
