"""What the shop looks like: a frame and four pages, without a template engine and without scripts."""

import base64
import hashlib
from html import escape
from typing import Any

_STYLE = """
:root { color-scheme: light dark; --ink: #22262b; --paper: #faf8f4; --card: #fff; --line: #e4dfd5; --accent: #7a4b12 }
@media (prefers-color-scheme: dark) {
  :root { --ink: #ece8df; --paper: #17181a; --card: #202225; --line: #34373b; --accent: #e2b06f }
}
* { box-sizing: border-box }
body { font: 1.05rem/1.55 ui-rounded, system-ui, sans-serif; color: var(--ink); background: var(--paper); margin: 0 }
header, main { max-width: 44rem; margin: 0 auto; padding: 1rem 1.25rem }
header { display: flex; justify-content: space-between; align-items: center; border-bottom: 1px solid var(--line) }
header a { color: inherit; text-decoration: none; font-weight: 650; letter-spacing: .01em }
h1 { font-size: 1.7rem; line-height: 1.2; margin: 1.5rem 0 .5rem; text-wrap: balance }
h2 { font-size: 1.05rem; margin: 2rem 0 .5rem }
ul { list-style: none; padding: 0; margin: 0; display: grid; gap: .5rem }
li { display: flex; justify-content: space-between; align-items: center; gap: 1rem; padding: .7rem 1rem;
     background: var(--card); border: 1px solid var(--line); border-radius: .7rem }
form { margin: 0 }
button, .button { font: inherit; padding: .4rem 1rem; border-radius: .6rem; border: 1px solid var(--accent);
  color: var(--accent); background: none; cursor: pointer; text-decoration: none; display: inline-block }
.main { background: var(--accent); color: var(--paper); margin-top: 1rem }
main a { color: var(--accent) }
:focus-visible { outline: 3px solid var(--accent); outline-offset: 2px }
.quiet { opacity: .75 }
"""
_STYLE_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; form-action *; "
    "frame-ancestors 'none'; base-uri 'none'",
    "X-Content-Type-Options": "nosniff",
}


def window(*, signed_in: bool) -> str:
    """The shop window."""
    there = (
        '<a class="button main" id="orders" href="/orders">Your orders</a>'
        if signed_in
        else '<a class="button main" id="sign-in" href="/login?next=/orders">Sign in</a>'
    )
    lead = "Lamps, chairs, and now and then a desk. Sign in to order; your password never comes near this shop."
    return _frame("The Little Shop", f'<h1>Things for a quiet room</h1><p class="quiet">{lead}</p>{there}')


def orders(*, user: str, orders: list[dict[str, Any]], in_stock: list[str], form_token: str) -> str:
    """A user's orders, and what is in stock."""
    csrf = f'<input type="hidden" name="csrf" value="{escape(form_token)}">'
    ordered = "".join(
        f"<li>{escape(str(one['item']))} <span>{int(one['amount'])}</span>"
        f'<form id="cancel-{number}" method="post" action="/cancel">{csrf}'
        f'<input type="hidden" name="item" value="{escape(str(one["item"]))}"><button>Cancel</button></form></li>'
        for number, one in enumerate(orders)
    )
    stock = "".join(
        f'<li>{escape(item)}<form id="order-{escape(item)}" method="post" action="/order">{csrf}'
        f'<input type="hidden" name="item" value="{escape(item)}"><button>Order one</button></form></li>'
        for item in in_stock
    )
    sign_out = (
        f'<form id="sign-out-form" method="post" action="/logout">{csrf}<button id="sign-out">Sign out</button></form>'
    )
    return _frame(
        "Your orders",
        f'<h1>Hello, <span id="user">{escape(user)}</span></h1>'
        f'<h2>You have ordered</h2><ul id="ordered">{ordered or "<li>Nothing yet</li>"}</ul>'
        f'<h2>In stock</h2><ul id="in-stock">{stock}</ul>',
        corner=sign_out,
    )


def trouble() -> str:
    """Something behind the shop is away."""
    return _frame("A moment, please", '<h1>A moment, please</h1><p id="problem">The back office does not answer.</p>')


def not_found() -> str:
    """There is no such page."""
    return _frame("Not here", '<h1>There is nothing here</h1><p id="problem"><a href="/">Back to the shop</a></p>')


def _frame(title: str, inside: str, *, corner: str = "") -> str:
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        f'<meta name="viewport" content="width=device-width, initial-scale=1"><style>{_STYLE}</style></head>'
        f'<body><header><a href="/">The Little Shop</a>{corner}</header><main>{inside}</main></body></html>'
    )
