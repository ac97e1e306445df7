"""The shipped models of synthetic data: their integer versions do what their cards say, on windows drawn anew."""

import io
from typing import Any

import numpy
import pytest

from lwm2m_ml.compiler import evaluate
from lwm2m_ml.service.zoo.zoo import shipped_models
from lwm2m_ml_simulator.inputs.gestures import Gestures
from lwm2m_ml_simulator.inputs.vibration import Vibration

DRAWN = 600
LARGEST_LOSS = 2.0
"""Points that quantisation and chance may take from the accuracy on the card."""


@pytest.mark.parametrize(("model", "source"), [("vibration", Vibration(0.5)), ("gestures", Gestures())])
def test_the_integer_version_is_as_accurate_as_the_card_says(model: str, source: Any) -> None:
    found = next(one for one in shipped_models() if one.model.name == model)
    assert found.model.calibration is not None
    generator = numpy.random.default_rng(2026)
    samples = [source.sample(generator, 0.0) for _ in range(DRAWN)]
    windows = numpy.stack([sample.values for sample in samples])
    with numpy.load(io.BytesIO(found.files[found.model.calibration.digest])) as archive:
        calibration = archive[found.model.calibration.array]
    windows = windows.reshape(DRAWN, *calibration.shape[1:])
    truth = numpy.array([sample.label for sample in samples])
    for variant in found.model.variants:
        outputs = evaluate(found.files[variant.digest], calibration, windows)
        right = 100.0 * float((outputs.reshape(DRAWN, -1).argmax(axis=1) == truth).mean())
        assert variant.accuracy is not None
        assert right >= variant.accuracy - LARGEST_LOSS, (variant.name, right)
        assert variant.weights < 20_000
