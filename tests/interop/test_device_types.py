"""A device on Eclipse Leshan's client library that knows nothing of models, and gets one through object 9 alone."""

import asyncio
import base64
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from lwm2m_ml.app import running as running_service
from lwm2m_ml.client.client import AsyncClient
from lwm2m_ml.client.schemas.fit import DeviceType
from lwm2m_ml.config import Settings
from lwm2m_ml.module.inspection import inspect_package
from lwm2m_ml.module.manifest import PayloadEncoding
from lwm2m_ml.module.package import verify_package
from lwm2m_ml.module.signing import VerificationKey

pytestmark = [pytest.mark.interop, pytest.mark.timeout(720)]  # the first one may have to download

NAME = "leshan-device"
OUR_DEFINITIONS = Path(__file__).parents[2] / "objects"
SOFTWARE_MANAGEMENT = 9
INSTALL, ACTIVATE = 4, 10
STORAGE, MEMORY = 65_536, 32_768
NATIVE = (2,)


@pytest_asyncio.fixture
async def service(tmp_path: Path) -> AsyncIterator[tuple[AsyncClient, str]]:
    """The whole service: a client of its API, and where devices register."""
    settings = Settings(data_directory=tmp_path / "data", coap_port=0, api_port=0, insecure=True, compile_workers=1)
    async with running_service(settings) as (where, http, listener):
        serving = asyncio.create_task(http.serve(sockets=[listener]))
        async with AsyncClient(where.api, where.first_token or "") as client:
            yield client, where.uris["coap"]
        http.should_exit = True
        await serving


@pytest.fixture
def definitions(models: str, tmp_path: Path) -> str:
    """What Leshan is to know of objects: object 9 is not among those that it ships."""
    folder = tmp_path / "objects"
    shutil.copytree(models, folder)
    shutil.copy(OUR_DEFINITIONS / f"{SOFTWARE_MANAGEMENT}.xml", folder)
    return str(folder)


async def finished(client: AsyncClient, campaign_id: str) -> Any:
    """The only device of a deployment, once that has ended."""
    async with asyncio.timeout(120):
        while not (await client.campaign(campaign_id)).finished:  # noqa: ASYNC110 - as clients do
            await asyncio.sleep(0.1)
    (row,) = await client.campaign_devices(campaign_id)
    return row


async def test_a_device_of_a_type_gets_a_module_that_verifies_and_tells_so_by_object_9_alone(
    start_peer: Any, service: tuple[AsyncClient, str], definitions: str
) -> None:
    client, uri = service
    leshan = DeviceType(
        name="leshan",
        manufacturer="Eclipse*",
        model_number="lib*",
        target="cortex-m7",
        storage_bytes=STORAGE,
        memory_bytes=MEMORY,
    )
    await client.add_device_type(leshan)
    device = await start_peer("Device", NAME, uri, "300", definitions, "software")
    await device.told("registered")

    row = await finished(client, (await client.deploy("digits", [NAME])).id)
    assert (row.state, row.reason) == ("active", "")
    assert row.target == "cortex-m7"

    objects = {path.split("/")[1] for path in (await client.device(NAME)).objects}
    assert objects == {"1", "3", "9", "32770"}

    package = base64.b64decode((await device.told("downloaded"))["package"])
    assert row.ota_bytes >= len(package) == row.module_bytes
    anchor = VerificationKey.from_pem((await client.trust_anchor()).pem.encode())
    manifest = inspect_package(package).manifest
    verified = verify_package(
        package,
        trust_anchors=[anchor],
        vendor_id=manifest.vendor_id,
        class_id=manifest.class_id,
        storage_bytes=STORAGE,
        working_memory_bytes=MEMORY,
        sequence_floor=0,
        abi="1.0.0",
        formats=NATIVE,
        encodings=(PayloadEncoding(0),),
    )
    assert (verified.descriptor.model_name, verified.descriptor.model_version) == ("digits", row.expected)

    assert (await device.told("software", resource=INSTALL))["state"] == 4
    assert (await device.told("software", resource=ACTIVATE))["active"]
    state = {one.path: one.value for one in await client.read(NAME, "/9/0")}
    assert (state["/9/0/7"], state["/9/0/9"], state["/9/0/12"]) == (4, 2, True)
    assert row.reported is None  # object 9 names the package, and not the model in it


async def test_a_device_of_no_type_is_refused(
    start_peer: Any, service: tuple[AsyncClient, str], definitions: str
) -> None:
    client, uri = service
    device = await start_peer("Device", NAME, uri, "300", definitions, "software")
    await device.told("registered")
    row = await finished(client, (await client.deploy("digits", [NAME])).id)
    assert (row.state, row.reason) == ("refused", "no ML runtime reported")
    assert not device.has_told("downloaded")
