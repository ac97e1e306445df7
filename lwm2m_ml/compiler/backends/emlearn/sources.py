"""Writes a model as C with emlearn's generators, and the entry that runs it in the caller's arena."""

from collections.abc import Sequence
from importlib import resources
from pathlib import Path

import numpy

from lwm2m_ml.compiler.backends.emlearn.steps import Curve, Dense, Step, Trees
from lwm2m_ml.compiler.ir import Array

# One of its modules lets numpy raise for every rounding, in the whole process, when it is imported.
with numpy.errstate():
    import emlearn
    from emlearn import cgen, net, trees

ENTRY = "module_invoke"
_ALIGNMENT = 4
_WORD = 4
_ACTIVATIONS = {
    "relu": "for (int32_t i = 0; i < {size}; ++i) {at}[i] = eml_net_relu({at}[i]);",
    "logistic": "for (int32_t i = 0; i < {size}; ++i) {at}[i] = eml_net_expit({at}[i]);",
    "tanh": "for (int32_t i = 0; i < {size}; ++i) {at}[i] = eml_net_tanh({at}[i]);",
    "softmax": "if (eml_net_softmax({at}, {size}) != EmlOk) return 1;",
}


class _Exact(float):
    """A number that emlearn prints without losing a digit: its own form has six decimals."""

    def __format__(self, _: str) -> str:
        return self.hex()


def sources(steps: Sequence[Step], inputs: int) -> tuple[dict[str, str], int, int]:
    """The files, where the result lies, and the length of the arena: two buffers, in turns."""
    largest = max([inputs, *(_size(step) for step in steps if not isinstance(step, Curve))])
    places = (0, -(-largest * _WORD // _ALIGNMENT) * _ALIGNMENT)
    parts, calls, turn, size = [], [], 0, inputs
    for number, step in enumerate(steps):
        if isinstance(step, Curve):
            calls.append(_ACTIVATIONS[step.activation].format(at=_at(places[turn]), size=size))
            continue
        declared, called = _written(number, step, _at(places[turn]), _at(places[1 - turn]))
        parts.append(declared)
        calls.append(called)
        turn, size = 1 - turn, _size(step)
    return _files(parts, calls), places[turn], places[1] + largest * _WORD


def _at(place: int) -> str:
    return f"((float *)(arena + {place}))"


def _size(step: Trees | Dense) -> int:
    return len(step.bias if isinstance(step, Trees) else step.biases)


def _written(number: int, step: Trees | Dense, given: str, result: str) -> tuple[str, str]:
    return _trees(number, step, given, result) if isinstance(step, Trees) else _dense(number, step, given, result)


def _exact(values: Array) -> Array:
    return numpy.array([_Exact(value) for value in values.reshape(-1)], object).reshape(values.shape)


def _dense(number: int, layer: Dense, given: str, result: str) -> tuple[str, str]:
    declared = net.c_generate_layer_data(
        [layer.activation], [_exact(layer.weights)], [_exact(layer.biases)], f"dense{number}", include_constants=False
    )
    inputs, outputs = layer.weights.shape
    name = f"dense{number}_layer_0"
    activation = net.c_activation_function(layer.activation)
    call = (
        f"if (eml_net_forward({given}, {inputs}, {name}_weights, {name}_biases, {activation}, {result}, {outputs})"
        " != EmlOk) return 1;"
    )
    return "\n".join(declaration["code"] for declaration in declared), call


def _trees(number: int, forest: Trees, given: str, result: str) -> tuple[str, str]:
    """Emlearn's trees tell the leaf that is reached; what leaves hold is added up here, in the order of the trees."""
    name = f"trees{number}"
    nodes = [(feature, _Exact(limit), left, right) for feature, limit, left, right in forest.nodes]
    leaf_numbers = [_Exact(leaf) for leaf in range(len(forest.leaves))]
    code = trees.generate_c_inlined(
        (nodes, list(forest.roots), leaf_numbers), name, forest.features, classifier=False, include_proba=False
    )
    outputs = len(forest.bias)
    tables = "\n".join(
        cgen.array_declare(f"{name}_{what}", values=list(_exact(values).reshape(-1)), end="")
        for what, values in (("leaf_values", forest.leaves), ("bias", forest.bias))
    )
    lines = [f"for (int32_t i = 0; i < {outputs}; ++i) {result}[i] = {name}_bias[i];"]
    for tree in range(len(forest.roots)):
        reached = f"(int32_t){name}_tree_{tree}({given}, {forest.features})"
        lines.append(f"add_leaf({result}, {name}_leaf_values + {outputs} * {reached}, {outputs});")
    return f"{code}\n{tables}", "\n  ".join(lines)


def _files(parts: Sequence[str], calls: Sequence[str]) -> dict[str, str]:
    own = resources.files(__package__) / "include"
    vendor = Path(str(emlearn.__file__)).parent
    network = (vendor / "eml_net.h").read_text("utf-8").replace("#include <math.h>", '#include "math.h"')
    body = "".join(f"  {call}\n" for call in calls)
    text = f"""#include <stdint.h>
#include "eml_net.h"

static void add_leaf(float *sums, const float *leaf, int32_t count)
{{
  for (int32_t i = 0; i < count; ++i) sums[i] += leaf[i];
}}

{chr(10).join(parts)}

__attribute__((visibility("default"))) int32_t {ENTRY}(uint8_t *arena)
{{
{body}  return 0;
}}
"""
    return {
        "model.c": text,
        "eml_net.h": network,
        "eml_net_common.h": (vendor / "eml_net_common.h").read_text("utf-8"),
        "eml_common.h": (own / "eml_common.h").read_text("utf-8"),
        "math.h": (own / "math.h").read_text("utf-8"),
    }
