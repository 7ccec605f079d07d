"""Is the process alive, and can it answer: for load balancers and containers."""

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse

router = APIRouter(tags=["health"])


@router.get("/healthz")
async def healthz() -> dict[str, str]:
    """The event loop answers."""
    return {"status": "ok"}


@router.get("/readyz")
async def readyz(request: Request) -> Response:
    """The default models are loaded; 503 with the reason where they are not."""
    readiness = request.app.state.readiness
    return JSONResponse(readiness, 200 if readiness["ready"] else 503)
