"""An update as a device gives it (42772/x/17): CBOR, deterministic, with integer keys.

    {0: 1, 1: token, 2: digest of the module, 3: examples, 4: mean loss, 5: encoding, 6: numbers, 7: vector}

The token is that of the round and of the device, so an update is good once, for one round, from one device.
"""

from dataclasses import dataclass, field
from typing import Any

import numpy
from numpy.typing import NDArray

from lwm2m_ml.learning.errors import InvalidUpdate, InvalidVector
from lwm2m_ml.learning.terms import VectorEncoding
from lwm2m_ml.learning.vectors import decode_vector, encode_vector, encoded_bytes
from lwm2m_ml.module import cbor
from lwm2m_ml.module.errors import MalformedCborError

VERSION = 1
MAXIMUM_HEAD_BYTES = 128
"""What an update takes beside its vector, at most."""
MAXIMUM_TOKEN_BYTES = 32
_KEYS = frozenset(range(8))
_DIGEST_BYTES = 32
_MAXIMUM_EXAMPLES = 1 << 32


@dataclass(frozen=True, slots=True, eq=False)
class Update:
    """How far a device's parameters went. `examples` and `loss` are 0 where the device was told to keep them."""

    token: bytes
    module_digest: bytes
    examples: int
    loss: float
    delta: NDArray[numpy.float32] = field(repr=False)

    def encode(self, encoding: VectorEncoding) -> bytes:
        """Write the update; raises InvalidVector for numbers that cannot be written so."""
        return cbor.encode(
            {
                0: VERSION,
                1: self.token,
                2: self.module_digest,
                3: self.examples,
                4: float(self.loss),
                5: int(encoding),
                6: len(self.delta),
                7: encode_vector(self.delta, encoding),
            }
        )

    @classmethod
    def decode(cls, content: bytes, parameters: int) -> "Update":
        """Read an update of a model with so many parameters; raises InvalidUpdate with what is wrong."""
        most = encoded_bytes(parameters, VectorEncoding.FLOAT32) + MAXIMUM_HEAD_BYTES
        _require(len(content) <= most, f"it has {len(content):,} B, at most {most:,} are possible")
        try:
            value = cbor.decode(content)
        except MalformedCborError as error:
            raise InvalidUpdate(f"The update is malformed: {error.message}") from None
        _require(isinstance(value, dict) and set(value) == _KEYS, "it is no map with the keys 0 to 7")
        entry: dict[int, Any] = value
        _require(entry[0] == VERSION, f"its version is {str(entry[0])[:20]}, not {VERSION}")
        _require(_is_octets(entry[1], 1, MAXIMUM_TOKEN_BYTES), "it has no token")
        _require(_is_octets(entry[2], _DIGEST_BYTES, _DIGEST_BYTES), "it has no digest of a module")
        _require(_is_count(entry[3]), "it has no number of examples")
        _require(isinstance(entry[4], float) and 0 <= entry[4] < float("inf"), "its loss is no number of at least 0")
        _require(_is_count(entry[5]) and entry[5] in set(VectorEncoding), "its encoding is not known")
        _require(_is_count(entry[6]) and entry[6] == parameters, f"it does not have {parameters:,} numbers")
        _require(isinstance(entry[7], bytes), "it has no vector")
        try:
            delta = decode_vector(entry[7], parameters, VectorEncoding(entry[5]))
        except InvalidVector as error:
            raise InvalidUpdate(f"The update cannot be used: {error.message}") from None
        return cls(entry[1], entry[2], entry[3], entry[4], delta)


def _require(condition: bool, problem: str) -> None:
    if not condition:
        raise InvalidUpdate(f"The update cannot be used: {problem}")


def _is_octets(value: object, least: int, most: int) -> bool:
    return isinstance(value, bytes) and least <= len(value) <= most


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= _MAXIMUM_EXAMPLES
