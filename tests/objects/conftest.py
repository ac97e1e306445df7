import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of shared reference data, where it is there."""
    named = os.environ.get("LWM2M_ML_SHARED")
    folder = Path(named) if named else Path(__file__).resolve().parents[3] / "shared"
    if not (folder / "oma-registry").is_dir():
        pytest.skip("the OMA registry is not here: set LWM2M_ML_SHARED to the folder that holds oma-registry")
    return folder
