"""TFLite models of a few operators, written on the spot, and LiteRT's reference kernels as the oracle."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import flatbuffers
import numpy
import pytest
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter, OpResolverType
from numpy.typing import NDArray

from lwm2m_ml.compiler.backends.native.tuning import best_design
from lwm2m_ml.compiler.emulator.open import open_runner
from lwm2m_ml.compiler.frontends.load import load_model
from lwm2m_ml.compiler.interpreter import run
from lwm2m_ml.compiler.ir import Graph
from lwm2m_ml.compiler.passes.pipeline import prune, simplify
from lwm2m_ml.compiler.targets import load_target

Array = NDArray[Any]
_TYPES = {
    "float32": schema.TensorType.FLOAT32,
    "int8": schema.TensorType.INT8,
    "int16": schema.TensorType.INT16,
    "int32": schema.TensorType.INT32,
    "int64": schema.TensorType.INT64,
}
_STACK_BYTES = 16 * 1024


@dataclass(frozen=True)
class FileTensor:
    """A tensor to be written; `scales` may be one or many (then along `axis`)."""

    shape: tuple[int, ...]
    dtype: str = "int8"
    scales: tuple[float, ...] = ()
    zero_points: tuple[int, ...] = ()
    axis: int = 0
    data: Array | None = None
    variable: bool = False


@dataclass(frozen=True)
class FileStep:
    """An operator to be written: its name, numbers of tensors, and its table of options."""

    operator: str
    inputs: Sequence[int]
    outputs: Sequence[int]
    options: Any = None
    version: int = 2
    intermediates: Sequence[int] = ()


def code(shape: Sequence[int], scale: float = 0.05, zero_point: int = -7) -> FileTensor:
    """An int8 tensor that is given or computed."""
    return FileTensor(tuple(shape), "int8", (scale,), (zero_point,))


def real(shape: Sequence[int]) -> FileTensor:
    """A float32 tensor that is given or computed."""
    return FileTensor(tuple(shape), "float32")


def constant(values: Any, dtype: str, scales: Sequence[float] = (), axis: int = 0, zero_point: int = 0) -> FileTensor:
    """A tensor of known values, symmetric unless a zero point is given."""
    data = numpy.asarray(values, dtype)
    return FileTensor(data.shape, dtype, tuple(scales), (zero_point,) * len(scales), axis, data)


def write_model(
    tensors: Sequence[FileTensor], steps: Sequence[FileStep], inputs: Sequence[int], outputs: Sequence[int]
) -> bytes:
    """A TFLite file."""
    model, graph = schema.ModelT(), schema.SubGraphT()
    model.version, model.subgraphs, model.buffers, model.operatorCodes = 3, [graph], [schema.BufferT()], []
    graph.tensors, graph.operators = [], []
    graph.inputs, graph.outputs = list(inputs), list(outputs)
    for number, tensor in enumerate(tensors):
        graph.tensors.append(_tensor(model, f"t{number}", tensor))
    for step in steps:
        graph.operators.append(_operator(model, step))
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def _tensor(model: Any, name: str, tensor: FileTensor) -> Any:
    written = schema.TensorT()
    written.name, written.shape, written.type = name, list(tensor.shape), _TYPES[tensor.dtype]
    written.isVariable = tensor.variable
    if tensor.scales:
        written.quantization = schema.QuantizationParametersT()
        written.quantization.scale = [float(scale) for scale in tensor.scales]
        written.quantization.zeroPoint = list(tensor.zero_points)
        written.quantization.quantizedDimension = tensor.axis
    if tensor.data is not None:
        buffer = schema.BufferT()
        buffer.data = numpy.frombuffer(tensor.data.tobytes(), numpy.uint8)
        written.buffer = len(model.buffers)
        model.buffers.append(buffer)
    else:
        written.buffer = 0
    return written


def _operator(model: Any, step: FileStep) -> Any:
    number = getattr(schema.BuiltinOperator, step.operator)
    code = schema.OperatorCodeT()
    code.builtinCode, code.deprecatedBuiltinCode, code.version = number, min(number, 127), step.version
    written = schema.OperatorT()
    written.opcodeIndex = len(model.operatorCodes)
    model.operatorCodes.append(code)
    written.inputs, written.outputs = list(step.inputs), list(step.outputs)
    written.intermediates = list(step.intermediates)
    if step.options is not None:
        table = type(step.options).__name__.removesuffix("T")
        written.builtinOptionsType = getattr(schema.BuiltinOptions, table)
        written.builtinOptions = step.options
    return written


def options(table: str, **fields: Any) -> Any:
    """A table of options; fields as in the schema."""
    made = getattr(schema, f"{table}T")()
    for name, value in fields.items():
        assert hasattr(made, name), name
        setattr(made, name, value)
    return made


def litert(content: bytes, samples: Sequence[Sequence[Array]], *, reset: bool = True) -> list[list[Array]]:
    """The outputs that LiteRT's reference kernels give for each sample, states reset before each unless told not to."""
    interpreter = Interpreter(
        model_content=content, experimental_op_resolver_type=OpResolverType.BUILTIN_REF, num_threads=1
    )
    interpreter.allocate_tensors()
    answers = []
    for sample in samples:
        if reset:
            interpreter.reset_all_variables()
        for details, values in zip(interpreter.get_input_details(), sample, strict=True):
            interpreter.set_tensor(details["index"], values)
        interpreter.invoke()
        answers.append([interpreter.get_tensor(one["index"]).copy() for one in interpreter.get_output_details()])
    return answers


def random_samples(graph: Graph, count: int, seed: int = 5) -> list[list[Array]]:
    """Random values for every input of a graph: all codes, or reals around zero."""
    generator = numpy.random.default_rng(seed)

    def values(name: str) -> Array:
        tensor = graph.tensor(name)
        if tensor.dtype.value == "float32":
            return generator.standard_normal(tensor.shape).astype(numpy.float32)
        limits = numpy.iinfo(tensor.dtype.value)
        return generator.integers(limits.min, limits.max + 1, tensor.shape).astype(tensor.dtype.numpy)

    return [[values(name) for name in graph.inputs] for _ in range(count)]


def interpret(graph: Graph, samples: Sequence[Sequence[Array]]) -> list[list[Array]]:
    """The outputs of the numpy interpreter for each sample."""
    columns = {name: numpy.stack([sample[place] for sample in samples]) for place, name in enumerate(graph.inputs)}
    answers = run(graph, columns)
    return [[answers[name][index] for name in graph.outputs] for index in range(len(samples))]


def emulate(graph: Graph, target: str, samples: Sequence[Sequence[Array]]) -> list[list[Array]]:
    """The outputs of the compiled module on the emulated core for each sample."""
    core = load_target(target)
    payload = best_design(graph, core, "balanced").payload()
    runner = open_runner(payload.code, core, arena_bytes=payload.arena_bytes, stack_bytes=_STACK_BYTES)
    wanted = [(payload.offsets[name], graph.tensor(name).bytes) for name in graph.outputs]
    answers = []
    for sample in samples:
        given = [(payload.offsets[name], values.tobytes()) for name, values in zip(graph.inputs, sample, strict=True)]
        outputs = runner.invoke(given, wanted).outputs
        answers.append(
            [
                numpy.frombuffer(content, graph.tensor(name).dtype.numpy).reshape(graph.tensor(name).shape)
                for name, content in zip(graph.outputs, outputs, strict=True)
            ]
        )
    return answers


def integer_graph(content: bytes) -> Graph:
    """The graph as the backend gets it."""
    return prune(simplify(load_model(content)))


@dataclass(frozen=True)
class Workbench:
    """What a test of operators needs."""

    code: Callable[..., FileTensor] = code
    real: Callable[..., FileTensor] = real
    constant: Callable[..., FileTensor] = constant
    tensor: Callable[..., FileTensor] = FileTensor
    options: Callable[..., Any] = options
    step: Callable[..., FileStep] = FileStep
    write: Callable[..., bytes] = write_model
    litert: Callable[..., list[list[Array]]] = litert
    samples: Callable[..., list[list[Array]]] = random_samples
    interpret: Callable[..., list[list[Array]]] = interpret
    emulate: Callable[..., list[list[Array]]] = emulate
    graph: Callable[[bytes], Graph] = integer_graph


@pytest.fixture(scope="session")
def bench() -> Workbench:
    """Writes models and runs them everywhere."""
    return Workbench()
