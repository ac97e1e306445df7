"""Sensor measurement lists in either notation: names, times and values resolved (RFC 8428, Core TS V1_2 §7.4.5)."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from lwm2m_ml.lwm2m.codecs.codec_error import MAX_RECORDS, CodecError
from lwm2m_ml.lwm2m.codecs.typed import exact_type, resource_type, typed
from lwm2m_ml.lwm2m.definitions import Catalogue, ResourceType
from lwm2m_ml.lwm2m.path import ObjectPath, PathError
from lwm2m_ml.lwm2m.record import Record
from lwm2m_ml.lwm2m.value import ObjectLink, Value, ValueFormatError

_HINT = "Send a SenML pack as LwM2M profiles it"
Label = int | str
"""What stands before an item: a short text in JSON, mostly a number in CBOR."""

_MAX_TIME = 2.0**53
REMEMBERED_BASES = 256
REMEMBERED_NAMES = 256

_VERSION = 10


@dataclass(frozen=True, slots=True)
class Notation:
    """How JSON or CBOR writes labels, bytes and floats; `read_data` is the inverse of `write_data`."""

    base_version: Label
    base_name: Label
    base_time: Label
    base_value: Label
    name: Label
    time: Label
    number: Label
    text: Label
    boolean: Label
    data: Label
    object_link: Label
    read_data: Callable[[object], bytes]
    write_data: Callable[[bytes], object]
    write_float: Callable[[float], object]

    def readers(self) -> dict[Label, Callable[[object], Value | None]]:
        """Return what turns the item under each value label into a value."""
        return {
            self.number: _read_number,
            self.text: _read_text,
            self.boolean: _read_boolean,
            self.data: self.read_data,
            self.object_link: _read_object_link,
        }


class _Bases:
    """What earlier records of a pack have set for later ones."""

    __slots__ = ("name", "time", "value")

    def __init__(self) -> None:
        self.name = ""
        self.time = 0.0
        self.value = 0.0


class _Names:
    """What names mean below a base: the paths, and the types of the resources there.

    Devices say the same few names again and again. Names that mean nothing are not remembered.
    """

    __slots__ = ("_base", "_catalogue", "_known")

    def __init__(self, base: ObjectPath, catalogue: Catalogue) -> None:
        self._base = base
        self._catalogue = catalogue
        self._known: dict[str, tuple[ObjectPath, ResourceType, type | None]] = {}

    def resource(self, name: str) -> tuple[ObjectPath, ResourceType, type | None]:
        """The path of a full name, the type there, and the Python type that needs no conversion."""
        known = self._known.get(name)
        if known is None:
            path = _resolve(name, self._base)
            kind = resource_type(path, self._catalogue)
            known = path, kind, exact_type(kind)
            if len(self._known) >= REMEMBERED_NAMES:
                self._known.clear()
            self._known[name] = known
        return known


_names = functools.lru_cache(maxsize=REMEMBERED_BASES)(_Names)


class PackReader:
    """Reads packs in one notation."""

    def __init__(self, notation: Notation) -> None:
        self._notation = notation
        self._name = notation.name
        self._readers = notation.readers()

    def records(self, pack: object, base: ObjectPath, catalogue: Catalogue, prefix: str = "") -> tuple[Record, ...]:
        """Return the records of a pack. Base name, time and value count until a later record replaces them."""
        if type(pack) is not list or len(pack) > MAX_RECORDS:
            raise CodecError(f"A SenML pack is not a list of at most {MAX_RECORDS} records", hint=_HINT)
        names = _names(base, catalogue)
        bases = _Bases()
        records = []
        for index, entry in enumerate(pack):
            if type(entry) is not dict:
                raise CodecError("A SenML record is not a map", hint=_HINT)
            name, time, value, has_value = self._plain(entry) or self._fields(entry, bases)
            if name is None and not has_value and not self._names_by_base(pack, index):
                continue
            if bases.value and type(value) in {int, float} and self._notation.number in entry:
                value += bases.value  # type: ignore[operator]
            full_name = bases.name if name is None else bases.name + name
            path, kind, exact = names.resource(_without_prefix(full_name, prefix) if prefix else full_name)
            if value is not None and type(value) is not exact:
                value = typed(value, kind, path)
            records.append(Record(path, value, bases.time + time or None))
        return tuple(records)

    def _plain(self, entry: dict[Label, object]) -> tuple[str, float, Value | None, bool] | None:
        """Read a record that is a name and a value, as most are."""
        if len(entry) != 2:
            return None
        (label, name), (other, item) = entry.items()
        read = self._readers.get(other)
        return (name, 0.0, read(item), True) if label == self._name and type(name) is str and read else None

    def _fields(self, entry: dict[Label, object], bases: _Bases) -> tuple[str | None, float, Value | None, bool]:
        """Return name, time and value of one record, and whether it has a value; take over the bases it sets."""
        notation, readers = self._notation, self._readers
        name: str | None = None
        time = 0.0
        value: Value | None = None
        has_value = False
        for label, item in entry.items():
            if label == notation.name:
                name = _text(item)
            elif label in readers:
                if has_value:
                    raise CodecError("A SenML record has more than one value", hint=_HINT)
                value = readers[label](item)
                has_value = True
            elif label == notation.base_name:
                bases.name = _text(item)
            elif label == notation.time:
                time = _number(item)
            elif label == notation.base_time:
                bases.time = _number(item)
            else:
                self._check_other(label, item, bases)
        return name, time, value, has_value

    def _names_by_base(self, pack: list[object], index: int) -> bool:
        """Tell whether a record with neither name nor value names a path by its base name, rather than only setting it.

        It does when no later record builds on that base name.
        """
        entry, following = pack[index], pack[index + 1] if index + 1 < len(pack) else None
        label = self._notation.base_name
        if not isinstance(entry, dict) or label not in entry:
            return False
        return following is None or (isinstance(following, dict) and label in following)

    def _check_other(self, label: object, item: object, bases: _Bases) -> None:
        # RFC 8428 §4.4: a label that ends with an underscore must be understood; §4.2: versions above 10 are not ours.
        if label == self._notation.base_value:
            bases.value = _number(item)
        elif isinstance(label, str) and label.endswith("_"):
            raise CodecError(f"A SenML record needs the extension {label[:20]!r}", hint=_HINT)
        elif label == self._notation.base_version and not (type(item) is int and 0 < item <= _VERSION):
            raise CodecError("A SenML pack has an unknown version", hint=_HINT)


def _without_prefix(name: str, prefix: str) -> str:
    return name.removeprefix(f"/{prefix}") if name.startswith(f"/{prefix}/") else name


def _resolve(name: str, base: ObjectPath) -> ObjectPath:
    try:
        if name.startswith("/"):
            path = ObjectPath.parse(name)
        elif name:
            path = ObjectPath.parse(f"{base}/{name}" if base.level else f"/{name}")
        else:
            path = base
    except PathError as error:
        raise CodecError(error.message, hint=error.hint) from error
    if not base.contains(path):
        raise CodecError(f"{path} is not part of {base}", hint="A payload may hold only what its request addressed")
    return path


def _text(item: object) -> str:
    if type(item) is not str:
        raise CodecError("A SenML name is not text", hint=_HINT)
    return item


def _number(item: object) -> float:
    if type(item) not in {int, float} or not -_MAX_TIME < item < _MAX_TIME:  # type: ignore[operator]
        raise CodecError("A SenML time or base value is not a number within bounds", hint=_HINT)
    return float(item)  # type: ignore[arg-type]


def _read_number(item: object) -> int | float | None:
    if item is None or type(item) is int or type(item) is float:
        return item
    raise CodecError("A SenML number is not a number", hint=_HINT)


def _read_text(item: object) -> str:
    if type(item) is not str:
        raise CodecError("A SenML string is not text", hint=_HINT)
    return item


def _read_boolean(item: object) -> bool:
    if type(item) is not bool:
        raise CodecError("A SenML boolean is not true or false", hint=_HINT)
    return item


def _read_object_link(item: object) -> ObjectLink:
    try:
        return ObjectLink.parse(_read_text(item))
    except ValueFormatError as error:
        raise CodecError(error.message, hint=error.hint) from error


def build_pack(
    records: Sequence[Record], notation: Notation, base: ObjectPath, catalogue: Catalogue, prefix: str = ""
) -> list[object]:
    """Return the pack that says what the records say; names begin with the prefix of a device behind a gateway.

    The first record carries the longest common base name, unless the pack only names paths; base times keep every
    timestamp exact. A timestamp of 0 means "now" and reads back as None.
    """
    lead = f"/{prefix}" if prefix else ""
    common = "" if all(record.value is None for record in records) else _common_prefix(records)
    base_time = 0.0
    pack: list[object] = []
    for record in records:
        if not base.contains(record.path):
            raise CodecError(f"{record.path} is not part of {base}", hint="Write it in a request of its own")
        entry: dict[Label, object] = {}
        if common and not pack:
            entry[notation.base_name] = lead + common
        timestamp = record.timestamp or 0.0
        offset = timestamp - base_time
        if base_time + offset != timestamp or (not timestamp and offset) or (timestamp and not base_time):
            entry[notation.base_time] = _compact(timestamp, notation)
            base_time, offset = timestamp, 0.0
        name = str(record.path)[len(common) :]
        if not common:
            name = lead + name
        if name:
            entry[notation.name] = name
        if offset:
            entry[notation.time] = _compact(offset, notation)
        if record.value is not None:
            label, item = _written(typed(record.value, resource_type(record.path, catalogue), record.path), notation)
            entry[label] = item
        pack.append(entry)
    return pack


def _common_prefix(records: Sequence[Record]) -> str:
    if len(records) == 1:
        return str(records[0].path)
    first, last = min(record.path for record in records), max(record.path for record in records)
    level = min(record.path.level for record in records) - 1
    while level > 0 and first.segments[:level] != last.segments[:level]:
        level -= 1
    return f"{first.ancestor(level)}/" if level > 0 else ""


def _compact(number: float, notation: Notation) -> object:
    return int(number) if number.is_integer() else notation.write_float(number)


def _written(value: Value, notation: Notation) -> tuple[Label, object]:
    if isinstance(value, bool):
        return notation.boolean, value
    if isinstance(value, str):
        return notation.text, value
    if isinstance(value, bytes):
        return notation.data, notation.write_data(value)
    if isinstance(value, ObjectLink):
        return notation.object_link, str(value)
    return notation.number, notation.write_float(value) if isinstance(value, float) else value
