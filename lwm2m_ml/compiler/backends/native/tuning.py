"""Chooses among the ways to build a module by building and running them: measured, never estimated.

A choice is one kernel per group of equal layers, joined layers or not, and how the C is compiled. The search starts
from the preferred kernels and changes one thing at a time, as long as the objective falls; its budget counts modules.
Where Arm's GCC is installed too, the best design's C is compiled by it as well, and the better result is taken.
Measurements are kept in the cache under the digest of the sources, so that they are never out of date.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy

from lwm2m_ml.compiler.backends.native.arena import Step, plan_arena
from lwm2m_ml.compiler.backends.native.design import Design
from lwm2m_ml.compiler.backends.native.fusion import fuse_where_it_saves
from lwm2m_ml.compiler.backends.native.kernel import Kernel
from lwm2m_ml.compiler.backends.native.kernels.armv7em import has_dsp, has_helium
from lwm2m_ml.compiler.backends.native.layer import Layer
from lwm2m_ml.compiler.backends.native.selection import candidates, select
from lwm2m_ml.compiler.emulator import open_runner
from lwm2m_ml.compiler.emulator.open import executor_of
from lwm2m_ml.compiler.ir import DataType, Graph, Tensor
from lwm2m_ml.compiler.targets import Target
from lwm2m_ml.compiler.toolchain import NotPositionIndependent
from lwm2m_ml.compiler.toolchain.cache import cached_file, digest_of
from lwm2m_ml.compiler.toolchain.gcc import gcc_version, serves
from lwm2m_ml.compiler.toolchain.sources import GCC, OPTIMIZATIONS, ZIG
from lwm2m_ml.compiler.toolchain.zig import zig_version

# Modules built and run at most; one more makes the choice no worse.
NODE_BUDGET: Mapping[str, int] = {"balanced": 12, "size": 32, "speed": 32}
_STACK_BYTES = 16 * 1024
_SEED = 20_261_120
_Group = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Cost:
    """What a module takes, measured: bytes of flash and RAM, instructions of one inference."""

    flash_bytes: int
    ram_bytes: int
    instructions: int


@dataclass(frozen=True, slots=True)
class Choice:
    """One way to build a module. `kernels` is the position of the chosen one among each group's candidates."""

    kernels: tuple[tuple[_Group, int], ...]
    joins: bool
    c_optimization: str
    c_compiler: str = ZIG


Move = Callable[[Choice], Choice]


def best_design(graph: Graph, target: Target, optimize: str) -> Design:
    """The design with the smallest objective that the search finds, the same for the same arguments.

    Where nothing runs the target's modules there is nothing to measure, and the preferred kernels are taken.
    """
    if executor_of(target) is None:
        return first_design(graph, target, optimize)
    search = _Search(graph, target, optimize)
    return search.design(search.run(_start(graph, target, optimize)))


def first_design(graph: Graph, target: Target, optimize: str) -> Design:
    """The design where the search begins: the preferred kernels, nothing built and nothing measured."""
    return _Search(graph, target, optimize).design(_start(graph, target, optimize))


def _start(graph: Graph, target: Target, optimize: str) -> Choice:
    return Choice(
        kernels=tuple((group, 0) for group in _groups(graph, target, optimize)),
        joins=True,
        c_optimization=_c_optimizations(target, optimize)[0],
    )


def _c_optimizations(target: Target, optimize: str) -> tuple[str, ...]:
    """The ways to compile the C; where inner loops are assembly, the C around them had better be small."""
    if optimize == "balanced" and has_dsp(target) and not has_helium(target):
        return ("size",)
    return ("size", "speed") if optimize == "size" else ("speed", "size")


def _groups(graph: Graph, target: Target, optimize: str) -> tuple[_Group, ...]:
    """The names of the candidates, for every kind of layer that has more than one."""
    groups = (tuple(kernel.name for kernel in candidates(layer)) for layer in _layers(graph, target, optimize))
    return tuple(dict.fromkeys(group for group in groups if len(group) > 1))


def _layers(graph: Graph, target: Target, optimize: str) -> Iterator[Layer]:
    return (Layer(graph, operation, target, optimize) for operation in graph.operations)


@dataclass(slots=True)
class _Search:
    """Descends from a first choice, one change at a time."""

    graph: Graph
    target: Target
    optimize: str

    def run(self, start: Choice) -> Choice:
        """The best choice within the budget."""
        design = self.design(start)
        best, best_score, seen = start, self._score(design), {_signature(design)}
        improved = True
        while improved:
            improved = False
            for move in self._moves(start):
                choice = move(best)
                design = self.design(choice)
                if _signature(design) in seen or len(seen) >= NODE_BUDGET[self.optimize]:
                    continue
                seen.add(_signature(design))
                score = self._score(design)
                if score < best_score:
                    best, best_score, improved = choice, score, True
        return self._with_second_compiler(best, best_score)

    def _with_second_compiler(self, best: Choice, best_score: tuple[int, ...]) -> Choice:
        """The best choice, its C made by GCC where that is installed and makes it better."""
        if not serves(self.target):
            return best
        for c_optimization in OPTIMIZATIONS:
            choice = replace(best, c_optimization=c_optimization, c_compiler=GCC)
            try:
                score = self._score(self.design(choice))
            except NotPositionIndependent:
                continue
            if score < best_score:
                best, best_score = choice, score
        return best

    def design(self, choice: Choice) -> Design:
        """What a choice builds."""
        chosen = dict(choice.kernels)
        steps = tuple(_with_kernel(step, chosen) for step in select(self.graph, self.target, self.optimize))
        if choice.joins:
            steps, arena = fuse_where_it_saves(self.graph, steps)
        else:
            arena = plan_arena(self.graph, steps)
        return Design(self.graph, self.target, steps, arena, choice.c_optimization, choice.c_compiler)

    def _moves(self, start: Choice) -> Iterator[Move]:
        """All changes of one thing, those first that change most."""
        for c_optimization in _c_optimizations(self.target, self.optimize):
            yield partial(replace, c_optimization=c_optimization)
        yield lambda choice: replace(choice, joins=not choice.joins)
        for index, (group, _) in enumerate(start.kernels):
            for position in range(len(group)):
                yield partial(_with_position, index=index, position=position)

    def _score(self, design: Design) -> tuple[int, ...]:
        cost = measure(design)
        if self.optimize == "size":
            return (cost.flash_bytes + cost.ram_bytes, cost.instructions)
        if self.optimize == "speed":
            return (cost.instructions, cost.flash_bytes + cost.ram_bytes)
        # A per cent of one is worth a per cent of another.
        return (cost.flash_bytes * cost.ram_bytes * cost.instructions,)


def _with_position(choice: Choice, *, index: int, position: int) -> Choice:
    group, _ = choice.kernels[index]
    return replace(choice, kernels=(*choice.kernels[:index], (group, position), *choice.kernels[index + 1 :]))


def _signature(design: Design) -> tuple[object, ...]:
    """What tells designs of one search apart: choices that come to the same are built once."""
    steps = ((repr(step.kernel), step.layer.result.name, step.layer.feeder is not None) for step in design.steps)
    return (design.c_optimization, design.c_compiler, *steps)


def _with_kernel(step: Step, chosen: Mapping[_Group, int]) -> Step:
    available: tuple[Kernel, ...] = tuple(candidates(step.layer))
    group = tuple(kernel.name for kernel in available)
    return Step(step.layer, available[chosen[group]]) if group in chosen else step


def measure(design: Design) -> Cost:
    """Build and run a design once, on seeded inputs, unless its sources were measured before."""
    sources = design.sources()
    target = design.target
    parts = [
        zig_version(),
        _compiler(design),
        design.c_optimization,
        repr(target.compiler_flags),
        str(target.emulator_cpu),
    ]
    parts += [str(design.arena_bytes), repr(sorted(design.offsets.items())), str(_SEED)]
    for name in sorted(sources):
        parts += [name, sources[name]]

    def make(path: Path) -> None:
        cost = _run(design, design.compile(sources).code)
        path.write_text(json.dumps([cost.flash_bytes, cost.ram_bytes, cost.instructions]), "utf-8")

    return Cost(*json.loads(cached_file("measured", digest_of(parts), ".json", make).read_text("utf-8")))


def _compiler(design: Design) -> str:
    return f"gcc {gcc_version()}" if design.c_compiler == GCC else design.c_compiler


def _random_values(tensor: Tensor, generator: numpy.random.Generator) -> bytes:
    if tensor.dtype is DataType.FLOAT32:
        return generator.random(tensor.elements, dtype=numpy.float32).tobytes()
    return generator.bytes(tensor.bytes)


def _run(design: Design, code: bytes) -> Cost:
    runner = open_runner(code, design.target, arena_bytes=design.arena_bytes, stack_bytes=_STACK_BYTES)
    generator = numpy.random.Generator(numpy.random.PCG64(_SEED))
    inputs = [
        (design.offsets[name], _random_values(design.graph.tensor(name), generator)) for name in design.graph.inputs
    ]
    invocation = runner.invoke(inputs, ())
    return Cost(len(code), design.arena_bytes + invocation.stack_bytes, invocation.instructions)
