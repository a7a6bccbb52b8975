"""The account page's second step, used as a user without scripts uses it."""

import re
from dataclasses import dataclass

from tests.support.door import Door
from tests.support.second_factor import App
from tests.support.visitor import View, Visitor

_CODE = re.compile(r"\b[0-9a-hjkmnp-tv-z]{4}(?:-[0-9a-hjkmnp-tv-z]{4}){3}\b")
_SECRET = re.compile(r'<p class="key" id="secret"[^>]*>(.*?)</p>', re.DOTALL)
_TAG = re.compile(r"<[^>]+>")


@dataclass(frozen=True)
class SetUpPage:
    """The page with a new seed."""

    view: View
    secret: str

    @property
    def uri(self) -> str:
        """What the QR code says, as a link."""
        return self.view.ids["open-app"]["href"]


async def set_up_page(visitor: Visitor) -> SetUpPage:
    """Open it; who is signed in may."""
    view = await visitor.open("/account/totp")
    assert "totp-form" in view.forms, view.text
    found = _SECRET.search(view.text)
    assert found is not None
    return SetUpPage(view, _TAG.sub("", found[1]))


async def set_up(door: Door, visitor: Visitor) -> tuple[App, list[str]]:
    """Set up an app by its first code: the app, and the recovery codes that are shown."""
    page = await set_up_page(visitor)
    app = App.typed(door, page.secret)
    view = await visitor.send(page.view.forms["totp-form"], otp=app.code())
    return app, codes_in(view)


def codes_in(view: View) -> list[str]:
    """The recovery codes on a page."""
    return _CODE.findall(view.text) if "codes" in view.ids else []


async def sign_in_with_code(visitor: Visitor, app: App, *, view: View | None = None) -> View:
    """Both steps, at the page of ``view`` or at a new one, and on to where that leads."""
    step = await visitor.sign_in(view or await visitor.open("/login"))
    assert "otp-form" in step.forms, step.text
    return await visitor.send(step.forms["otp-form"], otp=app.code())
