"""Reads ONNX operators that resize images."""

import math
from collections.abc import Callable

from lwm2m_ml.compiler.frontends.onnx_importer import Node, OnnxImporter
from lwm2m_ml.compiler.ir.kinds import ResizeBilinear, ResizeNearest
from lwm2m_ml.compiler.ir.limits import check_elements

# From a position of the result to the operand's: (position, size, length, scale).
_COORDINATES: dict[str, Callable[[int, int, int, float], float]] = {
    "half_pixel": lambda position, _size, _length, scale: (position + 0.5) / scale - 0.5,
    "pytorch_half_pixel": lambda position, size, _, scale: (position + 0.5) / scale - 0.5 if size > 1 else 0.0,
    "asymmetric": lambda position, _size, _length, scale: position / scale,
    "align_corners": lambda position, size, length, _: position * (length - 1) / (size - 1) if size > 1 else 0.0,
}
_ROUNDINGS: dict[str, Callable[[float], int]] = {
    "round_prefer_floor": lambda place: math.ceil(place - 0.5),
    "round_prefer_ceil": lambda place: math.floor(place + 0.5),
    "floor": math.floor,
    "ceil": math.ceil,
}


def _resize(importer: OnnxImporter, node: Node) -> None:
    image = importer.operand(node, 0)
    if len(importer.shape(image)) != 4:
        raise node.refuse("it resizes other than images", "Images with four axes work")
    scales, sizes = _scales_and_sizes(importer, node, importer.shape(image))
    coordinates = node.text("coordinate_transformation_mode", "half_pixel")
    rounding = node.text("nearest_mode", "round_prefer_floor")
    if node.operator == "Upsample":
        coordinates, rounding = "asymmetric", "floor"
    if coordinates not in _COORDINATES or rounding not in _ROUNDINGS or node.integer("antialias", 0):
        raise node.refuse(f"{coordinates} and {rounding}", f"These work: {', '.join(_COORDINATES)}")
    mode = node.text("mode", "nearest")
    if mode == "nearest":
        rows, columns = (
            _nearest(size, length, _COORDINATES[coordinates], scale, _ROUNDINGS[rounding])
            for size, length, scale in zip(sizes, importer.shape(image)[1:3], scales, strict=True)
        )
        importer.add(node, ResizeNearest(rows, columns), [image])
    elif mode == "linear":
        half = coordinates.endswith("half_pixel")
        importer.add(node, ResizeBilinear(sizes, coordinates == "align_corners", half), [image])
    else:
        raise node.refuse(f"{mode} interpolation", "nearest and linear work")


def _scales_and_sizes(
    importer: OnnxImporter, node: Node, shape: tuple[int, ...]
) -> tuple[tuple[float, float], tuple[int, int]]:
    """Of height and width; batch and channels stay."""
    before = (shape[0], shape[3], shape[1], shape[2])
    if node.has_input(3):
        after = [int(length) for length in importer.constant(node, 3).reshape(-1)]
        scales = [new / old for new, old in zip(after, before, strict=True)]
    else:
        place = 1 if node.operator == "Upsample" else 2
        if node.has_input(place):
            scales = [float(scale) for scale in importer.constant(node, place).reshape(-1)]
        else:
            given = node.attributes.get("scales")
            scales = [float(scale) for scale in given] if isinstance(given, tuple) else []
        after = [math.floor(old * scale) for old, scale in zip(before, scales, strict=True)]
    if after[:2] != list(before[:2]) or min(after) < 1:
        raise node.refuse(f"from {before} to {tuple(after)}", "Only height and width can change")
    check_elements(after, f"The result of {node.operator} at {node.place}")
    return (scales[2], scales[3]), (after[2], after[3])


def _nearest(
    size: int,
    length: int,
    coordinate: Callable[[int, int, int, float], float],
    scale: float,
    rounding: Callable[[float], int],
) -> tuple[int, ...]:
    places = (rounding(coordinate(position, size, length, scale)) for position in range(size))
    return tuple(max(0, min(place, length - 1)) for place in places)


IMPORTERS = {"Resize": _resize, "Upsample": _resize}
