"""What a user recognises a device by: browser and system in two words, out of a user agent.

Only for people to read. Nothing is decided by it, and what is not known is shown as it came.
"""

import re
from typing import Final

# The first that fits: most browsers also claim to be the ones below them.
_BROWSERS: Final = (
    (re.compile(r"\bEdgA?(?:iOS)?/"), "Edge"),
    (re.compile(r"\b(?:OPR|Opera)/"), "Opera"),
    (re.compile(r"\bSamsungBrowser/"), "Samsung Internet"),
    (re.compile(r"\b(?:Firefox|FxiOS)/"), "Firefox"),
    (re.compile(r"\b(?:Headless)?(?:Chrome|CriOS|Chromium)/"), "Chrome"),
    (re.compile(r"\bVersion/\S+ (?:Mobile/\S+ )?Safari/"), "Safari"),
)
_SYSTEMS: Final = (
    (re.compile(r"\biPhone\b"), "iPhone"),
    (re.compile(r"\biPad\b"), "iPad"),
    (re.compile(r"\bAndroid\b"), "Android"),
    (re.compile(r"\bWindows\b"), "Windows"),
    (re.compile(r"\bMac OS X\b|\bMacintosh\b"), "macOS"),
    (re.compile(r"\bCrOS\b"), "ChromeOS"),
    (re.compile(r"\bLinux\b"), "Linux"),
)


def device_name(user_agent: str) -> str:
    """``Firefox · Windows``; the user agent itself where it is no browser's. Empty for an empty one."""
    browser = next((name for pattern, name in _BROWSERS if pattern.search(user_agent)), None)
    if browser is None:
        return user_agent
    system = system_name(user_agent)
    return browser if system is None else f"{browser} · {system}"


def system_name(user_agent: str) -> str | None:
    """``Windows``, ``iPhone``; None for what is not known."""
    return next((name for pattern, name in _SYSTEMS if pattern.search(user_agent)), None)
