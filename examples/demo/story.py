"""The story, chapter by chapter. Each chapter checks what it tells, and ends the demonstration if it is not so."""

import json
import time
from typing import Final

from examples.demo.narrator import Narrator
from examples.demo.stage import Stage, wait_until
from examples.demo.wire import OverheardTransport, Refusals, bare, bearing, calling, expires_in
from watchword.client import FileTokenStore, SignInAgain, TokenSource

ORDERS: Final = "https://orders.example"
INVENTORY: Final = "https://inventory.example"
PASSWORD: Final = "four words in a row"
LIFETIME, LEEWAY, OVERLAP = 6, 1, 1
COMMANDS: Final = (
    f"apis create {ORDERS} --scope orders.read --scope orders.write --access-token-ttl {LIFETIME}s",
    f"apis create {INVENTORY} --scope inventory.read",
    "roles create clerk --scope orders.write",
    (
        f"clients create shop --first-party --api {ORDERS} --api {INVENTORY} "
        "--scope orders.read --scope orders.write --scope inventory.read"
    ),
    (
        f"clients create orders --serves {ORDERS} --grant-type client_credentials --api {INVENTORY} "
        "--scope inventory.read"
    ),
    f"clients create inventory --serves {INVENTORY}",
)


class Story:
    """Ada, her shop application, a thief, and three programs.

    Args:
        stage: where the programs run.
        narrator: tells what happens.
    """

    def __init__(self, stage: Stage, narrator: Narrator) -> None:
        self._stage = stage
        self._tell = narrator
        self._wire = OverheardTransport(narrator)
        self._kept = stage.folder / "shop" / "tokens.json"
        store = FileTokenStore(self._kept)
        # One sign-in, two audiences: what is meant for one service is of no use at the other.
        self._for_orders = TokenSource(stage.issuer, "shop", resource=ORDERS, store=store, transport=self._wire)
        self._for_inventory = TokenSource(stage.issuer, "shop", resource=INVENTORY, store=store, transport=self._wire)
        self._orders = calling(stage.orders_url, "orders", self._for_orders, narrator)
        self._inventory = calling(stage.inventory_url, "inventory", self._for_inventory, narrator)

    def tell(self) -> None:
        """All of it.

        Raises:
            NotAsTold: it went otherwise.
        """
        self._set_up()
        self._sign_in()
        self._call()
        self._call_without_the_scope()
        self._let_it_expire()
        self._refresh()
        self._stop_the_server()
        self._lose_an_answer()
        self._steal()
        self._sign_out()

    def _set_up(self) -> None:
        tell, run = self._tell, self._stage.command
        tell.chapter(
            "Three programs start",
            f"`watchword serve` at {self._stage.issuer}, with a database of its own. An operator registers everybody:",
        )
        ready = self._stage.start_server()
        secrets = {}
        for command in COMMANDS:
            made = run(*command.split())
            if made.get("client_secret"):
                secrets[made["client_id"]] = made["client_secret"]
            tell.command(f"watchword {command}")
        run("users", "create", "ada", "--password-stdin", stdin=PASSWORD)
        tell.command("watchword users create ada --password-stdin")
        self._start_services(secrets)
        tell.check(ready < 10, f"the server was ready in {ready:.1f} s; orders and inventory answer")

    def _start_services(self, secrets: dict[str, str]) -> None:
        stage, leeway = self._stage, str(LEEWAY)
        stage.start_service("inventory", stage.inventory_url, CLIENT_SECRET=secrets["inventory"], LEEWAY=leeway)
        stage.start_service(
            "orders",
            stage.orders_url,
            CLIENT_SECRET=secrets["orders"],
            INVENTORY_URL=stage.inventory_url,
            LEEWAY=leeway,
        )

    def _sign_in(self) -> None:
        self._tell.chapter(
            "Sign-in", "Ada types her name and password into the shop's application, whose client library signs her in:"
        )
        self._for_orders.sign_in("ada", PASSWORD, resources=[INVENTORY])
        held = json.loads(self._kept.read_bytes())
        self._tell.check(
            self._kept.stat().st_mode & 0o077 == 0 and PASSWORD not in self._kept.read_text("utf-8"),
            "the tokens are in a file that only their owner may read; the password is nowhere",
        )
        granted = next(iter(held["access"].values()))["scope"]
        self._tell.check("orders.write" not in granted, "orders.write was not granted: it takes a clerk")

    def _call(self) -> None:
        self._tell.chapter(
            "A call with the access token",
            "orders verifies it on the spot, then asks inventory with a token of its own; nobody calls home for it:",
        )
        answer = self._orders.get("/orders")
        self._tell.check(
            answer.status_code == 200 and "lamp" in answer.json()["in_stock"],
            "orders took Ada's token, and inventory took that of orders",
        )

    def _call_without_the_scope(self) -> None:
        self._tell.chapter("A call without the scope")
        answer = self._orders.post("/orders", json={"item": "lamp", "amount": 1})
        self._tell.check(
            answer.status_code == 403 and "orders.write" in answer.headers["WWW-Authenticate"],
            "403, and the answer names the scope that is missing",
        )

    def _let_it_expire(self) -> None:
        self._tell.chapter(
            "The access token expires",
            f"Here it lives for {LIFETIME} s (15 min by default), and services allow clocks to differ by {LEEWAY} s.",
            "The old token is sent again and again, without the library's help, until it is refused:",
        )
        token = self._for_orders.token()
        begun = time.monotonic()
        quiet = bare(self._stage.orders_url, "orders", _Silent())
        wait_until(
            lambda: quiet.get("/orders", headers=bearing(token)).status_code == 401,
            what="orders refuses the expired token",
            seconds=LIFETIME + LEEWAY + 10,
        )
        took = time.monotonic() - begun
        answer = bare(self._stage.orders_url, "orders", self._tell).get("/orders", headers=bearing(token))
        self._tell.check(answer.status_code == 401, f"401, after {took:.1f} s of waiting")

    def _refresh(self) -> None:
        self._tell.chapter(
            "The client library refreshes silently", "The application just calls; it never sees a token, nor a 401:"
        )
        answer = self._orders.get("/orders")
        self._tell.check(answer.status_code == 200, "the call went through, and Ada noticed nothing")

    def _stop_the_server(self) -> None:
        tell, stage = self._tell, self._stage
        tell.chapter("The authorization server is stopped")
        self._inventory.get("/items")  # gets its token while there is somebody to give it
        orders_token, inventory_token = self._for_orders.token(), self._for_inventory.token()
        begun = time.monotonic()
        stage.stop("watchword")
        tell.say(f"  {stage.issuer} is down; both services go on:")
        answers = [
            bare(stage.orders_url, "orders", tell).get("/orders", headers=bearing(orders_token)),
            bare(stage.inventory_url, "inventory", tell).get("/items", headers=bearing(inventory_token)),
        ]
        tell.check(all(answer.status_code == 200 for answer in answers), "both verify by the keys that they have")
        stage.start_server()
        away, back_at = time.monotonic() - begun, time.time()
        wait_until(
            lambda: self._revocations_known_at() > back_at, what="both services follow the feed again", seconds=30
        )
        tell.check(
            all(answer.status_code == 200 for answer in answers),
            f"the server was away for {away:.1f} s; {time.time() - back_at:.1f} s later both follow the feed again",
        )

    def _revocations_known_at(self) -> float:
        """The moment up to which both services know all revocations."""
        urls = (self._stage.orders_url, self._stage.inventory_url)
        known = [bare(url, "", _Silent()).get("/healthz").json()["revocations_known_at"] for url in urls]
        return min(at or 0 for at in known)

    def _lose_an_answer(self) -> None:
        tell = self._tell
        tell.chapter(
            "An answer is lost",
            "The application wants a fresh token. The server spends the refresh token, and its answer never arrives.",
            "This is where users are often logged out. Here the library asks again, with the token that is spent:",
        )
        # Asked for first: a token this near its end might be renewed just for being looked at.
        token = self._for_orders.token()
        self._wire.lose_next = True
        self._for_orders.renew(token)
        same = self._wire.lost is not None and self._wire.lost == json.loads(self._kept.read_bytes())["refresh_token"]
        tell.check(same, "the same caller got the same refresh token that was lost, byte for byte")
        answer = self._orders.get("/orders")
        tell.check(answer.status_code == 200, "nothing was lost but time")

    def _steal(self) -> None:
        tell, stage = self._tell, self._stage
        tell.chapter(
            "A refresh token is stolen",
            "A thief has copied Ada's token file; another program in another place, and quicker than her application:",
        )
        thief = bare(stage.issuer, "", tell, by="thief:", agent="thief/1.0")
        loot = json.loads(self._kept.read_bytes())["refresh_token"]
        first = thief.post("/token", data=_refresh_form(loot))
        tell.check(first.status_code == 200, "from one use alone nobody can know")
        tell.say(
            "When its time comes, Ada's application refreshes with the same token. Perhaps an answer was lost, so:"
        )
        before = self._for_orders.token()
        wait_until(lambda: self._for_orders.token() != before, what="the library refreshes in time", seconds=LIFETIME)
        tell.check('"refresh.fork"' in stage.log("watchword"), "it is answered, and the server notes a fork")
        tell.say("The thief goes on:")
        second = thief.post("/token", data=_refresh_form(first.json()["refresh_token"]))
        tell.check(second.status_code == 200, "two lineages now; only one of them can go on")
        tell.say("Ada's application refreshes for the second time. Two hands hold one chain:")
        stolen = second.json()["access_token"]
        watch = Refusals({"orders": (f"{stage.orders_url}/orders", stolen)})
        seconds = watch.from_when(self._be_found_out)
        tell.check(True, f"the thief's access token is refused as well, {_ms(seconds['orders'])} later")
        third = thief.post("/token", data=_refresh_form(second.json()["refresh_token"]))
        tell.check(third.status_code == 400, "and so is the thief's refresh token")

    def _be_found_out(self) -> None:
        try:
            self._for_inventory.renew(self._for_inventory.token())
        except SignInAgain as over:
            self._tell.check(over.reason == "grant_over", "the grant has fallen; the application asks Ada to sign in")
        else:
            self._tell.check(False, "the owner's second refresh exposes the thief")

    def _sign_out(self) -> None:
        tell, stage = self._tell, self._stage
        tell.chapter(
            "Sign-out",
            "Ada signs in anew. The library hands the refresh token of the fallen grant back (POST /revoke), lest",
            "anything of it be alive after all; then both services take her new tokens:",
        )
        self._for_orders.sign_in("ada", PASSWORD, resources=[INVENTORY])
        self._orders.get("/orders")
        self._inventory.get("/items")
        orders_token, inventory_token = self._for_orders.token(), self._for_inventory.token()
        tell.say(
            "She signs out, while both services are asked every few milliseconds with tokens that are still young:"
        )
        watch = Refusals(
            {
                "orders": (f"{stage.orders_url}/orders", orders_token),
                "inventory": (f"{stage.inventory_url}/items", inventory_token),
            }
        )
        seconds = watch.from_when(self._for_orders.sign_out)
        answer = bare(stage.inventory_url, "inventory", tell).get("/items", headers=bearing(inventory_token))
        tell.check(
            answer.status_code == 401 and min(expires_in(orders_token), expires_in(inventory_token)) > 0,
            "both refuse tokens that have not expired: "
            + ", ".join(f"{name} {_ms(at)}" for name, at in sorted(seconds.items()))
            + " after the sign-out was sent",
        )


class _Silent(Narrator):
    """Tells nothing, for what is only looked at."""

    def _line(self, text: str) -> None:
        pass


def _refresh_form(token: str) -> dict[str, str]:
    return {"grant_type": "refresh_token", "client_id": "shop", "refresh_token": token, "resource": ORDERS}


def _ms(seconds: float) -> str:
    return f"{seconds * 1000:.0f} ms"
