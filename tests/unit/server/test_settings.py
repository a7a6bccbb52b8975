"""Settings: what an operator writes, and what he is told."""

import os
import stat
import subprocess
import sys
from ipaddress import ip_network
from pathlib import Path

import pytest
from tests.support.rfc import rfc

from watchword.server import settings
from watchword.server.domain.lifetimes import DAY, HOUR, Lifetimes, RefreshLifetime, SessionLifetime
from watchword.server.settings import Brand, Logo, SettingsError

SECRET = "kG3vTq8WmZ1xY5bN7cR2dS4fH6jK9lP0"
PNG = b"\x89PNG\r\n\x1a\n and more"
SVG = '<svg xmlns="http://www.w3.org/2000/svg">%s</svg>'
PRODUCTION = {"WATCHWORD_ISSUER": "https://auth.example.com", "WATCHWORD_SECRET": SECRET}


@pytest.fixture(autouse=True)
def _empty_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("WATCHWORD_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


def given(monkeypatch: pytest.MonkeyPatch, **values: str) -> None:
    for name, value in values.items():
        monkeypatch.setenv(name, value)


def complaint() -> str:
    with pytest.raises(SettingsError) as caught:
        settings.read()
    assert "\n" not in str(caught.value)
    assert SECRET not in str(caught.value)
    return str(caught.value)


def test_nothing_set_is_development_on_localhost(tmp_path: Path) -> None:
    found = settings.read()

    assert found.issuer == "http://localhost:8000"
    assert found.hosts == ("127.0.0.1", "::1")
    assert (found.port, found.workers, found.development, found.sign_up_open) == (8000, 1, True, False)
    assert found.database_url == f"sqlite:///{tmp_path}/watchword-data/watchword.db"
    assert found.trusted_proxies is None
    assert found.lifetimes == Lifetimes()
    assert found.lifetimes.session == SessionLifetime(idle=1 * DAY, absolute=14 * DAY)
    assert (found.brand, found.templates) == (Brand(), None)
    assert found.brand.name == "Watchword"


def test_the_secret_that_is_made_is_kept_for_its_owner_alone(tmp_path: Path) -> None:
    first, again = settings.read(), settings.read()

    folder = tmp_path / "watchword-data"
    assert first.secrets == again.secrets
    assert stat.S_IMODE((folder / "secret").stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert [path.name for path in folder.iterdir()] == ["secret"]


def test_processes_that_make_the_secret_at_once_agree(tmp_path: Path) -> None:
    program = "from watchword.server import settings; print(settings.read().secrets.newest.check)"
    racing = [
        subprocess.Popen([sys.executable, "-c", program], cwd=tmp_path, stdout=subprocess.PIPE, text=True)
        for _ in range(4)
    ]
    said = {process.communicate(timeout=20)[0] for process in racing}

    assert [process.returncode for process in racing] == [0] * 4
    assert said == {f"{settings.read().secrets.newest.check}\n"}


def test_a_secret_that_vanished_is_asked_for_where_a_database_needs_it(tmp_path: Path) -> None:
    settings.read()
    (tmp_path / "watchword-data" / "watchword.db").touch()
    (tmp_path / "watchword-data" / "secret").unlink()

    assert "put it back from your backup" in complaint()
    assert not (tmp_path / "watchword-data" / "secret").exists()


@pytest.mark.parametrize(
    ("content", "said"),
    [(b"", "the secret is empty"), (b"short\n", "at least 32 bytes"), (b"\xff" * 40, "is not text")],
)
def test_a_damaged_secret_file_stops_the_start(tmp_path: Path, content: bytes, said: str) -> None:
    settings.read()
    (tmp_path / "watchword-data" / "secret").write_bytes(content)

    sentence = complaint()
    assert said in sentence
    assert "backup" in sentence


def test_a_secret_file_that_others_may_read_stops_the_start(tmp_path: Path) -> None:
    settings.read()
    (tmp_path / "watchword-data" / "secret").chmod(0o644)

    assert "chmod 600" in complaint()


def test_the_issuer_follows_the_port_in_development() -> None:
    found = settings.read(port=9001)

    assert (found.issuer, found.port) == ("http://localhost:9001", 9001)


def test_the_port_follows_an_issuer_on_loopback(monkeypatch: pytest.MonkeyPatch) -> None:
    given(monkeypatch, WATCHWORD_ISSUER="http://localhost:9002")

    assert settings.read().port == 9002
    assert settings.read(port=9003).issuer == "http://localhost:9002"


def test_a_host_flag_replaces_both_loopback_addresses() -> None:
    assert settings.read(host="0.0.0.0").hosts == ("0.0.0.0",)


@rfc("9700", "2.6")
def test_an_issuer_that_is_not_loopback_demands_https(monkeypatch: pytest.MonkeyPatch) -> None:
    given(monkeypatch, **{**PRODUCTION, "WATCHWORD_ISSUER": "http://auth.example.com"})

    assert "https" in complaint()


def test_an_issuer_that_is_not_loopback_demands_a_secret(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    settings.read()  # leaves a secret behind, which must not be taken
    given(monkeypatch, WATCHWORD_ISSUER="https://auth.example.com")

    assert "openssl rand" in complaint()


def test_production_is_taken_as_written(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    given(
        monkeypatch,
        **PRODUCTION,
        WATCHWORD_DATABASE_URL="postgresql://watchword:hidden@db/watchword",
        WATCHWORD_TRUSTED_PROXIES="10.0.0.1, 10.1.0.0/16,::1",
        WATCHWORD_ACCESS_TOKEN_TTL="90s",
        WATCHWORD_REFRESH_IDLE_TTL="12h",
        WATCHWORD_REFRESH_ABSOLUTE_TTL="30d",
        WATCHWORD_REFRESH_OVERLAP="0",
        WATCHWORD_SIGN_UP="open",
    )
    found = settings.read(workers=4)

    assert (found.issuer, found.development, found.workers) == ("https://auth.example.com", False, 4)
    assert found.trusted_proxies == (ip_network("10.0.0.1"), ip_network("10.1.0.0/16"), ip_network("::1"))
    assert found.lifetimes == Lifetimes(90, RefreshLifetime(idle=DAY / 2, absolute=30 * DAY), 0)
    assert found.sign_up_open
    assert not (tmp_path / "watchword-data").exists()


def test_nothing_secret_is_in_the_repr(monkeypatch: pytest.MonkeyPatch) -> None:
    given(monkeypatch, **PRODUCTION, WATCHWORD_DATABASE_URL="postgresql://watchword:hidden@db/watchword")

    shown = repr(settings.read())
    assert "auth.example.com" in shown
    assert "hidden" not in shown
    assert SECRET not in shown


def test_none_says_that_there_is_no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    given(monkeypatch, WATCHWORD_TRUSTED_PROXIES="none")

    assert settings.read().trusted_proxies == ()


@pytest.mark.parametrize("written", ["10.0.0.1/8", "proxy.example.com", "10.0.0.1,", "none,10.0.0.1"])
def test_trusted_proxies_that_are_no_networks_are_refused(monkeypatch: pytest.MonkeyPatch, written: str) -> None:
    given(monkeypatch, WATCHWORD_TRUSTED_PROXIES=written)

    assert "WATCHWORD_TRUSTED_PROXIES" in complaint()


def test_a_secret_is_read_from_the_file_that_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "kept").write_text(f"{SECRET}\n")
    given(monkeypatch, WATCHWORD_SECRET=SECRET)
    direct = settings.read().secrets
    monkeypatch.delenv("WATCHWORD_SECRET")
    given(monkeypatch, WATCHWORD_SECRET_FILE=str(tmp_path / "kept"))

    assert settings.read().secrets == direct


def test_several_secrets_are_newest_first(monkeypatch: pytest.MonkeyPatch) -> None:
    given(monkeypatch, WATCHWORD_SECRET=SECRET)
    old = settings.read().secrets.newest
    given(monkeypatch, WATCHWORD_SECRET=f"another-{SECRET}\n{SECRET}")

    ring = settings.read().secrets
    assert len(ring.keys) == 2
    assert ring.keys[1] == old


def test_the_file_gives_what_the_environment_does_not(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "watchword.toml").write_text(
        f'issuer = "https://auth.example.com"\nsecret = "{SECRET}"\naccess_token_ttl = 600\nsign_up = "open"\n'
        'trusted_proxies = ["10.0.0.1", "10.0.0.2"]\ndatabase_url = "sqlite:///from-the-file.db"\n'
    )
    (tmp_path / "url").write_text("sqlite:///from-the-environment.db\n")
    given(monkeypatch, WATCHWORD_SIGN_UP="closed", WATCHWORD_DATABASE_URL_FILE="url")
    found = settings.read()

    assert (found.issuer, found.lifetimes.access_token) == ("https://auth.example.com", 600)
    assert found.trusted_proxies == (ip_network("10.0.0.1"), ip_network("10.0.0.2"))
    assert not found.sign_up_open
    assert found.database_url == "sqlite:///from-the-environment.db"


def test_a_variable_names_another_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "other.toml").write_text("port = 9100\n")
    given(monkeypatch, WATCHWORD_CONFIG="other.toml")
    assert settings.read().port == 9100

    given(monkeypatch, WATCHWORD_CONFIG="absent.toml")
    assert "absent.toml" in complaint()


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("WATCHWORD_ISUER", "x", "did you mean WATCHWORD_ISSUER?"),
        ("WATCHWORD_ACCESS_TTL", "15m", "did you mean WATCHWORD_ACCESS_TOKEN_TTL?"),
        ("WATCHWORD_ISSUER", "", "is empty"),
        ("WATCHWORD_ISSUER", "http://localhost:8000/", "trailing slash"),
        ("WATCHWORD_ISSUER", "auth.example.com", "https"),
        ("WATCHWORD_PORT", "eighty", "WATCHWORD_PORT"),
        ("WATCHWORD_PORT", "70000", "1 to 65535"),
        ("WATCHWORD_SIGN_UP", "yes", "'open' or 'closed'"),
        ("WATCHWORD_ACCESS_TOKEN_TTL", "15 minutes", "such as 90s"),
        ("WATCHWORD_ACCESS_TOKEN_TTL", "2d", "not within 1 and 86400 seconds"),
        ("WATCHWORD_REFRESH_IDLE_TTL", "91d", "at most WATCHWORD_REFRESH_ABSOLUTE_TTL"),
        ("WATCHWORD_SESSION_IDLE_TTL", "15d", "at most WATCHWORD_SESSION_ABSOLUTE_TTL"),
        ("WATCHWORD_SESSION_IDLE_TTL", "0", "not within 1 and"),
        ("WATCHWORD_SESSION_ABSOLUTE_TTL", "401d", "not within 1 and"),
        ("WATCHWORD_BRAND_NAME", "a" * 61, "at most 60 visible characters"),
        ("WATCHWORD_BRAND_NAME", "a\u202eb", "visible characters"),
        ("WATCHWORD_BRAND_COLOUR", "teal", "such as #1d6070"),
        ("WATCHWORD_BRAND_COLOUR", "#fff", "such as #1d6070"),
        ("WATCHWORD_BRAND_LOGO", "absent.png", "no such file"),
        ("WATCHWORD_TEMPLATES", "absent", "no such folder"),
        ("WATCHWORD_SECRET", "too short", "at least 32 bytes"),
        ("WATCHWORD_SECRET_FILE", "absent", "no such file"),
        ("WATCHWORD_WORKERS", "2", "SQLite serves one process"),
        ("WATCHWORD_WORKERS", "0", "at least 1"),
    ],
)
def test_a_wrong_value_is_explained_in_one_sentence(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, said: str
) -> None:
    given(monkeypatch, **{name: value})

    assert said in complaint()


def test_a_value_and_its_file_exclude_each_other(monkeypatch: pytest.MonkeyPatch) -> None:
    given(monkeypatch, WATCHWORD_SECRET=SECRET, WATCHWORD_SECRET_FILE="kept")

    assert "exclude each other" in complaint()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ('isuer = "x"', "did you mean issuer?"),
        ("issuer = ", "watchword.toml cannot be read"),
        ("secret = 5", "WATCHWORD_SECRET"),
        ("access_token_ttl = true", "WATCHWORD_ACCESS_TOKEN_TTL"),
    ],
)
def test_a_wrong_file_is_explained_in_one_sentence(tmp_path: Path, content: str, said: str) -> None:
    (tmp_path / "watchword.toml").write_text(content)

    assert said in complaint()


def test_a_short_absolute_end_pulls_the_idle_end_along(monkeypatch: pytest.MonkeyPatch) -> None:
    given(monkeypatch, WATCHWORD_REFRESH_ABSOLUTE_TTL="1d")

    assert settings.read().lifetimes.refresh == RefreshLifetime(idle=DAY, absolute=DAY)


def test_sessions_of_browsers_have_lifetimes_of_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    given(monkeypatch, WATCHWORD_SESSION_ABSOLUTE_TTL="12h")
    assert settings.read().lifetimes.session == SessionLifetime(idle=12 * HOUR, absolute=12 * HOUR)

    given(monkeypatch, WATCHWORD_SESSION_IDLE_TTL="15m")
    assert settings.read().lifetimes.session == SessionLifetime(idle=900, absolute=12 * HOUR)


def test_the_brand_is_the_operators(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "logo.png").write_bytes(PNG)
    (tmp_path / "pages").mkdir()
    given(
        monkeypatch,
        WATCHWORD_BRAND_NAME=" Zoë & Söhne ",
        WATCHWORD_BRAND_LOGO="logo.png",
        WATCHWORD_BRAND_COLOUR="#1F6FEB",
        WATCHWORD_TEMPLATES="pages",
    )
    found = settings.read()

    assert found.brand == Brand(name="Zoë & Söhne", logo=Logo(PNG, "image/png"), colour="#1f6feb")
    assert found.templates == tmp_path / "pages"
    assert "PNG" not in repr(found)


def test_an_svg_that_fetches_and_runs_nothing_is_a_logo(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    content = SVG % '<a id="a"/><use href="#a"/><image href="data:image/png;base64,AA=="/><style>a{fill:red}</style>'
    (tmp_path / "logo.svg").write_text(content)
    given(monkeypatch, WATCHWORD_BRAND_LOGO="logo.svg")

    assert settings.read().brand.logo == Logo(content.encode(), "image/svg+xml")


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"GIF89a",
        b"<html xmlns='http://www.w3.org/1999/xhtml'/>",
        b"<svg/>",
        b"<svg xmlns='http://www.w3.org/2000/svg'>",
        b"\xff\xfe<",
        (SVG % "<script>1</script>").encode(),
        (SVG % "<SCRIPT/>").encode(),
        (SVG % "<g onload='1'/>").encode(),
        (SVG % "<image href='https://elsewhere.example/a.png'/>").encode(),
        (SVG % "<image xmlns:x='http://www.w3.org/1999/xlink' x:href='//elsewhere.example/a.png'/>").encode(),
        (SVG % "<foreignObject/>").encode(),
        (SVG % "<style>@import 'https://elsewhere.example/a.css'</style>").encode(),
        (SVG % "<g style='fill: URL(https://elsewhere.example/a.svg)'/>").encode(),
        (SVG % "<g fill='url(https://elsewhere.example/a.svg#b)'/>").encode(),
        b"<!DOCTYPE svg [<!ENTITY a 'a'>]>" + (SVG % "&a;").encode(),
        b"<?xml-stylesheet href='https://elsewhere.example/a.css'?>" + (SVG % "").encode(),
    ],
)
def test_what_is_no_logo_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, content: bytes) -> None:
    (tmp_path / "logo").write_bytes(content)
    given(monkeypatch, WATCHWORD_BRAND_LOGO="logo")

    assert "is no logo: take a PNG, or an SVG" in complaint()


def test_a_logo_is_at_most_100_kb(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    given(monkeypatch, WATCHWORD_BRAND_LOGO="logo.png")
    (tmp_path / "logo.png").write_bytes(PNG.ljust(100_000, b"x"))
    assert settings.read().brand.logo is not None

    (tmp_path / "logo.png").write_bytes(PNG.ljust(100_001, b"x"))
    assert "larger than 100 KB" in complaint()


@pytest.mark.parametrize(
    ("text", "seconds"), [("90", 90), ("90s", 90), ("15m", 900), ("12h", 43200), ("14d", 14 * DAY), (" 5m ", 300)]
)
def test_a_duration_is_a_number_with_a_unit(text: str, seconds: int) -> None:
    assert settings.parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "m", "-5m", "1.5h", "5w", "5mm", "\u0665m", "1e3"])
def test_another_form_is_no_duration(text: str) -> None:
    with pytest.raises(ValueError, match="such as 90s"):
        settings.parse_duration(text)


@pytest.mark.parametrize("text", ["0s", "1s", "90s", "1m", "15m", "90m", "12h", "25h", "1d", "14d"])
def test_a_duration_is_written_as_it_is_typed(text: str) -> None:
    assert settings.write_duration(settings.parse_duration(text)) == text
    assert settings.write_duration(600) == "10m"
