"""What becomes C: numbers and the kernels' own words, never a name of the model."""

import onnx

from lwm2m_ml.compiler.backends.native.tuning import best_design
from lwm2m_ml.compiler.compilation import integer_graph
from lwm2m_ml.compiler.targets import load_target

EVIL = '"; #include </etc/passwd>\n*/ asm(".incbin \\"secret\\""); //'


def _renamed(content: bytes) -> bytes:
    model = onnx.load_model_from_string(content)
    for node in model.graph.node:
        node.name = EVIL
        for names in (node.input, node.output):
            names[:] = [name + EVIL for name in names]
    for value in (*model.graph.initializer, *model.graph.input, *model.graph.output):
        value.name += EVIL
    renamed: bytes = model.SerializeToString()
    return renamed


def test_no_name_of_a_model_reaches_a_source(digits_network: bytes) -> None:
    for target in ("cortex-m4f", "rv32imc"):
        plain, renamed = (
            best_design(integer_graph(content, None, "litert")[0], load_target(target), "balanced").sources()
            for content in (digits_network, _renamed(digits_network))
        )
        assert renamed == plain
        assert not any("passwd" in text or "secret" in text for text in renamed.values())
