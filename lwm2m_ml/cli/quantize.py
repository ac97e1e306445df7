"""`lwm2m-ml quantize`: what a float model loses as integers, and which layers had better be finer."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lwm2m_ml.cli.compiling import ModelArgument, PrecisionOption, read_model_file
from lwm2m_ml.cli.output import JsonOption, print_json, print_table
from lwm2m_ml.errors import UsageError

if TYPE_CHECKING:
    from lwm2m_ml.compiler.datasets import Dataset
    from lwm2m_ml.compiler.ir import Array
    from lwm2m_ml.compiler.quantize.fallback import Quantized
    from lwm2m_ml.compiler.quantize.settings import QuantizationSettings

DataOption = Annotated[
    Path,
    typer.Option("--data", metavar="DATA", help="Samples: .npz, .npy, .csv, or a folder of images or .wav recordings."),
]
ObserverOption = Annotated[
    str, typer.Option("--observer", help="How ranges follow from samples: minmax, percentile or mse.")
]
BiasOption = Annotated[bool, typer.Option("--bias-correction", help="Take the mean error of weights out of biases.")]
EqualizeOption = Annotated[bool, typer.Option("--equalize", help="Scale channels between layers to like ranges.")]
LossOption = Annotated[
    float | None,
    typer.Option(
        "--max-accuracy-loss",
        metavar="POINTS",
        help="The noisiest layers become finer until the accuracy falls by no more; needs labels.",
    ),
]


def quantize_model(
    model: ModelArgument,
    data: DataOption,
    test: Annotated[
        Path | None, typer.Option("--test", metavar="DATA", help="Other samples to measure with; else --data's own.")
    ] = None,
    precision: PrecisionOption = "int8",
    observer: ObserverOption = "minmax",
    bias_correction: BiasOption = False,
    equalize: EqualizeOption = False,
    max_accuracy_loss: LossOption = None,
    as_json: JsonOption = False,
) -> None:
    """Quantise a float model and report what it costs: accuracy beside the float model's, noise of each layer."""
    from lwm2m_ml.compiler.compilation import float_graph
    from lwm2m_ml.compiler.datasets import read_dataset
    from lwm2m_ml.compiler.quantize.fallback import quantize_for
    from lwm2m_ml.compiler.quantize.settings import QuantizationSettings, precision_of

    settings = QuantizationSettings(
        precision=precision_of(precision),
        observer=observer,
        bias_correction=bias_correction,
        equalization=equalize,
    )
    graph = float_graph(read_model_file(model))
    shape = graph.tensor(graph.inputs[0]).shape
    samples = read_dataset(data, shape)
    measured = samples if test is None else read_dataset(test, shape)
    if max_accuracy_loss is not None:
        _check_labels(measured)
    found = quantize_for(graph, samples, settings, test=measured, most_points=max_accuracy_loss)
    if as_json:
        print_json(as_facts(found))
    else:
        print_quality(found)


def calibrated(
    content: bytes, data: Path | None, settings: "QuantizationSettings", max_accuracy_loss: float | None
) -> "tuple[Array | None, QuantizationSettings]":
    """The samples to quantise with, and the settings in which layers are as fine as the wanted accuracy needs them."""
    from lwm2m_ml.compiler.compilation import float_graph, simplified
    from lwm2m_ml.compiler.datasets import read_dataset
    from lwm2m_ml.compiler.quantize.fallback import quantize_for

    if data is None:
        if max_accuracy_loss is not None:
            raise UsageError("--max-accuracy-loss needs labelled samples", hint="Give them with --calibration")
        return None, settings
    graph = simplified(content)
    samples = read_dataset(data, graph.tensor(graph.inputs[0]).shape)
    if max_accuracy_loss is None:
        return samples.samples, settings
    _check_labels(samples)
    found = quantize_for(float_graph(content), samples, settings, test=samples, most_points=max_accuracy_loss)
    typer.echo(_told(found), err=True)
    return samples.samples, found.settings


def _check_labels(data: "Dataset") -> None:
    if data.labels is None:
        raise UsageError("--max-accuracy-loss needs labels", hint="Name an array or a column of the data 'labels'")


def as_facts(found: "Quantized") -> dict[str, Any]:
    """What was found, for JSON."""
    quality = found.quality
    return {
        "samples": quality.samples,
        "float_accuracy_percent": quality.float_accuracy,
        "accuracy_percent": quality.accuracy,
        "loss_points": quality.loss_points,
        "precision": found.settings.precision.value,
        "observer": found.settings.observer,
        "fallbacks": {name: precision.value for name, precision in found.settings.precisions.items()},
        "layers": [asdict(layer) for layer in quality.layers],
    }


def print_quality(found: "Quantized") -> None:
    """A table of the layers, and a sentence on accuracy and fallbacks."""
    rows = [(layer.result, layer.kind, layer.precision, layer.signal_to_noise_db) for layer in found.quality.layers]
    print_table(("RESULT", "OPERATION", "PRECISION", "SNR dB"), rows)
    typer.echo(_told(found))


def _told(found: "Quantized") -> str:
    """A sentence on accuracy, and one on layers that fell back."""
    quality = found.quality
    if quality.loss_points is None:
        return f"{quality.samples} samples without labels: no accuracy."
    text = (
        f"Accuracy on {quality.samples} samples: {quality.accuracy:.2f} %, as float {quality.float_accuracy:.2f} %, "
        f"a loss of {quality.loss_points:.2f} points."
    )
    if found.settings.precisions:
        names = ", ".join(f"{name} ({precision.value})" for name, precision in found.settings.precisions.items())
        text += f"\nFell back for the sake of accuracy: {names}."
    return text
