"""`lwm2m-ml run`: a module on the emulated MCU."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lwm2m_ml.cli.compiling import find_target, read_input_files
from lwm2m_ml.cli.output import JsonOption, print_json, print_table
from lwm2m_ml.errors import InvalidInputError, UsageError

if TYPE_CHECKING:
    from lwm2m_ml.compiler.ir import Tensor
    from lwm2m_ml.compiler.saved_module import RunnableModule
    from lwm2m_ml.module.inspection import PackageContents

MAXIMUM_PACKAGE_BYTES = 64 << 20
STACK_BYTES = 16 * 1024
_SHOWN_VALUES = 16


def run_module(
    module: Annotated[
        Path, typer.Argument(metavar="MODULE", help="What `compile` wrote (directory or payload), or a module package.")
    ],
    inputs: Annotated[list[Path], typer.Option("--input", help="An input: .npy, .npz or a raw tensor.")],
    input_type: Annotated[
        str, typer.Option("--input-type", help="What raw inputs hold: auto, float32, int8 or uint8.")
    ] = "auto",
    target: Annotated[str, typer.Option("--target", "-t", help="The target, if not the one it was made for.")] = "",
    as_json: JsonOption = False,
) -> None:
    """Run a module on the emulated MCU, once for each input. The signature of a package is not checked."""
    runnable = _load(module)
    chosen = find_target(target or runnable.target)
    samples = read_input_files(inputs, [_tensor(fact) for fact in runnable.inputs], input_type)
    assert samples is not None  # noqa: S101 - there is at least one file
    results = []
    for number in range(len(next(iter(samples.values())))):
        given = {fact.name: fact.quantize(samples[fact.name][number]).tobytes() for fact in runnable.inputs}
        invocation = runnable.run(chosen, given, stack_bytes=STACK_BYTES)
        outputs = dict(zip((fact.name for fact in runnable.outputs), invocation.outputs, strict=True))
        results.append((invocation, outputs))
    if as_json:
        print_json([_as_json(runnable, *result) for result in results])
        return
    rows = [
        (number, fact.name, _shown(fact, outputs[fact.name]), invocation.instructions, invocation.stack_bytes)
        for number, (invocation, outputs) in enumerate(results)
        for fact in runnable.outputs
    ]
    print_table(("INPUT", "OUTPUT", "VALUES", "INSTRUCTIONS", "STACK B"), rows)


def _load(path: Path) -> "RunnableModule":
    from lwm2m_ml.compiler.saved_module import FACTS_FILE, load_module

    if not path.exists():
        raise UsageError(f"There is no module {path}")
    if path.is_dir() or (path.name.startswith("module.") and (path.parent / FACTS_FILE).exists()):
        return load_module(path)
    return _load_package(path)


def _load_package(path: Path) -> "RunnableModule":
    """The module in a package, unpacked and its digest checked; encrypted ones and deltas need a device's secrets."""
    from lwm2m_ml.compiler.facts import TensorFact
    from lwm2m_ml.compiler.saved_module import RunnableModule
    from lwm2m_ml.module.inspection import inspect_package

    with path.open("rb") as file:
        content = file.read(MAXIMUM_PACKAGE_BYTES + 1)
    if len(content) > MAXIMUM_PACKAGE_BYTES:
        raise InvalidInputError(f"{path} is larger than {MAXIMUM_PACKAGE_BYTES:,} bytes")
    contents = inspect_package(content)
    descriptor = contents.descriptor

    def facts(tensors: Any) -> tuple[TensorFact, ...]:
        return tuple(
            TensorFact(each.name, each.shape, each.dtype, each.scale, each.zero_point, each.offset, each.bytes)
            for each in tensors
        )

    return RunnableModule(
        _image(contents), descriptor.target, descriptor.arena_bytes, facts(descriptor.inputs), facts(descriptor.outputs)
    )


def _image(contents: "PackageContents") -> bytes:
    """The code as it would lie in the device's flash."""
    from lwm2m_ml.module.manifest import PayloadEncoding
    from lwm2m_ml.module.payload_pipeline import PayloadPipeline
    from lwm2m_ml.module.recipient import Recipient

    manifest = contents.manifest
    anyone = Recipient(
        (), manifest.vendor_id, manifest.class_id, MAXIMUM_PACKAGE_BYTES, 0, encodings=tuple(PayloadEncoding)
    )
    if manifest.encryption is not None or manifest.payload.encoding is PayloadEncoding.DELTA:
        raise UsageError("An encrypted package or a delta runs on its device only", hint="Give the module itself")
    if manifest.image_size > MAXIMUM_PACKAGE_BYTES:
        raise InvalidInputError(f"The module claims {manifest.image_size:,} bytes")
    pipeline = PayloadPipeline(manifest, anyone, None)
    image = pipeline.feed(contents.payload)
    return image + pipeline.finish()


def _tensor(fact: Any) -> "Tensor":
    from lwm2m_ml.compiler.ir import DataType, Quantization, Tensor

    return Tensor(fact.name, fact.shape, DataType(fact.dtype), Quantization.per_tensor(fact.scale, fact.zero_point))


def _values(fact: Any, content: bytes) -> Any:
    import numpy

    return numpy.frombuffer(content, fact.dtype)


def _shown(fact: Any, content: bytes) -> str:
    values = fact.dequantize(_values(fact, content))
    text = " ".join(f"{value:.4g}" for value in values[:_SHOWN_VALUES])
    return f"{text} …" if len(values) > _SHOWN_VALUES else text


def _as_json(runnable: "RunnableModule", invocation: Any, outputs: dict[str, bytes]) -> dict[str, Any]:
    return {
        "outputs": [
            {
                "name": fact.name,
                "integers": _values(fact, outputs[fact.name]).tolist(),
                "values": fact.dequantize(_values(fact, outputs[fact.name])).tolist(),
            }
            for fact in runnable.outputs
        ],
        "instructions": invocation.instructions,
        "stack_bytes": invocation.stack_bytes,
    }
