"""`/packages`: what devices download that prefer HTTP. The address holds a token that only the device was told."""

import re
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Path, Request
from fastapi.responses import Response

from lwm2m_ml.api.authentication import ANYONE
from lwm2m_ml.api.running import Service
from lwm2m_ml.errors import NotFoundError

router = APIRouter(tags=["packages"], include_in_schema=False)

Token = Annotated[str, Path(pattern="^[A-Za-z0-9_-]{1,64}$")]
_ONE_RANGE = re.compile(r"^bytes=(\d{0,12})-(\d{0,12})$")


@router.api_route("/packages/{token}", methods=["GET", "HEAD"], dependencies=[ANYONE])
async def fetch(service: Service, request: Request, token: Token) -> Response:
    """The package, or one range of it (RFC 9110 §14): a device goes on at any byte."""
    try:
        download = service.downloads.get(token)
    except NotFoundError:
        return Response(status_code=HTTPStatus.NOT_FOUND)
    etag, size = f'"{download.etag.hex()}"', len(download.content)
    headers = {"ETag": etag, "Accept-Ranges": "bytes", "Cache-Control": "private, no-store"}
    if etag in request.headers.get("if-none-match", ""):
        return Response(status_code=HTTPStatus.NOT_MODIFIED, headers=headers)
    whole = request.headers.get("if-range", etag) != etag or "range" not in request.headers
    wanted = (0, size) if whole else _range(request.headers["range"], size)
    if wanted is None:
        unsatisfied = {**headers, "Content-Range": f"bytes */{size}"}
        return Response(status_code=HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE, headers=unsatisfied)
    start, end = wanted
    if not whole:
        headers["Content-Range"] = f"bytes {start}-{end - 1}/{size}"
    content = b"" if request.method == "HEAD" else download.content[start:end]
    response = Response(
        content,
        status_code=HTTPStatus.OK if whole else HTTPStatus.PARTIAL_CONTENT,
        headers={**headers, "Content-Length": str(end - start)},
        media_type="application/octet-stream",
    )
    if content:
        download.count(_message_bytes(response), start, end)
    return response


def _range(text: str, size: int) -> tuple[int, int] | None:
    """Return where one range begins and where it has ended; None when it is none that can be served."""
    found = _ONE_RANGE.match(text)
    if found is None or not (found[1] or found[2]):
        return None
    if not found[1]:
        start, end = max(0, size - int(found[2])), size
    else:
        start, end = int(found[1]), min(size, int(found[2]) + 1) if found[2] else size
    return (start, end) if start < end else None


def _message_bytes(response: Response) -> int:
    """How large the answer is on the wire, status line and headers included, TLS and TCP not."""
    return len(response.body) + sum(len(name) + len(value) + 4 for name, value in response.raw_headers) + 19
