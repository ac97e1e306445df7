"""Finds a bit of a module whose change is seen in its answers; most bits of a network change nothing one notices."""

import random
from collections.abc import Sequence

from lwm2m_ml.module.descriptor import Descriptor
from lwm2m_ml_simulator.errors import MachineFailure
from lwm2m_ml_simulator.processor.machine import ModuleMachine

_ATTEMPTS = 64


async def influential_offset(
    machine: ModuleMachine, payload: bytes, descriptor: Descriptor, inputs: Sequence[bytes], bit: int
) -> int:
    """Return where in the payload flipping `bit` changes what the module answers to these inputs, without a crash.

    The places tried depend on nothing but the payload's size, so the same module rots in the same place again.
    """
    healthy = (await machine.infer(payload, descriptor, inputs)).outputs
    places = random.Random(len(payload)).sample(range(len(payload)), min(_ATTEMPTS, len(payload)))
    for offset in places:
        rotten = bytearray(payload)
        rotten[offset] ^= 1 << bit
        try:
            answer = await machine.infer(bytes(rotten), descriptor, inputs)
        except MachineFailure:
            continue
        if answer.outputs != healthy:
            return offset
    return places[0]
