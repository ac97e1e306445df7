"""Keeps the values of a device's data objects moving, and tells those who observe them."""

import asyncio
import random
from collections.abc import Iterable

from lwm2m_ml.lwm2m.path import ObjectPath
from lwm2m_ml_simulator.client.client import Lwm2mClient
from lwm2m_ml_simulator.objects.data import DataInstance, DataTemplate


def data_instances(templates: Iterable[DataTemplate], seed: int) -> tuple[DataInstance, ...]:
    """Return the data objects of one device; their noise is its own."""
    return tuple(
        DataInstance(template, random.Random(f"{seed} {template.object_id} {template.instance_id}"))
        for template in templates
    )


def keep_moving(client: Lwm2mClient, instances: tuple[DataInstance, ...]) -> list[asyncio.Task[None]]:
    """Begin a task for each instance whose values change by themselves."""
    return [
        asyncio.create_task(_move(client, instance), name=f"{client.endpoint} /{instance.object_id}")
        for instance in instances
        if instance.template.waves
    ]


async def _move(client: Lwm2mClient, instance: DataInstance) -> None:
    loop = asyncio.get_running_loop()
    while True:
        await asyncio.sleep(instance.template.every)
        changed = instance.move(loop.time())
        client.notify(*(ObjectPath(instance.object_id, instance.instance_id, number) for number in changed))
