"""The single checks that decide whether a module fits a device: each names what is needed and what is there."""

from dataclasses import dataclass

from lwm2m_ml.compiler.targets import Target, normalised_flags
from lwm2m_ml.service.profiles import MlRuntime
from lwm2m_ml.service.workers.facts import BuildFacts
from lwm2m_ml.service.zoo.model import Variant

NATIVE_FORMAT = 2
INT8_PER_CHANNEL = 3
NO_ENCODING = 0

FORMAT_NAMES = {0: "interpreted graph", 1: "portable", 2: "native position-independent", 3: "bare-metal image"}
DATA_TYPE_NAMES = {
    0: "float32",
    1: "float16",
    2: "int8 per tensor",
    3: "int8 per channel",
    4: "int16×int8",
    5: "int4 weights",
    6: "binary",
}
ALGORITHM_NAMES = {-7: "ES256", -8: "EdDSA", -9: "ESP256", -19: "Ed25519"}
SAME_ALGORITHM = {-8: -19, -9: -7}


@dataclass(frozen=True, slots=True)
class Room:
    """What a device has for a module besides its profile: the slot to use, what that slot gives back, our signature."""

    has_slot: bool
    why_no_slot: str
    reclaimable_storage: int
    reclaimable_memory: int
    signature_algorithm: int
    key_id: bytes


@dataclass(frozen=True, slots=True)
class Shortfall:
    """One reason against a module, and the `change` that would help. `bound`: from a lower bound, before a build."""

    sentence: str
    needed: int | None = None
    available: int | None = None
    bound: bool = False
    change: str = ""

    @property
    def about_size(self) -> bool:
        """Whether a smaller module would help."""
        return self.needed is not None


def check_before_build(variant: Variant, runtime: MlRuntime, room: Room) -> tuple[Shortfall, ...]:
    """Check what needs no build: what the device can do, and the least a variant can need, a byte per weight."""
    shortfalls = [
        shortfall for check in (_slot, _encoding, _algorithm, _trust) if (shortfall := check(runtime, room)) is not None
    ]
    return (*shortfalls, *_sizes(variant.weights, runtime, room, bound=True))


def check_native(target: Target, runtime: MlRuntime) -> tuple[Shortfall, ...]:
    """Check what machine code for a target asks of a device, where nobody ranks the backends."""
    shortfalls = [shortfall for shortfall in (_format(runtime), _data_type(runtime)) if shortfall is not None]
    if not target.can_compile:
        shortfalls.append(Shortfall(f"no backend generates code for {target.name}"))
    return (*shortfalls, *_instruction_set(target.isa, runtime))


def check_build(facts: BuildFacts, package_bytes: int, runtime: MlRuntime, room: Room) -> tuple[Shortfall, ...]:
    """Check a built module: what it is and what it was measured to need."""
    shortfalls: list[Shortfall] = []
    if facts.format not in runtime.formats:
        shortfalls.append(_format_missing(facts.format))
    shortfalls.extend(_operators(facts.operators, runtime))
    shortfalls.extend(_abi(facts.abi, runtime))
    shortfalls.extend(_instruction_set(facts.isa, runtime))
    shortfalls.extend(_sizes(package_bytes, runtime, room, bound=False))
    shortfalls.extend(_memory(facts, runtime, room))
    return tuple(shortfalls)


def memory_limit(runtime: MlRuntime, room: Room) -> int:
    """Return the working memory a new module may use: what is free and what the module it replaces gives back."""
    if runtime.working_memory_free is None:
        return runtime.working_memory_total
    return min(runtime.working_memory_total, runtime.working_memory_free + room.reclaimable_memory)


def _slot(_runtime: MlRuntime, room: Room) -> Shortfall | None:
    return None if room.has_slot else Shortfall(room.why_no_slot)


def _format(runtime: MlRuntime) -> Shortfall | None:
    return None if NATIVE_FORMAT in runtime.formats else _format_missing(NATIVE_FORMAT)


def _format_missing(number: int) -> Shortfall:
    return Shortfall(f"the runtime does not take modules of format {FORMAT_NAMES.get(number, number)}")


def _data_type(runtime: MlRuntime) -> Shortfall | None:
    if INT8_PER_CHANNEL in runtime.data_types:
        return None
    there = ", ".join(DATA_TYPE_NAMES.get(number, str(number)) for number in runtime.data_types) or "none"
    return Shortfall(f"the runtime does not compute {DATA_TYPE_NAMES[INT8_PER_CHANNEL]}, only {there}")


def _encoding(runtime: MlRuntime, _room: Room) -> Shortfall | None:
    if NO_ENCODING in runtime.encodings or not runtime.encodings:
        return None
    return Shortfall("the runtime does not take payloads without encoding")


def _algorithm(runtime: MlRuntime, room: Room) -> Shortfall | None:
    """Compare algorithms; some have two numbers (RFC 9864): EdDSA and Ed25519, ES256 and ESP256."""
    ours = SAME_ALGORITHM.get(room.signature_algorithm, room.signature_algorithm)
    if ours in {SAME_ALGORITHM.get(number, number) for number in runtime.signature_algorithms}:
        return None
    there = ", ".join(ALGORITHM_NAMES.get(number, str(number)) for number in runtime.signature_algorithms) or "nothing"
    name = ALGORITHM_NAMES.get(room.signature_algorithm, str(room.signature_algorithm))
    return Shortfall(f"the runtime does not verify {name} signatures, only {there}")


def _trust(runtime: MlRuntime, room: Room) -> Shortfall | None:
    """A device that lists no anchors does not tell; it will say itself whether it trusts the signature."""
    if not runtime.trust_anchors or room.key_id in runtime.trust_anchors:
        return None
    return Shortfall(f"the device does not trust this service's signing key {room.key_id.hex()[:16]}…")


def _instruction_set(isa: tuple[str, ...], runtime: MlRuntime) -> tuple[Shortfall, ...]:
    missing = normalised_flags(isa) - normalised_flags(runtime.instruction_set)
    if not missing or not runtime.instruction_set:
        return ()
    return (Shortfall(f"the processor lacks {', '.join(sorted(missing))}"),)


def _operators(operators: tuple[str, ...], runtime: MlRuntime) -> tuple[Shortfall, ...]:
    """A device that lists no operators does not tell."""
    missing = sorted(set(operators) - set(runtime.operators)) if runtime.operators else []
    return (Shortfall(f"the interpreter lacks {', '.join(missing)}"),) if missing else ()


def _abi(abi: str, runtime: MlRuntime) -> tuple[Shortfall, ...]:
    """A runtime takes modules of its own major version and of a minor version up to its own (semver)."""
    needed, there = _version(abi), _version(runtime.version)
    if there is not None and needed is not None and needed[0] == there[0] and needed[1] <= there[1]:
        return ()
    return (Shortfall(f"needs runtime version {abi}, the device has {runtime.version}"),)


def _version(text: str) -> tuple[int, int] | None:
    parts = text.split(".")
    if len(parts) < 2 or not all(part.isascii() and part.isdigit() and len(part) < 6 for part in parts[:2]):
        return None
    return int(parts[0]), int(parts[1])


def _sizes(stored: int, runtime: MlRuntime, room: Room, *, bound: bool) -> tuple[Shortfall, ...]:
    """A module lies in one slot: what is free in all of them counts, and what one may hold."""
    free = runtime.storage_free + room.reclaimable_storage
    if runtime.maximum_module_size < free:
        return _needs(stored, runtime.maximum_module_size, "module storage, a slot has {:,} B", bound=bound)
    return _needs(stored, free, "module storage, {:,} B free", bound=bound)


def _memory(facts: BuildFacts, runtime: MlRuntime, room: Room) -> tuple[Shortfall, ...]:
    needed = facts.arena_bytes + facts.stack_bytes
    return _needs(needed, memory_limit(runtime, room), "working memory, {:,} B free", bound=False)


def _needs(needed: int, available: int, words: str, *, bound: bool) -> tuple[Shortfall, ...]:
    if needed <= available:
        return ()
    least = "at least " if bound else ""
    return (Shortfall(f"needs {least}{needed:,} B of {words.format(available)}", needed, available, bound),)
