"""What the documentation says of clusters can be used as it stands."""

import re
import subprocess
from pathlib import Path

import pytest

from lwm2m_ml.errors import MissingToolError
from lwm2m_ml_simulator.cluster.nginx import MODULE, PACKAGE
from lwm2m_ml_simulator.cluster.process import find_program, free_port

DOCUMENT = Path(__file__).parents[2] / "docs" / "scale.md"


def test_nginx_takes_the_documented_configuration(tmp_path: Path) -> None:
    try:
        nginx = find_program("nginx", PACKAGE)
    except MissingToolError as error:
        pytest.skip(str(error))
    if not MODULE.exists():
        pytest.skip(f"nginx has no stream module: apt-get install {PACKAGE}")
    found = re.search(r"```nginx\n(.*?)```", DOCUMENT.read_text(), re.DOTALL)
    assert found is not None
    configuration = found[1].replace("listen 5684 udp", f"listen 127.0.0.1:{free_port()} udp")
    assert "listen 127.0.0.1" in configuration
    file = tmp_path / "nginx.conf"
    file.write_text(f"pid {tmp_path}/pid;\nerror_log {tmp_path}/error.log;\n{configuration}")
    command = [nginx, "-t", "-c", str(file), "-p", str(tmp_path), "-e", str(tmp_path / "error.log")]
    tested = subprocess.run(command, capture_output=True, text=True, check=False)
    assert "test is successful" in tested.stderr, tested.stderr
