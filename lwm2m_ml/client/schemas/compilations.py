"""Compilations, explanations of where flash and RAM go, and the targets of both."""

from pydantic import Field

from lwm2m_ml.client.schemas.shape import Schema


class CompilationRequest(Schema):
    """A variant of a model of the zoo, and the target to compile it for."""

    model: str = Field(min_length=1, max_length=128)
    variant: str = Field(min_length=1, max_length=128)
    target: str = Field(min_length=1, max_length=128)


class ExplanationRequest(Schema):
    """A variant of a model of the zoo, in a version or its champion, and the target to explain it on."""

    model: str = Field(min_length=1, max_length=128)
    version: str | None = Field(default=None, max_length=64)
    variant: str = Field(min_length=1, max_length=128)
    target: str = Field(min_length=1, max_length=128)


class ExplainedLayer(Schema):
    """One layer: its kernel, the bytes of its constants and of the arena in use, instructions for one inference."""

    operation: str
    kernel: str
    result_shape: list[int]
    macs: int
    weight_bytes: int
    ram_bytes: int
    instructions: int


class ArenaBuffer(Schema):
    """A piece of the arena, needed from one step to another; layers are the steps from 1 on."""

    name: str
    offset: int
    bytes: int
    first_use: int
    last_use: int


class Explanation(Schema):
    """The result of an explanation: sizes in bytes; `archive` is the digest of the module's files."""

    target: str
    variant: str
    flash_bytes: int
    ram_bytes: int
    arena_bytes: int
    stack_bytes: int
    lower_bound_arena_bytes: int
    instructions: int | None
    macs: int
    exact: bool | None
    layers: list[ExplainedLayer]
    peak_layer: int
    buffers: list[ArenaBuffer]
    archive: str
    archive_bytes: int


class Target(Schema):
    """A microcontroller or core that modules can be made for. Bytes, and Hz for the clock."""

    name: str
    title: str
    core: str
    is_core: bool
    flash_bytes: int | None
    ram_bytes: int | None
    clock_hz: float | None
