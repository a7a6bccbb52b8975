"""``make demo-web``: a browser signs in at the shop, orders something and signs out; Ctrl-C leaves nothing behind."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
from tests.support.page_browser import PageBrowser
from tests.support.running_server import wait_until

# One at a time: each is four programs.
pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("demo")]

REPOSITORY = Path(__file__).parents[2]


def test_the_shop_serves_a_browser_until_it_is_stopped(tmp_path: Path) -> None:
    said = tmp_path / "said"
    (tmp_path / "stage").mkdir()
    with said.open("wb") as out:
        demo = subprocess.Popen(
            [sys.executable, "-m", "examples.demo.web"],
            cwd=REPOSITORY,
            env={**os.environ, "TMPDIR": str(tmp_path / "stage")},
            stdout=out,
            stderr=out,
        )
    try:
        wait_until(lambda: "Ctrl-C" in said.read_text() or demo.poll() is not None, seconds=60, what="the shop")
        assert demo.poll() is None, said.read_text()
        found = re.search(r"The shop: +(\S+)\s+User name: +(\S+)\s+Password: +(.+)", said.read_text())
        assert found
        url, user, password = found.groups()
        programs = psutil.Process(demo.pid).children(recursive=True)

        browser = PageBrowser()
        assert 'id="sign-in"' in browser.open(url).text
        assert (browser.open(f"{url}lamps").status_code, 'id="problem"' in browser.page.text) == (404, True)
        browser.open(f"{url}login?next=/orders")
        browser.submit("sign-in-form", username=user, password=password)
        browser.submit("consent-form", decision="allow")
        assert f'<span id="user">{user}</span>' in browser.page.text
        browser.submit("order-lamp")
        assert re.search(r'id="ordered"><li>lamp', browser.page.text)
        browser.submit("cancel-0")
        assert re.search(r'id="ordered"><li>Nothing yet', browser.page.text), "the sign-in is recent"
        browser.submit("sign-out-form")
        assert (browser.url, 'id="sign-in"' in browser.page.text) == (url, True)
    finally:
        demo.send_signal(signal.SIGINT)
        status = demo.wait(60)
    assert status == 0, said.read_text()
    assert len(programs) >= 4
    assert not any(one.is_running() and one.status() != psutil.STATUS_ZOMBIE for one in programs)
    assert list((tmp_path / "stage").iterdir()) == []
