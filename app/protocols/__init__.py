"""Who can talk to the server: one file per wire dialect."""

from app.protocols import a1111, generate, health, jobs, metrics, native, sdnext
from app.protocols.protocol import Protocol

PROTOCOLS: dict[str, Protocol] = {
    "health": health.PROTOCOL,
    "metrics": metrics.PROTOCOL,
    "native": native.PROTOCOL,
    "generate": generate.PROTOCOL,
    "jobs": jobs.PROTOCOL,
    "a1111": a1111.PROTOCOL,
    "sdnext": sdnext.PROTOCOL,
}
