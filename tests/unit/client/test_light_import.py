"""What importing the client library loads."""

import subprocess
import sys


def test_importing_the_client_loads_no_http_library_and_no_keyring() -> None:
    program = (
        "import sys, watchword.client; print([m for m in ('httpx2', 'keyring', 'cryptography') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=30, check=True)
    assert done.stdout.strip() == "[]"
