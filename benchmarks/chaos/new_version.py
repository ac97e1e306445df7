"""Adds a second version of a shipped model to a stopped service's data: what the campaign brings to the devices."""

import asyncio
from importlib import resources
from pathlib import Path

from lwm2m_ml.config import Settings
from lwm2m_ml.service.workers.executor import WorkerPool
from lwm2m_ml.service.zoo.zoo import Zoo
from lwm2m_ml.store import Store

MODEL, OLD, NEW = "digits", "1.0.0", "2.0.0"
_VARIANT = "digits-medium"


async def add_new_version(data: Path) -> None:
    """Add `digits` 2.0.0: the shipped medium variant alone, so that every device gets another module than before."""
    folder = resources.files("lwm2m_ml.service.zoo") / "shipped" / MODEL
    store, workers = await Store.open(Settings(data_directory=data).database_url), WorkerPool(1)
    try:
        zoo = Zoo(store, workers)
        await zoo.start()
        await zoo.add(
            MODEL,
            NEW,
            (folder / f"{_VARIANT}.onnx").read_bytes(),
            variant=_VARIANT,
            labels=[str(digit) for digit in range(10)],
            calibration=(folder / "calibration.npz").read_bytes(),
        )
    finally:
        await workers.stop()
        await store.close()


if __name__ == "__main__":
    import sys

    asyncio.run(add_new_version(Path(sys.argv[1])))
