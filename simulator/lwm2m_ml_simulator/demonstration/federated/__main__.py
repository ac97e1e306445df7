"""`python -m lwm2m_ml_simulator.demonstration.federated`: devices that know two digits each learn all ten."""

import argparse
import asyncio
import json
import sys
import tempfile
from importlib import resources
from pathlib import Path
from typing import Any

from lwm2m_ml.client.client import AsyncClient
from lwm2m_ml.errors import Lwm2mMlError
from lwm2m_ml.learning.accountant import epsilon
from lwm2m_ml.logs import configure_logging
from lwm2m_ml_simulator.demonstration.federated.costs import command, compiled
from lwm2m_ml_simulator.demonstration.federated.fleet import readers
from lwm2m_ml_simulator.demonstration.federated.report import accuracy_table, memory_table, round_table
from lwm2m_ml_simulator.demonstration.federated.story import AVERAGING, PARAMETER_SERVER, Learnt, Story
from lwm2m_ml_simulator.demonstration.server_process import server_process

DIGITS = "shipped/digits"
ALLOWED_LOSS = 0.01
"""How much worse than the centrally trained model, as a share of the test images, the devices may be."""
RAM_LIMIT, ROM_LIMIT = 65_536, 131_072
NOISE, DELTA = 1.0, 1e-3


def main() -> int:
    """Run the story; 0 when the devices learnt as well as they should, within their memory."""
    parser = argparse.ArgumentParser(prog="demo-federated", description=__doc__)
    parser.add_argument("--central", type=Path, required=True, help="script that trains the head with TensorFlow")
    parser.add_argument("--devices", type=int, default=100, choices=range(10, 501), metavar="10-500")
    parser.add_argument("--rounds", type=int, default=50, choices=range(1, 501), metavar="1-500")
    parser.add_argument("--share", type=float, default=0.4, help="of the devices that is asked in a round")
    parser.add_argument("--averaging-only", action="store_true", help="leave the parameter server out")
    options = parser.parse_args()
    configure_logging(level="error")
    try:
        with tempfile.TemporaryDirectory(prefix="lwm2m-ml-federated-") as folder:
            return asyncio.run(_run(Path(folder), options))
    except Lwm2mMlError as error:
        print(f"Error: {error}", file=sys.stderr)
        return error.exit_code


async def _run(folder: Path, options: argparse.Namespace) -> int:
    zoo = resources.files("lwm2m_ml.service.zoo")
    with (
        resources.as_file(zoo / f"{DIGITS}/digits-small.onnx") as model,
        resources.as_file(zoo / f"{DIGITS}/calibration.npz") as calibration,
    ):
        trainable = folder / "reader.onnx"
        await command(
            *("-m", "lwm2m_ml", "federated", "prepare", str(model)),
            *("--calibration", str(calibration), "--output", str(trainable)),
        )
        modules = await compiled(model, trainable, calibration, folder)
        learnt, alike = await _learn(folder, trainable, calibration, options)
        _tell("TensorFlow trains the same head with all examples in one place …")
        central: dict[str, Any] = json.loads(await command(str(options.central), str(model), str(calibration)))
    best = central["training"]["accuracy"]
    print(f"\nMemory and instructions\n\n{memory_table(modules, central)}")
    print(f"\nOne device, one round\n\n{round_table(learnt)}")
    print(f"\nTest images right, in percent, by round\n\n{accuracy_table(learnt, best, best - ALLOWED_LOSS)}")
    for one in learnt:
        for answer in one.rejected:
            print(f"\nRejected: {answer.endpoint}, {answer.reason}")
    noisy = epsilon(NOISE, options.share, options.rounds, DELTA)
    print("\nNo noise was added, so there is no ε;", end=" ")
    print(f"with a noise multiplier of {NOISE:g} it would be {noisy:.2f} for δ = {DELTA:g}")
    fits = all(
        module.learning["ram_bytes"] + module.buffers <= RAM_LIMIT and module.learning["flash_bytes"] <= ROM_LIMIT
        for module in modules
    )
    good = learnt[0].final >= best - ALLOWED_LOSS
    verdicts = {"as good as it has to be": good, "within 64 KiB and 128 KiB": fits, "alike on both cores": alike}
    print()
    for what, holds in verdicts.items():
        print(f"{what}: {'yes' if holds else 'NO'}")
    return 0 if good and fits and alike else 1


async def _learn(
    folder: Path, trainable: Path, calibration: Path, options: argparse.Namespace
) -> tuple[list[Learnt], bool]:
    log = folder / "server.log"
    common = {"rounds": options.rounds, "sampling": {"share": options.share, "seconds": 600.0}}
    async with server_process(folder / "data", log=log) as server, AsyncClient(server.api, server.token) as client:
        anchor = (await client.trust_anchor()).pem.encode("ascii")
        async with readers(options.devices, server.coap, anchor) as fleet:
            story = Story(client, fleet, _tell)
            await story.deploy(trainable, calibration)
            learnt = [await story.learn("averaging", AVERAGING | common)]
            alike = await story.same_on_every_core(learnt[0])
            if not options.averaging_only:
                learnt.append(await story.learn("parameter server", PARAMETER_SERVER | common))
    return learnt, alike


def _tell(line: str) -> None:
    print(line, flush=True)


def _verdict(good: bool) -> str:
    return "yes," if good else "NO, not"


if __name__ == "__main__":
    sys.exit(main())
