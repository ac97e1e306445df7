"""What can be wrong with a module package, its parts and its keys."""

from lwm2m_ml.errors import InvalidInputError, Lwm2mMlError
from lwm2m_ml.module.results import ModuleResult


class ModuleRejected(InvalidInputError):
    """A package must not be installed; `result` is what the device reports in 42770/x/12."""

    def __init__(self, result: ModuleResult, why: str) -> None:
        super().__init__(why)
        self.result = result


class DamagedBlock(ModuleRejected):
    """A block of the payload is not what its signed hash says; the same block, fetched again, may be good."""


class MalformedCborError(InvalidInputError):
    """Bytes are not the deterministic CBOR that this format uses."""


class InvalidDescriptorError(InvalidInputError):
    """A module descriptor lacks something, has something of the wrong type or contradicts itself."""


class InvalidPackageFactsError(InvalidInputError):
    """What a package is to be built from cannot be expressed in one."""


class KeyFileError(Lwm2mMlError):
    """A key file cannot be read, decrypted or written, or holds another kind of key."""
