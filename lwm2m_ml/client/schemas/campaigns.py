"""Campaigns and groups as JSON."""

from typing import Annotated, Any, Literal

from pydantic import Field

from lwm2m_ml.client.schemas.shape import Schema

Name = Annotated[str, Field(max_length=128)]
Endpoints = Annotated[list[str], Field(min_length=1, max_length=100_000)]


class CampaignRequest(Schema):
    """Bring a model to devices in phases.

    The devices are `endpoints`, a `group`, those that a `filter` lets through, or without all three every registered
    one. `plan` has the members phases, thresholds, gates, retry, windows, rate, deadlines and joiners, each of which
    may be left out; `docs/campaigns.md` describes them.
    """

    model: Name
    version: Name | None = None
    endpoints: Endpoints | None = None
    group: Name | None = None
    filter: Annotated[str, Field(max_length=2000)] | None = None
    plan: dict[str, Any] = Field(default_factory=dict)
    name: Name = ""


class CampaignDevice(Schema):
    """One device of a campaign. Sizes in bytes, times in Unix seconds; `phase` counts from 1.

    `diagnosis` says in a sentence what the device waits for, or how it ended. `before` is what it ran when the campaign
    came to it; `expected` and `reported` are the version it should run and the one that it told.
    """

    endpoint: str
    phase: int
    target: str
    state: str
    reason: str
    diagnosis: str
    since: float
    attempts: int
    due_at: float | None
    before: str | None
    expected: str
    reported: str | None
    variant: str | None
    module_digest: str | None
    module_bytes: int | None
    ota_bytes: int | None
    ota_seconds: float | None


class Campaign(Schema):
    """One rollout; `tally` counts devices by state, `phase` is the newest open one of `phases`, counted from 1."""

    id: str
    name: str
    model: str
    version: str
    selection: str
    state: str
    reason: str
    diagnosis: str
    phase: int
    phases: int
    finished: bool
    since: float
    deadline: float | None
    created_at: float
    created_by: str
    tally: dict[str, int]
    plan: dict[str, Any]


class DeviceUpdate(Schema):
    """A campaign that a device took part in, and how it went there."""

    campaign: str
    model: str
    version: str
    device: CampaignDevice


class CampaignNote(Schema):
    """One line of a campaign's story: when, who, and what happened."""

    number: int
    at: float
    who: str
    text: str


class CampaignCommand(Schema):
    """What an operator wants of a campaign, and why. `hard` belongs to `cancel`: devices under way are stopped too."""

    command: Literal["approve", "pause", "resume", "cancel", "roll-back"]
    hard: bool = False
    reason: Annotated[str, Field(max_length=500)] = ""


class PreviewDevice(Schema):
    """What a campaign would do with a device; `state` is would be sent, refused or unknown."""

    endpoint: str
    phase: int
    state: str
    target: str
    variant: str | None
    package_bytes: int | None
    reason: str


class CampaignPreview(Schema):
    """A dry run: who would be in which phase, what would be sent, and what it would cost. Nothing has been changed."""

    model: str
    version: str
    selection: str
    devices: list[PreviewDevice]
    tally: dict[str, int]
    package_bytes: int
    compilations: int


class GroupRequest(Schema):
    """A name for a filter."""

    name: Name
    filter: Annotated[str, Field(max_length=2000)]


class Group(Schema):
    """A group with the registered devices that belong to it now."""

    name: str
    filter: str
    created_at: float
    members: list[str]


class TagsChange(Schema):
    """Tags to give to a device and to take away."""

    add: Annotated[list[str], Field(max_length=64)] = Field(default_factory=list)
    remove: Annotated[list[str], Field(max_length=64)] = Field(default_factory=list)


class Tags(Schema):
    """The tags of a device."""

    tags: list[str]
