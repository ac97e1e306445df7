"""Figures of other projects, recorded once: same models, Cortex-M4F, exact instruction counts, 2026-11-20.

Flash is text, constants, data and weights; RAM is arena, bss, data and peak stack. gcc 12.2; TFLM core -Os, its kernels
-O2, only the needed operators registered; the others -O2 unless told.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Peer:
    name: str
    flash: int
    ram: int
    instructions: float
    output: str


RECORDED: dict[str, tuple[Peer, ...]] = {
    "kws": (
        Peer("TFLM reference kernels", 95_064, 24_108, 43.09e6, "exact"),
        Peer("TFLM + CMSIS-NN", 137_888, 24_728, 7.70e6, "exact"),
        Peer("emx-onnx-cgen (Os)", 33_700, 106_396, 61.6e6, "≤ 1 LSB"),
        Peer("onnx2c, float", 94_376, 66_216, 24.1e6, "2e-7"),
    ),
    "ic": (
        Peer("TFLM reference kernels", 144_036, 55_716, 107.4e6, "exact"),
        Peer("TFLM + CMSIS-NN", 177_340, 56_904, 29.86e6, "exact"),
        Peer("emx-onnx-cgen", 90_596, 482_604, 326e6, "≤ 20 LSB"),
    ),
    "vww": (
        Peer("TFLM reference kernels", 374_416, 101_996, 100.5e6, "exact"),
        Peer("TFLM + CMSIS-NN", 417_240, 102_616, 24.10e6, "exact"),
        Peer("TinyEngine", 245_056, 61_068, 19.73e6, "wrong"),
        Peer("emx-onnx-cgen", 246_948, 298_516, 159.7e6, "exact"),
    ),
    "ad": (
        Peer("TFLM reference kernels", 296_904, 3_260, 1.95e6, "≤ 2 LSB"),
        Peer("TFLM + CMSIS-NN", 308_424, 3_888, 0.583e6, "≤ 2 LSB"),
        Peer("emx-onnx-cgen", 283_792, 5_764, 2.49e6, "exact"),
    ),
}
