"""What docs/operations.md hands out works: unit, dashboard, alerts, settings, links."""

import json
import re
import shutil
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from lwm2m_ml.api.metrics import ApiMetrics, registry_of
from lwm2m_ml.config import Settings
from lwm2m_ml.service.figures import Figures

DOCS = Path(__file__).parents[1] / "docs"
METRIC = re.compile(r"\b(?:lwm2m_ml|process)_[a-z_]+")


@pytest.fixture(scope="module")
def shown() -> set[str]:
    """The names of all samples that a server with something to tell shows."""
    fields: dict[str, Any] = {
        name: {("read", "ok"): 1} if "tuple" in str(kind) else {"read": 1.0} if "Mapping" in str(kind) else 1
        for name, kind in Figures.__annotations__.items()
    }
    registry = registry_of(lambda: Figures(**fields))
    ApiMetrics(registry).answered("GET", "/devices", 200, 0.01)
    text = generate_latest(registry).decode()
    return {sample.name for family in text_string_to_metric_families(text) for sample in family.samples}


def test_the_dashboard_and_the_alerts_ask_for_figures_that_there_are(shown: set[str]) -> None:
    dashboard = json.loads((DOCS / "operations" / "grafana-dashboard.json").read_text())
    asked = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    alerts = yaml.safe_load((DOCS / "operations" / "alerts.yaml").read_text())
    asked += [rule["expr"] for group in alerts["groups"] for rule in group["rules"]]
    names = {name for expression in asked for name in METRIC.findall(expression)}
    assert len(names) > 10
    assert names - shown == set()


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not installed")
def test_the_unit_is_one_that_systemd_reads(tmp_path: Path) -> None:
    unit = (DOCS / "operations" / "lwm2m-ml.service").read_text()
    there = unit.replace("/opt/lwm2m-ml/bin/lwm2m-ml", "/bin/true")  # systemd looks whether the program is there
    (tmp_path / "lwm2m-ml.service").write_text(there)
    command = ["systemd-analyze", "verify", "--man=no", str(tmp_path / "lwm2m-ml.service")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    complaints = [line for line in done.stderr.splitlines() if "lwm2m-ml.service" in line]
    assert complaints == []


def test_the_settings_of_the_document_are_settings() -> None:
    (text,) = re.findall(r"^```toml\n(.*?)^```", (DOCS / "operations.md").read_text(), re.M | re.S)
    settings = Settings.model_validate(tomllib.loads(text))
    assert settings.oidc.issuer == "https://login.example"
    assert str(settings.api_certificate) == "/etc/lwm2m-ml/api.pem"


def test_every_path_that_the_documents_link_to_is_there() -> None:
    for document in ("operations.md", "api.md", "cli.md"):
        for target in re.findall(r"\]\((?!https?:)([^)#]+)", (DOCS / document).read_text()):
            assert (DOCS / target).exists(), f"{document} links to {target}"
