"""``python -m examples.demo.web``: four programs and a browser of yours; it stays up until it is stopped."""

import os
import signal
import sys
import threading
from types import FrameType

import httpx2

from examples.demo.narrator import NotAsTold
from examples.demo.stage import Stage

USER, PASSWORD = "ada", "four words in a row"
COMMANDS = (
    "apis create https://inventory.example --scope inventory.read",
    "apis create https://orders.example --scope orders.read --scope orders.write",
    "clients create orders --grant-type client_credentials --scope inventory.read --serves https://orders.example",
    "clients create inventory --serves https://inventory.example",
)


def main() -> int:
    """Start everything, say where, wait for the end, and leave nothing behind."""
    # All traffic stays on this machine, whatever proxy the environment names.
    os.environ["NO_PROXY"] = os.environ["no_proxy"] = "127.0.0.1,localhost"
    over = threading.Event()

    def end(_number: int, _frame: FrameType | None) -> None:
        over.set()

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, end)
    try:
        with Stage() as stage:
            sys.stdout.write("Starting the authorization server, inventory, orders and the shop ...\n")
            sys.stdout.flush()
            start(stage)
            sys.stdout.write(
                f"\n  The shop:   {stage.shop_url}/\n  User name:  {USER}\n  Password:   {PASSWORD}\n\n"
                f"  Ada's account, with her sessions and devices:  {stage.issuer}/account\n\n"
                "It stays up until you stop it with Ctrl-C.\n"
            )
            sys.stdout.flush()
            while not over.wait(0.5):
                stage.must_run()
    except (NotAsTold, httpx2.HTTPError) as error:
        sys.stderr.write(f"\nThis did not go as planned: {str(error) or type(error).__name__}\n")
        return 1
    sys.stdout.write("\nEverything that was started is stopped and removed.\n")
    return 0


def start(stage: Stage) -> None:
    """Register everybody, and start the programs."""
    stage.start_server()
    secrets = {}
    shop = f"clients create shop --type confidential --redirect-uri {stage.shop_url}/callback"
    shop += f" --post-logout-redirect-uri {stage.shop_url}/ --scope openid --scope profile"
    shop += f" --backchannel-logout-uri {stage.shop_url}/backchannel-logout"
    shop += " --scope orders.read --scope orders.write --api https://orders.example"
    for command in (*COMMANDS, shop):
        made = stage.command(*command.split(), *(["--name", "The Little Shop"] if command is shop else []))
        if made.get("client_secret"):
            secrets[made["client_id"]] = made["client_secret"]
    stage.command("users", "create", USER, "--password-stdin", stdin=PASSWORD)
    stage.start_service("inventory", stage.inventory_url, CLIENT_SECRET=secrets["inventory"])
    stage.start_service("orders", stage.orders_url, CLIENT_SECRET=secrets["orders"], INVENTORY_URL=stage.inventory_url)
    stage.start_service(
        "shop",
        stage.shop_url,
        CLIENT_SECRET=secrets["shop"],
        ORDERS_URL=stage.orders_url,
        SHOP_URL=stage.shop_url,
        SESSIONS=str(stage.folder / "sessions"),
    )


if __name__ == "__main__":
    sys.exit(main())
