"""What a simulated device is: its parts, its identity, how it behaves, and what will go wrong with it."""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum

from lwm2m_ml.coap.settings import CoapSettings
from lwm2m_ml.compiler.targets import Target
from lwm2m_ml.lwm2m.firmware_update import DeliveryMethod
from lwm2m_ml.lwm2m.path import ObjectPath
from lwm2m_ml.lwm2m.value import Value
from lwm2m_ml.module.descriptor import ModuleFormat
from lwm2m_ml.module.encryption import DecryptionKey
from lwm2m_ml_simulator.client.endpoint import DEVICE_SETTINGS
from lwm2m_ml_simulator.device.device_security import DeviceSecurity
from lwm2m_ml_simulator.device.faults import Faults
from lwm2m_ml_simulator.errors import InvalidFleet
from lwm2m_ml_simulator.memory.flash import FlashGeometry
from lwm2m_ml_simulator.modules.decoders import DecoderLimits
from lwm2m_ml_simulator.modules.fetching import FetchSettings
from lwm2m_ml_simulator.network.conditions import Conditions
from lwm2m_ml_simulator.network.radio import RadioSettings
from lwm2m_ml_simulator.objects.data import DataTemplate
from lwm2m_ml_simulator.objects.device import DeviceIdentity

MINIMUM_JOURNAL_BYTES = 16384
MANIFEST_BYTES = 4096
CONFIGURATION_BYTES = 1024
"""What the configuration of one slot takes in the journal, at most (object 513)."""
RUNTIME_NAME = "lwm2m-ml-native"
RUNTIME_VERSION = "1.0.0"
# The namespace of the names below is our own: UUIDv5 of them gives SUIT's vendor and class identifiers (RFC 4122 §4.3).
_NAMESPACE = uuid.uuid5(uuid.NAMESPACE_DNS, "lwm2m-ml.invalid")


class DeliveryObject(StrEnum):
    """The road that modules take into a device."""

    SOFTWARE_MANAGEMENT = "software-management"
    FIRMWARE_UPDATE = "firmware-update"
    MODEL_CONFIGURATION = "model-configuration"


@dataclass(frozen=True, slots=True)
class DeviceProfile:
    """Everything about one simulated device that does not change while it lives. Sizes in bytes, times in seconds."""

    endpoint: str
    target: Target
    ram_bytes: int
    working_memory_bytes: int
    slot_bytes: int
    clock_hz: float
    slots: int = 2
    erase_block_bytes: int = 4096
    write_bytes: int = 4
    delivery: DeliveryObject = DeliveryObject.SOFTWARE_MANAGEMENT
    delivery_method: DeliveryMethod = DeliveryMethod.BOTH
    defers_updates: float = 0.0
    """For how long the device's user puts an update off, where the server lets him (object 5, from 1.2)."""
    identity: DeviceIdentity = field(default_factory=DeviceIdentity)
    vendor: str = "lwm2m-ml"
    device_class: str = ""
    lifetime: int = 300
    trial_period: int = 120
    inference_period_ms: int = 100
    outage: float = 1.0
    fetch: FetchSettings = field(default_factory=FetchSettings)
    faults: Faults = field(default_factory=Faults)
    seed: int = 0
    version: str = "1.1"
    queue_awake: float | None = None
    conditions: Conditions = field(default_factory=Conditions)
    security: DeviceSecurity = field(default_factory=DeviceSecurity)
    decoders: DecoderLimits = field(default_factory=DecoderLimits)
    decryption_key: DecryptionKey | None = None
    module_address: int = 0
    """Where in a whole image the firmware looks for its module; 0 on a device that takes modules by themselves."""
    active_power_watts: float | None = None
    clock_skew: float = 0.0
    claims: Mapping[ObjectPath, Value] = field(default_factory=dict)
    objects: tuple[DataTemplate, ...] = ()
    flash_endurance: int | None = None
    executed_share: float = 1.0
    learns: bool = False
    """Whether the device has object 42772."""

    def __post_init__(self) -> None:
        if self.slot_bytes % self.erase_block_bytes or self.slot_bytes <= 0:
            raise InvalidFleet(f"{self.endpoint}: slot_bytes {self.slot_bytes} is not a number of whole erase blocks")
        if self.slots < 1:
            raise InvalidFleet(f"{self.endpoint}: a device needs at least one slot")
        if self.working_memory_bytes > self.ram_bytes:
            raise InvalidFleet(f"{self.endpoint}: working_memory_bytes is more than ram_bytes")
        if self.working_memory_bytes + self.delivery_memory_bytes > self.ram_bytes:
            raise InvalidFleet(
                f"{self.endpoint}: working_memory_bytes leaves no room for a delivery: manifest, block and decoders "
                f"take {self.delivery_memory_bytes} B of the {self.ram_bytes} B of RAM"
            )

    @property
    def module_format(self) -> ModuleFormat:
        """What the device takes: modules by themselves, or whole images with a module in them."""
        return ModuleFormat.BARE_METAL_IMAGE if self.module_address else ModuleFormat.NATIVE

    @property
    def runs_several_models(self) -> bool:
        """Whether modules of different models run beside each other: what object 513 configures."""
        return self.delivery is DeliveryObject.MODEL_CONFIGURATION

    @property
    def radio(self) -> RadioSettings:
        """How the device's radio behaves."""
        return RadioSettings(self.queue_awake, self.conditions, self.seed)

    @property
    def coap_settings(self) -> CoapSettings:
        """How the device speaks CoAP: one that fetches many blocks at once needs RAM for a whole package."""
        if not self.fetch.windowed:
            return DEVICE_SETTINGS
        return replace(
            DEVICE_SETTINGS,
            q_block_requests=True,
            block_size_exponent=self.fetch.size_exponent,
            maximum_response_body=self.region_bytes,
        )

    @property
    def manifest_buffer_bytes(self) -> int:
        """RAM for the head of a package until its image begins."""
        return min(MANIFEST_BYTES, self.ram_bytes // 4)

    @property
    def delivery_memory_bytes(self) -> int:
        """RAM that a delivery takes while a module runs: manifest, one block, and what decoders need."""
        fetched = self.region_bytes if self.fetch.windowed else self.fetch.block_bytes
        return self.manifest_buffer_bytes + fetched + self.decoders.memory_bytes

    @property
    def vendor_id(self) -> bytes:
        """SUIT vendor identifier."""
        return uuid.uuid5(_NAMESPACE, self.vendor).bytes

    @property
    def class_id(self) -> bytes:
        """SUIT class identifier."""
        return uuid.uuid5(uuid.UUID(bytes=self.vendor_id), self.device_class or self.target.name).bytes

    @property
    def geometry(self) -> FlashGeometry:
        """The part of the flash that holds journal and slots; the firmware's own part is not simulated."""
        total = self.staging_start + self.staging_bytes
        return FlashGeometry(total, self.erase_block_bytes, self.write_bytes)

    @property
    def staging_start(self) -> int:
        """Where the staging area begins: behind the last slot."""
        return self.journal_bytes + self.slots * self.region_bytes

    @property
    def staging_bytes(self) -> int:
        """The flash of the staging area, in whole erase blocks."""
        return -(-self.decoders.staging_bytes // self.erase_block_bytes) * self.erase_block_bytes

    @property
    def journal_bytes(self) -> int:
        """The flash of the journal: two banks of whole erase blocks; what object 513 is told has its place in both."""
        pair = 2 * self.erase_block_bytes
        wanted = MINIMUM_JOURNAL_BYTES + (2 * CONFIGURATION_BYTES * self.slots if self.runs_several_models else 0)
        return -(-wanted // pair) * pair

    @property
    def region_bytes(self) -> int:
        """The flash of one slot: room for an image, and for the manifest and descriptor before it."""
        return self.slot_bytes + -(-MANIFEST_BYTES // self.erase_block_bytes) * self.erase_block_bytes

    @property
    def slot_starts(self) -> Sequence[int]:
        """Where the slots begin in that part."""
        first = self.journal_bytes
        return range(first, first + self.slots * self.region_bytes, self.region_bytes)
