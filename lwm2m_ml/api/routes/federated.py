"""`/federated`: let devices learn together, watch it, steer it."""

import base64
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Path, Query

from lwm2m_ml.api.authentication import OPERATOR, VIEWER, CurrentCaller
from lwm2m_ml.api.campaign_views import EVENTS
from lwm2m_ml.api.paging import DEFAULT_LIMIT, Cursor, Limit, decode, page_of
from lwm2m_ml.api.running import Service
from lwm2m_ml.api.views import as_schema
from lwm2m_ml.client.schemas import Page
from lwm2m_ml.client.schemas import federated as schemas
from lwm2m_ml.service.federated.federation import FederatedOverview
from lwm2m_ml.service.federated.plan import FederatedPlan

router = APIRouter(prefix="/federated", tags=["federated"])

RunId = Annotated[str, Path(max_length=64)]
Number = Annotated[int, Path(ge=0, le=1_000_000)]


@router.post("", dependencies=[OPERATOR], status_code=HTTPStatus.ACCEPTED)
async def create(service: Service, body: schemas.FederatedRequest, who: CurrentCaller) -> schemas.FederatedRun:
    """Start a federated run; it goes on after the answer."""
    model = service.zoo.get(body.model, body.version)
    selection = service.selections.choose(endpoints=body.endpoints, group=body.group, filter=body.filter)
    plan = FederatedPlan.from_json(body.plan)
    return _view(await service.federation.create(model, selection, plan, name=body.name, who=who.name))


@router.get("", dependencies=[VIEWER])
async def list_runs(service: Service, limit: Limit = DEFAULT_LIMIT, cursor: Cursor = "") -> Page[schemas.FederatedRun]:
    """Every federated run, oldest first, in pages."""
    after = decode(cursor, float, str)
    found = [one for one in await service.federation.all() if after is None or one.run.place > after]
    return page_of(found[: limit + 1], limit, lambda one: one.run.place, _view)


@router.get("/{run_id}", dependencies=[VIEWER])
async def show(service: Service, run_id: RunId) -> schemas.FederatedRun:
    """One federated run as it stands."""
    return _view(await service.federation.overview(run_id))


@router.get("/{run_id}/rounds", dependencies=[VIEWER])
async def rounds(
    service: Service, run_id: RunId, limit: Limit = DEFAULT_LIMIT, cursor: Cursor = ""
) -> Page[schemas.FederatedRound]:
    """The rounds that are over, in pages."""
    place = decode(cursor, int)
    found = await service.federation.rounds(run_id, after=0 if place is None else int(place[0]))
    shown = found[: limit + 1]
    return page_of(shown, limit, lambda one: (one.number,), lambda one: as_schema(schemas.FederatedRound, one))


@router.get("/{run_id}/rounds/{number}/devices", dependencies=[VIEWER])
async def answers(
    service: Service, run_id: RunId, number: Number, limit: Limit = DEFAULT_LIMIT, cursor: Cursor = ""
) -> Page[schemas.FederatedAnswer]:
    """What became of each device in a round, rejections by name and reason."""
    place = decode(cursor, str, str)
    found = [
        one
        for one in await service.federation.answers(run_id, number)
        if place is None or (one.endpoint, str(one.outcome)) > place
    ]
    return page_of(
        found[: limit + 1],
        limit,
        lambda one: (one.endpoint, str(one.outcome)),
        lambda one: as_schema(schemas.FederatedAnswer, one),
    )


@router.get("/{run_id}/story", dependencies=[VIEWER])
async def story(
    service: Service,
    run_id: RunId,
    after: Annotated[int, Query(ge=0, le=2**63 - 1)] = 0,
    limit: Limit = DEFAULT_LIMIT,
    cursor: Cursor = "",
) -> Page[schemas.FederatedNote]:
    """What happened, line by line, from after a line's number on."""
    place = decode(cursor, int)
    notes = await service.federation.story(run_id, after=after if place is None else int(place[0]))
    shown = notes[: limit + 1]
    return page_of(shown, limit, lambda note: (note.number,), lambda note: as_schema(schemas.FederatedNote, note))


@router.get("/{run_id}/weights", dependencies=[VIEWER])
async def weights(
    service: Service, run_id: RunId, round: Annotated[int | None, Query(ge=1, le=1_000_000)] = None
) -> schemas.FederatedWeights:
    """The parameters after a round, the newest ones by default."""
    content = await service.federation.weights(run_id, round)
    return schemas.FederatedWeights(parameters=len(content) // 4, content=base64.b64encode(content).decode())


@router.post("/{run_id}/commands", dependencies=[OPERATOR])
async def command(
    service: Service, run_id: RunId, body: schemas.FederatedCommand, who: CurrentCaller
) -> schemas.FederatedRun:
    """Pause (the round under way goes on to its end), resume or cancel."""
    return _view(await service.federation.command(run_id, EVENTS[body.command], who.name, body.reason))


def _view(fact: FederatedOverview) -> schemas.FederatedRun:
    run = fact.run
    return schemas.FederatedRun(
        id=run.id,
        name=run.name,
        model=run.model,
        version=run.version,
        variant=run.variant,
        selection=run.selection,
        devices=len(run.endpoints),
        state=str(run.state),
        reason=run.reason,
        diagnosis=fact.diagnosis,
        round=run.round,
        rounds=run.plan.rounds,
        parameters=run.parameters,
        finished=run.finished,
        epsilon=fact.epsilon,
        delta=run.plan.privacy.delta,
        since=run.since,
        created_at=run.created_at,
        created_by=run.created_by,
        plan=run.plan.to_json(),
        last=None if fact.last is None else as_schema(schemas.FederatedRound, fact.last),
    )
