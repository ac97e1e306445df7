"""What workers do. Every heavy import is inside a function, so that the server can name these without loading them."""

import io
import tempfile
import zipfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lwm2m_ml.errors import InvalidInputError
from lwm2m_ml.service.monitoring.baseline import DriftBaseline
from lwm2m_ml.service.workers.facts import (
    BackendFacts,
    BuildAnswer,
    BuildFacts,
    ExplanationAnswer,
    LearningFacts,
    ModelFacts,
    ReferenceAnswers,
    TensorFacts,
)

if TYPE_CHECKING:
    import numpy
    from numpy.typing import NDArray

    from lwm2m_ml.compiler import CompiledModule

    Floats = NDArray[numpy.float32]


BASELINE_INPUTS = 512
"""Inputs that a drift baseline is measured on, at most: more of them change little, and each has to be inferred."""


DATA_TYPES = {0: "float32", 2: "int8", 3: "int8", 4: "int16x8"}
"""What backends call the data types of ML Device Capabilities."""


@dataclass(frozen=True, slots=True)
class Samples:
    """Calibration inputs as they are stored: an `.npz` file and the name of the array in it."""

    content: bytes
    array: str


def inspect_model(model: bytes) -> ModelFacts:
    """Read a model with the compiler's front end, which refuses what cannot be compiled, and count its weights."""
    from lwm2m_ml.compiler.frontends.load import load_model  # noqa: PLC0415

    graph = load_model(model)
    weights = sum(tensor.elements for tensor in graph.tensors.values() if tensor.is_constant)
    return ModelFacts(weights=weights)


def rank_backends(
    target: str, formats: Sequence[int], data_types: Sequence[int], operators: Sequence[str]
) -> tuple[BackendFacts, ...]:
    """Rank all installed backends for a device; the numbers are those of ML Device Capabilities."""
    from lwm2m_ml.compiler.backends.interface import Capabilities, Format  # noqa: PLC0415
    from lwm2m_ml.compiler.backends.registry import installed_backends  # noqa: PLC0415
    from lwm2m_ml.compiler.ranking import rank  # noqa: PLC0415
    from lwm2m_ml.compiler.targets import load_target  # noqa: PLC0415

    capabilities = Capabilities(
        formats=tuple(kind for kind in Format if kind.number in formats),
        operators=tuple(operators) or None,
        data_types=tuple(dict.fromkeys(DATA_TYPES[number] for number in data_types if number in DATA_TYPES)),
    )
    ranked = rank(installed_backends(), load_target(target), capabilities)
    return tuple(BackendFacts(each.name, each.version, each.place, each.why, each.against) for each in ranked)


def build_module(
    model: bytes, samples: Samples | None, target: str, plan: str, backend: str | None = None
) -> BuildAnswer:
    """Compile a model for a target and measure the result on the emulated MCU."""
    from lwm2m_ml.compiler import compile as compile_model  # noqa: PLC0415
    from lwm2m_ml.compiler.plan_digest import plan_digest  # noqa: PLC0415
    from lwm2m_ml.compiler.targets import load_target  # noqa: PLC0415

    module = compile_model(model, load_target(target), calibration=_load(samples), optimize=plan, backend=backend)
    return BuildAnswer(
        payload=module.payload,
        facts=BuildFacts(
            target=target,
            isa=tuple(module.isa),
            backend=module.backend,
            backend_version=module.compiler,
            plan_digest=plan_digest(module),
            operators=tuple(module.operators),
            format=_format_number(module),
            abi=module.abi,
            flash_bytes=module.flash_bytes,
            ram_bytes=module.ram_bytes,
            arena_bytes=module.arena_bytes,
            stack_bytes=module.stack_bytes,
            instructions=module.instructions,
            macs=module.macs,
            weight_bytes=module.weight_bytes,
            lower_bound_arena_bytes=module.lower_bound_arena_bytes,
            max_abs_diff=int(module.max_abs_diff or 0),
            exact=bool(module.exact),
            inputs=tuple(map(_tensor, module.inputs)),
            outputs=tuple(map(_tensor, module.outputs)),
            vectors=tuple((bytes(given), bytes(expected)) for given, expected in module.vectors),
            learning=_learning(module),
        ),
    )


def _learning(module: "CompiledModule") -> LearningFacts | None:
    fact = module.learning
    if fact is None:
        return None
    return LearningFacts(fact.layers, fact.parameters, fact.offset, fact.state_bytes, fact.step_instructions or 0)


def explain_module(model: bytes, samples: Samples | None, target: str, plan: str) -> ExplanationAnswer:
    """Compile a model for a target with this project's compiler and measure each layer."""
    from lwm2m_ml.compiler.explanation import explain  # noqa: PLC0415
    from lwm2m_ml.compiler.saved_module import facts_of  # noqa: PLC0415
    from lwm2m_ml.compiler.targets import load_target  # noqa: PLC0415

    explanation = explain(model, load_target(target), calibration=_load(samples), optimize=plan)
    facts = {
        **facts_of(explanation.module),
        "layers": [
            {**asdict(layer.fact), "instructions": layer.instructions, "ram_bytes": layer.live_bytes}
            for layer in explanation.layers
        ],
        "peak_layer": explanation.peak,
        "buffers": [asdict(buffer) for buffer in explanation.module.buffers],
    }
    return ExplanationAnswer(facts, _archive(explanation.module))


def _archive(module: "CompiledModule") -> bytes:
    """What `save_module` writes, in a ZIP archive."""
    from lwm2m_ml.compiler.saved_module import save_module  # noqa: PLC0415

    content = io.BytesIO()
    with tempfile.TemporaryDirectory() as directory, zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        root = Path(directory)
        save_module(module, root)
        for file in sorted(path for path in root.rglob("*") if path.is_file()):
            archive.write(file, file.relative_to(root))
    return content.getvalue()


def _format_number(module: "CompiledModule") -> int:
    """The number of ML Device Capabilities, resource Supported Module Formats."""
    from lwm2m_ml.compiler.backends.interface import Format  # noqa: PLC0415

    number = Format(module.format).number
    if number is None:
        raise InvalidInputError(f"What the backend {module.backend} makes is not delivered to devices")
    return number


def measure_baseline(model: bytes, samples: Samples | None, classes: int) -> DriftBaseline | None:
    """Measure what inputs and answers of a model look like by its calibration data; None for a model without any."""
    inputs = _load(samples)
    if inputs is None:
        return None
    from lwm2m_ml.compiler import evaluate  # noqa: PLC0415
    from lwm2m_ml.service.workers.drift_baseline import measure  # noqa: PLC0415

    inputs = inputs[:BASELINE_INPUTS]
    outputs = evaluate(model, inputs, inputs).reshape(len(inputs), -1)
    decided = outputs.argmax(axis=1).tolist() if outputs.shape[1] == classes else ()
    return measure(inputs, decided, classes)


def head_parameters(model: bytes, samples: Samples | None) -> bytes:
    """Return what the trainable layers of a model begin with, float32; the same for every target."""
    from lwm2m_ml.compiler.compilation import declared_layers, integer_graph  # noqa: PLC0415
    from lwm2m_ml.compiler.training.head import find_head  # noqa: PLC0415

    layers = declared_layers(model)
    if not layers:
        raise InvalidInputError(
            "The model has no layer that devices could train", hint="Make it trainable with: lwm2m-ml federated prepare"
        )
    graph, _ = integer_graph(model, _load(samples), "litert")
    parameters: bytes = find_head(graph, layers).parameters.astype("<f4").tobytes()
    return parameters


def evaluate_reference(model: bytes, samples: Samples | None, inputs: Sequence[Sequence[float]]) -> ReferenceAnswers:
    """Answer inputs with the compiler's integer reference."""
    import numpy  # noqa: PLC0415

    from lwm2m_ml.compiler import evaluate  # noqa: PLC0415
    from lwm2m_ml.compiler.frontends.load import load_model  # noqa: PLC0415

    graph = load_model(model)
    shape = graph.tensor(graph.inputs[0]).shape[1:]
    try:
        batch = numpy.asarray(inputs, dtype=numpy.float32).reshape(len(inputs), *shape)
    except ValueError:
        raise InvalidInputError(
            f"The inputs do not have the shape of the model, {'×'.join(map(str, shape))} numbers each",
            hint="Give one list of numbers per input",
        ) from None
    if not numpy.isfinite(batch).all():
        raise InvalidInputError("The inputs hold a number that is not finite")
    calibration = _load(samples)
    outputs = evaluate(model, calibration, batch)
    quantization = _output_quantization(graph, calibration)
    return ReferenceAnswers(
        outputs=tuple(tuple(row) for row in outputs.reshape(len(inputs), -1).tolist()),
        scale=quantization.scale,
        zero_point=quantization.zero_point,
    )


def _output_quantization(graph: Any, calibration: "Floats | None") -> Any:
    """Return how the integers of the first output are to be read, as the quantiser chose it."""
    from lwm2m_ml.compiler.passes.pipeline import simplify  # noqa: PLC0415
    from lwm2m_ml.compiler.quantize.post_training import quantize  # noqa: PLC0415

    graph = simplify(graph)
    given = graph.tensor(graph.outputs[0]).quantization
    if given is not None:
        return given
    graph = quantize(graph, calibration)
    return graph.tensor(graph.outputs[0]).quantization


def _load(samples: Samples | None) -> "Floats | None":
    if samples is None:
        return None
    import numpy  # noqa: PLC0415

    try:
        with numpy.load(io.BytesIO(samples.content), allow_pickle=False) as archive:
            array: Floats = numpy.ascontiguousarray(archive[samples.array], dtype=numpy.float32)
    except (OSError, ValueError, KeyError, EOFError) as error:
        raise InvalidInputError(f"The calibration data cannot be read: {error}") from error
    return array


def _tensor(fact: Any) -> TensorFacts:
    return TensorFacts(
        name=fact.name,
        shape=tuple(fact.shape),
        dtype=str(fact.dtype),
        scale=float(fact.scale),
        zero_point=int(fact.zero_point),
        offset=int(fact.offset),
        bytes=int(fact.bytes),
    )
