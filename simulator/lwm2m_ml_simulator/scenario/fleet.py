"""Fleets described by data: a TOML file, checked key by key, becomes profiles of devices and what happens to them."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError

from lwm2m_ml.errors import Lwm2mMlError
from lwm2m_ml_simulator.device.plain import PlainProfile
from lwm2m_ml_simulator.device.profile import DeviceProfile
from lwm2m_ml_simulator.energy.power import RadioPower, load_radio
from lwm2m_ml_simulator.errors import InvalidFleet
from lwm2m_ml_simulator.inputs.stream import Source
from lwm2m_ml_simulator.scenario.device_table import MAXIMUM_DEVICES, ClientTable, DeviceTable
from lwm2m_ml_simulator.scenario.event_table import EventTable
from lwm2m_ml_simulator.scenario.events import Event
from lwm2m_ml_simulator.scenario.input_table import InputTable
from lwm2m_ml_simulator.scenario.network_table import NetworkTable
from lwm2m_ml_simulator.scenario.values import Count, PositiveDuration, Table

DEMO_FLEET = "demo.toml"
MAXIMUM_FILE_BYTES = 1024 * 1024
_KINDS = ("device", "client")


class FleetFile(Table):
    """The whole file: a name, a seed that makes a run repeatable, the devices, and what happens to them."""

    name: str
    seed: Count = 0
    time: Literal["real", "virtual"] = "real"
    duration: PositiveDuration | None = None
    network: NetworkTable = NetworkTable()
    device: list[DeviceTable] = Field(default_factory=list, max_length=10_000)
    client: list[ClientTable] = Field(default_factory=list, max_length=10_000)
    event: list[EventTable] = Field(default_factory=list, max_length=10_000)


@dataclass(frozen=True, slots=True)
class FleetDescription:
    """A fleet, ready to be simulated.

    `profiles` are devices with a microcontroller, `plain` those without. `joins` has the seconds after which a device
    is first switched on, `inputs` where the inputs of its sensor come from and how far they have drifted, `radios` what
    its radio draws.
    """

    name: str
    profiles: tuple[DeviceProfile, ...]
    plain: tuple[PlainProfile, ...] = ()
    seed: int = 0
    virtual: bool = False
    duration: float | None = None
    joins: Mapping[str, float] = field(default_factory=dict)
    inputs: Mapping[str, tuple[Source, float]] = field(default_factory=dict)
    events: tuple[Event, ...] = ()
    radios: Mapping[str, RadioPower] = field(default_factory=dict)

    @property
    def size(self) -> int:
        """How many devices there are."""
        return len(self.profiles) + len(self.plain)


def load_fleet(path: Path | None = None, *, seed: int | None = None) -> FleetDescription:
    """Read a fleet file, the demonstration's without `path`; raises InvalidFleet that names file, device and key."""
    if path is None:
        shipped = resources.files("lwm2m_ml_simulator") / "fleets" / DEMO_FLEET
        return parse_fleet(shipped.read_text("utf-8"), DEMO_FLEET, seed=seed)
    try:
        if path.stat().st_size > MAXIMUM_FILE_BYTES:
            raise InvalidFleet(f"{path} is larger than a fleet file may be ({MAXIMUM_FILE_BYTES:,} B)")
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidFleet(f"The fleet file {path} cannot be read", hint=str(error)) from error
    return parse_fleet(text, path.name, folder=path.parent, seed=seed)


def parse_fleet(text: str, source: str, *, folder: Path = Path(), seed: int | None = None) -> FleetDescription:
    """Read the text of a fleet file; `source` names it in errors, files that it names are looked for in `folder`.

    A `seed` takes the place of the file's own.
    """
    try:
        document = tomllib.loads(text)
        file = FleetFile.model_validate(document)
    except tomllib.TOMLDecodeError as error:
        raise InvalidFleet(f"{source} is not TOML: {error}") from error
    except ValidationError as error:
        raise InvalidFleet(_first_problem(error, document, source)) from error
    if not file.device and not file.client:
        raise InvalidFleet(f"{source}: there are no devices", hint="Add a [[device]] or a [[client]]")
    if seed is not None:
        file = file.model_copy(update={"seed": seed})
    return _Reading(file, source, folder).description()


class _Reading:
    """A checked file on its way to profiles."""

    def __init__(self, file: FleetFile, source: str, folder: Path) -> None:
        self._file = file
        self._source = source
        self._folder = folder
        self._network = file.network.conditions()
        self._sources: dict[InputTable, Source] = {}
        self._seen: set[str] = set()

    def description(self) -> FleetDescription:
        """Return the fleet; raises InvalidFleet."""
        file = self._file
        profiles: list[DeviceProfile] = []
        plain: list[PlainProfile] = []
        inputs: dict[str, tuple[Source, float]] = {}
        joins: dict[str, float] = {}
        radios: dict[str, RadioPower] = {}
        tables: list[DeviceTable | ClientTable] = [*file.device, *file.client]
        if sum(table.count for table in tables) > MAXIMUM_DEVICES:
            raise InvalidFleet(f"{self._source}: more than {MAXIMUM_DEVICES:,} devices")
        for number, table in enumerate(tables, start=1):
            first_seed = file.seed + len(self._seen)
            self._note_names(table)
            try:
                if isinstance(table, DeviceTable):
                    profiles += table.profiles(first_seed, self._network)
                    inputs |= dict.fromkeys(table.names, (self._input(table.input), table.input.drift))
                else:
                    plain += table.profiles(first_seed, self._network)
                if table.radio is not None:
                    radios |= dict.fromkeys(table.names, load_radio(table.radio))
            except Lwm2mMlError as error:
                raise InvalidFleet(f"{self._place(table, number)}: {error.message}", hint=error.hint) from error
            joins |= dict(table.joins(file.seed))
        return FleetDescription(
            file.name,
            tuple(profiles),
            tuple(plain),
            file.seed,
            file.time == "virtual",
            file.duration,
            joins,
            inputs,
            tuple(table.event() for table in file.event),
            radios,
        )

    def _input(self, table: InputTable) -> Source:
        """One source serves all devices that read the same file."""
        if table not in self._sources:
            self._sources[table] = table.source(self._folder)
        return self._sources[table]

    def _note_names(self, table: DeviceTable | ClientTable) -> None:
        for endpoint in table.names:
            if endpoint in self._seen:
                raise InvalidFleet(f"{self._source}: endpoint {endpoint!r} occurs twice")
            self._seen.add(endpoint)

    def _place(self, table: DeviceTable | ClientTable, number: int) -> str:
        if isinstance(table, DeviceTable):
            return f"{self._source}: device {number} ({table.endpoint})"
        return f"{self._source}: client {number - len(self._file.device)} ({table.endpoint})"


def _first_problem(error: ValidationError, document: dict[str, Any], source: str) -> str:
    """Say where the first problem is, in the words of the file."""
    problem = error.errors(include_url=False)[0]
    location, place = list(problem["loc"]), source
    if len(location) > 1 and isinstance(location[1], int):
        table = document[str(location[0])][location[1]]
        name = "endpoint" if location[0] in _KINDS else "action"
        called = table.get(name, f"without {name}") if isinstance(table, dict) else "no table"
        place += f": {location[0]} {location[1] + 1} ({called})"
        location = location[2:]
    key = ".".join(str(part) for part in location)
    return ": ".join(filter(None, (place, key, problem["msg"].lower())))
