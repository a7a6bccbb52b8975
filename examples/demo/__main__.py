"""``python -m examples.demo``: exit status 0 if everything happened as told."""

import os
import signal
import sys
from types import FrameType

import httpx2

from examples.demo.narrator import Narrator, NotAsTold
from examples.demo.stage import Stage
from examples.demo.story import OVERLAP, Story
from watchword.client import ClientError


def main() -> int:
    """Tell the story; nothing that was started is left behind."""
    # All traffic stays on this machine, whatever proxy the environment names.
    os.environ["NO_PROXY"] = os.environ["no_proxy"] = "127.0.0.1,localhost"
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _end)
    # A shell that starts it in the background has Ctrl-C ignored; here it ends the story all the same.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    narrator = Narrator()
    narrator.title("Watchword: the life of a token, on this machine, with real programs")
    try:
        with Stage(WATCHWORD_REFRESH_OVERLAP=f"{OVERLAP}s") as stage:
            Story(stage, narrator).tell()
    except (NotAsTold, ClientError, httpx2.HTTPError) as error:
        sys.stdout.flush()
        sys.stderr.write(f"\nThis did not happen as told: {str(error) or type(error).__name__}\n")
        return 1
    except KeyboardInterrupt:
        sys.stderr.write("\ninterrupted; everything that was started is stopped\n")
        return 130
    narrator.say("", f"The end, after {narrator.seconds:.0f} s. Everything that was started is stopped and removed.")
    return 0


def _end(number: int, _: FrameType | None) -> None:
    sys.exit(128 + number)


if __name__ == "__main__":
    sys.exit(main())
