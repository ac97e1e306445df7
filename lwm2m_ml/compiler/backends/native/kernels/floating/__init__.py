"""Kernels on float32 in plain C, for models that are not quantised, and the ways between float32 and int8."""

from collections.abc import Sequence

from lwm2m_ml.compiler.backends.native.kernel import Kernel
from lwm2m_ml.compiler.backends.native.kernels import movement, resizing, svdf
from lwm2m_ml.compiler.backends.native.kernels.floating import (
    conversion,
    elementwise,
    layers,
    pooling,
    recurrent,
    softmax,
    spectrogram,
    training,
    trees,
)

KERNELS: Sequence[Kernel] = (
    *layers.KERNELS,
    *pooling.KERNELS,
    *elementwise.KERNELS,
    *softmax.KERNELS,
    *conversion.KERNELS,
    *recurrent.KERNELS,
    *spectrogram.KERNELS,
    *trees.KERNELS,
    *training.KERNELS,
    # These move elements or look at the element type themselves.
    *svdf.KERNELS,
    *resizing.KERNELS,
    *movement.KERNELS,
)
