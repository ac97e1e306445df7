"""What is checked of a payload before it is run, and which figures are kept after it was."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from lwm2m_ml.compiler.backends.interface import Basis, Cost, Declaration, Format, Payload, Request
from lwm2m_ml.compiler.backends.isolation import BackendFailed
from lwm2m_ml.compiler.ir import Graph
from lwm2m_ml.compiler.targets import Target
from lwm2m_ml.errors import InvalidInputError

if TYPE_CHECKING:
    from lwm2m_ml.compiler.proof import Proof

MAXIMUM_CODE_BYTES = 64 << 20
_MAXIMUM_ARENA_BYTES = 1 << 30
_MAXIMUM_FILES = 16
_ADDRESSED = frozenset({Format.NATIVE, Format.WASM, Format.C_SOURCES})


class TooLarge(InvalidInputError):
    """The module needs more than the caller allows."""


def accept(payload: Payload, request: Request, declaration: Declaration) -> None:
    """Check what a payload says of itself; raises BackendFailed for what cannot be, TooLarge beyond the constraints."""
    wrong = next(_contradictions(payload, request.graph, declaration), None)
    if wrong is not None:
        raise BackendFailed(declaration.name, f"answered a payload that cannot be used: {wrong}")
    limits = request.constraints
    for what, needed, allowed in (
        ("flash", len(payload.code), limits.flash_bytes if payload.format != Format.C_SOURCES else None),
        ("RAM", payload.arena_bytes, limits.ram_bytes),
    ):
        if allowed is not None and needed > allowed:
            raise TooLarge(
                f"The module of the backend {declaration.name} needs {needed:,} B of {what}, {allowed:,} B are allowed"
            )


def _contradictions(payload: Payload, graph: Graph, declaration: Declaration) -> Iterator[str]:
    if payload.format not in declaration.formats or payload.format not in set(Format):
        yield f"its format {payload.format[:40]!r} is none of those declared, {', '.join(declaration.formats)}"
    if not 0 < len(payload.code) <= MAXIMUM_CODE_BYTES:
        yield f"it is {len(payload.code):,} bytes long"
    if not 0 <= payload.arena_bytes <= _MAXIMUM_ARENA_BYTES:
        yield f"its arena is {payload.arena_bytes:,} bytes long"
    if len(payload.files) > _MAXIMUM_FILES or any("/" in name or name.startswith(".") for name in payload.files):
        yield "its files have impossible names or are too many"
    if payload.format in _ADDRESSED:
        yield from _misplaced(payload, graph)


def _misplaced(payload: Payload, graph: Graph) -> Iterator[str]:
    for name in (*graph.inputs, *graph.outputs):
        offset = payload.offsets.get(name)
        if offset is None:
            yield f"it does not say where {name} lies"
        elif offset < 0 or offset + graph.tensor(name).bytes > payload.arena_bytes:
            yield f"{name} at offset {offset} does not lie in the arena of {payload.arena_bytes} bytes"


def final_cost(payload: Payload, proof: "Proof", target: Target, backend: str) -> Cost:
    """The figures that hold: measured where the module was run and counted, else the backend's own, under its name.

    Sources that ran on another core than the target's say little of it: those figures are an estimate.
    """
    if proof.instructions is not None:
        elsewhere = payload.format == Format.C_SOURCES and payload.executed_on not in (None, target.core)
        told = payload.cost if elsewhere else None
        return Cost(
            basis=Basis.ESTIMATED if elsewhere else Basis.MEASURED,
            source=proof.executor if told is None else f"{told.source}, else {proof.executor}",
            flash_bytes=proof.code_bytes if told is None else told.flash_bytes,
            ram_bytes=payload.arena_bytes + proof.stack_bytes,
            instructions=proof.instructions,
        )
    claimed = payload.cost or Cost(Basis.ESTIMATED, "unknown", len(payload.code))
    return Cost(
        basis=Basis.ESTIMATED,
        source=f"{backend}: {claimed.source}",
        flash_bytes=len(payload.code),
        ram_bytes=claimed.ram_bytes,
        latency_seconds=claimed.latency_seconds,
    )
