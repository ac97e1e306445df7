"""`[[device]]` and `[[client]]`: kinds of devices, with and without a microcontroller."""

import random
from collections.abc import Iterator
from typing import Annotated, Any, Literal

from pydantic import Field

from lwm2m_ml.compiler.targets import Target, load_target
from lwm2m_ml.lwm2m.path import ObjectPath
from lwm2m_ml.module.encryption import SharedKey
from lwm2m_ml_simulator.device.plain import PlainProfile
from lwm2m_ml_simulator.device.profile import DeliveryObject, DeviceProfile
from lwm2m_ml_simulator.errors import InvalidFleet
from lwm2m_ml_simulator.modules.decoders import DecoderLimits
from lwm2m_ml_simulator.modules.fetching import FetchSettings
from lwm2m_ml_simulator.network.conditions import Conditions
from lwm2m_ml_simulator.objects.device import DeviceIdentity
from lwm2m_ml_simulator.scenario.faults_table import FaultsTable
from lwm2m_ml_simulator.scenario.input_table import InputTable
from lwm2m_ml_simulator.scenario.network_table import NetworkTable
from lwm2m_ml_simulator.scenario.object_table import ObjectTable
from lwm2m_ml_simulator.scenario.security_table import SecurityTable
from lwm2m_ml_simulator.scenario.values import (
    Bytes,
    Count,
    Duration,
    PositiveDuration,
    ResourcePath,
    Scalar,
    Share,
    Skew,
    Table,
)

MAXIMUM_DEVICES = 100_000
_DEFAULT_ERASE_BLOCK, _DEFAULT_WRITE_ALIGNMENT = 4096, 4


class JoinTable(Table):
    """`join = { at = "1m", within = "10m" }`: first power-on, for each device at a random moment of that span."""

    at: Duration = 0.0
    within: Duration = 0.0


class KindTable(Table):
    """What all kinds have in common. Times in seconds, or as text such as `"90s"` and `"1h30m"`."""

    endpoint: Annotated[str, Field(min_length=1, max_length=200)]
    count: Annotated[int, Field(ge=1, le=MAXIMUM_DEVICES)] = 1
    manufacturer: str = "lwm2m-ml"
    model_number: str | None = None
    firmware_version: str = "1.0.0"
    lifetime: Annotated[int, Field(ge=1)] = 300
    outage: PositiveDuration = 1.0
    version: Literal["1.0", "1.1", "1.2"] = "1.1"
    queue_awake: PositiveDuration | None = None
    packet_loss: Annotated[Share, Field(lt=1)] = 0.0
    network: NetworkTable | None = None
    security: SecurityTable = SecurityTable()
    clock_skew: Skew = 0.0
    claims: dict[ResourcePath, Scalar] = Field(default_factory=dict)
    object: list[ObjectTable] = Field(default_factory=list)
    join: JoinTable | None = None
    radio: str | None = None

    @property
    def names(self) -> list[str]:
        """The endpoint names; several devices get a number behind theirs."""
        return [self.endpoint] if self.count == 1 else [f"{self.endpoint}-{n:05}" for n in range(1, self.count + 1)]

    def joins(self, seed: int) -> Iterator[tuple[str, float]]:
        """Give each device the moment of its first power-on, where the file says something of it."""
        if self.join is None:
            return
        source = random.Random(f"{seed} {self.endpoint} joins")
        for name in self.names:
            yield name, self.join.at + source.random() * self.join.within

    def common(self, endpoint: str, seed: int, network: Conditions) -> dict[str, Any]:
        """Return the facts that every profile has; `network` is that of the whole file."""
        conditions = self.network.conditions() if self.network is not None else network
        if self.packet_loss:
            if self.network is not None:
                raise InvalidFleet("packet_loss is the short form of network = { loss = … }: give one of them")
            conditions = Conditions(loss=self.packet_loss)
        return {
            "endpoint": endpoint,
            "identity": DeviceIdentity(
                self.manufacturer,
                self.model_number or self.default_model,
                serial_number=endpoint,
                firmware_version=self.firmware_version,
            ),
            "lifetime": self.lifetime,
            "outage": self.outage,
            "seed": seed,
            "version": self.version,
            "queue_awake": self.queue_awake,
            "conditions": conditions,
            "security": self.security.security(endpoint),
            "clock_skew": self.clock_skew,
            "claims": {ObjectPath.parse(path): value for path, value in self.claims.items()},
            "objects": tuple(table.template() for table in self.object),
        }

    @property
    def default_model(self) -> str:
        """The model number of devices whose table names none."""
        return "simulated"


class ClientTable(KindTable):
    """`[[client]]`: `count` plain LwM2M devices of one kind."""

    def profiles(self, first_seed: int, network: Conditions) -> list[PlainProfile]:
        """Return one profile per device; raises InvalidFleet."""
        return [
            PlainProfile(**self.common(name, seed, network)) for seed, name in enumerate(self.names, start=first_seed)
        ]


class DeviceTable(KindTable):
    """`[[device]]`: `count` devices of one kind. Sizes in bytes, times in seconds unless the key says otherwise.

    What is left out comes from the target's own file: memory, clock, geometry of the flash.
    """

    target: str
    slot_bytes: Bytes
    slots: Annotated[int, Field(ge=1, le=8)] = 2
    ram_bytes: Bytes | None = None
    working_memory_bytes: Bytes | None = None
    clock_hz: Annotated[float, Field(gt=0)] | None = None
    erase_block_bytes: Bytes | None = None
    write_bytes: Bytes | None = None
    block_bytes: Annotated[int, Field(ge=16, le=1024)] = 512
    windowed: bool = False
    shared_key: Annotated[str | None, Field(pattern="^[0-9a-fA-F]{32}$", repr=False)] = None
    delivery: DeliveryObject = Field(DeliveryObject.SOFTWARE_MANAGEMENT, strict=False)
    trial_period: Annotated[int, Field(ge=1)] = 120
    inference_period_ms: Annotated[int, Field(ge=1)] = 100
    executed_share: Share = 1.0
    active_power_watts: Annotated[float, Field(gt=0)] | None = None
    staging_bytes: Count = 0
    decoder_memory_bytes: Count = 0
    input: InputTable = InputTable()
    faults: FaultsTable = FaultsTable()

    @property
    def default_model(self) -> str:
        """Devices are called after their microcontroller."""
        return self.target

    def profiles(self, first_seed: int, network: Conditions) -> list[DeviceProfile]:
        """Return one profile per device; raises InvalidFleet."""
        target = load_target(self.target)
        if self.block_bytes & (self.block_bytes - 1):
            raise InvalidFleet(f"block_bytes is {self.block_bytes}, CoAP blocks are powers of two")
        parts = self._parts(target)
        return [
            DeviceProfile(**self.common(name, seed, network), **parts)
            for seed, name in enumerate(self.names, start=first_seed)
        ]

    def _parts(self, target: Target) -> dict[str, Any]:
        """Return what the microcontroller is and does."""
        ram_bytes = _known("ram_bytes", self.ram_bytes, target.ram_bytes)
        storage = target.storage
        return {
            "target": target,
            "ram_bytes": ram_bytes,
            # Half of the RAM is left to stack, network and application of the firmware.
            "working_memory_bytes": self.working_memory_bytes or ram_bytes // 2,
            "slot_bytes": self.slot_bytes,
            "clock_hz": _known("clock_hz", self.clock_hz, target.clock_hz),
            "slots": self.slots,
            "erase_block_bytes": self.erase_block_bytes or (storage and storage.erase_block) or _DEFAULT_ERASE_BLOCK,
            "write_bytes": self.write_bytes or (storage and storage.write_alignment) or _DEFAULT_WRITE_ALIGNMENT,
            "delivery": self.delivery,
            "trial_period": self.trial_period,
            "inference_period_ms": self.inference_period_ms,
            "executed_share": self.executed_share,
            "fetch": FetchSettings(block_bytes=self.block_bytes, windowed=self.windowed),
            "decryption_key": None if self.shared_key is None else SharedKey(bytes.fromhex(self.shared_key)),
            "faults": self.faults.faults(),
            "flash_endurance": self.faults.flash_endurance,
            "active_power_watts": self.active_power_watts,
            "decoders": DecoderLimits(self.decoder_memory_bytes, self.staging_bytes),
        }


def _known(key: str, given: Any, of_target: Any) -> Any:
    value = given if given is not None else of_target
    if value is None:
        raise InvalidFleet(f"{key} is missing, and the target does not say it")
    return value
