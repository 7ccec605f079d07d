"""Counters for Prometheus."""

from fastapi import APIRouter, HTTPException, Request, Response

from app.dependencies import MetricsDep, SettingsDep
from app.protocols.protocol import Protocol

router = APIRouter(tags=["health"])


@router.get("/metrics", response_class=Response)
async def metrics(request: Request, counters: MetricsDep, settings: SettingsDep) -> Response:
    """What this server has counted, as text of Prometheus or OpenMetrics."""
    if settings.metrics == "off":
        raise HTTPException(404)
    text, media_type = counters.expose(request.headers.get("accept", ""))
    return Response(text, media_type=media_type)


PROTOCOL = Protocol(router)
