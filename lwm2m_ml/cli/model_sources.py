"""Where models to add come from (a file, a folder with a card, an MLflow model) and how they get to the server."""

import hashlib
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lwm2m_ml.cli import mlflow_models
from lwm2m_ml.cli.mlflow_models import MLMODEL
from lwm2m_ml.errors import InvalidInputError, UsageError

if TYPE_CHECKING:
    from lwm2m_ml.client.client import Client
    from lwm2m_ml.client.schemas import Model

CARD = "card.toml"
MAXIMUM_TEXT_BYTES = 1 << 20
CARD_KEYS = ("name", "version", "description", "licence", "labels")


@dataclass(frozen=True, slots=True)
class ModelSource:
    """What is to be added: the document of the API, and the files whose digests it names."""

    document: dict[str, Any]
    files: Mapping[str, Path]


def read_source(source: str, given: Mapping[str, Any], calibration: Path | None, array: str) -> ModelSource:
    """Read a source; what was given on the command line wins over what it says. Raises `UsageError` and others."""
    path = mlflow_models.fetch(source) if source.startswith(mlflow_models.SCHEMES) else Path(source)
    if not path.exists():
        raise UsageError(f"There is no file or folder {path}")
    if (path / CARD).is_file():
        found = _of_card(path, _toml(path / CARD))
    elif (path / MLMODEL).is_file():
        found = _of_mlflow(path, _yaml(path / MLMODEL), given)
    elif path.is_file():
        found = _of_file(path, given)
    else:
        raise UsageError(f"{path} has no {CARD} and no {MLMODEL}", hint="Name a model file, or a folder with one")
    return _completed(found, given, calibration, array)


def upload(client: "Client", source: ModelSource) -> "Model":
    """Store the files of a source and add the model."""
    from lwm2m_ml.client.schemas.zoo import ModelToAdd

    model = ModelToAdd.model_validate(source.document)
    for path in source.files.values():
        client.store_file(path.read_bytes())
    return client.add_model(model)


def _of_card(folder: Path, card: dict[str, Any]) -> ModelSource:
    files: dict[str, Path] = {}
    variants = [
        {
            "name": one.get("name", ""),
            "digest": _take(files, folder / str(one.get("file", "")), one.get("sha256")),
            "macs": one.get("macs", 0),
            "accuracy": one.get("test_accuracy_percent"),
            "metrics": one.get("metrics", {}),
        }
        for one in card.get("variants", [])
    ]
    document = {key: card.get(key) for key in CARD_KEYS}
    data = card.get("data", {})
    document["data"] = "; ".join(str(data[key]) for key in ("name", "source") if key in data)
    document["preprocessing"] = card.get("input", {}).get("preprocessing", "")
    document["variants"] = variants
    calibration = card.get("calibration")
    if calibration is not None:
        digest = _take(files, folder / str(calibration.get("file", "")), calibration.get("sha256"))
        document["calibration"] = {"digest": digest, "array": calibration.get("array", "")}
    return ModelSource(document, files)


def _of_mlflow(folder: Path, mlmodel: dict[str, Any], given: Mapping[str, Any]) -> ModelSource:
    files: dict[str, Path] = {}
    document = mlflow_models.facts(mlmodel)
    variant = given["variant"] or given["name"] or document.get("name") or folder.resolve().name
    digest = _take(files, mlflow_models.model_file(folder, mlmodel), None)
    return ModelSource({**document, "variants": [{"name": variant, "digest": digest}]}, files)


def _of_file(path: Path, given: Mapping[str, Any]) -> ModelSource:
    files: dict[str, Path] = {}
    variant = {"name": given["variant"] or given["name"] or path.stem, "digest": _take(files, path, None)}
    return ModelSource({"name": path.stem, "variants": [variant]}, files)


def _completed(found: ModelSource, given: Mapping[str, Any], calibration: Path | None, array: str) -> ModelSource:
    document, files = dict(found.document), dict(found.files)
    document |= {key: given[key] for key in ("name", "version", "labels", "description", "licence") if given[key]}
    if given["accuracy"] is not None:
        document["variants"] = [{**one, "accuracy": given["accuracy"]} for one in document["variants"]]
    if calibration is not None:
        document["calibration"] = {
            "digest": _take(files, calibration, None),
            "array": array or _only_array(calibration),
        }
    for key in ("name", "version"):
        if not document.get(key):
            raise UsageError(f"What is the {key} of the model?", hint=f"Say it with --{key}")
    document = {key: value for key, value in document.items() if value is not None}
    _check(document)
    return ModelSource(document, files)


def _check(document: Mapping[str, Any]) -> None:
    """Raise `InvalidInputError` where the API would not take it."""
    from pydantic import ValidationError

    from lwm2m_ml.client.schemas.zoo import ModelToAdd

    try:
        ModelToAdd.model_validate(document)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise InvalidInputError(
            f"The model's {where} cannot be taken: {first['input']!r:.60} ({first['msg']})"
        ) from None


def _take(files: dict[str, Path], path: Path, expected: str | None) -> str:
    """Note a file under its digest; raises when it is not there, or not the one that a card was written for."""
    try:
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise UsageError(f"{path} cannot be read ({error.strerror})") from error
    if expected not in {None, digest}:
        raise InvalidInputError(f"{path} is not the file that its card was written for: the digest differs")
    files[digest] = path
    return digest


def _only_array(path: Path) -> str:
    import numpy

    try:
        with numpy.load(path, allow_pickle=False) as archive:
            names = [str(name) for name in archive.files]
    except (OSError, ValueError, EOFError) as error:
        raise InvalidInputError(f"{path} is no .npz file: {error}") from error
    if len(names) != 1:
        raise UsageError(f"{path} holds the arrays {', '.join(names)}", hint="Choose one with --array")
    return names[0]


def _toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(_text(path))
    except tomllib.TOMLDecodeError as error:
        raise InvalidInputError(f"{path} is not TOML: {error}") from error


def _yaml(path: Path) -> dict[str, Any]:
    import yaml

    try:
        document = yaml.safe_load(_text(path))
    except yaml.YAMLError as error:
        raise InvalidInputError(f"{path} is not YAML: {error}") from error
    if not isinstance(document, dict):
        raise InvalidInputError(f"{path} does not describe a model")
    return document


def _text(path: Path) -> str:
    try:
        if path.stat().st_size > MAXIMUM_TEXT_BYTES:
            raise InvalidInputError(f"{path} is larger than {MAXIMUM_TEXT_BYTES:,} B")
        return path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidInputError(f"{path} cannot be read: {error}") from error
