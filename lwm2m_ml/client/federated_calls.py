"""The API's calls about federated runs."""

from pydantic import TypeAdapter

from lwm2m_ml.client.call import LARGEST_PAGE, Call, query_of, segment
from lwm2m_ml.client.schemas import Page
from lwm2m_ml.client.schemas import federated as schemas


def _run(run_id: str, tail: str = "") -> str:
    return f"/federated/{segment(run_id)}{tail}"


def start_federated(request: schemas.FederatedRequest) -> Call[schemas.FederatedRun]:
    """Start a federated run; the model is read first."""
    body = request.model_dump(exclude_none=True)
    return Call("POST", "/federated", TypeAdapter(schemas.FederatedRun), json=body, timeout=300.0)


def federated_runs() -> Call[Page[schemas.FederatedRun]]:
    """Every federated run, oldest first."""
    answer = TypeAdapter(Page[schemas.FederatedRun])
    return Call("GET", "/federated", answer, query=query_of(limit=LARGEST_PAGE))


def federated_run(run_id: str) -> Call[schemas.FederatedRun]:
    """One federated run as it stands."""
    return Call("GET", _run(run_id), TypeAdapter(schemas.FederatedRun))


def federated_rounds(run_id: str) -> Call[Page[schemas.FederatedRound]]:
    """The rounds of a run that are over."""
    answer = TypeAdapter(Page[schemas.FederatedRound])
    return Call("GET", _run(run_id, "/rounds"), answer, query=query_of(limit=LARGEST_PAGE))


def federated_answers(run_id: str, number: int) -> Call[Page[schemas.FederatedAnswer]]:
    """What became of the devices in a round."""
    answer = TypeAdapter(Page[schemas.FederatedAnswer])
    return Call("GET", _run(run_id, f"/rounds/{number}/devices"), answer, query=query_of(limit=LARGEST_PAGE))


def federated_story(run_id: str, after: int = 0) -> Call[Page[schemas.FederatedNote]]:
    """What happened to a run, from after a line's number on."""
    query = query_of(after=after, limit=LARGEST_PAGE)
    return Call("GET", _run(run_id, "/story"), TypeAdapter(Page[schemas.FederatedNote]), query=query)


def federated_weights(run_id: str, number: int | None = None) -> Call[schemas.FederatedWeights]:
    """The parameters after a round, the newest ones by default."""
    return Call("GET", _run(run_id, "/weights"), TypeAdapter(schemas.FederatedWeights), query=query_of(round=number))


def command_federated(run_id: str, command: schemas.FederatedCommand) -> Call[schemas.FederatedRun]:
    """Pause, resume or cancel."""
    return Call("POST", _run(run_id, "/commands"), TypeAdapter(schemas.FederatedRun), json=command.model_dump())
