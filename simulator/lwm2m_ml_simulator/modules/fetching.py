"""What every way of fetching a package has in common: settings, and what can go wrong."""

from dataclasses import dataclass
from enum import Enum, auto
from pathlib import Path

from lwm2m_ml_simulator.errors import SimulatorError


class DownloadProblem(Enum):
    """Why a package did not arrive; objects 5 and 9 have their own numbers for each."""

    STORAGE = auto()
    CONNECTION_LOST = auto()
    INVALID_URI = auto()
    UNSUPPORTED_PROTOCOL = auto()
    DEVICE_ERROR = auto()


class DownloadFailed(SimulatorError):
    """The package did not arrive."""

    def __init__(self, problem: DownloadProblem, message: str) -> None:
        super().__init__(message)
        self.problem = problem


@dataclass(frozen=True, slots=True)
class FetchSettings:
    """How a device fetches: the size of a block (a power of two, 16..1024) and its patience in seconds.

    `windowed`: it asks for many blocks at once (RFC 9177), which takes RAM for the whole package. `http`: it speaks
    HTTP and HTTPS, too, with `http_first` rather than CoAP. It trusts the certificates in the PEM file `authorities`
    for that, without one those that the public trusts.
    """

    block_bytes: int = 512
    attempts: int = 5
    pause: float = 2.0
    patience: float = 93.0
    windowed: bool = False
    http: bool = False
    http_first: bool = False
    authorities: Path | None = None

    @property
    def size_exponent(self) -> int:
        """SZX of RFC 7959: 0 for 16 bytes, 6 for 1024."""
        return self.block_bytes.bit_length() - 5
