"""An old application behind Apache: mod_auth_openidc, unmodified and set up as in the guide, signs its users in."""

import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import httpx2
import pytest
from playwright.async_api import Page, expect
from tests.support.apache import apache
from tests.support.behind_proxy import showing_headers
from tests.support.guide import shown_config
from tests.support.relying_party import Registration, register
from tests.support.rfc import rfc, standard
from tests.support.running_server import RunningServer, running, wait_until
from tests.support.sign_in_pages import allow, sign_in

pytestmark = [pytest.mark.interop, pytest.mark.browser, pytest.mark.slow, pytest.mark.xdist_group("interop")]

CONFIDENTIAL: Final = ("--type", "confidential", "--post-logout-redirect-uri", "{address}/signed-out.html")
HEARS: Final = ("--backchannel-logout-uri", "{address}/callback?logout=backchannel")


@dataclass(frozen=True, slots=True)
class Guarded:
    """An application behind Apache, as browsers see it."""

    server: RunningServer
    who: Registration

    @property
    def address(self) -> str:
        return self.who.address

    async def signs_in(self, page: Page) -> dict[str, str]:
        """Open a page of the application, sign in at the server, and be back: what the application was told."""
        await page.goto(f"{self.address}/reports?year=1969")
        await sign_in(page)
        await allow(page)
        await page.wait_for_url(f"{self.address}/reports?year=1969")
        told: dict[str, str] = await shown(page)
        return told

    async def cookies(self, page: Page) -> dict[str, str]:
        """What the browser has for this place."""
        return {one.get("name", ""): one.get("value", "") for one in await page.context.cookies(self.address)}

    def status(self, cookies: dict[str, str]) -> int:
        """How Apache answers who has these cookies: 200, or 302 to the server."""
        with httpx2.Client(cookies=cookies, timeout=10, trust_env=False) as http:
            return http.get(f"{self.address}/reports").status_code

    def renew(self, token: str) -> httpx2.Response:
        """Use a refresh token past Apache."""
        form = {"grant_type": "refresh_token", "refresh_token": token}
        with self.server.http() as http:
            return http.post("/token", data=form, auth=(self.who.client_id, self.who.secret or ""))


async def shown(page: Page) -> Any:
    """The JSON that the page shows."""
    return json.loads(await page.locator("body").inner_text())


@pytest.fixture(scope="module")
def brief(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """A server whose access tokens live no longer than Apache wants them to: it renews at every request."""
    with running(tmp_path_factory.mktemp("brief"), WATCHWORD_ACCESS_TOKEN_TTL="60s") as found:
        yield found


@contextmanager
def guarded(server: RunningServer, client_id: str, *options: str, folder: Path, also: str = "") -> Iterator[Guarded]:
    """The guide's configuration in force, and ``also`` what a test adds to it."""
    who = register(server, client_id, *CONFIDENTIAL, *options)
    secret = folder / "old-application.secret"
    secret.write_text(f"OIDCClientSecret {who.secret}\nOIDCCryptoPassphrase as-long-and-random-as-you-like\n")
    secret.chmod(0o600)
    with showing_headers() as behind, tempfile.TemporaryDirectory(prefix="ww-apache-") as documents:
        # Served by Apache's own user, who gets nowhere below the folders of the tests.
        Path(documents).chmod(0o755)
        Path(documents, "signed-out.html").write_text("<title>Bye</title><p>You are signed out.")
        Path(documents, "signed-out.html").chmod(0o644)
        config = shown_config(
            "reverse-proxy",
            "apache",
            replacing={
                "https://auth.example.com": server.issuer,
                "https://old.example.com": who.address,
                "OIDCClientID old-application\n": f"OIDCClientID {client_id}\n",
                "/etc/apache2/old-application.secret": str(secret),
                "/var/www/old.example.com": documents,
                "http://127.0.0.1:9000": behind,
            },
        )
        package = "libapache2-mod-auth-openidc"
        with apache("auth_openidc", config + also, port=who.port, package=package, folder=folder):
            yield Guarded(server, who)


@standard("OpenID Connect Core 1.0", "3.1")
@standard("OpenID Connect RP-Initiated Logout 1.0", "2")
@rfc("6749", "6")
async def test_mod_auth_openidc_signs_in_renews_and_signs_out(brief: RunningServer, page: Page, tmp_path: Path) -> None:
    info = "OIDCInfoHook refresh_token id_token\n"
    with guarded(brief, "old-application", *HEARS, folder=tmp_path, also=info) as site:
        first = await site.signs_in(page)
        assert (first["path"], first["x-remote-user"]) == ("/reports?year=1969", "ada")
        assert first["oidc_claim_iss"] == brief.issuer

        await page.goto(f"{site.address}/reports/2")
        second = await shown(page)
        assert (second["path"], second["x-remote-user"]) == ("/reports/2", "ada")
        assert second["oidc_access_token"] != first["oidc_access_token"]

        await page.goto(f"{site.address}/callback?info=json")
        kept = await shown(page)
        assert kept["id_token"]["sub"] == first["oidc_claim_sub"]
        assert site.renew(kept["refresh_token"]).status_code == 200

        await page.goto(f"{site.address}/callback?logout={site.address}/signed-out.html")
        await page.wait_for_url(f"{site.address}/signed-out.html*")
        await expect(page.locator("body")).to_have_text("You are signed out.")
        refused = site.renew(kept["refresh_token"])
        assert (refused.status_code, refused.json()["error"]) == (400, "invalid_grant")

        # Neither Apache nor the server lets the browser in without the password.
        await page.goto(f"{site.address}/reports")
        await expect(page.locator("#password")).to_be_visible()


@standard("OpenID Connect Back-Channel Logout 1.0", "2.5")
async def test_mod_auth_openidc_hears_of_a_session_that_ended_elsewhere(
    server: RunningServer, page: Page, tmp_path: Path
) -> None:
    with guarded(server, "hears", *HEARS, folder=tmp_path) as site:
        await site.signs_in(page)
        assert site.status(await site.cookies(page)) == 200
        server.command("sessions", "revoke", "--user", "ada")
        # Its access token is good for another quarter of an hour, so this is the back channel's work.
        cookies = await site.cookies(page)
        wait_until(lambda: site.status(cookies) == 302, seconds=60, what="Apache forgetting the session")


@rfc("6749", "5.2")
async def test_mod_auth_openidc_lets_go_of_a_user_whose_refresh_token_is_refused(
    brief: RunningServer, page: Page, tmp_path: Path
) -> None:
    with guarded(brief, "hears-nothing", folder=tmp_path) as site:
        await site.signs_in(page)
        assert site.status(await site.cookies(page)) == 200
        brief.command("sessions", "revoke", "--user", "ada")
        await page.goto(f"{site.address}/reports")
        await expect(page.locator("body")).to_have_text("You are signed out.")
        await page.goto(f"{site.address}/reports")
        await expect(page.locator("#password")).to_be_visible()


async def test_what_a_browser_says_of_itself_never_reaches_the_application(
    server: RunningServer, page: Page, tmp_path: Path
) -> None:
    with guarded(server, "distrusts", folder=tmp_path) as site:
        await page.set_extra_http_headers({"X-Remote-User": "root", "OIDC_CLAIM_sub": "root"})
        heard = await site.signs_in(page)
        assert heard["x-remote-user"] == "ada"
        assert "root" not in heard.values()
