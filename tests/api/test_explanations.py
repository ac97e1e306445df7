"""A variant explained on a target: layers, memory plan, and the module as files."""

import asyncio
import io
import json
import zipfile
from pathlib import Path

import pytest

from lwm2m_ml.client.client import AsyncClient
from lwm2m_ml.client.errors import ApiError
from lwm2m_ml.client.schemas import Explanation
from lwm2m_ml.service import zoo


async def test_a_variant_is_explained_and_its_module_downloaded(client: AsyncClient) -> None:
    job = await client.explain_variant("digits", "digits-small", "cortex-m0plus")
    async with asyncio.timeout(110):
        while job.ended_at is None:
            await asyncio.sleep(0.1)
            job = await client.job(job.id)
    assert (job.state, job.error) == ("done", "")
    found = Explanation.model_validate(job.result)
    assert found.instructions is not None
    assert 0.9 * found.instructions < sum(layer.instructions for layer in found.layers) <= found.instructions
    assert max(layer.ram_bytes for layer in found.layers) == found.layers[found.peak_layer].ram_bytes
    assert max(buffer.offset + buffer.bytes for buffer in found.buffers) <= found.arena_bytes
    with zipfile.ZipFile(io.BytesIO(await client.explained_module(found.archive))) as archive:
        facts = json.loads(archive.read("module.json"))
        assert len(archive.read(facts["module"])) > 1_000
    assert (facts["target"], facts["flash_bytes"]) == ("cortex-m0plus", found.flash_bytes)


async def test_what_is_not_there_cannot_be_explained_or_downloaded(client: AsyncClient) -> None:
    with pytest.raises(ApiError, match="no variant"):
        await client.explain_variant("digits", "digits-huge", "cortex-m0plus")
    with pytest.raises(ApiError) as raised:
        await client.explained_module("0" * 64)
    assert raised.value.status == 404


async def test_targets_can_be_compiled_for(client: AsyncClient) -> None:
    targets = {target.name: target for target in await client.targets()}
    assert targets["cortex-m0plus"].is_core
    assert targets["nrf52840"].clock_hz == 64_000_000


async def test_the_file_of_a_variant_is_given_as_it_was_added(client: AsyncClient) -> None:
    with pytest.raises(ApiError):
        await client.variant_file("digits", "digits-huge")
    given = await client.variant_file("digits", "digits-small", "1.0.0")
    shipped = Path(zoo.__file__).parent / "shipped" / "digits" / "digits-small.onnx"
    assert given == shipped.read_bytes()
