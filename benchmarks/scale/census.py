"""Where memory goes: `python census.py serve …` is `lwm2m-ml serve` that counts its objects when it gets SIGUSR2.

It counts what was made since the server came up: what start-up made is frozen (`lwm2m_ml/coap/tuning.py`), and the
collector does not name it.
"""

import ctypes
import gc
import json
import os
import runpy
import signal
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

FILE = "LWM2M_ML_CENSUS"
"""The environment variable that names the file to write."""


def census() -> dict[str, tuple[int, int]]:
    """Number and bytes of objects by class; texts and numbers, which the collector does not follow, by who has them."""
    tracked = gc.get_objects()
    seen = set(map(id, tracked))
    count: Counter[str] = Counter()
    size: Counter[str] = Counter()
    for one in tracked:
        kind = _name(one)
        count[kind] += 1
        size[kind] += sys.getsizeof(one)
        for part in _parts(one, seen):
            of_kind = f"{_name(part)} of {kind}"
            count[of_kind] += 1
            size[of_kind] += sys.getsizeof(part)
    return {kind: (count[kind], size[kind]) for kind in size}


def _parts(one: object, seen: set[int]) -> Iterator[object]:
    """What an object holds, at any depth, that the collector does not follow and nobody else was found to hold."""
    unseen = [one]
    while unseen:
        for part in gc.get_referents(unseen.pop()):
            if id(part) not in seen and not gc.is_tracked(part):
                seen.add(id(part))
                unseen.append(part)
                yield part


def _name(one: object) -> str:
    kind = type(one)
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"


_MALLINFO = (
    *("arena", "ordblks", "smblks", "hblks", "hblkhd"),
    *("usmblks", "fsmblks", "uordblks", "fordblks", "keepcost"),
)


class _Malloc(ctypes.Structure):
    """`struct mallinfo2` of glibc 2.33: mallinfo(3)."""

    _fields_ = [(name, ctypes.c_size_t) for name in _MALLINFO]


def free_in_malloc() -> int:
    """Bytes that the C library holds and nobody uses; 0 where it does not tell."""
    library = ctypes.CDLL(None)
    if not hasattr(library, "mallinfo2"):
        return 0
    library.mallinfo2.restype = _Malloc
    return int(library.mallinfo2().fordblks)


def write() -> None:
    """Write what was counted, whole or not at all."""
    file = Path(os.environ[FILE])
    part = file.with_suffix(".part")
    part.write_text(json.dumps({"classes": census(), "free_in_malloc": free_in_malloc()}))
    part.rename(file)


if __name__ == "__main__":
    signal.signal(signal.SIGUSR2, lambda *_: write())
    sys.argv[0] = "lwm2m-ml"
    runpy.run_module("lwm2m_ml", run_name="__main__")
