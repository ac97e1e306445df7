"""Packages over HTTP: whole or by ranges, for whoever knows the address."""

from collections.abc import Callable
from typing import Any

import httpx
import pytest

from lwm2m_ml.app import ApiServer, Running
from lwm2m_ml.server.downloads import Download

CONTENT = bytes(range(256)) * 5
Server = tuple[Running, ApiServer]


@pytest.fixture
def publish(server: Server) -> Callable[..., Download]:
    application: Any = server[1].config.app

    def make(**options: Any) -> Download:
        download: Download = application.state.service.downloads.publish(CONTENT, endpoint="dev", **options)
        return download

    return make


async def test_the_whole_package_without_a_token_of_the_api(publish: Any, http: httpx.AsyncClient) -> None:
    download = publish()
    response = await http.get(download.http_uri)
    assert response.content == CONTENT
    assert response.headers["etag"] == f'"{download.etag.hex()}"'
    assert download.finished
    assert download.bytes_served > len(CONTENT)


@pytest.mark.parametrize(
    ("asked", "start", "end"),
    [("bytes=1000-", 1000, 1280), ("bytes=0-0", 0, 1), ("bytes=-10", 1270, 1280), ("bytes=5-9999", 5, 1280)],
)
async def test_a_transfer_goes_on_at_any_byte(
    publish: Any, http: httpx.AsyncClient, asked: str, start: int, end: int
) -> None:
    response = await http.get(publish().http_uri, headers={"Range": asked})
    assert (response.status_code, response.content) == (206, CONTENT[start:end])
    assert response.headers["content-range"] == f"bytes {start}-{end - 1}/{len(CONTENT)}"


async def test_another_package_is_never_continued(publish: Any, http: httpx.AsyncClient) -> None:
    headers = {"Range": "bytes=1000-", "If-Range": '"0123456789abcdef"'}
    response = await http.get(publish().http_uri, headers=headers)
    assert (response.status_code, response.content) == (200, CONTENT)


@pytest.mark.parametrize("asked", ["bytes=1280-", "bytes=9-3", "bytes=-", "lines=1-2", "bytes=0-1,5-6", "bytes=-0"])
async def test_what_is_no_range_of_it_is_416(publish: Any, http: httpx.AsyncClient, asked: str) -> None:
    response = await http.get(publish().http_uri, headers={"Range": asked})
    assert (response.status_code, response.headers["content-range"]) == (416, "bytes */1280")


async def test_head_tells_size_and_etag_and_counts_nothing(publish: Any, http: httpx.AsyncClient) -> None:
    download = publish()
    response = await http.head(download.http_uri)
    assert (response.status_code, response.headers["content-length"]) == (200, "1280")
    assert download.bytes_served == 0
    unchanged = await http.get(download.http_uri, headers={"If-None-Match": response.headers["etag"]})
    assert unchanged.status_code == 304


async def test_what_is_not_there_or_not_any_more_is_404(publish: Any, http: httpx.AsyncClient) -> None:
    expired = publish(lifetime=0.0)
    for address in (expired.http_uri, "/packages/guess", "/packages/" + "a" * 99):
        assert (await http.get(address)).status_code in {404, 422}
