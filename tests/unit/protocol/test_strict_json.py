"""JSON objects without ambiguities; the quick way and the strict way agree."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.rfc import rfc

from watchword.protocol.strict_json import parse_object, render_object

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)
OBJECTS = st.dictionaries(st.text(max_size=5), VALUES, max_size=4)


@given(OBJECTS, st.sampled_from([None, 1]), st.booleans())
@settings(max_examples=60, deadline=None)
def test_an_object_means_the_same_however_it_is_written(
    members: dict[str, Any], indent: int | None, ascii_: bool
) -> None:
    assert parse_object(render_object(members)) == members
    assert parse_object(json.dumps(members, indent=indent, ensure_ascii=ascii_).encode()) == members


@given(OBJECTS)
@settings(max_examples=60, deadline=None)
def test_types_are_kept(members: dict[str, Any]) -> None:
    assert repr(parse_object(render_object(members))) == repr(json.loads(render_object(members)))


@rfc("8259", "4")
@pytest.mark.parametrize(
    "text",
    [
        '{"a":1,"a":1}',
        '{"a":1,"a":2}',
        '{"a":1,"\\u0061":2}',
        '{"":1,"":1}',
        '{"x":{"a":1,"a":1}}',
        '{"x":[{"a":1,"b":[{"a":1,"a":1}]}]}',
        '{"a":NaN}',
        '{"a":Infinity}',
        '{"a":-Infinity}',
        '{"a":1e400}',
        '{"a":-1e400}',
        '{"a":[1e999]}',
        "[]",
        "null",
        "1",
        '"a"',
        "true",
        "",
        " ",
        "{",
        "{}{}",
        "{} x",
        "{'a':1}",
        '{"a":1,}',
        '{"a"}',
        "{a:1}",
        '{"a":01}',
        '{"a":+1}',
        '{"a":.5}',
        '{"a":0x1}',
        '{"a":"\n"}',
        '{"a":"\\x"}',
        '{"a":"\\ud800"}',
        '{"\\udfff":1}',
        "// remark\n{}",
        '{"a":1}\0',
        "\ufeff{}",
    ],
)
def test_anything_but_one_plain_object_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse_object(text.encode())


@rfc("8259", "8.1")
@pytest.mark.parametrize(
    "data",
    [b'{"a":"\xff"}', b'{"a":"\xc0\xaf"}', b'{"a":"\xed\xa0\x80"}', "{}".encode("utf-16"), "{}".encode("utf-32")],
)
def test_what_is_not_utf8_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse_object(data)


NUMBER = "a number beyond all bounds"


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b'{"a":"\\ud800"}', "half a surrogate pair"),
        (b'{"a":"\xff"}', "not UTF-8"),
        (b"", "not JSON"),
        (b"\xef\xbb\xbf{}", "not JSON"),
        (b'{"a":1} {"secret":2}', "not JSON"),
        (b'{"a":"\\u12"}', "not JSON"),
        (b'{"a":' + b"1" * 5_000 + b"}", NUMBER),
        (b'{ "a": [-' + b"1" * 5_000 + b"]}", NUMBER),
        (b'{"a":1e999}', NUMBER),
        (b'{"a":' + b"1" * 5_000 + b".5}", NUMBER),
        (b'{"a":NaN}', "NaN is not JSON"),
        (b'{"a":' * 50_000, "nested too deeply"),
        (b"[" * 50_000 + b"]" * 50_000, "nested too deeply"),
        (b"[]", "not a JSON object"),
        (b'{"secret":1,"secret":2}', "duplicate member"),
    ],
    ids=lambda value: repr(value)[:25],
)
def test_what_is_refused_is_refused_in_words_of_ours_that_repeat_nothing(data: bytes, sentence: str) -> None:
    with pytest.raises(ValueError, match=f"^{sentence}$"):
        parse_object(data)


def test_a_whole_surrogate_pair_is_a_character() -> None:
    assert parse_object(b'{"a":"\\ud83d\\udd11"}') == {"a": "🔑"}


@pytest.mark.parametrize("deep", ["[" * 50_000 + "]" * 50_000, '{"a":' * 50_000 + "1" + "}" * 50_000, "[" * 100_000])
def test_deep_nesting_is_an_error_and_no_crash(deep: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse_object(b'{"a":' + deep.encode() + b"}")


def test_a_number_too_long_to_read_is_an_error() -> None:
    with pytest.raises(ValueError, match=r"."):
        parse_object(b'{"a":' + b"1" * 100_000 + b"}")


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_what_is_not_json_is_not_written(value: float) -> None:
    with pytest.raises(ValueError, match="JSON compliant"):
        render_object({"a": value})
