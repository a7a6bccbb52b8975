"""Durations as operators write them, and the lifetimes made of them."""

import re
from typing import Final

from watchword.server.domain.lifetimes import (
    ACCESS_TOKEN,
    BROWSER_SESSION,
    DAY,
    HOUR,
    MINUTE,
    NATIVE_APP,
    OVERLAP,
    Lifetimes,
    RefreshLifetime,
    SessionLifetime,
)
from watchword.server.domain.time import Seconds
from watchword.server.settings.refusal import SettingsError
from watchword.server.settings.written import PREFIX, Written

_UNITS: Final = {"": 1, "s": 1, "m": MINUTE, "h": HOUR, "d": DAY}
_DURATION = re.compile(r"([0-9]{1,10})([smhd]?)\Z", re.ASCII)
_LONGEST_ACCESS_TOKEN: Final = 1 * DAY
_LONGEST_REFRESH: Final = 3650 * DAY
# Browsers keep no cookie for longer.
_LONGEST_SESSION: Final = 400 * DAY
_LONGEST_OVERLAP: Final = 10 * MINUTE


def parse_duration(text: str | int) -> Seconds:
    """Seconds from ``90s``, ``15m``, ``12h``, ``14d`` or bare seconds.

    Raises:
        ValueError: another form.
    """
    match = _DURATION.match(str(text).strip())
    if match is None:
        raise ValueError("a duration is a whole number with s, m, h or d behind it, such as 90s, 15m or 14d")
    return int(match[1]) * _UNITS[match[2]]


def write_duration(seconds: Seconds) -> str:
    """The shortest text that ``parse_duration`` reads as ``seconds``: ``90s``, ``15m``, ``12h``, ``14d``."""
    whole = int(seconds)
    unit = next((unit for unit in "dhm" if whole and whole % _UNITS[unit] == 0), "s")
    return f"{whole // int(_UNITS[unit])}{unit}"


def parse_access_token_ttl(text: str | int) -> Seconds:
    """The lifetime of access tokens: 1 second to 1 day.

    Raises:
        ValueError: another form, or beyond the bounds.
    """
    return _bounded(text, least=1, most=_LONGEST_ACCESS_TOKEN)


def lifetimes_of(written: Written) -> Lifetimes:
    """The lifetimes that the operator chose.

    Raises:
        SettingsError: one is no duration, or out of bounds.
    """

    def of(name: str, default: Seconds, *, least: Seconds, most: Seconds) -> Seconds:
        text: str | int | None = getattr(written, name)
        try:
            return default if text is None else _bounded(text, least=least, most=most)
        except ValueError as error:
            raise SettingsError(f"{PREFIX}{name.upper()}: {error}") from None

    absolute = of("refresh_absolute_ttl", NATIVE_APP.absolute, least=1, most=_LONGEST_REFRESH)
    idle = of("refresh_idle_ttl", min(NATIVE_APP.idle, absolute), least=1, most=_LONGEST_REFRESH)
    if idle > absolute:
        raise SettingsError("WATCHWORD_REFRESH_IDLE_TTL is at most WATCHWORD_REFRESH_ABSOLUTE_TTL (90d if unset)")
    session_end = of("session_absolute_ttl", BROWSER_SESSION.absolute, least=1, most=_LONGEST_SESSION)
    session_rest = of("session_idle_ttl", min(BROWSER_SESSION.idle, session_end), least=1, most=_LONGEST_SESSION)
    if session_rest > session_end:
        raise SettingsError("WATCHWORD_SESSION_IDLE_TTL is at most WATCHWORD_SESSION_ABSOLUTE_TTL (14d if unset)")
    return Lifetimes(
        access_token=of("access_token_ttl", ACCESS_TOKEN, least=1, most=_LONGEST_ACCESS_TOKEN),
        refresh=RefreshLifetime(idle=idle, absolute=absolute),
        overlap=of("refresh_overlap", OVERLAP, least=0, most=_LONGEST_OVERLAP),
        session=SessionLifetime(idle=session_rest, absolute=session_end),
    )


def _bounded(text: str | int, *, least: Seconds, most: Seconds) -> Seconds:
    seconds = parse_duration(text)
    if not least <= seconds <= most:
        raise ValueError(f"{text} is not within {least:.0f} and {most:.0f} seconds")
    return seconds
