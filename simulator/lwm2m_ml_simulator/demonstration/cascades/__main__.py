"""`python -m lwm2m_ml_simulator.demonstration.cascades`: two cascades, and what they save against sending raw data."""

import argparse
import asyncio
import json
import sys
import tempfile
from pathlib import Path

from lwm2m_ml.client.client import AsyncClient
from lwm2m_ml.client.schemas.zoo import CalibrationToAdd, ModelToAdd, VariantToAdd
from lwm2m_ml.errors import Lwm2mMlError
from lwm2m_ml.logs import configure_logging
from lwm2m_ml.module.signing import VerificationKey
from lwm2m_ml_simulator.demonstration.cascades import behind_gateway, wake_word
from lwm2m_ml_simulator.demonstration.cascades.report import report
from lwm2m_ml_simulator.demonstration.server_process import server_process
from lwm2m_ml_simulator.energy.power import load_radio

LEAST_RIGHT = 0.9
"""The share of commands that have to be understood."""
RADIO = "ieee802154"
FILES = {wake_word.WAKE_MODEL: "wake", wake_word.COMMANDS_MODEL: "commands"}


def main() -> int:
    """Run both cascades; 0 when they do what they are for."""
    parser = argparse.ArgumentParser(prog="demo-cascades", description=__doc__)
    parser.add_argument("--train", type=Path, required=True, help="script that trains the two models for words")
    parser.add_argument("--windows", type=int, default=600, choices=range(50, 10_001), metavar="50-10000")
    options = parser.parse_args()
    configure_logging(level="error")
    try:
        with tempfile.TemporaryDirectory(prefix="lwm2m-ml-cascades-") as folder:
            return asyncio.run(_run(Path(folder), options))
    except Lwm2mMlError as error:
        print(f"Error: {error}", file=sys.stderr)
        return error.exit_code


async def _run(folder: Path, options: argparse.Namespace) -> int:
    print("Training a wake-word detector and a recogniser of commands on synthetic words", flush=True)
    figures = await _train(options.train, folder)
    log, radio = folder / "server.log", load_radio(RADIO)
    async with server_process(folder / "data", log=log) as server, AsyncClient(server.api, server.token) as client:
        anchor = VerificationKey.from_pem((await client.trust_anchor()).pem.encode("ascii"))
        for model, name in FILES.items():
            await _add(client, folder, model, name, figures[name])
        words = await wake_word.run(client, server.coap, anchor, radio, options.windows)
        gateway = await behind_gateway.run(client, server.coap, anchor, radio, options.windows)
    print(report(words, gateway, radio))
    understood = words.heard > 0 and words.right >= LEAST_RIGHT * words.heard
    saved = words.bytes_sent < words.bytes_raw and gateway.bytes_sent < gateway.bytes_raw
    return 0 if understood and saved and gateway.found else 1


async def _train(script: Path, folder: Path) -> dict[str, dict[str, object]]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, str(script), str(folder), stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    printed, complaints = await process.communicate()
    if process.returncode:
        raise Lwm2mMlError(f"{script} failed: {complaints.decode(errors='replace').strip()[-200:]}")
    figures: dict[str, dict[str, object]] = json.loads(printed.splitlines()[-1])
    return figures


async def _add(client: AsyncClient, folder: Path, model: str, name: str, figures: dict[str, object]) -> None:
    """Add a trained model to the zoo."""
    content = await client.store_file((folder / f"{name}.onnx").read_bytes())
    calibration = await client.store_file((folder / "calibration.npz").read_bytes())
    await client.add_model(
        ModelToAdd.model_validate(
            {
                "name": model,
                "version": "1.0.0",
                "variants": [
                    VariantToAdd.model_validate(
                        {
                            "name": f"{model}-small",
                            "digest": content.digest,
                            "macs": figures["macs"],
                            "accuracy": figures["accuracy"],
                        }
                    )
                ],
                "labels": figures["labels"],
                "calibration": CalibrationToAdd(digest=calibration.digest, array="windows"),
                "data": "synthetic words, nobody spoke them",
            }
        )
    )


if __name__ == "__main__":
    sys.exit(main())
