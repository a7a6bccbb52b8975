"""A request whose headers are found at once: an endpoint asks for half a dozen, and most of them are not there."""

from collections.abc import MutableMapping
from typing import Any, TypeVar, overload

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.types import Receive

T = TypeVar("T")


class IndexedHeaders(Headers):
    """Looks into a dictionary where ``Headers`` walks through the list, each time. Names are asked for in lower case.

    As there, the first of several with one name counts.
    """

    def __init__(self, raw: list[tuple[bytes, bytes]]) -> None:
        super().__init__(raw=raw)
        self._first = dict(reversed(raw))

    @overload
    def get(self, key: str, /) -> str | None: ...
    @overload
    def get(self, key: str, /, default: str | T) -> str | T: ...
    def get(self, key: str, default: object = None) -> object:
        """The header's value, or ``default``."""
        value = self._first.get(key.encode())
        return default if value is None else value.decode("latin-1")

    def getlist(self, key: str) -> list[str]:
        """The values of all headers of that name."""
        value = self._first.get(key.encode())
        if value is None:
            return []
        # As many names as headers: none of them is there twice.
        return [value.decode("latin-1")] if len(self._first) == len(self) else super().getlist(key)

    def __getitem__(self, key: str) -> str:
        return self._first[key.encode()].decode("latin-1")

    def __contains__(self, key: object) -> bool:
        return isinstance(key, str) and key.encode() in self._first


class IndexedRequest(Request):
    """A request with such headers."""

    # A slot takes the place of the property that makes them anew for each request.
    __slots__ = ("headers",)
    headers: IndexedHeaders

    def __init__(self, scope: MutableMapping[str, Any], receive: Receive) -> None:
        super().__init__(scope, receive)
        self.headers = IndexedHeaders(scope["headers"])
