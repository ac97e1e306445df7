"""The zoo: shipped models, and those that users add."""

import io
import zipfile
from collections.abc import AsyncIterator
from typing import Any

import pytest

from lwm2m_ml.errors import ConflictError, InvalidInputError, NotFoundError, UsageError
from lwm2m_ml.service.workers.executor import WorkerPool
from lwm2m_ml.service.zoo.card import ModelFiles
from lwm2m_ml.service.zoo.model import Calibration, Model, Variant
from lwm2m_ml.service.zoo.zoo import MAXIMUM_MODEL_BYTES, Zoo, shipped_models
from lwm2m_ml.store import Store


def shipped(name: str) -> ModelFiles:
    return next(one for one in shipped_models() if one.model.name == name)


def saved_model() -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("net/saved_model.pb", b"")
    return packed.getvalue()


@pytest.fixture
async def zoo(store: Store) -> AsyncIterator[Zoo]:
    workers = WorkerPool(1)
    zoo = Zoo(store, workers)
    await zoo.start()
    yield zoo
    await workers.stop()


@pytest.fixture
def onnx() -> bytes:
    digits = shipped("digits")
    return digits.files[digits.model.smallest.digest]


def test_digits_ships_in_three_sizes() -> None:
    digits = shipped("digits")
    assert [variant.name for variant in digits.model.by_accuracy] == ["digits-large", "digits-medium", "digits-small"]
    assert digits.model.smallest.name == "digits-small"


def test_a_model_survives_the_store() -> None:
    digits = shipped("digits")
    assert Model.from_record(digits.model.to_record()) == digits.model


async def test_shipped_models_are_there_after_the_start(zoo: Zoo) -> None:
    digits = zoo.get("digits")
    assert await zoo.content(digits.smallest.digest) == shipped("digits").files[digits.smallest.digest]
    assert [model.name for model in zoo.models()] == ["digits", "gestures", "vibration"]


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


def version_of(digest: str, version: str, **facts: Any) -> Model:
    variant = Variant("mine-s", digest, 0, 0, accuracy=90.0, metrics={"recall": 0.5})
    return Model("mine", version, "", "MIT", ("a", "b"), (variant,), **facts)


async def test_a_version_is_made_of_files_stored_before(zoo: Zoo, onnx: bytes) -> None:
    digest = await zoo.keep_file(onnx)
    added = await zoo.add_version(version_of(digest, "2.0", preprocessing="pixel / 16"))
    assert added.variants[0].weights > 2_000
    assert zoo.get("mine") == added
    with pytest.raises(ConflictError, match=r"There is mine 2\.0 already"):
        await zoo.add_version(version_of(digest, "2.0"))
    with pytest.raises(NotFoundError, match="is not in the store"):
        await zoo.add_version(version_of(digest, "2.1", calibration=Calibration("0" * 64, "images")))


async def test_a_file_that_is_no_model_is_refused(zoo: Zoo) -> None:
    with pytest.raises(InvalidInputError):
        await zoo.add_version(version_of(await zoo.keep_file(b"no model"), "1.0"))


async def test_the_champion_is_meant_where_no_version_is_named(zoo: Zoo, onnx: bytes, store: Store) -> None:
    digest = await zoo.keep_file(onnx)
    first, second = [await zoo.add_version(version_of(digest, version)) for version in ("1.0", "2.0")]
    assert zoo.get("mine") == second
    await zoo.set_alias("mine", "champion", "1.0")
    await zoo.set_alias("mine", "candidate", "2.0")
    assert (zoo.get("mine"), zoo.get("mine", "candidate")) == (first, second)
    again = Zoo(store, WorkerPool(1))
    await again.start()
    assert again.aliases("mine") == {"candidate": "2.0", "champion": "1.0"}
    await zoo.set_alias("mine", "champion", None)
    assert zoo.get("mine") == second
    with pytest.raises(NotFoundError, match="has no alias champion"):
        await zoo.set_alias("mine", "champion", None)


async def test_a_removed_version_takes_its_aliases_along_and_files_nobody_needs(
    zoo: Zoo, onnx: bytes, store: Store
) -> None:
    digest = await zoo.keep_file(onnx)
    for version in ("1.0", "2.0"):
        await zoo.add_version(version_of(digest, version))
    await zoo.set_alias("mine", "candidate", "2.0")
    await zoo.remove("mine", "2.0")
    assert zoo.aliases("mine") == {}
    assert [model.version for model in zoo.versions("mine")] == ["1.0"]
    assert await zoo.content(digest) == onnx
    again = Zoo(store, WorkerPool(1))
    await again.start()
    assert [model.version for model in again.versions("mine")] == ["1.0"]


async def test_what_ships_stays(zoo: Zoo) -> None:
    with pytest.raises(ConflictError, match="ships with this release"):
        await zoo.remove("digits", "1.0.0")


@pytest.mark.parametrize("content", [b"\x89HDF\r\n\x1a\n", saved_model()])
async def test_programs_are_taken_only_where_an_administrator_allows_them(content: bytes, store: Store) -> None:
    workers = WorkerPool(1)
    zoo = Zoo(store, workers)
    with pytest.raises(InvalidInputError, match="can hold a program"):
        await zoo.add("net", "1", content)
    await workers.stop()
