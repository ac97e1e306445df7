"""The search for smaller models: prune, train, quantise, compile, measure; each step's result is kept."""

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy
import zstandard

from lwm2m_ml.compiler.backends.native.layer import Layer
from lwm2m_ml.compiler.compilation import compile as compile_model
from lwm2m_ml.compiler.compilation import float_graph
from lwm2m_ml.compiler.datasets import Dataset
from lwm2m_ml.compiler.frontends.load import PRECISION_KEY
from lwm2m_ml.compiler.interpreter import run
from lwm2m_ml.compiler.ir import Graph
from lwm2m_ml.compiler.onnx_writer import write_onnx
from lwm2m_ml.compiler.quantize.post_training import quantize
from lwm2m_ml.compiler.quantize.quality import accuracy_percent, measure_quality
from lwm2m_ml.compiler.quantize.settings import Precision, QuantizationSettings
from lwm2m_ml.compiler.shrink.channels import Channels, find_channels
from lwm2m_ml.compiler.shrink.clustering import cluster_weights
from lwm2m_ml.compiler.shrink.plan import ShrinkPlan, Strategy, Width
from lwm2m_ml.compiler.shrink.progress import Journal, Progress, Step
from lwm2m_ml.compiler.shrink.pruning import Mask, without_channels
from lwm2m_ml.compiler.shrink.recipe import Recipe
from lwm2m_ml.compiler.shrink.sensitivity import Sensitivity, by_sensitivity, measure_sensitivity, uniform, weight_count
from lwm2m_ml.compiler.shrink.training import train
from lwm2m_ml.compiler.shrink.variant import TargetFacts, Variant
from lwm2m_ml.compiler.targets import Target, load_target

CALIBRATION_FILE = "calibration.npz"
_CALIBRATION_SAMPLES = 256
_SENSITIVITY_SAMPLES = 512
# The largest code of the weights that training feels before each precision; 0 is training in float.
_LARGEST_CODES = {Precision.INT8: 127, Precision.INT4: 7, Precision.INT16: 127, Precision.FLOAT32: 0}
# After training in float, training with rounding is short and careful.
_ROUNDED_SHARE = 4
_PACKING_LEVEL = 19


@dataclass(frozen=True)
class Search:
    """A search in a folder. `name` is the model's; `train_data` teaches and calibrates, `test_data` only measures.

    `like` is an earlier version whose clusters of weights are kept.
    """

    name: str
    model: bytes
    train_data: Dataset
    test_data: Dataset
    plan: ShrinkPlan
    folder: Path
    report: Callable[[Progress], None] = lambda _: None
    find_target: Callable[[str], Target] = load_target
    like: bytes = b""

    @cached_property
    def _graph(self) -> Graph:
        return float_graph(self.model)

    @cached_property
    def _channels(self) -> Channels:
        return find_channels(self._graph)

    @cached_property
    def _journal(self) -> Journal:
        return Journal.opened(self.folder, self.plan.digest(self.model + self.like, (self.train_data, self.test_data)))

    @property
    def whole(self) -> str:
        """The name of the variant that is the model as it came, in the first of the precisions."""
        return self._variant_name(self.plan.widths[0], self.plan.precisions[0])

    def steps(self) -> tuple[Step, ...]:
        """All of the work, in order."""
        return tuple(step for step, _ in self._work())

    def run(self) -> list[Variant]:
        """Every variant, measured; goes on where a search in this folder was broken off."""
        self._write_calibration()
        steps = self.steps()
        for step, work in self._work():
            self.report(self._journal.progress(steps))
            self._journal.run(step, work)
        self.report(self._journal.progress(steps))
        return [self._variant(width, precision) for width, precision in self._variants()]

    def _work(self) -> Iterator[tuple[Step, Callable[[], object]]]:
        if Strategy.SENSITIVE in self.plan.strategies and self.plan.levels:
            for group in self._channels.groups:
                yield Step("sensitivity", group), lambda group=group: self._sensitivity(group)  # type: ignore[misc]
        for width in self.plan.widths:
            yield Step("train", width.name), lambda width=width: self._make(width)  # type: ignore[misc]
        for width, precision in self._variants():
            name = self._variant_name(width, precision)
            yield Step("accuracy", name), lambda name=name, at=precision: self._accuracy(name, at)  # type: ignore[misc]
            for target in self.plan.targets:
                place = f"{name} {target}"
                yield Step("compile", place), lambda name=name, on=target, at=precision: self._facts(name, on, at)  # type: ignore[misc]

    def _variants(self) -> Iterator[tuple[Width, Precision]]:
        return ((width, precision) for width in self.plan.widths for precision in self.plan.precisions)

    def _variant_name(self, width: Width, precision: Precision) -> str:
        return f"{self.name}-{width.name}-{precision.value}"

    def _path(self, name: str) -> Path:
        return self.folder / f"{name}.onnx"

    def _write_calibration(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        numpy.savez_compressed(self.folder / CALIBRATION_FILE, samples=self._calibration[:, 0])

    @property
    def _calibration(self) -> "numpy.ndarray[tuple[int, ...], numpy.dtype[numpy.float32]]":
        return self.train_data.samples[:_CALIBRATION_SAMPLES]

    def _sensitivity(self, group: str) -> list[float]:
        part = self.train_data.samples[:_SENSITIVITY_SAMPLES]
        labels = self.train_data.labels
        assert labels is not None  # noqa: S101 - a search begins with labelled data

        def accuracy(graph: Graph) -> float:
            return accuracy_percent(run(graph, {graph.inputs[0]: part})[graph.outputs[0]], labels[: len(part)])

        found = measure_sensitivity(self._graph, self._channels, self._channels.groups[group], accuracy)
        return [accuracy(self._graph), *found.accuracies]

    def _masks(self, width: Width) -> Mapping[str, Mask]:
        share = width.percent / 100
        if width.strategy is Strategy.UNIFORM:
            return uniform(self._graph, self._channels, share)
        rows = {name: self._journal.results[Step("sensitivity", name).key] for name in self._channels.groups}
        found = [Sensitivity(name, tuple(row[1:])) for name, row in rows.items()]
        return by_sensitivity(self._graph, self._channels, share, found, next(iter(rows.values()))[0])

    def _make(self, width: Width) -> list[str]:
        """Prune, train for every precision, and write the files."""
        pruned = self._graph
        if width.strategy is not Strategy.WHOLE:
            pruned = without_channels(self._graph, self._channels, self._masks(width))
        graphs = self._trained(pruned, width) if self.plan.trains else dict.fromkeys(self.plan.precisions, pruned)
        names = []
        for precision, graph in graphs.items():
            made = self._clustered(graph)
            name = self._variant_name(width, precision)
            self._path(name).write_bytes(write_onnx(made, metadata={PRECISION_KEY: precision.value}))
            names.append(name)
        return names

    def _clustered(self, graph: Graph) -> Graph:
        if not self.plan.clusters:
            return graph
        return cluster_weights(graph, self.plan.clusters, float_graph(self.like) if self.like else None)

    def _trained(self, pruned: Graph, width: Width) -> dict[Precision, Graph]:
        """The graph for each precision; the whole model needs no training in float, nor for int8."""
        whole = width.strategy is Strategy.WHOLE
        epochs = 0 if whole else self.plan.epochs
        first = Recipe(epochs=epochs, shift=self.plan.shift, noise=self.plan.noise)
        rounded = [
            replace(
                first,
                epochs=max(1, self.plan.epochs // _ROUNDED_SHARE) if largest and not (whole and largest > 7) else 0,
                learning_rate=first.learning_rate / _ROUNDED_SHARE,
                largest_code=largest,
            )
            for largest in (_LARGEST_CODES[precision] for precision in self.plan.precisions)
        ]
        if not any(recipe.epochs for recipe in (first, *rounded)):
            return dict.fromkeys(self.plan.precisions, pruned)
        _, *graphs = train(pruned, self._graph, self.train_data, (first, *rounded))
        return dict(zip(self.plan.precisions, graphs, strict=True))

    def _accuracy(self, name: str, precision: Precision) -> dict[str, object]:
        content = self._path(name).read_bytes()
        graph = float_graph(content)
        integer = quantize(graph, self._calibration, QuantizationSettings(precision))
        quality = measure_quality(graph, integer, self.test_data.samples, self.test_data.labels)
        target = load_target("host")
        return {
            "float_accuracy": quality.float_accuracy,
            "accuracy": quality.accuracy,
            "weights": weight_count(graph),
            "macs": sum(Layer(graph, operation, target).macs for operation in graph.operations),
            "sha256": hashlib.sha256(content).hexdigest(),
        }

    def _facts(self, name: str, target: str, precision: Precision) -> dict[str, int]:
        module = compile_model(
            self._path(name),
            self.find_target(target),
            calibration=self._calibration,
            optimize=self.plan.optimize,
            precision=precision.value,
        )
        return asdict(
            TargetFacts(
                flash_bytes=module.flash_bytes,
                ram_bytes=module.ram_bytes,
                instructions=module.instructions,
                packed_bytes=len(zstandard.ZstdCompressor(level=_PACKING_LEVEL).compress(module.payload)),
            )
        )

    def _variant(self, width: Width, precision: Precision) -> Variant:
        name = self._variant_name(width, precision)
        results = self._journal.results
        facts = {target: results[Step("compile", f"{name} {target}").key] for target in self.plan.targets}
        return Variant(
            name=name,
            width=width.name,
            precision=precision.value,
            targets={target: TargetFacts(**each) for target, each in facts.items()},
            **results[Step("accuracy", name).key],
        )


def write_results(variants: list[Variant], folder: Path) -> Path:
    """results.json: everything that was measured."""
    path = folder / "results.json"
    path.write_text(json.dumps([asdict(variant) for variant in variants], indent=2), encoding="utf-8")
    return path
