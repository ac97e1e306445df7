"""Netron's viewer of model graphs, from its package, as this server gives it: it asks nobody else for anything."""

import importlib.util
import re
import time
from html import escape
from pathlib import Path
from urllib.parse import quote, urlencode

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import Route

from lwm2m_ml.client.errors import ApiError
from lwm2m_ml.errors import Lwm2mMlError
from lwm2m_ml.web.address import ROOT
from lwm2m_ml.web.sessions import Session

PLACE = f"{ROOT}/netron"
TYPES = {".js": "text/javascript", ".css": "text/css", ".json": "application/json", ".png": "image/png"}
VERSION = re.compile(r'<meta name="version" content="[^"]*">')
DATE = re.compile(r'<meta name="date" content="[^"]*">')
NAME = re.compile(r"[a-z0-9-]+(\.[a-z0-9]+)+")


def routes() -> list[Route]:
    """The viewer, its files, and the models that it shows."""
    return [
        Route(f"{PLACE}/data/{{model}}/{{version}}/{{name}}", data),
        Route(f"{PLACE}/graph.html", view),
        Route(f"{PLACE}/{{file}}", file),
    ]


def graph_address(model: str, version: str, variant: str) -> str:
    """Where the graph of a variant is shown."""
    return f"{PLACE}/graph.html?{urlencode({'model': model, 'version': version, 'variant': variant})}"


async def view(request: Request) -> Response:
    """The page of the viewer.

    Its version and date are changed, so that it neither wants to be updated nor tells anybody that it is used, and its
    question about cookies for that is answered.
    """
    model, version, variant = (request.query_params.get(name, "") for name in ("model", "version", "variant"))
    session: Session = request.state.session
    try:
        content = await session.client.variant_file(model, variant, version or None)
    except Lwm2mMlError as error:
        raise HTTPException(error.status if isinstance(error, ApiError) else 503, str(error)) from error
    path = "/".join(quote(part, safe="") for part in (model, version, f"{variant}{_suffix(content)}"))
    told = {"type": "Python", "version": "0.0.0", "file": f"data/{path}", "name": variant}
    metas = "".join(f'<meta name="{name}" content="{escape(value)}">' for name, value in told.items())
    page = VERSION.sub(lambda _: metas, (_folder() / "index.html").read_text("utf-8"))
    page = DATE.sub(f'<meta name="date" content="{time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime())}">', page)
    answer = Response(page, media_type="text/html")
    answer.set_cookie("consent", str(int(time.time() * 1000)), path=PLACE, samesite="strict")
    return answer


async def data(request: Request) -> Response:
    """The file of a variant, named with a suffix that says what it is."""
    session: Session = request.state.session
    variant = request.path_params["name"].rpartition(".")[0]
    try:
        content = await session.client.variant_file(
            request.path_params["model"], variant, request.path_params["version"]
        )
    except Lwm2mMlError as error:
        raise HTTPException(error.status if isinstance(error, ApiError) else 503, str(error)) from error
    return Response(content, media_type="application/octet-stream")


async def file(request: Request) -> Response:
    """A file of the viewer's package."""
    name = request.path_params["file"]
    path = _folder() / name
    if not NAME.fullmatch(name) or path.suffix not in TYPES or not path.is_file():
        raise HTTPException(404)
    return FileResponse(path, media_type=TYPES[path.suffix], headers={"Cache-Control": "private, max-age=86400"})


def _folder() -> Path:
    found = importlib.util.find_spec("netron")
    if found is None or found.origin is None:
        raise HTTPException(501, "Netron is not installed: pip install netron")
    return Path(found.origin).parent


def _suffix(content: bytes) -> str:
    """What a file is, by how it begins."""
    if content[4:8] == b"TFL3":
        return ".tflite"
    if content.startswith(b"PK"):
        return ".keras"
    return ".h5" if content.startswith(b"\x89HDF") else ".onnx"
