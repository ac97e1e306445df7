"""Quantisation keeps the digits models' accuracy, on the whole test split, against ONNX Runtime's float answers."""

from importlib.resources import files

import numpy
import onnxruntime
import pytest

from lwm2m_ml.compiler import evaluate
from lwm2m_ml_simulator.inputs.digits import load_digits_split

SHIPPED = files("lwm2m_ml.service.zoo") / "shipped" / "digits"


@pytest.mark.parametrize("variant", ["digits-small", "digits-medium", "digits-large"])
def test_integer_accuracy_is_within_one_point_of_float(variant: str) -> None:
    split = load_digits_split()
    model = (SHIPPED / f"{variant}.onnx").read_bytes()
    with (SHIPPED / "calibration.npz").open("rb") as file, numpy.load(file) as calibration:
        answers = evaluate(model, calibration["images"], split.test.images)
    integer = answers.reshape(len(split.test), -1).argmax(axis=1)
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    floating = [session.run(None, {name: image[numpy.newaxis]})[0].argmax() for image in split.test.images]
    labels = split.test.labels
    assert abs((integer == labels).mean() - (numpy.array(floating) == labels).mean()) <= 0.01
