"""API keys: how they are written down, how requests carry them, whose they are."""

import base64
import binascii
import hmac
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256

from starlette.datastructures import Headers

DEFAULT_NAME = "default"
_NAME = re.compile(r"[A-Za-z0-9._-]{1,64}")


@dataclass(frozen=True, slots=True)
class Key:
    """One API key. The key itself is not kept.

    Attributes:
        name: whose it is, for logs, rate limits and ownership.
        digest: SHA-256 of the key in UTF-8.
    """

    name: str
    digest: bytes


def parse_keys(text: str) -> tuple[Key, ...]:
    """Keys separated by commas or line breaks, each as `name:key` or, named `default`, as `key` alone.

    White space around a key and empty lines do not count; neither do lines that start with #.

    Raises:
        ValueError: no key, an empty one, a name that cannot be one, or a name or key given twice. The message never
            contains a key.
    """
    lines = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    keys = tuple(_parse_key(entry) for line in lines for entry in line.split(","))
    if not keys:
        raise ValueError("holds no key; leave it out to serve without keys")
    for field, seen in (("name", {key.name for key in keys}), ("key", {key.digest for key in keys})):
        if len(seen) < len(keys):
            raise ValueError(f"holds a {field} twice")
    return keys


def _parse_key(entry: str) -> Key:
    name, colon, key = entry.strip().partition(":")
    if not colon:
        name, key = DEFAULT_NAME, name
    key = key.strip()
    if not key:
        raise ValueError("holds an empty key")
    if not _NAME.fullmatch(name):
        raise ValueError("holds a name that is not 1 to 64 letters, digits, '.', '_' or '-'; valid: name:key")
    return Key(name, sha256(key.encode()).digest())


def name_of(headers: Headers, keys: Sequence[Key]) -> str | None:
    """Whose key a request carries, None where it carries none of these.

    Every candidate is compared with every key, so that the time taken says nothing about them.
    """
    found: str | None = None
    for candidate in _candidates(headers):
        digest = sha256(candidate).digest()
        for key in keys:
            if hmac.compare_digest(digest, key.digest):
                found = key.name
    return found


def _candidates(headers: Headers) -> Iterator[bytes]:
    """What the headers offer as a key: X-API-Key, a bearer token, the password of Basic."""
    for name, value in headers.raw:
        if name == b"x-api-key":
            yield value.strip()
        elif name == b"authorization":
            scheme, _, rest = value.strip().partition(b" ")
            if scheme.lower() == b"bearer":
                yield rest.strip()
            elif scheme.lower() == b"basic":
                yield from _password(rest.strip())


def _password(packed: bytes) -> Iterator[bytes]:
    try:
        yield base64.b64decode(packed, validate=True).partition(b":")[2]
    except binascii.Error:
        return
