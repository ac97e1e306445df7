"""How much an operation computes."""

import math
from collections.abc import Sequence

from lwm2m_ml.compiler.ir import kinds
from lwm2m_ml.compiler.ir.kinds import Kind

Shape = tuple[int, ...]


def multiplications(kind: Kind, operands: Sequence[Shape], result: Shape) -> int:
    """Multiplications of a weight with an operand (MACs); padding counts as if it were there."""
    if isinstance(kind, kinds.Convolution | kinds.FullyConnected):
        return math.prod(result) * math.prod(operands[1][1:])
    if isinstance(kind, kinds.DepthwiseConvolution):
        return math.prod(result) * math.prod(operands[1][:2])
    return 0
