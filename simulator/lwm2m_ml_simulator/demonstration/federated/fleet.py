"""The devices of this story: two kinds of core, and examples of few digits each."""

from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager

import numpy
from numpy.typing import NDArray

from lwm2m_ml.compiler.targets import load_target
from lwm2m_ml.module.signing import VerificationKey
from lwm2m_ml_simulator.device.device import SimulatedDevice
from lwm2m_ml_simulator.device.profile import DeviceProfile
from lwm2m_ml_simulator.inputs.digits import DigitsPart, load_digits_split
from lwm2m_ml_simulator.learning.examples import Example
from lwm2m_ml_simulator.processor.emulation import EmulationPool
from lwm2m_ml_simulator.processor.machine import FloatArray

TARGETS = ("cortex-m4f", "rv32imc")
CLOCKS = {"cortex-m4f": 64e6, "rv32imc": 160e6}
RAM, WORKING_MEMORY, SLOT = 65_536, 32_768, 32_768
"""64 KiB of RAM; journal and two slots take 88 KiB of flash."""
SHARDS_OF_A_DEVICE = 2
SEED = 20_261_130
QUIET_AFTER = 40
"""Images that a sensor shows: enough for a trial. Then it has nothing more to show."""


def shards(part: DigitsPart, devices: int, *, seed: int = SEED) -> list[NDArray[numpy.int64]]:
    """Deal out images so that each device has few classes: sorted by class, cut up, two pieces for each device.

    That is how B. McMahan et al. (AISTATS 2017) made MNIST "non-IID".
    """
    order = numpy.argsort(part.labels, kind="stable")
    pieces = numpy.array_split(order, SHARDS_OF_A_DEVICE * devices)
    dealt = numpy.random.Generator(numpy.random.PCG64(seed)).permutation(len(pieces))
    return [
        numpy.concatenate([pieces[one] for one in dealt[place : place + SHARDS_OF_A_DEVICE]])
        for place in range(0, len(dealt), SHARDS_OF_A_DEVICE)
    ]


def profile_of(number: int) -> DeviceProfile:
    """What a device is; every second one has the other core."""
    target = TARGETS[number % len(TARGETS)]
    return DeviceProfile(
        endpoint=f"reader-{number + 1:03}",
        target=load_target(target),
        ram_bytes=RAM,
        working_memory_bytes=WORKING_MEMORY,
        slot_bytes=SLOT,
        clock_hz=CLOCKS[target],
        inference_period_ms=100,
        executed_share=0.0,
        seed=number,
        learns=True,
    )


def _images(part: DigitsPart, indices: NDArray[numpy.int64], seed: int) -> Iterator[FloatArray]:
    generator = numpy.random.Generator(numpy.random.PCG64(seed))
    for index in generator.choice(indices, QUIET_AFTER):
        yield part.images[index : index + 1]


@asynccontextmanager
async def readers(count: int, coap: str, trust_anchor: bytes) -> AsyncIterator[list[SimulatedDevice]]:
    """Switch on so many devices while the block runs."""
    anchor, part = VerificationKey.from_pem(trust_anchor), load_digits_split().train
    pool = EmulationPool()
    try:
        async with AsyncExitStack() as stack:
            fleet = []
            for number, indices in enumerate(shards(part, count)):
                examples = [Example(part.images[index][None], int(part.labels[index])) for index in indices]
                stream = _images(part, indices, SEED + number)
                device = SimulatedDevice(
                    profile_of(number), coap, stream, [anchor], pool=pool, kept_inferences=1, examples=examples
                )
                fleet.append(await stack.enter_async_context(device))
            yield fleet
    finally:
        pool.close()
