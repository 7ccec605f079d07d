"""Who can talk to the server: one file per wire dialect."""

from app.protocols import health, native
from app.protocols.protocol import Protocol

PROTOCOLS: dict[str, Protocol] = {
    "health": health.PROTOCOL,
    "native": native.PROTOCOL,
}
