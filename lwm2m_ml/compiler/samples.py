"""Reads samples of a model's inputs from files: numpy's arrays, or raw tensors, one sample in each file."""

import struct
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy

from lwm2m_ml.compiler.arithmetic import dequantize_values
from lwm2m_ml.compiler.errors import UnreadableSamples
from lwm2m_ml.compiler.ir import Array, Quantization, Tensor
from lwm2m_ml.errors import UsageError

MAXIMUM_BYTES = 1 << 29
RAW_TYPES = ("auto", "float32", "int8", "uint8")
# Colour, and colour with transparency: a single channel may as well be a spectrogram.
_IMAGE_CHANNELS = (3, 4)
_LOWEST_INT8 = -128


_DAMAGE = (
    *(OSError, ValueError, EOFError, KeyError, RuntimeError, MemoryError),
    *(struct.error, zlib.error, zipfile.BadZipFile),
)
"""What numpy, zipfile and the decompressors raise for files that are not what they seem."""


def read_samples(files: Sequence[Path], inputs: Sequence[Tensor], *, raw_type: str = "auto") -> dict[str, Array]:
    """Real values of each int8 input by name, axis 0 counting samples, of all files one after the other.

    Integers are in the input's own quantisation; uint8 stands for int8 shifted by 128. Raises UnreadableSamples.
    """
    if raw_type not in RAW_TYPES:
        raise UsageError(f"Unknown type of raw inputs {raw_type!r}", hint=f"Choose {', '.join(RAW_TYPES)}")
    pieces: dict[str, list[Array]] = {tensor.name: [] for tensor in inputs}
    budget = MAXIMUM_BYTES
    for file in files:
        for name, values in _read(file, inputs, raw_type).items():
            pieces[name].append(values)
            budget -= values.nbytes
        if budget < 0:
            raise UnreadableSamples(f"The inputs are larger than {MAXIMUM_BYTES:,} bytes together")
    return {name: numpy.concatenate(arrays) for name, arrays in pieces.items()}


def read_calibration(file: Path) -> Array:
    """Samples for calibration: an `.npy` file, or an `.npz` file with one array."""
    arrays = read_arrays(file)
    if len(arrays) != 1:
        raise UnreadableSamples(f"{file} holds the arrays {', '.join(sorted(arrays))}", hint="Give a file with one")
    return next(iter(arrays.values()))


def _read(file: Path, inputs: Sequence[Tensor], raw_type: str) -> dict[str, Array]:
    if file.suffix.lower() not in (".npy", ".npz"):
        return {inputs[0].name: _real(file, _raw(file, _only(inputs, file), raw_type), inputs[0])}
    arrays = read_arrays(file)
    if len(arrays) == 1 and len(inputs) == 1:
        arrays = {inputs[0].name: next(iter(arrays.values()))}
    if set(arrays) != {tensor.name for tensor in inputs}:
        raise UnreadableSamples(
            f"{file} holds the arrays {', '.join(sorted(arrays))}",
            hint=f"The model has the inputs {', '.join(tensor.name for tensor in inputs)}",
        )
    return {tensor.name: _real(file, _counted(file, arrays[tensor.name], tensor), tensor) for tensor in inputs}


def _only(inputs: Sequence[Tensor], file: Path) -> Tensor:
    if len(inputs) != 1:
        raise UnreadableSamples(
            f"{file} is a raw tensor, and the model has {len(inputs)} inputs", hint="Give an .npz file with all of them"
        )
    return inputs[0]


def _content(file: Path) -> bytes:
    try:
        with file.open("rb") as stream:
            content = stream.read(MAXIMUM_BYTES + 1)
    except OSError as error:
        raise UsageError(f"Cannot read {file}: {error.strerror or error}") from None
    if len(content) > MAXIMUM_BYTES:
        raise UnreadableSamples(f"{file} is larger than {MAXIMUM_BYTES:,} bytes")
    return content


def read_arrays(file: Path) -> dict[str, Array]:
    """The arrays of an .npy or .npz file; pickled objects are never read."""
    if not file.is_file():
        raise UsageError(f"Cannot read {file}: no such file")
    try:
        if file.suffix.lower() == ".npz":
            with zipfile.ZipFile(file) as archive:
                size = sum(entry.file_size for entry in archive.infolist())
            if size > MAXIMUM_BYTES:
                raise UnreadableSamples(f"{file} is larger than {MAXIMUM_BYTES:,} bytes")
        loaded = numpy.load(file, allow_pickle=False, mmap_mode="r" if file.suffix.lower() == ".npy" else None)
        if isinstance(loaded, numpy.ndarray):
            return {file.stem: loaded}
        with loaded:
            return {name: loaded[name] for name in loaded.files}
    except _DAMAGE as error:
        reason = (str(error) or type(error).__name__).splitlines()[0][:200]
        raise UnreadableSamples(f"{file} does not hold arrays: {reason}") from None


def _raw(file: Path, tensor: Tensor, raw_type: str) -> Array:
    content = _content(file)
    dtype = _raw_type(file, len(content), tensor) if raw_type == "auto" else raw_type
    values = numpy.frombuffer(content, "<f4" if dtype == "float32" else dtype) if _fits(content, dtype) else None
    if values is None or values.size != tensor.elements:
        raise _wrong_size(file, len(content), tensor)
    return values.reshape(1, *tensor.shape)


def _fits(content: bytes, dtype: str) -> bool:
    return len(content) % numpy.dtype(dtype).itemsize == 0


def _raw_type(file: Path, size: int, tensor: Tensor) -> str:
    """Real numbers by their size; bytes are uint8 for what looks like an image, else int8."""
    if size == 4 * tensor.elements:
        return "float32"
    if size != tensor.elements:
        raise _wrong_size(file, size, tensor)
    image = len(tensor.shape) == 4 and (tensor.shape[-1] in _IMAGE_CHANNELS or tensor.shape[1] in _IMAGE_CHANNELS)
    return "uint8" if image and _quantization(tensor).zero_point == _LOWEST_INT8 else "int8"


def _wrong_size(file: Path, size: int, tensor: Tensor) -> UnreadableSamples:
    shape = "×".join(map(str, tensor.shape))
    return UnreadableSamples(
        f"{file} has {size:,} bytes", hint=f"An input of {shape} has {tensor.elements:,}, or four times that as float32"
    )


def _counted(file: Path, values: Array, tensor: Tensor) -> Array:
    """The array with an axis that counts samples."""
    if values.shape in (tensor.shape, tensor.shape[1:]):
        return values.reshape(1, *tensor.shape)
    if values.shape[1:] == tensor.shape[1:] and tensor.shape[:1] == (1,):
        return values.reshape(-1, *tensor.shape)
    if values.shape[1:] != tensor.shape or not values.shape[0]:
        raise UnreadableSamples(f"{file} holds an array of {values.shape}", hint=f"The input is {tensor.shape}")
    return values


def _quantization(tensor: Tensor) -> Quantization:
    if tensor.quantization is None:
        raise UnreadableSamples(f"Input {tensor.name} takes real numbers only")
    return tensor.quantization


def _real(file: Path, values: Array, tensor: Tensor) -> Array:
    if values.dtype.kind == "f":
        return values.astype(numpy.float32)
    quantization = _quantization(tensor)
    if values.dtype == numpy.uint8:
        if quantization.zero_point != _LOWEST_INT8:
            raise UnreadableSamples(
                f"{file} holds uint8, but the input's zero point is {quantization.zero_point}, not {_LOWEST_INT8}",
                hint="Give int8 or real numbers",
            )
        values = (values.astype(numpy.int16) + _LOWEST_INT8).astype(numpy.int8)
    if values.dtype != numpy.int8:
        raise UnreadableSamples(f"{file} holds {values.dtype}", hint="Give float32, int8 or uint8")
    return dequantize_values(values, quantization.scale, quantization.zero_point)
