"""What both cascades need of a running service: models on devices, and how they are wired."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from lwm2m_ml.client.client import AsyncClient
from lwm2m_ml.client.schemas.configurations import ConfigurationChange, ModelConfiguration
from lwm2m_ml.compiler.targets import load_target
from lwm2m_ml.errors import Lwm2mMlError
from lwm2m_ml_simulator.device.profile import DeliveryObject, DeviceProfile
from lwm2m_ml_simulator.objects.data import DataTemplate

PATIENCE = 240.0
POLL = 0.5


def profile(endpoint: str, target: str, *, slot_bytes: int, objects: Sequence[DataTemplate] = ()) -> DeviceProfile:
    """Return a device whose models are configured by object 513."""
    chosen = load_target(target)
    return DeviceProfile(
        endpoint=endpoint,
        target=chosen,
        ram_bytes=chosen.ram_bytes or 262_144,
        working_memory_bytes=(chosen.ram_bytes or 262_144) // 2,
        slot_bytes=slot_bytes,
        clock_hz=chosen.clock_hz or 64e6,
        slots=3,
        delivery=DeliveryObject.MODEL_CONFIGURATION,
        inference_period_ms=50,
        objects=tuple(objects),
    )


async def deploy(client: AsyncClient, model: str, endpoints: Sequence[str]) -> None:
    """Bring a model to devices; raises Lwm2mMlError when one of them does not take it."""

    async def known() -> bool:
        return set(endpoints) <= {one.endpoint for one in await client.devices() if one.profile is not None}

    await until(f"{', '.join(endpoints)} registered", known)
    deployment = await client.deploy(model, list(endpoints))

    async def active() -> bool:
        rows = (await client.deployment(deployment.id)).devices
        for row in rows:
            if row.state in {"failed", "refused"}:
                raise Lwm2mMlError(f"{row.endpoint} did not take {model}: {row.reason}")
        return all(row.state == "active" for row in rows)

    await until(f"{model} on {', '.join(endpoints)}", active)


async def wired(
    client: AsyncClient,
    endpoint: str,
    model: str,
    change: Callable[[ModelConfiguration], ConfigurationChange],
    *,
    behind: str = "",
) -> ModelConfiguration:
    """Wire a model on a device; `change` is made of how it is wired now."""
    found = [one for one in await client.configurations(endpoint, behind=behind) if one.model == model and one.enabled]
    if not found:
        raise Lwm2mMlError(f"{behind or endpoint} does not run {model}")
    return await client.configure(endpoint, found[0].slot, change(found[0]), behind=behind)


async def until(what: str, done: Callable[[], Awaitable[bool]]) -> None:
    """Wait until something is so; raises Lwm2mMlError when it takes too long."""
    for _ in range(round(PATIENCE / POLL)):
        if await done():
            return
        await asyncio.sleep(POLL)
    raise Lwm2mMlError(f"Not within {PATIENCE:.0f} s: {what}")
