"""Makes an integer graph of a float graph."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from lwm2m_ml.compiler.errors import UnsupportedOperator
from lwm2m_ml.compiler.ir import Array, Graph, verify
from lwm2m_ml.compiler.ir.recurrent import SvdfResult, SvdfState
from lwm2m_ml.compiler.passes.manager import run_passes
from lwm2m_ml.compiler.quantize.calibration import Range, check_samples, observe, random_samples
from lwm2m_ml.compiler.quantize.equalization import EqualizeLayers
from lwm2m_ml.compiler.quantize.given import separated
from lwm2m_ml.compiler.quantize.quantizer import Quantizer
from lwm2m_ml.compiler.quantize.recurrent import with_cell_scales
from lwm2m_ml.compiler.quantize.settings import OBSERVERS, Precision, QuantizationSettings
from lwm2m_ml.compiler.quantize.sharing import SharedRanges
from lwm2m_ml.compiler.reference.integer_kernels import KERNELS

PLAIN = QuantizationSettings()


@dataclass(frozen=True, slots=True)
class Calibrated:
    """A float graph and what its tensors took on calibration data: the same for every choice of precisions."""

    graph: Graph
    shared: SharedRanges
    means: Mapping[str, Array]

    def quantized(self, settings: QuantizationSettings) -> Graph:
        """The integer graph; of the settings only precisions and bias correction count here."""
        settings = _with_signals_in_float(self.graph, settings)
        _check_operators(self.graph, settings)
        graph = Quantizer(self.graph, self.shared, settings, self.means).run()
        verify(graph, after="quantisation")
        return graph


def quantize(graph: Graph, calibration: Array | None, settings: QuantizationSettings = PLAIN) -> Graph:
    """The integer graph; `calibration` are samples of the only input, seeded random ones when there are none."""
    _check_operators(graph, _with_signals_in_float(graph, settings))
    return calibrate(graph, calibration, settings).quantized(settings)


def calibrate(graph: Graph, calibration: Array | None, settings: QuantizationSettings) -> Calibrated:
    """Run a float graph on samples and observe its tensors."""
    samples = random_samples(graph) if calibration is None else check_samples(graph, calibration, "calibration data")
    inputs = {graph.inputs[0]: samples}
    inputs |= {name: random_samples(replace(graph, inputs=(name,)), len(samples)) for name in graph.inputs[1:]}
    graph = with_cell_scales(separated(prepared(graph, settings)), inputs)
    observed = observe(graph, inputs, OBSERVERS[settings.observer])
    constants = {
        name: Range(min(0.0, float(tensor.values.min())), max(0.0, float(tensor.values.max())))
        for name, tensor in graph.tensors.items()
        if tensor.is_constant
    }
    return Calibrated(graph, SharedRanges(graph, {**observed.ranges, **constants}), observed.means)


def _with_signals_in_float(graph: Graph, settings: QuantizationSettings) -> QuantizationSettings:
    """Spectra span more orders of magnitude than integers of 8 bits hold."""
    names = [operation.output for operation in graph.operations if operation.is_signal]
    return replace(settings, precisions={**settings.precisions, **dict.fromkeys(names, Precision.FLOAT32)})


def prepared(graph: Graph, settings: QuantizationSettings) -> Graph:
    """The float graph as it is quantised: it computes the same, its channels scaled where that was chosen."""
    return run_passes(graph, (EqualizeLayers(),)) if settings.equalization else graph


def _check_operators(graph: Graph, settings: QuantizationSettings) -> None:
    for operation in graph.operations:
        if settings.of(operation.output) is Precision.FLOAT32:
            continue
        if isinstance(operation.kind, SvdfState | SvdfResult):
            raise UnsupportedOperator(
                "SVDF",
                operation.name,
                why="a float one cannot be quantised here",
                hint="Convert the model to int8 with TFLite, or compile it in float32",
            )
        if type(operation.kind) not in KERNELS:
            raise UnsupportedOperator(operation.kind_name, operation.name, why="it cannot be computed in int8")
