"""The mirror: what must be on disk, and what may lag."""

from typing import Any


async def test_signs_of_life_reach_the_disk_by_themselves(running: Any, device: Any) -> None:
    await device.register()
    await device.update()
    seen = running.server.registry.get("dev").updated_at
    while (await running.store.registrations.all())[0].updated_at != seen:
        await running.store.writer.flush()
