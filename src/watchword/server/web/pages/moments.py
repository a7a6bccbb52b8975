"""Points in time, as people read them."""

from datetime import UTC, datetime

from markupsafe import Markup

from watchword.server.domain.lifetimes import DAY, HOUR, MINUTE
from watchword.server.domain.time import Instant
from watchword.server.web.pages.texts import Catalogue

_LONG_AGO = 30 * DAY


def day(instant: Instant, texts: Catalogue) -> Markup:
    """The date."""
    return _marked(instant, _written("moment.day", _utc(instant), texts))


def moment(instant: Instant, texts: Catalogue) -> Markup:
    """Date and time. The server does not know where its reader is, so it is UTC, and says so."""
    return _marked(instant, _written("moment.minute", _utc(instant), texts))


def spelled(instant: Instant, texts: Catalogue) -> str:
    """As ``moment``, in plain text."""
    return _written("moment.minute", _utc(instant), texts).unescape()


def ago(instant: Instant, texts: Catalogue, *, now: Instant) -> Markup:
    """How long ago; the date, if that is long ago."""
    passed = max(0.0, now - instant)
    if passed >= _LONG_AGO:
        return day(instant, texts)
    if passed < 2 * MINUTE:
        said = texts.text("moment.now")
    elif passed < HOUR:
        said = texts.counted("moment.minutes", int(passed // MINUTE))
    elif passed < DAY:
        said = texts.counted("moment.hours", int(passed // HOUR))
    else:
        said = texts.counted("moment.days", int(passed // DAY))
    return _marked(instant, said)


def span(seconds: float, texts: Catalogue) -> Markup:
    """A length of time, rounded up."""
    if seconds < 2 * MINUTE:
        return texts.counted("span.seconds", max(1, -int(-seconds // 1)))
    if seconds < 2 * HOUR:
        return texts.counted("span.minutes", -int(-seconds // MINUTE))
    return texts.counted("span.hours", -int(-seconds // HOUR))


def _utc(instant: Instant) -> datetime:
    return datetime.fromtimestamp(instant, UTC)


def _written(key: str, at: datetime, texts: Catalogue) -> Markup:
    month = texts.text(f"month.{at.month}")
    return texts.text(key, day=at.day, month=month, year=at.year, hour=f"{at.hour:02}", minute=f"{at.minute:02}")


def _marked(instant: Instant, said: Markup) -> Markup:
    at = _utc(instant).strftime("%Y-%m-%dT%H:%M:%SZ")
    return Markup('<time datetime="{at}">{said}</time>').format(at=at, said=said)
