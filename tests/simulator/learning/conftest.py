"""The shipped digits model with a head that can be trained, compiled for a Cortex-M4F."""

from dataclasses import dataclass
from importlib import resources

import numpy
import pytest
from numpy.typing import NDArray

from lwm2m_ml.compiler.compilation import compile as compile_model
from lwm2m_ml.compiler.compilation import integer_graph
from lwm2m_ml.compiler.facts import TensorFact
from lwm2m_ml.compiler.ir import Graph
from lwm2m_ml.compiler.targets import Target, load_target
from lwm2m_ml.compiler.training.step import with_training
from lwm2m_ml.module.descriptor import Descriptor, TensorDescriptor
from lwm2m_ml.module.learning import LearningDescriptor
from lwm2m_ml_simulator.inputs.digits import load_digits_split
from lwm2m_ml_simulator.learning.examples import Example


@dataclass(frozen=True)
class Digits:
    """The graph, the module and its descriptor, and some examples."""

    graph: Graph
    target: Target
    payload: bytes
    descriptor: Descriptor
    examples: tuple[Example, ...]
    own: NDArray[numpy.float32]


def _tensor(fact: TensorFact) -> TensorDescriptor:
    return TensorDescriptor(fact.name, fact.shape, fact.dtype, fact.scale, fact.zero_point, fact.offset)


@pytest.fixture(scope="session")
def digits() -> Digits:
    """The smallest variant; what it begins with is in the graph."""
    model = (resources.files("lwm2m_ml.service.zoo") / "shipped/digits/digits-small.onnx").read_bytes()
    split, target = load_digits_split(), load_target("cortex-m4f")
    calibration = split.calibration.images
    graph = with_training(integer_graph(model, calibration, "litert")[0], 1)
    module = compile_model(model, target, calibration=calibration, trainable_layers=1)
    fact = module.learning
    assert fact is not None
    descriptor = Descriptor(
        model_id=bytes(16),
        model_name="digits",
        model_version="1",
        variant="digits-small",
        target=target.name,
        flash_bytes=module.flash_bytes,
        arena_bytes=module.arena_bytes,
        stack_bytes=module.stack_bytes,
        instructions=module.instructions or 0,
        inputs=tuple(map(_tensor, module.inputs)),
        outputs=tuple(map(_tensor, module.outputs)),
        vectors=module.vectors,
        learning=LearningDescriptor(
            fact.layers, fact.offset, fact.parameters, fact.state_bytes, fact.step_instructions or 0
        ),
    )
    examples = tuple(Example(split.train.images[index][None], int(split.train.labels[index])) for index in range(12))
    own = graph.tensor("learning.initial").values
    return Digits(graph, target, module.payload, descriptor, examples, own)
