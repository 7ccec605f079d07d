"""The body limit, spoken to directly in ASGI: what it must not do is not visible through HTTP."""

import asyncio

import pytest
from starlette.types import Message, Receive, Scope, Send

from app.middleware.body_limit import BodyLimit


async def nobody(_scope: Scope, _receive: Receive, _send: Send) -> None:
    pytest.fail("the request reached the application")


async def untouched() -> Message:
    pytest.fail("the body was read")


def test_a_body_announced_too_large_is_refused_unread() -> None:
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "POST", "path": "/pose", "headers": [(b"content-length", b"11")]}
    asyncio.run(BodyLimit(nobody, max_bytes=10, shapes={})(scope, untouched, send))
    assert sent[0]["status"] == 413
    assert (b"connection", b"close") in sent[0]["headers"]
