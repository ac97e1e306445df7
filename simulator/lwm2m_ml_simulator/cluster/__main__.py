"""`make cluster-demo`: the demonstration of a cluster as a command; its exit code says whether all went as promised."""

import argparse
import asyncio
import sys
import tempfile
import time
from pathlib import Path

from lwm2m_ml.errors import Lwm2mMlError
from lwm2m_ml.logs import configure_logging
from lwm2m_ml_simulator.cluster.demo import play

DEVICES = 2_000
PATIENCE = 3_000.0


class Teller:
    """Tells the story line by line, each with the seconds since the start."""

    def __init__(self) -> None:
        self._began = time.monotonic()

    def __call__(self, line: str) -> None:
        """Tell one line."""
        print(f"{time.monotonic() - self._began:5.0f} s  {line}", flush=True)


def main() -> int:
    """Play and judge."""
    parser = argparse.ArgumentParser(prog="cluster-demo", description="Kill a node in the middle of a campaign.")
    parser.add_argument("--devices", type=int, default=DEVICES, help=f"how many to simulate [{DEVICES}]")
    parser.add_argument("--logs", type=Path, help="keep what all programs say in this folder")
    parser.add_argument("--patience", type=float, default=PATIENCE, help=f"seconds for everything [{PATIENCE:g}]")
    arguments = parser.parse_args()
    configure_logging(level="error")
    tell = Teller()
    try:
        with tempfile.TemporaryDirectory(prefix="lwm2m-ml-cluster-") as temporary:
            folder = (arguments.logs or Path(temporary)).resolve()
            folder.mkdir(parents=True, exist_ok=True)
            outcome = asyncio.run(play(folder, arguments.devices, tell, patience=arguments.patience))
    except Lwm2mMlError as error:
        print(f"Error: {error}", file=sys.stderr)
        return error.exit_code
    ending = "as promised" if outcome.as_promised else "NOT as promised"
    tell(f"{outcome.running} of {outcome.devices} devices run their model, {ending}")
    return 0 if outcome.as_promised else 1


if __name__ == "__main__":
    sys.exit(main())
