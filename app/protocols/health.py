"""Is the process alive, and can it answer: for load balancers and containers."""

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse

from app.protocols.protocol import Protocol

router = APIRouter(tags=["health"])


@router.get("/livez")
@router.get("/healthz")
@router.get("/v2/health/live")
async def livez() -> dict[str, str]:
    """The event loop answers."""
    return {"status": "ok"}


@router.get("/readyz")
@router.get("/v2/health/ready")
async def readyz(request: Request) -> Response:
    """Whether this server should be asked; 503 with the reasons where not.

    The default models are loaded, every network answers, and the server is not about to end.
    """
    state = request.app.state
    if state.defaults.missing:  # until they have been pulled
        await state.engine.threads.aside(state.defaults.load)
    if reasons := state.engine.why_not_ready():
        return JSONResponse({"ready": False, "reason": "; ".join(reasons), "reasons": reasons}, 503)
    return JSONResponse({"ready": True, **state.defaults.description})


PROTOCOL = Protocol(router, is_open=True)
