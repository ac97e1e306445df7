"""Every operator on float32: the interpreter and the module on emulated cores, against LiteRT's reference kernels.

Answers may differ by 1e-5 of the largest one: sums are added in another order, elementary functions are our own.
"""

from typing import Any

import numpy
import pytest
from ai_edge_litert import schema_py_generated as schema

from lwm2m_ml.compiler.compilation import compile as compile_model
from lwm2m_ml.compiler.frontends.load import load_model
from lwm2m_ml.compiler.passes.pipeline import simplify
from lwm2m_ml.compiler.targets import load_target
from lwm2m_ml.errors import UsageError

TARGETS = ("cortex-m0plus", "cortex-m4f", "rv32imc")
TOLERANCE = 1e-5
_RANDOM = numpy.random.default_rng(23)
_SAME = schema.Padding.SAME


def _weights(bench: Any, *shape: int) -> Any:
    return bench.constant(_RANDOM.standard_normal(shape), "float32")


def _one(bench: Any, operator: str, shapes: Any, result: Any, options: Any = None, *constants: Any) -> bytes:
    """A model of one operator; the order of operands of a transposed convolution is its own."""
    tensors = [*(bench.real(shape) for shape in shapes), *constants, bench.real(result)]
    operands = list(range(len(tensors) - 1))
    if operator == "TRANSPOSE_CONV":
        operands = [1, 2, 0, 3]
    step = bench.step(operator, operands, [len(tensors) - 1], options, 3 if operator == "TRANSPOSE_CONV" else 1)
    content: bytes = bench.write(tensors, [step], range(len(shapes)), [len(tensors) - 1])
    return content


def _layers(bench: Any) -> dict[str, bytes]:
    conv = {"strideH": 1, "strideW": 2, "dilationHFactor": 2, "dilationWFactor": 1, "padding": _SAME}
    pool = {"filterHeight": 3, "filterWidth": 3, "strideH": 2, "strideW": 2, "padding": _SAME}
    image = (1, 7, 8, 6)
    return {
        "convolution": _one(
            bench,
            "CONV_2D",
            [image],
            (1, 7, 4, 4),
            bench.options("Conv2DOptions", **conv, fusedActivationFunction=schema.ActivationFunctionType.RELU6),
            _weights(bench, 4, 3, 2, 6),
            _weights(bench, 4),
        ),
        "convolution in groups": _one(
            bench,
            "CONV_2D",
            [image],
            (1, 7, 4, 4),
            bench.options("Conv2DOptions", **conv),
            _weights(bench, 4, 3, 2, 3),
            _weights(bench, 4),
        ),
        "depthwise": _one(
            bench,
            "DEPTHWISE_CONV_2D",
            [(1, 7, 8, 4)],
            (1, 7, 4, 8),
            bench.options("DepthwiseConv2DOptions", **conv, depthMultiplier=2),
            _weights(bench, 1, 3, 2, 8),
            _weights(bench, 8),
        ),
        "transposed convolution": _one(
            bench,
            "TRANSPOSE_CONV",
            [(1, 4, 5, 2)],
            (1, 8, 10, 4),
            bench.options("TransposeConvOptions", padding=_SAME, strideH=2, strideW=2),
            bench.constant([1, 8, 10, 4], "int32"),
            _weights(bench, 4, 3, 3, 2),
            _weights(bench, 4),
        ),
        "fully connected": _one(
            bench,
            "FULLY_CONNECTED",
            [(1, 12)],
            (1, 5),
            bench.options("FullyConnectedOptions", fusedActivationFunction=schema.ActivationFunctionType.RELU),
            _weights(bench, 5, 12),
            _weights(bench, 5),
        ),
        **{
            operator: _one(bench, operator, [(1, 7, 7, 3)], (1, 4, 4, 3), bench.options("Pool2DOptions", **pool))
            for operator in ("AVERAGE_POOL_2D", "MAX_POOL_2D")
        },
        "mean": _one(
            bench,
            "MEAN",
            [(1, 4, 6, 5)],
            (1, 5),
            bench.options("ReducerOptions", keepDims=False),
            bench.constant([1, 2], "int32"),
        ),
    }


def _functions(bench: Any) -> dict[str, bytes]:
    tables = {"LEAKY_RELU": bench.options("LeakyReluOptions", alpha=0.3)}
    unary = ("LOGISTIC", "TANH", "RELU", "RELU6", "HARD_SWISH", "LEAKY_RELU")
    binary = {"ADD": "AddOptions", "SUB": "SubOptions", "MUL": "MulOptions", "MAXIMUM": "MaximumMinimumOptions"}
    pair = [(1, 3, 4, 5), (1, 1, 1, 5)]
    return {
        **{operator: _one(bench, operator, [(1, 256)], (1, 256), tables.get(operator)) for operator in unary},
        **{name: _one(bench, name, pair, (1, 3, 4, 5), bench.options(table)) for name, table in binary.items()},
        "prelu": _one(bench, "PRELU", [(1, 4, 5, 6)], (1, 4, 5, 6), None, _weights(bench, 1, 1, 6)),
        "softmax": _one(bench, "SOFTMAX", [(2, 7)], (2, 7), bench.options("SoftmaxOptions", beta=1.0)),
    }


def _movement(bench: Any) -> dict[str, bytes]:
    def integers(*values: Any) -> Any:
        return bench.constant(values, "int32")

    resized = {
        f"resize bilinear {corners} {half}": _one(
            bench,
            "RESIZE_BILINEAR",
            [(1, 4, 5, 3)],
            (1, 7, 9, 3),
            bench.options("ResizeBilinearOptions", alignCorners=corners, halfPixelCenters=half),
            integers(7, 9),
        )
        for corners, half in ((False, False), (True, False), (False, True))
    }
    nearest = bench.options("ResizeNearestNeighborOptions")
    joined = bench.options("ConcatenationOptions", axis=2)
    pads = integers([0, 0], [1, 2], [0, 3], [0, 0])
    return {
        **resized,
        "resize nearest": _one(bench, "RESIZE_NEAREST_NEIGHBOR", [(1, 4, 5, 3)], (1, 7, 9, 3), nearest, integers(7, 9)),
        "concatenation": _one(bench, "CONCATENATION", [(1, 2, 3, 4), (1, 2, 5, 4)], (1, 2, 8, 4), joined),
        "pad": _one(bench, "PAD", [(1, 3, 4, 2)], (1, 6, 7, 2), bench.options("PadOptions"), pads),
        "transpose": _one(
            bench, "TRANSPOSE", [(1, 3, 4, 5)], (1, 5, 3, 4), bench.options("TransposeOptions"), integers(0, 3, 1, 2)
        ),
        "reshape": _one(
            bench, "RESHAPE", [(1, 4, 6)], (1, 24), bench.options("ReshapeOptions", newShape=[1, 24]), integers(1, 24)
        ),
    }


def _mixed(bench: Any) -> dict[str, bytes]:
    """Float, then int8, then float again."""
    real = bench.real((1, 50))
    tensors = [real, bench.code((1, 50), 0.02, 3), bench.code((1, 50), 1 / 128, 0), real, real]
    steps = [
        bench.step("QUANTIZE", [0], [1], bench.options("QuantizeOptions"), 1),
        bench.step("TANH", [1], [2]),
        bench.step("DEQUANTIZE", [2], [3], bench.options("DequantizeOptions")),
        bench.step("ADD", [3, 0], [4], bench.options("AddOptions"), 1),
    ]
    return {"mixed": bench.write(tensors, steps, [0], [4])}


FAMILIES = {"layers": _layers, "functions": _functions, "movement": _movement, "mixed": _mixed}


def _check(name: str, answers: Any, expected: Any) -> None:
    for given, wanted in zip(answers, expected, strict=True):
        allowed = TOLERANCE * max(1.0, float(numpy.abs(wanted[0]).max()))
        numpy.testing.assert_allclose(given[0], wanted[0], rtol=0, atol=allowed, err_msg=name)


@pytest.mark.parametrize("family", FAMILIES)
def test_interpreter_equals_litert(family: str, bench: Any) -> None:
    for name, content in FAMILIES[family](bench).items():
        graph = simplify(load_model(content))
        samples = bench.samples(graph, 4)
        _check(name, bench.interpret(graph, samples), bench.litert(content, samples))


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("family", FAMILIES)
def test_module_equals_litert(family: str, target: str, bench: Any) -> None:
    for name, content in FAMILIES[family](bench).items():
        graph = simplify(load_model(content))
        samples = bench.samples(graph, 2)
        _check(name, bench.emulate(graph, target, samples), bench.litert(content, samples))


def test_float_module_is_proved_within_its_tolerance(digits_network: bytes, digits_samples: Any) -> None:
    module = compile_model(digits_network, load_target("cortex-m4f"), inputs=digits_samples[:2], precision="float32")
    assert (module.inputs[0].dtype, module.outputs[0].dtype, module.outputs[0].scale) == ("float32", "float32", 1.0)
    assert module.max_abs_diff is not None
    assert module.max_abs_diff < 1e-4
    given, answer = module.vectors[1]
    assert given == digits_samples[1].tobytes()
    assert abs(numpy.frombuffer(answer, numpy.float32).sum() - 1) < 1e-5


def test_quantised_model_in_float_is_refused(bench: Any) -> None:
    content = bench.write(
        [bench.code((1, 9)), bench.code((1, 9), 1 / 128, 0)], [bench.step("TANH", [0], [1])], [0], [1]
    )
    with pytest.raises(UsageError, match="quantised"):
        compile_model(content, load_target("cortex-m4f"), precision="float32")
