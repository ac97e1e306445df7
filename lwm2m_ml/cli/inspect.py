"""`lwm2m-ml inspect`: what a model file holds, and what of it cannot be compiled."""

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import typer

from lwm2m_ml.cli.compiling import ModelArgument, read_model_file
from lwm2m_ml.cli.output import JsonOption, print_json, print_table

if TYPE_CHECKING:
    from lwm2m_ml.compiler.inspection import Inspection


def inspect_model(model: ModelArgument, as_json: JsonOption = False) -> None:
    """Show a model's graph: operators, shapes, MACs, weights, and what cannot be compiled (then it ends with 1)."""
    from lwm2m_ml.compiler.inspection import inspect

    found = inspect(read_model_file(model))
    if as_json:
        print_json(_as_json(found))
    else:
        _print(found)
    if found.unsupported:
        raise typer.Exit(1)


def _as_json(found: "Inspection") -> dict[str, Any]:
    def border(tensors: Any) -> list[dict[str, Any]]:
        return [
            {
                "name": tensor.name,
                "shape": tensor.shape,
                "dtype": tensor.dtype.value,
                "scale": tensor.quantization.scale if tensor.quantization else None,
                "zero_point": tensor.quantization.zero_point if tensor.quantization else None,
            }
            for tensor in tensors
        ]

    return {
        "format": found.format,
        "inputs": border(found.inputs),
        "outputs": border(found.outputs),
        "operations": [asdict(operation) for operation in found.operations],
        "macs": sum(operation.macs for operation in found.operations),
        "weights": sum(operation.weights for operation in found.operations),
        "operators": dict(found.operators),
        "unsupported": dict(found.unsupported),
        "reason": found.reason,
        "advice": dict(found.advice),
    }


def _shape(shape: tuple[int, ...]) -> str:
    return "×".join(map(str, shape)) or "scalar"


def _print(found: "Inspection") -> None:
    rows = [
        (
            number,
            operation.kind,
            ", ".join(map(_shape, operation.operands)),
            _shape(operation.result),
            operation.dtype,
            operation.macs or None,
            operation.weights or None,
        )
        for number, operation in enumerate(found.operations)
    ]
    if rows:
        print_table(("#", "OPERATION", "OPERANDS", "RESULT", "TYPE", "MACS", "WEIGHTS"), rows)
    macs, weights = (sum(getattr(each, what) for each in found.operations) for what in ("macs", "weights"))
    typer.echo(f"{found.format}, {sum(found.operators.values())} operators, {macs:,} MACs, {weights:,} weights")
    if found.unsupported:
        names = ", ".join(f"{name} ({count})" for name, count in found.unsupported.items())
        typer.echo(f"Cannot be compiled: {names}. {found.reason}", err=True)
        for name, advice in found.advice.items():
            typer.echo(f"{name}: {advice}.", err=True)
