"""Federated learning through the API, with microcontrollers that execute their modules, and a device that lies."""

import asyncio
import base64
import io
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import numpy
import pytest
from onnx import TensorProto, helper, numpy_helper

from lwm2m_ml.app import Running
from lwm2m_ml.client.client import AsyncClient
from lwm2m_ml.client.errors import ApiError
from lwm2m_ml.client.schemas.federated import FederatedCommand, FederatedRequest, FederatedRun
from lwm2m_ml.client.schemas.zoo import ModelToAdd
from lwm2m_ml.compiler.targets import load_target
from lwm2m_ml.compiler.training.marking import marked_trainable
from lwm2m_ml.learning.terms import VectorEncoding
from lwm2m_ml.learning.update import Update
from lwm2m_ml.lwm2m.path import ObjectPath
from lwm2m_ml.lwm2m.record import Record
from lwm2m_ml.module.signing import VerificationKey
from lwm2m_ml_simulator.device.device import SimulatedDevice
from lwm2m_ml_simulator.device.profile import DeviceProfile
from lwm2m_ml_simulator.learning.examples import Example

CLASSES, INPUTS = 3, 6
TARGETS = ("cortex-m4f", "rv32imc", "cortex-m4f")
CENTRES = numpy.random.default_rng(8).normal(0, 1, (CLASSES, INPUTS)).astype(numpy.float32)


def _sample(true_class: int, seed: int) -> Example:
    values = CENTRES[true_class] + numpy.random.default_rng(seed).normal(0, 0.2, INPUTS)
    return Example(values.astype(numpy.float32)[None], true_class)


def _model() -> tuple[bytes, bytes]:
    """A hidden layer of random weights, and a head that knows nothing; inputs to quantise it with."""
    generator = numpy.random.default_rng(3)
    constants = {
        "a": generator.normal(0, 0.5, (16, INPUTS)),
        "b": generator.normal(0, 0.1, 16),
        "c": generator.normal(0, 0.3, (CLASSES, 16)),
        "d": numpy.zeros(CLASSES),
    }
    node = helper.make_node
    graph = helper.make_graph(
        [
            node("Gemm", ["x", "a", "b"], ["h"], transB=1),
            node("Relu", ["h"], ["r"]),
            node("Gemm", ["r", "c", "d"], ["g"], transB=1),
            node("Softmax", ["g"], ["y"]),
        ],
        "blobs",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, INPUTS])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, CLASSES])],
        [numpy_helper.from_array(values.astype(numpy.float32), name) for name, values in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    inputs = numpy.concatenate([_sample(number % CLASSES, number).values for number in range(60)])
    file = io.BytesIO()
    numpy.savez(file, x=inputs)
    return marked_trainable(model.SerializeToString(), 1, inputs)[0], file.getvalue()


@pytest.fixture
async def blobs(client: AsyncClient) -> str:
    """A model whose head is to be trained."""
    model, inputs = _model()
    file, calibration = await client.store_file(model), await client.store_file(inputs)
    card = {
        "name": "blobs",
        "version": "1.0",
        "labels": ["a", "b", "c"],
        "variants": [{"name": "blobs", "digest": file.digest}],
        "calibration": {"digest": calibration.digest, "array": "x"},
    }
    await client.add_model(ModelToAdd.model_validate(card))
    return "blobs"


def _profile(number: int) -> DeviceProfile:
    return DeviceProfile(
        endpoint=f"blob-{number}",
        target=load_target(TARGETS[number]),
        ram_bytes=65_536,
        working_memory_bytes=32_768,
        slot_bytes=32_768,
        clock_hz=64e6,
        inference_period_ms=20,
        seed=number,
        learns=True,
    )


@pytest.fixture
async def fleet(where: Running, client: AsyncClient, blobs: str) -> AsyncIterator[list[SimulatedDevice]]:
    """Three devices that run the model; each has seen two of the three classes."""
    anchor = VerificationKey.from_pem((await client.trust_anchor()).pem.encode())
    async with AsyncExitStack() as stack:
        devices = []
        for number in range(len(TARGETS)):
            seen = [_sample((number + place % 2) % CLASSES, 100 * number + place) for place in range(12)]
            stream = [example.values for example in seen] * 10
            device = SimulatedDevice(_profile(number), where.uris["coap"], stream, [anchor], examples=seen)
            devices.append(await stack.enter_async_context(device))
        async with asyncio.timeout(60):
            while sum(one.profile is not None for one in await client.devices()) < len(devices):  # noqa: ASYNC110
                await asyncio.sleep(0.05)
            made = await client.deploy(blobs)
            while not all(row.state == "active" for row in (await client.deployment(made.id)).devices):  # noqa: ASYNC110
                await asyncio.sleep(0.1)
        yield devices


async def _until(client: AsyncClient, run: FederatedRun, *states: str) -> FederatedRun:
    async with asyncio.timeout(60):
        while (found := await client.federated_run(run.id)).state not in states:  # noqa: ASYNC110 - as clients do
            await asyncio.sleep(0.05)
    return found


async def test_devices_learn_together_and_a_liar_is_named(client: AsyncClient, fleet: list[SimulatedDevice]) -> None:
    plan = {
        "rounds": 4,
        "start": "zeros",
        "local": {"epochs": 4, "batch": 4, "rate": 0.2},
        "sampling": {"share": 1.0, "seconds": 60.0},
    }
    request = FederatedRequest(model="blobs", plan=plan, name="spring")
    run = await client.start_federated(request)
    assert (run.state, run.round, run.rounds, run.parameters, run.devices) == ("running", 0, 4, CLASSES * 17, 3)
    liar = fleet[0].client
    assert liar is not None
    lie = Update(bytes(16), bytes(32), 5, 0.1, numpy.zeros(CLASSES * 17, numpy.float32)).encode(VectorEncoding.INT8)
    assert await liar.send([Record(ObjectPath.parse("/42772/0/18"), lie)])
    done = await _until(client, run, "finished", "paused")
    assert (done.state, done.round, done.finished, done.epsilon) == ("finished", 4, True, None)

    rounds = await client.federated_rounds(run.id)
    assert [(one.number, one.counted, one.asked, one.accepted) for one in rounds] == [
        (number, True, 3, 3) for number in (1, 2, 3, 4)
    ]
    losses = [one.loss for one in rounds]
    assert all(loss is not None for loss in losses)
    assert (losses[-1] or 9) < (losses[0] or 0) / 2
    assert all(one.bytes_down > 0 and one.bytes_up > 0 and one.instructions > 0 for one in rounds)
    named = [
        answer
        for number in (1, 2, 3, 4, 5)
        for answer in await client.federated_answers(run.id, number)
        if answer.outcome == "rejected"
    ]
    assert [answer.endpoint for answer in named] == ["blob-0"]

    weights = await client.federated_weights(run.id)
    content = base64.b64decode(weights.content)
    assert len(content) == 4 * weights.parameters == 4 * CLASSES * 17
    right = 0
    for device in fleet:
        firmware = device.firmware
        assert firmware is not None
        learner = firmware.learners[firmware.modules.in_use.slot if firmware.modules.in_use else 0]
        assert learner.terms.weights == content
        module = learner.module
        assert module is not None
        machine, payload = firmware.modules.machine, firmware.modules.payload(module)
        for true_class in range(CLASSES):
            for seed in range(1000, 1005):
                values = _sample(true_class, seed).values
                tensor = module.descriptor.inputs[0]
                codes = numpy.clip(numpy.rint(values / tensor.scale) + tensor.zero_point, -128, 127).astype(numpy.int8)
                answer = await machine.infer(payload, module.descriptor, [codes.tobytes()])
                right += int(numpy.frombuffer(answer.outputs[0], numpy.int8).argmax()) == true_class
    assert right >= 40  # of 45, though no device has seen more than two of three classes

    story = await client.federated_story(run.id)
    assert story[-1].text.startswith("devices were told")
    assert [one.id for one in await client.federated_runs()] == [run.id]
    with pytest.raises(ApiError) as over:
        await client.command_federated(run.id, FederatedCommand(command="pause"))
    assert over.value.status == 409


async def test_what_cannot_be_trained_and_what_is_no_plan_is_refused(client: AsyncClient, blobs: str) -> None:
    for request, status, words in (
        (FederatedRequest(model="digits", endpoints=["nobody"]), 404, "nobody"),
        (FederatedRequest(model="blobs"), 409, "No device is registered"),
        (FederatedRequest(model="ghost"), 404, "ghost"),
    ):
        with pytest.raises(ApiError) as refused:
            await client.start_federated(request)
        assert (refused.value.status, words in refused.value.message) == (status, True), refused.value.message
    with pytest.raises(ApiError) as unknown:
        await client.federated_run("no-such-run")
    assert unknown.value.status == 404
    assert await client.federated_runs() == []
