"""Unicode's normal forms in linear time."""

import time
import unicodedata
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.rfc import standard

from watchword.server.domain.normal_form import nfc, nfkc

UAX15 = "Unicode Standard Annex 15"
# Marks of several classes, letters with marks or made of marks, Hangul in pieces, wide and joined letters.
PIECES = (
    "aE\u0301\u0315\u0334\u0316\u0344\u0345\u0f73\u0f71\u1f82\u00a8"
    "\u1100\u1161\u11a8\uac00\uff9e\u30ab\ufdfa\ufb01\U0001d15e "
)


@standard(UAX15, "1.2")
@given(st.text(alphabet=st.one_of(st.sampled_from(PIECES), st.characters()), max_size=20), st.integers(1, 9))
@settings(max_examples=300, deadline=None)
def test_the_forms_are_those_of_the_standard_at_any_length(text: str, times: int) -> None:
    for given_text in (text * times, (text * 80)[:500]):
        assert nfc(given_text) == unicodedata.normalize("NFC", given_text)
        assert nfkc(given_text) == unicodedata.normalize("NFKC", given_text)


@pytest.mark.parametrize("form", [nfc, nfkc])
def test_marks_in_the_worst_order_take_no_time(form: Callable[[str], str]) -> None:
    text = "a" + "\u0315" * 30_000 + "\u0334" * 30_000
    began = time.thread_time()
    assert form(text) == "a" + "\u0334" * 30_000 + "\u0315" * 30_000
    # Insertion by insertion it takes several seconds.
    assert time.thread_time() - began < 1
