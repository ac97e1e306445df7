"""How a model is wired to the resources around it: what AI Model Configuration (object 513) says in 7 to 12 and 14.

Entry i of Inputs, Input transforms and Input labels belong together, and so do those of the outputs. A link is a CoRE
link to a resource of the device (`</3303/0/5700>`), to an instance of ML Inference Result (`</42771/0>`, what a model
puts out as it is), or through the prefix of a gateway to a resource of a device behind it (`</d01/19/0/0>`). An empty
text is the device's own sensor.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from lwm2m_ml.errors import InvalidInputError
from lwm2m_ml.lwm2m.expressions import Expression, ExpressionError, names, parse
from lwm2m_ml.lwm2m.gateway import split_uri_path
from lwm2m_ml.lwm2m.link_format import LinkFormatError, parse_links
from lwm2m_ml.lwm2m.path import ObjectPath, PathError

INPUTS, INPUT_TRANSFORMS, INPUT_LABELS = 7, 8, 9
OUTPUTS, OUTPUT_TRANSFORMS, OUTPUT_LABELS = 10, 11, 12
CONDITION = 14
WIRING_RESOURCES = (INPUTS, INPUT_TRANSFORMS, INPUT_LABELS, OUTPUTS, OUTPUT_TRANSFORMS, OUTPUT_LABELS, CONDITION)

VALUE, BEFORE = "value", "before"
"""What a transform calls what it transforms, and an output transform what its target holds now."""
MAXIMUM_WIRES = 16
_NO_NAME = re.compile(r"[^0-9A-Za-z_]")


class WiringError(InvalidInputError):
    """A link, a label or an expression that cannot be used as it is."""


@dataclass(frozen=True, slots=True)
class ResourceLink:
    """A link to a resource: of this device, or with a prefix of a device behind it."""

    path: ObjectPath
    prefix: str = ""

    def __str__(self) -> str:
        return f"</{self.prefix}{self.path}>" if self.prefix else f"<{self.path}>"


@dataclass(frozen=True, slots=True)
class Wire:
    """One entry of Inputs or Outputs, with its label and its transform. Without a link: the device's own sensor."""

    link: ResourceLink | None = None
    label: str = ""
    transform: str = ""

    @property
    def name(self) -> str:
        """The label as expressions write it."""
        return name_of(self.label)

    @property
    def expression(self) -> Expression | None:
        """The transform, None where there is none."""
        return read_expression(self.transform)


@dataclass(frozen=True, slots=True)
class Wiring:
    """All of one model's."""

    inputs: tuple[Wire, ...]
    outputs: tuple[Wire, ...]
    condition: str = ""

    @classmethod
    def of(cls, resources: Mapping[int, object]) -> Wiring:
        """Put together what the resources of an instance of 513 say; raises `WiringError`."""
        condition = resources.get(CONDITION, "")
        return cls(
            _wires(resources, INPUTS, INPUT_TRANSFORMS, INPUT_LABELS),
            _wires(resources, OUTPUTS, OUTPUT_TRANSFORMS, OUTPUT_LABELS),
            condition if isinstance(condition, str) else "",
        )

    @property
    def condition_expression(self) -> Expression | None:
        """The condition, None where there is none."""
        return read_expression(self.condition)

    def resources(self) -> dict[int, dict[int, str] | str]:
        """Return what to write into an instance of 513, in an order in which each only needs what came before."""
        return {
            INPUTS: dict(enumerate("" if wire.link is None else str(wire.link) for wire in self.inputs)),
            INPUT_LABELS: dict(enumerate(wire.label for wire in self.inputs)),
            OUTPUTS: dict(enumerate("" if wire.link is None else str(wire.link) for wire in self.outputs)),
            OUTPUT_LABELS: dict(enumerate(wire.label for wire in self.outputs)),
            INPUT_TRANSFORMS: dict(enumerate(wire.transform for wire in self.inputs)),
            OUTPUT_TRANSFORMS: dict(enumerate(wire.transform for wire in self.outputs)),
            CONDITION: self.condition,
        }

    def check(self) -> None:
        """Raise `WiringError` for what no device can follow, whatever it has: the names that expressions use, …"""
        for what, wires in (("inputs", self.inputs), ("outputs", self.outputs)):
            if len(wires) > MAXIMUM_WIRES:
                raise WiringError(f"A model has at most {MAXIMUM_WIRES} {what}, not {len(wires)}")
        known = [wire.name for wire in self.inputs]
        if len(set(known)) != len(known):
            raise WiringError("Two inputs have the same label", hint="Expressions tell inputs by their labels")
        if any(wire.link is None for wire in self.outputs):
            raise WiringError("An output needs a link", hint="For example </42771/0>, the result of slot 0")
        check_names("The condition", self.condition, known)
        for wire in self.inputs:
            check_names(f"The transform of input {wire.label!r}", wire.transform, [*known, VALUE])
        for wire in self.outputs:
            read_expression(wire.transform)  # it may name all outputs of the model, which only the device knows


def name_of(label: str) -> str:
    """Return a label as expressions write it: other characters than letters, digits and underscores become those."""
    name = _NO_NAME.sub("_", label)
    return f"_{name}" if name[:1].isdigit() else name


@lru_cache(maxsize=4_096)
def read_expression(text: str) -> Expression | None:
    """Read an expression, None for an empty text; raises `WiringError`."""
    try:
        return parse(text) if text else None
    except ExpressionError as error:
        raise WiringError(f"{text[:60]!r} cannot be read: {error}", hint="See docs/expressions.md") from error


def read_link(text: str) -> ResourceLink | None:
    """Read one link, None for an empty text (the own sensor); raises `WiringError`."""
    if not text:
        return None
    try:
        (link,) = parse_links(text.encode())
        if not link.target.startswith("/"):
            raise PathError(f"{link.target[:60]!r} is not on this device")
        prefix, path = split_uri_path([part for part in link.target.split("/") if part])
    except (LinkFormatError, PathError, ValueError) as error:
        why = error.message if isinstance(error, InvalidInputError) else "one link is needed"
        raise WiringError(f"{text[:60]!r}: {why}", hint="A link is </object/instance/resource>") from error
    if path.level < 2:
        raise WiringError(f"{text[:60]!r} names no resource", hint="A link is </object/instance/resource>")
    return ResourceLink(path, prefix)


def check_names(what: str, text: str, known: Iterable[str]) -> None:
    """Raise `WiringError` when an expression cannot be read, or uses a name that nothing has."""
    expression, given = read_expression(text), list(known)
    unknown = sorted(names(expression) - set(given)) if expression is not None else []
    if unknown:
        raise WiringError(f"{what} uses {unknown[0]!r}", hint=f"There are: {', '.join(filter(None, given)) or 'none'}")


def _wires(resources: Mapping[int, object], links: int, transforms: int, labels: int) -> tuple[Wire, ...]:
    targets = _texts(resources.get(links))
    transform, label = _texts(resources.get(transforms)), _texts(resources.get(labels))
    return tuple(
        Wire(read_link(targets[number]), label.get(number, ""), transform.get(number, "")) for number in sorted(targets)
    )


def _texts(value: object) -> Mapping[int, str]:
    if isinstance(value, Mapping):
        return {int(number): str(text) for number, text in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        return dict(enumerate(map(str, value)))
    return {}
