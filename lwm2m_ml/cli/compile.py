"""`lwm2m-ml compile`: a model file in, a proved module out."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lwm2m_ml.cli.comparing import ALL, Wanted, print_comparison
from lwm2m_ml.cli.compiling import (
    BackendOption,
    CalibrationOption,
    ModelArgument,
    OptimizeOption,
    PrecisionOption,
    ReferenceOption,
    TargetOption,
    find_target,
    read_input_files,
    read_model_file,
)
from lwm2m_ml.cli.output import JsonOption, print_json, print_table
from lwm2m_ml.cli.quantize import BiasOption, EqualizeOption, LossOption, ObserverOption, calibrated
from lwm2m_ml.errors import UsageError

if TYPE_CHECKING:
    from lwm2m_ml.compiler import CompiledModule
    from lwm2m_ml.compiler.facts import LearningFact

InputsOption = Annotated[
    list[Path] | None,
    typer.Option("--inputs", help="Inputs to prove the module with: .npy, .npz or raw tensors; more files may follow."),
]


def compile_model(
    model: ModelArgument,
    target: TargetOption,
    more_inputs: Annotated[
        list[Path] | None, typer.Argument(metavar="[INPUT]...", help="Further files of --inputs.")
    ] = None,
    optimize: OptimizeOption = "balanced",
    reference: ReferenceOption = "litert",
    precision: PrecisionOption = "int8",
    calibration: CalibrationOption = None,
    observer: ObserverOption = "minmax",
    bias_correction: BiasOption = False,
    equalize: EqualizeOption = False,
    max_accuracy_loss: LossOption = None,
    backend: BackendOption = "",
    allow_unproved: Annotated[
        bool, typer.Option("--allow-unproved", help="Also make modules that nothing here can run.")
    ] = False,
    trainable_layers: Annotated[
        int | None,
        typer.Option(
            "--trainable-layers", help="Let the device train so many of the last layers; see docs/federated.md."
        ),
    ] = None,
    inputs: InputsOption = None,
    input_type: Annotated[
        str, typer.Option("--input-type", help="What raw inputs hold: auto, float32, int8 or uint8.")
    ] = "auto",
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="DIR", help="Where to write it; MODEL-TARGET[-BACKEND] if not given."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Compile a model for a target, prove the module on the emulated MCU, and write it with its facts."""
    from lwm2m_ml.compiler import compile
    from lwm2m_ml.compiler.compilation import integer_graph
    from lwm2m_ml.compiler.quantize.settings import QuantizationSettings, precision_of
    from lwm2m_ml.compiler.saved_module import facts_of, save_module

    content, chosen = read_model_file(model), find_target(target)
    settings = QuantizationSettings(precision_of(precision), observer, bias_correction, equalize)
    samples, settings = calibrated(content, calibration, settings, max_accuracy_loss)
    given = None
    if inputs or more_inputs:
        graph, _ = integer_graph(content, samples, reference, precision=precision, quantization=settings)
        tensors = [graph.tensor(name) for name in graph.inputs]
        given = read_input_files([*(inputs or ()), *(more_inputs or ())], tensors, input_type)
    wanted: Wanted = {
        "calibration": samples,
        "optimize": optimize,
        "reference": reference,
        "precision": precision,
        "inputs": given,
        "quantization": settings,
    }
    if backend == ALL:
        if trainable_layers:
            raise UsageError("Backends cannot be compared for training", hint="Name one, or none")
        print_comparison(content, chosen, wanted, output, as_json=as_json)
        return
    module = compile(
        content,
        chosen,
        **wanted,
        backend=backend or None,
        allow_unproved=allow_unproved,
        trainable_layers=trainable_layers,
    )
    suffix = f"-{backend}" if backend else ""
    written = save_module(module, output or Path(f"{model.stem}-{chosen.name}{suffix}"))
    if as_json:
        print_json({**facts_of(module), "module": str(written)})
    else:
        _print(module, written)
    if not module.proved:
        typer.echo("Warning: nothing here can run this module; nobody has seen its answers.", err=True)
    elif not module.exact and all(tensor.dtype != "float32" for tensor in module.outputs):
        typer.echo(f"Warning: an answer differs from {module.compared_with[-1]} by {module.max_abs_diff}.", err=True)


def _print(module: "CompiledModule", written: Path) -> None:
    rows = [
        ("module", str(written)),
        ("target", module.target.title),
        ("backend", f"{module.backend}, {module.compiler}"),
        ("flash", f"{module.flash_bytes:,} B, of which weights {module.weight_bytes:,} B"),
        ("RAM", f"{module.ram_bytes:,} B: arena {module.arena_bytes:,} B, stack {module.stack_bytes:,} B"),
        ("instructions", _instructions(module)),
        ("cost", f"{module.cost.basis}, {module.cost.source}"),
        ("proved", _proof(module)),
        ("exact", _exact(module)),
    ]
    if module.learning is not None:
        rows.append(("training", _training(module.learning)))
    if module.operators:
        rows.append(("operators", ", ".join(module.operators)))
    print_table(("FACT", "VALUE"), rows)


def _training(learning: "LearningFact") -> str:
    steps = "not counted" if learning.step_instructions is None else f"{learning.step_instructions:,} instructions"
    return f"{learning.parameters:,} parameters of {learning.layers} layers, an example and a step {steps}"


def _instructions(module: "CompiledModule") -> str:
    if module.instructions is None:
        latency = module.cost.latency_seconds
        return "not counted" if latency is None else f"not counted; about {latency * 1000:.3g} ms"
    return f"{module.instructions:,}" + (f" for {module.macs:,} MACs" if module.macs else "")


def _proof(module: "CompiledModule") -> str:
    if not module.proved:
        return "no"
    return f"{len(module.vectors)} inputs by {module.executor}, against {' and '.join(module.compared_with)}"


def _exact(module: "CompiledModule") -> str:
    if module.max_abs_diff is None:
        return "unknown"
    return "yes" if module.exact else f"no, at most {module.max_abs_diff:g} off"
