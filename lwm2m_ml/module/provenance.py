"""Where a module comes from: enough to build it again and compare digests. Kept on the server, severed for devices."""

from dataclasses import dataclass

from lwm2m_ml.module import cbor, fields
from lwm2m_ml.module.errors import InvalidDescriptorError, MalformedCborError

_FORM = 1
_FORM_KEY, _MODEL, _CALIBRATION, _COMPILER, _BACKEND, _TOOLCHAIN, _PLAN = range(7)
_KEYS = frozenset(range(7))
_DIGEST_BYTES = 32


@dataclass(frozen=True, slots=True)
class Provenance:
    """Digests are SHA-256; a tool is its name and version. `plan` is of options, passes, kernels and memory."""

    model_digest: bytes
    compiler: tuple[str, str]
    backend: tuple[str, str]
    toolchain: tuple[str, str]
    plan_digest: bytes
    calibration_digest: bytes | None = None

    def __post_init__(self) -> None:
        digests = (self.model_digest, self.plan_digest, self.calibration_digest)
        right = all(digest is None or len(digest) == _DIGEST_BYTES for digest in digests)
        fields.require(right, "A digest in the provenance has not 32 bytes")

    def encode(self) -> bytes:
        """Encode, always to the same bytes."""
        entry: dict[int, object] = {
            _FORM_KEY: _FORM,
            _MODEL: self.model_digest,
            _COMPILER: list(self.compiler),
            _BACKEND: list(self.backend),
            _TOOLCHAIN: list(self.toolchain),
            _PLAN: self.plan_digest,
        }
        if self.calibration_digest is not None:
            entry[_CALIBRATION] = self.calibration_digest
        return cbor.encode(entry)

    @classmethod
    def decode(cls, data: bytes) -> "Provenance":
        """Decode what `encode` made; raises InvalidDescriptorError."""
        try:
            value = cbor.decode(data)
        except MalformedCborError as error:
            raise InvalidDescriptorError(f"The provenance is malformed: {error.message}") from error
        entry = fields.MapReader(value, "The provenance", _KEYS)
        form = entry.unsigned(_FORM_KEY)
        fields.require(form == _FORM, f"Form {form} of a provenance is unknown")
        return cls(
            model_digest=entry.octets(_MODEL),
            compiler=_tool(entry, _COMPILER),
            backend=_tool(entry, _BACKEND),
            toolchain=_tool(entry, _TOOLCHAIN),
            plan_digest=entry.octets(_PLAN),
            calibration_digest=entry.octets(_CALIBRATION) if _CALIBRATION in value else None,
        )


def _tool(entry: fields.MapReader, key: int) -> tuple[str, str]:
    words = entry.text_list(key)
    fields.require(len(words) == 2, "A tool in the provenance is not a name and a version")
    return words[0], words[1]
