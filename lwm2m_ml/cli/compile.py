"""`lwm2m-ml compile`: a model file in, a proved module out."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lwm2m_ml.cli.compiling import (
    CalibrationOption,
    ModelArgument,
    OptimizeOption,
    PrecisionOption,
    ReferenceOption,
    TargetOption,
    find_target,
    read_calibration_file,
    read_input_files,
    read_model_file,
)
from lwm2m_ml.cli.output import JsonOption, print_json, print_table

if TYPE_CHECKING:
    from lwm2m_ml.compiler import CompiledModule

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
    inputs: InputsOption = None,
    input_type: Annotated[
        str, typer.Option("--input-type", help="What raw inputs hold: auto, float32, int8 or uint8.")
    ] = "auto",
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="DIR", help="Where to write it; MODEL-TARGET if not given."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Compile a model for a target, prove the module on the emulated MCU, and write it with its facts."""
    from lwm2m_ml.compiler import compile
    from lwm2m_ml.compiler.compilation import integer_graph
    from lwm2m_ml.compiler.saved_module import facts_of, save_module

    content, chosen, samples = read_model_file(model), find_target(target), read_calibration_file(calibration)
    given = None
    if inputs or more_inputs:
        graph, _ = integer_graph(content, samples, reference, precision=precision)
        tensors = [graph.tensor(name) for name in graph.inputs]
        given = read_input_files([*(inputs or ()), *(more_inputs or ())], tensors, input_type)
    module = compile(
        content,
        chosen,
        calibration=samples,
        optimize=optimize,
        reference=reference,
        precision=precision,
        inputs=given,
    )
    written = save_module(module, output or Path(f"{model.stem}-{chosen.name}"))
    if as_json:
        print_json({**facts_of(module), "module": str(written)})
    else:
        _print(module, written)
    if not module.exact and all(tensor.dtype != "float32" for tensor in module.outputs):
        typer.echo(f"Warning: an answer differs from {module.compared_with[-1]} by {module.max_abs_diff}.", err=True)


def _print(module: "CompiledModule", written: Path) -> None:
    rows = [
        ("module", str(written)),
        ("target", module.target.title),
        ("flash", f"{module.flash_bytes:,} B, of which weights {module.weight_bytes:,} B"),
        ("RAM", f"{module.ram_bytes:,} B: arena {module.arena_bytes:,} B, stack {module.stack_bytes:,} B"),
        ("instructions", f"{module.instructions:,} for {module.macs:,} MACs"),
        ("proved", f"{len(module.vectors)} inputs against {' and '.join(module.compared_with)}"),
        ("exact", "yes" if module.exact else f"no, at most {module.max_abs_diff:g} off"),
    ]
    print_table(("FACT", "VALUE"), rows)
