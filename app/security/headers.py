"""What browsers must not do with our answers."""

from collections.abc import Mapping
from types import MappingProxyType

from starlette.datastructures import MutableHeaders

STRICT: Mapping[str, str] = MappingProxyType(
    {
        "X-Content-Type-Options": "nosniff",
        "Cache-Control": "no-store",
        "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
        "Referrer-Policy": "no-referrer",
        "Cross-Origin-Resource-Policy": "same-origin",
    }
)
"""No guessing of types, no copies on disk, nothing active, no frames, no trace of where one comes from."""

_CDN = "https://cdn.jsdelivr.net"
DOCUMENTATION: Mapping[str, str] = MappingProxyType(
    {
        **STRICT,
        "Content-Security-Policy": (
            f"default-src 'none'; script-src {_CDN} 'unsafe-inline'; style-src {_CDN} https://fonts.googleapis.com "
            "'unsafe-inline'; font-src https://fonts.gstatic.com; img-src 'self' data: https:; worker-src blob:; "
            "connect-src 'self'; frame-ancestors 'none'"
        ),
    }
)
"""What FastAPI's own pages need to work: its viewer from a network of servers, started by a script in the page."""

DOCUMENTATION_PATHS = frozenset({"/docs", "/docs/oauth2-redirect", "/redoc"})


def add_headers(headers: MutableHeaders, path: str) -> None:
    """Add what the answer for a path does not carry already."""
    for name, value in (DOCUMENTATION if path in DOCUMENTATION_PATHS else STRICT).items():
        headers.setdefault(name, value)
