"""What modules may cost at most: counts are exact and the same everywhere, so a worse one is a change of the compiler.

A ceiling leaves about three per cent above what was measured when it was written.
"""

import functools
from pathlib import Path

import numpy
import pytest
from numpy.typing import NDArray

from lwm2m_ml.compiler import CompiledModule
from lwm2m_ml.compiler import compile as compile_model
from lwm2m_ml.compiler.targets import load_target

DIGITS = Path(__file__).parents[4] / "lwm2m_ml" / "service" / "zoo" / "shipped" / "digits"

# Flash bytes, RAM bytes, instructions of one inference.
DIGITS_CEILINGS: dict[tuple[str, str], tuple[int, int, int]] = {
    ("digits-small", "cortex-m0plus"): (4_830, 860, 234_000),
    ("digits-small", "rv32imc"): (5_470, 880, 176_000),
    ("digits-small", "cortex-m4f"): (5_170, 1_140, 79_500),
    ("digits-medium", "cortex-m0plus"): (13_870, 1_510, 873_000),
    ("digits-medium", "rv32imc"): (14_500, 1_520, 683_000),
    ("digits-medium", "cortex-m4f"): (14_350, 2_650, 239_500),
    ("digits-large", "cortex-m0plus"): (44_700, 2_830, 2_725_000),
    ("digits-large", "rv32imc"): (45_600, 2_860, 2_190_000),
    ("digits-large", "cortex-m4f"): (45_500, 3_440, 679_000),
}
KWS_CEILINGS: dict[str, tuple[int, int, int]] = {
    "cortex-m0plus": (29_900, 8_800, 14_280_000),
    "rv32imc": (30_300, 9_050, 10_770_000),
    "cortex-m4f": (29_700, 9_080, 3_581_000),
}
# For size: flash bytes alone.
SMALLEST_CEILINGS: dict[str, int] = {"cortex-m0plus": 4_690, "rv32imc": 4_880, "cortex-m4f": 4_640}


@functools.cache
def calibration() -> NDArray[numpy.float32]:
    with numpy.load(DIGITS / "calibration.npz") as archive:
        values: NDArray[numpy.float32] = archive[archive.files[0]]
    return values


@pytest.mark.parametrize(("model", "target"), DIGITS_CEILINGS)
def test_digits_models_stay_below_their_ceilings(model: str, target: str) -> None:
    module = compile_model(DIGITS / f"{model}.onnx", load_target(target), calibration=calibration())
    assert_below(module, DIGITS_CEILINGS[model, target])


@pytest.mark.parametrize("target", KWS_CEILINGS)
def test_keyword_spotting_stays_below_its_ceilings(target: str, tiny_models: Path) -> None:
    module = compile_model(tiny_models / "kws_int8.tflite", load_target(target))
    assert_below(module, KWS_CEILINGS[target])


@pytest.mark.parametrize("target", SMALLEST_CEILINGS)
def test_small_model_for_size_stays_below_its_ceiling(target: str) -> None:
    model = DIGITS / "digits-small.onnx"
    module = compile_model(model, load_target(target), calibration=calibration(), optimize="size")
    assert module.flash_bytes <= SMALLEST_CEILINGS[target]


def assert_below(module: CompiledModule, ceilings: tuple[int, int, int]) -> None:
    """Compare all three, so that none is bought with another."""
    assert module.exact
    costs = (module.flash_bytes, module.ram_bytes, module.instructions or 1 << 60)
    assert all(cost <= ceiling for cost, ceiling in zip(costs, ceilings, strict=True)), f"{costs} beyond {ceilings}"
