"""Makes modules for Arm's Ethos-U NPUs with Arm's compiler Vela (Apache-2.0), an optional extra.

Vela reads and writes LiteRT flatbuffers: what the NPU computes becomes one operator `ethos-u` with a command stream,
what it cannot stays an operator of the interpreter. Nothing here executes a command stream, so these modules are not
proved; the figures are those of Vela's model of performance, and are called estimates.
"""

import csv
import importlib.metadata
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ai_edge_litert import schema_py_generated as schema

from lwm2m_ml.compiler.backends.interface import Basis, Cost, Declaration, Format, Payload, Request
from lwm2m_ml.compiler.backends.tflite.backend import TfliteBackend
from lwm2m_ml.compiler.backends.tflite.operators import KINDS
from lwm2m_ml.errors import InvalidInputError, Lwm2mMlError, MissingExtraError

ACCELERATORS = ("ethos-u55-32", "ethos-u55-64", "ethos-u55-128", "ethos-u55-256", "ethos-u65-256", "ethos-u65-512")
NPU_OPERATOR = "ethos-u"
# Arm's own examples of systems (ethosu/config_files/Arm/vela.ini), and where their memories are.
_SYSTEMS = {
    "ethos-u55": ("Ethos_U55_High_End_Embedded", "Shared_Sram"),
    "ethos-u65": ("Ethos_U65_High_End", "Dedicated_Sram"),
}
_KIB = 1024
_SHOWN = 300


@dataclass(frozen=True, slots=True)
class VelaBackend:
    """LiteRT flatbuffers with command streams for Ethos-U55 and Ethos-U65."""

    @property
    def declaration(self) -> Declaration:
        """What it can do; raises MissingExtraError."""
        return Declaration(
            name="vela",
            version=f"vela {_version()}",
            formats=(Format.TFLITE,),
            summary="Arm Ethos-U NPUs; figures are Vela's estimates, modules cannot be proved here",
            accelerators=ACCELERATORS,
            operators=KINDS,
            data_types=("int8",),
        )

    def build(self, request: Request) -> Payload:
        """The payload of an int8 graph; raises InvalidInputError with what Vela says of a model that it refuses."""
        accelerator = next(name for name in ACCELERATORS if name in request.target.accelerators)
        system, memory = _SYSTEMS[accelerator.rsplit("-", 1)[0]]
        model = TfliteBackend().build(request)
        with tempfile.TemporaryDirectory(prefix="lwm2m-ml-") as directory:
            work = Path(directory)
            (work / "model.tflite").write_bytes(model.code)
            optimise = "Size" if request.constraints.optimize == "size" else "Performance"
            _run(
                work,
                ("--accelerator-config", accelerator, "--optimise", optimise),
                ("--config", "Arm/vela.ini", "--system-config", system, "--memory-mode", memory),
            )
            code = (work / "out" / "model_vela.tflite").read_bytes()
            figures = _summary(work / "out")
        ram = round(sum(float(figures[name]) for name in ("sram_memory_used", "dram_memory_used")) * _KIB)
        operators = operators_of(code)
        if NPU_OPERATOR not in operators:
            raise InvalidInputError(f"No operation of the model runs on the {accelerator}", hint="Try tflite or native")
        return Payload(
            code=code,
            format=Format.TFLITE,
            arena_bytes=ram,
            operators=operators,
            executed_on=accelerator,
            cost=Cost(
                basis=Basis.ESTIMATED,
                source=f"Vela's performance model of {system}, {float(figures['core_clock']) / 1e6:g} MHz",
                flash_bytes=len(code),
                ram_bytes=ram,
                latency_seconds=float(figures["inference_time"]),
            ),
        )


def _version() -> str:
    try:
        return importlib.metadata.version("ethos-u-vela")
    except importlib.metadata.PackageNotFoundError:
        raise MissingExtraError("ethos-u-vela", "vela") from None


def _run(work: Path, *arguments: tuple[str, ...]) -> None:
    """Vela as its own command runs it, in this environment's Python."""
    command = [sys.executable, "-m", "ethosu.vela", "model.tflite", "--output-dir", "out"]
    command += [word for words in arguments for word in words]
    done = subprocess.run(command, cwd=work, stdin=subprocess.DEVNULL, capture_output=True, check=False)
    if done.returncode != 0 or not (work / "out" / "model_vela.tflite").exists():
        said = (done.stderr or done.stdout).decode("utf-8", "replace").strip().splitlines()
        raise Lwm2mMlError(f"Vela ended with code {done.returncode}: {said[-1][:_SHOWN] if said else 'nothing said'}")


def _summary(directory: Path) -> Mapping[str, str]:
    """The figures that Vela writes beside its result."""
    (file,) = directory.glob("*_summary_*.csv")
    with file.open(newline="") as rows:
        return next(csv.DictReader(rows))


def operators_of(model: bytes) -> tuple[str, ...]:
    """The names of the operators in a flatbuffer, custom ones by their own."""
    names = {number: name for name, number in vars(schema.BuiltinOperator).items() if not name.startswith("_")}
    file = schema.ModelT.InitFromObj(schema.Model.GetRootAs(model, 0))
    return tuple(sorted(_name(code, names) for code in file.operatorCodes))


def _name(code: Any, names: Mapping[int, str]) -> str:
    if code.customCode is not None:
        return str(code.customCode.decode())
    return names[max(code.builtinCode, code.deprecatedBuiltinCode)]
