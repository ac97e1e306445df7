"""The devices of the benchmark: eight kinds that differ in links and capabilities, and what is observed of each."""

import random
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from lwm2m_ml.lwm2m.codecs import encode
from lwm2m_ml.lwm2m.content_formats import ContentFormat
from lwm2m_ml.lwm2m.definitions import Catalogue
from lwm2m_ml.lwm2m.path import ObjectPath
from lwm2m_ml.lwm2m.record import Record
from lwm2m_ml.lwm2m.value import Value
from lwm2m_ml.service.resources import CapabilityResource as Capability
from lwm2m_ml.service.resources import DeviceResource
from lwm2m_ml.store import Store
from lwm2m_ml.store.observations import ObservationRecord

TARGETS = ("cortex-m0plus", "cortex-m4f", "rv32imc", "cortex-m33")
KINDS = 8
LINKS = 30
PLANTS = 10
RESULT = "/42771/0"
"""What stays observed of a device, as a campaign leaves it; its free memory and storage are observed by themselves."""
OBSERVATIONS = 3
COMMON = (1, 3, 4, 9, 42769, 42770, 42771)


def endpoint(index: int) -> str:
    """The name of a device, as the herd says it."""
    return f"plant-{index % PLANTS}-sensor-{index:06}"


def target(index: int) -> str:
    """What a device's modules are compiled for."""
    return TARGETS[index % KINDS % len(TARGETS)]


def extra_object(kind: int) -> int:
    """An object that only devices of one kind have."""
    return 20_000 + kind


def describe(file: Path) -> None:
    """Write the kinds as the herd reads them."""
    catalogue = Catalogue.shipped()
    lines = []
    for kind in range(KINDS):
        lines.append("links " + ",".join(links(kind)))
        for path, records in answers(kind).items():
            payload = encode(records, ContentFormat.SENML_CBOR, ObjectPath.parse(path), catalogue)
            lines.append(f"answer {path} {payload.hex()}")
    file.write_text("\n".join([*lines, ""]))


def links(kind: int) -> list[str]:
    """The object list of a kind, with sensors (IPSO objects) up to the number of links."""
    found = [f"</{object_id}/0>" for object_id in (*COMMON, extra_object(kind))]
    sensors = random.Random(kind).sample(range(3300, 3350), LINKS - len(found) - 1)
    return ['</>;rt="oma.lwm2m";ct=112', *found, *(f"</{sensor}/0>" for sensor in sensors)]


def answers(kind: int) -> dict[str, list[Record]]:
    """What devices of a kind say when they are asked, by path."""
    capabilities = list(_records("/42769/0", _capabilities(kind)))
    identity = {
        DeviceResource.MANUFACTURER: "Acme",
        DeviceResource.MODEL_NUMBER: f"M{kind}",
        DeviceResource.FIRMWARE_VERSION: "1.0.0",
    }
    told: dict[str, list[Record]] = {
        "/3": list(_records("/3/0", identity)),
        "/42769": capabilities,
        "/42770": list(_records("/42770/0", {11: 0})),
        RESULT: list(_records(RESULT, {1: 7, 3: 97.5, 5: 1})),
    }
    for resource in (Capability.WORKING_MEMORY_FREE, Capability.MODULE_STORAGE_FREE):
        path = f"/42769/0/{int(resource)}"
        told[path] = [one for one in capabilities if str(one.path) == path]
    return told


async def leave_observations(store: Store, devices: int) -> None:
    """What an earlier run of the server left in its database: one lasting observation of each device."""
    written = [store.observations.put(ObservationRecord(endpoint(index), RESULT)) for index in range(devices)]
    for one in written:
        await one


def pages_expected(devices: int) -> dict[str, tuple[dict[str, object], int]]:
    """Queries over all devices, and how many each has to find."""
    everyone = range(devices)
    return {
        "everyone": ({}, devices),
        "last seen first": ({"sort": "-last_seen"}, devices),
        "one plant": ({"endpoint": "plant-3-*"}, sum(index % PLANTS == 3 for index in everyone)),
        "one target, by registration": (
            {"target": "cortex-m4f", "sort": "registered_at"},
            sum(target(index) == "cortex-m4f" for index in everyone),
        ),
        "one make and object": (
            {"manufacturer": "Acme", "object_id": extra_object(5)},
            sum(index % KINDS == 5 for index in everyone),
        ),
        "seen since yesterday": ({"seen_since": time.time() - 86_400}, devices),
        "nobody": ({"model_number": "none"}, 0),
    }


def _capabilities(kind: int) -> dict[Capability, Value | list[Value]]:
    return {
        Capability.RUNTIME_NAME: "lwm2m-ml runtime",
        Capability.RUNTIME_VERSION: "1.0",
        Capability.TARGET: target(kind),
        Capability.CLOCK: 64.0,
        Capability.WORKING_MEMORY_TOTAL: 65_536,
        Capability.WORKING_MEMORY_FREE: 40_000 + kind,
        Capability.MODULE_STORAGE_TOTAL: 262_144,
        Capability.MODULE_STORAGE_FREE: 131_072,
        Capability.MAXIMUM_MODULE_SIZE: 131_072,
        Capability.MODULE_SLOTS: 2,
        Capability.FREE_MODULE_SLOTS: 1,
        Capability.MODULE_FORMATS: [1],
        Capability.OPERATOR_SET: "1",
        Capability.DATA_TYPES: [1],
        Capability.PAYLOAD_ENCODINGS: [0, 1],
        Capability.SIGNATURE_ALGORITHMS: [-8],
        Capability.TRUST_ANCHORS: [bytes(32)],
        Capability.VENDOR_IDENTIFIER: bytes(15) + b"\1",
        Capability.CLASS_IDENTIFIER: bytes(15) + bytes([kind]),
        Capability.INSTRUCTION_SET: ["v7e-m"],
    }


def _records(base: str, values: Mapping[Any, Value | list[Value]]) -> Iterator[Record]:
    for resource, value in values.items():
        path = ObjectPath.parse(f"{base}/{int(resource)}")
        if isinstance(value, list):
            yield from (Record(path.child(number), one) for number, one in enumerate(value))
        else:
            yield Record(path, value)
