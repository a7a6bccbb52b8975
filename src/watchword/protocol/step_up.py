"""Step-up authentication: what a resource demands of a user's sign-in, and the challenge that says so.

Implements: RFC 9470 §3, §4; RFC 9110 §5.6.4, §11.2, §11.3, §11.6.1.
Diverges: a challenge that demands nothing in particular is read as the wish for a fresh sign-in, since going on
with the present one would lead to the same answer again.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

ERROR: Final = "insufficient_user_authentication"
# Seconds: what nine digits can say, as the authorization endpoint takes it. And bounds for what is read and written.
_MOST_SECONDS: Final = 999_999_999
_MOST_CLASSES: Final = 20
_LONGEST_CLASS: Final = 255
# All together, with the spaces between them: they travel in headers, addresses and cookies.
_LONGEST_LIST: Final = 1000
_MOST_HEADERS: Final = 10
_LONGEST_HEADER: Final = 8192

# As scope tokens: no space, which separates them, and nothing that would have to be escaped between quotes.
_CLASS: Final = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]+\Z", re.ASCII)
_SECONDS: Final = re.compile(r"[0-9]{1,9}\Z", re.ASCII)
_TOKEN: Final = r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
_SCHEME: Final = re.compile(rf"({_TOKEN})(?: +|(?=[\t,]|\Z))", re.ASCII)
_PARAMETER: Final = re.compile(
    rf'({_TOKEN})[ \t]*=[ \t]*(?:({_TOKEN})|"((?:[\t !#-\[\]-~\x80-\xff]|\\[\t -~\x80-\xff])*)")', re.ASCII
)
_TOKEN68: Final = re.compile(r"[A-Za-z0-9\-._~+/]+=*", re.ASCII)
_END: Final = re.compile(r"[ \t]*(?:,|\Z)", re.ASCII)
_EMPTY: Final = re.compile(r"[ \t,]*", re.ASCII)
_ESCAPED: Final = re.compile(r"\\(.)", re.DOTALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class SignInDemand:
    """What a resource wants of the sign-in behind a token; ``SignInDemand.of`` checks it.

    Attributes:
        max_age: seconds that the sign-in may lie back; None for any age.
        acr_values: the authentication context classes that will do, in order of preference; empty for any.
    """

    max_age: int | None = None
    acr_values: tuple[str, ...] = ()

    @classmethod
    def of(cls, *, max_age: int | None = None, acr_values: str | Iterable[str] = ()) -> "SignInDemand | None":
        """The demand, every part checked; None if nothing is demanded.

        Args:
            max_age: seconds, a whole number.
            acr_values: a space-separated string or several strings.

        Raises:
            ValueError: no number of seconds, or no names of classes.
        """
        if max_age is not None and (type(max_age) is not int or not 0 <= max_age <= _MOST_SECONDS):
            raise ValueError("max_age is a whole number of seconds, 0 or more")
        classes = tuple(acr_values.split()) if isinstance(acr_values, str) else tuple(acr_values)
        if not _are_classes(classes):
            raise ValueError(
                "acr_values are names of printable ASCII without spaces and quotes, 1,000 characters in all"
            )
        return None if max_age is None and not classes else cls(max_age=max_age, acr_values=classes)

    def parameters(self) -> list[tuple[str, str]]:
        """The parameters of the challenge. Both are named whichever was not met, so that one sign-in meets both."""
        found = [("acr_values", " ".join(self.acr_values))] if self.acr_values else []
        return found if self.max_age is None else [*found, ("max_age", str(self.max_age))]


def quoted(text: str) -> str:
    """The quoted-string that stands for ``text`` (RFC 9110 §5.6.4).

    Raises:
        ValueError: a control character or something beyond ASCII, which no header should carry.
    """
    if not (text.isascii() and text.isprintable()):
        raise ValueError("a header carries printable ASCII")
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def parse_challenge(headers: Sequence[str]) -> SignInDemand | None:
    """The demand of a step-up challenge for bearer tokens, in the ``WWW-Authenticate`` headers of a 401.

    A header that is malformed says nothing, nor does a parameter whose value cannot be right.

    Returns:
        The demand; None if there is no such challenge.
    """
    for header in headers[:_MOST_HEADERS]:
        try:
            challenges = _parse(header)
        except ValueError:
            continue
        for scheme, parameters in challenges:
            # RFC 9449 §7.1: the scheme DPoP takes the place of Bearer for tokens that are bound to a key.
            if scheme in ("bearer", "dpop") and parameters.get("error") == ERROR:
                return _demand(parameters)
    return None


def _demand(parameters: dict[str, str]) -> SignInDemand:
    age, classes = parameters.get("max_age", ""), tuple(parameters.get("acr_values", "").split(" "))
    found = SignInDemand(
        max_age=int(age) if _SECONDS.match(age) else None,
        acr_values=classes if _are_classes(classes) else (),
    )
    return SignInDemand(max_age=0) if found == SignInDemand() else found


def _are_classes(names: tuple[str, ...]) -> bool:
    return len(names) <= _MOST_CLASSES and len(" ".join(names)) <= _LONGEST_LIST and all(map(_is_class, names))


def _is_class(text: str) -> bool:
    return len(text) <= _LONGEST_CLASS and _CLASS.match(text) is not None


def _parse(header: str) -> list[tuple[str, dict[str, str]]]:
    """All challenges of one header: schemes, in lower case, and their parameters, likewise.

    Raises:
        ValueError: too long, or not of the form of RFC 9110 §11.6.1.
    """
    if len(header) > _LONGEST_HEADER:
        raise ValueError("a challenge longer than any")
    challenges: list[tuple[str, dict[str, str]]] = []
    at = _after(_EMPTY, header, 0)
    while at < len(header):
        # A scheme is followed by parameters of its own, so what is no parameter begins the next challenge.
        parameter = _PARAMETER.match(header, at) if challenges else None
        if parameter is not None and _END.match(header, parameter.end()):
            _add(challenges[-1][1], parameter)
            at = parameter.end()
        else:
            scheme = _SCHEME.match(header, at)
            if scheme is None:
                raise ValueError("neither a scheme nor a parameter")
            challenges.append((scheme[1].lower(), {}))
            at = _first(header, scheme.end(), challenges[-1][1])
        at = _after(_EMPTY, header, _after(_END, header, at))
    return challenges


def _first(header: str, at: int, parameters: dict[str, str]) -> int:
    """Take what follows a scheme without a comma: a parameter, a token68, or nothing. Returns where it ends."""
    parameter = _PARAMETER.match(header, at)
    if parameter is not None and _END.match(header, parameter.end()):
        _add(parameters, parameter)
        return parameter.end()
    token68 = _TOKEN68.match(header, at)
    return at if token68 is None else token68.end()


def _add(parameters: dict[str, str], found: re.Match[str]) -> None:
    name = found[1].lower()
    # RFC 9110 §11.2: a parameter name "MUST only occur once per challenge".
    if name in parameters:
        raise ValueError("a parameter twice")
    parameters[name] = found[2] if found[3] is None else _ESCAPED.sub(r"\1", found[3])


def _after(pattern: re.Pattern[str], text: str, at: int) -> int:
    found = pattern.match(text, at)
    if found is None:
        raise ValueError("something that does not belong there")
    return found.end()
