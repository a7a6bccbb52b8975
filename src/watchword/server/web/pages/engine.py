"""The template engine, and what every template is given. Imported at the first page."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final, cast
from urllib.parse import urlsplit

from jinja2 import BaseLoader, ChoiceLoader, Environment, FileSystemLoader, PrefixLoader, StrictUndefined
from markupsafe import Markup, escape

from watchword.protocol.scope import OPENID_SCOPES
from watchword.server.domain.password_policy import MIN_LENGTH
from watchword.server.domain.time import Instant
from watchword.server.web.pages import moments
from watchword.server.web.pages.brand import LOGO_SUFFIXES, Brand
from watchword.server.web.pages.contexts import PageName
from watchword.server.web.pages.locales import chosen
from watchword.server.web.pages.static_files import ICON
from watchword.server.web.pages.texts import DEFAULT, catalogues, translated

OURS: Final = Path(__file__).resolve().parent.parent / "templates"


class Engine:
    """Templates and texts, loaded once.

    Args:
        brand: whose pages these are.
        folder: the operator's templates; None for ours alone.
        static_url: from a file's name to the path that it is served by.
    """

    def __init__(self, brand: Brand, folder: Path | None, *, static_url: Callable[[str], str]) -> None:
        ours = FileSystemLoader(OURS)
        loaders: list[BaseLoader] = [ours, PrefixLoader({"watchword": ours})]
        if folder is not None:
            loaders.insert(0, FileSystemLoader(folder))
        self._templates = Environment(
            loader=ChoiceLoader(loaders),
            autoescape=True,
            undefined=StrictUndefined,
            auto_reload=False,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        logo = None if brand.logo is None else static_url(f"logo.{LOGO_SUFFIXES[brand.logo.media_type]}")
        self._templates.globals.update(
            brand=brand,
            logo=logo,
            icon=logo or static_url(ICON),
            static=static_url,
            host=_host,
            named=named,
            scopes_in_order=scopes_in_order,
            shortest_password=MIN_LENGTH,
        )
        self._catalogues = catalogues(folder)

    def render(self, name: PageName, context: Mapping[str, object], locales: Sequence[str]) -> tuple[str, str]:
        """The language and the HTML of a page."""
        texts = self._catalogues[chosen(locales, self._catalogues, default=DEFAULT)]
        english = self._catalogues[DEFAULT]

        def spoken(sentence: str) -> Markup:
            said, lang = translated(sentence, into=texts, of=english)
            whole = _as_sentence(said)
            return escape(whole) if lang == texts.lang else Markup('<span lang="{}">{}</span>').format(lang, whole)

        now = cast("Instant", context.get("now", 0.0))
        html = self._templates.get_template(f"{name}.html").render(
            context,
            page=name,
            lang=texts.lang,
            t=texts.text,
            counted=texts.counted,
            knows=texts.texts.__contains__,
            spoken=spoken,
            is_for_reader=english.speaks,
            day=lambda instant: moments.day(instant, texts),
            moment=lambda instant: moments.moment(instant, texts),
            ago=lambda instant: moments.ago(instant, texts, now=now),
            span=lambda seconds: moments.span(seconds, texts),
        )
        return texts.lang, html


def named(name: str) -> Markup:
    """A name that somebody else chose, set apart: its direction and its look are its own and touch nothing around."""
    return Markup('<bdi class="name">{}</bdi>').format(name)


def scopes_in_order(scopes: Iterable[str]) -> list[str]:
    """As a person reads them: who he is, what is told of him, and then what may be done at which API."""
    return sorted(scopes, key=lambda scope: (scope != "openid", scope not in OPENID_SCOPES, scope))


def _as_sentence(said: str) -> str:
    """With a capital letter and a full stop; the name of a parameter in front stays as it is."""
    capital = said[:1].upper() if said.partition(" ")[0].isalpha() else said[:1]
    return capital + said[1:] + ("" if said.endswith((".", "!", "?")) else ".")


def _host(url: str) -> str:
    """Where a link leads, in short: the host, or an application's own scheme."""
    parts = urlsplit(url)
    return parts.hostname or parts.scheme
