"""Whether a backend can serve a model on a target: told from its declaration alone, before it is asked."""

from collections.abc import Iterator

from lwm2m_ml.compiler.backends.interface import Capabilities, Declaration
from lwm2m_ml.compiler.ir import DataType, Graph
from lwm2m_ml.compiler.targets import Target

# What a result of an operation is, and what a backend calls the arithmetic behind it.
_NAMES = {DataType.INT8: "int8", DataType.INT16: "int16x8", DataType.FLOAT32: "float32"}


def why_not(declaration: Declaration, graph: Graph | None, target: Target, capabilities: Capabilities) -> str:
    """The reasons against a backend in one sentence, empty when there is none; the model may be left out."""
    reasons = [*_target(declaration, target), *_device(declaration, capabilities)]
    if graph is not None:
        reasons += _model(declaration, graph)
    return "; ".join(reasons)


def _target(declaration: Declaration, target: Target) -> Iterator[str]:
    if declaration.architectures and target.architecture not in declaration.architectures:
        yield f"it makes nothing for {target.architecture.value}"
    missing = [flag for flag in declaration.instruction_set if not target.has(flag)]
    if missing:
        yield f"{target.name} lacks {', '.join(missing)}"
    if "native-pic" in declaration.formats and not target.can_compile:
        yield f"there is no compiler for {target.name}"
    if declaration.accelerators and not set(declaration.accelerators) & set(target.accelerators):
        yield f"{target.name} has none of the units that it compiles for ({_few(declaration.accelerators)})"


def _few(names: tuple[str, ...]) -> str:
    return names[0] if len(names) == 1 else f"{names[0]} … {names[-1]}"


def _device(declaration: Declaration, capabilities: Capabilities) -> Iterator[str]:
    if capabilities.formats is not None and not set(capabilities.formats) & set(declaration.formats):
        there = ", ".join(capabilities.formats) or "none"
        yield f"the device takes modules of format {there}, not {', '.join(declaration.formats)}"
    if capabilities.data_types is not None and not set(capabilities.data_types) & set(declaration.data_types):
        yield f"the device does not compute {', '.join(declaration.data_types)}"


def _model(declaration: Declaration, graph: Graph) -> Iterator[str]:
    kinds = {operation.kind_name for operation in graph.operations}
    unknown = sorted(kinds - set(declaration.operators)) if declaration.operators is not None else []
    if unknown:
        yield f"it does not know {', '.join(unknown)}"
    computed = {graph.result(operation).dtype for operation in graph.operations}
    missing = [name for dtype, name in _NAMES.items() if dtype in computed and name not in declaration.data_types]
    if missing:
        yield f"it does not compute {', '.join(missing)}, only {', '.join(declaration.data_types)}"
