"""Every int8 operator of TFLite: the interpreter and the module on emulated cores equal LiteRT's reference kernels."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy
import pytest
from ai_edge_litert import schema_py_generated as schema

from lwm2m_ml.compiler.errors import ModelTooLarge, UnsupportedOperator, WrongShape
from lwm2m_ml.compiler.frontends.load import load_model

TARGETS = ("cortex-m0plus", "cortex-m4f", "rv32imc")
_RANDOM = numpy.random.default_rng(17)
_SAME, _VALID = schema.Padding.SAME, schema.Padding.VALID
_RELU, _RELU6 = schema.ActivationFunctionType.RELU, schema.ActivationFunctionType.RELU6


@dataclass(frozen=True)
class Case:
    """One operator: given tensors, constants, results, and the order of its operands when it is another."""

    operator: str
    given: Sequence[Any]
    results: Sequence[Any]
    options: Any = None
    constants: Sequence[Any] = ()
    order: Sequence[int] = ()
    version: int = 2


@dataclass(frozen=True)
class Cases:
    """Makes the cases; the functions come from the workbench."""

    code: Callable[..., Any]
    tensor: Callable[..., Any]
    constant: Callable[..., Any]
    options: Callable[..., Any]
    made: dict[str, Case] = field(default_factory=dict)

    def add(self, name: str, *values: Any, **more: Any) -> None:
        self.made[name] = Case(*values, **more)


def _weights(cases: Cases, shape: tuple[int, ...], axis: int, scale: float = 0.05) -> list[Any]:
    """Weights quantised per channel and the bias of a layer whose operand has `scale`."""
    channels = shape[axis]
    scales = _RANDOM.uniform(0.002, 0.01, channels).astype(numpy.float32).tolist()
    weights = cases.constant(_RANDOM.integers(-127, 128, shape), "int8", scales, axis)
    sums = [scale * one for one in scales]
    return [weights, cases.constant(_RANDOM.integers(-2000, 2000, channels), "int32", sums)]


def _wide_layers(cases: Cases, conv: dict[str, Any]) -> None:
    """Activations of 16 bits, weights of 8, biases of 64; one with sums beyond 32 bits."""

    def wide(shape: tuple[int, ...], scale: float) -> Any:
        return cases.tensor(shape, "int16", (scale,), (0,))

    for name, filters, given, out, largest in (
        ("fully connected", (7, 300), (1, 300), (1, 7), 2000),
        ("fully connected, few", (7, 9), (1, 9), (1, 7), 1 << 30),
        ("convolution", (4, 3, 3, 6), (1, 7, 8, 6), (1, 7, 8, 4), 1 << 20),
        ("depthwise", (1, 3, 3, 4), (1, 7, 8, 4), (1, 7, 8, 4), 1 << 20),
    ):
        depthwise = name == "depthwise"
        channels = filters[-1] if depthwise else filters[0]
        scales = _RANDOM.uniform(0.002, 0.01, channels).astype(numpy.float32).tolist()
        constants = [
            cases.constant(_RANDOM.integers(-127, 128, filters), "int8", scales, 3 if depthwise else 0),
            cases.constant(_RANDOM.integers(-largest, largest, channels), "int64", [scale * 1e-4 for scale in scales]),
        ]
        fields = {**conv, "padding": _SAME, **({"depthMultiplier": 1} if depthwise else {})}
        table = "DepthwiseConv2DOptions" if depthwise else "Conv2DOptions"
        connected = name.startswith("fully")
        cases.add(
            f"{name} on int16",
            "FULLY_CONNECTED" if connected else "DEPTHWISE_CONV_2D" if depthwise else "CONV_2D",
            [wide(given, 1e-4)],
            [wide(out, 2e-4)],
            cases.options("FullyConnectedOptions") if connected else cases.options(table, **fields),
            constants,
            version=7 if connected else 5,
        )


def _layers(cases: Cases) -> None:
    code, options = cases.code, cases.options

    def integers(*values: int) -> Any:
        return cases.constant(values, "int32")

    conv = {"strideH": 1, "strideW": 1, "dilationHFactor": 1, "dilationWFactor": 1, "padding": _VALID}
    for name, filters, out, fields in (
        ("plain", (4, 3, 2, 6), (5, 7, 4), {}),
        ("same, strided, relu6", (4, 3, 3, 6), (4, 3, 4), {"strideH": 2, "strideW": 3, "padding": _SAME}),
        ("dilated", (4, 3, 3, 6), (3, 2, 4), {"dilationHFactor": 2, "dilationWFactor": 3}),
        ("grouped", (6, 2, 2, 3), (6, 7, 6), {}),
        ("grouped, dilated", (6, 3, 2, 2), (7, 8, 6), {"dilationHFactor": 2, "padding": _SAME}),
        ("pointwise", (5, 1, 1, 6), (7, 8, 5), {}),
    ):
        activation = {"fusedActivationFunction": _RELU6 if "relu6" in name else 0}
        cases.add(
            f"convolution {name}",
            "CONV_2D",
            [code((1, 7, 8, 6))],
            [code((1, *out), 0.1, 3)],
            options("Conv2DOptions", **{**conv, **fields, **activation}),
            _weights(cases, filters, 0),
            version=3,
        )
    for name, filters, out, multiplier, fields in (
        ("plain", (1, 3, 3, 4), (5, 6, 4), 1, {}),
        ("dilated", (1, 3, 2, 4), (7, 8, 4), 1, {"dilationHFactor": 2, "padding": _SAME}),
        ("multiplied", (1, 2, 3, 8), (4, 4, 8), 2, {"strideH": 2, "strideW": 2, "padding": _SAME}),
    ):
        cases.add(
            f"depthwise {name}",
            "DEPTHWISE_CONV_2D",
            [code((1, 7, 8, 4))],
            [code((1, *out), 0.06, -3)],
            options("DepthwiseConv2DOptions", **{**conv, **fields, "depthMultiplier": multiplier}),
            _weights(cases, filters, 3),
            version=3,
        )
    _wide_layers(cases, conv)
    for name, extent, padding, stride in (
        ("same", (8, 10), _SAME, (2, 2)),
        ("valid", (9, 11), _VALID, (2, 2)),
        ("stride one", (4, 5), _SAME, (1, 1)),
        ("uneven", (6, 15), _VALID, (1, 3)),
    ):
        weights, bias = _weights(cases, (4, 3, 3, 2), 0)
        cases.add(
            f"transposed convolution {name}",
            "TRANSPOSE_CONV",
            [code((1, 4, 5, 2))],
            [code((1, *extent, 4), 0.08, 3)],
            options("TransposeConvOptions", padding=padding, strideH=stride[0], strideW=stride[1]),
            [integers(1, *extent, 4), weights, bias],
            order=[1, 2, 0, 3],
            version=3,
        )
    weights, bias = _weights(cases, (5, 12), 0)
    per_tensor = cases.constant(weights.data, "int8", [0.004])
    sums = cases.constant(bias.data, "int32", [0.0002])
    cases.add(
        "fully connected",
        "FULLY_CONNECTED",
        [code((1, 12))],
        [code((1, 5), 0.07, 4)],
        options("FullyConnectedOptions", fusedActivationFunction=_RELU),
        [per_tensor, sums],
        version=4,
    )


def _pools(cases: Cases) -> None:
    code, options = cases.code, cases.options
    for operator in ("AVERAGE_POOL_2D", "MAX_POOL_2D"):
        for name, window, size, padding in (("valid", 2, (3, 3), _VALID), ("same", 3, (4, 4), _SAME)):
            pool = {"filterHeight": window, "filterWidth": window, "strideH": 2, "strideW": 2, "padding": padding}
            cases.add(
                f"{operator} {name}",
                operator,
                [code((1, 7, 7, 3))],
                [code((1, *size, 3))],
                options("Pool2DOptions", **pool),
            )
    for name, shape, out, axes, scale in (
        ("of an image", (1, 4, 6, 5), (1, 5), [1, 2], 0.04),
        ("of an image, kept", (1, 4, 7, 5), (1, 1, 1, 5), [1, 2], 0.08),
        ("of an image, same scale", (1, 5, 7, 5), (1, 1, 1, 5), [1, 2], 0.05),
        ("of a middle axis", (3, 9, 5), (3, 5), [-2], 0.03),
        ("of channels", (1, 3, 3, 12), (1, 3, 3, 1), [3], 0.05),
    ):
        cases.add(
            f"mean {name}",
            "MEAN",
            [code(shape)],
            [code(out, scale, -20 if scale != 0.05 else -7)],
            options("ReducerOptions", keepDims=len(out) == len(shape)),
            [cases.constant(axes, "int32")],
        )


def _elementwise(cases: Cases) -> None:
    code, options = cases.code, cases.options
    every = [code((1, 256), 0.05, -7)]
    for operator, result, table in (
        ("LOGISTIC", code((1, 256), 1 / 256, -128), None),
        ("TANH", code((1, 256), 1 / 128, 0), None),
        ("RELU", code((1, 256), 0.03, -120), None),
        ("RELU6", code((1, 256), 0.03, -128), None),
        ("RELU_N1_TO_1", code((1, 256), 0.01, 3), None),
        ("HARD_SWISH", code((1, 256), 0.04, -100), None),
        ("LEAKY_RELU", code((1, 256), 0.04, -30), options("LeakyReluOptions", alpha=0.3)),
        ("QUANTIZE", code((1, 256), 0.02, -20), options("QuantizeOptions")),
    ):
        version = 1 if operator in ("HARD_SWISH", "RELU_N1_TO_1") else 2
        cases.add(operator, operator, every, [result], table, version=version)
    cases.add("hard swish, large scale", "HARD_SWISH", [code((1, 256), 0.3)], [code((1, 256), 0.4, 5)], version=1)
    for operator, table in (("ADD", "AddOptions"), ("SUB", "SubOptions"), ("MUL", "MulOptions")):
        other = code((1, 1, 1, 5), 0.03, 11)
        for name, right in (("broadcast", other), ("equal shapes", code((1, 3, 4, 5), 0.08, 2))):
            cases.add(
                f"{operator} {name}",
                operator,
                [code((1, 3, 4, 5)), right],
                [code((1, 3, 4, 5), 0.1, -3)],
                options(table, fusedActivationFunction=_RELU if name == "broadcast" else 0),
            )
    for operator in ("MAXIMUM", "MINIMUM"):
        pair = [code((1, 4, 5)), code((1, 1, 5))]
        cases.add(operator, operator, pair, [code((1, 4, 5))], options("MaximumMinimumOptions"))
    slopes = cases.constant(_RANDOM.integers(-127, 128, (1, 1, 6)), "int8", [0.007], zero_point=5)
    image = code((1, 4, 5, 6))
    cases.add("prelu", "PRELU", [image], [code((1, 4, 5, 6), 0.04, 3)], None, [slopes], version=1)
    soft = code((2, 7), 1 / 256, -128)
    cases.add("softmax", "SOFTMAX", [code((2, 7), 0.1, 4)], [soft], options("SoftmaxOptions", beta=1.0))


def _movement(cases: Cases) -> None:
    code, options = cases.code, cases.options

    def integers(*values: int) -> Any:
        return cases.constant(values, "int32")

    cases.add(
        "concatenation",
        "CONCATENATION",
        [code((1, 2, 3, 4)), code((1, 2, 5, 4))],
        [code((1, 2, 8, 4))],
        options("ConcatenationOptions", axis=2),
    )
    halves = [code((1, 6, 2)), code((1, 6, 2))]
    cases.add(
        "split", "SPLIT", [code((1, 6, 4))], halves, options("SplitOptions", numSplits=2), [integers(2)], order=[1, 0]
    )
    parts = [code((1, 2, 4)), code((1, 5, 4))]
    uneven = [integers(2, 5), integers(1)]
    cases.add("split unevenly", "SPLIT_V", [code((1, 7, 4))], parts, options("SplitVOptions", numSplits=2), uneven)
    whole = code((1, 6, 7, 3))
    begin_and_size = [integers(0, 1, 2, 0), integers(1, 4, -1, 2)]
    cases.add("slice", "SLICE", [whole], [code((1, 4, 5, 2))], options("SliceOptions"), begin_and_size)
    cases.add(
        "strided slice",
        "STRIDED_SLICE",
        [whole],
        [code((1, 3, 2, 3))],
        options("StridedSliceOptions", beginMask=1, endMask=9),
        [integers(0, 1, -5, 0), integers(1, 6, -1, 3), integers(1, 2, 2, 1)],
    )
    cases.add(
        "strided slice of one row",
        "STRIDED_SLICE",
        [whole],
        [code((1, 7, 3))],
        options("StridedSliceOptions", beginMask=13, endMask=13, shrinkAxisMask=2),
        [integers(0, -1, 0, 0), integers(0, 0, 0, 0), integers(1, 1, 1, 1)],
    )
    pads = cases.constant([[0, 0], [1, 2], [0, 3], [0, 0]], "int32")
    cases.add("pad", "PAD", [code((1, 3, 4, 2))], [code((1, 6, 7, 2))], options("PadOptions"), [pads])
    filler = cases.constant(55, "int8", [0.05], zero_point=-7)
    cases.add(
        "pad with a value", "PADV2", [code((1, 3, 4, 2))], [code((1, 6, 7, 2))], options("PadV2Options"), [pads, filler]
    )
    flat = options("ReshapeOptions", newShape=[1, 24])
    cases.add("reshape", "RESHAPE", [code((1, 4, 6))], [code((1, 24))], flat, [integers(1, 24)], version=1)
    dimensions = options("SqueezeOptions", squeezeDims=[1])
    cases.add("squeeze", "SQUEEZE", [code((1, 1, 6))], [code((1, 6))], dimensions, version=1)
    grown = code((1, 4, 1, 6))
    cases.add(
        "expand", "EXPAND_DIMS", [code((1, 4, 6))], [grown], options("ExpandDimsOptions"), [integers(2)], version=1
    )
    turned = code((1, 5, 3, 4))
    cases.add(
        "transpose", "TRANSPOSE", [code((1, 3, 4, 5))], [turned], options("TransposeOptions"), [integers(0, 3, 1, 2)]
    )
    rows = [code((1, 4)), code((1, 4))]
    cases.add("pack", "PACK", rows, [code((1, 2, 4))], options("PackOptions", valuesCount=2, axis=1))
    apart = options("UnpackOptions", num=3, axis=1)
    cases.add("unpack", "UNPACK", [code((1, 3, 4))], [code((1, 4))] * 3, apart)
    for operator, table in (
        ("RESIZE_NEAREST_NEIGHBOR", "ResizeNearestNeighborOptions"),
        ("RESIZE_BILINEAR", "ResizeBilinearOptions"),
    ):
        for corners, half in ((False, False), (True, False), (False, True)):
            for size in ((7, 9), (2, 3)):
                cases.add(
                    f"{operator} {size} {corners} {half}",
                    operator,
                    [code((1, 4, 5, 3))],
                    [code((1, *size, 3))],
                    options(table, alignCorners=corners, halfPixelCenters=half),
                    [integers(*size)],
                )


@pytest.fixture(scope="module")
def models(bench: Any) -> dict[str, bytes]:
    """Every case as a TFLite file."""
    cases = Cases(bench.code, bench.tensor, bench.constant, bench.options)
    for family in (_layers, _pools, _elementwise, _movement):
        family(cases)
    return {name: write(bench, case) for name, case in cases.made.items()}


def write(bench: Any, case: Case) -> bytes:
    """A model of one operator."""
    tensors = [*case.given, *case.constants, *case.results]
    operands = len(case.given) + len(case.constants)
    results = range(operands, len(tensors))
    step = bench.step(case.operator, case.order or range(operands), results, case.options, case.version)
    content: bytes = bench.write(tensors, [step], range(len(case.given)), results)
    return content


def _check(bench: Any, name: str, answers: Any, expected: Any) -> None:
    for sample, (given, wanted) in enumerate(zip(answers, expected, strict=True)):
        for one, other in zip(given, wanted, strict=True):
            numpy.testing.assert_array_equal(one, other, err_msg=f"{name}, sample {sample}")


def test_interpreter_equals_litert(models: dict[str, bytes], bench: Any) -> None:
    for name, content in models.items():
        graph = bench.graph(content)
        samples = bench.samples(graph, 10)
        _check(bench, name, bench.interpret(graph, samples), bench.litert(content, samples))


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("family", ["C", "D", "E", "F", "H", "L", "M", "P", "Q", "R", "S", "T", "U", "A"])
def test_module_equals_litert(family: str, target: str, models: dict[str, bytes], bench: Any) -> None:
    for name, content in models.items():
        if not name.upper().startswith(family):
            continue
        graph = bench.graph(content)
        samples = bench.samples(graph, 2)
        _check(bench, name, bench.emulate(graph, target, samples), bench.litert(content, samples))


def test_negative_step_is_refused(bench: Any) -> None:
    options = bench.options("StridedSliceOptions")
    bounds = [bench.constant(values, "int32") for values in ([0, 5], [1, 0], [1, -1])]
    case = Case("STRIDED_SLICE", [bench.code((1, 6))], [bench.code((1, 5))], options, bounds)
    with pytest.raises(UnsupportedOperator, match=r"STRIDED_SLICE at position 0.*negative"):
        load_model(write(bench, case))


def test_extremes_of_differently_quantised_operands_are_refused(bench: Any) -> None:
    pair = [bench.code((1, 4), 0.1), bench.code((1, 4), 0.2)]
    case = Case("MAXIMUM", pair, [bench.code((1, 4), 0.1)], bench.options("MaximumMinimumOptions"))
    with pytest.raises(UnsupportedOperator, match="quantised differently"):
        load_model(write(bench, case))


def test_mean_of_a_shape_that_the_file_does_not_say_is_refused(bench: Any) -> None:
    axes = bench.constant([1], "int32")
    case = Case("MEAN", [bench.code((1, 6, 2))], [bench.code((1, 3))], bench.options("ReducerOptions"), [axes])
    with pytest.raises(WrongShape, match="MEAN at position 0"):
        load_model(write(bench, case))


def test_absurd_size_is_refused_at_once(bench: Any) -> None:
    size = bench.constant([1 << 30, 1 << 30], "int32")
    options = bench.options("ResizeNearestNeighborOptions")
    case = Case("RESIZE_NEAREST_NEIGHBOR", [bench.code((1, 2, 2, 1))], [bench.code((1, 9, 9, 1))], options, [size])
    with pytest.raises(ModelTooLarge):
        load_model(write(bench, case))


def test_transposed_convolution_to_an_impossible_size_is_refused(bench: Any) -> None:
    weights = bench.constant(numpy.zeros((1, 3, 3, 1)), "int8", [0.01])
    case = Case(
        "TRANSPOSE_CONV",
        [bench.code((1, 4, 4, 1))],
        [bench.code((1, 30, 30, 1))],
        bench.options("TransposeConvOptions", strideH=2, strideW=2, padding=_SAME),
        [bench.constant([1, 30, 30, 1], "int32"), weights],
        order=[1, 2, 0],
    )
    with pytest.raises(WrongShape, match="30×30"):
        load_model(write(bench, case))
