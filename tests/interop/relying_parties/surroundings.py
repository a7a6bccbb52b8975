"""What a relying party in Python is told by its environment, and how the WSGI ones are served."""

import os
from collections.abc import Callable
from typing import Any, Final

ISSUER: Final = os.environ["ISSUER"]
CLIENT_ID: Final = os.environ["CLIENT_ID"]
CLIENT_SECRET: Final = os.environ["CLIENT_SECRET"]
PORT: Final = int(os.environ["PORT"])
ADDRESS: Final = f"http://localhost:{PORT}"
CALLBACK: Final = f"{ADDRESS}/callback"
SIGNED_OUT: Final = f"{ADDRESS}/signed-out"
SCOPE: Final = os.environ["SCOPE"]
DISCOVERY: Final = f"{ISSUER}/.well-known/openid-configuration"
# Signs the program's own cookie; it lives as long as the process, which is one test.
COOKIE_SECRET: Final = os.urandom(32).hex()


def serve_wsgi(application: Callable[..., Any]) -> None:
    """Serve until the process is ended, a thread per connection: a browser opens some that it never uses."""
    from werkzeug.serving import run_simple

    run_simple("127.0.0.1", PORT, application, threaded=True)
