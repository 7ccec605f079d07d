"""Who can talk to the server: one file per wire dialect."""

from fastapi import APIRouter

from app.protocols import health, native

PROTOCOLS: dict[str, APIRouter] = {
    "health": health.router,
    "native": native.router,
}
