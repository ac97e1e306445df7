"""`python -m lwm2m_ml_simulator.demonstration.drift`: drift, alarm, captures, a new model, and no drift any more."""

import argparse
import asyncio
import os
import sys
import tempfile
from pathlib import Path

from lwm2m_ml.client.client import AsyncClient
from lwm2m_ml.errors import Lwm2mMlError
from lwm2m_ml.logs import configure_logging
from lwm2m_ml_simulator.demonstration.drift.drawing import draw
from lwm2m_ml_simulator.demonstration.drift.fleet import wrists
from lwm2m_ml_simulator.demonstration.drift.story import Story
from lwm2m_ml_simulator.demonstration.server_process import server_process

SETTINGS = {
    # An hour of a fleet in a few seconds: the devices infer ten times a second.
    "LWM2M_ML_MONITORING__PERIOD": "4",
    "LWM2M_ML_MONITORING__CAPTURES_ON_ALARM": "40",
}
LEAST_GAIN = 0.05
"""How much better than in the drift the new model must be, as a share of the results."""


def main() -> int:
    """Run the story; 0 when it ends as it should."""
    parser = argparse.ArgumentParser(prog="demo-drift", description=__doc__)
    parser.add_argument("--retrain", type=Path, required=True, help="script that trains on captured inputs")
    parser.add_argument("--wrists", type=int, default=6, choices=range(2, 21), metavar="2-20")
    parser.add_argument("--plot", type=Path, help="picture of the story, .png or .svg")
    options = parser.parse_args()
    configure_logging(level="error")
    os.environ.update(SETTINGS)
    try:
        with tempfile.TemporaryDirectory(prefix="lwm2m-ml-drift-") as folder:
            return asyncio.run(_run(Path(folder), options))
    except Lwm2mMlError as error:
        print(f"Error: {error}", file=sys.stderr)
        return error.exit_code


async def _run(folder: Path, options: argparse.Namespace) -> int:
    log = folder / "server.log"
    async with server_process(folder / "data", log=log) as server, AsyncClient(server.api, server.token) as client:
        anchor = (await client.trust_anchor()).pem.encode("ascii")
        async with wrists(options.wrists, server.coap, anchor) as fleet:
            story = Story(client, fleet, folder, options.retrain, lambda line: print(line, flush=True))
            before, during, after = await story.run()
    if options.plot is not None:
        draw(story.timeline, options.plot)
        print(f"{options.plot}: the accuracy over time")
    shares = f"before the drift {100 * before:.1f} %, in it {100 * during:.1f} %, after the update {100 * after:.1f} %"
    print(f"Right {shares}")
    return 0 if after >= during + LEAST_GAIN else 1


if __name__ == "__main__":
    sys.exit(main())
