"""JSON Web Signature: what is read, and above all what is not."""

import json
import time
from collections.abc import Callable

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from tests.standards.forge import (
    accept,
    claims,
    es256,
    forge,
    header,
    published,
    raw,
    refusal,
    rs256,
    signer,
    stranger,
)
from tests.support.rfc import rfc

from watchword.protocol import base64url, jws
from watchword.protocol.jws import SigningKey
from watchword.protocol.rejection import TokenRejected


@pytest.mark.parametrize("key", [es256, rs256], ids=["ES256", "RS256"])
def test_a_good_token_is_accepted(key: Callable[[], SigningKey]) -> None:
    assert accept(forge(key=key())).claims == claims()


@rfc("7515", "5.2")
@pytest.mark.parametrize("key", [es256, rs256], ids=["ES256", "RS256"])
def test_no_bit_of_a_token_can_be_flipped(key: Callable[[], SigningKey]) -> None:
    """Every bit of a text of ASCII: header, claims, signature, and the dots between them."""
    token = forge(key=key())
    step = 1 if key().alg == "ES256" else 7
    for bit in range(0, len(token) * 8, step):
        flipped = bytearray(token.encode())
        flipped[bit // 8] ^= 1 << bit % 8
        assert refusal(flipped.decode("latin-1")) != ""


@rfc("7515", "5.2")
def test_the_signature_of_another_key_is_refused() -> None:
    assert refusal(forge(key=stranger())) == "token.signature"


@rfc("7515", "7.1")
@pytest.mark.parametrize(
    "mangle",
    [
        lambda t: "",
        lambda t: ".",
        lambda t: "..",
        lambda t: "...",
        lambda t: "." * 8000,
        lambda t: t.rpartition(".")[0],
        lambda t: "." + t,
        lambda t: t + ".",
        lambda t: t + ".AA",
        lambda t: t.replace(".", "..", 1),
        lambda t: t.replace(".", "", 1),
        lambda t: t.partition(".")[2],
        lambda t: "." + t.partition(".")[2],
        lambda t: t.split(".")[0] + ".." + t.split(".")[2],
        lambda t: " " + t,
        lambda t: t + " ",
        lambda t: t + "\n",
        lambda t: t.replace(".", ".\n", 1),
        lambda t: t + "=",
        lambda t: t.replace(".", "=.", 1),
        lambda t: t.replace(".", "\u3002"),
        lambda t: t + "\0",
        lambda t: "\ufeff" + t,
        lambda t: t[:20] + "é" + t[21:],
        lambda t: t[:20] + "\udcff" + t[21:],
        lambda t: t[:20] + "%" + t[21:],
        lambda t: f"Bearer {t}",
        lambda t: f'"{t}"',
        lambda t: t * 3,
    ],
)
def test_only_three_parts_of_base64url_are_a_token(mangle: object) -> None:
    assert callable(mangle)
    assert refusal(mangle(forge())) == "token.malformed"


@rfc("7515", "5.2")
def test_an_empty_signature_is_none() -> None:
    assert refusal(forge().rpartition(".")[0] + ".") == "token.signature"


@rfc("7515", "7.2.1")
def test_the_json_serializations_are_refused() -> None:
    head, body, tail = forge().split(".")
    flat = {"protected": head, "payload": body, "signature": tail}
    general = {"payload": body, "signatures": [{"protected": head, "signature": tail}]}
    for form in (flat, general, [forge()], forge()):
        assert refusal(json.dumps(form)) == "token.malformed"


@rfc("7515", "2")
def test_standard_base64_is_no_base64url() -> None:
    token = next(token for token in (forge() for _ in range(200)) if "-" in token and "_" in token)
    assert refusal(token.replace("-", "+")) == "token.malformed"
    assert refusal(token.replace("_", "/")) == "token.malformed"


@rfc("7515", "C")
@pytest.mark.parametrize("part", [0, 1, 2])
def test_a_segment_has_one_spelling(part: int) -> None:
    """The unused bits of a last character must be zero, or a changed token would still be "the same"."""
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    payload = next(text for text in (claims(jti="x" * n) for n in range(3)) if len(json.dumps(text)) % 3 == 1)
    head = next(text for text in (header(x="x" * n) for n in range(3)) if len(json.dumps(text)) % 3 == 1)
    parts = forge(head, payload).split(".")
    assert refusal(".".join(parts)) == ""
    assert len(parts[part]) % 4 == 2
    unused = alphabet.index(parts[part][-1])
    assert unused % 16 == 0
    for other in range(1, 16):
        changed = [*parts]
        changed[part] = parts[part][:-1] + alphabet[unused + other]
        assert refusal(".".join(changed)) == "token.malformed"


@rfc("7515", "4.1.11")
@pytest.mark.parametrize(
    "crit", [["b64"], ["exp"], ["x"], [], [""], "exp", {}, None, True, 0, ["exp", "exp"], [["exp"]], ["alg"], [None]]
)
def test_crit_is_refused_in_every_form(crit: object) -> None:
    assert refusal(forge(header(crit=crit, x=1))) == "token.malformed"


@rfc("7515", "4.1.11")
@pytest.mark.parametrize("b64", [True, False, "false", None])
def test_b64_is_refused(b64: object) -> None:
    assert refusal(forge(header(b64=b64))) == "token.malformed"
    assert refusal(forge(header(b64=b64, crit=["b64"]))) == "token.malformed"


def test_an_unencoded_payload_is_refused() -> None:
    head = base64url.encode(json.dumps(header(b64=False, crit=["b64"])).encode())
    payload = json.dumps(claims()).replace(".", "")
    signature = base64url.encode(signer(es256())(f"{head}.{payload}".encode()))
    assert refusal(f"{head}.{payload}.{signature}") == "token.malformed"


@pytest.mark.parametrize("name", ["zip", "enc", "x5t", "x5t#S256"])
def test_parameters_that_change_what_is_signed_are_refused(name: str) -> None:
    assert refusal(forge(header() | {name: "DEF"})) == "token.malformed"


@rfc("7515", "4.1")
def test_parameters_that_are_not_understood_are_ignored() -> None:
    assert refusal(forge(header(x=1, cty="at+jwt", nonce="n"))) == ""


@rfc("7515", "4")
@pytest.mark.parametrize(
    "head",
    [
        b'{"alg":"none","alg":"ES256","kid":"es","typ":"at+jwt"}',
        b'{"alg":"ES256","alg":"ES256","kid":"es","typ":"at+jwt"}',
        b'{"alg":"ES256","kid":"rs","kid":"es","typ":"at+jwt"}',
        b'{"alg":"ES256","kid":"es","typ":"JWT","typ":"at+jwt"}',
        b'{"alg":"ES256","k\\u0069d":"rs","kid":"es","typ":"at+jwt"}',
        b'{"alg":"ES256","kid":"es","typ":"at+jwt","x":{"a":1,"a":2}}',
        b"",
        b"null",
        b"[]",
        b'"at+jwt"',
        b"{",
        b"{}",
        b'{"alg":"ES256","kid":"es","typ":"at+jwt"}{}',
        b'{"alg":"ES256","kid":"es","typ":"at+jwt",}',
        b'{"alg":"ES256","kid":"es","typ":"at+jwt","x":NaN}',
        b'{"alg":"ES256","kid":"es","typ":"at+jwt","x":-Infinity}',
        b'{"alg":"ES256","kid":"es","typ":"at+jwt","x":1e999}',
        b"{'alg':'ES256','kid':'es','typ':'at+jwt'}",
        b'{"alg":"ES256","kid":"es","typ":"at+jwt"}\x00',
        b'\xef\xbb\xbf{"alg":"ES256","kid":"es","typ":"at+jwt"}',
        b'{"alg":"ES256","kid":"es","typ":"at+jwt","x":"\xff"}',
        b'{"alg":"ES256","kid":"es","typ":"at+jwt","x":"\xed\xa0\x80"}',
        b'{"alg":"ES256","kid":"es","typ":"at+jwt","x":"\\ud800"}',
        '{"alg":"ES256","kid":"es","typ":"at+jwt"}'.encode("utf-16"),
        '{"alg":"ES256","kid":"es","typ":"at+jwt"}'.encode("utf-32-le"),
    ],
)
def test_a_header_that_is_no_plain_json_object_is_refused_although_truly_signed(head: bytes) -> None:
    assert refusal(forge(head)) == "token.malformed"


@rfc("7519", "4")
@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"null",
        b"[]",
        b"1",
        b'"x"',
        b"{",
        b"\xff",
        json.dumps(claims()).encode()[:-1] + b',"aud":"https://stock.example"}',
        json.dumps(claims()).encode()[:-1] + b',"a\\u0075d":"https://stock.example"}',
        json.dumps(claims()).encode()[:-1] + b',"x":{"y":[{"z":1,"z":1}]}}',
        json.dumps(claims()).encode()[:-1] + b',"x":NaN}',
        json.dumps(claims()).encode()[:-1] + b',"x":1e400}',
        json.dumps(claims()).encode()[:-1] + b',"x":"\\udc00"}',
        json.dumps(claims()).encode() + b" x",
        json.dumps(claims()).encode("utf-16"),
    ],
)
def test_claims_that_are_no_plain_json_object_are_refused_although_truly_signed(payload: bytes) -> None:
    assert refusal(forge(payload=payload)) == "token.malformed"


def test_white_space_and_any_order_in_the_json_do_no_harm() -> None:
    head = json.dumps(dict(reversed(header().items())), indent=2).encode() + b"\r\n\t "
    assert refusal(forge(head, b" \n" + json.dumps(claims(), indent=1).encode())) == ""


@pytest.mark.parametrize("depth", [200, 1500, 2900])
def test_deep_nesting_is_answered_in_bounded_time(depth: int) -> None:
    nested = b'{"a":' * depth + b"1" + b"}" * depth
    start = time.perf_counter()
    reasons = {refusal(forge(payload=nested)), refusal(forge(nested)), refusal(forge(b"[" * depth, b"[" * depth))}
    assert reasons <= {"token.malformed", "token.claims"}
    assert time.perf_counter() - start < 1


def test_a_number_of_thousands_of_digits_is_answered_in_bounded_time() -> None:
    start = time.perf_counter()
    for digits in (100, 4000, 5500):
        payload = json.dumps(claims()).encode()[:-1] + b',"nbf":' + b"9" * digits + b"}"
        assert refusal(forge(payload=payload)) in ("token.malformed", "token.claims")
    assert time.perf_counter() - start < 1


def test_a_token_longer_than_any_of_ours_is_refused_before_any_work() -> None:
    token = forge(payload=claims(x="x" * 8000))
    assert len(token) > jws.MAX_LENGTH
    assert refusal(token) == "token.malformed"
    start = time.perf_counter()
    for text in ("A" * 10_000_000, "." * 10_000_000, "A." * 5_000_000):
        assert refusal(text) == "token.malformed"
    assert time.perf_counter() - start < 1
    longest = next(t for n in range(6000, 0, -1) if len(t := forge(payload=claims(x="x" * n))) <= jws.MAX_LENGTH)
    assert refusal(longest) == ""


def test_a_header_longer_than_any_of_ours_is_refused_and_not_kept() -> None:
    assert refusal(forge(header(x="x" * 400))) == ""
    before = jws._parse_header.cache_info()
    assert refusal(forge(header(x="x" * 1000))) == "token.malformed"
    assert jws._parse_header.cache_info() == before


@rfc("7518", "3.4")
def test_an_es256_signature_is_64_bytes_and_no_der() -> None:
    signing_input = forge().rpartition(".")[0]
    private = ec.generate_private_key(ec.SECP256R1())
    key = SigningKey("es", private)
    der = private.sign(signing_input.encode(), ec.ECDSA(SHA256()))
    plain = signer(key)(signing_input.encode())
    assert len(plain) == 64

    def told(signature: bytes) -> None:
        jws.verify(f"{signing_input}.{base64url.encode(signature)}", lambda _: key.verification_key, typ="at+jwt")

    told(plain)
    for bad in (der, b"", plain[:-1], plain + b"\0", b"\0" + plain, plain[32:] + plain[:32], plain * 2):
        with pytest.raises(TokenRejected) as caught:
            told(bad)
        assert caught.value.reason == "token.signature"


@rfc("7518", "3.4")
@pytest.mark.parametrize("r", [0, 1, 2**256 - 1])
@pytest.mark.parametrize("s", [0, 1, 2**256 - 1])
def test_signatures_that_broken_verifiers_take_for_anything_are_refused(r: int, s: int) -> None:
    """(0, 0) opened every door of Java 15 to 18; R and S at or beyond the order are as bad."""
    order = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
    for pair in ((r, s), (r, order), (order, s), (order, order)):
        signature = b"".join(number.to_bytes(32) for number in pair)
        assert refusal(raw(json.dumps(header()).encode(), b"{}", lambda _, made=signature: made)) == "token.signature"  # type: ignore[misc]


@rfc("7518", "3.3")
@pytest.mark.parametrize("length", [0, 1, 64, 255, 257, 512])
def test_an_rs256_signature_of_another_length_is_refused(length: int) -> None:
    token = raw(json.dumps(header(rs256())).encode(), json.dumps(claims()).encode(), lambda _: b"\x01" * length)
    assert refusal(token) == "token.signature"


@pytest.mark.parametrize("key", [es256, rs256], ids=["ES256", "RS256"])
def test_what_we_sign_we_verify_and_the_header_names_key_algorithm_and_type(key: Callable[[], SigningKey]) -> None:
    token = key().sign(claims(), typ="at+jwt")
    found, members = jws.verify(token, published, typ="at+jwt")
    assert (found, members) == (jws.Header(key().alg, key().kid, "at+jwt"), claims())
    assert json.loads(base64url.decode(token.split(".")[0])) == header(key())


def test_a_lookup_is_asked_for_the_exact_kid_and_for_nothing_before_form_and_type_are_right() -> None:
    asked: list[str] = []

    def lookup(kid: str, /) -> None:
        asked.append(kid)

    for token in ("x", forge(header(typ="JWT")), forge(header(alg="none")), forge(header(alg="HS256"))):
        with pytest.raises(TokenRejected):
            jws.verify(token, lookup, typ="at+jwt")
    assert asked == []
    with pytest.raises(TokenRejected, match="unknown_key"):
        jws.verify(forge(), lookup, typ="at+jwt")
    assert asked == ["es"]


def test_no_refusal_repeats_the_token() -> None:
    for token in (forge(key=stranger()), forge(header(typ="JWT")), forge(payload=claims(aud="x")), forge() + "."):
        with pytest.raises(TokenRejected) as caught:
            accept(token)
        assert not any(part and part in str(caught.value) for part in token.split("."))
