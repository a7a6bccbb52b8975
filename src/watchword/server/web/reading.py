"""Reading requests: bodies of a bounded size, forms and JSON without ambiguities, client credentials.

Implements: RFC 6749 §2.3.1, §3.1, §3.2 ("Parameters sent without a value MUST be treated as if they were omitted",
"MUST NOT be included more than once").
"""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Final, cast
from urllib.parse import unquote_plus

from starlette.requests import ClientDisconnect, Request
from starlette.types import Message

from watchword.protocol import bearer, strict_json
from watchword.protocol.errors import InvalidClient, InvalidRequest, RequestTooLarge, UnsupportedMediaType
from watchword.server.flows.client_authentication import ClientCredentials

MAX_BODY: Final = 64 * 1024
_MAX_FIELDS: Final = 100
_BODY_SECONDS: Final = 10
# Each holds up to 64 KB here and as much on its connection.
_MOST_WAITING: Final = 1000
_waiting: Final[dict[asyncio.Timeout, None]] = {}


async def read_body(request: Request) -> bytes:
    """The body, at most 64 KB, within 10 s.

    Raises:
        RequestTooLarge, InvalidRequest: larger; slower or cut off.
    """
    length = request.headers.get("content-length", "0")
    if not length.isdecimal() or int(length[:12]) > MAX_BODY:
        raise RequestTooLarge(slug="request.too_large")
    first = _at_hand(request)
    if first is not None and not first.get("more_body"):
        # Most often all of it came with the headers, and a timer would cost more than reading it.
        return _content(first, room=MAX_BODY)
    try:
        async with asyncio.timeout(_BODY_SECONDS) as patience:
            _make_room()
            _waiting[patience] = None
            try:
                return await _whole(request, first)
            finally:
                _waiting.pop(patience, None)
    except TimeoutError:
        raise InvalidRequest("the body did not come in time", slug="request.slow_body") from None


def _make_room() -> None:
    """Many dawdle: who does for longest is given up first, as an honest body takes milliseconds."""
    if len(_waiting) >= _MOST_WAITING:
        longest = next(iter(_waiting))
        del _waiting[longest]
        if not longest.expired():
            longest.reschedule(0)


def _at_hand(request: Request) -> Message | None:
    """What the HTTP server has already; None if it would have to be waited for."""
    receiving = cast("Coroutine[Any, Any, Message]", request.receive())
    try:
        receiving.send(None)
    except StopIteration as there:
        message: Message = there.value
        return message
    # It waits, so it has taken nothing: the next one to ask gets what comes.
    receiving.close()
    return None


async def _whole(request: Request, first: Message | None) -> bytes:
    message = first or await request.receive()
    body = bytearray(_content(message, room=MAX_BODY))
    while message.get("more_body"):
        message = await request.receive()
        body += _content(message, room=MAX_BODY - len(body))
    return bytes(body)


def _content(message: Message, *, room: int) -> bytes:
    if message["type"] == "http.disconnect":
        raise ClientDisconnect
    content: bytes = message.get("body", b"")
    if len(content) > room:
        raise RequestTooLarge(slug="request.too_large")
    return content


class Fields:
    """The parameters of a request: text, each at most once, empty ones missing.

    Attributes:
        get: the parameter of a name, or None.
        cookie: the refresh token is wanted in the cookie.
    """

    def __init__(self, values: dict[str, str], resources: tuple[str, ...] = (), *, cookie: bool = False) -> None:
        self._values = values
        # The dictionary's own: a request asks for ten parameters, most of which are not there.
        self.get: Callable[[str], str | None] = values.get
        self.resources = resources
        self.cookie = cookie

    @property
    def pairs(self) -> tuple[tuple[str, str], ...]:
        """All of them, resources too."""
        return (*self._values.items(), *(("resource", resource) for resource in self.resources))

    def need(self, name: str) -> str:
        """The parameter.

        Raises:
            InvalidRequest: it is missing.
        """
        value = self._values.get(name)
        if value is None:
            raise InvalidRequest(f"{name} is missing", slug="request.missing_parameter")
        return value


async def read_form(request: Request) -> Fields:
    """The form in the body; the query is not looked at (RFC 6749 §3.2).

    Raises:
        InvalidRequest: another media type, not UTF-8, NUL, a parameter twice (``resource`` alone may repeat), too many.
    """
    if not _is_media_type(request, "application/x-www-form-urlencoded"):
        raise InvalidRequest("send application/x-www-form-urlencoded", slug="request.media_type")
    try:
        pairs = _pairs((await read_body(request)).decode("utf-8"))
    except UnicodeDecodeError:
        raise InvalidRequest("the form is not UTF-8", slug="request.not_utf8") from None
    values: dict[str, str] = {}
    resources: list[str] = []
    for name, value in pairs:
        if "\x00" in value:
            raise InvalidRequest("a parameter holds NUL", slug="request.nul")
        if name == "resource":
            resources.append(value)
        elif name in values:
            raise InvalidRequest("a parameter is there twice", slug="request.repeated_parameter")
        else:
            values[name] = value
    if "" in values.values():
        values = {name: value for name, value in values.items() if value}
    return Fields(values, tuple(filter(None, resources)))


def _pairs(form: str) -> list[tuple[str, str]]:
    fields = form.split("&")
    if len(fields) > _MAX_FIELDS:
        raise InvalidRequest("the form has too many parameters", slug="request.too_many_fields")
    pairs = [field.partition("=")[::2] for field in fields if field]
    if "%" not in form and "+" not in form:
        return pairs
    return [(unquote_plus(name, errors="strict"), unquote_plus(value, errors="strict")) for name, value in pairs]


async def read_json(request: Request, *, optional: bool = False) -> Fields:
    """The JSON object in the body.

    Members are text, ``true``/``false`` or null; ``resource`` may also be a list of texts. ``optional``: no body is an
    empty object.

    Raises:
        UnsupportedMediaType: not application/json.
        InvalidRequest: not one JSON object, a member twice or of another type, NUL or half a surrogate pair.
    """
    if optional and "content-type" not in request.headers:
        body = await read_body(request)
        if not body:
            return Fields({})
        raise UnsupportedMediaType("send application/json", slug="request.media_type")
    if not _is_media_type(request, "application/json"):
        raise UnsupportedMediaType("send application/json", slug="request.media_type")
    body = await read_body(request)
    try:
        members = strict_json.parse_object(body) if body or not optional else {}
    except ValueError as error:
        raise InvalidRequest(f"the body is no JSON object of ours: {error}", slug="request.not_json") from None
    values: dict[str, str] = {}
    resources: tuple[str, ...] = ()
    cookie = False
    for name, value in members.items():
        if value is None:
            continue
        if name == "resource":
            resources = _resources(value)
        elif name == "cookie":
            cookie = _flag(name, value)
        elif name in _KNOWN and (text := _text(name, value)):
            values[name] = text
    return Fields(values, resources, cookie=cookie)


# The members that the simple door knows; others are ignored, whatever they hold.
_KNOWN: Final = frozenset(
    {
        *("client_id", "client_secret", "username", "password", "email", "scope", "refresh_token"),
        *("auth_session", "otp", "recovery_code"),
    }
)


def _text(name: str, value: Any) -> str:
    if not isinstance(value, str):
        raise InvalidRequest(f"{name} must be text", slug="request.wrong_type")
    if "\x00" in value:
        raise InvalidRequest(f"{name} holds NUL", slug="request.nul")
    if not value.isascii():
        try:
            value.encode("utf-8")
        except UnicodeEncodeError:
            raise InvalidRequest(f"{name} holds half a surrogate pair", slug="request.not_utf8") from None
    return value


def _flag(name: str, value: Any) -> bool:
    if not isinstance(value, bool):
        raise InvalidRequest(f"{name} must be true or false", slug="request.wrong_type")
    return value


def _resources(value: Any) -> tuple[str, ...]:
    listed = value if isinstance(value, list) else [value]
    if len(listed) > _MAX_FIELDS:
        raise InvalidRequest("too many resources", slug="request.too_many_fields")
    return tuple(text for text in (_text("resource", one) for one in listed if one is not None) if text)


def _is_media_type(request: Request, wanted: str) -> bool:
    named = request.headers.get("content-type", "")
    return named == wanted or named.partition(";")[0].strip().lower() == wanted


def client_credentials(request: Request, fields: Fields, *, beside_bearer: bool = False) -> ClientCredentials:
    """What the request offers to prove its client, by one method only.

    ``beside_bearer``: the Authorization header may carry an access token, which says nothing about the client.

    Raises:
        InvalidRequest: two methods, or two client ids.
        InvalidClient: none, malformed, or a method that is not offered.
    """
    client_id, secret = fields.get("client_id"), fields.get("client_secret")
    headers = request.headers.getlist("authorization")
    if len(headers) > 1:
        raise InvalidRequest("two Authorization headers", slug="client.two_methods")
    if beside_bearer and headers and headers[0].lower().startswith("bearer "):
        headers = []
    if fields.get("client_assertion") is not None or fields.get("client_assertion_type") is not None:
        raise InvalidClient("client assertions are not offered", slug="client.assertion")
    if headers:
        try:
            pair = bearer.parse_basic(headers[0])
        except ValueError as error:
            raise InvalidClient(slug="client.malformed_basic", detail=str(error)) from None
        if pair is None:
            raise InvalidClient("use HTTP Basic or the body", slug="client.scheme")
        if secret is not None:
            # RFC 6749 §2.3: "The client MUST NOT use more than one authentication method in each request."
            raise InvalidRequest("two ways of client authentication", slug="client.two_methods")
        if client_id is not None and client_id != pair[0]:
            raise InvalidRequest("two client ids", slug="client.two_ids")
        return ClientCredentials(_storable(pair[0]), "client_secret_basic", _storable(pair[1]))
    if client_id is None:
        raise InvalidClient("client_id is missing", slug="client.missing")
    if secret is not None:
        return ClientCredentials(client_id, "client_secret_post", secret)
    return ClientCredentials(client_id, "none")


def _storable(text: str) -> str:
    if "\x00" in text:
        raise InvalidClient(slug="client.malformed_basic", detail="NUL in HTTP Basic credentials")
    return text
