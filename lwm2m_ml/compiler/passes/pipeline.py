"""The order of the passes."""

from lwm2m_ml.compiler.ir import Graph
from lwm2m_ml.compiler.passes.activation_fusion import FuseActivation
from lwm2m_ml.compiler.passes.batch_normalization import FoldBatchNormalization
from lwm2m_ml.compiler.passes.bias_fusion import FuseBias
from lwm2m_ml.compiler.passes.constant_folding import ConstantFolding
from lwm2m_ml.compiler.passes.dead_channels import EliminateDeadChannels
from lwm2m_ml.compiler.passes.dead_code import DeadCode
from lwm2m_ml.compiler.passes.manager import run_passes, run_until_stable
from lwm2m_ml.compiler.passes.pad_elimination import EliminatePad
from lwm2m_ml.compiler.passes.reshape_elimination import EliminateReshape
from lwm2m_ml.compiler.passes.transpose_elimination import EliminateTranspose
from lwm2m_ml.compiler.passes.transpose_sinking import SinkTranspose

SIMPLIFY = (
    ConstantFolding(),
    EliminatePad(),
    SinkTranspose(),
    EliminateTranspose(),
    EliminateReshape(),
    FoldBatchNormalization(),
    FuseBias(),
    FuseActivation(),
    DeadCode(),
)


def simplify(graph: Graph) -> Graph:
    """The graph with everything removed or merged that needs no arithmetic on a device."""
    return run_until_stable(graph, SIMPLIFY)


PRUNE = (EliminateDeadChannels(), EliminateTranspose(), EliminateReshape(), DeadCode())


def prune(graph: Graph) -> Graph:
    """The int8 graph without what cannot change an answer."""
    return run_passes(graph, PRUNE)
