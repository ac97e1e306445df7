"""Samples with or without labels, as users keep them: .npz, .npy, .csv, or a folder of images or recordings."""

import csv
import wave
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy

from lwm2m_ml.compiler.errors import UnreadableSamples
from lwm2m_ml.compiler.ir import Array
from lwm2m_ml.compiler.samples import MAXIMUM_BYTES, read_arrays
from lwm2m_ml.errors import MissingExtraError, UsageError

LABEL_NAMES = ("label", "labels", "class", "classes", "target", "targets", "y")
IMAGES = (".png", ".jpg", ".jpeg", ".bmp", ".pgm", ".ppm", ".gif")
_RECORDINGS = (".wav",)
_MAXIMUM_FILES = 100_000
_MAXIMUM_PIXELS = 1 << 24
_COLOURS = {1: "L", 3: "RGB", 4: "RGBA"}
_BYTES_PER_FLOAT = 4


@dataclass(frozen=True, slots=True)
class Dataset:
    """Float32 samples, axis 0 counting them, and the number of the right class of each where that is known."""

    samples: Array
    labels: Array | None
    classes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.samples)


def read_dataset(path: Path, shape: Sequence[int]) -> Dataset:
    """The samples of a file or folder for an input of this shape, whose first axis is the model's own batch.

    Images are scaled to the shape, in 0…1; recordings are mono in -1…1, cut or filled up with silence. In a folder of
    folders every folder is a class. Raises UnreadableSamples.
    """
    if path.is_dir():
        return _folder(path, tuple(shape))
    if not path.is_file():
        raise UsageError(f"There is no file or folder {path}")
    if path.suffix.lower() == ".csv":
        return _checked(path, _table(path), tuple(shape))
    if path.suffix.lower() in (".npz", ".npy"):
        return _checked(path, _arrays(path), tuple(shape))
    raise UnreadableSamples(f"{path} is no data that can be read", hint="Give .npz, .npy, .csv or a folder of files")


def _checked(path: Path, data: Dataset, shape: tuple[int, ...]) -> Dataset:
    """The samples under the model's shape; real numbers only."""
    elements = int(numpy.prod(shape))
    samples = data.samples
    if samples.dtype.kind not in "fiub" or not len(samples) or samples.size != len(samples) * elements:
        wanted = "×".join(map(str, shape))
        raise UnreadableSamples(
            f"{path} holds {samples.dtype} of the shape {samples.shape}", hint=f"The model takes samples of {wanted}"
        )
    values = samples.reshape(-1, *shape).astype(numpy.float32)
    if not numpy.isfinite(values).all():
        raise UnreadableSamples(f"{path} holds infinite or undefined numbers")
    return Dataset(values, None if data.labels is None else _labels(path, data.labels, len(values)), data.classes)


def _labels(path: Path, labels: Array, samples: int) -> Array:
    flat = labels.reshape(-1)
    if len(flat) != samples or labels.dtype.kind not in "fiub" or (flat != numpy.rint(flat)).any():
        raise UnreadableSamples(f"{path} does not hold one whole number as label for each of {samples} samples")
    return flat.astype(numpy.int64)


def _arrays(path: Path) -> Dataset:
    arrays = dict(read_arrays(path))
    names = [name for name in arrays if name.lower() in LABEL_NAMES]
    labels = arrays.pop(names[0]) if len(names) == 1 and len(arrays) > 1 else None
    if len(arrays) != 1:
        raise UnreadableSamples(
            f"{path} holds the arrays {', '.join(sorted(arrays))}", hint="One of samples, and one named labels, work"
        )
    return Dataset(next(iter(arrays.values())), labels)


def _table(path: Path) -> Dataset:
    """Rows of numbers, one sample each; the first row may name the columns, one of them then the label."""
    try:
        if path.stat().st_size > MAXIMUM_BYTES:
            raise UnreadableSamples(f"{path} is larger than {MAXIMUM_BYTES:,} bytes")
        with path.open(newline="", encoding="utf-8") as file:
            rows = [row for row in csv.reader(file) if row]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UnreadableSamples(f"{path} is not a table: {error}") from None
    names = [name.strip().lower() for name in rows[0]] if rows else []
    named = [place for place, name in enumerate(names) if name in LABEL_NAMES]
    values = _numbers(path, rows[1:] if rows and not _is_number(rows[0][0]) else rows)
    if not named:
        return Dataset(values, None)
    return Dataset(numpy.delete(values, named[0], axis=1), values[:, named[0]])


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _numbers(path: Path, rows: Sequence[Sequence[str]]) -> Array:
    try:
        return numpy.array([[float(cell) for cell in row] for row in rows], numpy.float32).reshape(len(rows), -1)
    except ValueError as error:
        raise UnreadableSamples(f"{path} has rows of unequal length, or cells that are no numbers: {error}") from None


def _folder(path: Path, shape: tuple[int, ...]) -> Dataset:
    classes = sorted(child.name for child in path.iterdir() if child.is_dir())
    groups = [sorted((path / name).iterdir()) for name in classes] if classes else [sorted(path.iterdir())]
    read = _reader(path, groups, shape)
    files = [(file, number) for number, group in enumerate(groups) for file in group if file.is_file()]
    if len(files) > _MAXIMUM_FILES or len(files) * int(numpy.prod(shape)) * _BYTES_PER_FLOAT > MAXIMUM_BYTES:
        raise UnreadableSamples(f"The {len(files):,} files in {path} are more than {MAXIMUM_BYTES:,} bytes as samples")
    samples = numpy.stack([read(file, shape) for file, _ in files])
    labels = numpy.array([number for _, number in files]) if classes else None
    return Dataset(samples, labels, tuple(classes))


def _reader(path: Path, groups: Sequence[Sequence[Path]], shape: tuple[int, ...]) -> Callable[..., Array]:
    """What reads the files: images or recordings, never both."""
    kinds = {file.suffix.lower() for group in groups for file in group if file.is_file()}
    if kinds and kinds <= set(IMAGES):
        return _image
    if kinds and kinds <= set(_RECORDINGS):
        return _recording
    found = ", ".join(sorted(kinds)) or "no files"
    raise UnreadableSamples(f"The folder {path} holds {found}", hint="Give images only, or .wav recordings only")


def _image(file: Path, shape: tuple[int, ...]) -> Array:
    try:
        from PIL import Image, UnidentifiedImageError  # noqa: PLC0415 - an extra
    except ImportError:
        raise MissingExtraError("Pillow, which reads images,", "draw") from None
    height, width, channels, first = _image_layout(file, shape)
    try:
        with Image.open(file) as image:
            if image.width * image.height > _MAXIMUM_PIXELS:
                raise UnreadableSamples(f"{file} has {image.width}×{image.height} pixels")
            scaled = image.convert(_COLOURS[channels]).resize((width, height), Image.Resampling.BILINEAR)
            pixels = numpy.asarray(scaled, numpy.float32).reshape(height, width, channels) / 255
    except (OSError, UnidentifiedImageError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise UnreadableSamples(f"{file} is not an image: {error}") from None
    return (pixels.transpose(2, 0, 1) if first else pixels).reshape(shape)


def _image_layout(file: Path, shape: tuple[int, ...]) -> tuple[int, int, int, bool]:
    """Height, width, channels, and whether the channels come first."""
    if len(shape) == 4:
        if shape[3] in _COLOURS:
            return shape[1], shape[2], shape[3], False
        if shape[1] in _COLOURS:
            return shape[2], shape[3], shape[1], True
    raise UnreadableSamples(
        f"{file} is an image, but the model takes {'×'.join(map(str, shape))}", hint="One, three or four channels work"
    )


def _recording(file: Path, shape: tuple[int, ...]) -> Array:
    wanted = int(numpy.prod(shape))
    try:
        with wave.open(str(file), "rb") as sound:
            channels, width = sound.getnchannels(), sound.getsampwidth()
            content = sound.readframes(min(sound.getnframes(), wanted))
    except (OSError, EOFError, RuntimeError, wave.Error) as error:
        raise UnreadableSamples(f"{file} is not a recording in PCM: {error or 'it ends too early'}") from None
    if width not in _PCM or channels < 1:
        raise UnreadableSamples(f"{file} has samples of {8 * width} bits", hint="8, 16 or 32 work")
    values = _PCM[width](content[: len(content) // (width * channels) * width * channels])
    mono = values.reshape(-1, channels).mean(axis=1, dtype=numpy.float32)[:wanted]
    return numpy.pad(mono, (0, wanted - len(mono))).reshape(shape)


_PCM: dict[int, Callable[[bytes], Array]] = {
    1: lambda content: (numpy.frombuffer(content, numpy.uint8).astype(numpy.float32) - 128) / 128,
    2: lambda content: numpy.frombuffer(content, "<i2").astype(numpy.float32) / (1 << 15),
    4: lambda content: (numpy.frombuffer(content, "<i4") / (1 << 31)).astype(numpy.float32),
}
