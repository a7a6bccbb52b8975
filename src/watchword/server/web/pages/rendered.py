"""Pages, rendered: what endpoints call."""

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from math import ceil
from pathlib import Path
from typing import TypeAlias

from starlette.responses import Response

from watchword.server.web.pages.brand import Brand
from watchword.server.web.pages.contexts import CONTEXTS, PageName
from watchword.server.web.pages.page_headers import page_headers
from watchword.server.web.pages.static_files import StaticFiles

# A page's name, its context and the reader's locales, to the language and the HTML.
Render: TypeAlias = Callable[[PageName, Mapping[str, object], Sequence[str]], tuple[str, str]]


class Pages:
    """All pages in an operator's dress.

    Args:
        brand: name, logo and colour.
        templates_folder: the operator's own templates, static files and texts; None for ours alone.
        prefix: the path of the issuer, without a slash at its end; static files lie below it.
    """

    def __init__(self, brand: Brand, templates_folder: Path | None = None, *, prefix: str = "") -> None:
        self._brand = brand
        self._folder = templates_folder
        self._prefix = prefix

    @property
    def site_name(self) -> str:
        """What the operator calls his site."""
        return self._brand.name

    @cached_property
    def _static(self) -> StaticFiles:
        return StaticFiles(self._brand, self._folder)

    @cached_property
    def _render(self) -> Render:
        # A node that only serves tokens never loads the template engine.
        from watchword.server.web.pages.engine import Engine  # noqa: PLC0415

        return Engine(self._brand, self._folder, static_url=self._static_url).render

    def page(
        self,
        name: PageName,
        /,
        *,
        locales: Sequence[str],
        status: int = 200,
        form_targets: Sequence[str] = (),
        **context: object,
    ) -> Response:
        """A page, as the whole answer.

        Args:
            name: which one.
            locales: language tags in the reader's order, of ``preferred_locales``.
            status: of HTTP.
            form_targets: URLs elsewhere that sending the page's form may lead to, by a redirect too: the redirect URI
                of the authorization request in progress. Browsers stop what is not named here.
            context: what ``CONTEXTS`` lists for this page. ``retry_after``, in seconds, also becomes a header.

        Raises:
            TypeError: a name of the context is missing or unknown.
            ValueError: a problem that the page does not know, or a URL that it must not lead to.
        """
        kind = CONTEXTS[name]
        filled = kind.filled(context)
        targets = [*form_targets, str(filled["action"])] if name == "form_post" else form_targets
        # Scripts are about forms: each is sent once, and some are filled in by passkeys.
        script = kind.holds_form(filled)
        lang, html = self._render(name, {**filled, "holds_form": script}, locales)
        # A page for signing in stays open for long, and its script gets a new challenge for a passkey then.
        fetches = name == "sign_in" and bool(filled["passkey"])
        headers = page_headers(kind, form_targets=targets, script=script, fetches=fetches)
        headers["content-language"] = lang
        wait = filled.get("retry_after")
        if isinstance(wait, int | float):
            headers["retry-after"] = str(max(1, ceil(wait)))
        return Response(html, status, headers, "text/html")

    def static_file(self, name: str) -> Response:
        """The file that pages load as ``/static/<name>``.

        Raises:
            NotFound: there is none of that name.
        """
        return self._static.answer(name)

    def _static_url(self, name: str) -> str:
        return f"{self._prefix}/static/{self._static.hashed(name)}"
