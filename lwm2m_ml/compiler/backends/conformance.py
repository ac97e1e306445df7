"""The suite that the author of a backend runs: what the interface asks for, tried on small models, one check a line."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum

import numpy

from lwm2m_ml.compiler.backends.acceptance import accept
from lwm2m_ml.compiler.backends.conformance_models import MODELS
from lwm2m_ml.compiler.backends.eligibility import why_not
from lwm2m_ml.compiler.backends.interface import ANY_DEVICE, DATA_TYPES, Declaration, Format, Payload, Request
from lwm2m_ml.compiler.backends.isolation import DEFAULT_LIMITS, BackendFailed, Limits
from lwm2m_ml.compiler.backends.onnx_model import onnx_model
from lwm2m_ml.compiler.backends.registry import InstalledBackend, find_backend
from lwm2m_ml.compiler.errors import Unproved, UnsupportedTarget
from lwm2m_ml.compiler.ir import Array, DataType, Graph
from lwm2m_ml.compiler.proof import prove
from lwm2m_ml.compiler.targets import Target, load_target, shipped_targets
from lwm2m_ml.errors import Lwm2mMlError

_SAMPLES = 4
_SEED = 7
_COMMON_CORES = ("cortex-m4f", "rv32imc")
_DATA_TYPES = {"int8": DataType.INT8, "float32": DataType.FLOAT32}


class Outcome(StrEnum):
    """How a check ended. Unproved: nothing here can run the module, so nobody knows."""

    PASSED = "passed"
    FAILED = "failed"
    UNPROVED = "unproved"
    NOT_ASKED = "not asked"


@dataclass(frozen=True, slots=True)
class Check:
    """One check and its outcome."""

    name: str
    outcome: Outcome
    detail: str = ""


def check_backend(name: str, target: Target | None = None, limits: Limits = DEFAULT_LIMITS) -> Iterator[Check]:
    """All checks of a backend, on a target or the first shipped one that it serves. A failed one does not end them."""
    try:
        backend = find_backend(name, limits)
    except BackendFailed as error:
        yield Check("declaration", Outcome.FAILED, error.message)
        return
    declaration = backend.declaration
    wrong = _wrong_words(declaration)
    yield Check("declaration", Outcome.FAILED if wrong else Outcome.PASSED, wrong or _summary(declaration))
    chosen = target or _some_target(declaration)
    for data_type in declaration.data_types:
        for model, make in MODELS.items():
            if data_type in _DATA_TYPES:
                graph = make(_DATA_TYPES[data_type])
                yield from _model_checks(_Trial(backend, chosen, limits, graph), f"{model}, {data_type}")


@dataclass(frozen=True, slots=True)
class _Trial:
    """A backend, asked for one model."""

    backend: InstalledBackend
    target: Target
    limits: Limits
    graph: Graph

    @property
    def request(self) -> Request:
        return Request(self.graph, onnx_model(self.graph), self.target)

    def build(self) -> Payload:
        payload = self.backend.build(self.request, self.limits)
        accept(payload, self.request, self.backend.declaration)
        return payload


def _model_checks(trial: _Trial, model: str) -> Iterator[Check]:
    against = why_not(trial.backend.declaration, trial.graph, trial.target, ANY_DEVICE)
    if against:
        yield _refusal(trial, model)
        return
    try:
        payload = trial.build()
    except Lwm2mMlError as error:
        yield Check(f"{model}: compiles", Outcome.FAILED, error.message)
        return
    yield Check(f"{model}: compiles", Outcome.PASSED, f"{len(payload.code):,} B for {trial.target.name}")
    yield _tried(f"{model}: answers right", lambda: _proved(trial, payload))
    yield _tried(f"{model}: same bytes again", lambda: _same_bytes(trial, payload))


def _tried(name: str, check: Callable[[], str]) -> Check:
    try:
        return Check(name, Outcome.PASSED, check())
    except Unproved as error:
        return Check(name, Outcome.UNPROVED, error.message)
    except Lwm2mMlError as error:
        return Check(name, Outcome.FAILED, error.message)


def _proved(trial: _Trial, payload: Payload) -> str:
    proof = prove(trial.graph, payload, trial.target, _samples(trial.graph))
    return f"by {proof.executor}, {_SAMPLES} inputs"


def _same_bytes(trial: _Trial, payload: Payload) -> str:
    if trial.build().code != payload.code:
        raise Lwm2mMlError("The second payload of the same model is another one")
    return ""


def _refusal(trial: _Trial, model: str) -> Check:
    """What a backend does not declare it must refuse with a sentence, not crash at or compile wrongly."""
    name = f"{model}: refused in order"
    try:
        payload = trial.build()
        prove(trial.graph, payload, trial.target, _samples(trial.graph), allow_unproved=True)
    except BackendFailed as error:
        return Check(name, Outcome.FAILED, error.message)
    except Lwm2mMlError as error:
        return Check(name, Outcome.PASSED, error.message)
    return Check(name, Outcome.NOT_ASKED, "it compiles more than it declares")


def _samples(graph: Graph) -> dict[str, Array]:
    random = numpy.random.default_rng(_SEED)

    def values(name: str) -> Array:
        tensor = graph.tensor(name)
        shape = (_SAMPLES, *tensor.shape)
        if tensor.dtype is DataType.FLOAT32:
            return random.standard_normal(shape).astype(numpy.float32)
        return random.integers(-128, 128, shape).astype(tensor.dtype.numpy)

    return {name: values(name) for name in graph.inputs}


def _wrong_words(declaration: Declaration) -> str:
    formats = [name for name in declaration.formats if name not in set(Format)]
    types = [name for name in declaration.data_types if name not in DATA_TYPES]
    if formats or not declaration.formats:
        return f"formats {', '.join(formats) or 'none'}: there are {', '.join(Format)}"
    if types or not declaration.data_types:
        return f"data types {', '.join(types) or 'none'}: there are {', '.join(DATA_TYPES)}"
    return "" if declaration.version else "it has no version, so builds of two versions could not be told apart"


def _summary(declaration: Declaration) -> str:
    return f"version {declaration.version}, {', '.join(declaration.formats)}"


def _some_target(declaration: Declaration) -> Target:
    """A common core where the backend serves one, else the first target that it does."""
    for target in (*map(load_target, _COMMON_CORES), *shipped_targets().values()):
        if not why_not(declaration, None, target, ANY_DEVICE):
            return target
    raise UnsupportedTarget(f"The backend {declaration.name} serves no shipped target", hint="Name one with --target")
