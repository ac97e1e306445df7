"""The header that registers exactly the operators of a model with TensorFlow Lite Micro."""

from collections.abc import Sequence

from lwm2m_ml.compiler.backends.interface import INTERFACE_VERSION

# MicroMutableOpResolver's methods (micro_mutable_op_resolver.h) where they are not the operator's words in capitals.
_METHODS = {
    "CONV_2D": "AddConv2D",
    "DEPTHWISE_CONV_2D": "AddDepthwiseConv2D",
    "AVERAGE_POOL_2D": "AddAveragePool2D",
    "MAX_POOL_2D": "AddMaxPool2D",
    "PADV2": "AddPadV2",
}


def resolver_header(operators: Sequence[str]) -> str:
    """C++ that a firmware includes instead of AllOpsResolver, so that the linker drops all other kernels."""
    lines = "".join(f"  resolver.{_method(name)}();\n" for name in operators)
    return f"""// The operators of this model and no other. Written by lwm2m-ml, plugin interface {INTERFACE_VERSION}.
#pragma once
#include "tensorflow/lite/micro/micro_mutable_op_resolver.h"

constexpr unsigned kModelOperators = {len(operators)};

inline void AddModelOperators(tflite::MicroMutableOpResolver<kModelOperators>& resolver) {{
{lines}}}
"""


def _method(name: str) -> str:
    return _METHODS.get(name, "Add" + "".join(word.capitalize() for word in name.split("_")))
