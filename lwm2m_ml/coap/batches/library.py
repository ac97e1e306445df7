"""The compiled half: built by zig when it is first wanted, kept in the user's cache, loaded with ctypes.

It speaks C only, not CPython, so that one build serves every Python version and needs no headers.
"""

import ctypes
import functools
import hashlib
import importlib.util
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from lwm2m_ml.coap.errors import CoapError

SOURCE = Path(__file__).with_name("batch.c")
COMPILE_TIMEOUT = 120.0
LARGEST_BATCH = 64
NAME_BYTES = 28
"""An address as the kernel writes it: `struct sockaddr_in6`, or `sockaddr_in` and zeros."""


class BatchesUnavailable(CoapError):
    """Datagrams must be moved one by one on this machine."""


@functools.cache
def load() -> ctypes.PyDLL:
    """The library; raises `BatchesUnavailable` where it cannot be had. May take seconds the first time."""
    if not sys.platform.startswith("linux"):
        raise BatchesUnavailable(f"{sys.platform} has no recvmmsg")
    try:
        library = ctypes.PyDLL(str(_built()))
    except OSError as error:
        raise BatchesUnavailable(f"The batch library cannot be used: {error}") from error
    number, size, address = ctypes.c_int, ctypes.c_uint32, ctypes.c_void_p
    library.receive_batch.argtypes = [number, number, address, size, address, address]
    library.send_batch.argtypes = [number, number, *[ctypes.c_char_p] * 3]
    return library


def _built() -> Path:
    """The compiled library, from the cache or from the compiler."""
    source = SOURCE.read_bytes()
    digest = hashlib.sha256(source).hexdigest()[:16]
    built = _cache() / f"coap-batches-{os.uname().machine}-{digest}.so"
    if not built.exists():
        if importlib.util.find_spec("ziglang") is None:
            raise BatchesUnavailable("There is no compiler for the batch library")
        built.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=built.parent) as directory:
            made = Path(directory) / built.name
            _compile(made)
            made.replace(built)
    return built


def _cache() -> Path:
    """Where compiled things are kept: `LWM2M_ML_CACHE`, else the user's cache directory."""
    chosen = os.environ.get("LWM2M_ML_CACHE")
    if chosen:
        return Path(chosen)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "lwm2m-ml"


def _compile(output: Path) -> None:
    command = [sys.executable, "-m", "ziglang", "cc", "-O2", "-shared", "-fPIC", "-o", str(output), str(SOURCE)]
    try:
        subprocess.run(command, check=True, capture_output=True, text=True, timeout=COMPILE_TIMEOUT)
    except subprocess.CalledProcessError as error:
        raise BatchesUnavailable(f"The batch library cannot be compiled: {error.stderr.strip()[-500:]}") from error
    except subprocess.TimeoutExpired as error:
        raise BatchesUnavailable("The compiler of the batch library does not come to an end") from error
