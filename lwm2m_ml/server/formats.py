"""Which content format to use with a device: what it told, what its version prescribes, what experience taught."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from lwm2m_ml.lwm2m.content_formats import ContentFormat
from lwm2m_ml.lwm2m.record import Record
from lwm2m_ml.lwm2m.registration import RegistrationParameters

# Most compact first. LwM2M CBOR is younger than SenML CBOR, and fewer devices get it right.
_TREES = {
    "1.0": (ContentFormat.TLV, ContentFormat.LWM2M_JSON),
    "1.1": (ContentFormat.SENML_CBOR, ContentFormat.SENML_JSON, ContentFormat.TLV, ContentFormat.LWM2M_JSON),
    "1.2": (
        ContentFormat.SENML_CBOR,
        ContentFormat.LWM2M_CBOR,
        ContentFormat.SENML_JSON,
        ContentFormat.TLV,
        ContentFormat.LWM2M_JSON,
    ),
}
_SENML = (
    ContentFormat.SENML_CBOR,
    ContentFormat.SENML_JSON,
    ContentFormat.SENML_ETCH_CBOR,
    ContentFormat.SENML_ETCH_JSON,
)


@dataclass(slots=True)
class DeviceFormats:
    """The formats of one device; experience is kept until the device tells something else about itself."""

    version: str
    told: frozenset[int]
    _refused: set[int] = field(default_factory=set)
    _proven: int | None = None

    def concerns(self, parameters: RegistrationParameters) -> bool:
        """Whether the device still says of itself what this was built on."""
        return (self.version, self.told) == (parameters.version, parameters.content_formats)

    def to_read(self) -> tuple[int | None, ...]:
        """Formats to ask for, best first; None, the last, leaves the choice to the device."""
        return (*self._ordered(self._trees()), None)

    def to_write(self, records: Sequence[Record], *, single: bool) -> tuple[int, ...]:
        """Formats to send values in, best first; `single` when the payload is the value of one resource."""
        trees = self._ordered(self._trees())
        if not single or len(records) != 1:
            return trees
        plain = ContentFormat.OPAQUE if isinstance(records[0].value, bytes) else ContentFormat.TEXT
        # Every client of 1.0 knows plain text and opaque; later ones tell what they know, if they tell anything.
        first = not self.told or self.version == "1.0" or plain in self.told
        return self._ordered((plain, *trees) if first else (*trees, plain))

    def composite(self) -> tuple[int, ...]:
        """Formats for composite operations, best first."""
        return self._ordered(tuple(one for one in _SENML if one in self.told) or _SENML)

    def learn(self, used: int | None, failed: Sequence[int | None]) -> None:
        """Note that `used` worked after those in `failed` did not."""
        self._refused.update(one for one in failed if one is not None)
        if used in self._trees():
            self._proven = used

    def is_proven(self, content_format: int | None) -> bool:
        """Whether the device has answered in this format before."""
        return content_format is not None and content_format == self._proven

    def _trees(self) -> tuple[int, ...]:
        known = _TREES.get(self.version, _TREES["1.1"])
        return tuple(one for one in known if one in self.told) if self.told else known

    def _ordered(self, formats: Sequence[int]) -> tuple[int, ...]:
        usable = [one for one in formats if one not in self._refused] or list(formats)
        return tuple(sorted(usable, key=lambda one: one != self._proven))


class Formats:
    """The formats of all devices."""

    def __init__(self) -> None:
        self._devices: dict[str, DeviceFormats] = {}

    def of(self, parameters: RegistrationParameters) -> DeviceFormats:
        """What is known of a registered device."""
        endpoint = parameters.endpoint or ""
        known = self._devices.get(endpoint)
        if known is None or not known.concerns(parameters):
            known = self._devices[endpoint] = DeviceFormats(parameters.version, parameters.content_formats)
        return known

    def forget(self, endpoint: str) -> None:
        """A device left."""
        self._devices.pop(endpoint, None)
