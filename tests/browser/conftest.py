"""A real browser, a server as a user starts it, and a few simulated microcontrollers.

Debian's `chromium` is driven by Playwright; no browser is downloaded. Without one the tests are skipped, and say so.
"""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from lwm2m_ml.client.client import Client
from tests.browser.drifted import raise_alarm

ROOT = Path(__file__).parents[2]
FLEET = ROOT / "simulator" / "lwm2m_ml_simulator" / "fleets" / "desk.toml"
ENDPOINTS = ("desk-esp32-c3", "desk-nrf52840", "desk-stm32l053")
PATIENCE = 90.0
STEP_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Site:
    """A running server: where its dashboard and its devices are, and a token of an administrator."""

    address: str
    coap: str
    token: str

    @property
    def dashboard(self) -> str:
        """The root of the dashboard."""
        return f"{self.address}/dashboard"

    def client(self) -> Client:
        """A client of its API."""
        return Client(self.address, self.token)


def chromium() -> str:
    """The path of a Chromium; skips where there is none."""
    path = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
    if path is None:
        pytest.skip("No chromium is installed: apt-get install chromium")
    return path


@contextmanager
def process(command: list[str], **options: Any) -> Iterator[subprocess.Popen[bytes]]:
    """A program that is ended with the block."""
    started = subprocess.Popen(command, **options)
    try:
        yield started
    finally:
        started.send_signal(signal.SIGINT)
        try:
            started.wait(20)
        except subprocess.TimeoutExpired:
            started.kill()
            started.wait()
        if started.stdout is not None:
            started.stdout.close()


def free_ports() -> dict[str, str]:
    """The environment of a server that takes free ports and asks nothing of this user's settings."""
    own = {name: value for name, value in os.environ.items() if not name.startswith("LWM2M_ML_")}
    ports = {f"LWM2M_ML_{name}_PORT": "0" for name in ("API", "COAP", "COAPS")}
    return own | ports


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A server with an alarm in its database, and nothing else; each file of tests has its own."""
    with served(tmp_path_factory.mktemp("server")) as site:
        yield site


@contextmanager
def served(folder: Path) -> Iterator[Site]:
    """Such a server, with its files in a folder."""
    raise_alarm(folder)
    command = [sys.executable, "-m", "lwm2m_ml", "serve", "--insecure", "--json", "--data-directory", str(folder)]
    with (
        (folder / "log").open("wb") as log,
        process(command, stdout=subprocess.PIPE, stderr=log, env=free_ports(), cwd=folder) as server,
    ):
        assert server.stdout is not None
        told = json.loads(server.stdout.readline())
        yield Site(told["api"], told["coap"], told["token"])


@pytest.fixture(scope="module")
def fleet(site: Site, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, ...]]:
    """The three microcontrollers on the desk, registered and known."""
    with simulated(site, tmp_path_factory.mktemp("fleet")) as endpoints:
        yield endpoints


@contextmanager
def simulated(site: Site, folder: Path) -> Iterator[tuple[str, ...]]:
    """Such a fleet, at a server."""
    with site.client() as client:
        (folder / "anchor.pem").write_text(client.trust_anchor().pem)
    command = [sys.executable, "-c", "from lwm2m_ml_simulator.cli.command import main; main()", "run", str(FLEET)]
    command += ["--server", site.coap, "--trust-anchor", str(folder / "anchor.pem")]
    with (folder / "log").open("wb") as log, process(command, stdout=log, stderr=log):
        until(lambda: len(known(site)) == len(ENDPOINTS), "the fleet registers")
        yield ENDPOINTS


def known(site: Site) -> list[str]:
    """The devices whose abilities were read."""
    with site.client() as client:
        return [device.endpoint for device in client.devices() if device.profile is not None]


def until(holds: Any, what: str, seconds: float = PATIENCE) -> None:
    """Wait until something holds."""
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, f"waited {seconds:.0f} s in vain: {what}"
        time.sleep(0.2)


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """A headless Chromium."""
    path = chromium()
    api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    with api.sync_playwright() as playwright:
        # Root, as in CI, may not use the sandbox.
        started = playwright.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-dev-shm-usage"])
        yield started
        started.close()


@dataclass(slots=True)
class Tab:
    """A page in the browser, with what it asked the network for and what went wrong in it."""

    page: Any
    requests: list[str]
    problems: list[str]

    def go(self, address: str) -> None:
        """Open an address and wait until the page lives."""
        self.page.goto(address)
        self.page.wait_for_selector("main#page h1")


@contextmanager
def opened(browser: Any, *, width: int = 1280, height: int = 900, scheme: str = "light") -> Iterator[Tab]:
    """A tab with a context of its own."""
    context = browser.new_context(
        viewport={"width": width, "height": height}, color_scheme=scheme, reduced_motion="reduce", accept_downloads=True
    )
    context.set_default_timeout(STEP_SECONDS * 1000)
    page = context.new_page()
    tab = Tab(page, [], [])
    page.on("request", lambda request: tab.requests.append(request.url))
    page.on("websocket", lambda socket: tab.requests.append(socket.url))
    page.on("pageerror", lambda error: tab.problems.append(str(error)))
    page.on("console", lambda message: tab.problems.append(message.text) if message.type == "error" else None)
    yield tab
    context.close()


def log_in(tab: Tab, site: Site, token: str = "") -> None:
    """Log in by the form, as a user does."""
    tab.page.goto(site.address)
    tab.page.fill("#token", token or site.token)
    tab.page.click("button[type=submit]")
    tab.page.wait_for_selector("main#page h1")


def foreign(urls: list[str], site: Site) -> list[str]:
    """The requests that went anywhere else than to the server."""
    own = re.compile(rf"^(http|ws)://{re.escape(site.address.removeprefix('http://'))}/|^(data|blob|about):")
    return [url for url in urls if not own.match(url)]


@pytest.fixture
def tab(browser: Any, site: Site) -> Iterator[Tab]:
    """A tab in which an administrator is logged in; nothing may go wrong in it, and it asks nobody else."""
    with opened(browser) as tab:
        log_in(tab, site)
        yield tab
        assert tab.problems == []
        assert foreign(tab.requests, site) == []
