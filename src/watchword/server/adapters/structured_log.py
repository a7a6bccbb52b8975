"""Log lines: JSON on stderr, or for a person where stderr is a terminal."""

import logging
import sys
from contextlib import suppress
from typing import Any, TextIO, cast

import structlog

from watchword.server.ports.telemetry import REQUEST_ID

# Fields whose names say that they hold what must never be logged; a slip in a caller must not become a leak.
_NEVER = frozenset(
    {"token", "access_token", "refresh_token", "id_token", "code", "secret", "client_secret", "password", "cookie"}
    | {"authorization", "code_verifier", "assertion"}
)


def _name_request(_: object, __: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    request_id = REQUEST_ID.get()
    if request_id:
        event["request_id"] = request_id
    return event


def _withhold(_: object, __: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    for name in _NEVER.intersection(event):
        event[name] = "(withheld)"
    return event


def _printable(_: object, __: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    """Control characters would be orders to the terminal."""
    for name, value in event.items():
        if isinstance(value, str) and not value.isprintable():
            event[name] = "".join(one if one.isprintable() else ascii(one)[1:-1] for one in value)
    return event


def configure(*, level: str = "info") -> None:
    """Set up structlog for this process, and lead the standard library's warnings into it."""
    terminal = sys.stderr.isatty()
    renderer: structlog.typing.Processor = (
        structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
        if terminal
        else structlog.processors.JSONRenderer()
    )
    processors: list[structlog.typing.Processor] = [
        _name_request,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _withhold,
    ]
    structlog.configure(
        processors=[*processors, _printable if terminal else structlog.processors.EventRenamer("slug"), renderer],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(cast("TextIO", _WhatCanBeWritten())),
        cache_logger_on_first_use=True,
    )
    logging.basicConfig(level=logging.WARNING, handlers=[_ToStructlog()], force=True)


class _WhatCanBeWritten:
    """stderr as far as it takes something: a full disk under the log, or a reader that is gone, stops no request."""

    def write(self, text: str) -> None:
        with suppress(OSError, ValueError):
            sys.stderr.write(text)

    def flush(self) -> None:
        with suppress(OSError, ValueError):
            sys.stderr.flush()


class _ToStructlog(logging.Handler):
    """Lines of libraries, in our form."""

    def emit(self, record: logging.LogRecord) -> None:
        told = structlog.get_logger()
        # No traceback: a library's may quote the values that it was given.
        told.log(record.levelno, "library", logger=record.name, message=record.getMessage())


class StructuredLog:
    """Telemetry by structlog."""

    def __init__(self) -> None:
        # Bound once: a logger that is made anew for each line costs more than a line that is not written.
        self._log = structlog.get_logger().bind()

    def note(self, slug: str, **fields: Any) -> None:
        """See ``ports.telemetry.Telemetry``."""
        self._log.debug(slug, **fields)

    def tell(self, slug: str, **fields: Any) -> None:
        """See ``ports.telemetry.Telemetry``."""
        self._log.info(slug, **fields)

    def warn(self, slug: str, **fields: Any) -> None:
        """See ``ports.telemetry.Telemetry``."""
        self._log.warning(slug, **fields)
