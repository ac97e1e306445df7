"""The targets that ship with the project, one file each, and those of a directory of the user's own."""

import platform
from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import cache
from importlib import resources
from pathlib import Path

from lwm2m_ml.compiler.targets.errors import InvalidTargetFile, UnknownInstructionSet, UnknownTarget
from lwm2m_ml.compiler.targets.flags import normalised_flags
from lwm2m_ml.compiler.targets.reader import read_core, read_mcu
from lwm2m_ml.compiler.targets.target import Proof, Target
from lwm2m_ml.errors import UsageError

_MAX_FILE_BYTES = 64 * 1024

# How operating systems call the architectures that have a core here.
_MACHINES = {"x86_64": "x86-64", "amd64": "x86-64", "aarch64": "aarch64", "arm64": "aarch64"}


@cache
def shipped_targets() -> dict[str, Target]:
    """All targets of the package, by name: cores first, then microcontrollers, each in alphabetical order."""
    root = resources.files(__package__)
    cores = {
        target.name: target
        for target in (
            _named(read_core(entry.read_text("utf-8"), file=entry.name), entry.name) for entry in _files(root / "cores")
        )
    }
    mcus = {
        target.name: target
        for target in (
            _named(read_mcu(entry.read_text("utf-8"), cores, file=entry.name), entry.name)
            for entry in _files(root / "mcus")
        )
    }
    host = _host(cores)
    return cores | {host.name: host} | mcus


def core_names() -> tuple[str, ...]:
    """Names of the shipped cores."""
    return tuple(name for name, target in shipped_targets().items() if target.is_core)


def target_names() -> tuple[str, ...]:
    """Names of all shipped targets, cores first."""
    return tuple(shipped_targets())


def load_target(name: str) -> Target:
    """Find a shipped target by name; raises `UnknownTarget`."""
    try:
        return shipped_targets()[name.strip().lower()]
    except KeyError:
        raise UnknownTarget(name, target_names()) from None


def read_target_file(path: Path) -> Target:
    """Read a microcontroller's or a core's file that does not ship with the project; raises `InvalidTargetFile`."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise UsageError(f"Cannot read {path}: {error.strerror}") from None
    if len(content) > _MAX_FILE_BYTES:
        raise InvalidTargetFile(path.name, "file", f"is larger than {_MAX_FILE_BYTES} bytes")
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError:
        raise InvalidTargetFile(path.name, "file", "is not UTF-8") from None
    cores = {name: target for name, target in shipped_targets().items() if target.is_core}
    try:
        return read_mcu(text, cores, file=path.name)
    except InvalidTargetFile as error:
        if error.key != "architecture":
            raise
    return read_core(text, file=path.name)


def target_for_instruction_set(flags: Iterable[str]) -> Target:
    """The most capable core whose instructions a device with these flags all has.

    This serves devices whose own name is unknown. Floating-point calling conventions are part of the choice: a core
    with an FPU is chosen only for a device that reports one. Raises `UnknownInstructionSet`.
    """
    given = normalised_flags(flags)
    candidates = [
        core
        for core in shipped_targets().values()
        if core.is_core
        and core.name != "host"
        and core.isa
        and core.can_compile
        and normalised_flags(core.isa) <= given
    ]
    if not candidates:
        raise UnknownInstructionSet(given)
    return max(candidates, key=lambda core: (len(normalised_flags(core.isa)), core.name))


def _host(cores: Mapping[str, Target]) -> Target:
    """The computer that this program runs on: the plainest core of its architecture, or one without a compiler."""
    machine = platform.machine().lower()
    core = cores.get(_MACHINES.get(machine, ""), None)
    title = f"This computer ({machine or 'unknown'})"
    if core is None:
        core = replace(cores["x86-64"], isa=(), compiler_flags=(), emulator_cpu=None, proof=Proof.NONE)
    return replace(core, name="host", core="host", title=title)


def _files(directory: resources.abc.Traversable) -> list[resources.abc.Traversable]:
    return sorted((entry for entry in directory.iterdir() if entry.name.endswith(".toml")), key=lambda e: e.name)


def _named(target: Target, file: str) -> Target:
    if f"{target.name}.toml" != file:
        raise InvalidTargetFile(file, "name", f"{target.name!r} must be the file's name")
    return target
