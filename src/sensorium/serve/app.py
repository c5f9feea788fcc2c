"""The application: every route, behind the guard."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, TextIO

from fastapi import FastAPI

import sensorium
from sensorium.serve.guard import Guard
from sensorium.serve.predict_routes import predict_routes
from sensorium.serve.responses import install_errors
from sensorium.serve.server import Server


def application(server: Server, *, api_key: str | None, loopback: bool, log: TextIO | None = None) -> Any:
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
    app.include_router(predict_routes(server))
    return Guard(
        app,
        limits=server.limits,
        api_key=api_key,
        loopback=loopback,
        on_request=lambda path, status, seconds: None,
        log=log,
    )
