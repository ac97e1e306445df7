"""MLflow models: a folder whose `MLmodel` names flavours, and the file of the one that the compiler reads.

The format is MLflow's (its documentation, "MLflow Models", storage format); what each flavour writes was looked up in
`mlflow.onnx`, `mlflow.keras` and `mlflow.tensorflow` of MLflow 3.17.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lwm2m_ml.errors import InvalidInputError, MissingExtraError

MLMODEL = "MLmodel"
SCHEMES = ("models:/", "runs:/")
FLAVOURS = ("onnx", "keras", "tensorflow")
"""What is read, best first. The member `data` of each names a file, or a folder with the file in it."""
SUFFIXES = frozenset({".onnx", ".keras", ".h5"})
TEXTS = ("name", "version", "licence", "description")


def fetch(uri: str) -> Path:
    """Let MLflow fetch a model from its registry or tracking server; raises `MissingExtraError`."""
    try:
        from mlflow.artifacts import download_artifacts
    except ImportError as error:
        raise MissingExtraError("MLflow", "mlflow") from error
    return Path(download_artifacts(artifact_uri=uri))


def model_file(folder: Path, mlmodel: Mapping[str, Any]) -> Path:
    """Return the file of a flavour that can be read; raises `InvalidInputError` when there is none in the folder."""
    flavours = _mapping(mlmodel, "flavors")
    name = next((flavour for flavour in FLAVOURS if flavour in flavours), None)
    if name is None:
        has = ", ".join(map(str, flavours)) or "none"
        raise InvalidInputError(
            f"{folder} has flavours of MLflow that cannot be read ({has})", hint="Log it as ONNX or Keras"
        )
    data = _mapping(flavours, name).get("data")
    place = folder / str(data)
    if not place.resolve().is_relative_to(folder.resolve()):
        raise InvalidInputError(f"{folder / MLMODEL} names a file outside of its folder: {data}")
    if place.is_file():
        return place
    files = sorted(one for one in place.iterdir() if one.suffix in SUFFIXES) if place.is_dir() else []
    if data is None or not files:
        raise InvalidInputError(
            f"The {name} flavour of {folder} has no model file", hint="Log it as ONNX, or as a .keras file"
        )
    return files[0]


def facts(mlmodel: Mapping[str, Any]) -> dict[str, Any]:
    """Return what an MLmodel says of the model, in the words of a card; its metadata may say what it likes."""
    run, metadata = mlmodel.get("run_id"), _mapping(mlmodel, "metadata")
    origin = f"MLflow run {run}" if run else "an MLflow model"
    found: dict[str, Any] = {"version": str(mlmodel.get("model_id") or ""), "data": f"imported from {origin}"}
    found |= {key: str(metadata[key]) for key in TEXTS if metadata.get(key) is not None}
    labels = metadata.get("labels")
    if isinstance(labels, list):
        found["labels"] = [str(label) for label in labels]
    return found


def _mapping(document: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    """Return a member that may be absent; raises `InvalidInputError` when it is something else."""
    found = document.get(key)
    if found is not None and not isinstance(found, dict):
        raise InvalidInputError(f"{MLMODEL} is damaged: {key} is no mapping")
    return found or {}
