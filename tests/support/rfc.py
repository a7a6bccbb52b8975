"""The citation that a test carries: which clause of which standard it holds.

``tools/standards.py`` collects these by reading the source, so the arguments are literals or constants of the module.
"""

import re

import pytest

_NUMBER = re.compile(r"[1-9][0-9]{1,4}\Z")
_SECTION = re.compile(r"([0-9]+|[A-Z])(\.[0-9]+)*\Z")


def rfc(number: str, section: str) -> pytest.MarkDecorator:
    """The test holds RFC ``number``, ``section`` (``"4.14.2"``, or ``"C"`` for an appendix).

    Raises:
        ValueError: not the form of a number or a section.
    """
    if _NUMBER.match(number) is None or _SECTION.match(section) is None:
        raise ValueError(f'write @rfc("9700", "4.14.2"), not {number!r}, {section!r}')
    return pytest.mark.rfc(number, section)


def standard(name: str, section: str) -> pytest.MarkDecorator:
    """The test holds a clause of a standard that is no RFC: ``standard("OpenID Connect Core 1.0", "2")``.

    Raises:
        ValueError: the name of an RFC, for which ``rfc`` is there, or no section.
    """
    if name[:3].upper() == "RFC" or not name or _SECTION.match(section) is None:
        raise ValueError(f'write @standard("OpenID Connect Core 1.0", "2"), not {name!r}, {section!r}')
    return pytest.mark.rfc(name, section)
