"""The shipped digit classifiers: what int8 costs them, and what can be shaved off, on digits they never saw."""

from dataclasses import replace
from importlib import resources
from pathlib import Path

import pytest

from lwm2m_ml.compiler.compilation import float_graph
from lwm2m_ml.compiler.datasets import Dataset
from lwm2m_ml.compiler.quantize.fallback import quantize_for
from lwm2m_ml.compiler.quantize.settings import Precision, QuantizationSettings
from lwm2m_ml.compiler.shrink.plan import ShrinkPlan, Strategy
from lwm2m_ml.compiler.shrink.search import Search
from lwm2m_ml_simulator.inputs.digits import DigitsPart, load_digits_split

_MOST_LOSS = 0.3
_SHIPPED = resources.files("lwm2m_ml.service.zoo") / "shipped" / "digits"


def _labelled(part: DigitsPart) -> Dataset:
    return Dataset(part.images[:, None], part.labels)


@pytest.mark.parametrize("name", ["digits-small", "digits-medium", "digits-large"])
def test_int8_loses_at_most_three_tenths_of_a_point(name: str) -> None:
    split = load_digits_split()
    real = float_graph((_SHIPPED / f"{name}.onnx").read_bytes())
    found = quantize_for(real, _labelled(split.calibration), QuantizationSettings(), test=_labelled(split.test))
    assert found.quality.float_accuracy is not None
    assert found.quality.float_accuracy > 97
    assert found.quality.loss_points is not None
    assert found.quality.loss_points <= _MOST_LOSS


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_training_wins_back_what_pruning_lost_at_less_than_half_the_flash(tmp_path: Path) -> None:
    split = load_digits_split()
    plan = ShrinkPlan(
        targets=("cortex-m4f",),
        levels=(30,),
        strategies=(Strategy.SENSITIVE,),
        precisions=(Precision.INT8,),
        optimize="balanced",
        shift=1,
        noise=0.1,
    )
    content = (_SHIPPED / "digits-large.onnx").read_bytes()
    search = Search(
        "digits", content, _labelled(split.train), _labelled(split.test), replace(plan, epochs=30), tmp_path
    )
    whole, half = search.run()
    _, pruned = replace(search, plan=replace(search.plan, trains=False), folder=tmp_path / "pruned").run()
    assert half.accuracy > pruned.accuracy + 5
    assert half.targets["cortex-m4f"].flash_bytes <= whole.targets["cortex-m4f"].flash_bytes / 2
    assert half.accuracy >= whole.accuracy - 0.5
