"""The compiler's two calls: `compile` makes a proved module, `evaluate` gives the integer reference's answers."""

import pathlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy
from numpy.typing import NDArray

from lwm2m_ml.compiler.backends.acceptance import accept, final_cost
from lwm2m_ml.compiler.backends.choice import choose_backend
from lwm2m_ml.compiler.backends.eligibility import why_not
from lwm2m_ml.compiler.backends.interface import (
    ANY_DEVICE,
    NO_LIMITS,
    Capabilities,
    Constraints,
    Format,
    Payload,
    Request,
)
from lwm2m_ml.compiler.backends.isolation import DEFAULT_LIMITS, BackendFailed, BackendRefused, Limits
from lwm2m_ml.compiler.backends.onnx_model import onnx_model
from lwm2m_ml.compiler.backends.registry import InstalledBackend
from lwm2m_ml.compiler.emulator import EmulationFault
from lwm2m_ml.compiler.errors import CalibrationError, NotTrainable, ProofFailed
from lwm2m_ml.compiler.facts import CompiledModule, LearningFact, TensorFact
from lwm2m_ml.compiler.frontends.load import (
    declared_precision,
    declared_training,
    is_tflite,
    load_model,
    read_model,
)
from lwm2m_ml.compiler.interpreter import run
from lwm2m_ml.compiler.ir import Array, DataType, Graph
from lwm2m_ml.compiler.ir.limits import check_finite, check_graph
from lwm2m_ml.compiler.ir.trees import TreeEnsemble
from lwm2m_ml.compiler.passes.manager import run_passes
from lwm2m_ml.compiler.passes.pipeline import prune, simplify
from lwm2m_ml.compiler.passes.tflm_rounding import RoundAsTflm
from lwm2m_ml.compiler.proof import Proof, prove
from lwm2m_ml.compiler.quantize.calibration import check_samples, random_samples
from lwm2m_ml.compiler.quantize.encoding import encoded
from lwm2m_ml.compiler.quantize.post_training import PLAIN, quantize
from lwm2m_ml.compiler.quantize.settings import Precision, QuantizationSettings
from lwm2m_ml.compiler.targets import Target
from lwm2m_ml.compiler.training.proof import prove_training
from lwm2m_ml.compiler.training.step import STATE, as_called, with_training
from lwm2m_ml.errors import UsageError

OPTIMIZE = ("size", "balanced", "speed")
REFERENCES = ("litert", "tflm")
PRECISIONS = tuple(precision.value for precision in Precision)
# Samples of the calibration data that prove a module when the caller gives no inputs.
_PROOF_SAMPLES = 8


def compile(
    model: bytes | pathlib.Path,
    target: Target,
    *,
    calibration: Array | None = None,
    optimize: str = "balanced",
    reference: str = "litert",
    inputs: Array | Mapping[str, Array] | None = None,
    precision: str = "int8",
    quantization: QuantizationSettings = PLAIN,
    backend: str | None = None,
    capabilities: Capabilities = ANY_DEVICE,
    constraints: Constraints = NO_LIMITS,
    allow_unproved: bool = False,
    limits: Limits = DEFAULT_LIMITS,
    trainable_layers: int | None = None,
) -> CompiledModule:
    """Compile a model for a target, run the module on the emulated core and prove it equal to the integer reference.

    `calibration` and `inputs` are float32 samples of the model's input, axis 0 counting them; `inputs` may give each
    input's by name. `reference` tells whose rounding the module has; with `litert` a quantised TFLite model is also
    compared with LiteRT itself. With `precision` float32 a float model stays one: larger and slower, without
    calibration, and proved within a tolerance instead of bit for bit. `quantization` says how a float model is
    quantised; its own precision gives way to `precision`. The same arguments give the same bytes.

    `backend` is one of `lwm2m-ml backends list`, the target's own by default; `capabilities` and `constraints` are the
    device's; `limits` hold for backends that are not ours. What nothing here can run is refused, unless
    `allow_unproved`.

    With `trainable_layers` the module also learns: its last layers are computed in float32 from parameters in the
    arena, and a call can make a training step; the model's own wish counts where None is given. Such a module takes
    one input more (`docs/federated.md`).

    Raises a subclass of `InvalidInputError` for a model or data that cannot be used, UnsupportedTarget, Unproved, and
    BackendFailed for a backend that is not ours and misbehaves.
    """
    _check_choice("optimisation", optimize, OPTIMIZE)
    _check_choice("reference", reference, REFERENCES)
    _check_choice("precision", precision, PRECISIONS)
    chosen = choose_backend(target, backend, limits)
    if reference == "tflm" and Format.TFLITE in chosen.declaration.formats:
        raise UsageError(
            f"The backend {chosen.name} is proved by LiteRT, not by TFLM", hint="Choose --reference litert"
        )
    content = model if isinstance(model, bytes) else read_model(model)
    graph, was_quantized = integer_graph(
        content, calibration, reference, precision=precision, quantization=quantization
    )
    layers = declared_layers(content) if trainable_layers is None else trainable_layers
    inference = graph
    if layers:
        graph = with_training(inference, layers)
    request = Request(
        graph,
        onnx_model(graph) if chosen.isolated else b"",
        target,
        capabilities,
        replace(constraints, optimize=optimize),
    )
    payload = _built(chosen, request, limits)
    samples = _proof_inputs(inference, calibration, inputs)
    by_litert = was_quantized and is_integer(graph) and reference == "litert" and is_tflite(content)
    tflite = content if by_litert else None
    learning = None
    try:
        if layers:
            images = samples[graph.inputs[0]]
            trained = prove_training(graph, payload, target, images, allow_unproved=allow_unproved)
            proof, learning = trained.proof, _learning(graph, payload, layers, trained.step_instructions)
        else:
            proof = prove(graph, payload, target, samples, tflite=tflite, allow_unproved=allow_unproved)
    except (ProofFailed, EmulationFault) as error:
        if not chosen.isolated:
            raise
        raise BackendFailed(chosen.name, f"made a module that fails its proof: {error.message}") from None
    shown = as_called(graph) if layers else graph
    return replace(_module(shown, target, _Made(chosen, payload, proof), reference, optimize), learning=learning)


def _built(backend: InstalledBackend, request: Request, limits: Limits) -> Payload:
    """The payload, once its own words have been checked; raises what the backend raises."""
    against = why_not(backend.declaration, request.graph, request.target, request.capabilities)
    if against:
        raise BackendRefused(backend.name, against)
    payload = backend.build(request, limits)
    accept(payload, request, backend.declaration)
    return payload


def evaluate(
    model: bytes | pathlib.Path, calibration: Array | None, inputs: Array, *, reference: str = "litert"
) -> NDArray[numpy.int8]:
    """The int8 answers of the same quantised model for many samples, computed in numpy."""
    _check_choice("reference", reference, REFERENCES)
    graph, _ = integer_graph(model, calibration, reference)
    samples = _quantized(graph, check_samples(graph, inputs, "inputs"))
    answers: NDArray[numpy.int8] = run(graph, samples)[graph.outputs[0]]
    return answers


def _check_choice(what: str, value: str, choices: Sequence[str]) -> None:
    if value not in choices:
        raise UsageError(f"Unknown {what} {value!r}", hint=f"Choose {', '.join(choices)}")


def is_integer(graph: Graph) -> bool:
    """Whether all that goes in and comes out is int8."""
    return all(graph.tensor(name).dtype is DataType.INT8 for name in (*graph.inputs, *graph.outputs))


def simplified(model: bytes | pathlib.Path) -> Graph:
    """The graph of a model as it came, simplified, and within all limits."""
    # A hostile model may hold any number; what comes of it is looked at afterwards.
    with numpy.errstate(all="ignore"):
        graph = simplify(load_model(model))
    check_graph(graph)
    check_finite(graph)
    return graph


def float_graph(model: bytes | pathlib.Path) -> Graph:
    """The simplified graph of a model that is not quantised; raises UsageError for one that is."""
    graph = simplified(model)
    if _came_quantized(graph):
        raise UsageError("The model is quantised already", hint="Give the float model")
    return graph


def _came_quantized(graph: Graph) -> bool:
    moving = (*graph.inputs, *(operation.output for operation in graph.operations))
    return any(
        graph.tensor(name).quantization is not None and graph.tensor(name).dtype is not DataType.FLOAT32
        for name in moving
    )


def integer_graph(
    model: bytes | pathlib.Path,
    calibration: Array | None,
    reference: str,
    *,
    precision: str = "int8",
    quantization: QuantizationSettings = PLAIN,
) -> tuple[Graph, bool]:
    """The graph that is compiled, and whether the model came quantised.

    It is an int8 graph, but for a model that declares another precision, stays in float32, or came with float32
    in parts of it. Decision trees stay in float32: their features have scales of their own, and a comparison costs as
    much as one of integers.
    """
    content = model if isinstance(model, bytes) else read_model(model)
    graph = simplified(content)
    if precision == Precision.INT8.value:
        precision = _declared(content)
    was_quantized = _came_quantized(graph)
    if was_quantized and precision != "int8":
        raise UsageError(f"The model is quantised to int8 already, not to {precision}", hint="Give the float model")
    if not was_quantized and precision != "float32" and not has_trees(graph):
        with numpy.errstate(all="ignore"):
            graph = quantize(graph, calibration, replace(quantization, precision=Precision(precision)))
    if reference == "tflm":
        graph = run_passes(graph, (RoundAsTflm(),))
    return prune(graph), was_quantized


def _declared(content: bytes) -> str:
    """The precision that a model declares, int8 when it declares none."""
    declared = declared_precision(content) or Precision.INT8.value
    _check_choice("precision in the model's metadata,", declared, PRECISIONS)
    return declared


def declared_layers(content: bytes) -> int:
    """How many layers a model wants to be trained, 0 when it says nothing."""
    text = declared_training(content) or "0"
    if not text.isascii() or not text.isdecimal() or len(text) > 3:
        raise NotTrainable(f"The model's metadata name {text[:20]!r} trainable layers", hint="Name a number such as 1")
    return int(text)


def _learning(graph: Graph, payload: Payload, layers: int, instructions: int | None) -> LearningFact:
    state = [graph.tensor(name) for name in STATE]
    return LearningFact(
        layers=layers,
        parameters=state[0].elements,
        offset=payload.offsets[STATE[0]],
        state_bytes=sum(tensor.bytes for tensor in state),
        step_instructions=instructions,
    )


def has_trees(graph: Graph) -> bool:
    """Whether decision trees are part of a graph."""
    return any(isinstance(operation.kind, TreeEnsemble) for operation in graph.operations)


def _proof_inputs(
    graph: Graph, calibration: Array | None, inputs: Array | Mapping[str, Array] | None
) -> dict[str, Array]:
    """All the caller's inputs, else the first samples of the calibration data, else random ones."""
    if isinstance(inputs, Mapping):
        return _named(graph, inputs)
    if inputs is not None:
        return _quantized(graph, check_samples(graph, inputs, "inputs"))
    if calibration is not None:
        return _quantized(graph, check_samples(graph, calibration, "calibration data")[:_PROOF_SAMPLES])
    return _quantized(graph, random_samples(graph, _PROOF_SAMPLES))


def _quantized(graph: Graph, samples: Array) -> dict[str, Array]:
    """Samples of the first input as the module takes them; further inputs get seeded random ones."""
    values = {}
    for number, name in enumerate(graph.inputs):
        single = Graph(graph.tensors, (), (name,), ())
        given = samples if number == 0 else random_samples(single, len(samples))
        values[name] = encoded(graph.tensor(name), given)
    return values


def _named(graph: Graph, inputs: Mapping[str, Array]) -> dict[str, Array]:
    """Int8 samples of every input, given by name."""
    if set(inputs) != set(graph.inputs):
        raise CalibrationError(
            f"The inputs are named {', '.join(sorted(inputs))}", hint=f"The model has {', '.join(graph.inputs)}"
        )
    if len({len(samples) for samples in inputs.values()}) != 1:
        raise CalibrationError("The inputs do not hold equally many samples")
    singles = {name: Graph(graph.tensors, (), (name,), ()) for name in graph.inputs}
    return {
        name: _quantized(single, check_samples(single, inputs[name], f"samples of {name}"))[name]
        for name, single in singles.items()
    }


@dataclass(frozen=True, slots=True)
class _Made:
    """What came out of the backend and the proof."""

    backend: InstalledBackend
    payload: Payload
    proof: Proof


def _is_for_the_core(payload: Payload, target: Target) -> bool:
    """Whether the payload holds instructions of the target: not an interpreter's file, nor another machine's."""
    return payload.format in (Format.NATIVE, Format.WASM) and payload.executed_on in (None, target.core)


def _module(graph: Graph, target: Target, made: _Made, reference: str, optimize: str) -> CompiledModule:
    backend, payload, proof = made.backend, made.payload, made.proof
    cost = final_cost(payload, proof, target, backend.name)
    return CompiledModule(
        payload=payload.code,
        target=target,
        backend=backend.name,
        format=payload.format,
        abi=payload.abi,
        isa=target.isa if _is_for_the_core(payload, target) else (),
        flash_bytes=cost.flash_bytes,
        ram_bytes=cost.ram_bytes if cost.ram_bytes is not None else payload.arena_bytes,
        arena_bytes=payload.arena_bytes,
        stack_bytes=proof.stack_bytes,
        instructions=proof.instructions,
        macs=sum(layer.macs for layer in payload.layers),
        weight_bytes=sum(layer.weight_bytes for layer in payload.layers),
        lower_bound_arena_bytes=payload.lower_bound_arena_bytes,
        inputs=tuple(_fact(graph, name, payload) for name in graph.inputs),
        outputs=tuple(_fact(graph, name, payload) for name in graph.outputs),
        vectors=proof.vectors,
        max_abs_diff=proof.max_abs_diff,
        exact=proof.exact,
        reference=reference,
        optimize=optimize,
        layers=payload.layers,
        buffers=payload.buffers,
        compared_with=proof.references,
        cost=cost,
        executor=proof.executor,
        executed_on=payload.executed_on,
        compiler=backend.declaration.version,
        bank_bytes=payload.bank_bytes,
        operators=payload.operators,
        files=payload.files,
    )


def _fact(graph: Graph, name: str, payload: Payload) -> TensorFact:
    tensor = graph.tensor(name)
    quantization = tensor.quantization if tensor.dtype is not DataType.FLOAT32 else None
    return TensorFact(
        name=name,
        shape=tensor.shape,
        dtype=tensor.dtype.value,
        scale=quantization.scale if quantization is not None else 1.0,
        zero_point=quantization.zero_point if quantization is not None else 0,
        offset=payload.offsets.get(name, 0),
        bytes=tensor.bytes,
    )
