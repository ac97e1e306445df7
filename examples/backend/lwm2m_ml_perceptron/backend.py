"""The backend: what it declares, and how it makes a payload."""

from lwm2m_ml.compiler.backends.interface import Basis, Cost, Declaration, Format, Payload, Request
from lwm2m_ml.compiler.errors import UnsupportedOperator
from lwm2m_ml_perceptron.layer import Layer, read_layers
from lwm2m_ml_perceptron.text import module_text

VERSION = "1.0.0"
ALIGNMENT = 4


class PerceptronBackend:
    """Chains of fully connected layers, int8, one module for every device with a WebAssembly runtime."""

    declaration = Declaration(
        name="perceptron",
        version=VERSION,
        formats=(Format.WASM,),
        summary="int8 perceptrons as hand-written WebAssembly",
        operators=("FullyConnected",),
        data_types=("int8",),
    )

    def build(self, request: Request) -> Payload:
        """The payload of a chain of fully connected layers."""
        from wasmtime import wat2wasm  # noqa: PLC0415 - only when there is something to compile

        layers = read_layers(request.graph)
        offsets, arena = place(request.graph.inputs[0], layers)
        try:
            code = bytes(wat2wasm(module_text(layers, offsets)))
        except Exception as error:
            raise UnsupportedOperator("FullyConnected", layers[0].name, why=f"wat2wasm says {error}") from error
        return Payload(
            code=code,
            format=Format.WASM,
            arena_bytes=arena,
            offsets={name: offsets[name] for name in (*request.graph.inputs, *request.graph.outputs)},
            cost=Cost(Basis.ESTIMATED, "count of weights", flash_bytes=len(code), ram_bytes=arena),
            executed_on="wasm32",
        )


def place(first: str, layers: list[Layer]) -> tuple[dict[str, int], int]:
    """Where the input and each result lie, one behind the other, and the length of the arena."""
    offsets, end = {first: 0}, layers[0].inputs
    for layer in layers:
        start = -(-end // ALIGNMENT) * ALIGNMENT
        offsets[layer.result] = start
        end = start + layer.outputs
    return offsets, end
