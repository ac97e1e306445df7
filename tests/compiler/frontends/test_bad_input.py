"""Model files are data from strangers: whatever they hold, the answer is a graph or a clear error, soon."""

import contextlib
import itertools
import resource
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import flatbuffers
import numpy
import onnx
import pytest
import tflite
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from lwm2m_ml.compiler.compilation import integer_graph
from lwm2m_ml.compiler.errors import CyclicModel, MissingQuantization, ModelTooLarge, WrongShape
from lwm2m_ml.compiler.frontends.load import load_model
from lwm2m_ml.errors import InvalidInputError

# Generous for a loaded machine; reading a good model takes hundredths of it.
_SECONDS = 20


@contextlib.contextmanager
def soon() -> Iterator[None]:
    started = time.monotonic()
    yield
    assert time.monotonic() - started < _SECONDS


def read(content: bytes) -> None:
    """Read a model to the graph that would be compiled; errors of ours are an answer as well."""
    with contextlib.suppress(InvalidInputError), soon():
        integer_graph(content, None, "litert")


@pytest.fixture(scope="module")
def tflite_model(tiny_models: Path) -> bytes:
    return (tiny_models / "ad_int8.tflite").read_bytes()


@pytest.mark.parametrize("share", range(0, 100, 4))
def test_truncated_onnx_is_refused_or_read(share: int, digits_network: bytes) -> None:
    read(digits_network[: len(digits_network) * share // 100])


@pytest.mark.parametrize("share", range(0, 100, 4))
def test_truncated_tflite_is_refused_or_read(share: int, tflite_model: bytes) -> None:
    read(tflite_model[: len(tflite_model) * share // 100])


@settings(max_examples=120, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(data=st.data())
def test_flipped_bits_in_onnx_do_no_harm(data: st.DataObject, digits_network: bytes) -> None:
    read(_flipped(data, digits_network, st.integers(0, len(digits_network) - 1)))


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(data=st.data())
def test_flipped_bits_in_tflite_do_no_harm(data: st.DataObject, tflite_model: bytes) -> None:
    # Structure lies at both ends of the file, weights in between.
    size = len(tflite_model)
    places = st.one_of(st.integers(0, 400), st.integers(size - 9000, size - 1))
    read(_flipped(data, tflite_model, places))


def _flipped(data: st.DataObject, content: bytes, places: st.SearchStrategy[int]) -> bytes:
    changed = bytearray(content)
    for _ in range(data.draw(st.integers(1, 6))):
        changed[data.draw(places)] ^= 1 << data.draw(st.integers(0, 7))
    return bytes(changed)


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=600))
def test_random_bytes_are_no_model(content: bytes) -> None:
    read(content)


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=600), st.integers(0, 64))
def test_random_flatbuffer_is_no_model(content: bytes, root: int) -> None:
    read(struct.pack("<I", root) + b"TFL3" + content)


_FIELDS = st.recursive(
    st.one_of(st.integers(0, (1 << 64) - 1), st.binary(max_size=12), st.sampled_from([b"x", b"y", b"Conv", b"Add"])),
    lambda inner: st.lists(st.tuples(st.integers(1, 20), inner), max_size=5),
    max_leaves=25,
)


def _message(fields: list[tuple[int, Any]]) -> bytes:
    """A protobuf message of any fields: well-formed, and about nothing."""
    content = b""
    for number, value in fields:
        if isinstance(value, int):
            content += _varint(number << 3) + _varint(value)
        else:
            body = _message(value) if isinstance(value, list) else value
            content += _varint(number << 3 | 2) + _varint(len(body)) + body
    return content


def _varint(value: int) -> bytes:
    content = b""
    while value > 127:
        content, value = content + bytes([value & 127 | 128]), value >> 7
    return content + bytes([value])


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(st.sampled_from([1, 7, 8, 14, 20]), _FIELDS), max_size=8))
def test_random_protobuf_is_no_model(fields: list[tuple[int, Any]]) -> None:
    read(_message(fields))


def _onnx(nodes: list[Any], shape: list[int], constants: dict[str, Any] | None = None) -> bytes:
    graph = helper.make_graph(
        nodes,
        "model",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(values, name) for name, values in (constants or {}).items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    content: bytes = model.SerializeToString()
    return content


@pytest.mark.parametrize("shape", [[1 << 31], [1, 1 << 31], [1 << 16, 1 << 15], [1, 1 << 62, 4], [1 << 24, 2]])
def test_absurd_shapes_take_no_memory(shape: list[int]) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(ModelTooLarge), soon():
        load_model(_onnx([helper.make_node("Relu", ["x"], ["y"])], shape))
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 64 * 1024


def _sum_with_constant() -> bytes:
    return _onnx([helper.make_node("Add", ["x", "c"], ["y"])], [1, 4], {"c": numpy.ones(4, numpy.float32)})


def test_initializer_that_claims_more_than_it_holds_takes_no_memory() -> None:
    model = onnx.load_model_from_string(
        _onnx([helper.make_node("Add", ["x", "c"], ["y"])], [1, 4], {"c": numpy.ones(4, numpy.float32)})
    )
    model.graph.initializer[0].dims[:] = [1 << 31]
    with pytest.raises(InvalidInputError), soon():
        load_model(model.SerializeToString())


@pytest.mark.parametrize("length", [-4, 0])
def test_shapes_without_elements_are_refused(length: int) -> None:
    with pytest.raises(InvalidInputError):
        load_model(_onnx([helper.make_node("Relu", ["x"], ["y"])], [1, length]))


def test_reshape_to_an_absurd_shape_is_refused() -> None:
    target = numpy.array([1 << 40, -1], numpy.int64)
    with pytest.raises(InvalidInputError), soon():
        load_model(_onnx([helper.make_node("Reshape", ["x", "s"], ["y"])], [1, 4], {"s": target}))


def test_padding_to_an_absurd_size_is_refused() -> None:
    pads = numpy.array([0, 0, 0, 1 << 31], numpy.int64)
    with pytest.raises(InvalidInputError), soon():
        load_model(_onnx([helper.make_node("Pad", ["x", "p"], ["y"])], [1, 4], {"p": pads}))


def test_growth_by_doubling_is_stopped() -> None:
    names = ["x", *(f"t{number}" for number in range(60)), "y"]
    nodes = [helper.make_node("Concat", [one, one], [other], axis=1) for one, other in itertools.pairwise(names)]
    with pytest.raises(ModelTooLarge), soon():
        load_model(_onnx(nodes, [1, 4]))


def test_cycle_in_onnx_is_named() -> None:
    nodes = [helper.make_node("Add", ["x", "b"], ["a"]), helper.make_node("Relu", ["a"], ["b"], name="loop")]
    nodes.append(helper.make_node("Relu", ["b"], ["y"]))
    with pytest.raises(CyclicModel):
        load_model(_onnx(nodes, [1, 4]))


def _tflite(
    shape: list[int], *, quantized: bool = True, inputs: tuple[int, ...] = (0,), kind: int = tflite.TensorType.INT8
) -> bytes:
    """One RELU from tensor `inputs` to tensor 1; tensor 0 is the model's input."""
    builder = flatbuffers.Builder(512)

    def vector(values: list[int], start: Any) -> int:
        start(builder, len(values))
        for value in reversed(values):
            builder.PrependInt32(value)
        return int(builder.EndVector())

    def quantization() -> int:
        tflite.QuantizationParametersStartScaleVector(builder, 1)
        builder.PrependFloat32(0.5)
        scales = builder.EndVector()
        tflite.QuantizationParametersStartZeroPointVector(builder, 1)
        builder.PrependInt64(0)
        zeros = builder.EndVector()
        tflite.QuantizationParametersStart(builder)
        tflite.QuantizationParametersAddScale(builder, scales)
        tflite.QuantizationParametersAddZeroPoint(builder, zeros)
        return int(tflite.QuantizationParametersEnd(builder))

    def tensor(name: str) -> int:
        text, lengths = builder.CreateString(name), vector(shape, tflite.TensorStartShapeVector)
        parameters = quantization() if quantized else None
        tflite.TensorStart(builder)
        tflite.TensorAddName(builder, text)
        tflite.TensorAddShape(builder, lengths)
        tflite.TensorAddType(builder, kind)
        if parameters is not None:
            tflite.TensorAddQuantization(builder, parameters)
        return int(tflite.TensorEnd(builder))

    def offsets(values: list[int], start: Any) -> int:
        start(builder, len(values))
        for value in reversed(values):
            builder.PrependUOffsetTRelative(value)
        return int(builder.EndVector())

    tensors = [tensor("x"), tensor("y")]
    read_by, written = (
        vector(list(inputs), tflite.OperatorStartInputsVector),
        vector([1], tflite.OperatorStartOutputsVector),
    )
    tflite.OperatorStart(builder)
    tflite.OperatorAddInputs(builder, read_by)
    tflite.OperatorAddOutputs(builder, written)
    operator = tflite.OperatorEnd(builder)
    table = offsets(tensors, tflite.SubGraphStartTensorsVector)
    operators = offsets([operator], tflite.SubGraphStartOperatorsVector)
    given_in, given_out = vector([0], tflite.SubGraphStartInputsVector), vector([1], tflite.SubGraphStartOutputsVector)
    tflite.SubGraphStart(builder)
    tflite.SubGraphAddTensors(builder, table)
    tflite.SubGraphAddInputs(builder, given_in)
    tflite.SubGraphAddOutputs(builder, given_out)
    tflite.SubGraphAddOperators(builder, operators)
    graph = tflite.SubGraphEnd(builder)
    tflite.OperatorCodeStart(builder)
    tflite.OperatorCodeAddDeprecatedBuiltinCode(builder, tflite.BuiltinOperator.RELU)
    tflite.OperatorCodeAddBuiltinCode(builder, tflite.BuiltinOperator.RELU)
    code = tflite.OperatorCodeEnd(builder)
    codes = offsets([code], tflite.ModelStartOperatorCodesVector)
    graphs = offsets([graph], tflite.ModelStartSubgraphsVector)
    tflite.ModelStart(builder)
    tflite.ModelAddVersion(builder, 3)
    tflite.ModelAddOperatorCodes(builder, codes)
    tflite.ModelAddSubgraphs(builder, graphs)
    builder.Finish(tflite.ModelEnd(builder), b"TFL3")
    return bytes(builder.Output())


def test_hand_made_tflite_model_is_a_good_one() -> None:
    graph, was_quantized = integer_graph(_tflite([1, 4]), None, "litert")
    assert was_quantized
    assert len(graph.operations) == 1


def test_tflite_tensor_without_quantisation_is_named() -> None:
    with pytest.raises(MissingQuantization, match="Tensor x"):
        load_model(_tflite([1, 4], quantized=False))


@pytest.mark.parametrize("shape", [[(1 << 31) - 1], [1, (1 << 31) - 1, 4]])
def test_absurd_shapes_in_tflite_are_refused(shape: list[int]) -> None:
    with pytest.raises(ModelTooLarge), soon():
        load_model(_tflite(shape))


@pytest.mark.parametrize("shape", [[1, -1], [0]])
def test_shapes_without_elements_in_tflite_are_refused(shape: list[int]) -> None:
    with pytest.raises(WrongShape):
        load_model(_tflite(shape))


def test_cycle_in_tflite_is_named() -> None:
    with pytest.raises(CyclicModel):
        load_model(_tflite([1, 4], inputs=(1,)))


@pytest.mark.parametrize("number", [2, 1 << 30, -2])
def test_tensors_that_do_not_exist_are_refused(number: int) -> None:
    with pytest.raises(InvalidInputError):
        load_model(_tflite([1, 4], inputs=(number,)))


@pytest.mark.parametrize("variance", [-1.0, float("nan"), float("inf")])
def test_impossible_batch_normalisation_is_refused(variance: float) -> None:
    constants = {
        "w": numpy.ones((2, 2, 1, 1), numpy.float32),
        "ones": numpy.ones(2, numpy.float32),
        "v": numpy.array([variance, 1], numpy.float32),
    }
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["c"]),
        helper.make_node("BatchNormalization", ["c", "ones", "ones", "ones", "v"], ["y"]),
    ]
    model = _onnx(nodes, [1, 2, 4, 4], constants)
    with pytest.raises(InvalidInputError, match="undefined"):
        integer_graph(model, None, "litert")


def test_nothing_in_a_model_is_ever_run(tmp_path: Path) -> None:
    """External data, pickles and paths in names: reading them would leave a trace."""
    victim = tmp_path / "victim"
    victim.write_bytes(bytes(16))
    model = onnx.load_model_from_string(
        _onnx([helper.make_node("Add", ["x", "c"], ["y"])], [1, 4], {"c": numpy.ones(4, numpy.float32)})
    )
    constant = model.graph.initializer[0]
    constant.ClearField("raw_data")
    constant.data_location = TensorProto.EXTERNAL
    constant.external_data.add(key="location", value=str(victim))
    (tmp_path / "model.onnx").write_bytes(model.SerializeToString())
    command = [sys.executable, "-m", "lwm2m_ml", "inspect", "model.onnx"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert "another file" in done.stderr
