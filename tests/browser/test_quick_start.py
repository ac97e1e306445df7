"""The quick start of docs/dashboard.md, word for word: from there to an answer, in under five minutes."""

import os
import re
import shlex
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.browser.conftest import ROOT, Site, foreign, free_ports, opened, process
from tests.browser.test_story import draw_a_one

pytestmark = [pytest.mark.browser, pytest.mark.timeout(420)]

DOCUMENT = (ROOT / "docs" / "dashboard.md").read_text("utf-8")
LIMIT_SECONDS = 300.0
BIN = Path(sys.executable).parent


def blocks() -> list[list[str]]:
    """The commands of the quick start, terminal by terminal."""
    section = DOCUMENT.split("## Quick start", 1)[1].split("\n## ", 1)[0]
    return [block.strip().splitlines() for block in re.findall(r"```sh\n(.*?)```", section, re.S)]


def quoted(step: int) -> list[str]:
    """What stands in code quotes in a step of the list."""
    section = DOCUMENT.split("## Quick start", 1)[1].split("\n## ", 1)[0]
    text = re.search(rf"^{step}\. (.*?)(?=^\d\. |\Z)", section, re.S | re.M)
    assert text is not None
    return re.findall(r"`([^`]+)`", text[1])


def command(line: str, coap: str = "") -> list[str]:
    """A line as this installation and its free port have it."""
    words = shlex.split(line.replace("coap://127.0.0.1:5683", coap))
    assert words[0].startswith(".venv/bin/")
    return [str(BIN / Path(words[0]).name), *words[1:]]


@pytest.fixture
def started(tmp_path: Path) -> Iterator[Site]:
    """The server and the fleet, by the commands of the document."""
    (serve,), (anchor, fleet) = blocks()
    environment = free_ports() | {"LWM2M_ML_DATA_DIRECTORY": str(tmp_path / "data"), "PYTHONUNBUFFERED": "1"}
    printed = tmp_path / "printed"
    with (
        printed.open("wb") as out,
        (tmp_path / "log").open("wb") as log,
        process(command(serve), stdout=out, stderr=log, env=environment, cwd=ROOT),
    ):
        told = _printed(printed, r"export LWM2M_ML_SERVER=(\S+) LWM2M_ML_TOKEN=(\S+)")
        devices = _printed(printed, r"Devices: (coap://\S+)")[0]
        site = Site(told[0], devices, told[1])
        operator = os.environ | {"LWM2M_ML_SERVER": site.address, "LWM2M_ML_TOKEN": site.token}
        line, _, file = anchor.partition(" > ")
        pem = subprocess.run(command(line), env=operator, check=True, capture_output=True, timeout=60).stdout
        (tmp_path / file).write_bytes(pem)
        run = [word if word != file else str(tmp_path / file) for word in command(fleet, site.coap)]
        with process(run, stdout=log, stderr=log, cwd=ROOT):
            yield site


def _printed(file: Path, pattern: str) -> tuple[str, ...]:
    for _ in range(300):
        found = re.search(pattern, file.read_text("utf-8"))
        if found is not None:
            return found.groups()
        time.sleep(0.2)
    raise AssertionError(f"The server did not print {pattern}: {file.read_text('utf-8')}")


def test_from_the_readme_to_an_answer_in_the_browser(browser: Any, tmp_path: Path, request: Any) -> None:
    began = time.monotonic()
    readme = (ROOT / "README.md").read_text("utf-8")
    assert "docs/dashboard.md" in readme
    assert "in a browser for the dashboard" in readme
    site: Site = request.getfixturevalue("started")
    model, calibration, name, classes = quoted(2)
    with opened(browser) as tab:
        page = tab.page
        page.goto(site.address)  # 1
        page.fill("#token", site.token)
        page.click("text=Log in >> nth=-1")
        for endpoint in ("desk-nrf52840", "desk-esp32-c3", "desk-stm32l053"):
            page.wait_for_selector(f"tr:has-text('{endpoint}'):has-text('ready')")

        page.click("nav >> text=Compile")  # 2
        page.locator("input[type=file]").first.set_input_files(ROOT / model)
        page.wait_for_selector("text=is stored; add it to the zoo")
        samples = (ROOT / model).with_name(calibration)
        page.locator("input[type=file]").last.set_input_files(samples)
        page.wait_for_selector("text=is stored for the quantiser")
        page.get_by_label("Name").fill(name)
        page.get_by_label("Classes, with commas").fill(classes)
        page.click("button:has-text('Add to the zoo')")
        page.wait_for_selector("text=digits-mine 1.0.0 is in the zoo.")

        page.click("button:has-text('Compile')")  # 3
        page.wait_for_selector("h2:has-text('What came out')")
        page.wait_for_selector("h3:has-text('Memory plan')")
        with page.expect_download() as downloading:
            page.locator("button:has-text('Download the module')").first.click()
        assert downloading.value.suggested_filename.endswith(".zip")
        page.screenshot(path=tmp_path / "compiled.png", full_page=True)

        page.click("text=Deploy this model")  # 4
        page.click("button:has-text('Start the campaign')")
        page.wait_for_selector("h1 + .tag:has-text('finished')", timeout=200_000)

        page.click("nav >> text=Draw a digit")  # 5
        page.wait_for_selector("text=digits-mine 1.0.0")
        draw_a_one(tab)
        page.click("button:has-text('Send to the device')")
        page.wait_for_selector("text=bit for bit as the integer reference")
        assert page.inner_text("[data-testid=answer]") == "1"
        assert foreign(tab.requests, site) == []
        assert tab.problems == []
    seconds = time.monotonic() - began
    with request.config.pluginmanager.getplugin("capturemanager").global_and_fixture_disabled():
        print(f"\nfrom the quick start's first command to an answer in the browser: {seconds:.0f} s")
    assert seconds < LIMIT_SECONDS
