"""What travels between the operator's API and its clients, as JSON: one frozen model per noun.

Nouns of the whole API are told here; those of one group of calls are in the module of their name.
"""

from lwm2m_ml.client.schemas.callers import Act, CallerFacts, IssuedToken, Token, TokenRequest
from lwm2m_ml.client.schemas.compilations import (
    ArenaBuffer,
    CompilationRequest,
    ExplainedLayer,
    Explanation,
    ExplanationRequest,
    Target,
)
from lwm2m_ml.client.schemas.deployments import Deployment, DeploymentDevice, DeploymentRequest, Module
from lwm2m_ml.client.schemas.devices import (
    Device,
    DeviceHistory,
    Fleet,
    HistoryEvent,
    LoggedMessage,
    Profile,
    TrafficBin,
)
from lwm2m_ml.client.schemas.jobs import Event, Job
from lwm2m_ml.client.schemas.models import Model, ReferenceAnswers, ReferenceRequest, Variant
from lwm2m_ml.client.schemas.objects import ObjectDefinition, ObjectSummary, ResourceDefinition
from lwm2m_ml.client.schemas.operations import (
    AttributesToWrite,
    Created,
    DeviceRequest,
    ExecuteArguments,
    InstanceToCreate,
    Link,
    PathsToRead,
    RequestToQueue,
    ResourceValue,
    ValuesToWrite,
    ValueToWrite,
)
from lwm2m_ml.client.schemas.results import Inference, InferenceRequest, Result
from lwm2m_ml.client.schemas.server import Health, Readiness, TrustAnchor
from lwm2m_ml.client.schemas.shape import InvalidField, Page, Plain, Problem, Schema

__all__ = [
    "Act",
    "ArenaBuffer",
    "AttributesToWrite",
    "CallerFacts",
    "CompilationRequest",
    "Created",
    "Deployment",
    "DeploymentDevice",
    "DeploymentRequest",
    "Device",
    "DeviceHistory",
    "DeviceRequest",
    "Event",
    "ExecuteArguments",
    "ExplainedLayer",
    "Explanation",
    "ExplanationRequest",
    "Fleet",
    "Health",
    "HistoryEvent",
    "Inference",
    "InferenceRequest",
    "InstanceToCreate",
    "InvalidField",
    "IssuedToken",
    "Job",
    "Link",
    "LoggedMessage",
    "Model",
    "Module",
    "ObjectDefinition",
    "ObjectSummary",
    "Page",
    "PathsToRead",
    "Plain",
    "Problem",
    "Profile",
    "Readiness",
    "ReferenceAnswers",
    "ReferenceRequest",
    "RequestToQueue",
    "ResourceDefinition",
    "ResourceValue",
    "Result",
    "Schema",
    "Target",
    "Token",
    "TokenRequest",
    "TrafficBin",
    "TrustAnchor",
    "ValueToWrite",
    "ValuesToWrite",
    "Variant",
]
