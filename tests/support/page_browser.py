"""A browser without scripts: follows redirects and sends the pages' own forms, found by their ids."""

import re
from html import unescape
from typing import Any
from urllib.parse import urljoin

import httpx2
from tests.support.running_server import PASSWORD

_FIELD = re.compile(r'<input[^>]*type="hidden"[^>]*name="(\w+)"[^>]*value="([^"]*)"')


class PageBrowser:
    """One browser with its cookies; ``page`` is what it shows."""

    def __init__(self) -> None:
        self.http = httpx2.Client(trust_env=False, timeout=15, limits=httpx2.Limits(max_keepalive_connections=0))
        self.page = httpx2.Response(200, text="")
        self.url = ""

    def open(self, url: str, *, until: str | None = None) -> httpx2.Response:
        """Go there, and on through redirects; stop before an address that begins with ``until``."""
        return self._go("GET", url, until=until)

    def submit(self, form: str, *, until: str | None = None, **fields: str) -> httpx2.Response:
        """Send the form of that id with its hidden fields and these."""
        found = re.search(rf'<form id="{form}"[^>]*action="([^"]*)"[^>]*>(.*?)</form>', self.page.text, re.DOTALL)
        assert found, f"{form} is not on {self.url}: {self.page.status_code} {self.page.text[:1500]}"
        hidden = {name: unescape(value) for name, value in _FIELD.findall(found[2])}
        return self._go("POST", urljoin(self.url, unescape(found[1])), data={**hidden, **fields}, until=until)

    def sign_in(self, username: str = "ada", *, until: str | None = None) -> httpx2.Response:
        """Fill in the issuer's pages as far as they come."""
        if 'id="sign-in-form"' in self.page.text:
            self.submit("sign-in-form", username=username, password=PASSWORD, until=until)
        if 'id="consent-form"' in self.page.text:
            self.submit("consent-form", decision="allow", until=until)
        return self.page

    def _go(self, method: str, url: str, *, until: str | None, **options: Any) -> httpx2.Response:
        headers = {"Accept": "text/html", "User-Agent": "a browser of the tests", "Sec-Fetch-Mode": "navigate"}
        for _ in range(12):
            self.page = self.http.request(method, url, headers=headers, **options)
            self.url = url
            location = self.page.headers.get("location")
            if location is None:
                return self.page
            method, url, options = "GET", urljoin(url, location), {}
            if until is not None and url.startswith(until):
                self.url = url
                return self.page
        raise AssertionError(f"redirects without end, at {url}")
