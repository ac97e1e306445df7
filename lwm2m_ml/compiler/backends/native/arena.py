"""Where every tensor and working memory lies in the arena."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from lwm2m_ml.compiler.backends.native.kernel import Kernel, Places
from lwm2m_ml.compiler.backends.native.layer import Layer
from lwm2m_ml.compiler.backends.native.program import Program
from lwm2m_ml.compiler.ir import Graph
from lwm2m_ml.compiler.ir.kinds import Reshape
from lwm2m_ml.compiler.memory import Buffer, InPlace, MemoryPlan, plan

# Kernels read whole words; a word-aligned tensor is all that any of them asks for.
TENSOR_ALIGNMENT = 4
SCRATCH_ALIGNMENT = 8


@dataclass(frozen=True, slots=True)
class Step:
    """A layer and the kernel chosen for it."""

    layer: Layer
    kernel: Kernel


@dataclass(frozen=True, slots=True)
class Arena:
    """The memory plan, what it places, and which tensor shares whose buffer.

    An arena in several pieces has the length of each in `bank_bytes`; offsets count through them as if they adjoined.
    """

    plan: MemoryPlan
    buffers: tuple[Buffer, ...]
    owners: Mapping[str, str]
    pairs: tuple[InPlace, ...] = ()
    bank_bytes: tuple[int, ...] = ()

    def offset(self, tensor: str) -> int:
        """Bytes from the start of the arena."""
        return self.plan.offsets[self.owners[tensor]]

    def places(self, step: Step, program: Program) -> Places:
        """C expressions for the tensors of a step."""
        operands = tuple(
            program.constant(operand.values, alignment=TENSOR_ALIGNMENT)
            if operand.is_constant
            else self._pointer(self.offset(operand.name))
            for operand in step.layer.reads
        )
        scratch = self.plan.offsets.get(_scratch_name(step), 0)
        return Places(operands, self._pointer(self.offset(step.layer.result.name)), self._place(scratch))

    def _pointer(self, offset: int) -> str:
        return f"(int8_t *){self._place(offset)}"

    def _place(self, offset: int) -> str:
        """The C of a place: in the first piece, or a later one."""
        number = 0
        while number < len(self.bank_bytes) - 1 and offset >= self.bank_bytes[number]:
            offset -= self.bank_bytes[number]
            number += 1
        return f"(arena{number or ''} + {offset})"


def _scratch_name(step: Step) -> str:
    return f"scratch of {step.layer.result.name}"


def plan_arena(graph: Graph, steps: Sequence[Step]) -> Arena:
    """Plan the arena; step numbers count from 1, inputs are there at 0 and outputs until after the last."""
    owners = _owners(graph, steps)
    first, last = _lifetimes(graph, steps, owners)
    sizes = {owner: graph.tensor(owner).bytes for owner in first}
    buffers = [Buffer(name, sizes[name], first[name], last[name], TENSOR_ALIGNMENT) for name in first]
    pairs: dict[tuple[str, str], InPlace] = {}
    for number, step in enumerate(steps, start=1):
        scratch = step.kernel.scratch_bytes(step.layer)
        if scratch:
            buffers.append(Buffer(_scratch_name(step), scratch, number, number, SCRATCH_ALIGNMENT))
        result = owners[step.layer.result.name]
        for index, lead in step.kernel.overlaps(step.layer).items():
            source = owners.get(step.layer.reads[index].name)
            if source is None or source == result:
                continue
            if last[source] == number and first[source] < first[result] == number:
                pairs[source, result] = InPlace(source, result, lead)
    in_place = tuple(pairs.values())
    return Arena(plan(buffers, in_place=in_place), tuple(buffers), owners, in_place)


def _owners(graph: Graph, steps: Sequence[Step]) -> dict[str, str]:
    """A reshape has no memory of its own, nor has a result that is written exactly over its operand."""
    owners = {name: name for name in graph.inputs}
    last_use = {name: len(steps) + 1 for name in graph.outputs}
    for number, step in enumerate(steps, start=1):
        for operand in step.layer.reads:
            last_use[operand.name] = max(number, last_use.get(operand.name, 0))
    end_of_life: dict[str, int] = {name: last_use.get(name, 0) for name in graph.inputs}
    for number, step in enumerate(steps, start=1):
        result = step.layer.result.name
        source = _shared_operand(step, owners, end_of_life, number)
        owners[result] = owners[source] if source is not None else result
        end_of_life[owners[result]] = max(end_of_life.get(owners[result], 0), last_use.get(result, number))
    return owners


def _shared_operand(step: Step, owners: Mapping[str, str], end_of_life: Mapping[str, int], number: int) -> str | None:
    reads = step.layer.reads
    if isinstance(step.layer.kind, Reshape) and reads[0].name in owners:
        return reads[0].name
    index = step.kernel.replaces(step.layer)
    if index is None or reads[index].name not in owners:
        return None
    name = reads[index].name
    return name if end_of_life[owners[name]] == number else None


def _lifetimes(graph: Graph, steps: Sequence[Step], owners: Mapping[str, str]) -> tuple[dict[str, int], dict[str, int]]:
    first = {owners[name]: 0 for name in graph.inputs}
    last = dict(first)
    for number, step in enumerate(steps, start=1):
        for operand in step.layer.reads:
            if operand.name in owners:
                last[owners[operand.name]] = number
        owner = owners[step.layer.result.name]
        first.setdefault(owner, number)
        last[owner] = max(number, last.get(owner, 0))
    for name in graph.outputs:
        last[owners[name]] = len(steps) + 1
    return first, last
