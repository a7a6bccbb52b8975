"""The whole sign-in at a running server, from an application and back, in a browser that runs no scripts."""

import pytest

pytestmark = [pytest.mark.browser, pytest.mark.slow]
