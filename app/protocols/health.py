"""Is the process alive, and can it answer: for load balancers and containers."""

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse

from app.models import load_defaults
from app.protocols.protocol import Protocol

router = APIRouter(tags=["health"])


@router.get("/healthz")
async def healthz() -> dict[str, str]:
    """The event loop answers."""
    return {"status": "ok"}


@router.get("/readyz")
def readyz(request: Request) -> Response:
    """The default models are loaded; 503 with the reason where they are not, until they have been pulled."""
    state = request.app.state
    if not state.readiness["ready"]:
        state.readiness = load_defaults(state.models, state.settings)
    return JSONResponse(state.readiness, 200 if state.readiness["ready"] else 503)


PROTOCOL = Protocol(router, is_open=True)
