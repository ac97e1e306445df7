"""Access to the options of TFLite operators, and what many of them have in common."""

from typing import Any

import tflite

from lwm2m_ml.compiler.errors import WrongShape
from lwm2m_ml.compiler.frontends.tflite_file import FileOperator
from lwm2m_ml.compiler.ir.kinds import Padding


def options_of(operator: FileOperator, table: type) -> Any:
    """The options of an operator, read as the table that its kind says."""
    if operator.options is None:
        raise ValueError("it has no options")
    options = table()
    source: Any = operator.options
    options.Init(source.Bytes, source.Pos)
    return options


def positive(*values: int) -> None:
    """Refuse zero and less."""
    if min(values) < 1:
        raise WrongShape("strides, dilations, windows and sizes must be positive")


def padding_of(
    scheme: int, lengths: tuple[int, ...], window: tuple[int, int], stride: tuple[int, int], dilation: tuple[int, int]
) -> Padding:
    """The padding that a scheme of TFLite means."""
    positive(*stride, *dilation)
    return Padding() if scheme == tflite.Padding.VALID else same_padding(lengths, window, stride, dilation)


def same_padding(
    lengths: tuple[int, ...], window: tuple[int, ...], stride: tuple[int, int], dilation: tuple[int, int]
) -> Padding:
    """As many rows and columns as make one window position per stride; the odd one goes to the end."""
    totals = [
        max(0, (-(-length // step) - 1) * step + spread * (size - 1) + 1 - length)
        for length, size, step, spread in zip(lengths, window, stride, dilation, strict=True)
    ]
    return Padding(totals[0] // 2, totals[0] - totals[0] // 2, totals[1] // 2, totals[1] - totals[1] // 2)
