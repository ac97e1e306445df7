"""Object 19, BinaryAppDataContainer: an input that was captured for whoever wants to look at it."""

import time
from typing import Self

from lwm2m_ml_simulator.objects.stored import StoredInstance


class BinaryAppData(StoredInstance):
    """One captured input: the integers of the tensor as the module got them."""

    object_id = 19

    @classmethod
    def of(cls, instance_id: int, data: bytes, description: str, data_format: str) -> Self:
        """Return an instance with data of this moment."""
        return cls(instance_id, {0: {0: data}, 2: int(time.time()), 3: description, 4: data_format})
