"""The demonstration of a cluster, with few devices: a node is killed, and every device gets its model."""

from pathlib import Path

import pytest

from lwm2m_ml.errors import MissingToolError
from lwm2m_ml_simulator.cluster.demo import Pace, play

pytest.importorskip("distributed", reason="the extra [cluster] is not installed")

DEVICES = 12
OFTEN = Pace(lifetime=8, inference_period_ms=1_000)
PATIENCE = 540.0


@pytest.mark.timeout(600)
async def test_every_device_is_updated_though_a_node_is_killed(tmp_path: Path) -> None:
    story: list[str] = []
    try:
        outcome = await play(tmp_path, DEVICES, story.append, patience=PATIENCE, pace=OFTEN)
    except MissingToolError as error:
        pytest.skip(str(error))
    assert outcome.as_promised, story
    assert any("kill -9" in line for line in story)
