"""API keys: how they may be written, and how a request may carry one."""

import base64
from hashlib import sha256

import pytest
from starlette.datastructures import Headers

from app.security.keys import Key, name_of, parse_keys


def key(name: str, text: str) -> Key:
    """A key as it is kept."""
    return Key(name, sha256(text.encode()).digest())


ALICE, BOB, UMLAUT = (
    key("alice", "correct horse"),
    key("bob", "tr0ub4dor:3"),
    key("jörg".replace("ö", "oe"), "schlüssel"),
)
KEYS = (ALICE, BOB, UMLAUT)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("secret", [("default", "secret")]),
        ("  secret\n", [("default", "secret")]),
        ("alice:a,bob:b", [("alice", "a"), ("bob", "b")]),
        ("alice:a\nbob:b\n", [("alice", "a"), ("bob", "b")]),
        ("# who may\n\nalice: a \r\n  # and\nbob:b:c", [("alice", "a"), ("bob", "b:c")]),
        ("with.dots-and_more:ключ", [("with.dots-and_more", "ключ")]),
        ("a#b", [("default", "a#b")]),
    ],
)
def test_keys_are_a_list_of_names_and_keys(text: str, expected: list[tuple[str, str]]) -> None:
    assert parse_keys(text) == tuple(key(*pair) for pair in expected)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "no key"),
        (" \n\t\n", "no key"),
        ("# only a comment", "no key"),
        ("alice:", "an empty key"),
        ("alice: ,bob:b", "an empty key"),
        ("alice:a,", "an empty key"),
        (":hidden", "a name that is not"),
        ("two words:hidden", "a name that is not"),
        ("n" * 65 + ":hidden", "a name that is not"),
        ("alice:hidden,alice:hidden too", "a name twice"),
        ("alice:hidden,bob:hidden", "a key twice"),
        ("hidden,hidden too", "a name twice"),
    ],
)
def test_what_is_no_list_of_keys_is_refused_without_telling_a_key(text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason) as caught:
        parse_keys(text)
    assert "hidden" not in str(caught.value)


def basic(pair: str) -> bytes:
    """The Authorization header of a user and a password."""
    return b"Basic " + base64.b64encode(pair.encode())


@pytest.mark.parametrize(
    ("header", "value", "name"),
    [
        ("X-API-Key", b"correct horse", "alice"),
        ("x-api-key", b" correct horse ", "alice"),
        ("Authorization", b"Bearer correct horse", "alice"),
        ("authorization", b"bearer  tr0ub4dor:3", "bob"),
        ("Authorization", basic("anybody:correct horse"), "alice"),
        ("Authorization", basic(":tr0ub4dor:3"), "bob"),
        ("X-API-Key", "schlüssel".encode(), "joerg"),
        ("Authorization", basic("x:schlüssel"), "joerg"),
    ],
)
def test_a_key_is_found_where_clients_put_it(header: str, value: bytes, name: str) -> None:
    assert name_of(Headers(raw=[(header.lower().encode(), value)]), KEYS) == name


@pytest.mark.parametrize(
    ("header", "value"),
    [
        ("x-api-key", b""),
        ("x-api-key", b"correct hors"),
        ("x-api-key", b"Correct horse"),
        ("x-api-key", "schlüssel".encode("latin-1")),
        ("x-api-key", b"\xff\xfe\0"),
        ("x-api-key", ALICE.digest),
        ("x-api-key", ALICE.digest.hex().encode()),
        ("authorization", b"correct horse"),
        ("authorization", b"Bearer"),
        ("authorization", b"Digest correct horse"),
        ("authorization", b"Basic correct horse"),
        ("authorization", b"Basic \xff\xff"),
        ("authorization", basic("correct horse:")),
        ("authorization", basic("correct horse")),
        ("cookie", b"correct horse"),
        ("x-api-key-2", b"correct horse"),
    ],
)
def test_anything_else_is_no_key(header: str, value: bytes) -> None:
    assert name_of(Headers(raw=[(header.encode(), value)]), KEYS) is None


def test_one_right_key_among_several_is_enough() -> None:
    headers = Headers(
        raw=[(b"authorization", b"Basic of a proxy"), (b"x-api-key", b"no"), (b"x-api-key", b"tr0ub4dor:3")]
    )
    assert name_of(headers, KEYS) == "bob"


def test_without_keys_nobody_has_a_name() -> None:
    assert name_of(Headers(raw=[(b"x-api-key", b"")]), ()) is None


def test_a_record_of_a_key_does_not_hold_it() -> None:
    assert "horse" not in repr(parse_keys("alice:correct horse"))
