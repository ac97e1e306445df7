"""What templates of convolutions in plain C are filled with."""

from lwm2m_ml.compiler.backends.native.layer import Layer
from lwm2m_ml.compiler.ir.kinds import Convolution, DepthwiseConvolution


def window_geometry(layer: Layer, window: tuple[int, ...]) -> dict[str, object]:
    """Lengths, strides and paddings of a layer whose window has so many rows and columns, for a template."""
    kind = layer.kind
    assert isinstance(kind, Convolution | DepthwiseConvolution)  # noqa: S101 - callers dispatch on the kind
    image = layer.operands[0]
    return {
        "IMAGES": image.shape[0],
        "IMAGE_ELEMENTS": image.elements // image.shape[0],
        "OUT_HEIGHT": layer.result.shape[1],
        "OUT_WIDTH": layer.result.shape[2],
        "OUT_CHANNELS": layer.result.shape[3],
        "IN_HEIGHT": image.shape[1],
        "IN_WIDTH": image.shape[2],
        "IN_CHANNELS": image.shape[3],
        "WINDOW_HEIGHT": window[0],
        "WINDOW_WIDTH": window[1],
        "STRIDE_Y": kind.stride[0],
        "STRIDE_X": kind.stride[1],
        "TOP": kind.padding.top,
        "LEFT": kind.padding.left,
        "DILATION_Y": kind.dilation[0],
        "DILATION_X": kind.dilation[1],
    }
