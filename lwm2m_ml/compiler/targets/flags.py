"""The flags of an instruction set, as compilers and object 42769 spell them, and what each implies."""

from collections.abc import Iterable
from functools import lru_cache

# Single flags that say the same as several others; what a device reports is normalised with these.
_IMPLIED_FLAGS: dict[str, frozenset[str]] = {
    "armv8.1-m.main": frozenset({"armv8-m.main"}),
    "armv8-m.main": frozenset({"armv7-m", "armv8-m.base"}),
    "armv8-m.base": frozenset({"armv6-m", "idiv"}),
    "armv7e-m": frozenset({"armv7-m", "dsp"}),
    "armv7-m": frozenset({"armv6-m", "idiv"}),
    "fpv5-d16": frozenset({"fpv5-sp-d16"}),
    "fpv5-sp-d16": frozenset({"fpv4-sp-d16"}),
    "mve.fp": frozenset({"mve"}),
    "d": frozenset({"f"}),
}


def normalised_flags(flags: Iterable[str]) -> frozenset[str]:
    """Spell out what each flag implies: `armv7e-m` has `dsp`, `rv32imc` is `rv32i`, `m`, `c`."""
    return _closure(tuple(flags))


# Flags come from devices, so what is remembered is bounded.
@lru_cache(maxsize=256)
def _closure(flags: tuple[str, ...]) -> frozenset[str]:
    found: set[str] = set()
    todo = [part for flag in flags for part in _split(flag.strip().lower())]
    while todo:
        flag = todo.pop()
        if flag not in found:
            found.add(flag)
            todo.extend(_IMPLIED_FLAGS.get(flag, ()))
    return frozenset(found)


def _split(flag: str) -> list[str]:
    """Split a RISC-V name into base and one-letter extensions; anything else stays whole."""
    if not flag.startswith("rv32"):
        return [flag]
    letters, *named = flag[4:].split("_")
    letters = letters.replace("g", "imafd")
    return [f"rv32{letters[:1]}", *letters[1:], *named]
