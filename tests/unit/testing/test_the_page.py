"""The test that docs/testing.md shows is one that passes."""

import re
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Annotated

import pytest
from fastapi import FastAPI

from watchword.resource import AsyncResourceServer, VerifiedToken
from watchword.resource.integrations.fastapi import WatchwordBearer
from watchword.testing import FrozenClock, TestIssuer

PAGE = Path(__file__).parents[3] / "docs" / "testing.md"


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The program that the page's reader has."""
    made = ModuleType("service")
    server = AsyncResourceServer(issuer="https://auth.example.com", audience="https://orders.example")
    bearer = WatchwordBearer(server)
    app = FastAPI(lifespan=bearer.lifespan)

    @app.get("/orders")
    async def orders(token: Annotated[VerifiedToken, bearer.requires("orders.read")]) -> dict[str, str]:
        return {"orders of": token.subject}

    vars(made).update(server=server, app=app)
    monkeypatch.setitem(sys.modules, "service", made)
    return made


@pytest.mark.usefixtures("service")
def test_the_pages_own_test_passes(watchword_issuer: TestIssuer, watchword_clock: FrozenClock) -> None:
    found = re.search(r"```python\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    assert found
    names: dict[str, Callable[..., None]] = {}
    exec(compile(found.group(1), str(PAGE), "exec"), names)
    names["test_a_token_without_the_scope_is_refused"](watchword_issuer, watchword_clock)
