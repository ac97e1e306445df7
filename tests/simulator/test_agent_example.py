"""The example of docs/simulator.md, as it stands there."""

import asyncio
import re
from pathlib import Path
from typing import Any

from lwm2m_ml_simulator.agent import Lwm2mClient
from lwm2m_ml_simulator.scenario.fleet import parse_fleet

DOCUMENT = (Path(__file__).parents[2] / "docs" / "simulator.md").read_text("utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", DOCUMENT, re.DOTALL)


async def test_the_device_of_the_document_registers_and_is_read(server: Any) -> None:
    (example,) = (block for block in blocks("python") if "Thermometer" in block)
    names: dict[str, Any] = {}
    exec(compile(example, "docs/simulator.md", "exec"), names)  # noqa: S102 - the document is ours
    assert len([line for line in example.splitlines() if line.strip()]) <= 10
    read: list[dict[str, Any]] = []

    class Patient(Lwm2mClient):
        """The example ends at once; this one waits until it was read."""

        async def stop(self, **options: Any) -> None:
            read.append(await server.read("/3303/0"))
            await super().stop(**options)

    names["Lwm2mClient"] = Patient
    await asyncio.wait_for(names["main"](server.uri), 20)
    assert read == [{"/3303/0/5700": 21.5}]
    assert server.registrations[0].endpoint == "my-device"


def test_the_scenario_of_the_document_is_valid() -> None:
    (example,) = blocks("toml")
    fleet = parse_fleet(example, "docs/simulator.md")
    assert (len(fleet.plain), len(fleet.profiles), len(fleet.events)) == (20, 1, 1)
