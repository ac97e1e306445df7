"""What the commands that compile have in common: their options, and how files become arguments of the compiler."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lwm2m_ml.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lwm2m_ml.compiler.ir import Array, Tensor
    from lwm2m_ml.compiler.targets import Target

ModelArgument = Annotated[Path, typer.Argument(metavar="MODEL", help="An ONNX, TFLite or Keras file, or a SavedModel.")]
TargetOption = Annotated[
    str, typer.Option("--target", "-t", help="A name of `lwm2m-ml targets list`, or a target's TOML file.")
]
OptimizeOption = Annotated[
    str, typer.Option("--optimize", help="size: flash and RAM first; speed: instructions first; balanced: all alike.")
]
ReferenceOption = Annotated[
    str, typer.Option("--reference", help="Whose rounding the module has, bit for bit: litert or tflm.")
]
PrecisionOption = Annotated[
    str, typer.Option("--precision", help="What a float model becomes: int8, int4 weights, int16x8, or float32.")
]
BackendOption = Annotated[
    str, typer.Option("--backend", "-b", help="A name of `lwm2m-ml backends list`, or all to compare them.")
]
CalibrationOption = Annotated[
    Path | None,
    typer.Option("--calibration", help="Samples to quantise with: .npz, .npy, .csv, or a folder."),
]


def find_target(name: str) -> "Target":
    """A shipped target by name, or one of the user's own by file."""
    from lwm2m_ml.compiler.targets import UnknownTarget, load_target, read_target_file

    if name.endswith(".toml"):
        return read_target_file(Path(name))
    try:
        return load_target(name)
    except UnknownTarget as error:
        raise UsageError(error.message, hint=error.hint) from None


def read_model_file(path: Path) -> bytes:
    """The content of a model's file."""
    from lwm2m_ml.compiler.frontends.load import read_model

    if not path.exists():
        raise UsageError(f"There is no file {path}")
    return read_model(path)


def read_calibration_file(path: Path | None) -> "Array | None":
    """The samples of a calibration file."""
    from lwm2m_ml.compiler.samples import read_calibration

    return None if path is None else read_calibration(path)


def read_input_files(files: "Sequence[Path]", inputs: "Sequence[Tensor]", raw_type: str) -> "dict[str, Array] | None":
    """The samples of all files, by the names of the module's inputs; None when there are no files."""
    from lwm2m_ml.compiler.samples import read_samples

    return read_samples(files, inputs, raw_type=raw_type) if files else None
