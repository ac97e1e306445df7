"""Reads TFLite models, quantised to int8 or in float32."""

import struct

from lwm2m_ml.compiler.errors import CyclicModel, UnreadableModel, UnsupportedOperator, WrongShape
from lwm2m_ml.compiler.frontends.tflite_file import FileOperator, TfliteFile, read_tflite_file
from lwm2m_ml.compiler.frontends.tflite_importer import TfliteImporter
from lwm2m_ml.compiler.frontends.tflite_operators import IMPORTERS
from lwm2m_ml.compiler.ir import DataType, Graph


def read_tflite(content: bytes) -> Graph:
    """The graph of a TFLite model; raises a subclass of InvalidInputError for anything that cannot be compiled."""
    file = read_tflite_file(content)
    importer = TfliteImporter(file)
    inputs = [importer.add_input(index) for index in file.inputs if not importer.is_float_border(index)]
    inputs += [importer.add_input(index) for index in importer.quantized_inputs()]
    for operator in file.operators:
        _import(importer, file, operator)
    outputs = [importer.variable(index, "the model's output") for index in file.outputs]
    if not inputs or not outputs:
        raise UnreadableModel("The TFLite model has no input or no output")
    # A module keeps nothing: a state goes in and comes out, and lies at the same place where that can be.
    inputs += [given for given, _ in importer.states]
    outputs += [computed for _, computed in importer.states]
    graph = importer.builder.finish(inputs, outputs)
    for name in (*inputs, *outputs):
        if graph.tensor(name).dtype not in (DataType.INT8, DataType.INT16, DataType.FLOAT32):
            raise UnsupportedOperator(
                "tensor", f"'{name}'", why=f"it is {graph.tensor(name).dtype.value}", hint="Quantise the model to int8"
            )
    return graph


def _import(importer: TfliteImporter, file: TfliteFile, operator: FileOperator) -> None:
    if operator.name not in IMPORTERS:
        raise UnsupportedOperator(operator.name, operator.place, hint=f"These work: {', '.join(sorted(IMPORTERS))}")
    if not operator.inputs or not operator.outputs:
        raise UnreadableModel(f"Operator {operator.name} at {operator.place} has no operands or results")
    quantized = importer.quantized_inputs() if operator.name == "QUANTIZE" else []
    for index in operator.outputs:
        if (index in importer.names and index not in quantized) or file.tensors[index].data is not None:
            raise CyclicModel(f"Tensor {file.tensors[index].name} is written at {operator.place} but known before")
    try:
        IMPORTERS[operator.name](importer, operator)
    except WrongShape as error:
        message = f"Operator {operator.name} at {operator.place}: {error.message}"
        raise WrongShape(message, hint=error.hint) from None
    except (struct.error, IndexError, KeyError, ValueError, TypeError, OverflowError, AttributeError) as error:
        raise UnreadableModel(f"Operator {operator.name} at {operator.place} is malformed: {error}") from error
