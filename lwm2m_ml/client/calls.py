"""The calls about the server, models, modules and deployments."""

from collections.abc import Sequence

from pydantic import TypeAdapter

from lwm2m_ml.client import schemas
from lwm2m_ml.client.call import CONTENT, LARGEST_PAGE, Call, query_of, segment


def health() -> Call[schemas.Health]:
    """Is the server there?"""
    return Call("GET", "/health", TypeAdapter(schemas.Health))


def ready() -> Call[schemas.Readiness]:
    """Does the server take work?"""
    return Call("GET", "/ready", TypeAdapter(schemas.Readiness))


def trust_anchor() -> Call[schemas.TrustAnchor]:
    """The public key that devices check modules with."""
    return Call("GET", "/trust-anchor", TypeAdapter(schemas.TrustAnchor))


def models() -> Call[list[schemas.Model]]:
    """The zoo."""
    return Call("GET", "/models", TypeAdapter(list[schemas.Model]))


def reference(model: str, variant: str, inputs: Sequence[Sequence[float]]) -> Call[schemas.ReferenceAnswers]:
    """What the integer reference of a variant answers to inputs."""
    body = schemas.ReferenceRequest(inputs=[list(row) for row in inputs]).model_dump()
    path = f"/models/{segment(model)}/variants/{segment(variant)}/reference"
    return Call("POST", path, TypeAdapter(schemas.ReferenceAnswers), json=body, timeout=300.0, only_reads=True)


def deploy(model: str, endpoints: Sequence[str] | str = "all") -> Call[schemas.Deployment]:
    """Start a deployment."""
    chosen = endpoints if isinstance(endpoints, str) else list(endpoints)
    body = schemas.DeploymentRequest(model=model, endpoints=chosen).model_dump()
    return Call("POST", "/deployments", TypeAdapter(schemas.Deployment), json=body)


def deployments() -> Call[schemas.Page[schemas.Deployment]]:
    """The deployments, oldest first."""
    answer = TypeAdapter(schemas.Page[schemas.Deployment])
    return Call("GET", "/deployments", answer, query=query_of(limit=LARGEST_PAGE))


def deployment(deployment_id: str) -> Call[schemas.Deployment]:
    """One deployment as it stands."""
    return Call("GET", f"/deployments/{segment(deployment_id)}", TypeAdapter(schemas.Deployment))


def module(digest: str) -> Call[schemas.Module]:
    """A built module and its measured facts."""
    return Call("GET", f"/modules/{segment(digest)}", TypeAdapter(schemas.Module))


def modules() -> Call[schemas.Page[schemas.Module]]:
    """Signed modules, oldest first."""
    return Call("GET", "/modules", TypeAdapter(schemas.Page[schemas.Module]), query=query_of(limit=LARGEST_PAGE))


def compile_variant(model: str, variant: str, target: str) -> Call[schemas.Job]:
    """Compile a variant of a model for a target, ahead of a deployment; the job's result holds what was measured."""
    body = schemas.CompilationRequest(model=model, variant=variant, target=target).model_dump()
    return Call("POST", "/compilations", TypeAdapter(schemas.Job), json=body)


def explain_variant(model: str, variant: str, target: str, *, version: str | None = None) -> Call[schemas.Job]:
    """Measure a variant layer by layer on a target; the job's result is an `Explanation`."""
    body = schemas.ExplanationRequest(model=model, version=version, variant=variant, target=target).model_dump()
    return Call("POST", "/explanations", TypeAdapter(schemas.Job), json=body)


def explained_module(digest: str) -> Call[bytes]:
    """The files of an explained module as a ZIP archive."""
    return Call("GET", f"/explanations/{segment(digest)}/module", CONTENT, timeout=300.0)


def targets() -> Call[list[schemas.Target]]:
    """What the server can compile for, cores first."""
    return Call("GET", "/targets", TypeAdapter(list[schemas.Target]))


def objects() -> Call[schemas.Page[schemas.ObjectSummary]]:
    """The LwM2M objects that the server has definitions of."""
    answer = TypeAdapter(schemas.Page[schemas.ObjectSummary])
    return Call("GET", "/objects", answer, query=query_of(limit=LARGEST_PAGE))


def object_definition(object_id: int, version: str | None = None) -> Call[schemas.ObjectDefinition]:
    """An object and its resources, in its newest version if none is given."""
    return Call("GET", f"/objects/{object_id}", TypeAdapter(schemas.ObjectDefinition), query=query_of(version=version))
