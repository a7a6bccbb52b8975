"""The shop: a web application that signs its users in by browser, and calls orders for them."""
