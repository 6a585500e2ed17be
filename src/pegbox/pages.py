"""The server's own pages, in front of the gateway."""

from __future__ import annotations

import os
from dataclasses import dataclass

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from pegbox import __version__
from pegbox.observe.prometheus import CONTENT_TYPE, Metrics
from pegbox.settings import is_loopback

HEALTH, METRICS = "/health", "/metrics"


@dataclass(frozen=True, slots=True)
class Pages:
    """`GET /health` and `GET /metrics`, and the gateway for everything else, whatever signs are in the path.

    A signed request for one of them is for a bucket of that name; so is one for metrics by whoever may not see them.
    """

    gateway: ASGIApp
    metrics: Metrics
    shown_to: str  #: the setting `metrics`

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        await (await self._page(scope) or self.gateway)(scope, receive, send)

    async def _page(self, scope: Scope) -> Response | None:
        if scope["path"] not in (HEALTH, METRICS) or scope["method"] not in ("GET", "HEAD"):
            return None
        request = Request(scope)
        if _is_signed(request):
            return None
        if scope["path"] == HEALTH:
            return JSONResponse({"status": "ok", "version": __version__, "pid": os.getpid()})
        if not self._may_read(request):
            return None
        return Response(await run_in_threadpool(self.metrics.render), media_type=CONTENT_TYPE)

    def _may_read(self, request: Request) -> bool:
        """A scraper cannot sign.  So by default only this machine may, and nobody on whose behalf a proxy here asks."""
        if self.shown_to != "loopback":
            return self.shown_to == "on"
        forwarded = any(name in request.headers for name in ("forwarded", "x-forwarded-for", "x-real-ip"))
        return request.client is not None and is_loopback(request.client.host) and not forwarded


def _is_signed(request: Request) -> bool:
    query = request.query_params
    return "authorization" in request.headers or "X-Amz-Signature" in query or "Signature" in query
