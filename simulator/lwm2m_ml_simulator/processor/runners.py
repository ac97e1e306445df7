"""Emulated CPUs that wait for work, shared by all devices whose flash holds the same module for the same target.

A module keeps all its state in the arena and on the stack, so a CPU that ran it for one device can run it for the next;
ten thousand devices then need as many emulators as there are threads and modules, not ten thousand.
"""

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager

from lwm2m_ml.compiler.emulator import ModuleRunner
from lwm2m_ml.compiler.targets import Target
from lwm2m_ml.module.descriptor import Descriptor

_Key = tuple[bytes, str, int, int]


class RunnerPool:
    """At most `kept` idle emulators; the one unused for the longest time goes first. Safe for threads."""

    def __init__(self, kept: int = 8) -> None:
        self._kept = kept
        self._lock = threading.Lock()
        self._idle: OrderedDict[int, tuple[_Key, ModuleRunner]] = OrderedDict()

    @contextmanager
    def borrow(self, payload: bytes, target: Target, descriptor: Descriptor) -> Iterator[ModuleRunner]:
        """Lend an emulator with this payload loaded; after an exception it is not used again."""
        digest = hashlib.sha256(payload).digest()
        key = (digest, target.name, descriptor.arena_bytes, descriptor.stack_bytes)
        runner = self._take(key) or ModuleRunner(
            payload, target, arena_bytes=descriptor.arena_bytes, stack_bytes=descriptor.stack_bytes
        )
        yield runner
        self._give_back(key, runner)

    def _take(self, key: _Key) -> ModuleRunner | None:
        with self._lock:
            for number, (waiting, _) in self._idle.items():
                if waiting == key:
                    return self._idle.pop(number)[1]
        return None

    def _give_back(self, key: _Key, runner: ModuleRunner) -> None:
        with self._lock:
            self._idle[id(runner)] = (key, runner)
            while len(self._idle) > self._kept:
                self._idle.popitem(last=False)
