"""Which content format to use with a device: what it told, what its version prescribes, what experience taught."""

from collections.abc import Sequence
from dataclasses import dataclass

from lwm2m_ml.lwm2m.content_formats import ContentFormat
from lwm2m_ml.lwm2m.definitions import Catalogue
from lwm2m_ml.lwm2m.format_choice import formats_to_try
from lwm2m_ml.lwm2m.path import ObjectPath
from lwm2m_ml.lwm2m.record import Record
from lwm2m_ml.lwm2m.registration import RegistrationParameters
from lwm2m_ml.server.registration import Registration

_SENML = (
    ContentFormat.SENML_CBOR,
    ContentFormat.SENML_JSON,
    ContentFormat.SENML_ETCH_CBOR,
    ContentFormat.SENML_ETCH_JSON,
)
_NAMELESS = frozenset({ContentFormat.TLV, ContentFormat.TEXT, ContentFormat.OPAQUE, ContentFormat.CBOR})


@dataclass(slots=True)
class DeviceFormats:
    """The formats of one device; experience is kept until the device tells something else about itself."""

    version: str
    told: frozenset[int]
    _refused: frozenset[int] = frozenset()
    _proven: int | None = None

    def concerns(self, parameters: RegistrationParameters) -> bool:
        """Whether the device still says of itself what this was built on."""
        return (self.version, self.told) == (parameters.version, parameters.content_formats)

    def to_read(self, path: ObjectPath, catalogue: Catalogue) -> tuple[int | None, ...]:
        """Formats to ask for, best first; None, the last, leaves the choice to the device."""
        return (*self._known(path, catalogue), None)

    def to_write(self, path: ObjectPath, records: Sequence[Record], catalogue: Catalogue) -> tuple[int, ...]:
        """Formats to send these values in, best first.

        One opaque value goes as it is, so that a device need not hold all of a large one to get at it. Any other single
        value goes as text to devices that can do that: those of 1.0, and later ones that do not say otherwise.
        """
        known = self._known(path, catalogue)
        if all(record.value is None for record in records):
            # A Create without values: only TLV can name an instance and nothing in it, or no instance (§6.3.6).
            return tuple(sorted(known, key=lambda one: one != ContentFormat.TLV))
        if len(records) != 1 or records[0].path != path or path.level < 3:
            return known
        opaque = isinstance(records[0].value, bytes)
        plain = ContentFormat.OPAQUE if opaque else ContentFormat.TEXT
        readable = opaque or not self.told or self.version == "1.0" or plain in self.told
        if not readable or plain in self._refused:
            return known
        return (plain, *(one for one in known if one != plain))

    def composite(self) -> tuple[int, ...]:
        """Formats for composite operations, best first."""
        known = [one for one in _SENML if one in self.told] or _SENML
        return self._proven_first([one for one in known if one not in self._refused] or known)

    def learn(self, used: int | None, failed: Sequence[int | None]) -> None:
        """Note that `used` worked after those in `failed` did not."""
        if failed:
            self._refused |= {one for one in failed if one is not None}
        if used is not None and not ContentFormat(used).single_value:
            self._proven = used

    def is_proven(self, content_format: int | None) -> bool:
        """Whether the device has answered in this format before."""
        return content_format is not None and content_format == self._proven

    def _known(self, path: ObjectPath, catalogue: Catalogue) -> tuple[int, ...]:
        return self._proven_first(formats_to_try(path, self.version, self.told, self._refused, catalogue))

    def _proven_first(self, formats: Sequence[int]) -> tuple[int, ...]:
        return tuple(sorted(formats, key=lambda one: one != self._proven))


def without_names(formats: Sequence[int | None]) -> tuple[int | None, ...]:
    """The formats without absolute paths first: in others a gateway puts prefixes into the names of its devices."""
    return tuple(sorted(formats, key=lambda one: one not in _NAMELESS))


class Formats:
    """The formats of all devices."""

    def __init__(self) -> None:
        self._devices: dict[str, DeviceFormats] = {}

    def of(self, registration: Registration) -> DeviceFormats:
        """What is known of a registered device."""
        endpoint, parameters = registration.endpoint, registration.parameters
        known = self._devices.get(endpoint)
        if known is None or not known.concerns(parameters):
            known = self._devices[endpoint] = DeviceFormats(parameters.version, parameters.content_formats)
        return known

    def forget(self, endpoint: str) -> None:
        """A device left."""
        self._devices.pop(endpoint, None)


def answer_format(sent: int) -> int:
    """The format to ask for in answer to a composite request in this one: ETCH formats are for requests only."""
    answers = {
        ContentFormat.SENML_ETCH_CBOR: ContentFormat.SENML_CBOR,
        ContentFormat.SENML_ETCH_JSON: ContentFormat.SENML_JSON,
    }
    return answers.get(ContentFormat(sent), ContentFormat(sent))
