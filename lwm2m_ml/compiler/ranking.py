"""Which backends can serve a device, the likely best first, and why: told from declarations, before a build."""

from collections.abc import Sequence
from dataclasses import dataclass

from lwm2m_ml.compiler.backends.eligibility import why_not
from lwm2m_ml.compiler.backends.interface import Capabilities, Declaration, Format
from lwm2m_ml.compiler.backends.registry import BrokenBackend, InstalledBackend
from lwm2m_ml.compiler.targets import Target

# What costs a device least first: code of its own, code that a runtime translates, a graph that one interprets.
_FORMATS = (Format.NATIVE, Format.WASM, Format.TFLITE)
_WHY = {
    Format.NATIVE: "machine code needs no interpreter",
    Format.WASM: "portable code, for the device's WebAssembly runtime",
    Format.TFLITE: "a graph for the device's interpreter",
}
_USUAL_TYPE = "int8"


@dataclass(frozen=True, slots=True)
class Ranked:
    """A backend for a device: the class that it stands in, why there, and what speaks against it.

    Backends of one class are compared by what their modules cost; a lower class is tried when none of a higher fits.
    """

    name: str
    version: str
    format: str
    place: int
    why: str
    against: str


def rank(
    backends: Sequence[InstalledBackend | BrokenBackend], target: Target, capabilities: Capabilities
) -> tuple[Ranked, ...]:
    """All backends that make modules for devices, those that can serve this one first."""
    found = [_ranked(backend, target, capabilities) for backend in backends]
    delivered = [ranked for ranked in found if ranked.against or ranked.format in _FORMATS]
    return tuple(sorted(delivered, key=lambda ranked: (bool(ranked.against), ranked.place, ranked.name)))


def _ranked(backend: InstalledBackend | BrokenBackend, target: Target, capabilities: Capabilities) -> Ranked:
    if isinstance(backend, BrokenBackend):
        return Ranked(backend.name, "", "", 2 * len(_FORMATS), "", f"it does not work: {backend.problem}")
    declaration = backend.declaration
    kind = _format(declaration, capabilities)
    against = why_not(declaration, None, target, capabilities)
    if kind is None:
        against = against or "what it makes is linked into a firmware, not delivered"
        return Ranked(backend.name, declaration.version, "", 2 * len(_FORMATS), "", against)
    why = _WHY[kind]
    place = _FORMATS.index(kind)
    if declaration.accelerators:
        place, why = -1, f"it uses the {', '.join(set(declaration.accelerators) & set(target.accelerators)) or 'NPU'}"
    elif _USUAL_TYPE not in declaration.data_types:
        place, why = place + len(_FORMATS), f"{why}, but only in {', '.join(declaration.data_types)}"
    return Ranked(backend.name, declaration.version, kind, place, why, against)


def _format(declaration: Declaration, capabilities: Capabilities) -> Format | None:
    """The best of a backend's formats that the device takes."""
    there = capabilities.formats
    return next(
        (kind for kind in _FORMATS if kind in declaration.formats and (there is None or kind in there)),
        next((kind for kind in _FORMATS if kind in declaration.formats), None),
    )
