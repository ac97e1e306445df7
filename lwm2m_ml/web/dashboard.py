"""Puts the dashboard together: NiceGUI on an application of its own, behind the gate. Imported at the first visit."""

import importlib
import pkgutil
from collections.abc import Awaitable, Callable
from pathlib import Path

from fastapi import FastAPI
from nicegui import ui
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp

from lwm2m_ml.web import netron_files, pages
from lwm2m_ml.web.address import ROOT
from lwm2m_ml.web.gate import Gate
from lwm2m_ml.web.login import Login
from lwm2m_ml.web.sessions import Sessions

ASSETS = Path(__file__).parent / "assets"


async def open_dashboard(api: ASGIApp, *, secure: bool) -> tuple[ASGIApp, Callable[[], Awaitable[None]]]:
    """Return the dashboard of an API, and what closes it. One at a time in a process: NiceGUI has one application."""
    for found in pkgutil.iter_modules(pages.__path__):
        importlib.import_module(f"{pages.__name__}.{found.name}")
    sessions = Sessions()
    shell = FastAPI(openapi_url=None, docs_url=None, redoc_url=None)
    shell.router.routes.extend([*Login(api, sessions, secure=secure).routes, *netron_files.routes()])
    shell.mount(f"{ROOT}/assets", StaticFiles(directory=ASSETS))
    ui.run_with(
        shell,
        mount_path=ROOT,
        title="lwm2m-ml",
        favicon=ASSETS / "icon.svg",
        dark=None,
        language="en-US",
        tailwind=False,
        show_welcome_message=False,
        reconnect_timeout=10.0,
        binding_refresh_interval=None,
    )
    lifespan = shell.router.lifespan_context(shell)
    await lifespan.__aenter__()

    async def close() -> None:
        await sessions.end_all()
        await lifespan.__aexit__(None, None, None)

    return Gate(shell, sessions), close
