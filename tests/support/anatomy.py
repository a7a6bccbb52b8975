"""A page taken apart: where it leads, what it loads, and what runs in it."""

from html.parser import HTMLParser
from typing import Final
from urllib.parse import urljoin, urlsplit

import httpx2

# Attributes whose value is an address; `data-again` is where our script asks for more.
_ADDRESSES: Final = frozenset(
    {"href", "src", "action", "formaction", "data", "srcset", "poster", "cite", "background", "ping", "manifest"}
    | {"data-again"}
)


class Anatomy(HTMLParser):
    """What stands in a page.

    Attributes:
        addresses: all addresses, as they are written.
        inline: whatever would run, or style, from within the page itself.
        forms: the targets of its forms.
    """

    def __init__(self, text: str) -> None:
        super().__init__()
        self.addresses: list[str] = []
        self.inline: list[str] = []
        self.forms: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        self.addresses += [value for name, value in given.items() if name in _ADDRESSES]
        self.inline += [f"{tag} {name}" for name in given if name.startswith("on") or name in ("style", "srcdoc")]
        if tag == "style" or (tag == "script" and "src" not in given):
            self.inline.append(tag)
        if tag in ("base", "object", "embed", "iframe", "frame", "applet"):
            self.inline.append(tag)
        if tag == "meta" and "http-equiv" in given:
            self.inline.append(f"meta {given['http-equiv']}")
        if tag == "form":
            self.forms.append(given.get("action", ""))


def is_page(answer: httpx2.Response) -> bool:
    """Whether the answer is one for the eyes."""
    return bool(answer.headers.get("content-type", "").startswith("text/html"))


def ways_on(answer: httpx2.Response) -> list[str]:
    """Every absolute address that a browser may be led to by an answer, as a browser understands them."""
    found = [answer.headers[name] for name in ("location", "content-location") if name in answer.headers]
    assert "refresh" not in answer.headers
    assert "link" not in answer.headers
    if is_page(answer):
        found += Anatomy(answer.text).addresses
    return [_absolute(str(answer.request.url), address) for address in found]


def _absolute(where: str, address: str) -> str:
    # Browsers drop tabs and line ends, take a backslash for a slash, and do not see white space around it.
    plain = "".join(letter for letter in address.strip() if letter not in "\t\r\n")
    scheme = urlsplit(plain).scheme
    if scheme in ("", "http", "https"):
        head, mark, query = plain.partition("?")
        plain = head.replace("\\", "/") + mark + query
    return urljoin(where, plain)
