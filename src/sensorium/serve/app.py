"""The application: every route, behind the guard."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, TextIO

from fastapi import FastAPI

import sensorium
from sensorium.serve.guard import Guard
from sensorium.serve.live import live_route
from sensorium.serve.metrics import Counts, metrics_route
from sensorium.serve.open_inference import open_inference_routes
from sensorium.serve.openai_routes import openai_routes
from sensorium.serve.page_route import page_route
from sensorium.serve.predict_routes import predict_routes
from sensorium.serve.responses import install_errors
from sensorium.serve.server import Server


def application(
    server: Server, counts: Counts, *, api_key: str | None, loopback: bool, log: TextIO | None = None
) -> Any:
    """An ASGI application. Models that were not started before are started with it; all are stopped with it."""

    @asynccontextmanager
    async def life(app: FastAPI) -> AsyncIterator[None]:
        for model in server.models.values():
            if model.facts is None:
                await model.start()
        yield
        for model in server.models.values():
            await model.stop()

    app = FastAPI(
        title="Sensorium",
        version=sensorium.__version__,
        lifespan=life,
        docs_url=None,  # their pages load scripts from elsewhere
        redoc_url=None,
    )
    install_errors(app)
    counts.watch(server)
    routers = (
        predict_routes(server),
        open_inference_routes(server),
        openai_routes(server),
        metrics_route(counts),
        live_route(server),
        page_route(),
    )
    for router in routers:
        app.include_router(router)
    return Guard(
        app,
        routes=[route for router in (app, *routers) for route in router.routes if hasattr(route, "path")],
        limits=server.limits,
        api_key=api_key,
        loopback=loopback,
        on_request=counts.request,
        log=log,
    )
