"""Turns the native backend's portable C into C99 that any compiler takes, with a header whose names never change."""

import re
from importlib import resources

from lwm2m_ml.compiler.backends.native.design import Design
from lwm2m_ml.compiler.backends.native.program import ENTRY
from lwm2m_ml.compiler.errors import UnsupportedOperator
from lwm2m_ml.compiler.ir import DataType, Graph, Tensor

HEADER = "lwm2m_ml_model.h"
SOURCE = "model.c"
_TEMPLATES = ("CMakeLists.txt", "README.txt", "zephyr/module.yml", "zephyr/CMakeLists.txt", "zephyr/Kconfig")
_TYPES = {DataType.FLOAT32: "LWM2M_ML_FLOAT32", DataType.INT8: "LWM2M_ML_INT8"}
# Words of GCC and Clang, and what portable.h calls them.
_WORDS = (
    (re.compile(r"__attribute__\(\(noinline\)\)"), "MODEL_NOINLINE"),
    (re.compile(r"__attribute__\(\(always_inline\)\) inline"), "MODEL_INLINE"),
    (re.compile(r"__attribute__\(\(visibility\(\"default\"\)\)\) "), "static "),
    (re.compile(r"(\S+ \w+\[\w+\]) __attribute__\(\(aligned\((\d+)\)\)\)"), r"MODEL_ALIGNED(\2) \1"),
    (re.compile(r"#pragma clang [^\n]*\n"), ""),
    (re.compile(r"__builtin_clz\("), "model_leading_zeros("),
    # A barrier that keeps one compiler from a slow choice; the value is the same without it.
    (re.compile(r" *__asm__\(\"\" : \"\+r\"\(\w+\)\);\n"), ""),
)
_COMPILER_WORD = re.compile(r"\b(__\w+|asm)\b")


def project_files(design: Design) -> dict[str, str]:
    """The files of the project, by path."""
    files = {name: _template(name) for name in _TEMPLATES}
    header = _template(HEADER).replace("@ARENA_BYTES@", str(design.arena_bytes))
    return files | {
        f"include/{HEADER}": header,
        "src/portable.h": _template("portable.h"),
        f"src/{SOURCE}": portable_c(design.sources()["module.c"]) + _interface(design),
    }


def portable_c(text: str) -> str:
    """The same program without words that only some compilers know; raises UnsupportedOperator if one stays."""
    for pattern, word in _WORDS:
        text = pattern.sub(word, text)
    left = _COMPILER_WORD.search(text)
    if left is not None:
        raise UnsupportedOperator("of the model", "a kernel", why=f"its C needs the compiler's word {left.group()}")
    return text.replace("#include <stdint.h>\n", f'#include "{HEADER}"\n#include "portable.h"\n', 1)


def _template(name: str) -> str:
    return (resources.files(__package__) / "template" / name).read_text("utf-8")


def _interface(design: Design) -> str:
    """The part of the source that the header promises."""
    graph = design.graph
    shapes = "".join(
        f"static const int32_t shape_of_{kind}_{number}[] = {{{', '.join(map(str, graph.tensor(name).shape))}}};\n"
        for kind, names in (("input", graph.inputs), ("output", graph.outputs))
        for number, name in enumerate(names)
    )
    return f"""
{shapes}
static const lwm2m_ml_tensor_t inputs[] = {{
{_tensors(design, graph, "input", graph.inputs)}}};

static const lwm2m_ml_tensor_t outputs[] = {{
{_tensors(design, graph, "output", graph.outputs)}}};

int32_t LWM2M_ML_MODEL_INVOKE(void *arena)
{{
  if (arena == NULL || (uintptr_t)arena % LWM2M_ML_MODEL_ARENA_ALIGNMENT != 0U) return LWM2M_ML_MODEL_BAD_ARENA;
  return {ENTRY}((uint8_t *)arena);
}}

const lwm2m_ml_model_t LWM2M_ML_MODEL = {{
  LWM2M_ML_MODEL_API_VERSION, LWM2M_ML_MODEL_ARENA_BYTES, {len(graph.inputs)}U, {len(graph.outputs)}U,
  inputs, outputs, LWM2M_ML_MODEL_INVOKE
}};
"""


def _tensors(design: Design, graph: Graph, kind: str, names: tuple[str, ...]) -> str:
    rows = (_row(graph.tensor(name), f"shape_of_{kind}_{number}", design) for number, name in enumerate(names))
    return "".join(f"  {{{row}}},\n" for row in rows)


def _row(tensor: Tensor, shape: str, design: Design) -> str:
    if tensor.dtype not in _TYPES:
        raise UnsupportedOperator(tensor.dtype.value, "an input or output", why="the C interface has no such type")
    real = tensor.dtype is DataType.FLOAT32 or tensor.quantization is None
    scale, zero_point = (1.0, 0) if real else (tensor.quantization.scale, tensor.quantization.zero_point)  # type: ignore[union-attr]
    facts = (_TYPES[tensor.dtype], f"{len(tensor.shape)}U", shape, f"{float(scale).hex()}f", zero_point)
    return ", ".join(map(str, (*facts, f"{design.offsets[tensor.name]}U", f"{tensor.bytes}U")))
