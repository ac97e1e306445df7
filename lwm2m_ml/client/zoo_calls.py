"""The API's calls about the zoo."""

from pydantic import TypeAdapter

from lwm2m_ml.client import schemas
from lwm2m_ml.client.call import CONTENT, NOTHING, Call, query_of, segment
from lwm2m_ml.client.schemas import zoo

MODELS: TypeAdapter[list[schemas.Model]] = TypeAdapter(list[schemas.Model])
MODEL: TypeAdapter[schemas.Model] = TypeAdapter(schemas.Model)


def model_versions(name: str) -> Call[list[schemas.Model]]:
    """Every version of a model, the one added first at first."""
    return Call("GET", f"/models/{segment(name)}/versions", MODELS)


def model(name: str, version: str | None = None) -> Call[schemas.Model]:
    """One model: a version or alias of it, else its champion or newest version."""
    return Call("GET", f"/models/{segment(name)}", MODEL, query=query_of(version=version))


def store_file(content: bytes) -> Call[zoo.StoredFile]:
    """Store a file of a model that is to be added."""
    answer = TypeAdapter(zoo.StoredFile)
    return Call("POST", "/models/files", answer, content=content, timeout=300.0)


def add_model(model: zoo.ModelToAdd) -> Call[schemas.Model]:
    """Add a version of a model whose files are stored."""
    return Call("POST", "/models", MODEL, json=model.model_dump(), timeout=300.0)


def remove_model(name: str, version: str) -> Call[None]:
    """Forget a version of a model."""
    return Call("DELETE", f"/models/{segment(name)}", NOTHING, query=query_of(version=version))


def set_alias(name: str, alias: str, version: str) -> Call[schemas.Model]:
    """Let an alias name a version of a model."""
    body = zoo.AliasToSet(version=version).model_dump()
    return Call("PUT", f"/models/{segment(name)}/aliases/{segment(alias)}", MODEL, json=body)


def remove_alias(name: str, alias: str) -> Call[None]:
    """Forget an alias; the version that it named stays."""
    return Call("DELETE", f"/models/{segment(name)}/aliases/{segment(alias)}", NOTHING)


def variant_file(name: str, variant: str, version: str | None = None) -> Call[bytes]:
    """The file of a variant as it was added."""
    path = f"/models/{segment(name)}/variants/{segment(variant)}/file"
    return Call("GET", path, CONTENT, query=query_of(version=version), timeout=300.0)
