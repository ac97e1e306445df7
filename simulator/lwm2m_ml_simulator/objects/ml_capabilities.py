"""Object 42769, ML Device Capabilities: what modules this device can take (objects.md)."""

from aiocoap import Code

from lwm2m_ml_simulator.device.object_ids import ML_CAPABILITIES
from lwm2m_ml_simulator.device.profile import RUNTIME_NAME, RUNTIME_VERSION
from lwm2m_ml_simulator.modules.modules import ModuleManager
from lwm2m_ml_simulator.modules.trust import TrustStore
from lwm2m_ml_simulator.objects.base import (
    Arguments,
    ObjectInstance,
    OperationRefused,
    ResourceValue,
    executable,
    readable,
    writable,
)

NATIVE_MODULE = 2
BRINGS_ITS_OWN_CODE = "native"
INT8_PER_TENSOR, INT8_PER_CHANNEL = 2, 3
EDDSA, ES256 = -8, -7


class MlCapabilities(ObjectInstance):
    """The one runtime of a simulated MCU, on its one core."""

    object_id = ML_CAPABILITIES

    def __init__(self, modules: ModuleManager, trust: TrustStore) -> None:
        super().__init__(0)
        self._modules = modules
        self._profile = modules.profile
        self._trust = trust
        self._benchmark_rate: float | None = None

    @readable(0)
    def runtime_name(self) -> str:
        """Runtime Name."""
        return RUNTIME_NAME

    @readable(1)
    def runtime_version(self) -> str:
        """Runtime Version: the module ABI."""
        return RUNTIME_VERSION

    @readable(2)
    def target(self) -> str:
        """Target."""
        return self._profile.target.name

    @readable(3)
    def clock(self) -> float:
        """Clock in MHz."""
        return self._profile.clock_hz / 1e6

    @readable(4)
    def working_memory_total(self) -> int:
        """Working Memory Total."""
        return self._profile.working_memory_bytes

    @readable(5)
    def working_memory_free(self) -> int:
        """Working Memory Free: what the modules in use leave."""
        return self._profile.working_memory_bytes - self._modules.working_memory_used

    @readable(6)
    def module_storage_total(self) -> int:
        """Module Storage Total."""
        return self._profile.slots * self._profile.slot_bytes

    @readable(7)
    def module_storage_free(self) -> int:
        """Module Storage Free: the slots that may be overwritten."""
        return self.free_module_slots() * self._profile.slot_bytes

    @readable(8)
    def maximum_module_size(self) -> int:
        """Maximum Module Size: a package has to fit into one slot."""
        return self._profile.slot_bytes

    @readable(9)
    def module_slots(self) -> int:
        """Module Slots."""
        return self._profile.slots

    @readable(10)
    def free_module_slots(self) -> int:
        """Free Module Slots."""
        return sum(self._modules.bank.is_free(number) for number in range(self._profile.slots))

    @readable(11)
    def module_formats(self) -> dict[int, int]:
        """Supported Module Formats."""
        return {0: int(self._profile.module_format)}

    @readable(12)
    def operator_set(self) -> str:
        """Operator Set."""
        return BRINGS_ITS_OWN_CODE

    @readable(15)
    def data_types(self) -> dict[int, int]:
        """Supported Data Types."""
        return {0: INT8_PER_TENSOR, 1: INT8_PER_CHANNEL}

    @readable(19)
    def write_alignment(self) -> int:
        """Storage Write Alignment."""
        return self._profile.write_bytes

    @readable(20)
    def erase_block(self) -> int:
        """Storage Erase Block."""
        return self._profile.erase_block_bytes

    @readable(21)
    def payload_encodings(self) -> dict[int, int]:
        """Payload Encodings: what the decoders and the staging area have room for."""
        return {index: int(encoding) for index, encoding in enumerate(self._profile.decoders.encodings)}

    @readable(22)
    def signature_algorithms(self) -> dict[int, int]:
        """Signature Algorithms (COSE)."""
        return {0: EDDSA, 1: ES256}

    @readable(23)
    def encryption_algorithms(self) -> dict[int, int] | None:
        """Encryption Algorithms (COSE): how keys of payloads may be wrapped, for a device that has a key."""
        key = self._profile.decryption_key
        return {0: key.algorithm} if key is not None else None

    @readable(24)
    def trust_anchors(self) -> dict[int, bytes]:
        """Trust Anchors: thumbprints of the keys whose signatures are accepted."""
        return dict(enumerate(key.key_id for key in self._trust.keys))

    @readable(25)
    def vendor_identifier(self) -> bytes:
        """Vendor Identifier."""
        return self._profile.vendor_id

    @readable(26)
    def class_identifier(self) -> bytes:
        """Class Identifier."""
        return self._profile.class_id

    @executable(29)
    async def benchmark(self, arguments: Arguments) -> None:
        """Benchmark: a loop of multiply-accumulates."""
        self._benchmark_rate = await self._modules.machine.benchmark()

    @readable(30)
    def benchmark_rate(self) -> float | None:
        """Benchmark Rate in multiply-accumulates per second."""
        return self._benchmark_rate

    @readable(31)
    def active_power(self) -> float | None:
        """Active Power in watts, where the fleet's description tells it."""
        return self._profile.active_power_watts

    @readable(32)
    def instruction_set(self) -> dict[int, str]:
        """Instruction Set."""
        return dict(enumerate(self._profile.target.isa))

    @readable(33)
    def decoder_window(self) -> int:
        """Decoder Window."""
        return self._profile.decoders.window_bytes

    @readable(34)
    def decoder_memory(self) -> int:
        """Decoder Memory."""
        return self._profile.decoders.memory_bytes

    @readable(35)
    def trust_list_version(self) -> int:
        """Trust List Version: 0 while the keys are those that were provisioned."""
        return self._trust.version

    @readable(36)
    def trust_list(self) -> bytes:
        """Trust List as it was sent; empty without one."""
        return self._trust.document

    @writable(36)
    def write_trust_list(self, value: ResourceValue) -> None:
        """Replace the list, as a whole or not at all."""
        if not isinstance(value, bytes):
            raise OperationRefused(Code.BAD_REQUEST, "a trust list is opaque")
        self._trust.install(value)

    @readable(37)
    def sequence_floor(self) -> int:
        """Sequence Floor."""
        return self._modules.bank.sequence_floor
