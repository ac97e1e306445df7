"""The zoo: shipped models, and those that users add."""

from collections.abc import AsyncIterator

import pytest

from lwm2m_ml.errors import ConflictError, InvalidInputError, NotFoundError, UsageError
from lwm2m_ml.service.workers.executor import WorkerPool
from lwm2m_ml.service.zoo.model import Model
from lwm2m_ml.service.zoo.zoo import MAXIMUM_MODEL_BYTES, Zoo, shipped_models
from lwm2m_ml.store import Store


@pytest.fixture
async def zoo(store: Store) -> AsyncIterator[Zoo]:
    workers = WorkerPool(1)
    zoo = Zoo(store, workers)
    await zoo.start()
    yield zoo
    await workers.stop()


@pytest.fixture
def onnx() -> bytes:
    (digits,) = shipped_models()
    return digits.files[digits.model.smallest.digest]


def test_digits_ships_in_three_sizes() -> None:
    (digits,) = shipped_models()
    assert [variant.name for variant in digits.model.by_accuracy] == ["digits-large", "digits-medium", "digits-small"]
    assert digits.model.smallest.name == "digits-small"


def test_a_model_survives_the_store() -> None:
    (digits,) = shipped_models()
    assert Model.from_record(digits.model.to_record()) == digits.model


async def test_shipped_models_are_there_after_the_start(zoo: Zoo) -> None:
    digits = zoo.get("digits")
    assert await zoo.content(digits.smallest.digest) == shipped_models()[0].files[digits.smallest.digest]
    assert [model.name for model in zoo.models()] == ["digits"]


async def test_an_added_model_is_there_after_a_restart(zoo: Zoo, store: Store, onnx: bytes) -> None:
    added = await zoo.add("mine", "1.0", onnx, labels=["a", "b"], accuracy=50.0, licence="MIT")
    again = Zoo(store, WorkerPool(1))
    await again.start()
    assert again.get("mine") == added
    assert added.variants[0].weights > 2_000


async def test_a_further_variant_joins_its_version(zoo: Zoo, onnx: bytes) -> None:
    await zoo.add("mine", "1.0", onnx, variant="mine-s", labels=["a"])
    model = await zoo.add("mine", "1.0", onnx, variant="mine-m")
    assert [variant.name for variant in model.variants] == ["mine-s", "mine-m"]
    assert model.labels == ("a",)
    with pytest.raises(ConflictError, match="has a variant mine-m already"):
        await zoo.add("mine", "1.0", onnx, variant="mine-m")


async def test_the_newest_version_is_the_one_that_is_meant(zoo: Zoo, onnx: bytes) -> None:
    await zoo.add("mine", "1.0", onnx)
    await zoo.add("mine", "2.0", onnx)
    assert zoo.get("mine").version == "2.0"
    assert zoo.get("mine", "1.0").version == "1.0"


async def test_an_unreadable_model_is_refused_by_the_compiler(zoo: Zoo) -> None:
    with pytest.raises(InvalidInputError, match="Reading model mine failed"):
        await zoo.add("mine", "1.0", b"this is not ONNX")
    with pytest.raises(NotFoundError, match="There is no model mine"):
        zoo.get("mine")


async def test_a_model_beyond_the_limit_is_refused_unread(zoo: Zoo) -> None:
    with pytest.raises(InvalidInputError, match="are accepted"):
        await zoo.add("mine", "1.0", bytes(MAXIMUM_MODEL_BYTES + 1))


@pytest.mark.parametrize("name", ["", "../digits", "a b", "x" * 65, "ümlaut"])
async def test_names_that_could_mean_something_else_are_refused(zoo: Zoo, name: str) -> None:
    with pytest.raises(UsageError):
        await zoo.add(name, "1.0", b"")


async def test_an_unknown_model_is_answered_with_the_known_ones(zoo: Zoo) -> None:
    with pytest.raises(NotFoundError, match="Models in the zoo: digits"):
        zoo.get("cats")


async def test_an_unknown_variant_is_answered_with_the_known_ones(zoo: Zoo) -> None:
    with pytest.raises(NotFoundError, match="It has digits-small, digits-medium, digits-large"):
        zoo.get("digits").variant("digits-huge")
