"""Marks an ONNX model as one whose last layers are to be trained on devices."""

from lwm2m_ml.compiler.compilation import integer_graph
from lwm2m_ml.compiler.errors import NotTrainable
from lwm2m_ml.compiler.frontends.load import TRAINING_KEY
from lwm2m_ml.compiler.frontends.model_format import ModelFormat, format_of
from lwm2m_ml.compiler.ir import Array
from lwm2m_ml.compiler.training.head import find_head


def marked_trainable(model: bytes, layers: int, calibration: Array | None = None) -> tuple[bytes, int]:
    """The model with the wish in its metadata, and how many parameters that makes; raises NotTrainable."""
    if format_of(model) is not ModelFormat.ONNX:
        raise NotTrainable("Only an ONNX file can say that it is to be trained", hint="Export the model to ONNX")
    import onnx  # noqa: PLC0415 - onnx takes half a second to import

    graph, _ = integer_graph(model, calibration, "litert")
    count = find_head(graph, layers).parameters.size
    marked = onnx.load_model_from_string(model)
    kept = [entry for entry in marked.metadata_props if entry.key != TRAINING_KEY]
    del marked.metadata_props[:]
    marked.metadata_props.extend(kept)
    marked.metadata_props.add(key=TRAINING_KEY, value=str(layers))
    content: bytes = marked.SerializeToString(deterministic=True)
    return content, count
