"""Makes LiteRT flatbuffers, for devices with TensorFlow Lite Micro or LiteRT in their firmware."""

import importlib.metadata
from dataclasses import dataclass

from lwm2m_ml.compiler.backends.interface import Basis, Cost, Declaration, Format, Payload, Request
from lwm2m_ml.compiler.backends.tflite.operators import KINDS, write_operation
from lwm2m_ml.compiler.backends.tflite.resolver import resolver_header
from lwm2m_ml.compiler.backends.tflite.writer import Writer
from lwm2m_ml.compiler.ir import Graph
from lwm2m_ml.compiler.memory import Buffer, plan

_TENSOR_ALIGNMENT = 16
RESOLVER_FILE = "op_resolver.h"


@dataclass(frozen=True, slots=True)
class TfliteBackend:
    """A flatbuffer, with the list of operators that the firmware has to register."""

    @property
    def declaration(self) -> Declaration:
        """What it can do."""
        return Declaration(
            name="tflite",
            version=f"flatbuffers {importlib.metadata.version('flatbuffers')}",
            formats=(Format.TFLITE,),
            summary="LiteRT flatbuffer, for firmware with an interpreter",
            operators=KINDS,
            data_types=("int8", "float32"),
        )

    def build(self, request: Request) -> Payload:
        """The payload of a graph."""
        writer = Writer(request.graph)
        for operation in request.graph.operations:
            write_operation(writer, operation)
        code = writer.finish()
        arena = tensor_bytes(request.graph)
        return Payload(
            code=code,
            format=Format.TFLITE,
            arena_bytes=arena,
            operators=writer.operators,
            files={RESOLVER_FILE: resolver_header(writer.operators).encode()},
            cost=Cost(
                basis=Basis.ESTIMATED,
                source="plan of the tensors; code and structures of the interpreter come on top",
                flash_bytes=len(code),
                ram_bytes=arena,
            ),
        )


def tensor_bytes(graph: Graph) -> int:
    """The smallest arena that holds all tensors while they are needed, as a planner of an interpreter lays them."""
    last = {name: len(graph.operations) + 1 for name in graph.outputs}
    for number, operation in enumerate(graph.operations, start=1):
        for name in operation.inputs:
            last[name] = max(number, last.get(name, 0))
    first = dict.fromkeys(graph.inputs, 0)
    first |= {operation.output: number for number, operation in enumerate(graph.operations, start=1)}
    buffers = [
        Buffer(name, graph.tensor(name).bytes, begin, max(begin, last.get(name, begin)), _TENSOR_ALIGNMENT)
        for name, begin in first.items()
    ]
    return plan(buffers).arena_bytes
