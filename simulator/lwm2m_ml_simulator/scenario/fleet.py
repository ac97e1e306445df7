"""Fleets described by data: a TOML file, checked key by key, becomes the profiles of simulated devices."""

import tomllib
from dataclasses import dataclass, replace
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from lwm2m_ml.compiler.targets import Target, load_target
from lwm2m_ml.errors import Lwm2mMlError
from lwm2m_ml.lwm2m.bootstrap import SecurityMode
from lwm2m_ml_simulator.device.device_security import DeviceSecurity, OscoreKeys, certificate_security
from lwm2m_ml_simulator.device.faults import BitRot, Faults, PackageBitFlip
from lwm2m_ml_simulator.device.profile import DeliveryObject, DeviceProfile
from lwm2m_ml_simulator.errors import InvalidFleet
from lwm2m_ml_simulator.modules.decoders import DecoderLimits
from lwm2m_ml_simulator.modules.download import FetchSettings
from lwm2m_ml_simulator.network.conditions import Conditions
from lwm2m_ml_simulator.objects.device import DeviceIdentity

DEMO_FLEET = "demo.toml"
MAXIMUM_FILE_BYTES = 1024 * 1024
MAXIMUM_DEVICES = 100_000
_DEFAULT_ERASE_BLOCK, _DEFAULT_WRITE_ALIGNMENT = 4096, 4

Bytes = Annotated[int, Field(gt=0, le=1 << 32)]
Count = Annotated[int, Field(ge=0, le=1 << 32)]
Seconds = Annotated[float, Field(gt=0, le=1e7)]
Bit = Annotated[int, Field(ge=0, le=7)]


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class BitRotTable(_Table):
    """`bit_rot = { after_inferences = 20, bit = 3, payload_offset = 100 }`; without offset, a bit that matters."""

    payload_offset: Count | None = None
    bit: Bit = 0
    after_inferences: Count = 0


class PackageBitFlipTable(_Table):
    """`package_bit_flip = { offset = 100, bit = 3 }`."""

    offset: Count
    bit: Bit = 0


class FaultsTable(_Table):
    """`[device.faults]`: what goes wrong with the device, once each."""

    power_cut_after_blocks: Bytes | None = None
    bit_rot: BitRotTable | None = None
    package_bit_flip: PackageBitFlipTable | None = None

    def faults(self) -> Faults:
        """Return the facts of this table."""
        return Faults(
            self.power_cut_after_blocks,
            BitRot(**self.bit_rot.model_dump()) if self.bit_rot else None,
            PackageBitFlip(**self.package_bit_flip.model_dump()) if self.package_bit_flip else None,
        )


Hex = Annotated[str, Field(pattern="^([0-9a-fA-F]{2}){0,64}$")]


class OscoreTable(_Table):
    """`[device.security.oscore]`: a context from the device's side, everything in hexadecimal."""

    master_secret: Annotated[str, Field(pattern="^([0-9a-fA-F]{2}){16,64}$")]
    sender_id: Hex
    recipient_id: Hex
    master_salt: Hex = ""
    id_context: Hex = ""

    def keys(self) -> OscoreKeys:
        """Return the keys."""
        return OscoreKeys(**{name: bytes.fromhex(value) for name, value in self.model_dump().items()})


class SecurityTable(_Table):
    """`[device.security]`: how the device proves itself to the server.

    With `key` (hexadecimal) it is a pre-shared key, whose `identity` is the endpoint name unless it says otherwise;
    several devices have `{endpoint}` in theirs. With `certificate`, `private_key` and `server_certificate` these are
    files in PEM. `bootstrap = true`: the server is a bootstrap server, which gives the device its accounts.
    """

    key: Annotated[str, Field(pattern="^([0-9a-fA-F]{2}){4,64}$")] | None = None
    identity: Annotated[str, Field(min_length=1, max_length=128)] = "{endpoint}"
    certificate: str | None = None
    private_key: str | None = None
    server_certificate: str | None = None
    bootstrap: bool = False
    oscore: OscoreTable | None = None

    def security(self, endpoint: str) -> DeviceSecurity:
        """Return the keys of one device; raises InvalidFleet."""
        security = self._transport_security(endpoint)
        return security if self.oscore is None else replace(security, oscore=self.oscore.keys())

    def _transport_security(self, endpoint: str) -> DeviceSecurity:
        files = (self.certificate, self.private_key, self.server_certificate)
        given = [Path(file) for file in files if file is not None]
        if self.key is not None and given:
            raise InvalidFleet("a device has a pre-shared key or certificates, not both")
        if self.key is not None:
            identity = self.identity.replace("{endpoint}", endpoint).encode()
            secret = bytes.fromhex(self.key)
            return DeviceSecurity(SecurityMode.PRE_SHARED_KEY, identity, secret, bootstrap=self.bootstrap)
        if not given:
            return DeviceSecurity(bootstrap=self.bootstrap)
        if len(given) != len(files):
            raise InvalidFleet("certificate, private_key and server_certificate belong together")
        return certificate_security(*given, bootstrap=self.bootstrap)


class DeviceTable(_Table):
    """`[[device]]`: `count` devices of one kind. Sizes in bytes, times in seconds unless the key says otherwise.

    What is left out comes from the target's own file: memory, clock, geometry of the flash.
    """

    endpoint: Annotated[str, Field(min_length=1, max_length=200)]
    target: str
    slot_bytes: Bytes
    count: Annotated[int, Field(ge=1, le=MAXIMUM_DEVICES)] = 1
    slots: Annotated[int, Field(ge=1, le=8)] = 2
    ram_bytes: Bytes | None = None
    working_memory_bytes: Bytes | None = None
    clock_hz: Annotated[float, Field(gt=0)] | None = None
    erase_block_bytes: Bytes | None = None
    write_bytes: Bytes | None = None
    block_bytes: Annotated[int, Field(ge=16, le=1024)] = 512
    delivery: DeliveryObject = Field(DeliveryObject.SOFTWARE_MANAGEMENT, strict=False)
    manufacturer: str = "lwm2m-ml"
    model_number: str | None = None
    lifetime: Annotated[int, Field(ge=1)] = 300
    trial_period: Annotated[int, Field(ge=1)] = 120
    inference_period_ms: Annotated[int, Field(ge=1)] = 100
    outage: Seconds = 1.0
    version: Literal["1.0", "1.1", "1.2"] = "1.1"
    queue_awake: Seconds | None = None
    active_power_watts: Annotated[float, Field(gt=0)] | None = None
    staging_bytes: Count = 0
    decoder_memory_bytes: Count = 0
    packet_loss: Annotated[float, Field(ge=0, lt=1)] = 0.0
    security: SecurityTable = SecurityTable()
    faults: FaultsTable = FaultsTable()

    def profiles(self, first_seed: int) -> list[DeviceProfile]:
        """Return one profile per device; several get a number behind the endpoint name."""
        target = load_target(self.target)
        if self.block_bytes & (self.block_bytes - 1):
            raise InvalidFleet(f"block_bytes is {self.block_bytes}, CoAP blocks are powers of two")
        names = [self.endpoint] if self.count == 1 else [f"{self.endpoint}-{n:05}" for n in range(1, self.count + 1)]
        return [self._profile(name, target, first_seed + index) for index, name in enumerate(names)]

    def _profile(self, endpoint: str, target: Target, seed: int) -> DeviceProfile:
        ram_bytes = _known("ram_bytes", self.ram_bytes, target.ram_bytes)
        storage = target.storage
        erase_block = self.erase_block_bytes or (storage and storage.erase_block) or _DEFAULT_ERASE_BLOCK
        write_bytes = self.write_bytes or (storage and storage.write_alignment) or _DEFAULT_WRITE_ALIGNMENT
        return DeviceProfile(
            endpoint=endpoint,
            target=target,
            ram_bytes=ram_bytes,
            # Half of the RAM is left to stack, network and application of the firmware.
            working_memory_bytes=self.working_memory_bytes or ram_bytes // 2,
            slot_bytes=self.slot_bytes,
            clock_hz=_known("clock_hz", self.clock_hz, target.clock_hz),
            slots=self.slots,
            erase_block_bytes=erase_block,
            write_bytes=write_bytes,
            delivery=self.delivery,
            identity=DeviceIdentity(self.manufacturer, self.model_number or self.target, serial_number=endpoint),
            lifetime=self.lifetime,
            trial_period=self.trial_period,
            inference_period_ms=self.inference_period_ms,
            outage=self.outage,
            fetch=FetchSettings(block_bytes=self.block_bytes),
            faults=self.faults.faults(),
            seed=seed,
            version=self.version,
            queue_awake=self.queue_awake,
            conditions=Conditions(loss=self.packet_loss),
            active_power_watts=self.active_power_watts,
            decoders=DecoderLimits(self.decoder_memory_bytes, self.staging_bytes),
            security=self.security.security(endpoint),
        )


class FleetFile(_Table):
    """The whole file: a name, a seed that makes the fleet's misfortunes repeatable, and its devices."""

    name: str
    seed: Count = 0
    device: Annotated[list[DeviceTable], Field(min_length=1, max_length=10_000)]


@dataclass(frozen=True, slots=True)
class FleetDescription:
    """A fleet, ready to be simulated."""

    name: str
    profiles: tuple[DeviceProfile, ...]


def load_fleet(path: Path | None = None) -> FleetDescription:
    """Read a fleet file, the demonstration's without `path`; raises InvalidFleet that names file, device and key."""
    if path is None:
        shipped = resources.files("lwm2m_ml_simulator") / "fleets" / DEMO_FLEET
        return parse_fleet(shipped.read_text("utf-8"), DEMO_FLEET)
    try:
        if path.stat().st_size > MAXIMUM_FILE_BYTES:
            raise InvalidFleet(f"{path} is larger than a fleet file may be ({MAXIMUM_FILE_BYTES:,} B)")
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidFleet(f"The fleet file {path} cannot be read", hint=str(error)) from error
    return parse_fleet(text, path.name)


def parse_fleet(text: str, source: str) -> FleetDescription:
    """Read the text of a fleet file; `source` names it in errors."""
    try:
        document = tomllib.loads(text)
        file = FleetFile.model_validate(document)
    except tomllib.TOMLDecodeError as error:
        raise InvalidFleet(f"{source} is not TOML: {error}") from error
    except ValidationError as error:
        raise InvalidFleet(_first_problem(error, document, source)) from error
    profiles: list[DeviceProfile] = []
    for number, table in enumerate(file.device, start=1):
        if len(profiles) + table.count > MAXIMUM_DEVICES:
            raise InvalidFleet(f"{source}: more than {MAXIMUM_DEVICES:,} devices")
        try:
            profiles += table.profiles(file.seed + len(profiles))
        except Lwm2mMlError as error:
            raise InvalidFleet(
                f"{source}: device {number} ({table.endpoint}): {error.message}", hint=error.hint
            ) from error
    _check_unique(profiles, source)
    return FleetDescription(file.name, tuple(profiles))


def _known(key: str, given: Any, of_target: Any) -> Any:
    value = given if given is not None else of_target
    if value is None:
        raise InvalidFleet(f"{key} is missing, and the target does not say it")
    return value


def _check_unique(profiles: list[DeviceProfile], source: str) -> None:
    seen: set[str] = set()
    for profile in profiles:
        if profile.endpoint in seen:
            raise InvalidFleet(f"{source}: endpoint {profile.endpoint!r} occurs twice")
        seen.add(profile.endpoint)


def _first_problem(error: ValidationError, document: dict[str, Any], source: str) -> str:
    """Say where the first problem is, in the words of the file."""
    problem = error.errors(include_url=False)[0]
    location = list(problem["loc"])
    where = ""
    if len(location) > 1 and location[0] == "device" and isinstance(location[1], int):
        endpoint = document["device"][location[1]].get("endpoint", "without endpoint")
        where = f"device {location[1] + 1} ({endpoint}): "
        location = location[2:]
    key = ".".join(str(part) for part in location)
    return f"{source}: {where}{key}: {problem['msg'].lower()}"
