"""`lwm2m-ml explain`: what each layer of a module costs, and how its memory is laid out."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

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
    read_model_file,
)
from lwm2m_ml.cli.output import JsonOption, print_json, print_table
from lwm2m_ml.errors import UsageError

if TYPE_CHECKING:
    from lwm2m_ml.compiler.explanation import Explanation

COLUMNS = ("#", "KERNEL", "RESULT", "MACS", "INSNS", "/MAC", "CONST B", "RAM B", "")


def explain_model(
    model: ModelArgument,
    target: TargetOption,
    optimize: OptimizeOption = "balanced",
    reference: ReferenceOption = "litert",
    precision: PrecisionOption = "int8",
    calibration: CalibrationOption = None,
    draw: Annotated[
        Path | None,
        typer.Option(
            "--draw", metavar="FILE", help="Draw the memory plan here, .svg or .png; MODEL-TARGET.svg if not given."
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Show per layer: shape, MACs, kernel, instructions, bytes, and where the RAM peak is; draw the memory plan."""
    from lwm2m_ml.compiler.explanation import explain
    from lwm2m_ml.compiler.memory.drawing import draw_plan

    chosen = find_target(target)
    picture = draw or Path(f"{model.stem}-{chosen.name}.svg")
    explanation = explain(
        read_model_file(model),
        chosen,
        calibration=read_calibration_file(calibration),
        optimize=optimize,
        reference=reference,
        precision=precision,
    )
    module = explanation.module
    drawn = draw_plan(module.buffers, len(module.layers), module.arena_bytes, picture.suffix)
    try:
        picture.write_bytes(drawn)
    except OSError as error:
        raise UsageError(f"Cannot write {picture}: {error.strerror or error}") from None
    if as_json:
        print_json(_as_json(explanation, picture))
    else:
        _print(explanation, picture)


def _as_json(explanation: "Explanation", picture: Path) -> dict[str, Any]:
    from dataclasses import asdict

    from lwm2m_ml.compiler.saved_module import facts_of

    return {
        **facts_of(explanation.module),
        "layers": [
            {**asdict(layer.fact), "instructions": layer.instructions, "ram_bytes": layer.live_bytes}
            for layer in explanation.layers
        ],
        "peak_layer": explanation.peak,
        "buffers": [asdict(buffer) for buffer in explanation.module.buffers],
        "drawing": str(picture),
    }


def _print(explanation: "Explanation", picture: Path) -> None:
    module = explanation.module
    rows = [
        (
            number,
            layer.fact.kernel,
            "×".join(map(str, layer.fact.result_shape)),
            layer.fact.macs or None,
            layer.instructions,
            layer.instructions / layer.fact.macs if layer.fact.macs else None,
            layer.fact.weight_bytes or None,
            layer.live_bytes,
            "← peak" if number == explanation.peak else "",
        )
        for number, layer in enumerate(explanation.layers)
    ]
    print_table(COLUMNS, rows)
    typer.echo(
        f"flash {module.flash_bytes:,} B, RAM {module.ram_bytes:,} B (arena {module.arena_bytes:,} B, no plan is below "
        f"{module.lower_bound_arena_bytes:,} B; stack {module.stack_bytes:,} B), {module.instructions:,} instructions"
    )
    typer.echo(f"memory plan: {picture}")
