"""Collects the C text of a module. Symbols are numbered here: no name of a model ever reaches a source file."""

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy

from lwm2m_ml.compiler.ir.tensor import Array

ENTRY = "module_invoke"
_C_TYPES = {
    "int8": "int8_t",
    "uint8": "uint8_t",
    "int16": "int16_t",
    "int32": "int32_t",
    "uint32": "uint32_t",
    "float32": "float",
}
_VALUES_PER_LINE = 24


@dataclass(slots=True)
class Program:
    """Constants, functions and the calls of a module, whose entry takes so many `arenas`. Equals are kept once."""

    _constants: dict[str, str] = field(default_factory=dict)
    _functions: dict[str, str] = field(default_factory=dict)
    _assembly: dict[str, str] = field(default_factory=dict)
    _declarations: dict[str, None] = field(default_factory=dict)
    _calls: list[str] = field(default_factory=list)
    _headers: dict[str, None] = field(default_factory=dict)
    arenas: int = 1

    def constant(self, values: Array, *, alignment: int = 0) -> str:
        """The symbol of a constant array."""
        flat = numpy.asarray(values).reshape(-1)
        aligned = f" __attribute__((aligned({alignment})))" if alignment > flat.dtype.itemsize else ""
        text = f"{_C_TYPES[flat.dtype.name]} @NAME@[{flat.size}]{aligned} = {{\n{_lines(flat.tolist())}}};\n"
        return self._constants.setdefault(text, f"constant_{len(self._constants)}")

    def function(self, purpose: str, text: str) -> str:
        """The symbol of a function; `text` has @NAME@ where its name goes. `purpose` is a fixed word of the kernel."""
        return self._functions.setdefault(text.strip() + "\n", f"{purpose}_{len(self._functions)}")

    def assembly(self, purpose: str, text: str, prototype: str) -> str:
        """The symbol of a function in assembly, with its C prototype; both have @NAME@ where the name goes."""
        known = text in self._assembly
        name = self._assembly.setdefault(text, f"{purpose}_asm_{len(self._assembly)}")
        if not known:
            self._declarations[prototype.replace("@NAME@", name)] = None
        return name

    def include(self, header: str) -> None:
        """Add a header of the compiler."""
        self._headers[header] = None

    def call(self, statement: str) -> None:
        """Add a statement to the module's entry."""
        self._calls.append(statement)

    def sources(self) -> dict[str, str]:
        """The source files, by name."""
        parts = ["".join(f"#include <{header}>\n" for header in ("stdint.h", *self._headers))]
        parts += [f"{declaration}\n" for declaration in self._declarations]
        parts += [f"static const {text.replace('@NAME@', name, 1)}" for text, name in self._constants.items()]
        parts += [text.replace("@NAME@", name) for text, name in self._functions.items()]
        calls = "".join(f"  {call}\n" for call in self._calls)
        arenas = ", ".join(f"uint8_t *arena{number or ''}" for number in range(self.arenas))
        parts.append(f'__attribute__((visibility("default"))) int32_t {ENTRY}({arenas})\n{{\n{calls}  return 0;\n}}\n')
        files = {"module.c": "\n".join(parts)}
        if self._assembly:
            files["kernels.S"] = "\n".join(text.replace("@NAME@", name) for text, name in self._assembly.items())
        return files


def _literal(value: float) -> str:
    """A number in C; reals in hexadecimal, so that no digit is lost."""
    if isinstance(value, float):
        return f"{value.hex()}f"
    return str(value) if value != -(1 << 31) else "(-2147483647 - 1)"


def _lines(values: Iterable[float]) -> str:
    texts = [_literal(value) for value in values]
    rows = (texts[start : start + _VALUES_PER_LINE] for start in range(0, len(texts), _VALUES_PER_LINE))
    return "".join(",".join(row) + ",\n" for row in rows)


def fill(template: str, **values: object) -> str:
    """C text with each $name replaced; longer names first, so that one may begin another."""
    for name in sorted(values, key=len, reverse=True):
        template = template.replace(f"${name}", str(values[name]))
    if "$" in template:
        raise ValueError(f"the template keeps a placeholder: {template[template.index('$') :][:40]}")
    return template
